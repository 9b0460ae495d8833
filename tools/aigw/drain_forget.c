/* SPDX-License-Identifier: MIT */
#include "drain_forget.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "aigw.h"
#include "args.h"
#include "audit/acked.h"
#include "base/sys.h"
#include "drain/dead.h"
#include "drain/feed.h"
#include "drain/place.h"
#include "drain/status.h"
#include "print.h"

/* The one that holds retention comes last: what fails before that leaves it in force. */
static const char *const suffixes[] = {FEED_REPLAY_SUFFIX, DEAD_SUFFIX,        STATUS_SUFFIX,
				       FEED_NOW_SUFFIX,    FEED_CURSOR_SUFFIX, ACKED_SUFFIX,
				       FEED_LOCK_SUFFIX};

/* A feeder that has not heard yet would write them again. */
static int take_lock(const char *directory, const char *name, int *ret_fd)
{
	char path[PATH_MAX_BYTES];
	enum err e = place_file(directory, bytes_str(name), FEED_LOCK_SUFFIX, path);

	if (e)
		return print_problem(e, "%s", directory);
	*ret_fd = sys_open(path, O_RDWR | O_NOFOLLOW, 0);
	if (*ret_fd == -ENOENT)
		return EXIT_FINE;
	if (*ret_fd < 0)
		return print_problem(err_from_errno(*ret_fd), "%s", path);
	if (sys_flock(*ret_fd, LOCK_EX | LOCK_NB) < 0) {
		print_note(
			"sink %s still runs: aigwd --drain has not read the policy again (SIGHUP)",
			name);
		return EXIT_FINDING;
	}
	return EXIT_FINE;
}

static int remove_all(const char *directory, const char *name, size_t *ret_count)
{
	char path[PATH_MAX_BYTES];

	*ret_count = 0;
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		enum err e = place_file(directory, bytes_str(name), suffixes[i], path);
		int result = e ? 0 : sys_unlink(path);
		if (!e && result < 0 && result != -ENOENT)
			e = err_from_errno(result);
		if (e)
			return print_problem(e, "%s", path);
		*ret_count += result >= 0;
	}
	return EXIT_FINE;
}

int drain_forget(const char *directory, const char *name)
{
	struct buf file = {0};
	struct acked acked;
	size_t count = 0;
	int fd = -1, status;

	if (!acked_is_name(bytes_str(name)))
		return args_wrong("drain", "forget: '%s' is no name of a sink", name);
	bool held = acked_load(directory, name, &file, &acked) != ERR_MISSING &&
		    (!file.len || acked.required);
	buf_done(&file);
	status = take_lock(directory, name, &fd);
	if (!status)
		status = remove_all(directory, name, &count);
	if (fd >= 0)
		sys_close(fd);
	if (status)
		return status;
	if (!count) {
		print_note("nothing is kept of a sink %s", name);
		return EXIT_FINDING;
	}
	printf("sink %s is forgotten%s\n", name, held ? "; retention no longer waits for it" : "");
	return EXIT_FINE;
}
