/* SPDX-License-Identifier: MIT
 *
 * usage: what the exchanges of a log used and cost, by name; and the same against an invoice. How
 * it is printed: usage_print.c, reconcile.c.
 */
#ifndef AIGW_TOOL_USAGE_H
#define AIGW_TOOL_USAGE_H

#include "invoice.h"
#include "log.h"

/* BY(name, "word", title of its column) */
#define USAGE_BYS(BY)                                                                              \
	BY(BY_MODEL, "model", "MODEL")                                                             \
	BY(BY_PROVIDER, "provider", "PROVIDER")                                                    \
	BY(BY_ENVIRONMENT, "environment", "ENVIRONMENT")                                           \
	BY(BY_APPLICATION, "application", "APPLICATION")                                           \
	BY(BY_KEY, "key", "KEY")                                                                   \
	BY(BY_USER, "user", "USER")                                                                \
	BY(BY_DAY, "day", "DAY (UTC)")                                                             \
	BY(BY_HOST, "host", "HOST")

enum usage_by {
#define BY(name, word, title) name,
	USAGE_BYS(BY)
#undef BY
		BY_COUNT
};

const char *usage_by_word(enum usage_by by);
const char *usage_by_title(enum usage_by by);

enum usage_format { USAGE_TABLE, USAGE_JSON, USAGE_CSV };

/* What an exchange adds. */
struct counts usage_counts(const struct log_entry *entry);
/* Appends what it is counted under; "-" when the record does not say. */
void usage_put_name(struct buf *out, const struct log_entry *entry, enum usage_by by);
/* False for exchanges that no invoice can have: refused, or not billed by tokens. */
bool usage_is_billed(const struct log_entry *entry);

/* To stdout; `t` is sorted. */
void usage_print(const struct tally *t, enum usage_by by, enum usage_format format);

/* In dollars with six decimals, rounded half up: for tables only. */
void usage_put_cost(struct buf *out, uint64_t picousd);
/* Exact; null when none of the requests has a known cost. */
void usage_put_known_cost(struct buf *out, const struct counts *c, const char *none);

/* A name as a cell: without what would command a terminal or a spreadsheet. */
void usage_put_csv_name(struct buf *out, struct bytes name);

/* Names in `ours` are "2026-11-24 model", as the invoice's; both are sorted. True: they agree
 * within `tolerance_ppm` millionths of what the invoice says. */
bool reconcile_print(const struct tally *ours, const struct invoice *theirs, uint64_t tolerance_ppm,
		     enum usage_format format);

#endif
