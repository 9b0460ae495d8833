/* SPDX-License-Identifier: MIT
 *
 * invoice: what a provider says was used, from its CSV export: a line of column names, then lines
 * of which each has a day, a model and numbers. Summed by day and model.
 *
 * Columns are found by their names (any case, spaces are underscores); the first of each list below
 * that is there counts, and INVOICE_MAP says otherwise:
 *
 *   date           date, usage_date_utc, day, start_time_iso, start_time, timestamp
 *   model          model, model_version, model_name, snapshot_id
 *   input_tokens   input_tokens, prompt_tokens, n_context_tokens_total; else the sum of
 *                  usage_input_tokens_no_cache, usage_input_tokens_cache_write_5m,
 *                  usage_input_tokens_cache_write_1h, usage_input_tokens_cache_read; or of
 *                  uncached_input_tokens, cache_creation_5m_input_tokens,
 *                  cache_creation_1h_input_tokens, cache_read_input_tokens
 *   output_tokens  output_tokens, completion_tokens, usage_output_tokens, n_generated_tokens_total
 *   cost           cost, cost_usd, amount_usd, amount_value, amount
 *
 * Input is all input, cached or not. A date is YYYY-MM-DD, whatever follows it, or seconds since
 * 1970; days are in UTC. Cost is in US dollars. An empty cell adds nothing; a line that is empty in
 * its date is an error.
 *
 * Pure.
 */
#ifndef AIGW_TOOL_INVOICE_H
#define AIGW_TOOL_INVOICE_H

#include "tally.h"

#define INVOICE_BYTES_MAX (64u << 20)
#define INVOICE_LINES_MAX 1000000
#define INVOICE_DAY_CHARS 10
#define INVOICE_MAPS_MAX  16

enum invoice_column {
	INVOICE_DATE,
	INVOICE_MODEL,
	INVOICE_INPUT,
	INVOICE_OUTPUT,
	INVOICE_COST,
	INVOICE_COLUMNS
};

/* "date", "model", ... */
const char *invoice_column_name(enum invoice_column column);

/* The header that a person says is that column. */
struct invoice_map {
	enum invoice_column column;
	struct bytes header;
};

struct invoice {
	/* Rows are named "2026-11-24 model", in lower case; counts have input_tokens,
	 * output_tokens, cost_picousd, and as `priced` the number of lines. */
	struct tally rows;
	bool has[INVOICE_COLUMNS];
	uint64_t line;     /* of a problem */
	char problem[192]; /* for people, cut off and without control characters */
};

/* ERR_BAD, ERR_LIMIT: *ret_invoice says where and why; ERR_NOMEM. invoice_done in any case. */
MUST_USE enum err invoice_parse(struct bytes text, const struct invoice_map *maps, size_t map_count,
				struct invoice *ret_invoice);
void invoice_done(struct invoice *invoice);

/* A number as programs write it: digits with a fraction and an exponent ("12", "0.5", "1.2e-05"),
 * times 10^scale; what is smaller than 1 after that is cut off when `cut`, an error otherwise.
 * ERR_BAD; ERR_LIMIT: over 64 bits. */
MUST_USE enum err invoice_parse_number(struct bytes text, unsigned scale, bool cut,
				       uint64_t *ret_value);

#endif
