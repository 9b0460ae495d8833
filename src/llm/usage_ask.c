/* SPDX-License-Identifier: MIT */
#include "llm/usage_ask.h"

#include "llm/body_edit.h"
#include "wire/json.h"

#define NO_PLACE SIZE_MAX

/* Those that are known to take it; a question to others may be refused as an unknown field
 * (Mistral: 422; older API versions of Azure). */
static const char accepting[][8] = {"openai", "groq"};

bool usage_ask_is_accepted(const struct provider *provider)
{
	for (size_t i = 0; i < sizeof accepting / sizeof accepting[0]; i++)
		if (bytes_equal(bytes_str(provider->name), bytes_str(accepting[i])))
			return provider->dialect == DIALECT_openai;
	return false;
}

/* ---- where in the body ---- */

struct splice {
	size_t at; /* in the body; NO_PLACE: not found yet */
	const char *text;
};

/* An object of options: the place behind its bracket, unless it says the one we want already. */
static enum err place_in_options(struct json *scan, const struct json_token *options,
				 struct splice *s)
{
	struct json inner = *scan;
	struct json_token key;
	bool empty = true;
	size_t end;

	if (options->kind != JSON_OBJECT || s->at != NO_PLACE)
		return ERR_UNSUPPORTED;
	for (;; empty = false) {
		if (json_next(&inner, &key))
			return ERR_UNSUPPORTED;
		if (key.kind == JSON_OBJECT_END)
			break;
		if (json_token_is(&key, BYTES("include_usage")) || json_skip(&inner, &key, &end))
			return ERR_UNSUPPORTED;
	}
	s->at = options->end;
	s->text = empty ? "\"include_usage\":true" : "\"include_usage\":true,";
	return OK;
}

static enum err find_place(struct bytes body, struct splice *ret_splice)
{
	struct splice s = {.at = NO_PLACE};
	struct json scan;
	struct json_token outer, key, value;
	unsigned streams = 0;
	size_t end;

	json_init(&scan, body, JSON_STRICT);
	if (json_next(&scan, &outer) || outer.kind != JSON_OBJECT)
		return ERR_UNSUPPORTED;
	while (!json_next(&scan, &key) && key.kind == JSON_KEY) {
		if (json_next(&scan, &value))
			return ERR_UNSUPPORTED;
		if (json_token_is(&key, BYTES("stream"))) {
			if (value.kind != JSON_TRUE || streams++)
				return ERR_UNSUPPORTED;
		} else if (json_token_is(&key, BYTES("stream_options")) &&
			   place_in_options(&scan, &value, &s)) {
			return ERR_UNSUPPORTED;
		}
		if (json_skip(&scan, &value, &end))
			return ERR_UNSUPPORTED;
	}
	if (json_next(&scan, &key) != ERR_END || streams != 1)
		return ERR_UNSUPPORTED;
	if (s.at == NO_PLACE)
		s = (struct splice){outer.end, "\"stream_options\":{\"include_usage\":true},"};
	*ret_splice = s;
	return OK;
}

enum err usage_ask_splice(const struct http1_request *q, struct bytes body, struct buf *out)
{
	struct buf asked = {0};
	struct splice s;
	enum err e;

	if (!body_edit_is_possible(q, false) || find_place(body, &s))
		return ERR_UNSUPPORTED;
	e = buf_put(&asked, bytes_slice(body, 0, s.at));
	if (!e)
		e = buf_put_str(&asked, s.text);
	if (!e)
		e = buf_put(&asked, bytes_from(body, s.at));
	if (!e)
		e = body_edit_put(q, buf_view(&asked), true, out);
	buf_done(&asked);
	return e;
}

/* ---- the answer: is it the event? ---- */

/* The data of a single event, its lines joined. */
static enum err event_data(struct bytes event, struct buf *ret_data)
{
	enum err e = OK;

	while (event.len && !e) {
		size_t len = 0;
		while (len < event.len && event.at[len] != '\n' && event.at[len] != '\r')
			len++;
		struct bytes line = bytes_slice(event, 0, len);
		event = bytes_from(event, len + 1);
		if (bytes_starts(line, BYTES("data:")))
			e = buf_put(ret_data, bytes_from(line, 5));
	}
	return e;
}

static bool is_usage_only(struct bytes json)
{
	struct json_token value;
	struct bytes raw;

	if (json_find(json, "/choices", &value, &raw) || value.kind != JSON_ARRAY)
		return false;
	for (size_t i = 1; i + 1 < raw.len; i++)
		if (!bytes_starts(BYTES(" "), bytes_of(raw.at + i, 1)) && raw.at[i] != '\n' &&
		    raw.at[i] != '\r' && raw.at[i] != '\t')
			return false;
	return json_find(json, "/usage", &value, NULL) == OK && value.kind == JSON_OBJECT &&
	       json_check(json, NULL, NULL) == OK;
}

/* ERR_NOMEM only. */
static enum err is_ours(struct bytes event, bool *ret_is)
{
	struct buf data = {0};
	enum err e = event_data(event, &data);

	*ret_is = !e && is_usage_only(buf_view(&data));
	buf_done(&data);
	return e;
}

/* ---- the answer: events ---- */

static enum err put_comment(struct bytes event, struct buf *out)
{
	bool line_start = true;
	enum err e = OK;

	for (size_t i = 0; i < event.len && !e; i++) {
		bool is_end = event.at[i] == '\n' || event.at[i] == '\r';
		e = buf_put_u8(out, is_end ? event.at[i] : line_start ? ':' : ' ');
		line_start = is_end;
	}
	return e;
}

/* The event under way is whole. */
static enum err settle_event(struct usage_drop *d)
{
	struct bytes event = buf_view(&d->event);
	bool ours = false;
	enum err e = d->passing || d->dropped ? OK : is_ours(event, &ours);

	if (!e && !ours)
		e = buf_put(&d->ready, event);
	else if (!e && d->mode == DROP_LENGTH)
		e = put_comment(event, &d->ready);
	d->dropped |= ours;
	d->last_dropped = ours && d->mode != DROP_LENGTH;
	d->passing = false;
	buf_reset(&d->event);
	return e;
}

/* The event under way grows too long to be ours: what there is of it passes. */
static enum err let_event_pass(struct usage_drop *d)
{
	enum err e = buf_put(&d->ready, buf_view(&d->event));

	d->passing = true;
	buf_reset(&d->event);
	return e;
}

/* One byte of the body. An event ends with an empty line; \r\n is one line end. */
static enum err take_byte(struct usage_drop *d, uint8_t byte)
{
	bool second = byte == '\n' && d->after_cr, is_end = byte == '\n' || byte == '\r';
	bool whole = is_end && !second && d->line_empty;
	bool of_last = second && d->after_event_cr;
	enum err e;

	d->after_cr = byte == '\r';
	d->after_event_cr = whole && byte == '\r';
	if (of_last)
		return d->last_dropped ? OK : buf_put_u8(&d->ready, byte);
	if (!second)
		d->line_empty = is_end;
	e = buf_put_u8(&d->event, byte);
	if (e)
		return e;
	if (whole)
		return settle_event(d);
	return d->passing || d->event.len >= USAGE_HELD_BYTES_MAX ? let_event_pass(d) : OK;
}

/* ---- the answer: framing ---- */

/* What is ready, as one chunk where there are chunks. */
static enum err put_ready(struct usage_drop *d, struct buf *out)
{
	enum err e = OK;

	if (d->ready.len == 0)
		return OK;
	if (d->mode == DROP_CHUNKED)
		e = body_edit_put_size(out, d->ready.len);
	if (!e)
		e = buf_put(out, buf_view(&d->ready));
	if (!e && d->mode == DROP_CHUNKED)
		e = buf_put_str(out, "\r\n");
	buf_reset(&d->ready);
	return e;
}

static enum err on_head(void *context, const struct http1_response *r)
{
	struct usage_drop *d = context;
	struct bytes lines = buf_view(&r->head), value;
	bool is_stream = http1_head_find(lines, BYTES("content-type"), &value) &&
			 bytes_equal_nocase(bytes_trim(bytes_cut(&value, ';')),
					    BYTES("text/event-stream"));

	if (r->status >= 100 && r->status < 200 && r->status != 101)
		return OK;
	d->head_done = true;
	if (http1_head_find(lines, BYTES("content-encoding"), &value) &&
	    !bytes_equal_nocase(value, BYTES("identity")))
		is_stream = false;
	if (http1_head_find(lines, BYTES("trailer"), &value) || r->status != 200)
		is_stream = false;
	if (!is_stream)
		d->mode = DROP_OFF;
	else if (http1_head_find(lines, BYTES("transfer-encoding"), &value))
		d->mode = bytes_equal_nocase(value, BYTES("chunked")) ? DROP_CHUNKED : DROP_OFF;
	else if (http1_head_find(lines, BYTES("content-length"), &value))
		d->mode = DROP_LENGTH;
	else
		d->mode = DROP_CLOSE;
	return d->mode == DROP_OFF ? ERR_END : OK;
}

static enum err on_body(void *context, struct bytes piece)
{
	struct usage_drop *d = context;

	for (size_t i = 0; i < piece.len && !d->failed; i++)
		d->failed = take_byte(d, piece.at[i]);
	return d->failed;
}

static enum err on_end(void *context, const struct http1_response *r)
{
	struct usage_drop *d = context;

	if (!d->head_done)
		return OK; /* of an interim response */
	d->ended = true;
	return ERR_END; /* what follows is the next answer's */
}

static bool is_bodiless(void *context)
{
	return false;
}

void usage_drop_begin(struct usage_drop *d)
{
	const struct http1_listener listener = {on_head, on_body, on_end, is_bodiless, d};

	usage_drop_done(d);
	http1_response_init(&d->response, &listener);
	d->mode = DROP_HEAD;
	d->line_empty = true;
}

void usage_drop_done(struct usage_drop *d)
{
	http1_response_done(&d->response);
	buf_done(&d->event);
	buf_done(&d->ready);
	*d = (struct usage_drop){0};
}

/* The head passes line by line, so that its end is known to the byte. */
static enum err feed_head(struct usage_drop *d, struct bytes *in, struct buf *out)
{
	while (in->len && !d->head_done && d->mode == DROP_HEAD) {
		size_t end = bytes_find_byte(*in, '\n');
		struct bytes line = bytes_slice(*in, 0, end == SIZE_MAX ? in->len : end + 1);
		enum err e = http1_response_feed(&d->response, line);
		if (e || d->response.upgraded)
			d->mode = DROP_OFF; /* also one that we have nothing to take out of */
		e = e == ERR_NOMEM ? e : buf_put(out, line);
		if (e)
			return e;
		*in = bytes_from(*in, line.len);
	}
	return OK;
}

/* Everything that is held, and the end of the body if it has come. */
static enum err let_go(struct usage_drop *d, struct buf *out)
{
	enum err e = buf_put(&d->ready, buf_view(&d->event));

	buf_reset(&d->event);
	if (!e)
		e = put_ready(d, out);
	if (!e && d->ended && d->mode == DROP_CHUNKED)
		e = buf_put_str(out, "0\r\n\r\n");
	d->mode = DROP_OFF;
	return e;
}

enum err usage_drop_feed(struct usage_drop *d, struct bytes in, struct buf *out)
{
	enum err e = feed_head(d, &in, out), followed;

	if (e)
		return e;
	if (d->mode == DROP_OFF)
		return buf_put(out, in);
	if (in.len == 0 || d->mode == DROP_HEAD)
		return OK;
	followed = http1_response_feed(&d->response, in);
	if (d->failed)
		return d->failed;
	if (!followed)
		return put_ready(d, out);
	/* The end, or what is no HTTP any more: the rest is passed as it is. Behind a chunk of ours
	 * it might look like another one, which it was not. */
	bool broken = d->mode == DROP_CHUNKED && !d->ended;
	e = let_go(d, out);
	if (!e && broken)
		e = buf_put_str(out, "\r\n");
	return e ? e : buf_put(out, bytes_from(in, in.len - d->response.unread_bytes));
}

enum err usage_drop_end(struct usage_drop *d, struct buf *out)
{
	return d->mode == DROP_OFF ? OK : let_go(d, out);
}
