/* SPDX-License-Identifier: MIT */
#include "llm/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "llm/tools.h"
#include "wire/coding.h"
#include "wire/sse.h"

struct exchange {
	struct http1_request request;
	struct http1_response response;
	struct exchange_listener listener;
	struct following following;
	struct sent sent[EXCHANGE_PIPELINE_MAX];
	size_t sent_count;
	uint64_t now_ns;
	/* of the answer under way */
	struct sse sse;
	struct coding_decoder *decoder; /* NULL: identity */
	struct buf decoded;             /* what the decoder gave for one piece */
	struct buf json;                /* a JSON answer, decoded, for reading at its end */
	bool reads_content; /* the body can be understood: SSE or JSON in a known coding */
};

const char *coverage_name(enum coverage c)
{
	static const char *const names[] = {"full", "truncated", "headers_only", "connection_only"};

	return names[c];
}

const char *outcome_name(enum outcome o)
{
	static const char *const names[] = {"complete", "aborted_by_program",
					    "aborted_by_provider"};

	return names[o];
}

/* ---- following an answer ---- */

static void forget_answer(struct exchange *x)
{
	struct following *f = &x->following;

	buf_reset(&f->head);
	buf_reset(&f->piece);
	f->status = 0;
	f->has_head = f->is_stream = f->cut_by_close = false;
	f->coverage = COVERAGE_FULL;
	f->body_bytes = f->first_byte_ns = 0;
	memset(&f->answer, 0, sizeof f->answer);
	buf_reset(&f->tool_calls);
	f->tool_calls.max = EXCHANGE_TOOLS_BYTES_MAX;
	f->answer.tool_calls = &f->tool_calls;
	sse_done(&x->sse);
	memset(&x->sse, 0, sizeof x->sse);
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

/* Following ends here but the program's bytes go on: the record says how much was seen. */
static void stop_reading(struct exchange *x, enum coverage coverage)
{
	x->reads_content = false;
	if (x->following.coverage == COVERAGE_FULL)
		x->following.coverage = coverage;
}

static const struct dialect *dialect_of_answer(const struct exchange *x)
{
	return x->sent_count ? x->sent[0].dialect : NULL;
}

static bool media_type_is(struct bytes content_type, struct bytes type)
{
	struct bytes rest = content_type;

	return bytes_equal_nocase(bytes_trim(bytes_cut(&rest, ';')), type);
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
		stop_reading(x, COVERAGE_TRUNCATED);
	(void)http1_head_find(buf_view(&r->head), BYTES("content-type"), &type);
	(void)http1_head_find(buf_view(&r->head), BYTES("content-encoding"), &coding_name);
	f->is_stream = media_type_is(type, BYTES("text/event-stream"));
	x->reads_content = f->is_stream || media_type_is(type, BYTES("application/json"));
	coding = coding_name.len ? coding_parse(coding_name) : CODING_IDENTITY;
	if (coding == CODING_UNKNOWN)
		stop_reading(x, COVERAGE_HEADERS_ONLY);
	else if (coding != CODING_IDENTITY && coding_new(coding, &x->decoder))
		stop_reading(x, COVERAGE_TRUNCATED);
	if (r->status == 101)
		f->coverage = COVERAGE_HEADERS_ONLY;
	return OK;
}

static void read_events(struct exchange *x, struct bytes text)
{
	const struct dialect *d = dialect_of_answer(x);
	struct sse_event event;
	enum err e = OK;

	while (!e) {
		e = sse_next(&x->sse, &text, &event);
		if (!e)
			e = d->read_event(&event, &x->following.answer, NULL);
	}
	if (e != ERR_MORE)
		stop_reading(x, COVERAGE_TRUNCATED);
}

static void read_content(struct exchange *x, struct bytes text)
{
	if (x->following.is_stream) {
		read_events(x, text);
	} else if (text.len > EXCHANGE_JSON_BYTES_MAX - x->json.len || buf_put(&x->json, text)) {
		stop_reading(x, COVERAGE_TRUNCATED);
	}
}

/* Keeps the wire's bytes for the record, in parts. */
static void keep(struct exchange *x, struct bytes piece)
{
	struct following *f = &x->following;

	f->body_bytes += piece.len;
	while (piece.len) {
		struct bytes now = bytes_slice(piece, 0, EXCHANGE_PART_BYTES - f->piece.len);
		if (buf_put(&f->piece, now)) {
			if (f->coverage == COVERAGE_FULL)
				f->coverage = COVERAGE_TRUNCATED;
			return;
		}
		piece = bytes_from(piece, now.len);
		if (f->piece.len == EXCHANGE_PART_BYTES) {
			x->listener.on_part(x->listener.context, x);
			buf_reset(&f->piece);
		}
	}
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
	if (coding_feed(x->decoder, piece, &x->decoded))
		stop_reading(x, COVERAGE_TRUNCATED);
	else
		read_content(x, buf_view(&x->decoded));
	return OK;
}

static void finish_answer(struct exchange *x, enum outcome outcome)
{
	const struct dialect *d = dialect_of_answer(x);

	if (!x->sent_count) {
		forget_answer(x); /* an answer nobody asked for (RFC 9112 9.3): nothing to tell */
		return;
	}
	if (x->decoder && coding_check_end(x->decoder))
		stop_reading(x, COVERAGE_TRUNCATED);
	if (x->decoder && outcome == OUTCOME_COMPLETE && coding_check_end(x->decoder))
		stop_reading(x, COVERAGE_TRUNCATED);
	if (x->reads_content && !x->following.is_stream && d && x->json.len)
		if (d->read_body(buf_view(&x->json), &x->following.answer, NULL))
			stop_reading(x, COVERAGE_TRUNCATED);
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

	if (r->status >= 200 || r->status == 101)
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

/* Cuts scheme and authority off an absolute-form target (RFC 9112 3.2.2). */
static struct bytes cut_authority(struct bytes target, struct bytes *ret_authority)
{
	size_t scheme = bytes_find(target, BYTES("://"));
	size_t slash;

	*ret_authority = BYTES_NONE;
	if (target.len == 0 || target.at[0] == '/' || scheme == SIZE_MAX)
		return target;
	target = bytes_from(target, scheme + 3);
	for (slash = 0; slash < target.len; slash++)
		if (target.at[slash] == '/' || target.at[slash] == '?')
			break;
	*ret_authority = bytes_slice(target, 0, slash);
	return bytes_from(target, slash);
}

void exchange_view(const struct exchange *x, struct request_view *ret_view)
{
	const struct http1_request *r = &x->request;
	struct request_view view = {.method = bytes_str(r->method)};
	struct bytes authority, target = cut_authority(http1_request_target(r), &authority);

	target = bytes_cut(&target, '#');
	view.path = bytes_cut(&target, '?');
	view.query = target;
	(void)http1_request_find(r, BYTES("content-type"), &view.content_type);
	(void)http1_request_find(r, BYTES("content-encoding"), &view.content_encoding);
	(void)http1_request_find(r, BYTES("accept"), &view.accept);
	view.body = http1_request_body(r);
	*ret_view = view;
}

/* "name", "name:443", "[::1]:8443" (RFC 9110 4.2.2). */
enum err exchange_split_authority(struct bytes authority, struct bytes *ret_host,
				  uint16_t *ret_port)
{
	struct bytes host = authority, digits = BYTES_NONE;
	uint64_t port = 0;
	size_t colon = SIZE_MAX;

	for (size_t i = authority.len; i-- > 0 && authority.at[i] != ']';)
		if (authority.at[i] == ':')
			colon = i;
	if (colon != SIZE_MAX) {
		host = bytes_slice(authority, 0, colon);
		digits = bytes_from(authority, colon + 1);
	}
	if (host.len == 0 || bytes_find_byte(host, '@') != SIZE_MAX)
		return ERR_BAD;
	if (digits.len && bytes_parse_u64(digits, UINT16_MAX, &port))
		return ERR_BAD;
	*ret_host = host;
	*ret_port = (uint16_t)port;
	return OK;
}

enum err exchange_host(const struct exchange *x, struct bytes *ret_host, uint16_t *ret_port)
{
	struct bytes field, authority, host, other;
	uint16_t port, other_port;

	if (!http1_request_find(&x->request, BYTES("host"), &field) ||
	    exchange_split_authority(field, &host, &port))
		return ERR_BAD;
	cut_authority(http1_request_target(&x->request), &authority);
	if (authority.len) {
		if (exchange_split_authority(authority, &other, &other_port))
			return ERR_BAD;
		if (!bytes_equal_nocase(host, other) || port != other_port)
			return ERR_AMBIGUOUS;
	}
	*ret_host = host;
	*ret_port = port;
	return OK;
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

void exchange_feed_answer(struct exchange *x, struct bytes in, uint64_t now_ns)
{
	bool was_broken = x->response.broken;

	x->now_ns = now_ns;
	if (x->sent_count && !x->following.first_byte_ns)
		x->following.first_byte_ns = now_ns;
	if (http1_response_feed(&x->response, in) && !was_broken)
		stop_reading(x, COVERAGE_TRUNCATED);
	/* Of what cannot be parsed, the bytes at least are kept. */
	if (x->response.broken && x->sent_count && !x->sent[0].silent)
		keep(x, bytes_from(in, in.len - x->response.unread_bytes));
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
