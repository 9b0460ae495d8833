/* SPDX-License-Identifier: MIT
 *
 * csv: comma-separated text (RFC 4180), record by record. Lines end with LF or CRLF, empty lines
 * are passed over, a byte order mark at the start too. Strict: a quote inside an unquoted field,
 * text behind a closing quote, a lone CR, a NUL and an open quote at the end are errors, for a file
 * that is read otherwise than it was written gives wrong sums.
 *
 * And the reverse for one cell. Pure.
 */
#ifndef AIGW_TOOL_CSV_H
#define AIGW_TOOL_CSV_H

#include "base/bytes.h"

#define CSV_FIELDS_MAX      256
#define CSV_FIELD_BYTES_MAX (64u << 10)

struct csv {
	struct bytes rest;
	uint64_t line; /* where the last record began, from 1 */
	uint64_t next_line;
	const char *problem; /* after ERR_BAD, ERR_LIMIT: for people */
	size_t count;        /* fields of the last record; views until the next call */
	struct bytes fields[CSV_FIELDS_MAX];
	struct buf text; /* the fields without their quotes */
};

/* Borrows `text`. */
void csv_init(struct csv *c, struct bytes text);
void csv_done(struct csv *c);

/* The next record. OK, ERR_END, ERR_BAD, ERR_LIMIT, ERR_NOMEM; errors stay. */
MUST_USE enum err csv_next(struct csv *c);

/* Appends one cell, quoted where it has to be. A text that a spreadsheet would take for a formula
 * gets an apostrophe in front: what stands in a log was written by strangers. */
MUST_USE enum err csv_put(struct buf *out, struct bytes text);

#endif
