/* SPDX-License-Identifier: MIT */
#include "policy/section_prices.h"

#include "policy/section_models.h"

/* What a member of a plan's object is read into; its own place is found by the member's name, so
 * that the tables below say each key once. */
struct plan_prices {
	struct price *price;
	enum price_plan plan;
};

static enum price_bucket bucket_of(const char *key)
{
	unsigned b = 0;

	while (b < BUCKET_COUNT &&
	       !bytes_equal(bytes_str(price_bucket_name((enum price_bucket)b)), bytes_str(key)))
		b++;
	return (enum price_bucket)b;
}

/* A number, or the same as text, as policy/prices.json has it: read digit by digit, so that 0.1 is
 * a tenth. */
static enum err read_price(struct reader *r, const struct member *m, const struct value *v,
			   void *into)
{
	struct plan_prices *to = into;
	enum price_bucket bucket = bucket_of(m->name);
	uint32_t picousd = 0;
	bool is_text = v->token.kind == JSON_STRING && !v->token.escaped;

	if ((!is_text && v->token.kind != JSON_NUMBER) || bucket == BUCKET_COUNT ||
	    price_parse(v->token.raw, &picousd))
		return reader_wrong(r, v,
				    "US dollars per million tokens, from 0 to 4000 with at most "
				    "6 decimals (1.25)");
	price_set(to->price, to->plan, bucket, picousd);
	return OK;
}

static enum err read_tokens(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	static const struct member row = {.max = UINT32_MAX};
	struct plan_prices *to = into;
	enum err e = reader_u32(r, &row, v, &to->price->above_tokens);

	if (e)
		return e;
	return to->price->above_tokens ? OK : reader_wrong(r, v, "a number of tokens above 0");
}

#define PRICES                                                                                     \
	READER_KEY("output", read_price), READER_KEY("cache_read", read_price),                    \
		READER_KEY("cache_write", read_price), READER_KEY("cache_write_1h", read_price),   \
		READER_KEY("reasoning", read_price), READER_KEY("audio_input", read_price),        \
		READER_KEY("audio_output", read_price)

static enum err read_above(struct reader *r, const struct member *m, const struct value *v,
			   void *into)
{
	static const struct member members[] = {
		READER_KEY("tokens", read_tokens, .required = true),
		READER_KEY("input", read_price, .required = true),
		PRICES,
	};
	struct plan_prices to = {.price = ((struct plan_prices *)into)->price, .plan = PLAN_ABOVE};

	return reader_object(r, members, READER_COUNT(members), v, &to);
}

static enum err read_plan(struct reader *r, const struct member *m, const struct value *v,
			  void *into)
{
	static const struct member members[] = {
		READER_KEY("input", read_price, .required = true),
		PRICES,
	};
	struct plan_prices to = {.price = ((struct plan_prices *)into)->price, .plan = PLAN_BATCH};

	while (to.plan < PLAN_COUNT &&
	       !bytes_equal(bytes_str(price_plan_name(to.plan)), bytes_str(m->name)))
		to.plan++;
	return to.plan == PLAN_COUNT ? ERR_STATE
				     : reader_object(r, members, READER_COUNT(members), v, &to);
}

static enum err read_model(struct reader *r, const struct value *v, struct bytes name,
			   size_t name_start, void *element)
{
	static const struct member members[] = {
		READER_KEY("input", read_price, .required = true),
		PRICES,
		READER_KEY("above", read_above),
		READER_KEY("batch", read_plan),
		READER_KEY("priority", read_plan),
		READER_KEY("flex", read_plan),
	};
	struct policy_price *to = element;
	struct plan_prices prices = {.price = &to->price, .plan = PLAN_STANDARD};
	enum err e;

	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] <= ' ' || name.at[i] == 0x7F) {
			phrase_put(
				reader_problem_with(r, name_start, name),
				" is no model pattern: it has white space or control characters");
			return ERR_BAD;
		}
	e = section_models_check(r, name_start, name);
	if (e)
		return e;
	to->pattern = name;
	return reader_object(r, members, READER_COUNT(members), v, &prices);
}

enum err section_prices_read(struct reader *r, const struct member *m, const struct value *v,
			     void *into)
{
	void *elements;
	size_t count;
	enum err e = reader_map(r, v, POLICY_PRICES_MAX, sizeof(struct policy_price), read_model,
				&elements, &count);

	if (e)
		return e;
	r->policy->prices = elements;
	r->policy->price_count = count;
	return OK;
}
