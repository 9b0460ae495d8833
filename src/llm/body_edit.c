/* SPDX-License-Identifier: MIT */
#include "llm/body_edit.h"

#include "wire/json.h"

/* ---- the head ---- */

static bool is_name(const struct http1_request *q, size_t i, const char *name)
{
	return bytes_equal_nocase(http1_field_name(q, i), bytes_str(name));
}

static bool is_coding_offer(const struct http1_request *q, size_t i)
{
	return is_name(q, i, "accept-encoding") && http1_field_value(q, i).len &&
	       !bytes_equal_nocase(http1_field_value(q, i), BYTES("identity"));
}

bool body_edit_limits_codings(const struct http1_request *q)
{
	for (size_t i = 0; i < q->field_count; i++)
		if (is_coding_offer(q, i))
			return true;
	return false;
}

/* What speaks of the body's exact bytes, or of more than the body. */
static bool forbids_change(const struct http1_request *q, size_t i)
{
	static const char names[][24] = {"content-md5", "content-digest",      "repr-digest",
					 "digest",      "signature",           "signature-input",
					 "trailer",     "x-amz-content-sha256"};

	if (is_name(q, i, "content-encoding"))
		return !bytes_equal_nocase(http1_field_value(q, i), BYTES("identity"));
	/* SigV4: the digest of the body is signed whether a field repeats it or not. */
	if (is_name(q, i, "authorization") &&
	    bytes_equal_nocase(bytes_slice(http1_field_value(q, i), 0, 5), BYTES("AWS4-")))
		return true;
	for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
		if (is_name(q, i, names[n]))
			return true;
	/* a folded value */
	return bytes_find_byte(http1_field_value(q, i), '\n') != SIZE_MAX;
}

bool body_edit_is_possible(const struct http1_request *q, bool head_gone)
{
	for (size_t i = 0; i < q->field_count; i++)
		if (forbids_change(q, i) || (is_name(q, i, "expect") && !head_gone))
			return false;
	if (bytes_find(http1_request_target(q), BYTES("X-Amz-Signature=")) != SIZE_MAX)
		return false;
	/* a last chunk with extensions or trailers */
	return q->complete && (!q->expects_continue || head_gone) &&
	       (q->chunked ? bytes_ends(buf_view(&q->raw), BYTES("\r\n0\r\n\r\n")) : q->has_length);
}

static enum err put_head(const struct http1_request *q, size_t body_bytes, bool limit_codings,
			 struct buf *out)
{
	struct bytes raw = buf_view(&q->raw);
	size_t from = 0;
	enum err e = OK;

	for (size_t i = 0; i < q->field_count && !e; i++) {
		struct http1_span value = q->fields[i].value;
		bool is_length = is_name(q, i, "content-length");
		if (!is_length && !(limit_codings && is_coding_offer(q, i)))
			continue;
		e = buf_put(out, bytes_slice(raw, from, value.at - from));
		if (!e)
			e = is_length ? buf_put_decimal(out, body_bytes)
				      : buf_put_str(out, "identity");
		from = value.at + value.len;
	}
	return e ? e : buf_put(out, bytes_slice(raw, from, q->head_bytes - from));
}

enum err body_edit_put_size(struct buf *out, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t line[2 * sizeof size + 2];
	size_t at = sizeof line - 2;

	line[sizeof line - 2] = '\r';
	line[sizeof line - 1] = '\n';
	do {
		line[--at] = (uint8_t)digits[size % 16];
		size /= 16;
	} while (size);
	return buf_put(out, bytes_of(line + at, sizeof line - at));
}

enum err body_edit_put(const struct http1_request *q, struct bytes body, bool limit_codings,
		       struct buf *out)
{
	size_t len_before = out->len;
	enum err e = put_head(q, body.len, limit_codings, out);

	if (!e && q->chunked)
		e = body_edit_put_size(out, body.len);
	if (!e)
		e = buf_put(out, body);
	if (!e && q->chunked)
		e = buf_put_str(out, "\r\n0\r\n\r\n");
	if (e)
		out->len = len_before;
	return e;
}

/* ---- a member of the body ---- */

/* One object on the way: what of it matters. */
struct place {
	size_t behind; /* its opening bracket */
	bool empty;
	bool found;
	struct json_token value; /* of the member */
	struct json scan;        /* right behind that token */
};

/* Reads the object that `scan` stands in to its end. */
static enum err find_member(struct json *scan, const struct json_token *object, struct bytes name,
			    struct place *ret_place)
{
	struct place p = {.behind = object->end, .empty = true};
	struct json_token key, value;
	size_t end;

	for (;; p.empty = false) {
		if (json_next(scan, &key))
			return ERR_UNSUPPORTED;
		if (key.kind != JSON_KEY)
			break;
		if (json_next(scan, &value))
			return ERR_UNSUPPORTED;
		if (json_token_is(&key, name)) {
			if (p.found)
				return ERR_UNSUPPORTED;
			p.found = true;
			p.value = value;
			p.scan = *scan;
		}
		if (json_skip(scan, &value, &end))
			return ERR_UNSUPPORTED;
	}
	*ret_place = p;
	return OK;
}

/* "a":{"b":VALUE} of the names that are left. */
static enum err put_members(struct buf *out, struct bytes names, struct bytes value)
{
	size_t open = 0;
	enum err e = OK;

	while (names.len && !e) {
		struct bytes name = bytes_cut(&names, '.');
		e = buf_put_u8(out, '"');
		if (!e)
			e = buf_put(out, name);
		if (!e)
			e = buf_put_str(out, "\":");
		if (!e && names.len) {
			e = buf_put_u8(out, '{');
			open++;
		}
	}
	if (!e)
		e = buf_put(out, value);
	for (; open && !e; open--)
		e = buf_put_u8(out, '}');
	return e;
}

/* The body with [from, to) replaced by what is appended between the two calls. */
static enum err put_before(struct buf *out, struct bytes body, size_t from)
{
	return buf_put(out, bytes_slice(body, 0, from));
}

static enum err insert(struct bytes body, const struct place *p, struct bytes names,
		       struct bytes value, struct buf *out)
{
	enum err e = put_before(out, body, p->behind);

	if (!e)
		e = put_members(out, names, value);
	if (!e && !p->empty)
		e = buf_put_u8(out, ',');
	return e ? e : buf_put(out, bytes_from(body, p->behind));
}

/* In place of the member's value: an object of the names that are left, or the value itself. */
static enum err replace(struct bytes body, const struct place *p, struct bytes names,
			struct bytes value, struct buf *out)
{
	enum err e = put_before(out, body, p->value.start);

	if (!e && names.len)
		e = buf_put_u8(out, '{');
	if (!e)
		e = put_members(out, names, value);
	if (!e && names.len)
		e = buf_put_u8(out, '}');
	return e ? e : buf_put(out, bytes_from(body, p->value.end));
}

static bool means(const struct json_token *token, struct bytes body, struct bytes value)
{
	if (token->kind == JSON_STRING)
		return value.len >= 2 && value.at[0] == '"' &&
		       json_token_is(token, bytes_slice(value, 1, value.len - 2));
	return bytes_equal(bytes_slice(body, token->start, token->end - token->start), value);
}

/* The last object on the way that there is, and the names below it. */
static enum err find_place(struct bytes body, struct bytes *names, struct place *ret_place)
{
	struct json scan;
	struct json_token object, after;
	enum err e;

	json_init(&scan, body, JSON_STRICT);
	if (json_next(&scan, &object) || object.kind != JSON_OBJECT)
		return ERR_UNSUPPORTED;
	for (bool outermost = true;; outermost = false) {
		struct bytes rest = *names, name = bytes_cut(&rest, '.');
		e = find_member(&scan, &object, name, ret_place);
		if (e || (outermost && json_next(&scan, &after) != ERR_END))
			return ERR_UNSUPPORTED;
		if (!ret_place->found)
			return OK;
		*names = rest;
		if (rest.len == 0 || ret_place->value.kind != JSON_OBJECT)
			return OK;
		scan = ret_place->scan;
		object = ret_place->value;
	}
}

enum err body_edit_set(struct bytes body, const char *path, struct bytes value, struct buf *out,
		       enum body_edit_found *ret_found, struct bytes *ret_before)
{
	struct bytes names = bytes_str(path);
	size_t len_before = out->len;
	struct place p;
	enum err e = find_place(body, &names, &p);

	if (e)
		return e;
	if (p.found && names.len == 0 && means(&p.value, body, value)) {
		*ret_found = FOUND_SAME;
		return OK;
	}
	/* What is no object on the way to the member, and what is one in its place. */
	if (p.found && (names.len ? p.value.kind != JSON_NULL
				  : p.value.kind == JSON_OBJECT || p.value.kind == JSON_ARRAY))
		return ERR_UNSUPPORTED;
	e = p.found ? replace(body, &p, names, value, out) : insert(body, &p, names, value, out);
	if (e) {
		out->len = len_before;
		return e;
	}
	*ret_found = p.found && names.len == 0 ? FOUND_OTHER : FOUND_ABSENT;
	*ret_before = p.found ? bytes_slice(body, p.value.start, p.value.end - p.value.start)
			      : BYTES_NONE;
	return OK;
}
