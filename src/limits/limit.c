/* SPDX-License-Identifier: MIT */
#include "limits/limit.h"

static const struct {
	char name[28]; /* no pointer: it would have to be relocated in each process */
	enum limit_shape shape;
} kinds[LIMIT_COUNT] = {
#define LIMIT(name, key, shape) {key, shape},
	LIMITS(LIMIT)
#undef LIMIT
};

const char *limit_name(enum limit_kind kind)
{
	return (unsigned)kind < LIMIT_COUNT ? kinds[kind].name : "";
}

enum limit_kind limit_find(struct bytes name)
{
	unsigned kind = 0;

	while (kind < LIMIT_COUNT && !bytes_equal(bytes_str(kinds[kind].name), name))
		kind++;
	return (enum limit_kind)kind;
}

enum limit_shape limit_shape(enum limit_kind kind)
{
	return (unsigned)kind < LIMIT_COUNT ? kinds[kind].shape : LIMIT_HELD;
}

bool limit_is_money(enum limit_kind kind)
{
	return kind == LIMIT_USD_PER_DAY || kind == LIMIT_USD_PER_MONTH;
}

bool limit_is_monthly(enum limit_kind kind)
{
	return kind == LIMIT_TOKENS_PER_MONTH || kind == LIMIT_USD_PER_MONTH;
}
