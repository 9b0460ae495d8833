/* SPDX-License-Identifier: MIT
 *
 * copy: events as PostgreSQL reads them: rows of COPY's text format, names in quotes, and what is
 * said about a row. Pure; libpq is not seen here.
 *
 * Nothing that a program can put into its requests keeps a record out of the table: what jsonb and
 * text refuse is written in another way (below), and the record in the log is what counts.
 */
#ifndef AIGW_DRAIN_POSTGRES_COPY_H
#define AIGW_DRAIN_POSTGRES_COPY_H

#include "drain/sink.h"

#define COPY_NAME_BYTES_MAX 63 /* NAMEDATALEN - 1: a longer one is cut by the server */
#define COPY_NUMBER_CHARS_MAX                                                                      \
	1000 /* a longer number, or one with an exponent of more than three                        \
		digits, is written as a string: numeric ends at 131072 */
#define COPY_COLUMNS                                                                               \
	"id, time, kind, host, environment, application, provider, model, process, record"

/* Where a batch arrives first: a temporary table of the session. */
#define COPY_STAGING "aigw_drain_batch"

/* Appends one row, its line end included: id, time (microseconds), kind, host, environment,
 * application, provider, model, process (empty ones as NULL), record. In texts, NUL and what is not
 * UTF-8 become U+FFFD; in the record, \u0000 and surrogates that stand alone become \ufffd, and
 * numbers out of range strings. ERR_BAD: the record is no JSON; ERR_LIMIT: nested too deeply;
 * ERR_NOMEM. After an error *out is as before. */
MUST_USE enum err copy_put_row(struct buf *out, const struct sink_event *event);

/* Appends "NAME" or "SCHEMA"."NAME". ERR_BAD: no such name, or one that the temporary table would
 * be taken for. ERR_NOMEM. */
MUST_USE enum err copy_put_table(struct buf *out, struct bytes table);

/* Appends the statement that makes the table. Errors as copy_put_table. */
MUST_USE enum err copy_put_create(struct buf *out, struct bytes table);

/* Which row an error of COPY is about, by its context ("COPY aigw_drain_batch, line 3, column
 * record", in whatever language): from 1; 0: it does not say. */
size_t copy_bad_row(struct bytes context);

/* What an error of the server means for the batch, by its five letters (PostgreSQL, appendix A).
 * SINK_REFUSED: because of what the rows hold; SINK_WRONG: rights, names, columns. */
enum sink_result copy_result_of(struct bytes sqlstate);

#endif
