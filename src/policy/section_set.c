/* SPDX-License-Identifier: MIT */
#include "policy/section_set.h"

#include <string.h>

#define PATH_MAX_LEN 128 /* longer than any control's */

/* Where the reading of one scope's object is. */
struct setting {
	struct bytes provider;
	struct forced *at;
	size_t count;
	char path[PATH_MAX_LEN]; /* below the provider: "provider.zdr" */
	size_t path_len;
};

static enum err unknown_field(struct reader *r, const struct setting *s, size_t start)
{
	struct phrase *p = reader_problem(r, start);
	const struct control *c;
	bool first = true;

	phrase_put_bytes(p, reader_path(r));
	phrase_put(p, " is no field that is known to be taken by provider ");
	phrase_put_quoted(p, s->provider);
	for (size_t i = 0; (c = control_at(i)); i++) {
		if (!bytes_equal(bytes_str(c->provider), s->provider))
			continue;
		phrase_put(p, first ? "; known: " : ", ");
		phrase_put(p, c->path);
		first = false;
	}
	if (first)
		phrase_put(p, ", of which none is known");
	return ERR_BAD;
}

static enum err wrong_value(struct reader *r, const struct control *c, const struct value *v)
{
	struct bytes rest = bytes_str(c->values), one;
	char expected[80];
	struct phrase p;

	phrase_init(&p, expected, sizeof expected);
	for (bool first = true; endpoint_next_line(&rest, &one); first = false) {
		phrase_put(&p, first ? "" : " or ");
		phrase_put_bytes(&p, one);
	}
	return reader_wrong(r, v, expected);
}

static enum err read_leaf(struct reader *r, struct setting *s, const struct value *v)
{
	const struct control *c = control_find(s->provider, bytes_of(s->path, s->path_len));
	struct bytes text = bytes_slice(r->text, v->token.start, v->token.end - v->token.start);
	struct forced *to = &s->at[s->count];

	if (!c)
		return unknown_field(r, s, v->token.start);
	if (!control_takes(c, text))
		return wrong_value(r, c, v);
	for (size_t i = 0; i < s->count; i++)
		if (s->at[i].control == c) {
			phrase_put(reader_problem_with(r, v->token.start, bytes_str(c->path)),
				   " stands twice; keep one");
			return ERR_BAD;
		}
	if (s->count == POLICY_SET_MAX)
		return ERR_LIMIT; /* more than there are controls: cannot be */
	to->control = c;
	if (arena_copy(r->arena, text, &to->value) ||
	    arena_copy(r->arena, reader_path(r), &to->where))
		return reader_nomem(r);
	s->count++;
	return OK;
}

static enum err push(struct setting *s, struct bytes name)
{
	if (s->path_len + 1 + name.len > sizeof s->path)
		return ERR_LIMIT;
	if (s->path_len)
		s->path[s->path_len++] = '.';
	if (name.len)
		memcpy(s->path + s->path_len, name.at, name.len);
	s->path_len += name.len;
	return OK;
}

static enum err read_fields(struct reader *r, struct setting *s, const struct value *v, int depth);

static enum err read_field(struct reader *r, struct setting *s, const struct json_token *key,
			   const struct value *v, int depth)
{
	size_t mark = reader_path_push(r, key->raw), len = s->path_len;
	enum err e;

	if (key->escaped || push(s, key->raw))
		e = unknown_field(r, s, key->start);
	else if (v->token.kind == JSON_OBJECT && depth < CONTROL_DEPTH_MAX)
		e = read_fields(r, s, v, depth + 1);
	else
		e = read_leaf(r, s, v);
	s->path_len = len;
	reader_path_pop(r, mark);
	return e;
}

/* The object was scanned to its end already: it is well-formed. */
static enum err read_fields(struct reader *r, struct setting *s, const struct value *v, int depth)
{
	static const char expected[] = "an object of request fields ({\"store\": false})";
	struct json scan = v->scan;
	struct json_token key;
	struct value value;
	size_t end;
	bool empty = true;
	enum err e;

	if (v->token.kind != JSON_OBJECT)
		return reader_wrong(r, v, expected);
	while (!json_next(&scan, &key) && key.kind == JSON_KEY) {
		if (json_next(&scan, &value.token))
			return ERR_BAD;
		value.scan = scan;
		e = read_field(r, s, &key, &value, depth);
		if (e)
			return e;
		if (json_skip(&scan, &value.token, &end))
			return ERR_BAD;
		empty = false;
	}
	/* One that says nothing would promise what does not happen. */
	return empty ? reader_wrong(r, v, expected) : OK;
}

enum err section_set_read(struct reader *r, const struct member *m, const struct value *v,
			  void *into)
{
	struct scope_rules *rules = (struct scope_rules *)((char *)into -
							   offsetof(struct scope_rules, set));
	struct setting s = {.at = arena_take(r->arena, POLICY_SET_MAX, sizeof *s.at)};
	struct json scan = v->scan;
	struct json_token key;
	struct value value;
	size_t end;
	enum err e;

	if (!s.at)
		return reader_nomem(r);
	if (v->token.kind != JSON_OBJECT)
		return reader_wrong(r, v,
				    "an object by provider ({\"openai\": {\"store\": false}})");
	while (!json_next(&scan, &key) && key.kind == JSON_KEY) {
		size_t mark = reader_path_push(r, key.raw);
		if (json_next(&scan, &value.token))
			return ERR_BAD;
		value.scan = scan;
		s.provider = key.raw;
		e = read_fields(r, &s, &value, 1);
		reader_path_pop(r, mark);
		if (e)
			return e;
		if (json_skip(&scan, &value.token, &end))
			return ERR_BAD;
	}
	rules->set = s.at;
	rules->set_count = s.count;
	return OK;
}
