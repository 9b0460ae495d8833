/* SPDX-License-Identifier: MIT */
#include "limits/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/sys.h"
#include "limits/rows.h"

#define PATH_BYTES_MAX 1100
#define FD_MIN         900 /* where a kept descriptor is moved to, out of the program's way */
#define LOCK_PAUSE_NS  20000
#define LOCK_PAUSE_MAX 1000000

/* ---- the file ---- */

static bool put_path(char path[PATH_BYTES_MAX], const char *directory)
{
	size_t len = strlen(directory);

	if (len + sizeof "/" LIMITS_FILE_NAME > PATH_BYTES_MAX)
		return false;
	memcpy(path, directory, len);
	memcpy(path + len, "/" LIMITS_FILE_NAME, sizeof "/" LIMITS_FILE_NAME);
	return true;
}

static bool is_private(const struct stat *st)
{
	uid_t me = (uid_t)sys_call(SYS_geteuid, 0, 0, 0, 0, 0, 0);

	return st->st_uid == me && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static int create(const char *directory, const char *path, enum err *ret_error)
{
	struct stat st;

	*ret_error = sys_make_directories(directory, 0700) ? ERR_IO : OK;
	if (*ret_error)
		return -1;
	if (sys_stat(directory, &st) < 0 || !is_private(&st)) {
		*ret_error = ERR_ACCESS;
		return -1;
	}
	return sys_open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
}

static enum err lock_file(int fd, short type)
{
	struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
	struct timespec pause = {0, LOCK_PAUSE_NS};
	uint64_t until_ns = 0;

	for (;;) {
		long n = sys_call(SYS_fcntl, fd, F_SETLK, (long)&range, 0, 0, 0);
		if (n == 0)
			return OK;
		if (n != -EAGAIN && n != -EACCES && n != -EINTR)
			return err_from_errno(n);
		uint64_t now_ns = sys_monotonic_ns();
		if (!until_ns)
			until_ns = now_ns + LIMITS_WAIT_NS;
		if (now_ns >= until_ns)
			return ERR_IO;
		sys_call(SYS_nanosleep, (long)&pause, 0, 0, 0, 0, 0);
		if (pause.tv_nsec < LOCK_PAUSE_MAX)
			pause.tv_nsec *= 2;
	}
}

/* ---- the descriptor that is kept ---- */

/* The program may have closed it, and the number may be of a file of its own now: then it is
 * forgotten, and not touched. */
static int kept_descriptor(struct limits_kept *k, const char *directory, struct stat *ret_st)
{
	int fd = k->fd_plus_one - 1;

	if (fd < 0)
		return -1;
	if (sys_fstat(fd, ret_st) < 0 || ret_st->st_dev != k->device ||
	    ret_st->st_ino != k->inode) {
		k->fd_plus_one = 0;
		return -1;
	}
	if (ret_st->st_nlink == 1 && !(ret_st->st_mode & (S_IWGRP | S_IWOTH)) &&
	    sys_monotonic_ns() - k->since_ns < LIMITS_KEEP_NS &&
	    rows_hash(bytes_str(directory)) == k->directory_hash)
		return fd;
	k->fd_plus_one = 0;
	sys_close(fd);
	return -1;
}

/* Moves it out of the program's way to stay there; where there is no room, it serves once. */
static int keep_descriptor(struct limits_kept *k, const char *directory, const struct stat *st,
			   int fd)
{
	long high = sys_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, FD_MIN, 0, 0, 0);

	if (high < 0)
		return fd;
	sys_close(fd);
	*k = (struct limits_kept){(int)high + 1, st->st_dev, st->st_ino, sys_monotonic_ns(),
				  rows_hash(bytes_str(directory))};
	return (int)high;
}

static enum err open_path(const char *directory, struct stat *ret_st, int *ret_fd)
{
	char path[PATH_BYTES_MAX];
	enum err e = OK;
	int fd = -1;

	if (!put_path(path, directory))
		return ERR_IO;
	fd = sys_open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd == -ENOENT)
		fd = create(directory, path, &e);
	if (fd < 0)
		return e                                               ? e
		       : fd == -ELOOP || fd == -EISDIR || fd == -ENXIO ? ERR_ACCESS
								       : err_from_errno(fd);
	*ret_fd = fd;
	if (sys_fstat(fd, ret_st) == 0 && S_ISREG(ret_st->st_mode) && ret_st->st_nlink <= 1 &&
	    is_private(ret_st))
		return OK;
	sys_close(fd);
	return ERR_ACCESS;
}

void store_file_finish(const struct limits_kept *k, int fd)
{
	if (k->fd_plus_one != fd + 1)
		sys_close(fd);
	else
		(void)!lock_file(fd, F_UNLCK);
}

enum err store_file_open(struct limits_kept *k, const char *directory, int *ret_fd)
{
	enum err e = OK;
	struct stat st = {0};
	int fd;

	/* Writing past RLIMIT_FSIZE would kill the program (SIGXFSZ). */
	if (sys_file_limit() < LIMITS_FILE_BYTES)
		return ERR_FULL;
	fd = kept_descriptor(k, directory, &st);
	if (fd < 0) {
		e = open_path(directory, &st, &fd);
		if (e)
			return e;
		fd = keep_descriptor(k, directory, &st, fd);
	}
	e = lock_file(fd, F_WRLCK);
	/* Another process may have done this meanwhile: it is the same length. */
	if (!e && st.st_size < LIMITS_FILE_BYTES) {
		long n = sys_call(SYS_ftruncate, fd, LIMITS_FILE_BYTES, 0, 0, 0, 0);
		e = n < 0 ? err_from_errno(n) : OK;
	}
	if (e)
		store_file_finish(k, fd);
	else
		*ret_fd = fd;
	return e;
}

enum err store_file_open_to_read(const char *directory, int *ret_fd)
{
	char path[PATH_BYTES_MAX];
	enum err e;
	int fd;

	if (!put_path(path, directory))
		return ERR_IO;
	fd = sys_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return err_from_errno(fd);
	e = lock_file(fd, F_RDLCK);
	if (e)
		sys_close(fd);
	else
		*ret_fd = fd;
	return e;
}
