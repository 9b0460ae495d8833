/* SPDX-License-Identifier: MIT
 *
 * watch: waiting until something happens below an audit directory: by inotify(7) where that can be
 * had, else (and for what it does not tell, such as the end of a process) by the clock.
 */
#ifndef AIGW_TOOL_WATCH_H
#define AIGW_TOOL_WATCH_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct watch {
	const char *directory;
	int fd;             /* -1: by the clock alone */
	sigset_t unblocked; /* while waiting */
};

/* Blocks SIGINT and SIGTERM but for the time of waiting, so that none comes unnoticed. Borrows the
 * directory, which may not exist yet. */
void watch_open(struct watch *w, const char *directory);
void watch_close(struct watch *w);
/* Returns when there may be something new, a signal came, or a second has passed; never before
 * `rest_ns`, so that a busy log is read in larger pieces. */
void watch_wait(struct watch *w, uint64_t rest_ns);

#endif
