/* SPDX-License-Identifier: MIT
 *
 * pricing: which prices a call has: those that the policy gives (`prices`), else the built-in list.
 *
 * A price is found by a model's name, never by one that only resembles it. These names are tried,
 * in this order; of each the policy's entries first:
 *
 *   1. the model that answered, as it calls itself;
 *   2. a fine-tuned model's base: "ft:gpt-4o-2024-08-06:org::id" is "ft:gpt-4o-2024-08-06";
 *   3. the same without the date at its end (-2026-03-01, -20260301, @20260301): a snapshot that no
 *      list names costs what its family costs;
 *   4. then 1 to 3 with the model that was asked for, if the answer names none, or if what it names
 *      is a part of that ("us.anthropic.claude-opus-5" is answered by "claude-opus-5"). A server
 *      that answers with another model than the one asked for has that one's price, or none.
 *
 * Pure. Names are compared as model patterns are (policy/pattern).
 */
#ifndef AIGW_POLICY_PRICING_H
#define AIGW_POLICY_PRICING_H

#include "llm/price.h"
#include "policy/pattern.h"
#include "policy/policy.h"

struct pricing_call {
	const char *provider; /* its name in policies */
	struct bytes asked;   /* the model as the program wrote it; empty: none */
	const struct answer *answer;
	enum operation operation;
};

struct pricing {
	uint64_t picousd;
	bool from_policy;                 /* else from the built-in list */
	char name[PATTERN_BYTES_MAX + 1]; /* the "provider/model" whose prices they are */
};

/* What was found last by the name that a model gave itself: a connection mostly asks for one model.
 * Zero at first; the caller's, one thread at a time. It is for the policy that it was filled by,
 * which must be one and the same as long as it is used: zero it when that is let go. */
struct pricing_memo {
	const struct policy *policy;
	bool known;
	char provider[PROVIDER_NAME_BYTES_MAX + 1], answered[MODEL_BYTES_MAX + 1];
	struct price price;
	bool from_policy;
	size_t name_bytes;
	char name[PATTERN_BYTES_MAX + 1];
};

/* What a whole answer costs. ERR_MISSING: no price is known, or not of all its tokens; else the
 * errors of price_plan_of and price_cost. An operation that is not billed by its answer's tokens
 * (listing models, counting tokens, reading an earlier response again) is ERR_USAGE. `policy` and
 * `memo` may be NULL. */
MUST_USE enum err pricing_of(const struct policy *policy, const struct pricing_call *call,
			     struct pricing_memo *memo, struct pricing *ret_pricing);

/* False for operations that pricing_of refuses with ERR_USAGE. */
bool pricing_is_billed(enum operation operation);

#endif
