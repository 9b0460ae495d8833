/* SPDX-License-Identifier: MIT */
#include "policy_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aigw.h"
#include "base/sys.h"
#include "print.h"

#define LOCK_TRIES 8

/* Opens and locks the file that is at `path` once the lock is there. */
static int open_locked(const char *path)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		struct stat here, there;
		int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0 || flock(fd, LOCK_EX) != 0)
			return fd < 0 ? -errno : (close(fd), -EIO);
		if (fstat(fd, &here) == 0 && stat(path, &there) == 0 &&
		    here.st_dev == there.st_dev && here.st_ino == there.st_ino)
			return fd;
		close(fd);
	}
	return -EAGAIN;
}

static enum err write_beside(const char *beside, const struct stat *like, struct bytes text)
{
	size_t written;
	int fd = sys_open(beside, O_WRONLY | O_CREAT | O_EXCL, 0600);
	enum err e = err_from_errno(fd < 0 ? fd : 0);

	if (e)
		return e;
	if (like->st_uid != geteuid() && fchown(fd, like->st_uid, like->st_gid) != 0)
		e = err_from_errno(errno);
	if (!e && fchmod(fd, like->st_mode & 07777) != 0)
		e = err_from_errno(errno);
	if (!e)
		e = sys_write_full(fd, text.at, text.len, &written);
	if (!e)
		e = err_from_errno(sys_fdatasync(fd));
	sys_close(fd);
	return e;
}

static void sync_directory(const char *path)
{
	char parent[PATH_MAX];
	char *slash;

	snprintf(parent, sizeof parent, "%s", path);
	slash = strrchr(parent, '/');
	if (!slash)
		return;
	slash[slash == parent] = '\0';
	int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

static int say(const char *path, enum err e, const struct policy_problem *problem)
{
	if (problem->text[0] == '\0')
		return print_problem(e, "%s", path);
	print_note("%s:%u:%u: %s", path, (unsigned)problem->line, (unsigned)problem->column,
		   problem->text);
	return EXIT_FINDING;
}

/* Checked, written beside, and renamed. */
static enum err put_in_place(const char *path, const struct stat *like, struct bytes text,
			     struct policy_problem *ret_problem)
{
	char beside[PATH_MAX + 32];
	struct policy *policy = NULL;
	enum err e;

	snprintf(beside, sizeof beside, "%s.%d.new", path, (int)getpid());
	e = write_beside(beside, like, text);
	if (!e)
		e = load_policy(beside, &policy, NULL, ret_problem);
	policy_free(policy);
	if (!e)
		e = err_from_errno(sys_rename(beside, path));
	if (e)
		sys_unlink(beside);
	else
		sync_directory(path);
	return e;
}

static enum err replace(const char *path, int fd, policy_change *change, struct bytes word,
			int *ret_status)
{
	struct policy_problem problem = {0};
	struct policy *policy = NULL;
	struct buf text = {0}, changed = {0};
	struct stat st;
	enum err e = load_policy(path, &policy, &text, &problem);

	policy_free(policy);
	if (e) {
		*ret_status = say(path, e, &problem);
		goto out;
	}
	e = change(buf_view(&text), word, &changed);
	if (e)
		goto out;
	e = fstat(fd, &st) == 0 ? put_in_place(path, &st, buf_view(&changed), &problem)
				: err_from_errno(errno);
	if (e)
		*ret_status = say(path, e, &problem);
out:
	buf_done(&text);
	buf_done(&changed);
	return e;
}

enum err policy_edit(const char *path, policy_change *change, struct bytes word, int *ret_status)
{
	char *real = realpath(path, NULL); /* a link to the policy stays one */
	int fd = real ? open_locked(real) : -errno;
	enum err e;

	*ret_status = EXIT_FINE;
	if (fd < 0) {
		e = fd == -EAGAIN ? ERR_LIMIT : err_from_errno(fd);
		*ret_status = print_problem(e, "%s", path);
	} else {
		e = replace(real, fd, change, word, ret_status);
		close(fd);
	}
	free(real);
	return e;
}

enum err policy_install(const char *path, struct bytes text, int *ret_status)
{
	struct stat like = {.st_uid = geteuid(), .st_gid = getegid(), .st_mode = 0600};
	struct policy_problem problem = {0};
	char *real = realpath(path, NULL);
	const char *to = real ? real : path;
	int fd = real || errno != ENOENT ? open_locked(to) : -ENOENT;
	enum err e = fd >= 0 || fd == -ENOENT ? OK : fd == -EAGAIN ? ERR_LIMIT : err_from_errno(fd);

	*ret_status = EXIT_FINE;
	if (!e && fd >= 0 && fstat(fd, &like) != 0)
		e = err_from_errno(errno);
	if (!e)
		e = put_in_place(to, &like, text, &problem);
	if (e)
		*ret_status = say(path, e, &problem);
	if (fd >= 0)
		close(fd);
	free(real);
	return e;
}
