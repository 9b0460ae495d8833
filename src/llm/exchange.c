/* SPDX-License-Identifier: MIT */
#include "llm/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "llm/framing.h"
#include "llm/tools.h"
#include "wire/coding.h"

struct exchange {
	struct http1_request request;
	struct http1_response response;
	struct exchange_listener listener;
	struct following following;
	struct sent sent[EXCHANGE_PIPELINE_MAX];
	size_t sent_count;
	uint64_t now_ns;
	/* of the answer under way */
	struct framing framing;
	struct coding_decoder *decoder; /* NULL: identity */
	struct buf decoded;             /* what the decoder gave for one piece */
	struct buf json;                /* a JSON answer, decoded, for reading at its end */
	bool reads_content; /* the body can be understood: events or JSON in a known coding */
	/* after 101 */
	struct conversation *conversation; /* NULL: no WebSocket, or it is over */
	bool is_tunnel;
};

const char *coverage_name(enum coverage c)
{
	static const char names[][16] = {"full", "truncated", "headers_only", "connection_only"};

	return names[c];
}

const char *outcome_name(enum outcome o)
{
	static const char names[][20] = {"complete", "aborted_by_program", "aborted_by_provider"};

	return names[o];
}

/* ---- following an answer ---- */

static const char no_memory[] = "no memory to follow the answer any further";

static void forget_answer(struct exchange *x)
{
	struct following *f = &x->following;

	buf_reset(&f->head);
	buf_reset(&f->piece);
	buf_reset(&f->asked);
	f->status = 0;
	f->has_head = f->is_stream = f->has_end = f->cut_by_close = false;
	f->coverage = COVERAGE_FULL;
	f->problem = NULL;
	f->body_bytes = f->first_byte_ns = 0;
	memset(&f->answer, 0, sizeof f->answer);
	buf_reset(&f->tool_calls);
	f->tool_calls.max = EXCHANGE_TOOLS_BYTES_MAX;
	f->answer.tool_calls = &f->tool_calls;
	framing_done(&x->framing);
	conversation_free(x->conversation);
	x->conversation = NULL;
	f->conversation = NULL;
	coding_free(x->decoder);
	x->decoder = NULL;
	buf_reset(&x->json);
	/* Between answers a connection keeps little memory, whatever it has carried. */
	if (x->json.cap > HTTP1_IDLE_BYTES_MAX)
		buf_done(&x->json);
	if (x->decoded.cap > HTTP1_IDLE_BYTES_MAX)
		buf_done(&x->decoded);
	x->reads_content = false;
}

/* The record says how much was seen, and why not all; the first reason counts. */
static void mark(struct exchange *x, enum coverage coverage, const char *problem)
{
	if (x->following.coverage == COVERAGE_FULL)
		x->following.coverage = coverage;
	if (!x->following.problem)
		x->following.problem = problem;
}

/* Following ends here but the program's bytes go on. */
static void stop_reading(struct exchange *x, enum coverage coverage, const char *problem)
{
	x->reads_content = false;
	mark(x, coverage, problem);
}

static const struct dialect *dialect_of_answer(const struct exchange *x)
{
	return x->sent_count ? x->sent[0].dialect : NULL;
}

static void hand_on_part(struct exchange *x)
{
	x->listener.on_part(x->listener.context, x);
	buf_reset(&x->following.piece);
	buf_reset(&x->following.asked);
}

/* Puts bytes into one of the two buffers for the record, and hands both on when it is full. */
static bool put_part(struct exchange *x, struct buf *part, struct bytes piece)
{
	while (piece.len) {
		struct bytes now = bytes_slice(piece, 0, EXCHANGE_PART_BYTES - part->len);
		if (buf_put(part, now))
			return false;
		piece = bytes_from(piece, now.len);
		if (part->len == EXCHANGE_PART_BYTES)
			hand_on_part(x);
	}
	return true;
}

/* What a WebSocket's messages leave for the record. */
static bool keep_said(void *context, enum speaker speaker, struct bytes text)
{
	struct exchange *x = context;
	struct following *f = &x->following;

	return put_part(x, speaker == SPEAKER_PROVIDER ? &f->piece : &f->asked, text);
}

/* False: what the two sides agreed on cannot be followed. */
static bool read_agreement(struct bytes head, struct websocket_extensions *ret_agreed)
{
	struct bytes name, value;

	while (http1_head_next(&head, &name, &value))
		if (bytes_equal_nocase(name, BYTES("sec-websocket-extensions")) &&
		    websocket_read_extensions(value, ret_agreed))
			return false;
	return true;
}

/* 101: the answer to a request for a WebSocket begins one; any other protocol is not followed. */
static void switch_protocols(struct exchange *x)
{
	struct bytes head = buf_view(&x->response.head), upgrade = BYTES_NONE;
	struct websocket_extensions agreed = {0};

	(void)http1_head_find(head, BYTES("upgrade"), &upgrade);
	if (x->sent_count != 1 || !x->sent[0].websocket ||
	    !bytes_equal_nocase(upgrade, BYTES("websocket"))) {
		mark(x, COVERAGE_HEADERS_ONLY, "the connection became another protocol");
		return;
	}
	x->is_tunnel = true;
	if (conversation_new(x->sent[0].dialect, read_agreement(head, &agreed) ? &agreed : NULL,
			     keep_said, x, &x->conversation)) {
		mark(x, COVERAGE_HEADERS_ONLY, no_memory);
		return;
	}
	x->conversation->answer.tool_calls = &x->following.tool_calls;
	x->following.conversation = x->conversation;
	x->following.is_stream = true;
}

/* The first field of each name counts; one pass for both. */
static void read_type(struct bytes head, struct bytes *ret_type, struct bytes *ret_coding)
{
	bool has_type = false, has_coding = false;
	struct bytes name, value;

	while (!(has_type && has_coding) && http1_head_next(&head, &name, &value)) {
		if (!has_type && bytes_equal_nocase(name, BYTES("content-type"))) {
			*ret_type = value;
			has_type = true;
		} else if (!has_coding && bytes_equal_nocase(name, BYTES("content-encoding"))) {
			*ret_coding = value;
			has_coding = true;
		}
	}
}

static enum err on_head(void *context, const struct http1_response *r)
{
	struct exchange *x = context;
	struct following *f = &x->following;
	struct bytes type = BYTES_NONE, coding_name = BYTES_NONE;
	enum coding coding;

	if (!f->first_byte_ns) /* the answer before ended in the same piece */
		f->first_byte_ns = x->now_ns;
	if (r->status < 200 && r->status != 101)
		return OK; /* interim: the real answer is still to come (RFC 9110 15.2) */
	f->status = r->status;
	f->has_head = true;
	buf_reset(&f->head);
	if (buf_put(&f->head, buf_view(&r->head)))
		mark(x, COVERAGE_TRUNCATED, no_memory);
	if (r->status == 101) {
		switch_protocols(x);
		return OK;
	}
	read_type(buf_view(&r->head), &type, &coding_name);
	framing_init(&x->framing, framing_of(type));
	f->is_stream = framing_is_stream(&x->framing);
	x->reads_content = x->framing.kind != FRAMING_NONE;
	coding = coding_name.len ? coding_parse(coding_name) : CODING_IDENTITY;
	if (coding == CODING_UNKNOWN)
		stop_reading(x, COVERAGE_HEADERS_ONLY, "the answer's content coding is unknown");
	else if (coding != CODING_IDENTITY && coding_new(coding, &x->decoder))
		stop_reading(x, COVERAGE_TRUNCATED, no_memory);
	return OK;
}

static void read_event(struct exchange *x, const struct framing_event *event)
{
	struct answer *answer = &x->following.answer;

	if (event->failed)
		answer->failed = true;
	if (dialect_of_answer(x)->read_event(&event->event, answer, NULL))
		stop_reading(x, COVERAGE_TRUNCATED, no_memory);
}

static void read_events(struct exchange *x, struct bytes text)
{
	struct framing_event event;
	enum err e = OK;

	while (x->reads_content && !e) {
		e = framing_next(&x->framing, &text, &event);
		if (!e)
			read_event(x, &event);
	}
	if (e && e != ERR_MORE)
		stop_reading(x, COVERAGE_TRUNCATED, framing_problem(&x->framing, e));
}

static void read_content(struct exchange *x, struct bytes text)
{
	bool settled = framing_settle(&x->framing, text);

	x->following.is_stream = framing_is_stream(&x->framing);
	if (settled && x->following.is_stream)
		read_events(x, text);
	else if (text.len > EXCHANGE_JSON_BYTES_MAX - x->json.len)
		stop_reading(x, COVERAGE_TRUNCATED, "the answer is longer than is read");
	else if (buf_put(&x->json, text))
		stop_reading(x, COVERAGE_TRUNCATED, no_memory);
}

/* Keeps the wire's bytes for the record, in parts. */
static void keep(struct exchange *x, struct bytes piece)
{
	x->following.body_bytes += piece.len;
	if (!put_part(x, &x->following.piece, piece))
		mark(x, COVERAGE_TRUNCATED, no_memory);
}

/* Why a body could not be decoded. A bomb ends the following, never the program's answer. */
static const char *coding_problem(enum err e)
{
	if (e == ERR_LIMIT)
		return "the answer's content coding expands to more than is read";
	return e == ERR_NOMEM ? no_memory : "the answer does not fit its content coding";
}

static enum err on_body(void *context, struct bytes piece)
{
	struct exchange *x = context;

	if (!x->sent_count || x->sent[0].silent)
		return OK; /* nobody asked for it, or wants to know */
	keep(x, piece);
	if (!x->reads_content || !dialect_of_answer(x))
		return OK;
	if (!x->decoder) {
		read_content(x, piece);
		return OK;
	}
	buf_reset(&x->decoded);
	enum err e = coding_feed(x->decoder, piece, &x->decoded);
	if (e)
		stop_reading(x, COVERAGE_TRUNCATED, coding_problem(e));
	else
		read_content(x, buf_view(&x->decoded));
	return OK;
}

/* The body has ended, or will have no end. True: its framing had more to come. */
static bool end_events(struct exchange *x)
{
	struct framing_event event;
	enum err e = OK;

	while (x->reads_content && !e) {
		e = framing_end(&x->framing, &event);
		if (!e)
			read_event(x, &event);
	}
	x->following.has_end = framing_has_ended(&x->framing);
	return x->reads_content && e == ERR_MORE;
}

/* What is only known at the end. What HTTP calls complete may still be half a stream. */
static enum outcome end_content(struct exchange *x, enum outcome outcome)
{
	const struct dialect *d = dialect_of_answer(x);

	if (x->decoder && coding_check_end(x->decoder))
		stop_reading(x, COVERAGE_TRUNCATED, coding_problem(coding_check_end(x->decoder)));
	if (!x->reads_content || !d)
		return outcome;
	if (x->following.is_stream)
		return end_events(x) && outcome == OUTCOME_COMPLETE ? OUTCOME_ABORTED_BY_PROVIDER
								    : outcome;
	if (x->json.len && d->read_body(buf_view(&x->json), &x->following.answer, NULL))
		stop_reading(x, COVERAGE_TRUNCATED, no_memory);
	return outcome;
}

/* What was said on a WebSocket, and how it ended. */
static enum outcome end_conversation(struct exchange *x, enum outcome outcome)
{
	const struct conversation *c = x->conversation;
	struct following *f = &x->following;

	f->answer = c->answer;
	f->body_bytes = c->bytes[SPEAKER_PROVIDER];
	if (c->problem)
		mark(x,
		     c->unread[SPEAKER_PROVIDER] && !c->messages[SPEAKER_PROVIDER]
			     ? COVERAGE_HEADERS_ONLY
			     : COVERAGE_TRUNCATED,
		     c->problem);
	if (!conversation_has_closed(c))
		return outcome;
	if (conversation_is_complete(c))
		return OUTCOME_COMPLETE;
	return c->closed_by == SPEAKER_PROGRAM ? OUTCOME_ABORTED_BY_PROGRAM
					       : OUTCOME_ABORTED_BY_PROVIDER;
}

static void finish_answer(struct exchange *x, enum outcome outcome)
{
	if (!x->sent_count) {
		forget_answer(x); /* an answer nobody asked for (RFC 9112 9.3): nothing to tell */
		return;
	}
	outcome = x->conversation ? end_conversation(x, outcome) : end_content(x, outcome);
	if (tools_end(&x->following.answer))
		buf_reset(&x->following.tool_calls);
	if (!x->sent[0].silent)
		x->listener.on_answer(x->listener.context, x, outcome);
	x->sent_count--;
	memmove(x->sent, x->sent + 1, x->sent_count * sizeof x->sent[0]);
	forget_answer(x);
}

static enum err on_end(void *context, const struct http1_response *r)
{
	struct exchange *x = context;

	if (r->status >= 200 || (r->status == 101 && !x->conversation))
		finish_answer(x, OUTCOME_COMPLETE);
	return OK;
}

static bool is_bodiless(void *context)
{
	struct exchange *x = context;

	return x->sent_count && x->sent[0].head;
}

/* ---- life ---- */

enum err exchange_new(const struct exchange_listener *listener, struct exchange **ret_exchange)
{
	struct exchange *x = calloc(1, sizeof *x);
	struct http1_listener follow = {on_head, on_body, on_end, is_bodiless, x};

	if (!x)
		return ERR_NOMEM;
	x->listener = *listener;
	forget_answer(x);
	http1_request_init(&x->request, EXCHANGE_BODY_BYTES_MAX);
	http1_response_init(&x->response, &follow);
	*ret_exchange = x;
	return OK;
}

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	forget_answer(x);
	http1_request_done(&x->request);
	http1_response_done(&x->response);
	buf_done(&x->following.head);
	buf_done(&x->following.piece);
	buf_done(&x->following.tool_calls);
	buf_done(&x->following.asked);
	buf_done(&x->decoded);
	buf_done(&x->json);
	free(x);
}

/* ---- the program's side ---- */

enum err exchange_feed_request(struct exchange *x, struct bytes in, size_t *ret_used)
{
	return http1_request_feed(&x->request, in, ret_used);
}

const struct http1_request *exchange_request(const struct exchange *x)
{
	return &x->request;
}

enum err exchange_sent(struct exchange *x, const struct sent *sent)
{
	if (x->sent_count == EXCHANGE_PIPELINE_MAX)
		return ERR_LIMIT;
	x->sent[x->sent_count++] = *sent;
	return OK;
}

void exchange_withdraw(struct exchange *x)
{
	if (x->sent_count)
		x->sent_count--;
}

void exchange_next_request(struct exchange *x)
{
	http1_request_reset(&x->request);
}

/* ---- the provider's side ---- */

/* One side of a WebSocket spoke. Connections last for hours, and programs get killed: what was said
 * is handed on when a turn is over. When both have closed it, its end is told at once. */
static void hear(struct exchange *x, enum speaker speaker, struct bytes in)
{
	struct conversation *c = x->conversation;
	uint64_t turns_before;

	if (!c || in.len == 0)
		return;
	turns_before = c->turns;
	conversation_feed(c, speaker, in);
	if (conversation_is_over(c))
		finish_answer(x, OUTCOME_COMPLETE);
	else if (c->turns != turns_before && (x->following.piece.len || x->following.asked.len))
		hand_on_part(x);
}

void exchange_feed_answer(struct exchange *x, struct bytes in, uint64_t now_ns)
{
	bool was_broken = x->response.broken;

	x->now_ns = now_ns;
	if (x->sent_count && !x->following.first_byte_ns)
		x->following.first_byte_ns = now_ns;
	if (http1_response_feed(&x->response, in) && !was_broken)
		stop_reading(x, COVERAGE_TRUNCATED, "the answer is not HTTP/1.1");
	in = bytes_from(in, in.len - x->response.unread_bytes);
	hear(x, SPEAKER_PROVIDER, in);
	/* Of what cannot be parsed, the bytes at least are kept. */
	if (x->response.broken && x->sent_count && !x->sent[0].silent)
		keep(x, in);
}

void exchange_feed_tunnel(struct exchange *x, struct bytes in, uint64_t now_ns)
{
	x->now_ns = now_ns;
	hear(x, SPEAKER_PROGRAM, in);
}

void exchange_end(struct exchange *x, enum outcome who, uint64_t now_ns)
{
	x->now_ns = now_ns;
	x->following.cut_by_close = x->response.until_close;
	if (who == OUTCOME_ABORTED_BY_PROVIDER)
		(void)!http1_response_eof(&x->response);
	while (x->sent_count)
		finish_answer(x, who);
}

size_t exchange_awaited(const struct exchange *x)
{
	return x->sent_count;
}

bool exchange_is_lost(const struct exchange *x)
{
	return x->sent_count && x->response.broken;
}

const struct sent *exchange_oldest(const struct exchange *x)
{
	return x->sent_count ? &x->sent[0] : NULL;
}

const struct following *exchange_following(const struct exchange *x)
{
	return &x->following;
}

uint64_t exchange_now_ns(const struct exchange *x)
{
	return x->now_ns;
}

bool exchange_upgraded(const struct exchange *x)
{
	return x->response.upgraded;
}

bool exchange_is_tunnel(const struct exchange *x)
{
	return x->is_tunnel;
}
