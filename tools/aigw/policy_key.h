/* SPDX-License-Identifier: MIT
 *
 * policy_key: the gateway key of a call that is not made: found by its name or in a request, and
 * judged as the shim judges one before any rule is asked.
 */
#ifndef AIGW_TOOL_POLICY_KEY_H
#define AIGW_TOOL_POLICY_KEY_H

#include "key_edit.h"

/* Zeroed is one without a key. */
struct policy_key {
	const struct key_entry *entry; /* NULL: no gateway key, or none that is known */
	bool raw;                      /* there is a key that is none of ours */
	bool refused;                  /* whatever the rules say */
	struct decision refusal;
	/* private */
	enum key_verdict verdict;
	struct key_edit store;
	bool opened;
};

/* Who asks for the key, and where: all borrowed. */
struct policy_key_place {
	const struct places *places;
	const struct policy *policy;
	const char *store; /* the directory of keys, or NULL */
};

/* The key of that name. Says what is wrong; an exit status. */
int policy_key_name(struct policy_key *k, const struct policy_key_place *place, const char *name);
/* What keys the head of a request holds. Likewise. */
int policy_key_read(struct policy_key *k, const struct policy_key_place *place, struct bytes head,
		    const struct provider *provider, const struct dialect *dialect);
/* May it be used by this process with this provider now? Sets `refused`. */
void policy_key_judge(struct policy_key *k, const struct process_facts *facts,
		      const struct provider *provider);
/* The scope for decide; NULL: there is no (valid) key. */
const struct key_scope *policy_key_scope(const struct policy_key *k);
void policy_key_done(struct policy_key *k);

#endif
