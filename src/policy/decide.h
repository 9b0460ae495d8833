/* SPDX-License-Identifier: MIT
 *
 * decide: the heart. A pure function of (policy, facts about the process, the call, the time):
 * allow or refuse, with the rule that decided and a reason a person can act on.
 *
 * The scopes are organization, environment, application, key, from the outermost in. Each kind of
 * rule is asked in each scope; one refusal is enough, so an inner scope can only narrow. What only
 * observes (`mode`, `watch`) never refuses: its verdict is told apart from the action.
 */
#ifndef AIGW_POLICY_DECIDE_H
#define AIGW_POLICY_DECIDE_H

#include "llm/feature.h"
#include "policy/policy.h"
#include "policy/process.h"

enum action { ACTION_ALLOW, ACTION_REWRITE, ACTION_REFUSE };

const char *action_name(enum action a); /* "allow", "rewrite", "refuse" */

#define RULE_BYTES_MAX   200
#define REASON_BYTES_MAX 400
#define FORCED_MAX       8 /* fields forced into one request */
#define LIMITED_MAX      4 /* scopes with limits: organization, environment, application, key */

/* What a gateway key may be used for. Borrowed. */
struct key_scope {
	struct bytes name;
	struct bytes where;                      /* "keys.NAME"; may be empty without limits */
	struct bytes environment;                /* empty: the key does not say */
	struct model_rules models;               /* `where` may be empty: "keys.NAME.models" then */
	struct patterns providers, applications; /* names; not given: any */
	struct limit_values limits;
};

/* What is to be decided. All borrowed for the call. */
struct question {
	const struct process_facts *facts; /* NULL: nothing is known of the process */
	const struct key_scope *key;       /* NULL: no (valid) key of ours */
	bool raw_key;                      /* it holds a key that is none of ours */
	const struct provider *provider;
	const struct call *call;         /* NULL: an unknown endpoint */
	const struct features *features; /* NULL: none; see policy->wants_features */
	struct bytes method, path;       /* of the request's target, without query */
	struct bytes host;               /* whom the connection was made to; empty: not known */
	bool websocket;                  /* it asks for one: what is said there is not decided on */
	uint64_t body_bytes;
	int64_t now_s; /* since 1970, UTC */
};

/* A scope whose limits an allowed call is under. Borrowed from the policy, or from the question's
 * key. */
struct limited {
	struct bytes where; /* "environments.production", "keys.intake" */
	const struct limit_values *values;
	bool observed; /* what they forbid is let through, and told */
};

/* What became of the fields by which the provider is told what to do with the data. */
enum receipt {
	RECEIPT_NONE,       /* nothing was asked for */
	RECEIPT_NO_CONTROL, /* something was, but such a request has no field for it */
	RECEIPT_REFUSED,    /* the request does not go out */
	RECEIPT_ALREADY,    /* the program had said so itself */
	RECEIPT_FORCED,
	RECEIPT_NOT_FORCED, /* it could not be; the policy lets it go so */
};

const char *receipt_name(enum receipt r); /* "" for none, "no_control" ... */

struct decision {
	enum action action;
	bool observed;    /* the rules say no, but the scope that does only observes */
	int status;       /* for a refusal: the HTTP status */
	const char *code; /* "policy_denied" ...; constant string; "" when the rules allow it */
	struct bytes environment;      /* borrowed from the policy; empty when there is none */
	struct bytes application;      /* borrowed from the policy; empty when none matches */
	char rule[RULE_BYTES_MAX];     /* "environments.production.models.allow" */
	char reason[REASON_BYTES_MAX]; /* a sentence for the person who has the problem */
	/* of an allowed call */
	size_t forced_count;
	const struct forced *forced[FORCED_MAX]; /* borrowed; the outermost scope's first */
	bool unalterable_tagged;                 /* where they cannot be forced: go on, and tell */
	enum receipt receipt;
	size_t limited_count;
	struct limited limited[LIMITED_MAX]; /* the outermost first */
	/* an agreement that was needed and ends soon */
	const struct agreement *ending; /* NULL: none */
	enum agreement_kind ending_kind;
	int32_t ending_days; /* 0: today is its last day */
};

/* Days before an agreement's end from which on decisions tell of it. */
#define AGREEMENT_WARNING_DAYS 30

/* Which environment and application this process is in, with a key or (NULL) without one. Part of
 * decide, also useful alone. */
void decide_scope(const struct policy *p, const struct process_facts *facts,
		  const struct key_scope *key, struct bytes *ret_environment,
		  struct bytes *ret_application);

/* Never fails, never allocates; every input gives a decision. An outer scope's refusal is never
 * lifted by an inner one. What decides a call without a model: docs/policy.md, models. `p` NULL (no
 * usable policy) refuses with 503. */
void decide(const struct policy *p, const struct question *q, struct decision *ret_decision);

/* One rule that was asked, for explanations: its kind ("models", "require"), where it stands, and
 * what it said. Valid during the call. */
struct look {
	const char *kind;
	struct bytes where; /* "environments.production" */
	bool refuses, observed;
	const char *rule, *reason; /* when it refuses */
};
typedef void look_fn(void *context, const struct look *look);

/* The same, and tells of each rule that had something to say, also behind the first refusal. */
void decide_explain(const struct policy *p, const struct question *q, look_fn *look, void *context,
		    struct decision *ret_decision);

/* What `found` refuses is only observed: *d tells of it, unless it tells of another already. */
void decide_observe(struct decision *d, const struct decision *found);

/* A refusal for a reason outside the rules (malformed request, audit not writable...). `rule`,
 * `reason` are copied, cut at their limits at a character boundary; environment and application of
 * *d are kept. */
void decide_refuse(struct decision *d, int status, const char *code, const char *rule,
		   const char *reason);

#endif
