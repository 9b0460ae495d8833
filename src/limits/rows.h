/* SPDX-License-Identifier: MIT
 *
 * rows: whole records of the store's file, read and written. Used by limits/store and its parts.
 */
#ifndef AIGW_LIMITS_ROWS_H
#define AIGW_LIMITS_ROWS_H

#include <sys/types.h>

#include "base/bytes.h"

/* What the file does not have is zeros. ERR_IO. */
MUST_USE enum err rows_read(int fd, void *at, size_t len, off_t offset);
/* One call: all of it, or an error. ERR_FULL, ERR_IO. */
MUST_USE enum err rows_write(int fd, const void *at, size_t len, off_t offset);

/* FNV-1a (draft-eastlake-fnv), for where to look first. */
uint64_t rows_hash(struct bytes text);

#endif
