/* SPDX-License-Identifier: MIT
 *
 * table: log entries as aligned lines for people (aigw log, aigw tail).
 */
#ifndef AIGW_TOOL_TABLE_H
#define AIGW_TOOL_TABLE_H

#include "log.h"

#define TABLE_COLUMNS 9

struct table {
	int widths[TABLE_COLUMNS];
	bool cut;        /* to the widths; else a long cell pushes the rest of its line */
	bool dates;      /* times with their date */
	size_t id_chars; /* so many characters of an id are shown */
};

/* Widths for entries that are all known: no wider than they need, no longer an id than tells them
 * apart, cut to the terminal. */
void table_fit(struct table *t, struct log_entry *const *entries, size_t count);
/* Fixed widths, for entries that are still to come. */
void table_fixed(struct table *t);

void table_print_head(const struct table *t);
void table_print_entry(const struct table *t, const struct log_entry *entry);

#endif
