/* SPDX-License-Identifier: MIT
 *
 * The libraries linked into us refer to a few libc functions that we hook. The linker's --wrap
 * sends those references here, so that no code of ours ever comes through a front door.
 */
#include <errno.h>
#include <sys/types.h>

#include "base/sys.h"

int __wrap_close(int fd);
ssize_t __wrap_read(int fd, void *data, size_t len);

static ssize_t with_errno(ssize_t result)
{
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

int __wrap_close(int fd)
{
	return (int)with_errno(sys_close(fd));
}

ssize_t __wrap_read(int fd, void *data, size_t len)
{
	return with_errno(sys_read(fd, data, len));
}
