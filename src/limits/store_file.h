/* SPDX-License-Identifier: MIT
 *
 * store_file: the store's file (limits/store), open and locked, and the descriptor that is kept.
 * Not for anybody else than the store.
 */
#ifndef AIGW_LIMITS_STORE_FILE_H
#define AIGW_LIMITS_STORE_FILE_H

#include "limits/store.h"

/* Open, checked, locked, of full length; to be given back by store_file_finish. ERR_ACCESS, ERR_IO
 * (also: the lock is not to be had), ERR_FULL. */
MUST_USE enum err store_file_open(struct limits_kept *k, const char *directory, int *ret_fd);
/* Drops the lock. */
void store_file_finish(const struct limits_kept *k, int fd);

/* To be read, as it is, whosever it is; the caller closes it. ERR_MISSING, ERR_ACCESS, ERR_IO. */
MUST_USE enum err store_file_open_to_read(const char *directory, int *ret_fd);

#endif
