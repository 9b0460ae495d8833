/* SPDX-License-Identifier: MIT
 *
 * price: what an answer costs by its token counts, and prices as text.
 *
 * Money is counted in whole picodollars (10^-12 US dollars), and a price is picodollars for one
 * token. A published price of "1.25 dollars per million tokens" is 1,250,000 of them, so every list
 * price is a whole number and no sum is ever rounded: there is no floating point here. 64 bits hold
 * 18 million dollars.
 *
 * What is not known has no cost. A cost is either exact by the price list or there is none; 0 means
 * that a price of 0 was given. Not here: what is billed by other measures than tokens (searches,
 * images, seconds, storage of caches), discounts, taxes.
 *
 * Pure. Facts: providers.md 4.2 and 4.10; vendors' price pages, autumn 2026.
 */
#ifndef AIGW_LLM_PRICE_H
#define AIGW_LLM_PRICE_H

#include "llm/call.h"

#define PRICE_PICOUSD_MAX UINT32_C(4000000000) /* for one token: 4000 dollars per million */
#define PICOUSD_PER_USD   UINT64_C(1000000000000)

/* The parts of a bill. They are disjoint: each token is in one of them. BUCKET(name, JSON key) */
#define PRICE_BUCKETS(BUCKET)                                                                      \
	BUCKET(BUCKET_INPUT, "input") /* text, and not from a cache */                             \
	BUCKET(BUCKET_CACHE_READ, "cache_read")                                                    \
	BUCKET(BUCKET_CACHE_WRITE, "cache_write") /* for 5 minutes, or the provider's own time */  \
	BUCKET(BUCKET_CACHE_WRITE_1H, "cache_write_1h")                                            \
	BUCKET(BUCKET_AUDIO_INPUT, "audio_input")                                                  \
	BUCKET(BUCKET_OUTPUT, "output") /* without the two below */                                \
	BUCKET(BUCKET_REASONING, "reasoning")                                                      \
	BUCKET(BUCKET_AUDIO_OUTPUT, "audio_output")

enum price_bucket {
#define BUCKET(name, key) name,
	PRICE_BUCKETS(BUCKET)
#undef BUCKET
		BUCKET_COUNT
};

/* The ways of being served that have prices of their own. PLAN(name, JSON key) */
#define PRICE_PLANS(PLAN)                                                                          \
	PLAN(PLAN_STANDARD, "")                                                                    \
	PLAN(PLAN_ABOVE, "above") /* standard, more input than above_tokens: all of the request */ \
	PLAN(PLAN_BATCH, "batch")                                                                  \
	PLAN(PLAN_PRIORITY, "priority")                                                            \
	PLAN(PLAN_FLEX, "flex")

enum price_plan {
#define PLAN(name, key) name,
	PRICE_PLANS(PLAN)
#undef PLAN
		PLAN_COUNT
};

/* One model's prices. Absent and 0 are different. */
struct price {
	uint32_t above_tokens;     /* 0: one price whatever the length */
	uint8_t given[PLAN_COUNT]; /* one bit per bucket */
	uint32_t picousd[PLAN_COUNT][BUCKET_COUNT];
};
_Static_assert(BUCKET_COUNT <= 8, "struct price has a bit per bucket");

/* "input"; "above". "" for PLAN_STANDARD and for a number that is none. */
const char *price_bucket_name(enum price_bucket bucket);
const char *price_plan_name(enum price_plan plan);

void price_set(struct price *price, enum price_plan plan, enum price_bucket bucket,
	       uint32_t picousd);

/* What a provider's `service_tier` in an answer ("" when it names none) means. ERR_UNSUPPORTED: a
 * tier that no price list has (capacity that was bought ahead, or an unknown word). */
MUST_USE enum err price_plan_of(struct bytes service_tier, enum price_plan *ret_plan);

/* What `usage` costs. Input and output must be PRESENT, but for an embedding's output, which does
 * not exist; the parts of them that are absent or null are none.
 *
 * reasoning has the price of output where it has none of its own. A cache write is for 5 minutes as
 * far as it is not said to be for an hour.
 *
 * ERR_MISSING: input or output is not known, or tokens fall into a bucket without a price.
 * ERR_BAD: the parts are more than the whole. ERR_AMBIGUOUS: audio and cached input both, and how
 * much of the audio was cached is not said. ERR_LIMIT: more than 64 bits hold. */
MUST_USE enum err price_cost(const struct price *price, enum price_plan plan,
			     enum operation operation, const struct usage *usage,
			     uint64_t *ret_picousd);

/* US dollars per million tokens as decimal text: "1.25", at most 6 decimals, no sign, no exponent.
 * ERR_BAD; ERR_LIMIT: over PRICE_PICOUSD_MAX. */
MUST_USE enum err price_parse(struct bytes text, uint32_t *ret_picousd);

/* Appends an amount in US dollars, exactly and without needless zeros: "0.00312", "12". */
MUST_USE enum err price_put_usd(struct buf *out, uint64_t picousd);

#endif
