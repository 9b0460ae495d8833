/* SPDX-License-Identifier: MIT */
#include "llm/request.h"

#include <string.h>

#include "wire/json.h"
#include "wire/multipart.h"

#define ESCAPE_BYTES  6 /* one byte of text written as \u00xx */
#define KEY_LEN_MAX   32
#define MODEL_RAW_MAX (MODEL_BYTES_MAX * ESCAPE_BYTES)
#define KEY_RAW_MAX   (KEY_LEN_MAX * ESCAPE_BYTES)

struct reader {
	const struct request_view *request;
	struct json json;
	struct call call;
	const struct endpoint *endpoint; /* NULL: unknown */
	bool known;                      /* there is one */
	bool strict;       /* a model must be right where it stands, and not only be the same */
	bool wants_model;  /* the body is where the model stands */
	struct bytes keys; /* "model|agent" */
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

/* -- the body ------------------------------------------------------------------------------ */

/* The same name in any case as one of those that mean the model; *ret_exact: spelled right. */
static bool is_model_name(const struct reader *r, struct bytes name, bool *ret_exact)
{
	struct bytes rest = r->keys;

	while (rest.len) {
		struct bytes key = bytes_cut(&rest, '|');
		if (!bytes_equal_nocase(name, key))
			continue;
		*ret_exact = bytes_equal(name, key);
		return true;
	}
	return false;
}

static bool is_model_key(const struct reader *r, const struct json_token *key, bool *ret_exact)
{
	uint8_t meaning[KEY_RAW_MAX];
	struct buf fixed = {.at = meaning, .cap = sizeof meaning, .max = sizeof meaning};

	if (!r->wants_model)
		return false;
	if (!key->escaped)
		return is_model_name(r, key->raw, ret_exact);
	return key->raw.len <= KEY_RAW_MAX && !json_put_unescaped(&fixed, key) &&
	       is_model_name(r, buf_view(&fixed), ret_exact);
}

/* A model that was read, wherever: it counts, or it is not the only one. */
static enum err set_model(struct reader *r, struct bytes model, size_t key_at, size_t at)
{
	if (r->has_model && !bytes_equal(model, bytes_of(r->call.model, r->call.model_len)))
		return ambiguous(r,
				 "The request has two \"model\" keys with different values; send "
				 "exactly one.",
				 key_at);
	r->has_model = true;
	if (model.len > MODEL_BYTES_MAX)
		return malformed(r, ERR_LIMIT, "\"model\" is longer than 256 bytes.", at);
	if (bytes_find_byte(model, 0) != SIZE_MAX)
		return malformed(r, ERR_BAD, "\"model\" must not contain a NUL character.", at);
	if (model.len == 0 && r->strict)
		return malformed(r, ERR_BAD, "\"model\" is empty; name the model.", at);
	if (!bytes_is_utf8(model))
		return malformed(r, ERR_BAD, "\"model\" is not UTF-8.", at);
	memcpy(r->call.model, model.at, model.len);
	r->call.model_len = model.len;
	return OK;
}

static enum err read_model(struct reader *r, const struct json_token *key,
			   const struct json_token *value)
{
	uint8_t meaning[MODEL_RAW_MAX];
	struct buf fixed = {.at = meaning, .cap = sizeof meaning, .max = sizeof meaning};

	if (r->has_model && (value->kind != JSON_STRING || r->model_kind != JSON_STRING))
		return ambiguous(r, "The request has two \"model\" keys; send exactly one.",
				 key->start);
	r->model_kind = value->kind;
	if (value->kind != JSON_STRING) {
		bool is_default = value->kind == JSON_NULL && r->known && !r->endpoint->needs_model;
		r->has_model = true;
		return r->strict && !is_default
			       ? malformed(r, ERR_BAD, "\"model\" must be a string.", value->start)
			       : OK;
	}
	/* A fixed buffer never allocates: the only error is that the text does not fit. */
	if (value->raw.len > MODEL_RAW_MAX || json_put_unescaped(&fixed, value) ||
	    fixed.len > MODEL_BYTES_MAX)
		return malformed(r, ERR_LIMIT, "\"model\" is longer than 256 bytes.", value->start);
	return set_model(r, buf_view(&fixed), key->start, value->start);
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
	bool exact = true;
	size_t end;

	if (e)
		return not_json(r, e);
	if (is_model_key(r, key, &exact) && exact)
		seen = read_model(r, key, &value);
	else if (json_token_is(key, BYTES("stream")))
		seen = read_stream(r, key, &value);
	else if (!exact)
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

/* A body that need not be JSON. It is read for its model only. */
static enum err read_unknown(struct reader *r)
{
	enum err e;

	if (!looks_like_object(r->request->body))
		return OK;
	e = read_object(r);
	if (e != ERR_BAD || is_json_type(r->request->content_type))
		return e;
	/* Not JSON after all: what it began to say does not count. */
	r->call = (struct call){.operation = r->call.operation};
	return OK;
}

/* -- a form -------------------------------------------------------------------------------- */

static enum err bad_form(struct reader *r, enum err e, const struct multipart *m)
{
	if (e == ERR_LIMIT)
		return malformed(r, e,
				 "The form has too many parts, or a part's header is too long.",
				 m->at);
	return malformed(r, ERR_BAD,
			 "The request body is not a strict multipart form (RFC 7578); its model "
			 "cannot be read.",
			 m->at);
}

static enum err read_part(struct reader *r, const struct multipart_part *part)
{
	bool exact = true;

	/* Some servers take "model[]" for a list of models. */
	if (is_model_name(r, part->name, &exact) ||
	    bytes_equal_nocase(part->name, BYTES("model[]"))) {
		if (!exact || bytes_ends(part->name, BYTES("[]")) || part->is_file ||
		    part->is_encoded)
			return ambiguous(
				r,
				"The form has a field that some servers take for \"model\"; "
				"send exactly one plain \"model\" field.",
				part->start);
		return set_model(r, part->content, part->start, part->start);
	}
	if (bytes_equal(part->name, BYTES("stream")))
		r->call.stream = bytes_equal_nocase(part->content, BYTES("true")) ||
				 bytes_equal(part->content, BYTES("1"));
	return OK;
}

static enum err read_form(struct reader *r, struct bytes boundary)
{
	struct multipart m;
	struct multipart_part part;
	enum err e;

	multipart_init(&m, r->request->body, boundary);
	while (!(e = multipart_next(&m, &part))) {
		e = read_part(r, &part);
		if (e)
			return e;
	}
	return e == ERR_END ? OK : bad_form(r, e, &m);
}

/* -- the query ----------------------------------------------------------------------------- */

static bool query_is(struct bytes query, struct bytes pair)
{
	while (query.len)
		if (bytes_equal(bytes_cut(&query, '&'), pair))
			return true;
	return false;
}

static enum err read_query(struct reader *r)
{
	struct bytes query = r->request->query;

	while (query.len) {
		struct bytes value = bytes_cut(&query, '&'), name = bytes_cut(&value, '=');
		bool exact = true;
		enum err e;
		if (!is_model_name(r, name, &exact))
			continue;
		if (!exact || bytes_find_byte(value, '%') != SIZE_MAX ||
		    bytes_find_byte(value, '+') != SIZE_MAX)
			return ambiguous(
				r,
				"The query names the model in a way that can be read in two; "
				"send exactly one plain \"model\".",
				SIZE_MAX);
		e = set_model(r, value, SIZE_MAX, SIZE_MAX);
		if (e)
			return e;
	}
	return OK;
}

/* -- all of it ----------------------------------------------------------------------------- */

/* A body that the endpoint does not want as JSON, or that is a form. *ret_read: it was read. */
static enum err read_other_body(struct reader *r, bool *ret_read)
{
	struct bytes boundary;
	enum err e;

	*ret_read = true;
	if (r->endpoint->model == MODEL_FORM) {
		e = multipart_boundary(r->request->content_type, &boundary);
		if (e == OK)
			return read_form(r, boundary);
		if (e != ERR_MISSING)
			return malformed(r, ERR_BAD,
					 "The Content-Type has no valid boundary; the form's model "
					 "cannot be read.",
					 SIZE_MAX);
	}
	*ret_read = r->endpoint->any_body;
	return *ret_read ? read_unknown(r) : OK;
}

static enum err read_body(struct reader *r)
{
	bool read = false;
	enum err e = OK;

	if (!r->known)
		return r->request->body.len ? read_unknown(r) : OK;
	if (r->request->body.len)
		e = read_other_body(r, &read);
	if (!e && !read && (r->request->body.len || (r->wants_model && r->endpoint->needs_model)))
		e = read_object(r);
	return e;
}

static bool is_identity(struct bytes content_encoding)
{
	content_encoding = bytes_trim(content_encoding);
	return content_encoding.len == 0 || bytes_equal_nocase(content_encoding, BYTES("identity"));
}

/* Whether the answer is a stream, where the body does not say. */
static void settle_stream(struct reader *r)
{
	const struct request_view *v = r->request;

	switch ((enum stream_place)r->endpoint->stream) {
	case STREAM_NEVER:
	case STREAM_BODY:
		break;
	case STREAM_DEFAULT:
		r->call.stream = r->call.stream || !r->has_stream || r->stream_kind == JSON_NULL;
		break;
	case STREAM_ALWAYS:
		r->call.stream = true;
		break;
	case STREAM_QUERY:
		r->call.stream = r->call.stream || query_is(v->query, BYTES("stream=true"));
		break;
	case STREAM_ACCEPT:
		r->call.stream = r->call.stream ||
				 bytes_find(v->accept, BYTES("text/event-stream")) != SIZE_MAX;
		break;
	}
}

static enum err read_request(struct reader *r, struct bytes path_model)
{
	enum err e;

	if (r->request->body.len && !is_identity(r->request->content_encoding))
		return refuse(
			r, ERR_UNSUPPORTED, "unsupported_content_encoding",
			"The request body is compressed, so its model cannot be read; send it "
			"without Content-Encoding.",
			SIZE_MAX);
	e = read_body(r);
	if (!e && r->known && r->endpoint->model == MODEL_PATH)
		e = set_model(r, path_model, SIZE_MAX, SIZE_MAX);
	if (!e && r->known && r->endpoint->model == MODEL_QUERY)
		e = read_query(r);
	if (!e && r->known && r->endpoint->needs_model && r->call.model_len == 0)
		return malformed(r, ERR_BAD, "The request names no model; send \"model\".",
				 SIZE_MAX);
	if (!e && r->known)
		settle_stream(r);
	return e;
}

enum err request_read(const struct request_view *request, const struct endpoint *endpoint,
		      struct bytes path_model, struct call *ret_call, struct fault *ret_fault)
{
	struct reader r = {.request = request,
			   .endpoint = endpoint,
			   .known = endpoint != NULL,
			   .keys = BYTES("model")};
	enum err e;

	r.wants_model = !endpoint || endpoint->model == MODEL_BODY ||
			endpoint->model == MODEL_FORM || endpoint->model == MODEL_NOWHERE;
	r.strict = endpoint && endpoint->model != MODEL_NOWHERE;
	if (endpoint)
		r.keys = bytes_str(endpoint_keys(endpoint));
	r.call.operation = endpoint ? endpoint->operation : OP_UNKNOWN;
	e = read_request(&r, path_model);
	if (e)
		*ret_fault = r.fault;
	else
		*ret_call = r.call;
	return e;
}
