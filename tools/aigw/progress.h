/* SPDX-License-Identifier: MIT
 *
 * progress: a bar on stderr while something takes long. Nothing at all when stderr is no terminal
 * or a dumb one.
 */
#ifndef AIGW_TOOL_PROGRESS_H
#define AIGW_TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* "verifying" */
	bool on, shown;
	uint64_t told_ns; /* monotonic */
};

struct progress progress_begin(const char *what);
/* At most ten times a second. */
void progress_show(struct progress *p, uint64_t done, uint64_t total);
/* Before anything else is printed to the terminal, and at the end. */
void progress_clear(struct progress *p);

#endif
