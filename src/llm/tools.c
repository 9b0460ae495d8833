/* SPDX-License-Identifier: MIT */
#include "llm/tools.h"

/* What closes a call and the array; room for it is always left. */
#define CALL_END  "\"}"
#define ARRAY_END "]"
#define END_BYTES (sizeof CALL_END ARRAY_END - 1)

enum state { TOOLS_NONE, TOOLS_OPEN, TOOLS_CLOSED };

struct tools_mark tools_mark(const struct answer *a)
{
	return (struct tools_mark){a->tool_calls ? a->tool_calls->len : 0, a->tools_cut,
				   a->tool_index, a->tool_state};
}

void tools_back(struct answer *a, struct tools_mark mark)
{
	if (a->tool_calls)
		a->tool_calls->len = mark.len;
	a->tools_cut = mark.cut;
	a->tool_index = mark.index;
	a->tool_state = mark.state;
}

static bool fits(const struct buf *b, size_t more)
{
	return !b->max ||
	       (more <= b->max && b->len <= b->max - more && b->max - more - b->len >= END_BYTES);
}

/* A member whose value is a string token, as it stands: its escapes are JSON already. */
static enum err put_member(struct buf *b, const char *before, const struct json_token *value)
{
	enum err e = buf_put_str(b, before);

	if (!e)
		e = buf_put(b, value->raw);
	return e ? e : buf_put_str(b, "\",");
}

static enum err put_call(struct answer *a, const struct tool_piece *piece, struct buf *call)
{
	enum err e = OK;

	if (a->tool_state == TOOLS_OPEN)
		e = buf_put_str(call, CALL_END);
	if (!e)
		e = buf_put_str(call, a->tool_state == TOOLS_NONE ? "[{" : ",{");
	if (!e && piece->has_id && piece->id.kind == JSON_STRING)
		e = put_member(call, "\"id\":\"", &piece->id);
	if (!e && piece->has_name && piece->name.kind == JSON_STRING)
		e = put_member(call, "\"name\":\"", &piece->name);
	return e ? e : buf_put_str(call, "\"arguments\":\"");
}

enum err tools_begin(struct answer *a, const struct tool_piece *piece)
{
	struct buf call = {0};
	enum err e;

	if (!a->tool_calls || a->tools_cut)
		return OK;
	e = put_call(a, piece, &call);
	if (!e && !fits(a->tool_calls, call.len))
		a->tools_cut = true;
	else if (!e)
		e = buf_put(a->tool_calls, buf_view(&call));
	if (!e && !a->tools_cut)
		a->tool_state = TOOLS_OPEN;
	buf_done(&call);
	return e;
}

/* The JSON of the value that begins at a token, as the inside of a string. */
static enum err put_container(struct buf *out, struct bytes text, const struct json_token *value)
{
	struct json_token first;
	struct json json;
	size_t end;
	enum err e;

	json_init(&json, bytes_from(text, value->start), JSON_STRICT);
	e = json_next(&json, &first);
	if (!e)
		e = json_skip(&json, &first, &end);
	if (e)
		return e;
	e = buf_put_json_string(out, bytes_slice(text, value->start, end));
	if (!e) {
		buf_drop_front(out, 1);
		out->len--;
	}
	return e;
}

/* The longest beginning of a string's inside that has at most `room` bytes and ends with a whole
 * character or escape. */
static size_t whole_pieces(struct bytes inside, size_t room)
{
	size_t at = 0, len;

	while (at < inside.len) {
		len = 1;
		if (inside.at[at] == '\\')
			len = at + 1 < inside.len && inside.at[at + 1] == 'u' ? 6 : 2;
		else
			while (at + len < inside.len && (inside.at[at + len] & 0xC0) == 0x80)
				len++;
		if (len > room - at)
			break;
		at += len;
	}
	return at;
}

static enum err put_inside(struct answer *a, struct bytes inside)
{
	struct buf *b = a->tool_calls;
	size_t room = inside.len;

	if (!fits(b, inside.len)) {
		a->tools_cut = true;
		room = b->max - b->len > END_BYTES ? b->max - b->len - END_BYTES : 0;
	}
	return buf_put(b, bytes_slice(inside, 0, whole_pieces(inside, room)));
}

enum err tools_put(struct answer *a, struct bytes text, const struct json_token *value)
{
	struct buf inside = {0};
	enum err e = OK;

	if (!a->tool_calls || a->tools_cut || a->tool_state != TOOLS_OPEN)
		return OK;
	if (value->kind == JSON_STRING)
		return put_inside(a, value->raw);
	if (value->kind != JSON_OBJECT && value->kind != JSON_ARRAY)
		return OK;
	e = put_container(&inside, text, value);
	if (!e)
		e = put_inside(a, buf_view(&inside));
	buf_done(&inside);
	return e;
}

enum err tools_add(struct answer *a, struct bytes text, struct tool_piece *piece)
{
	bool named = piece->has_name && piece->name.kind == JSON_STRING && piece->name.raw.len;
	bool begins = named || a->tool_state != TOOLS_OPEN ||
		      (piece->has_index && piece->index != a->tool_index);
	enum err e = OK;

	if (piece->has_id || piece->has_name || piece->has_arguments) {
		if (begins)
			e = tools_begin(a, piece);
		a->tool_index = piece->index;
		if (!e && piece->has_arguments)
			e = tools_put(a, text, &piece->arguments);
	}
	*piece = (struct tool_piece){0};
	return e;
}

enum err tools_end(struct answer *a)
{
	enum err e = OK;

	if (!a->tool_calls || a->tool_state == TOOLS_NONE)
		return OK;
	if (a->tool_state == TOOLS_OPEN)
		e = buf_put_str(a->tool_calls, CALL_END);
	if (!e) {
		a->tool_state = TOOLS_NONE;
		e = buf_put_str(a->tool_calls, ARRAY_END);
	}
	return e;
}
