/* SPDX-License-Identifier: MIT
 *
 * mapped: a whole file as memory, without reading it: programs are large, and little of them is
 * looked at. Somebody who cuts the file off meanwhile ends us with SIGBUS, so this is for files
 * that are programs and libraries, which are replaced, not rewritten.
 */
#ifndef AIGW_TOOL_MAPPED_H
#define AIGW_TOOL_MAPPED_H

#include "base/bytes.h"

/* Follows symbolic links. ERR_MISSING, ERR_ACCESS, ERR_BAD (not a regular file), ERR_IO. An empty
 * file is an empty view. Ended by mapped_close. */
MUST_USE enum err mapped_open(const char *path, struct bytes *ret_file);
void mapped_close(struct bytes *file);

#endif
