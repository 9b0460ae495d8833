/* SPDX-License-Identifier: MIT */
#include "limits/rows.h"

#include <errno.h>
#include <string.h>

#include "base/sys.h"

enum err rows_read(int fd, void *at, size_t len, off_t offset)
{
	ssize_t n;

	do
		n = sys_pread(fd, at, len, offset);
	while (n == -EINTR);
	if (n < 0)
		return err_from_errno(n);
	memset((uint8_t *)at + n, 0, len - (size_t)n);
	return OK;
}

enum err rows_write(int fd, const void *at, size_t len, off_t offset)
{
	ssize_t n;

	do
		n = sys_pwrite(fd, at, len, offset);
	while (n == -EINTR);
	return n < 0 ? err_from_errno(n) : (size_t)n < len ? ERR_FULL : OK;
}

uint64_t rows_hash(struct bytes text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ text.at[i]) * UINT64_C(0x100000001b3);
	return hash;
}
