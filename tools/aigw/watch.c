/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "audit/verify.h"

#define EVENTS       (IN_CREATE | IN_MODIFY | IN_MOVED_TO | IN_ONLYDIR)
#define DAYS_WATCHED 2 /* the newest: a segment that was begun before midnight, and the next */
#define LONGEST_NS   UINT64_C(1000000000)
#define BLIND_NS     UINT64_C(200000000) /* without inotify */

void watch_close(struct watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	sigprocmask(SIG_SETMASK, &w->unblocked, NULL);
}

/* Watching the same directory again changes nothing. False: the log may begin or grow unnoticed. */
static bool watch_days(const struct watch *w)
{
	char(*days)[SEGMENT_DAY_CHARS + 1] = NULL;
	char path[SEGMENT_PATH_MAX];
	size_t count = 0;
	bool all = w->fd >= 0 && inotify_add_watch(w->fd, w->directory, EVENTS) >= 0;

	if (!all || segment_days(w->directory, &days, &count))
		return false;
	for (size_t i = count > DAYS_WATCHED ? count - DAYS_WATCHED : 0; i < count; i++) {
		snprintf(path, sizeof path, "%s/%s", w->directory, days[i]);
		all = inotify_add_watch(w->fd, path, EVENTS) >= 0 && all;
	}
	free(days);
	return all;
}

void watch_open(struct watch *w, const char *directory)
{
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigprocmask(SIG_BLOCK, &ours, &w->unblocked);
	w->directory = directory;
	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	(void)watch_days(w);
}

static void drain(const struct watch *w)
{
	char events[4096];

	while (read(w->fd, events, sizeof events) > 0)
		;
}

/* False: a signal came. */
static bool wait_ns(const struct watch *w, int fd, uint64_t ns)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};
	struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	return ppoll(&one, fd >= 0, &time, &w->unblocked) >= 0 || errno != EINTR;
}

void watch_wait(struct watch *w, uint64_t rest_ns)
{
	if (rest_ns && !wait_ns(w, -1, rest_ns))
		return;
	/* What came to a new day before it was watched is found when the second is over. */
	bool sees = watch_days(w);
	wait_ns(w, sees ? w->fd : -1, sees ? LONGEST_NS : BLIND_NS);
	if (w->fd >= 0)
		drain(w);
}
