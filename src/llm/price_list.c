/* SPDX-License-Identifier: MIT */
#include "llm/price_list.h"

#include <string.h>

static void fill(const struct price_entry *entry, struct price *price)
{
	const struct price_row *rows = price_list_rows + entry->rows_at;

	*price = (struct price){.above_tokens = entry->above_tokens};
	for (size_t i = 0; i < entry->row_count; i++)
		price_set(price, (enum price_plan)rows[i].plan, (enum price_bucket)rows[i].bucket,
			  rows[i].picousd);
}

/* The order of the two, as bytes_compare has it; `name` holds no NUL. */
static int compare(struct bytes name, const char *text)
{
	int order = strncmp((const char *)name.at, text, name.len);

	return order ? order : -(text[name.len] != '\0');
}

enum err price_list_find(struct bytes name, struct price *ret_price)
{
	size_t from = 0, to = price_list_count;

	if (name.len == 0 || bytes_find_byte(name, '\0') != SIZE_MAX)
		return ERR_MISSING;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		const struct price_entry *entry = &price_list_entries[middle];
		int order = compare(name, price_list_names + entry->name_at);
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
