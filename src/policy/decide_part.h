/* SPDX-License-Identifier: MIT
 *
 * decide_part: what the files of the decision share: the matter that is decided, the scopes it is
 * in, and how refusals are worded. For src/policy/decide*.c only.
 */
#ifndef AIGW_POLICY_DECIDE_PART_H
#define AIGW_POLICY_DECIDE_PART_H

#include "policy/decide.h"
#include "policy/pattern.h"
#include "policy/phrase.h"

enum scope_kind {
	SCOPE_ORGANIZATION,
	SCOPE_ENVIRONMENT,
	SCOPE_APPLICATION,
	SCOPE_KEY,
	SCOPE_PROVIDER, /* what the policy says of unknown endpoints for one provider */
};

struct scope {
	enum scope_kind kind;
	struct bytes name; /* of the environment, application, key */
	const struct scope_rules *rules;
	bool observed;
};

/* Three scopes of the policy, each with what it watches; the key; the provider. */
#define SCOPES_MAX      8
#define WHERE_BYTES_MAX 96 /* "keys.NAME.models" */

/* A question in the words of the rules. */
struct matter {
	const struct policy *policy;
	const struct question *question;
	const struct provider *provider;
	enum operation operation;
	struct bytes model; /* as the program wrote it; empty: none is named */
	struct bytes name;  /* "provider/model" for matching; empty likewise */
	char storage[PATTERN_BYTES_MAX];
	const struct environment *environment;
	const struct application *application; /* NULL: none */
	size_t scope_count;
	struct scope scopes[SCOPES_MAX];
	struct scope_rules of_key, of_provider;
	char key_where[WHERE_BYTES_MAX], provider_where[WHERE_BYTES_MAX],
		models_where[WHERE_BYTES_MAX];
};

/* One kind of rule. `refuses`: true when the scope's rule of this kind forbids the matter; status,
 * code, rule and reason are in *d then. `says`: whether the scope has such a rule at all. */
struct rule_kind {
	const char *name;
	bool (*says)(const struct matter *m, const struct scope *s);
	bool (*refuses)(const struct matter *m, const struct scope *s, struct decision *d);
};

/* In the order in which they are asked. */
extern const struct rule_kind decide_kinds[];
extern const size_t decide_kind_count;

/* Those on models, in decide_models.c. */
bool decide_says_denied(const struct matter *m, const struct scope *s);
bool decide_says_models(const struct matter *m, const struct scope *s);
bool decide_refuses_denied(const struct matter *m, const struct scope *s, struct decision *d);
bool decide_refuses_models(const struct matter *m, const struct scope *s, struct decision *d);
/* The rule and reason of an allowed matter. */
void decide_allow_models(const struct matter *m, struct decision *d);

/* Those on agreements, in decide_agreements.c. */
bool decide_says_require(const struct matter *m, const struct scope *s);
bool decide_refuses_require(const struct matter *m, const struct scope *s, struct decision *d);
/* What is forced into an allowed request, the receipt, and agreements that end soon. */
void decide_settle_agreements(const struct matter *m, struct decision *d);

/* Starts a refusal: the rule is "WHERE.KEY"; *ret_reason is open for the reason. */
void decide_begin(struct decision *d, const struct scope *s, const char *code, const char *key,
		  struct phrase *ret_reason);
void decide_set_refusal(struct decision *d, int status, const char *code);
/* "environment production", "the organization" */
void decide_put_scope(struct phrase *p, const struct scope *s);
/* "; ADVICE or have WHERE.KEY changed" */
void decide_put_advice(struct phrase *p, const struct scope *s, const char *advice,
		       const char *key);
/* `model "gpt-5" of provider openai` */
void decide_put_model(struct phrase *p, const struct matter *m);

#endif
