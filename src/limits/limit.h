/* SPDX-License-Identifier: MIT
 *
 * limit: the vocabulary of the limits room: which limits there are, what a scope may have of each,
 * and what a call takes. Plain values, no ownership.
 */
#ifndef AIGW_LIMITS_LIMIT_H
#define AIGW_LIMITS_LIMIT_H

#include "base/bytes.h"

/* How a limit counts. RATE: what flows back evenly, a minute's worth at most. BUDGET: what a
 * calendar window (UTC) has, all of it new with the next window. HELD: what is under way now. */
enum limit_shape { LIMIT_RATE, LIMIT_BUDGET, LIMIT_HELD };

/* LIMIT(name, key in the policy, shape). Money is in whole picodollars (llm/price). Order: the
 * budgets are those from LIMIT_TOKENS_PER_DAY to LIMIT_USD_PER_MONTH. */
#define LIMITS(LIMIT)                                                                              \
	LIMIT(LIMIT_REQUESTS_PER_MINUTE, "requests_per_minute", LIMIT_RATE)                        \
	LIMIT(LIMIT_TOKENS_PER_MINUTE, "tokens_per_minute", LIMIT_RATE)                            \
	LIMIT(LIMIT_TOKENS_PER_DAY, "tokens_per_day", LIMIT_BUDGET)                                \
	LIMIT(LIMIT_TOKENS_PER_MONTH, "tokens_per_month", LIMIT_BUDGET)                            \
	LIMIT(LIMIT_USD_PER_DAY, "usd_per_day", LIMIT_BUDGET)                                      \
	LIMIT(LIMIT_USD_PER_MONTH, "usd_per_month", LIMIT_BUDGET)                                  \
	LIMIT(LIMIT_CONCURRENT_REQUESTS, "concurrent_requests", LIMIT_HELD)

enum limit_kind {
#define LIMIT(name, key, shape) name,
	LIMITS(LIMIT)
#undef LIMIT
		LIMIT_COUNT
};

const char *limit_name(enum limit_kind kind);  /* its key in the policy */
enum limit_kind limit_find(struct bytes name); /* LIMIT_COUNT: none */
enum limit_shape limit_shape(enum limit_kind kind);
bool limit_is_money(enum limit_kind kind);
bool limit_is_monthly(enum limit_kind kind);

/* What one scope allows. A limit that is not given does not exist; one of 0 allows nothing. */
struct limit_values {
	uint32_t given; /* bit per kind */
	uint64_t value[LIMIT_COUNT];
};

static inline bool limit_given(const struct limit_values *v, enum limit_kind kind)
{
	return v->given >> kind & 1;
}

static inline void limit_give(struct limit_values *v, enum limit_kind kind, uint64_t value)
{
	v->value[kind] = value;
	v->given |= 1u << kind;
}

/* A scope's name, "environments.production", with its NUL. */
#define LIMITS_NAME_BYTES_MAX 80
#define LIMITS_SCOPES_MAX     4 /* that one call can be in */

struct limits_scope {
	char name[LIMITS_NAME_BYTES_MAX];
	struct limit_values values;
	bool observed; /* refuses nothing: what passes its limits is told */
};

/* What a call takes, or is expected to. Larger amounts count as LIMITS_AMOUNT_MAX. */
#define LIMITS_AMOUNT_MAX (UINT64_C(1) << 62)

struct limits_amounts {
	uint64_t requests, tokens, picousd;
};

#endif
