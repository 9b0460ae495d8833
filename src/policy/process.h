/* SPDX-License-Identifier: MIT
 *
 * process: what is known of the program that calls, as the kernel says it, and whether it is the
 * one an application of the policy means. The texts of /proc are read here; getting them is the
 * caller's.
 *
 * Pure. Views borrow.
 */
#ifndef AIGW_POLICY_PROCESS_H
#define AIGW_POLICY_PROCESS_H

#include "policy/policy.h"

/* All borrowed for the call; what is not known is empty, and matches nothing. */
struct process_facts {
	struct bytes exe;         /* absolute path */
	struct bytes user;        /* name, or the number as text */
	struct bytes environment; /* AIGW_ENVIRONMENT of the process, empty when unset */
	struct bytes exe_sha256;  /* hexadecimal, lower case */
	struct bytes groups;      /* names (or numbers as text) of all its groups, NUL-separated */
	struct bytes cgroup;      /* "/system.slice/intake.service" */
	struct bytes parent_exe;  /* absolute path */
};

/* True when all that `match` gives holds. One that gives nothing matches nothing. */
bool process_matches(const struct program_match *match, const struct process_facts *facts);

/* Of /proc/PID/cgroup: the path in the unified hierarchy ("0::/..."), else in systemd's own, else
 * the first line's (cgroups(7)). */
struct bytes process_cgroup(struct bytes file);

/* The systemd unit of a cgroup's path: its first part that is no slice and has a unit's ending.
 * What a user's own manager runs is inside its unit, "user@1000.service": users cannot give
 * themselves the name of another. Empty: none. */
struct bytes process_unit(struct bytes cgroup);

/* Of /proc/PID/status: appends the numbers of the effective group and of the supplementary ones as
 * text, NUL-separated (proc_pid_status(5)). ERR_NOMEM. */
MUST_USE enum err process_put_groups(struct bytes status, struct buf *out);

#endif
