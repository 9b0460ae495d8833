/* SPDX-License-Identifier: MIT */
#include "limit_print.h"

#include "llm/price.h"
#include "print.h"

void put_limit_amount(struct buf *out, enum limit_kind kind, uint64_t amount, bool grouped)
{
	if (limit_is_money(kind))
		need(price_put_usd(out, amount));
	else if (grouped)
		put_grouped(out, amount);
	else
		need(buf_put_decimal(out, amount));
}

void put_limits(struct buf *out, const struct limit_values *limits)
{
	bool any = false;

	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		enum limit_kind kind = (enum limit_kind)i;
		if (!limit_given(limits, kind))
			continue;
		need(buf_put_str(out, any ? ", " : ""));
		need(buf_put_str(out, limit_name(kind)));
		need(buf_put_u8(out, ' '));
		put_limit_amount(out, kind, limits->value[kind], true);
		any = true;
	}
	if (!any)
		need(buf_put_str(out, "no limits of its own"));
}
