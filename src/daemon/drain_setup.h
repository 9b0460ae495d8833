/* SPDX-License-Identifier: MIT
 *
 * drain_setup: what the drains are to do by the policy file: which sinks, which log, where their
 * files are, and the auditor's keys.
 */
#ifndef AIGW_DAEMON_DRAIN_SETUP_H
#define AIGW_DAEMON_DRAIN_SETUP_H

#include "audit/seal.h"
#include "drain/config.h"
#include "policy/load.h"

#define DRAIN_KEY_NAME "auditor-key" /* of systemd's credentials */
#define DRAIN_KEYS_MAX 64

struct drain_options { /* as on the command line; NULL: not given */
	const char *policy, *directory, *state, *key, *metrics;
	char *const *environment;
};

struct drain_setup {
	struct places places;
	char policy_path[PATH_MAX_BYTES], audit[PATH_MAX_BYTES], sinks[PATH_MAX_BYTES];
	struct buf text; /* of the policy file */
	struct policy *policy;
	struct drains *drains;
};

/* Reads the policy. What is wrong is said (note). ERR_BAD and the like: the file; ERR_MISSING,
 * ERR_USAGE: places. */
MUST_USE enum err drain_setup_load(const struct drain_options *options,
				   struct drain_setup *ret_setup);
void drain_setup_done(struct drain_setup *s);

/* The text of one sink in the policy, as it stands there; empty when there is none. */
struct bytes drain_setup_text(const struct drain_setup *s, struct bytes name);

/* A variable's value, or empty. */
struct bytes drain_variable(char *const *environment, const char *name);

/* The auditor's keys: --key's file, else the credential, else this user's. They are in memory of
 * sys_map_secret (DRAIN_KEYS_MAX of them), the caller's. ERR_MISSING: none can be used, and
 * *ret_problem (of `cap` bytes) says why. */
MUST_USE enum err drain_setup_keys(const struct drain_options *options, const struct places *places,
				   struct identity **ret_keys, size_t *ret_count, char *ret_problem,
				   size_t cap);

#endif
