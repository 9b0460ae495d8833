/* SPDX-License-Identifier: MIT
 *
 * tally: sums by name: what `aigw usage` counts, and what an invoice says. Names come from logs and
 * files of strangers, so adding is cheap whatever they are: n additions cost n log n.
 *
 * Pure; allocates.
 */
#ifndef AIGW_TOOL_TALLY_H
#define AIGW_TOOL_TALLY_H

#include "base/bytes.h"

/* Token sums stop at the largest number; money that does not fit stays out, and what it was for
 * counts as unpriced. */
struct counts {
	uint64_t requests, refused, failed;
	uint64_t input_tokens, cache_read_tokens, cache_write_tokens; /* the caches' within input */
	uint64_t output_tokens, reasoning_tokens;                     /* reasoning within output */
	uint64_t cost_picousd;
	uint64_t priced, unpriced; /* requests whose cost is known; is not known */
};

struct tally_row {
	uint8_t *name; /* its own memory */
	size_t name_len;
	struct counts counts;
};

struct tally {
	struct tally_row *rows; /* after tally_sort: each name once, in memory order */
	size_t count, cap;
};

/* ERR_NOMEM. */
MUST_USE enum err tally_add(struct tally *t, struct bytes name, const struct counts *counts);
/* Brings names together and in order; afterwards the rows may be read. */
void tally_sort(struct tally *t);
void tally_done(struct tally *t);

void counts_add(struct counts *sum, const struct counts *counts);

static inline struct bytes tally_name(const struct tally_row *row)
{
	return bytes_of(row->name, row->name_len);
}

#endif
