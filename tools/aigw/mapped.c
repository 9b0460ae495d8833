/* SPDX-License-Identifier: MIT */
#include "mapped.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/sys.h"

enum err mapped_open(const char *path, struct bytes *ret_file)
{
	struct stat st;
	void *at = NULL;
	enum err e = OK;
	/* O_NONBLOCK: opening a pipe does not wait for somebody at its other end. */
	int fd = sys_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

	if (fd < 0)
		return err_from_errno(fd);
	if (sys_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		e = ERR_BAD;
	if (!e && st.st_size > 0) {
		at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (at == MAP_FAILED)
			e = ERR_IO;
	}
	if (!e)
		*ret_file = bytes_of(at, (size_t)st.st_size);
	sys_close(fd);
	return e;
}

void mapped_close(struct bytes *file)
{
	if (file->len)
		munmap((void *)file->at, file->len);
	*file = BYTES_NONE;
}
