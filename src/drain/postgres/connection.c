/* SPDX-License-Identifier: MIT */
#include "drain/postgres/connection.h"

#include <postgresql/libpq-fe.h>
#include <malloc.h>
#include <poll.h>
#include <string.h>

#include "base/local_socket.h"
#include "base/sys.h"
#include "drain/postgres/copy.h"
#include "policy/phrase.h"

#define SQLSTATE_CHARS 5

/* ---- what is said ---- */

static void say(struct connection_said *said, enum sink_result result, struct bytes text)
{
	struct phrase p;

	said->result = result;
	phrase_init(&p, said->text, sizeof said->text);
	phrase_put_bytes(&p, text);
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Five digits and capitals, at least one of them a digit. */
static bool is_state(struct bytes word)
{
	bool has_digit = false;

	if (word.len != SQLSTATE_CHARS)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		has_digit = has_digit || is_digit(word.at[i]);
		if (!is_digit(word.at[i]) && (word.at[i] < 'A' || word.at[i] > 'Z'))
			return false;
	}
	return has_digit;
}

/* Of "FATAL:  28P01: password authentication failed": the code, which only there is no field of its
 * own. */
static void find_state(struct bytes line, char ret_state[SQLSTATE_CHARS + 1])
{
	while (line.len) {
		struct bytes part = bytes_cut(&line, ':'), word = BYTES_NONE;
		while (part.len)
			word = bytes_cut(&part, ' ');
		if (word.at && is_state(word)) {
			memcpy(ret_state, word.at, SQLSTATE_CHARS);
			ret_state[SQLSTATE_CHARS] = 0;
			return;
		}
	}
}

/* Certificates and TLS: waiting does not help. */
static bool is_about_tls(struct bytes line)
{
	return bytes_find(line, BYTES("SSL")) != SIZE_MAX ||
	       bytes_find(line, BYTES("certificate")) != SIZE_MAX;
}

/* A connection is of no use any more; libpq's words for it. */
static bool lost(struct connection *c, struct connection_said *said)
{
	struct bytes words = bytes_str(PQerrorMessage(c->pg)), line = bytes_cut(&words, '\n');
	enum sink_result result = SINK_RETRY;

	find_state(line, said->sqlstate);
	if (said->sqlstate[0])
		result = copy_result_of(bytes_str(said->sqlstate));
	else if (is_about_tls(line) || PQconnectionNeedsPassword(c->pg))
		result = SINK_WRONG;
	say(said, result == SINK_REFUSED ? SINK_RETRY : result, line);
	connection_close(c);
	return false;
}

static bool late(struct connection *c, struct connection_said *said)
{
	say(said, SINK_RETRY, BYTES("no answer in time"));
	connection_close(c);
	return false;
}

static bool too_much(struct connection *c, struct connection_said *said)
{
	say(said, SINK_RETRY, BYTES("the server's answer is endless"));
	connection_close(c);
	return false;
}

/* ---- waiting ---- */

static size_t memory_in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static bool wait_for(struct connection *c, short events, struct connection_said *said)
{
	if (sys_monotonic_ns() >= c->deadline_ns || /* whatever goes on coming */
	    local_socket_wait(PQsocket(c->pg), events, c->deadline_ns))
		return late(c, said);
	return true;
}

/* Takes what has come. libpq keeps a message whole, whatever length the server says it has. */
static bool take(struct connection *c, struct connection_said *said)
{
	if (!PQconsumeInput(c->pg))
		return lost(c, said);
	if (memory_in_use() > c->memory_bytes + CONNECTION_ANSWER_BYTES_MAX)
		return too_much(c, said);
	return true;
}

/* Until all that is to be sent is gone. */
static bool flush(struct connection *c, struct connection_said *said)
{
	int left;

	while ((left = PQflush(c->pg)) > 0) {
		if (!wait_for(c, POLLIN | POLLOUT, said) || !take(c, said))
			return false;
	}
	return left == 0 ? true : lost(c, said);
}

/* The next result, NULL behind the last. */
static bool next_result(struct connection *c, PGresult **ret_result, struct connection_said *said)
{
	while (PQisBusy(c->pg)) {
		if (!wait_for(c, POLLIN, said) || !take(c, said))
			return false;
	}
	*ret_result = PQgetResult(c->pg);
	return true;
}

/* ---- opening ---- */

static void ignore_notice(void *unused, const PGresult *notice)
{
	(void)unused;
	(void)notice;
}

/* On a connection that waits for us nothing comes, but that the server has ended it. */
static bool is_alive(struct connection *c)
{
	return c->pg && PQtransactionStatus(c->pg) == PQTRANS_IDLE &&
	       !sys_is_readable(PQsocket(c->pg));
}

static bool connect_now(struct connection *c, struct connection_said *said)
{
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;

	while (state != PGRES_POLLING_OK) {
		if (state == PGRES_POLLING_FAILED || PQstatus(c->pg) == CONNECTION_BAD)
			return lost(c, said);
		if (!wait_for(c, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, said))
			return false;
		state = PQconnectPoll(c->pg);
		if (memory_in_use() > c->memory_bytes + CONNECTION_ANSWER_BYTES_MAX)
			return too_much(c, said);
	}
	return PQsetnonblocking(c->pg, 1) == 0 ? true : lost(c, said);
}

bool connection_open(struct connection *c, const struct parameters *p, uint64_t deadline_ns,
		     struct connection_said *said)
{
	*said = (struct connection_said){.result = SINK_DELIVERED};
	c->deadline_ns = deadline_ns;
	c->memory_bytes = memory_in_use();
	if (is_alive(c))
		return true;
	connection_close(c);
	c->pg = PQconnectStartParams((const char *const *)p->keywords,
				     (const char *const *)p->values, 0);
	if (!c->pg) {
		say(said, SINK_RETRY, bytes_str(err_text(ERR_NOMEM)));
		return false;
	}
	PQsetNoticeReceiver(c->pg, ignore_notice, NULL);
	PQsetErrorVerbosity(c->pg, PQERRORS_VERBOSE);
	return connect_now(c, said);
}

void connection_close(struct connection *c)
{
	PQfinish(c->pg);
	c->pg = NULL;
}

/* ---- statements ---- */

/* The server's own words first: the message as a whole has what was sent in it. */
static struct bytes words_of(const PGresult *result)
{
	struct bytes primary = bytes_str(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	struct bytes whole = bytes_str(PQresultErrorMessage(result));

	return primary.len ? primary : bytes_cut(&whole, '\n'); /* libpq's */
}

static void say_error(struct connection_said *said, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	struct phrase p;

	said->bad_row = copy_bad_row(bytes_str(PQresultErrorField(result, PG_DIAG_CONTEXT)));
	phrase_init(&p, said->text, sizeof said->text);
	if (state && strlen(state) == SQLSTATE_CHARS) {
		memcpy(said->sqlstate, state, sizeof said->sqlstate);
		phrase_put(&p, state);
		phrase_put(&p, ": ");
	}
	said->result = copy_result_of(bytes_str(said->sqlstate));
	phrase_put_bytes(&p, words_of(result));
}

static void take_command(struct connection_said *said, PGresult *result)
{
	struct bytes tag = bytes_str(PQcmdStatus(result));

	if (bytes_starts(tag, BYTES("INSERT ")))
		(void)!bytes_parse_u64(bytes_str(PQcmdTuples(result)), UINT64_MAX, &said->rows);
	said->committed = bytes_equal(tag, BYTES("COMMIT"));
}

/* All results up to the end, or to a COPY that wants rows; the first error is what is said. */
static bool take_results(struct connection *c, struct connection_said *said)
{
	for (unsigned count = 0; count < CONNECTION_RESULTS_MAX; count++) {
		PGresult *result;
		if (!next_result(c, &result, said))
			return false;
		if (!result)
			return said->result == SINK_DELIVERED;
		ExecStatusType status = PQresultStatus(result);
		if (status == PGRES_COMMAND_OK)
			take_command(said, result);
		else if (status == PGRES_FATAL_ERROR && said->result == SINK_DELIVERED)
			say_error(said, result);
		PQclear(result);
		if (status == PGRES_COPY_IN)
			return said->result == SINK_DELIVERED;
		if (PQstatus(c->pg) == CONNECTION_BAD) {
			connection_close(c);
			return false;
		}
		if (status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
			break;
	}
	return too_much(c, said);
}

bool connection_run(struct connection *c, const char *statements, struct connection_said *said)
{
	*said = (struct connection_said){.result = SINK_DELIVERED};
	if (!PQsendQuery(c->pg, statements) || !PQsetSingleRowMode(c->pg))
		return lost(c, said);
	return flush(c, said) && take_results(c, said);
}

bool connection_put_rows(struct connection *c, struct bytes rows, struct connection_said *said)
{
	while (rows.len) {
		struct bytes piece = bytes_slice(rows, 0, CONNECTION_PIECE_BYTES);
		if (PQputCopyData(c->pg, (const char *)piece.at, (int)piece.len) != 1)
			return lost(c, said);
		if (!flush(c, said))
			return false;
		rows = bytes_from(rows, piece.len);
	}
	return true;
}

bool connection_end_rows(struct connection *c, struct connection_said *said)
{
	if (PQputCopyEnd(c->pg, NULL) != 1)
		return lost(c, said);
	return flush(c, said) && take_results(c, said);
}
