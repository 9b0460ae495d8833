/* SPDX-License-Identifier: MIT */
#include "llm/request.h"

#include <string.h>

#include "wire/json.h"

#define ESCAPE_BYTES  6 /* one byte of text written as \u00xx */
#define MODEL_KEY     "model"
#define MODEL_KEY_LEN (sizeof MODEL_KEY - 1)
#define MODEL_RAW_MAX (MODEL_BYTES_MAX * ESCAPE_BYTES)
#define KEY_RAW_MAX   (MODEL_KEY_LEN * ESCAPE_BYTES)

struct reader {
	const struct request_view *request;
	struct json json;
	struct call call;
	bool known; /* a route fits: the body is held to the rules of its operation */
	bool has_model, has_stream;
	enum json_kind model_kind, stream_kind;
	struct fault fault;
};

static enum err refuse(struct reader *r, enum err e, const char *code, const char *reason,
		       size_t at)
{
	r->fault = (struct fault){code, reason, at};
	return e;
}

static enum err malformed(struct reader *r, enum err e, const char *reason, size_t at)
{
	return refuse(r, e, "malformed_request", reason, at);
}

static enum err ambiguous(struct reader *r, const char *reason, size_t at)
{
	return refuse(r, ERR_AMBIGUOUS, "ambiguous_request", reason, at);
}

/* -- the path ------------------------------------------------------------------------------ */

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The last byte of a path, percent-encoding resolved, and its length in *ret_len; -1 at the start.
 * Reading from the end is as good as from the start: no two encoded bytes can overlap. */
static int last_byte(struct bytes path, size_t *ret_len)
{
	const uint8_t *end;
	int high, low;

	if (path.len == 0)
		return -1;
	end = path.at + path.len;
	*ret_len = 1;
	if (path.len < 3 || end[-3] != '%')
		return end[-1];
	high = hex_value(end[-2]);
	low = hex_value(end[-1]);
	if (high < 0 || low < 0)
		return end[-1];
	*ret_len = 3;
	return high << 4 | low;
}

/* Takes bytes off the end while they are (or are not) slashes. False when there was none. */
static bool drop_last(struct bytes *path, bool slashes)
{
	size_t before = path->len, len = 0;
	int c;

	while ((c = last_byte(*path, &len)) >= 0 && (c == '/') == slashes)
		path->len -= len;
	return path->len < before;
}

static bool path_ends(struct bytes path, const char *route)
{
	size_t at = strlen(route), len = 0;

	drop_last(&path, true);
	while (at > 0) {
		char want = route[--at];
		if (want == '/' || want == '*') {
			if (!drop_last(&path, want == '/'))
				return false;
			continue;
		}
		if (last_byte(path, &len) != want)
			return false;
		path.len -= len;
	}
	return true;
}

static const struct route *find_route(const struct request_view *v, const struct route *routes,
				      size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes_equal(v->method, bytes_str(routes[i].method)) &&
		    path_ends(v->path, routes[i].path))
			return &routes[i];
	return NULL;
}

/* -- the body ------------------------------------------------------------------------------ */

/* True for a name that some server could take for "model", although it is spelled otherwise. */
static bool is_model_by_case(const struct json_token *key)
{
	uint8_t meaning[KEY_RAW_MAX];
	struct buf fixed = {.at = meaning, .cap = sizeof meaning, .max = sizeof meaning};

	if (!key->escaped)
		return bytes_equal_nocase(key->raw, BYTES(MODEL_KEY));
	return key->raw.len <= KEY_RAW_MAX && !json_put_unescaped(&fixed, key) &&
	       bytes_equal_nocase(buf_view(&fixed), BYTES(MODEL_KEY));
}

static enum err read_model(struct reader *r, const struct json_token *key,
			   const struct json_token *value)
{
	uint8_t meaning[MODEL_RAW_MAX];
	struct buf fixed = {.at = meaning, .cap = sizeof meaning, .max = sizeof meaning};
	struct bytes model;
	bool again = r->has_model;

	if (again && (value->kind != JSON_STRING || r->model_kind != JSON_STRING))
		return ambiguous(r, "The request has two \"model\" keys; send exactly one.",
				 key->start);
	r->has_model = true;
	r->model_kind = value->kind;
	if (value->kind != JSON_STRING)
		return r->known ? malformed(r, ERR_BAD, "\"model\" must be a string.", value->start)
				: OK;
	/* A fixed buffer never allocates: the only error is that the text does not fit. */
	if (value->raw.len > MODEL_RAW_MAX || json_put_unescaped(&fixed, value) ||
	    fixed.len > MODEL_BYTES_MAX)
		return malformed(r, ERR_LIMIT, "\"model\" is longer than 256 bytes.", value->start);
	model = buf_view(&fixed);
	if (again && !bytes_equal(model, bytes_of(r->call.model, r->call.model_len)))
		return ambiguous(r,
				 "The request has two \"model\" keys with different values; send "
				 "exactly one.",
				 key->start);
	if (bytes_find_byte(model, 0) != SIZE_MAX)
		return malformed(r, ERR_BAD, "\"model\" must not contain a NUL character.",
				 value->start);
	if (model.len == 0 && r->known)
		return malformed(r, ERR_BAD, "\"model\" is empty; name the model.", value->start);
	memcpy(r->call.model, model.at, model.len);
	r->call.model_len = model.len;
	return OK;
}

static enum err read_stream(struct reader *r, const struct json_token *key,
			    const struct json_token *value)
{
	if (r->has_stream && value->kind != r->stream_kind)
		return ambiguous(r,
				 "The request has two \"stream\" keys with different values; send "
				 "exactly one.",
				 key->start);
	r->has_stream = true;
	r->stream_kind = value->kind;
	if (r->known && value->kind != JSON_TRUE && value->kind != JSON_FALSE &&
	    value->kind != JSON_NULL)
		return malformed(r, ERR_BAD, "\"stream\" must be true or false.", value->start);
	r->call.stream = value->kind == JSON_TRUE;
	return OK;
}

static enum err not_json(struct reader *r, enum err e)
{
	if (e == ERR_LIMIT)
		return malformed(r, e, "The request body is nested too deeply.", r->json.at);
	return malformed(r, ERR_BAD,
			 "The request body is not valid JSON (RFC 8259); its model cannot be read.",
			 r->json.at);
}

/* One member of the top-level object; `key` was read already. */
static enum err read_member(struct reader *r, const struct json_token *key)
{
	struct json_token value;
	enum err e = json_next(&r->json, &value), seen = OK;
	size_t end;

	if (e)
		return not_json(r, e);
	if (json_token_is(key, BYTES(MODEL_KEY)))
		seen = read_model(r, key, &value);
	else if (json_token_is(key, BYTES("stream")))
		seen = read_stream(r, key, &value);
	else if (is_model_by_case(key))
		seen = ambiguous(r,
				 "The request has a key that differs from \"model\" in case only; "
				 "send exactly one \"model\" in lower case.",
				 key->start);
	if (seen)
		return seen;
	e = json_skip(&r->json, &value, &end);
	return e ? not_json(r, e) : OK;
}

static enum err read_object(struct reader *r)
{
	struct json_token t;
	enum err e;

	json_init(&r->json, r->request->body, JSON_STRICT);
	e = json_next(&r->json, &t);
	if (e)
		return not_json(r, e);
	if (t.kind != JSON_OBJECT)
		return malformed(r, ERR_BAD, "The request body must be a JSON object.", t.start);
	for (;;) {
		e = json_next(&r->json, &t);
		if (e)
			return not_json(r, e);
		if (t.kind == JSON_OBJECT_END)
			break;
		e = read_member(r, &t);
		if (e)
			return e;
	}
	e = json_next(&r->json, &t);
	return e == ERR_END ? OK : not_json(r, e);
}

/* The first byte that is not white space is a brace: worth reading as an object. */
static bool looks_like_object(struct bytes body)
{
	size_t at = 0;

	while (at < body.len &&
	       (body.at[at] == ' ' || (body.at[at] >= '\t' && body.at[at] <= '\r')))
		at++;
	return at < body.len && body.at[at] == '{';
}

/* application/json, with any parameters. */
static bool is_json_type(struct bytes content_type)
{
	return bytes_equal_nocase(bytes_trim(bytes_cut(&content_type, ';')),
				  BYTES("application/json"));
}

/* A body of an endpoint that no route knows. It is read for its model only. */
static enum err read_unknown(struct reader *r)
{
	enum err e;

	if (!looks_like_object(r->request->body))
		return OK;
	e = read_object(r);
	if (e != ERR_BAD || is_json_type(r->request->content_type))
		return e;
	/* Not JSON after all: what it began to say does not count. */
	r->call = (struct call){.operation = OP_UNKNOWN};
	return OK;
}

static enum err read_body(struct reader *r)
{
	bool needs_model = operation_needs_model(r->call.operation);
	enum err e;

	if (r->request->body.len == 0 && !needs_model)
		return OK;
	if (!r->known)
		return read_unknown(r);
	e = read_object(r);
	if (!e && needs_model && r->call.model_len == 0)
		return malformed(r, ERR_BAD, "The request names no model; send \"model\".",
				 SIZE_MAX);
	return e;
}

static bool is_identity(struct bytes content_encoding)
{
	content_encoding = bytes_trim(content_encoding);
	return content_encoding.len == 0 || bytes_equal_nocase(content_encoding, BYTES("identity"));
}

/* A stored response can be read as a stream: GET /responses/{id}?stream=true. */
static bool query_asks_stream(struct bytes query)
{
	while (query.len)
		if (bytes_equal(bytes_cut(&query, '&'), BYTES("stream=true")))
			return true;
	return false;
}

static enum err read_request(struct reader *r)
{
	enum err e;

	if (r->request->body.len && !is_identity(r->request->content_encoding))
		return refuse(
			r, ERR_UNSUPPORTED, "unsupported_content_encoding",
			"The request body is compressed, so its model cannot be read; send it "
			"without Content-Encoding.",
			SIZE_MAX);
	e = read_body(r);
	if (!e && r->call.operation == OP_READ_RESPONSE && !r->has_stream)
		r->call.stream = query_asks_stream(r->request->query);
	return e;
}

enum err request_read(const struct request_view *request, const struct route *routes,
		      size_t route_count, struct call *ret_call, struct fault *ret_fault)
{
	const struct route *route = find_route(request, routes, route_count);
	struct reader r = {.request = request, .known = route != NULL};
	enum err e;

	r.call.operation = route ? route->operation : OP_UNKNOWN;
	e = read_request(&r);
	if (e)
		*ret_fault = r.fault;
	else
		*ret_call = r.call;
	return e;
}
