/* SPDX-License-Identifier: MIT */
#include "policy/reader.h"

#include <string.h>

struct phrase *reader_problem(struct reader *r, size_t at)
{
	json_position(r->text, at, &r->problem->line, &r->problem->column);
	phrase_init(&r->phrase, r->problem->text, sizeof r->problem->text);
	return &r->phrase;
}

enum err reader_nomem(struct reader *r)
{
	r->problem->line = r->problem->column = 0;
	phrase_init(&r->phrase, r->problem->text, sizeof r->problem->text);
	phrase_put(&r->phrase, "out of memory");
	return ERR_NOMEM;
}

size_t reader_path_push(struct reader *r, struct bytes name)
{
	size_t mark = r->path_len;
	size_t room = sizeof r->path - r->path_len - 1;

	if (r->path_len && room) {
		r->path[r->path_len++] = '.';
		room--;
	}
	if (name.len > room)
		name.len = room;
	if (name.len)
		memcpy(r->path + r->path_len, name.at, name.len);
	r->path_len += name.len;
	return mark;
}

void reader_path_pop(struct reader *r, size_t mark)
{
	r->path_len = mark;
}

struct bytes reader_path(const struct reader *r)
{
	return bytes_of(r->path, r->path_len);
}

void reader_put_path(struct reader *r, struct phrase *p)
{
	if (r->path_len)
		phrase_put_bytes(p, reader_path(r));
	else
		phrase_put(p, "the policy");
}

/* Of an object or array. */
static bool is_empty(const struct value *v)
{
	struct json scan = v->scan;
	struct json_token first;

	return json_next(&scan, &first) == OK &&
	       (first.kind == JSON_OBJECT_END || first.kind == JSON_ARRAY_END);
}

enum err reader_wrong(struct reader *r, const struct value *v, const char *expected)
{
	struct phrase *p = reader_problem(r, v->token.start);

	reader_put_path(r, p);
	phrase_put(p, " must be ");
	phrase_put(p, expected);
	phrase_put(p, ", not ");
	if (v->token.kind == JSON_OBJECT)
		phrase_put(p, is_empty(v) ? "an empty object" : "an object");
	else if (v->token.kind == JSON_ARRAY)
		phrase_put(p, is_empty(v) ? "an empty array" : "an array");
	else if (v->token.kind == JSON_STRING)
		phrase_put_quoted(p, v->token.raw);
	else
		phrase_put_bytes(p, bytes_slice(v->token.raw, 0, PHRASE_QUOTE_MAX));
	return ERR_BAD;
}

static bool is_name(struct bytes name, bool lower_only)
{
	if (name.len == 0 || name.len > READER_NAME_MAX || name.at[0] == '-' || name.at[0] == '_')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.at[i];
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
			continue;
		if (lower_only || c < 'A' || c > 'Z')
			return false;
	}
	return true;
}

/* Names stand in rules, HTTP headers and key texts: they are kept plain. */
enum err reader_check_name(struct reader *r, struct bytes name, size_t name_start, const char *what,
			   bool lower_only)
{
	if (is_name(name, lower_only))
		return OK;
	struct phrase *p = reader_problem(r, name_start);
	phrase_put_quoted(p, name);
	phrase_put(p, " cannot be the name of ");
	phrase_put(p, what);
	phrase_put(p, lower_only ? "; use lower-case letters, " : "; use letters, ");
	phrase_put(p, "digits, \"-\" and \"_\", at most ");
	phrase_put_decimal(p, READER_NAME_MAX);
	return ERR_BAD;
}

void reader_make_lower(struct bytes text)
{
	uint8_t *at = (uint8_t *)(uintptr_t)text.at; /* our own copy, in the arena */

	for (size_t i = 0; i < text.len; i++)
		if (at[i] >= 'A' && at[i] <= 'Z')
			at[i] = (uint8_t)(at[i] + 32);
}

/* "PATH: WORD" and room for what is wrong with it. */
struct phrase *reader_problem_with(struct reader *r, size_t start, struct bytes word)
{
	struct phrase *p = reader_problem(r, start);

	phrase_put_bytes(p, reader_path(r));
	phrase_put(p, ": ");
	phrase_put_quoted(p, word);
	return p;
}
