/* SPDX-License-Identifier: MIT */
#include "policy/section_limits.h"

#include "llm/price.h"

#define USD_DECIMALS 6

static enum err set(struct limit_values *to, const char *key, uint64_t value)
{
	enum limit_kind kind = limit_find(bytes_str(key));

	if (kind == LIMIT_COUNT)
		return ERR_STATE;
	limit_give(to, kind, value);
	return OK;
}

static enum err read_number(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	uint64_t number;

	if (v->token.kind != JSON_NUMBER || json_number_u64(&v->token, &number) ||
	    number > LIMIT_NUMBER_MAX)
		return reader_wrong(r, v, "a whole number from 0 (which allows nothing) to 10^15");
	return set(into, m->name, number);
}

/* "500", "0.25": digit by digit, so that 0.1 is a tenth. */
static enum err parse_usd(struct bytes text, uint64_t *ret_picousd)
{
	struct bytes fraction = text, whole = bytes_cut(&fraction, '.');
	bool has_dot = whole.len < text.len;
	uint64_t dollars, millionths = 0;

	if (bytes_parse_u64(whole, LIMIT_USD_MAX, &dollars))
		return ERR_BAD;
	if (has_dot &&
	    (fraction.len > USD_DECIMALS || bytes_parse_u64(fraction, UINT32_MAX, &millionths)))
		return ERR_BAD;
	for (size_t i = fraction.len; has_dot && i < USD_DECIMALS; i++)
		millionths *= 10;
	*ret_picousd = dollars * PICOUSD_PER_USD + millionths * (PICOUSD_PER_USD / 1000000);
	return dollars == LIMIT_USD_MAX && millionths ? ERR_BAD : OK;
}

static enum err read_usd(struct reader *r, const struct member *m, const struct value *v,
			 void *into)
{
	uint64_t picousd;

	if (v->token.kind != JSON_NUMBER || parse_usd(v->token.raw, &picousd))
		return reader_wrong(r, v,
				    "US dollars from 0 (which allows nothing) to 10000000, with at "
				    "most 6 decimals (12.50)");
	return set(into, m->name, picousd);
}

enum err section_limits_read(struct reader *r, const struct member *m, const struct value *v,
			     void *into)
{
	static const struct member members[] = {
		READER_KEY("requests_per_minute", read_number),
		READER_KEY("tokens_per_minute", read_number),
		READER_KEY("tokens_per_day", read_number),
		READER_KEY("tokens_per_month", read_number),
		READER_KEY("usd_per_day", read_usd),
		READER_KEY("usd_per_month", read_usd),
		READER_KEY("concurrent_requests", read_number),
	};
	return reader_object(r, members, READER_COUNT(members), v, into);
}

enum err section_limits_put(struct limit_values *to, struct bytes name, struct bytes amount)
{
	enum limit_kind kind = limit_find(name);
	uint64_t value = 0;
	enum err e;

	if (kind == LIMIT_COUNT)
		return ERR_MISSING;
	e = limit_is_money(kind) ? parse_usd(amount, &value)
				 : bytes_parse_u64(amount, LIMIT_NUMBER_MAX, &value);
	if (e)
		return ERR_BAD;
	limit_give(to, kind, value);
	return OK;
}

bool section_limits_fits(enum limit_kind kind, uint64_t value)
{
	return value <= (limit_is_money(kind) ? LIMIT_USD_MAX * PICOUSD_PER_USD : LIMIT_NUMBER_MAX);
}
