/* SPDX-License-Identifier: MIT */
#include "recipients.h"

#include "wire/json.h"

/* Goes to the list: the next token is its first element, or its end. */
static enum err enter_list(struct json *j, struct bytes text, struct json_token *ret_list)
{
	bool in_audit = false;
	struct json_token t;
	enum err e;

	json_init(j, text, JSON_COMMENTS);
	while ((e = json_next(j, &t)) == OK) {
		if (t.kind == JSON_KEY && t.depth == 1)
			in_audit = json_token_is(&t, BYTES("audit"));
		if (!in_audit || t.kind != JSON_KEY || t.depth != 2 ||
		    !json_token_is(&t, BYTES("recipients")))
			continue;
		e = json_next(j, ret_list);
		return e ? e : ret_list->kind == JSON_ARRAY ? OK : ERR_BAD;
	}
	return e == ERR_END ? ERR_MISSING : e;
}

static enum err splice(struct bytes text, size_t from, size_t to, struct bytes with,
		       struct buf *ret_text)
{
	enum err e = buf_put(ret_text, bytes_slice(text, 0, from));

	if (!e)
		e = buf_put(ret_text, with);
	return e ? e : buf_put(ret_text, bytes_from(text, to));
}

enum err recipients_add(struct bytes text, struct bytes recipient, struct buf *ret_text)
{
	struct json j;
	struct json_token list, t;
	struct buf insert = {0};
	size_t at;
	bool any = false;
	enum err e = enter_list(&j, text, &list);

	if (e)
		return e;
	at = list.end;
	while ((e = json_next(&j, &t)) == OK && t.kind != JSON_ARRAY_END) {
		if (t.kind != JSON_STRING)
			return ERR_BAD;
		if (json_token_is(&t, recipient))
			return ERR_STATE;
		any = true;
		at = t.end;
	}
	if (!e && any)
		e = buf_put_str(&insert, ", ");
	if (!e)
		e = buf_put_json_string(&insert, recipient);
	if (!e)
		e = splice(text, at, at, buf_view(&insert), ret_text);
	buf_done(&insert);
	return e;
}

/* From the end of the element before it, or to the start of the one behind it: with one comma. */
enum err recipients_remove(struct bytes text, struct bytes recipient, struct buf *ret_text)
{
	struct json j;
	struct json_token list, t, next;
	size_t before = 0;
	enum err e = enter_list(&j, text, &list);

	if (e)
		return e;
	while ((e = json_next(&j, &t)) == OK && t.kind == JSON_STRING) {
		if (!json_token_is(&t, recipient)) {
			before = t.end;
			continue;
		}
		if (before)
			return splice(text, before, t.end, BYTES_NONE, ret_text);
		e = json_next(&j, &next);
		if (e)
			return e;
		return splice(text, t.start, next.kind == JSON_STRING ? next.start : t.end,
			      BYTES_NONE, ret_text);
	}
	return e ? e : t.kind == JSON_ARRAY_END ? ERR_MISSING : ERR_BAD;
}
