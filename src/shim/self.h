/* SPDX-License-Identifier: MIT
 *
 * self: what this process is: its variables as they were at the start, its places, and the facts
 * about it that go into the log. Facts are gathered at the first governed request, not before.
 */
#ifndef AIGW_SHIM_SELF_H
#define AIGW_SHIM_SELF_H

#include "policy/decide.h"
#include "policy/load.h"

#define SELF_SYSTEM_POLICY "/etc/aigw/policy.json"

/* Keeps copies of the variables that count. Called once by the constructor; a few microseconds. */
void self_init(char *const *environment);

/* AIGW=off: nothing is governed, nothing is looked at. */
bool self_is_off(void);

/* AIGW_EXPLAIN=1: the descriptor of standard error, while it is what it was at the start; else -1:
 * nothing is to be said. */
int self_explains(void);

/* The places of this user, found anew. ERR_LIMIT, ERR_MISSING. */
MUST_USE enum err self_places(struct places *ret_places);

struct self {
	struct process_facts facts;
	struct buf start; /* plaintext of the `start` record */
	char host[65], boot_id[37];
	uint8_t fingerprint_key[32]; /* of this user: the same key gives the same fingerprint */
	bool has_fingerprint_key;
	/* private */
	struct buf exe, user, sha256, cgroup, groups, parent;
	int64_t pid;
	uint32_t wanted; /* enum wanted_fact: those that were asked for */
};

/* The facts, gathered on the first call, again in the child after fork, and when more are `wanted`
 * (enum wanted_fact, of the policy): what only some policies ask about is not looked for otherwise.
 * What was given out stays as it is until the next fork. The caller holds the journal's lock. Never
 * NULL; what could not be found out is empty. */
const struct self *self_facts(const struct places *places, uint32_t wanted);
/* What self_facts last gave, without a lock; NULL: ask it. */
const struct self *self_known(uint32_t wanted);

#endif
