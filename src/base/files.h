/* SPDX-License-Identifier: MIT
 *
 * files: whole files and directories, for what only tools do (verify, list). Direct system calls as
 * in base/sys; nothing is ever changed. Thread-safe.
 */
#ifndef AIGW_BASE_FILES_H
#define AIGW_BASE_FILES_H

#include "base/bytes.h"

/* Replaces *ret_content by a regular file as long as it is now (a file that grows meanwhile is read
 * up to its first length). Memory is allocated once, at that length. ERR_MISSING, ERR_ACCESS,
 * ERR_BAD (not a regular file, or a symbolic link), ERR_LIMIT (over max), ERR_NOMEM, ERR_IO. */
MUST_USE enum err files_load(const char *path, size_t max, struct buf *ret_content);

/* The first bytes of a file, at most `len`; how many in *ret_len. Errors as files_load. */
MUST_USE enum err files_peek(const char *path, void *at, size_t len, size_t *ret_len);

/* Appends the names in a directory to *ret_names, each with a NUL behind, in no order, without "."
 * and "..". ERR_MISSING (also: no directory), ERR_BAD (links in a circle), ERR_ACCESS, ERR_IO,
 * ERR_NOMEM. */
MUST_USE enum err files_list(const char *directory, struct buf *ret_names);

/* The length of a regular file. Errors as files_load. */
MUST_USE enum err files_size(const char *path, uint64_t *ret_bytes);

/* The next name of a list of files_list, or NULL; starts at *at = 0. */
const char *files_next_name(const struct buf *names, size_t *at);

/* Sets the time of DIRECTORY/NAME, an empty file that says when something was done, to now; makes
 * it (0600) and the directories (0700) when they are missing. A link is not followed. */
MUST_USE enum err files_touch(const char *directory, struct bytes name);
/* Its time, in seconds since 1970; 0: never, or it cannot be known. */
uint64_t files_touched(const char *directory, struct bytes name);

#endif
