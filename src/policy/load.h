/* SPDX-License-Identifier: MIT
 *
 * load: where the files of one user or of the host are, and the policy read from there. The only
 * part of the policy floor that touches the system; all of it through base/sys.
 */
#ifndef AIGW_POLICY_LOAD_H
#define AIGW_POLICY_LOAD_H

#include "policy/policy.h"

#define PATH_MAX_BYTES 1024

/* Every place, NUL-terminated absolute paths. See aigw(1), FILES. */
struct places {
	char policy[PATH_MAX_BYTES];      /* the policy file that counts */
	char user_policy[PATH_MAX_BYTES]; /* where `aigw init` writes this user's */
	char keys[PATH_MAX_BYTES];        /* directory, 0700: audit secret keys, gateway key file */
	char audit[PATH_MAX_BYTES];       /* directory, 0700: segments and ledger */
	char state[PATH_MAX_BYTES];       /* directory, 0700: caches that can be thrown away */
	bool from_environment;            /* AIGW_HOME or AIGW_POLICY decided */
	bool locked;                      /* /etc/aigw/policy.json says locked */
};

/* The variables that decide, so that the choice itself is pure and testable. NULL: unset. */
struct place_variables {
	const char *aigw_home, *aigw_policy, *xdg_config_home, *xdg_data_home, *xdg_state_home,
		*home;
	bool privileged; /* AT_SECURE: the environment does not count */
};

/* Reads the variables from `environ` (no getenv); empty ones count as unset. HOME comes from
 * /etc/passwd, by effective user, when it is unset or relative, and always for a privileged
 * program; then it is in home_storage, which must live as long as *ret_variables. */
void load_variables(char *const *environment, char *home_storage, size_t home_cap,
		    struct place_variables *ret_variables);

/* design.md section 3: AIGW_POLICY, /etc/aigw/policy.json, $XDG_CONFIG_HOME/aigw/policy.json.
 * `system_policy` is "/etc/aigw/policy.json" but for tests. ERR_LIMIT: a path is too long;
 * ERR_MISSING: no home directory is known; ERR_USAGE: AIGW_HOME or AIGW_POLICY counts and is not an
 * absolute path. A system policy that exists and cannot be loaded counts as locked. Of a privileged
 * program only v->home is used, which must not come from its environment then. */
MUST_USE enum err load_places(const struct place_variables *v, const char *system_policy,
			      struct places *ret_places);

/* Identifies one version of a file, to notice a change without reading it. */
struct file_version {
	uint64_t device, inode, size, changed_ns; /* all 0: no such file */
};

bool file_version_equal(const struct file_version *a, const struct file_version *b);
void load_file_version(const char *path, struct file_version *ret_version);

/* Reads and parses one file. On OK *ret_policy is the caller's (policy_free) and *ret_text (may be
 * NULL) has got the file's bytes appended, for the digest. ERR_MISSING; ERR_ACCESS: not readable,
 * not a regular file, owned by neither root nor the effective user, or writable by group or others;
 * ERR_IO; and the errors of policy_parse. Then *ret_problem (may be NULL) says why. errno is kept.
 */
MUST_USE enum err load_policy(const char *path, struct policy **ret_policy, struct buf *ret_text,
			      struct policy_problem *ret_problem);

#endif
