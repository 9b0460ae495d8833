/* SPDX-License-Identifier: MIT */
#include "wire/http1.h"

#include <llhttp.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

_Static_assert(sizeof(llhttp_t) <= sizeof(struct http1_parser), "room for llhttp_t");

static llhttp_t *engine(struct http1_parser *p)
{
	return (llhttp_t *)(void *)p->room;
}

/* ---- requests ---- */

static struct http1_request *request_of(llhttp_t *p)
{
	return p->data;
}

/* Our own stop: remembered apart, because llhttp knows only that a callback said no. */
static int stop(struct http1_request *r, enum err why, const char *problem)
{
	r->stopped = why;
	r->problem = problem;
	return HPE_USER;
}

static void span_grow(struct http1_request *r, struct http1_span *span, const char *at, size_t len)
{
	if (span->len == 0)
		span->at = (uint32_t)(r->fed + (size_t)((const uint8_t *)at - r->piece));
	span->len += (uint32_t)len;
}

static int on_url(llhttp_t *p, const char *at, size_t len)
{
	span_grow(request_of(p), &request_of(p)->target, at, len);
	return 0;
}

static int on_name(llhttp_t *p, const char *at, size_t len)
{
	struct http1_request *r = request_of(p);

	if (r->head_bytes)
		return stop(r, ERR_BAD, "trailer fields after a chunked body are not supported");
	if (r->field_count == HTTP1_FIELDS_MAX)
		return stop(r, ERR_LIMIT, "more header fields than are inspected");
	span_grow(r, &r->fields[r->field_count].name, at, len);
	return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t len)
{
	struct http1_request *r = request_of(p);

	if (r->field_count < HTTP1_FIELDS_MAX)
		span_grow(r, &r->fields[r->field_count].value, at, len);
	return 0;
}

static int on_value_complete(llhttp_t *p)
{
	struct http1_request *r = request_of(p);

	/* A field without a name comes without on_name. */
	if (r->field_count == HTTP1_FIELDS_MAX)
		return stop(r, ERR_LIMIT, "more header fields than are inspected");
	r->field_count++;
	return 0;
}

/* True when a field says by what rules the body is read, and an earlier one of its name says
 * something else: servers differ in which of them they take (RFC 9110 5.3, 8.3). */
static bool is_contradicted(const struct http1_request *r, size_t i)
{
	struct bytes name = http1_field_name(r, i);

	if (!bytes_equal_nocase(name, BYTES("content-type")) &&
	    !bytes_equal_nocase(name, BYTES("content-encoding")))
		return false;
	for (size_t before = 0; before < i; before++)
		if (bytes_equal_nocase(http1_field_name(r, before), name))
			return !bytes_equal_nocase(http1_field_value(r, before),
						   http1_field_value(r, i));
	return false;
}

/* What llhttp tolerates and a gateway must not: two readings of one message (RFC 9112 6.3, 11.2).
 */
static enum err check_head(struct http1_request *r)
{
	size_t hosts = 0, lengths = 0, codings = 0;

	for (size_t i = 0; i < r->field_count; i++) {
		struct bytes name = http1_field_name(r, i), value = http1_field_value(r, i);
		if (name.len == 0) {
			r->problem = "a header field without a name";
			return ERR_BAD;
		}
		if (is_contradicted(r, i)) {
			r->problem = "two different values of Content-Type or Content-Encoding";
			return ERR_AMBIGUOUS;
		}
		hosts += bytes_equal_nocase(name, BYTES("host"));
		if (bytes_equal_nocase(name, BYTES("content-length"))) {
			lengths++;
		} else if (bytes_equal_nocase(name, BYTES("transfer-encoding"))) {
			codings++;
			if (!bytes_equal_nocase(value, BYTES("chunked"))) {
				r->problem = "a transfer coding other than chunked";
				return ERR_BAD;
			}
		} else if (bytes_equal_nocase(name, BYTES("expect"))) {
			r->expects_continue = bytes_equal_nocase(value, BYTES("100-continue"));
		}
	}
	if (hosts > 1)
		r->problem = "two Host fields";
	else if (lengths > 1 || codings > 1)
		r->problem = "the length of the body is given twice";
	else if (lengths && codings)
		r->problem = "both Content-Length and Transfer-Encoding";
	else
		return OK;
	return ERR_AMBIGUOUS;
}

/* Each line ends in CR LF, holds no other CR, and does not begin with white space. */
static enum err check_lines(struct http1_request *r, struct bytes head)
{
	while (head.len) {
		struct bytes line = bytes_cut(&head, '\n');
		if (line.len == 0 || bytes_find_byte(line, '\r') != line.len - 1) {
			r->problem = "a line of the header does not end in CR LF, or holds a CR";
			return ERR_BAD;
		}
		if (line.at[0] == ' ' || line.at[0] == '\t') {
			r->problem = "a header field is folded";
			return ERR_BAD;
		}
	}
	return OK;
}

#ifdef __SSE2__
#define STEP 16

/* One bit for each of 16 bytes that is `byte`. */
static inline uint32_t where(__m128i bytes, char byte)
{
	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte)));
}

/* The lines of these 16 bytes, `before` being the byte before them. */
static inline bool is_plain_step(const uint8_t *at, uint8_t before)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
	/* bit 0: the byte before */
	uint32_t cr = where(bytes, '\r') << 1 | (before == '\r');
	uint32_t lf = where(bytes, '\n') << 1 | (before == '\n');
	uint32_t white = where(bytes, ' ') | where(bytes, '\t');

	return !((cr ^ lf >> 1) & 0xFFFF) && !(lf & white);
}

/* True: check_lines finds nothing. */
static bool has_plain_lines(struct bytes head)
{
	uint8_t before = '\n';

	if (head.len < STEP)
		return false;
	for (size_t at = 0;; at += STEP) {
		if (at + STEP > head.len)
			at = head.len - STEP; /* the last ones, some of them again */
		if (at)
			before = head.at[at - 1];
		if (!is_plain_step(head.at + at, before))
			return false;
		if (at + STEP == head.len)
			return head.at[head.len - 1] == '\n';
	}
}

/* The next line and, if it has one, its colon; from 16 bytes at a time as long as there are so
 * many. */
static inline void find_line(struct bytes rest, size_t *ret_feed, size_t *ret_colon)
{
	size_t at = 0, colon = SIZE_MAX;

	for (; rest.len - at >= STEP; at += STEP) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(rest.at + at));
		uint32_t feeds = where(bytes, '\n'), colons = where(bytes, ':');
		if (feeds)
			colons &= (feeds & -feeds) - 1; /* those before it */
		if (colons && colon == SIZE_MAX)
			colon = at + (size_t)__builtin_ctz(colons);
		if (feeds) {
			*ret_feed = at + (size_t)__builtin_ctz(feeds);
			*ret_colon = colon;
			return;
		}
	}
	for (; at < rest.len && rest.at[at] != '\n'; at++)
		if (rest.at[at] == ':' && colon == SIZE_MAX)
			colon = at;
	*ret_feed = at < rest.len ? at : SIZE_MAX;
	*ret_colon = colon;
}
#else
static bool has_plain_lines(struct bytes head)
{
	return false;
}

static inline void find_line(struct bytes rest, size_t *ret_feed, size_t *ret_colon)
{
	*ret_feed = bytes_find_byte(rest, '\n');
	*ret_colon = bytes_find_byte(bytes_slice(rest, 0, *ret_feed), ':');
}
#endif

/* The same for the form of the head, which the parser does not report: folded lines (even before
 * the value begins), a bare LF or CR, request lines of other protocols and versions
 * (RFC 9112 2.2, 2.3, 3, 5.2, 6.1). Empty lines before the request line may stay (2.2). */
static enum err check_form(struct http1_request *r)
{
	struct bytes raw = buf_view(&r->raw), head = bytes_slice(raw, 0, r->head_bytes);
	struct bytes method = bytes_str(r->method);
	struct bytes version = bytes_from(raw, r->target.at + r->target.len);
	bool is_old = bytes_starts(version, BYTES(" HTTP/1.0\r"));

	if ((!is_old && !bytes_starts(version, BYTES(" HTTP/1.1\r"))) ||
	    r->target.at < method.len + 1 ||
	    !bytes_starts(bytes_from(raw, r->target.at - method.len - 1), method)) {
		r->problem = "the first line is not that of an HTTP/1.1 request";
		return ERR_BAD;
	}
	if (!has_plain_lines(head) && check_lines(r, head))
		return ERR_BAD;
	if (is_old && r->chunked) {
		r->problem = "a transfer coding in HTTP/1.0";
		return ERR_AMBIGUOUS;
	}
	if (is_old)
		r->expects_continue = false; /* a server ignores it (RFC 9110 10.1.1) */
	return OK;
}

static int on_head(llhttp_t *p)
{
	struct http1_request *r = request_of(p);
	enum err e = check_head(r);

	if (e)
		return stop(r, e, r->problem);
	r->method = llhttp_method_name((llhttp_method_t)p->method);
	r->chunked = (p->flags & F_CHUNKED) != 0;
	r->has_length = (p->flags & F_CONTENT_LENGTH) != 0;
	r->content_length = r->has_length ? p->content_length : 0;
	r->keep_alive = llhttp_should_keep_alive(p) != 0;
	r->upgrade = p->upgrade != 0;
	if (r->has_length && r->content_length > r->body_max)
		return stop(r, ERR_LIMIT, "the body is longer than can be held for inspection");
	/* Where the body starts is known when execution pauses; see http1_request_feed. */
	return HPE_PAUSED;
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
	struct http1_request *r = request_of(p);

	if (!r->chunked)
		return 0; /* it stands in raw */
	if (len > r->body_max - r->decoded.len)
		return stop(r, ERR_LIMIT, "the body is longer than can be held for inspection");
	if (buf_put(&r->decoded, bytes_of(at, len)))
		return stop(r, ERR_NOMEM, "no memory for the body");
	return 0;
}

static int on_complete(llhttp_t *p)
{
	request_of(p)->complete = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t request_settings = {
	.on_url = on_url,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = on_head,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

void http1_request_init(struct http1_request *r, size_t body_max)
{
	memset(r, 0, sizeof *r);
	r->body_max = body_max;
	http1_request_reset(r);
}

void http1_request_done(struct http1_request *r)
{
	buf_done(&r->raw);
	buf_done(&r->decoded);
}

void http1_request_reset(struct http1_request *r)
{
	/* Between requests a connection keeps little memory, whatever it has carried. */
	if (r->raw.cap > HTTP1_IDLE_BYTES_MAX)
		buf_done(&r->raw);
	if (r->decoded.cap > HTTP1_IDLE_BYTES_MAX)
		buf_done(&r->decoded);
	buf_reset(&r->raw);
	buf_reset(&r->decoded);
	memset(r->fields, 0,
	       r->field_count < HTTP1_FIELDS_MAX ? (r->field_count + 1) * sizeof r->fields[0]
						 : sizeof r->fields);
	r->head_bytes = 0;
	r->complete = r->chunked = r->has_length = r->expects_continue = false;
	r->keep_alive = r->upgrade = false;
	r->content_length = 0;
	r->target = (struct http1_span){0};
	r->field_count = 0;
	r->method = r->problem = NULL;
	r->fed = 0;
	r->stopped = OK;
	llhttp_init(engine(&r->parser), HTTP_REQUEST, &request_settings);
	engine(&r->parser)->data = r;
}

/* The errors of llhttp that mean two readings rather than none. */
static enum err classify(int code)
{
	switch (code) {
	case HPE_UNEXPECTED_CONTENT_LENGTH:
	case HPE_INVALID_CONTENT_LENGTH:
	case HPE_INVALID_TRANSFER_ENCODING:
		return ERR_AMBIGUOUS;
	default:
		return ERR_BAD;
	}
}

/* llhttp has understood raw up to `end` and found no fault: what we have to say to that. */
static enum err check_progress(struct http1_request *r, size_t end)
{
	struct bytes understood = bytes_slice(buf_view(&r->raw), 0, end);
	enum err e;

	if (!r->head_bytes && end > HTTP1_HEAD_BYTES_MAX) {
		r->problem = "the header is longer than is inspected";
		return ERR_LIMIT;
	}
	if (!r->head_bytes && r->method) {
		r->head_bytes = end;
		e = check_form(r);
		if (e)
			return e;
		size_t have = r->raw.len - end;
		if (r->has_length && r->content_length > have &&
		    buf_reserve(&r->raw, (size_t)r->content_length - have)) {
			r->problem = "no memory for the body";
			return ERR_NOMEM;
		}
	}
	if (r->complete && r->chunked && !bytes_ends(understood, BYTES("\r\n\r\n"))) {
		r->complete = false;
		r->problem = "the last line of a chunked body does not end in CR LF";
		return ERR_BAD;
	}
	return OK;
}

enum err http1_request_feed(struct http1_request *r, struct bytes in, size_t *ret_used)
{
	llhttp_t *p = engine(&r->parser);
	size_t start = r->raw.len;
	struct bytes piece;
	enum err e;

	*ret_used = 0;
	if (r->stopped)
		return r->stopped;
	if (r->complete)
		return ERR_STATE;
	if (in.len == 0)
		return ERR_MORE;
	/* A chunked body is longer on the wire than decoded; twice the limit bounds its framing. */
	if (in.len > 2 * r->body_max + HTTP1_HEAD_BYTES_MAX - start)
		in.len = 2 * r->body_max + HTTP1_HEAD_BYTES_MAX - start;
	if (in.len == 0) {
		r->problem = "the chunked framing is longer than can be held";
		return r->stopped = ERR_LIMIT;
	}
	e = buf_put(&r->raw, in);
	if (e) {
		r->problem = "no memory for the request";
		return r->stopped = e;
	}
	for (;;) {
		/* Taken anew each time because raw may have moved. Of a head no more than the limit
		 * is looked at, so that the answer is the same in every split. */
		piece = bytes_from(buf_view(&r->raw), start);
		if (!r->head_bytes)
			piece = bytes_slice(piece, 0, HTTP1_HEAD_BYTES_MAX + 1 - start);
		else if (piece.len == 0)
			piece.at = r->raw.at + start;
		r->fed = start;
		r->piece = piece.at;
		int code = llhttp_execute(p, (const char *)piece.at, piece.len);
		size_t ate = piece.len;
		if (code == HPE_PAUSED || code == HPE_PAUSED_UPGRADE) {
			ate = (size_t)((const uint8_t *)llhttp_get_error_pos(p) - piece.at);
			if (code == HPE_PAUSED)
				llhttp_resume(p);
			else
				llhttp_resume_after_upgrade(p);
		} else if (code != HPE_OK) {
			*ret_used = in.len;
			if (!r->stopped) {
				r->problem = code == HPE_PAUSED_H2_UPGRADE
						     ? "HTTP/2 was spoken where HTTP/1.1 was agreed"
						     : llhttp_get_error_reason(p);
				r->stopped = classify(code);
			}
			return r->stopped;
		}
		start += ate;
		bool head_ended = r->method && !r->head_bytes;
		r->stopped = check_progress(r, start);
		if (r->stopped) {
			*ret_used = in.len;
			return r->stopped;
		}
		if (r->complete) {
			*ret_used = in.len - (r->raw.len - start);
			r->raw.len = start;
			return OK;
		}
		/* After the head once more even with nothing left: without a body it ends here. */
		if (start == r->raw.len && !head_ended)
			break;
	}
	*ret_used = in.len;
	return ERR_MORE;
}

static struct bytes span_view(const struct http1_request *r, struct http1_span span)
{
	return bytes_slice(buf_view(&r->raw), span.at, span.len);
}

struct bytes http1_request_target(const struct http1_request *r)
{
	return span_view(r, r->target);
}

struct bytes http1_request_body(const struct http1_request *r)
{
	if (r->chunked)
		return buf_view(&r->decoded);
	return r->head_bytes ? bytes_from(buf_view(&r->raw), r->head_bytes) : BYTES_NONE;
}

struct bytes http1_field_name(const struct http1_request *r, size_t i)
{
	return i < r->field_count ? span_view(r, r->fields[i].name) : BYTES_NONE;
}

struct bytes http1_field_value(const struct http1_request *r, size_t i)
{
	return i < r->field_count ? bytes_trim(span_view(r, r->fields[i].value)) : BYTES_NONE;
}

bool http1_request_find(const struct http1_request *r, struct bytes name, struct bytes *ret_value)
{
	for (size_t i = 0; i < r->field_count; i++) {
		if (bytes_equal_nocase(http1_field_name(r, i), name)) {
			*ret_value = http1_field_value(r, i);
			return true;
		}
	}
	return false;
}

/* ---- responses ---- */

static struct http1_response *response_of(llhttp_t *p)
{
	return p->data;
}

static int halt(struct http1_response *r, enum err why)
{
	if (why)
		r->stopped = why;
	return why ? HPE_USER : 0;
}

static int on_response_begin(llhttp_t *p)
{
	struct http1_response *r = response_of(p);

	buf_reset(&r->head);
	r->in_message = true;
	r->until_close = false;
	return 0;
}

static int on_head_text(llhttp_t *p, const char *at, size_t len)
{
	struct http1_response *r = response_of(p);

	return halt(r, buf_put(&r->head, bytes_of(at, len)));
}

static int put_two(struct http1_response *r, const char *two)
{
	enum err e = buf_reserve(&r->head, 2);

	if (e)
		return halt(r, e);
	memcpy(r->head.at + r->head.len, two, 2);
	r->head.len += 2;
	return 0;
}

static int on_response_name_complete(llhttp_t *p)
{
	return put_two(response_of(p), ": ");
}

static int on_response_value_complete(llhttp_t *p)
{
	return put_two(response_of(p), "\r\n");
}

static int on_response_head(llhttp_t *p)
{
	struct http1_response *r = response_of(p);
	enum err e;

	r->status = p->status_code;
	e = r->listener.on_head(r->listener.context, r);
	if (e)
		return halt(r, e) ? -1 : 0;
	if (p->status_code == 101) {
		r->upgraded = true;
		return 2;
	}
	/* Whatever their fields say (RFC 9112 6.3). */
	if (p->status_code < 200 || p->status_code == 204 || p->status_code == 304 ||
	    r->listener.is_bodiless(r->listener.context))
		return 1;
	r->until_close = llhttp_message_needs_eof(p) != 0;
	return 0;
}

static int on_response_body(llhttp_t *p, const char *at, size_t len)
{
	struct http1_response *r = response_of(p);

	return halt(r, r->listener.on_body(r->listener.context, bytes_of(at, len)));
}

static int on_response_end(llhttp_t *p)
{
	struct http1_response *r = response_of(p);

	r->in_message = false;
	return halt(r, r->listener.on_end(r->listener.context, r)) ? -1 : 0;
}

static const llhttp_settings_t response_settings = {
	.on_message_begin = on_response_begin,
	.on_header_field = on_head_text,
	.on_header_value = on_head_text,
	.on_header_field_complete = on_response_name_complete,
	.on_header_value_complete = on_response_value_complete,
	.on_headers_complete = on_response_head,
	.on_body = on_response_body,
	.on_message_complete = on_response_end,
};

void http1_response_init(struct http1_response *r, const struct http1_listener *listener)
{
	memset(r, 0, sizeof *r);
	r->head.max = HTTP1_HEAD_BYTES_MAX;
	r->listener = *listener;
	llhttp_init(engine(&r->parser), HTTP_RESPONSE, &response_settings);
	engine(&r->parser)->data = r;
}

void http1_response_done(struct http1_response *r)
{
	buf_done(&r->head);
}

enum err http1_response_feed(struct http1_response *r, struct bytes in)
{
	int code;

	r->unread_bytes = in.len;
	if (r->broken)
		return r->stopped;
	if (r->upgraded || in.len == 0)
		return OK;
	code = llhttp_execute(engine(&r->parser), (const char *)in.at, in.len);
	if (code == HPE_OK) {
		r->unread_bytes = 0;
		return OK;
	}
	r->unread_bytes -= (size_t)((const uint8_t *)llhttp_get_error_pos(engine(&r->parser)) -
				    in.at);
	if (code == HPE_PAUSED_UPGRADE)
		return OK;
	r->broken = true;
	if (!r->stopped)
		r->stopped = ERR_BAD;
	return r->stopped;
}

enum err http1_response_eof(struct http1_response *r)
{
	if (r->broken)
		return r->stopped;
	if (!r->in_message || r->upgraded)
		return OK;
	if (llhttp_finish(engine(&r->parser)) == HPE_OK && !r->in_message)
		return OK;
	return r->stopped ? r->stopped : ERR_MORE;
}

bool http1_head_next(struct bytes *rest, struct bytes *ret_name, struct bytes *ret_value)
{
	while (rest->len) {
		size_t feed, colon;
		find_line(*rest, &feed, &colon);
		struct bytes line = bytes_slice(*rest, 0, feed);
		*rest = bytes_from(*rest, feed == SIZE_MAX ? feed : feed + 1);
		if (colon == SIZE_MAX)
			continue;
		if (line.at[line.len - 1] == '\r')
			line.len--;
		*ret_name = bytes_slice(line, 0, colon);
		*ret_value = bytes_trim(bytes_from(line, colon + 1));
		return true;
	}
	return false;
}

bool http1_head_find(struct bytes head, struct bytes name, struct bytes *ret_value)
{
	struct bytes found, value;

	while (http1_head_next(&head, &found, &value)) {
		if (bytes_equal_nocase(found, name)) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}
