/* SPDX-License-Identifier: MIT */
#include "keys/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/files.h"
#include "base/sys.h"

#define HOST_BYTES 32
#define USED       "used"
#define NEW_FLAGS  (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
#define READ_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)

static enum err put_path(struct buf *path, const char *directory, const char *name)
{
	enum err e = buf_put_str(path, directory);

	if (!e)
		e = buf_put_u8(path, '/');
	return e ? e : buf_put(path, bytes_of(name, strlen(name) + 1));
}

/* A regular file of ours or root's, with none of these rights for others. */
static enum err check_file(int fd, mode_t forbidden, struct stat *ret_stat)
{
	int n = sys_fstat(fd, ret_stat);
	uid_t me = (uid_t)sys_call(SYS_geteuid, 0, 0, 0, 0, 0, 0);

	if (n < 0)
		return err_from_errno(n);
	if (!S_ISREG(ret_stat->st_mode))
		return ERR_BAD;
	return (ret_stat->st_uid != 0 && ret_stat->st_uid != me) || (ret_stat->st_mode & forbidden)
		       ? ERR_ACCESS
		       : OK;
}

static enum err open_file(const char *path, mode_t forbidden, struct stat *ret_stat, int *ret_fd)
{
	int fd = sys_open(path, READ_FLAGS, 0);
	enum err e;

	if (fd < 0)
		return fd == -ELOOP ? ERR_BAD : err_from_errno(fd);
	e = check_file(fd, forbidden, ret_stat);
	if (e) {
		sys_close(fd);
		return e;
	}
	*ret_fd = fd;
	return OK;
}

/* Whole, in its place at once, and there after a power cut. `only_new`: not over another one. */
static enum err write_whole(const char *directory, const char *name, struct bytes content,
			    bool only_new)
{
	struct buf path = {0}, beside = {0};
	enum err e = put_path(&path, directory, name);
	int fd = -1, place;
	size_t written;

	if (!e && (buf_put_str(&beside, directory) || buf_put_str(&beside, "/.") ||
		   buf_put_str(&beside, name) || buf_put_str(&beside, ".") ||
		   buf_put_decimal(&beside, (uint64_t)sys_getpid()) || buf_put_u8(&beside, '\0')))
		e = ERR_NOMEM;
	if (e)
		goto out;
	sys_unlink((const char *)beside.at); /* of one with the same number that was killed */
	fd = sys_open((const char *)beside.at, NEW_FLAGS, 0600);
	if (fd < 0) {
		e = err_from_errno(fd);
		goto out;
	}
	e = sys_write_full(fd, content.at, content.len, &written);
	if (!e)
		e = err_from_errno(sys_fdatasync(fd));
	sys_close(fd);
	if (!e && only_new)
		place = (int)sys_call(SYS_linkat, AT_FDCWD, (long)beside.at, AT_FDCWD,
				      (long)path.at, 0, 0);
	else
		place = e ? 0 : sys_rename((const char *)beside.at, (const char *)path.at);
	if (!e && place != -EEXIST)
		e = err_from_errno(place);
	if (e || only_new)
		sys_unlink((const char *)beside.at);
	fd = sys_open(directory, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0) {
		sys_call(SYS_fsync, fd, 0, 0, 0, 0, 0);
		sys_close(fd);
	}
out:
	buf_done(&path);
	buf_done(&beside);
	return e;
}

static enum err make_host(const char *directory)
{
	uint8_t fresh[HOST_BYTES];
	enum err e = sys_make_directories(directory, 0700);

	if (!e)
		e = sys_random(fresh, sizeof fresh);
	if (!e)
		e = write_whole(directory, KEY_FILE_HOST, bytes_of(fresh, sizeof fresh), true);
	wipe(fresh, sizeof fresh);
	return e;
}

enum err key_file_host(const char *directory, bool make, struct key_host *ret_host)
{
	struct buf path = {0};
	uint8_t master[HOST_BYTES + 1];
	struct stat st = {0};
	size_t len = 0;
	int fd = -1;
	enum err e = put_path(&path, directory, KEY_FILE_HOST);

	if (!e)
		e = open_file((const char *)path.at, S_IRWXG | S_IRWXO, &st, &fd);
	if (e == ERR_MISSING && make) {
		e = make_host(directory);
		if (!e)
			e = open_file((const char *)path.at, S_IRWXG | S_IRWXO, &st, &fd);
	}
	if (!e) {
		e = sys_read_full(fd, master, sizeof master, &len);
		sys_close(fd);
	}
	if (!e && len != HOST_BYTES)
		e = ERR_BAD;
	if (!e)
		key_host_derive(master, ret_host);
	wipe(master, sizeof master);
	buf_done(&path);
	return e;
}

enum err key_file_load(const char *directory, const struct key_host *host,
		       struct key_store **ret_store)
{
	struct buf path = {0}, file = {0};
	struct stat st = {0};
	int fd = -1;
	enum err e = put_path(&path, directory, KEY_FILE_STORE);

	if (!e)
		e = open_file((const char *)path.at, S_IWGRP | S_IWOTH, &st, &fd);
	if (e)
		goto out;
	if ((uint64_t)st.st_size > KEY_STORE_BYTES_MAX)
		e = ERR_LIMIT;
	if (!e)
		e = buf_reserve(&file, (size_t)st.st_size + 1);
	if (!e)
		e = sys_read_full(fd, file.at, (size_t)st.st_size, &file.len);
	sys_close(fd);
	if (!e)
		e = key_store_parse(buf_view(&file), host, ret_store);
out:
	buf_done(&path);
	buf_done(&file);
	return e;
}

enum err key_file_save(const char *directory, const struct key_host *host,
		       const struct key_store *store)
{
	struct buf file = {0};
	enum err e = key_store_put(store, host, &file);

	if (!e)
		e = write_whole(directory, KEY_FILE_STORE, buf_view(&file), false);
	buf_done(&file);
	return e;
}

void key_file_version(const char *directory, struct file_version *ret_version)
{
	struct buf path = {0};

	*ret_version = (struct file_version){0};
	if (!put_path(&path, directory, KEY_FILE_STORE))
		load_file_version((const char *)path.at, ret_version);
	buf_done(&path);
}

/* ---- last used ---- */

void key_file_touch(const char *state, struct bytes name)
{
	struct buf directory = {0};

	if (gateway_key_is_name(name) && !put_path(&directory, state, USED))
		(void)!files_touch((const char *)directory.at, name);
	buf_done(&directory);
}

uint64_t key_file_used(const char *state, struct bytes name)
{
	struct buf directory = {0};
	uint64_t used = 0;

	if (!put_path(&directory, state, USED))
		used = files_touched((const char *)directory.at, name);
	buf_done(&directory);
	return used;
}
