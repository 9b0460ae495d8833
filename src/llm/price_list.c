/* SPDX-License-Identifier: MIT */
#include "llm/price_list.h"

static void fill(const struct price_entry *entry, struct price *price)
{
	const struct price_row *rows = price_list_rows + entry->rows_at;

	*price = (struct price){.above_tokens = entry->above_tokens};
	for (size_t i = 0; i < entry->row_count; i++)
		price_set(price, (enum price_plan)rows[i].plan, (enum price_bucket)rows[i].bucket,
			  rows[i].picousd);
}

enum err price_list_find(struct bytes name, struct price *ret_price)
{
	size_t from = 0, to = price_list_count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		const struct price_entry *entry = &price_list_entries[middle];
		int order = bytes_compare(name, bytes_str(price_list_names + entry->name_at));
		if (order == 0) {
			fill(entry, ret_price);
			return OK;
		}
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return ERR_MISSING;
}
