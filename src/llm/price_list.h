/* SPDX-License-Identifier: MIT
 *
 * price_list: the list prices that were built in: policy/prices.json, made into constant tables by
 * tools/dev/make-prices-table at build time. Nothing is parsed or relocated when a program starts.
 *
 * Which name of a model is looked up is not decided here (policy/pricing). Pure, constant data.
 */
#ifndef AIGW_LLM_PRICE_LIST_H
#define AIGW_LLM_PRICE_LIST_H

#include "llm/price.h"

/* One price of a model. */
struct price_row {
	uint8_t plan, bucket;
	uint32_t picousd;
};

/* One model: its name "provider/model" in price_list_names, its prices in price_list_rows up to
 * where the next one's begin. Sorted by name, in memory order. */
struct price_entry {
	uint32_t name_at; /* NUL-terminated */
	uint16_t rows_at;
	uint8_t row_count;
	uint32_t above_tokens;
};

extern const char price_list_names[];
extern const struct price_row price_list_rows[];
extern const struct price_entry price_list_entries[];
extern const size_t price_list_count;

/* The list's month, "2026-08": what `cost.prices` says in a record. */
extern const char price_list_date[];

/* The prices of exactly that "provider/model" (lower case, as policy/pattern makes it).
 * ERR_MISSING. */
MUST_USE enum err price_list_find(struct bytes name, struct price *ret_price);

#endif
