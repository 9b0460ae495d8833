/* SPDX-License-Identifier: MIT
 *
 * process: what a running process has loaded, and whether the library is in it. Read from /proc;
 * the process notices nothing.
 */
#ifndef AIGW_TOOL_PROCESS_H
#define AIGW_TOOL_PROCESS_H

#include <sys/types.h>

#include "inspect.h"

struct process {
	pid_t pid;
	uid_t uid;
	bool loaded;                    /* the library is mapped in it */
	bool switched_off;              /* it was started with AIGW=off */
	bool preload;                   /* it was started with our LD_PRELOAD */
	bool has_environment;           /* false: its environment could not be read */
	char library[PROGRAM_PATH_MAX]; /* "": not loaded */
	struct inspection inspection;
	enum reach reach;
	enum governed governed;
};

/* OK; ERR_MISSING: no such process, or a thread of the kernel; ERR_ACCESS: another user's. On OK
 * ended by process_done. */
MUST_USE enum err process_look(pid_t pid, struct process *ret_process);
void process_done(struct process *process);

/* One sentence: why it is not governed, and what to do; both may be NULL. */
void process_explain(const struct process *p, const char **ret_why, const char **ret_advice);

/* The name of a user; its number when there is no name. */
void process_put_user(struct buf *out, uid_t uid);

#endif
