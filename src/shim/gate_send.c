/* SPDX-License-Identifier: MIT */
#include "shim/gate_state.h"

#include <string.h>

#include "llm/body_edit.h"
#include "shim/journal.h"
#include "shim/quota.h"
#include "wire/http1.h"

#define SETTLE_FIRST_BYTES (8u << 10)
#define SETTLE_STEP_BYTES  (32u << 10)
#define TLS_RECORD_MAX     16384 /* RFC 8446 5.1 */

static bool await_answer(struct gate *g, const struct call *call)
{
	const struct http1_request *q = exchange_request(g->exchange);
	struct sent sent = {
		.dialect = gate_dialect(g),
		.operation = call->operation,
		.head = strcmp(q->method, "HEAD") == 0,
		.websocket = exchange_asks_websocket(g->exchange),
		.names_model = call->model_len > 0,
		.started_ns = g->started_ns,
		.sent_ns = sys_monotonic_ns(),
	};

	memcpy(sent.id, g->id, sizeof sent.id);
	if (exchange_sent(g->exchange, &sent) == OK)
		return true;
	gate_refuse_for(
		g, 400, "pipeline_too_deep", "http.pipelining",
		"more requests were sent ahead of their answers than are followed; wait for "
		"answers");
	return false;
}

/* The body that goes out. */
static struct bytes body_of(const struct gate *g)
{
	return g->force.changed ? buf_view(&g->force.body)
				: http1_request_body(exchange_request(g->exchange));
}

static enum err put_chunk(struct buf *out, struct bytes body)
{
	enum err e = body_edit_put_size(out, body.len);

	if (!e)
		e = buf_put(out, body);
	return e ? e : buf_put(out, BYTES("\r\n0\r\n\r\n"));
}

/* The whole request as it goes out. */
static bool stage_request(struct gate *g)
{
	const struct http1_request *q = exchange_request(g->exchange);

	g->out = buf_view(&q->raw);
	if (g->usage_asked) {
		g->out = buf_view(&g->staged);
	} else if (g->force.changed) {
		buf_reset(&g->staged);
		if (body_edit_put(q, body_of(g), false, &g->staged)) {
			g->out = BYTES_NONE;
			return false;
		}
		g->out = buf_view(&g->staged);
	}
	return true;
}

/* The beginning of a request, with its whole head, is put on its way, with the provider's key in
 * the place of a gateway key. */
static void send_out(struct gate *g, struct bytes out)
{
	enum err e = gate_key_put(&g->key, out, g->sent_before, g->provider, gate_dialect(g),
				  &g->out, &g->rest);

	if (!e)
		return;
	g->out = g->rest = BYTES_NONE;
	if (!g->head_released) /* else refuse does it */
		exchange_withdraw(g->exchange);
	if (e == ERR_STATE)
		gate_refuse_for(
			g, 400, "key_sent", "keys",
			"a part of the gateway key went out before it was known whom it is for; "
			"write the request's first line at once, or send the key in a header");
	else
		gate_refuse_nomem(g);
}

void gate_put_request(struct gate *g, const struct call *call)
{
	/* Before its answer is awaited: there may be no memory for it. */
	if (!stage_request(g)) {
		gate_refuse_nomem(g);
		return;
	}
	if (!await_answer(g, call)) {
		g->out = BYTES_NONE;
		return;
	}
	send_out(g, g->out);
	if (g->usage_asked) {
		usage_drop_begin(&g->drop);
		__atomic_store_n(&g->changing, true, __ATOMIC_RELEASE);
	}
}

static enum err put_field(struct buf *out, struct bytes name, struct bytes value)
{
	enum err e = buf_put(out, name);

	if (!e)
		e = buf_put(out, BYTES(": "));
	if (!e)
		e = buf_put(out, value);
	return e ? e : buf_put(out, BYTES("\r\n"));
}

/* The head with its length unsaid. */
static enum err put_chunked_head(const struct http1_request *q, struct buf *out)
{
	struct bytes raw = buf_view(&q->raw), line;
	enum err e;

	if (q->chunked)
		return buf_put(out, bytes_slice(raw, 0, q->head_bytes));
	/* The request line, and an empty line before it (RFC 9112 2.2). */
	line = bytes_from(raw, q->target.at);
	line = bytes_slice(raw, 0, q->target.at + bytes_find_byte(line, '\n') + 1);
	e = buf_put(out, line);
	for (size_t i = 0; !e && i < q->field_count; i++)
		if (!bytes_equal_nocase(http1_field_name(q, i), BYTES("content-length")))
			e = put_field(out, http1_field_name(q, i), http1_field_value(q, i));
	return e ? e : buf_put(out, BYTES("Transfer-Encoding: chunked\r\n\r\n"));
}

void gate_put_head(struct gate *g)
{
	const struct call unread = {.operation = OP_UNKNOWN};

	if (!await_answer(g, &unread))
		return;
	g->head_released = true;
	buf_reset(&g->staged);
	if (put_chunked_head(exchange_request(g->exchange), &g->staged))
		gate_refuse_nomem(g);
	else
		send_out(g, buf_view(&g->staged));
}

void gate_put_body(struct gate *g)
{
	const struct http1_request *q = exchange_request(g->exchange);

	if (q->chunked && !g->force.changed) {
		g->out = bytes_from(buf_view(&q->raw), q->head_bytes);
		return;
	}
	buf_reset(&g->staged);
	if (put_chunk(&g->staged, body_of(g)))
		gate_refuse_nomem(g);
	else
		g->out = buf_view(&g->staged);
}

/* Puts the question for token counts into g->staged, where the policy wants it and nothing speaks
 * against it. Answers that come before would have to be told from this one's, and a bare socket has
 * no way to say that more bytes wait than it holds: there it is not asked. */
void gate_ask_usage(struct gate *g, const struct call *call)
{
	struct request_view view;

	if (!g->rules->policy->usage_ask || call->operation != OP_CHAT || !call->stream ||
	    g->link.plain || g->head_released || g->changing || exchange_awaited(g->exchange))
		return;
	exchange_view(g->exchange, &view);
	if (!bytes_equal(view.method, BYTES("POST")) ||
	    !bytes_ends(view.path, BYTES("/chat/completions")) ||
	    !usage_ask_is_accepted(g->provider))
		return;
	buf_reset(&g->staged);
	g->usage_asked = usage_ask_splice(exchange_request(g->exchange), body_of(g), &g->staged) ==
			 OK;
}

void gate_open_up(struct gate *g, struct bytes rest)
{
	const struct http1_request *q = exchange_request(g->exchange);

	g->opening = true;
	buf_reset(&g->staged);
	if (buf_put(&g->staged, bytes_from(buf_view(&q->raw), g->released)) ||
	    buf_put(&g->staged, rest)) {
		g->opening = false;
		gate_refuse_nomem(g);
		return;
	}
	g->out = buf_view(&g->staged);
}

size_t gate_pass_along(struct gate *g, struct bytes data, size_t used, enum err fed)
{
	const struct http1_request *q = exchange_request(g->exchange);
	struct sent silent = {.silent = true, .head = strcmp(q->method, "HEAD") == 0};

	if ((fed && fed != ERR_MORE) || q->upgrade || strcmp(q->method, "CONNECT") == 0 ||
	    (!g->released && exchange_sent(g->exchange, &silent))) {
		gate_open_up(g, bytes_from(data, used));
		return data.len;
	}
	g->out = bytes_from(buf_view(&q->raw), g->released);
	g->released = q->raw.len;
	return used;
}

void gate_put_beginning(struct gate *g)
{
	g->out = buf_view(&exchange_request(g->exchange)->raw);
	g->beginning = g->out.len;
}

/* The provider has the request now and takes its time: what the log left undone is done in small
 * steps, until the answer is there. */
static void use_the_wait(const struct gate *g)
{
	size_t step = SETTLE_FIRST_BYTES;

	while (journal_settle(step)) {
		step = SETTLE_STEP_BYTES;
		if (g->link.fd < 0 || sys_is_readable(g->link.fd))
			break;
	}
}

/* The library failed. What the provider cannot have got whole costs nothing: a request of which no
 * byte was taken, and that is no longer than the one record in which it would have gone. All else
 * counts as an answer that broke off. */
static void break_off(struct gate *g)
{
	bool stayed = !g->leaving && (g->link.plain || g->out.len <= TLS_RECORD_MAX);

	g->broken = true;
	g->out = g->rest = BYTES_NONE;
	gate_key_wipe(&g->key);
	if (stayed && exchange_request(g->exchange)->complete)
		quota_give_back(&g->tickets, g->id);
	exchange_end(g->exchange, OUTCOME_ABORTED_BY_PROVIDER, sys_monotonic_ns());
}

enum gate_answer gate_flush(struct gate *g)
{
	g->out = bytes_from(g->out, g->sent_before);
	g->sent_before = 0;
	while (g->out.len) {
		size_t done = 0;
		struct bytes out = g->out;
		lock_drop(&g->lock);
		enum carried carried = g->carrier.send(g->session, out, &done);
		bool again = lock_take(&g->lock);
		(void)again; /* fails only for a signal handler inside our own steps */
		g->leaving |= carried != BROKEN && exchange_request(g->exchange)->complete;
		switch (carried) {
		case CARRIED:
			g->out = g->rest;
			g->rest = BYTES_NONE;
			break;
		case CARRIED_PART:
			g->out = bytes_from(g->out, done);
			break;
		case BLOCKED:
			return GATE_BLOCKED;
		case BROKEN:
			break_off(g);
			return GATE_BROKEN;
		}
	}
	gate_key_wipe(&g->key);
	g->sent_before = g->beginning;
	g->beginning = 0;
	if (g->staged.cap > GATE_IDLE_MAX)
		buf_done(&g->staged);
	if (exchange_request(g->exchange)->complete) {
		exchange_next_request(g->exchange);
		use_the_wait(g);
	}
	return g->opening ? GATE_OPENED : GATE_TAKEN;
}
