/* SPDX-License-Identifier: MIT
 *
 * Records into a table of PostgreSQL. A batch is one transaction: COPY into a temporary table, then
 * what of it is not there yet into the real one. So what is sent twice is there once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "drain/postgres/connection.h"
#include "drain/postgres/copy.h"
#include "drain/sink.h"
#include "policy/phrase.h"

#define NS_PER_MS   UINT64_C(1000000)
#define BAD_ROW_MAX 64 /* rows of one batch that are found out one by one */

struct postgres {
	const struct drain *config;
	struct parameters parameters;
	struct connection connection;
	struct buf begin, insert; /* statements, each with its NUL */
	struct buf create;        /* for people */
	struct buf rows;
};

/* One batch on its way. */
struct way {
	struct postgres *sink;
	const struct sink_batch *batch;
	uint8_t *results;
	size_t refused;
	struct connection_said said, first; /* now; about the first refused row */
};

/* ---- statements ---- */

static enum err put_parts(struct buf *out, const char *const *parts)
{
	enum err e = OK;

	for (; !e && *parts; parts++)
		e = buf_put_str(out, *parts);
	return e;
}

/* ON COMMIT DELETE ROWS: the table is made once per session, and serves whoever shares that. A
 * commit that is not waited for would acknowledge nothing. */
static enum err put_begin(struct postgres *p)
{
	static const char *const parts[] = {
		"; SELECT set_config('synchronous_commit', 'on', true)"
		" WHERE current_setting('synchronous_commit') = 'off'"
		"; CREATE TEMPORARY TABLE IF NOT EXISTS " COPY_STAGING
		" (id text, time timestamptz, kind text, host text, environment text,"
		" application text, provider text, model text, process text, record jsonb)"
		" ON COMMIT DELETE ROWS; COPY pg_temp." COPY_STAGING " (" COPY_COLUMNS
		") FROM STDIN",
		NULL,
	};
	enum err e;

	if ((e = buf_put_str(&p->begin, "BEGIN; SET LOCAL statement_timeout = ")) ||
	    (e = buf_put_decimal(&p->begin, p->config->timeout_ms)) ||
	    (e = put_parts(&p->begin, parts)))
		return e;
	return buf_put_u8(&p->begin, 0);
}

static enum err put_insert(struct postgres *p)
{
	static const char *const parts[] = {
		" (" COPY_COLUMNS ") SELECT " COPY_COLUMNS " FROM pg_temp." COPY_STAGING
		" ON CONFLICT (id) DO NOTHING; COMMIT",
		NULL,
	};
	enum err e;

	if ((e = buf_put_str(&p->insert, "INSERT INTO ")) ||
	    (e = copy_put_table(&p->insert, p->config->postgres.table)) ||
	    (e = put_parts(&p->insert, parts)) || (e = buf_put_u8(&p->insert, 0)))
		return e;
	return copy_put_create(&p->create, p->config->postgres.table);
}

/* ---- a batch ---- */

static void refuse(struct way *w, size_t event)
{
	if (w->refused++ == 0)
		w->first = w->said;
	w->results[event] = SINK_REFUSED;
}

/* The event in the n-th row, from 1; SIZE_MAX: there is no such row. */
static size_t event_of_row(const struct way *w, size_t row)
{
	for (size_t i = 0; i < w->batch->count; i++)
		if (w->results[i] != SINK_REFUSED && --row == 0)
			return i;
	return SIZE_MAX;
}

static void say(struct connection_said *said, enum sink_result result, enum err e)
{
	struct phrase p;

	said->result = result;
	phrase_init(&p, said->text, sizeof said->text);
	phrase_put(&p, "a record cannot be written as a row: ");
	phrase_put(&p, err_text(e));
}

/* What cannot even be written as a row is refused at once. */
static bool put_event(struct way *w, size_t i)
{
	struct connection *c = &w->sink->connection;
	struct buf *rows = &w->sink->rows;
	size_t cap = rows->cap;

	buf_reset(rows);
	enum err e = copy_put_row(rows, &w->batch->events[i]);
	c->memory_bytes += rows->cap - cap;
	if (e == OK)
		return connection_put_rows(c, buf_view(rows), &w->said);
	say(&w->said, e == ERR_NOMEM ? SINK_RETRY : SINK_REFUSED, e);
	if (e == ERR_NOMEM)
		return false;
	refuse(w, i);
	return true;
}

static bool put_events(struct way *w)
{
	for (size_t i = 0; i < w->batch->count; i++)
		if (w->results[i] != SINK_REFUSED && !put_event(w, i))
			return false;
	w->said = (struct connection_said){.result = SINK_DELIVERED};
	return connection_end_rows(&w->sink->connection, &w->said);
}

/* One transaction with all that is not refused. */
static bool try_all(struct way *w)
{
	struct connection *c = &w->sink->connection;

	if (!connection_run(c, (const char *)w->sink->begin.at, &w->said) || !put_events(w) ||
	    !connection_run(c, (const char *)w->sink->insert.at, &w->said))
		return false;
	if (!w->said.committed) {
		w->said.result = SINK_RETRY;
		connection_close(c);
	}
	return w->said.committed;
}

/* After a failure: true when it was about one row and the others can be tried again. */
static bool without_bad_row(struct way *w)
{
	struct connection *c = &w->sink->connection;
	struct connection_said end;
	size_t event = SIZE_MAX;

	if (c->pg && w->said.result == SINK_REFUSED && w->said.bad_row)
		event = event_of_row(w, w->said.bad_row);
	if (event == SIZE_MAX || w->refused == BAD_ROW_MAX)
		return false;
	refuse(w, event);
	return connection_run(c, "ROLLBACK", &end);
}

/* What the table must be, when that is why. */
static bool is_about_table(const char *sqlstate)
{
	static const char *const states[] = {"42P01", "42703", "42804", "42P10", "3F000"};

	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		if (strcmp(sqlstate, states[i]) == 0)
			return true;
	return false;
}

static void answer_failure(const struct way *w, struct sink_answer *answer)
{
	if (is_about_table(w->said.sqlstate))
		sink_answer(answer, SINK_WRONG, "the table is not there or not as it must be: ",
			    buf_view(&w->sink->create));
	else
		sink_answer(answer, w->said.result, "", bytes_str(w->said.text));
}

static void answer_delivered(const struct way *w, struct sink_answer *answer)
{
	struct phrase p;

	answer->result = SINK_DELIVERED;
	phrase_init(&p, answer->text, sizeof answer->text);
	phrase_put(&p, "committed; new rows: ");
	phrase_put_decimal(&p, w->said.rows);
}

/* Those that are not refused all share what became of the transaction. */
static void answer_partly(struct way *w, bool delivered, struct sink_answer *answer)
{
	for (size_t i = 0; i < w->batch->count; i++)
		if (w->results[i] != SINK_REFUSED)
			w->results[i] = delivered ? SINK_DELIVERED : SINK_RETRY;
	sink_answer(answer, w->refused == w->batch->count ? SINK_REFUSED : SINK_PARTLY, "",
		    bytes_str(w->first.text));
}

static void postgres_send(void *sink, const struct sink_batch *batch, struct sink_answer *answer)
{
	struct postgres *p = sink;
	struct way w = {.sink = p, .batch = batch, .results = answer->results};
	uint64_t deadline_ns = sys_monotonic_ns() + p->config->timeout_ms * NS_PER_MS;
	bool delivered = false;

	memset(answer->results, SINK_RETRY, batch->count);
	if (connection_open(&p->connection, &p->parameters, deadline_ns, &w.said)) {
		do
			delivered = try_all(&w);
		while (!delivered && without_bad_row(&w));
		if (!delivered)
			connection_close(&p->connection); /* and with it the transaction */
	}
	if (w.refused)
		answer_partly(&w, delivered, answer);
	else if (delivered)
		answer_delivered(&w, answer);
	else
		answer_failure(&w, answer);
}

/* ---- the sink ---- */

static void postgres_close(void *sink)
{
	struct postgres *p = sink;

	connection_close(&p->connection);
	parameters_done(&p->parameters);
	buf_done(&p->begin);
	buf_done(&p->insert);
	buf_done(&p->create);
	buf_done(&p->rows);
	free(p);
}

static enum err postgres_open(const struct drain *config, struct sink_answer *answer,
			      void **ret_sink)
{
	struct postgres *p = calloc(1, sizeof *p);
	enum err e = p ? OK : ERR_NOMEM;

	if (!e) {
		p->config = config;
		e = parameters_init(&p->parameters, config, answer);
	}
	if (!e && ((e = put_begin(p)) || (e = put_insert(p))) && e == ERR_BAD)
		sink_answer(answer, SINK_WRONG, "no table can be called ", config->postgres.table);
	if (e && p)
		postgres_close(p);
	else if (!e)
		*ret_sink = p;
	return e;
}

static const struct sink_type types[] = {
	{"postgres", postgres_open, postgres_send, postgres_close},
};

extern const struct sink_module aigw_sink_module;
__attribute__((visibility("default"))) const struct sink_module aigw_sink_module = {
	SINK_MODULE_VERSION,
	sizeof(struct drain),
	sizeof types / sizeof types[0],
	types,
};
