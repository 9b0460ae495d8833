/* SPDX-License-Identifier: MIT */
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/sys.h"

#define READ_FLAGS    (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
#define TOUCH_FLAGS   (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY)
#define ENTRIES_BYTES 8192

#define HUGE_PAGE_BYTES (2u << 20)

static enum err open_regular(const char *path, int *ret_fd, uint64_t *ret_bytes)
{
	struct stat st;
	int fd = sys_open(path, READ_FLAGS, 0);

	if (fd == -ELOOP)
		return ERR_BAD;
	if (fd < 0)
		return err_from_errno(fd);
	int n = sys_fstat(fd, &st);
	if (n < 0 || !S_ISREG(st.st_mode)) {
		sys_close(fd);
		return n < 0 ? err_from_errno(n) : ERR_BAD;
	}
	*ret_fd = fd;
	*ret_bytes = (uint64_t)st.st_size;
	return OK;
}

/* Room for a file: in huge pages where it is large and the host has them. */
static uint8_t *new_image(size_t bytes)
{
	uint8_t *at;

	if (bytes < 2 * HUGE_PAGE_BYTES)
		return malloc(bytes);
	bytes = (bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
	at = aligned_alloc(HUGE_PAGE_BYTES, bytes);
	if (at)
		(void)madvise(at, bytes, MADV_HUGEPAGE);
	return at;
}

enum err files_load(const char *path, size_t max, struct buf *ret_content)
{
	uint64_t bytes = 0;
	size_t got = 0;
	int fd = -1;
	enum err e = open_regular(path, &fd, &bytes);

	if (e)
		return e;
	e = bytes > max ? ERR_LIMIT : OK;
	if (!e && bytes > ret_content->cap) {
		uint8_t *at = new_image((size_t)bytes);
		if (at) {
			buf_done(ret_content);
			ret_content->at = at;
			ret_content->cap = (size_t)bytes;
		} else {
			e = ERR_NOMEM;
		}
	}
	if (!e)
		e = sys_read_full(fd, ret_content->at, (size_t)bytes, &got);
	if (!e)
		ret_content->len = got;
	sys_close(fd);
	return e;
}

enum err files_peek(const char *path, void *at, size_t len, size_t *ret_len)
{
	uint64_t bytes = 0;
	int fd = -1;
	enum err e = open_regular(path, &fd, &bytes);

	if (e)
		return e;
	e = sys_read_full(fd, at, len, ret_len);
	sys_close(fd);
	return e;
}

enum err files_size(const char *path, uint64_t *ret_bytes)
{
	int fd = -1;
	enum err e = open_regular(path, &fd, ret_bytes);

	if (!e)
		sys_close(fd);
	return e;
}

/* What getdents64(2) fills in; the name follows. */
struct entry_head {
	uint64_t inode;
	int64_t next;
	unsigned short bytes;
	unsigned char type;
} __attribute__((packed));

enum err files_list(const char *directory, struct buf *ret_names)
{
	uint8_t entries[ENTRIES_BYTES];
	int fd = sys_open(directory, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);
	enum err e = OK;
	long n;

	if (fd < 0)
		return fd == -ELOOP ? ERR_BAD : err_from_errno(fd);
	while (!e &&
	       (n = sys_call(SYS_getdents64, fd, (long)entries, sizeof entries, 0, 0, 0)) != 0) {
		if (n < 0) {
			e = err_from_errno(n);
			break;
		}
		for (long at = 0; !e && at < n;) {
			struct entry_head head;
			memcpy(&head, entries + at, sizeof head);
			const char *name = (const char *)entries + at + sizeof head;
			at += head.bytes;
			if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
				continue;
			e = buf_put(ret_names, bytes_of(name, strlen(name) + 1));
		}
	}
	sys_close(fd);
	return e;
}

const char *files_next_name(const struct buf *names, size_t *at)
{
	const char *name;

	if (*at >= names->len)
		return NULL;
	name = (const char *)names->at + *at;
	*at += strlen(name) + 1;
	return name;
}

static enum err put_path_of(struct buf *path, const char *directory, struct bytes name)
{
	enum err e = buf_put_str(path, directory);

	if (!e)
		e = buf_put_u8(path, '/');
	if (!e)
		e = buf_put(path, name);
	return e ? e : buf_put_u8(path, '\0');
}

enum err files_touch(const char *directory, struct bytes name)
{
	struct buf path = {0};
	enum err e = put_path_of(&path, directory, name);
	long n = -ENOENT;

	if (!e)
		n = sys_call(SYS_utimensat, AT_FDCWD, (long)path.at, 0, AT_SYMLINK_NOFOLLOW, 0, 0);
	if (!e && n == -ENOENT) {
		e = sys_make_directories(directory, 0700) ? ERR_IO : OK;
		if (!e)
			n = sys_open((const char *)path.at, TOUCH_FLAGS, 0600);
		if (!e && n >= 0)
			sys_close((int)n);
	}
	buf_done(&path);
	return !e && n < 0 ? err_from_errno(n) : e;
}

uint64_t files_touched(const char *directory, struct bytes name)
{
	struct buf path = {0};
	struct stat st = {0};
	uint64_t when = 0;

	if (!put_path_of(&path, directory, name) && sys_stat((const char *)path.at, &st) == 0 &&
	    st.st_mtim.tv_sec > 0)
		when = (uint64_t)st.st_mtim.tv_sec;
	buf_done(&path);
	return when;
}
