/* SPDX-License-Identifier: MIT
 *
 * decide: the heart. A pure function of (policy, facts about the process, the call): allow or
 * refuse, with the rule that decided and a reason a person can act on.
 */
#ifndef AIGW_POLICY_DECIDE_H
#define AIGW_POLICY_DECIDE_H

#include "policy/policy.h"

/* What is known of the program that calls. All borrowed for the call. */
struct process_facts {
	struct bytes exe;         /* absolute path */
	struct bytes user;        /* name, or the number as text */
	struct bytes environment; /* AIGW_ENVIRONMENT of the process, empty when unset */
};

enum action { ACTION_ALLOW, ACTION_REWRITE, ACTION_REFUSE };

const char *action_name(enum action a); /* "allow", "rewrite", "refuse" */

#define RULE_BYTES_MAX   200
#define REASON_BYTES_MAX 400

struct decision {
	enum action action;
	int status;       /* for a refusal: the HTTP status */
	const char *code; /* for a refusal: "policy_denied" ...; constant string; "" when allowed */
	struct bytes environment;      /* borrowed from the policy; empty when there is none */
	struct bytes application;      /* borrowed from the policy; empty when none matches */
	char rule[RULE_BYTES_MAX];     /* "environments.production.models.allow" */
	char reason[REASON_BYTES_MAX]; /* a sentence for the person who has the problem */
};

/* Which environment and application this process is in. Part of decide, also useful alone. */
void decide_scope(const struct policy *p, const struct process_facts *facts,
		  struct bytes *ret_environment, struct bytes *ret_application);

/* Never fails, never allocates; every input gives a decision. An outer scope's refusal is never
 * lifted by an inner one. What decides a call without a model: docs/policy.md, models. `p` NULL (no
 * usable policy) refuses with 503. */
void decide(const struct policy *p, const struct process_facts *facts,
	    const struct provider *provider, const struct call *call,
	    struct decision *ret_decision);

/* A refusal for a reason outside the rules (malformed request, audit not writable...). `rule`,
 * `reason` are copied, cut at their limits at a character boundary; environment and application of
 * *d are kept. */
void decide_refuse(struct decision *d, int status, const char *code, const char *rule,
		   const char *reason);

#endif
