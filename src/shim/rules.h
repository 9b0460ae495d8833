/* SPDX-License-Identifier: MIT
 *
 * rules: the policy this process goes by, kept current: the file is looked at again at most four
 * times a second, when a connection or request needs it. A new version that is broken leaves the
 * last good one in force and is recorded. Thread-safe.
 */
#ifndef AIGW_SHIM_RULES_H
#define AIGW_SHIM_RULES_H

#include "audit/seal.h"
#include "policy/load.h"

/* One version of the policy. Immutable; counted. */
struct rules {
	struct policy *policy; /* NULL: none that can be used, see problem */
	struct places places;
	char problem[600]; /* why there is no policy or no audit key, and what to do; "" when fine
			    */
	const char *code;  /* with problem: "no_policy", "broken_policy", "no_audit_key" */
	bool unknown;      /* with problem: for want of memory, of a descriptor... nobody could look
			      what the policy says; tried again */
	char digest[72];   /* "sha256:..." of the file's text; "" without policy */
	size_t recipient_count;
	struct recipient recipients[POLICY_RECIPIENTS_MAX];
	/* private */
	uint32_t users;
};

/* The rules in force now; give back with rules_drop. NULL only when memory is out or a signal
 * handler came in between our own steps. */
struct rules *rules_take(void);
void rules_drop(struct rules *r);
/* Whom the policy names as providers cannot be told just now. NULL is fine. */
bool rules_are_unknown(const struct rules *r);

/* A change since the last call that the log must tell: true once per change. *ret_before and
 * *ret_after are digests ("" for none), *ret_problem what is wrong with the new version ("" : it is
 * in force). The texts are copied. */
bool rules_take_change(char ret_before[72], char ret_after[72], char ret_problem[600]);

/* fork: before, in the parent after, in the child after. */
void rules_before_fork(void);
void rules_after_fork(void);
void rules_in_child(void);

#endif
