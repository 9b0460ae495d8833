/* SPDX-License-Identifier: MIT */
#include "policy/reader.h"

#include <string.h>

/* What the scanner has to say of a text that is no JSON. */
static enum err syntax(struct reader *r, const struct json *j, enum err e)
{
	struct phrase *p = reader_problem(r, j->at);

	phrase_put(p, "not JSON: ");
	phrase_put(p, j->problem ? j->problem : "a value was expected");
	return e == ERR_LIMIT ? ERR_LIMIT : ERR_BAD;
}

/* "allow" becomes "allow[2]". */
static size_t path_push_index(struct reader *r, size_t index)
{
	size_t mark = r->path_len;
	struct phrase p;
	char text[24];

	phrase_init(&p, text, sizeof text);
	phrase_put(&p, "[");
	phrase_put_decimal(&p, index);
	phrase_put(&p, "]");
	if (p.len < sizeof r->path - r->path_len) {
		memcpy(r->path + r->path_len, text, p.len);
		r->path_len += p.len;
	}
	return mark;
}

static enum err next(struct reader *r, struct json *scan, struct json_token *ret_token)
{
	enum err e = json_next(scan, ret_token);

	return e ? syntax(r, scan, e) : OK;
}

/* The value that comes next; `scan` is moved behind all of it. */
static enum err next_value(struct reader *r, struct json *scan, struct value *ret_value)
{
	size_t end;
	enum err e = next(r, scan, &ret_value->token);

	if (e)
		return e;
	if (ret_value->token.kind == JSON_ARRAY_END || ret_value->token.kind == JSON_OBJECT_END)
		return OK;
	ret_value->scan = *scan;
	e = json_skip(scan, &ret_value->token, &end);
	return e ? syntax(r, scan, e) : OK;
}

/* A key's or string's meaning, in the arena. */
static enum err take_text(struct reader *r, const struct json_token *token, struct bytes *ret_text)
{
	struct buf plain = {0};
	enum err e;

	if (!token->escaped) {
		e = arena_copy(r->arena, token->raw, ret_text);
		return e ? reader_nomem(r) : OK;
	}
	e = json_put_unescaped(&plain, token);
	if (!e)
		e = arena_copy(r->arena, buf_view(&plain), ret_text);
	buf_done(&plain);
	return e ? reader_nomem(r) : OK;
}

static enum err unknown_member(struct reader *r, const struct member *members, size_t count,
			       const struct json_token *key)
{
	struct bytes name = BYTES_NONE;
	enum err e = take_text(r, key, &name);

	if (e)
		return e;
	struct nearest nearest = nearest_to(name);
	for (size_t i = 0; i < count; i++)
		if (members[i].read)
			nearest_offer(&nearest, bytes_str(members[i].name));
	struct phrase *p = reader_problem(r, key->start);
	phrase_put(p, "unknown key ");
	phrase_put_quoted(p, name);
	phrase_put(p, " in ");
	reader_put_path(r, p);
	nearest_put(&nearest, p);
	phrase_put(p, nearest.best.len ? " Expected: " : "; expected: ");
	bool first = true;
	for (size_t i = 0; i < count; i++) {
		if (!members[i].read)
			continue;
		phrase_put(p, first ? "" : ", ");
		phrase_put(p, members[i].name);
		first = false;
	}
	return ERR_BAD;
}

static enum err later_member(struct reader *r, const char *name, const struct json_token *key)
{
	struct phrase *p = reader_problem(r, key->start);

	reader_put_path(r, p);
	phrase_put(p, ": this version does not enforce ");
	phrase_put_quoted(p, bytes_str(name));
	phrase_put(p, " yet; remove it (accepting it silently would promise what does not happen)");
	return ERR_UNSUPPORTED;
}

static enum err repeated(struct reader *r, struct bytes name, const struct json_token *key)
{
	struct phrase *p = reader_problem(r, key->start);

	phrase_put(p, "the key ");
	phrase_put_quoted(p, name);
	phrase_put(p, " stands twice in ");
	reader_put_path(r, p);
	phrase_put(p, "; keep one");
	return ERR_BAD;
}

enum err reader_missing(struct reader *r, const char *name, const struct value *v)
{
	struct phrase *p = reader_problem(r, v->token.start);

	phrase_put(p, "the key ");
	phrase_put_quoted(p, bytes_str(name));
	phrase_put(p, " is missing in ");
	reader_put_path(r, p);
	return ERR_BAD;
}

/* Finds each member's value; checks that all keys are known, once there, and required ones there.
 */
static enum err find_members(struct reader *r, const struct member *members, size_t count,
			     const struct value *v, struct value *found, bool *given)
{
	struct json scan = v->scan;
	struct json_token key;
	enum err e;

	while (!(e = next(r, &scan, &key)) && key.kind == JSON_KEY) {
		size_t i = 0;
		while (i < count && !json_token_is(&key, bytes_str(members[i].name)))
			i++;
		if (i == count)
			return unknown_member(r, members, count, &key);
		if (!members[i].read)
			return later_member(r, members[i].name, &key);
		if (given[i])
			return repeated(r, bytes_str(members[i].name), &key);
		e = next_value(r, &scan, &found[i]);
		if (e)
			return e;
		given[i] = true;
	}
	if (e)
		return e;
	/* The outermost object: whatever follows it belongs to the syntax too. */
	if (v->token.depth == 0 && (e = json_next(&scan, &key)) != ERR_END)
		return syntax(r, &scan, e);
	for (size_t i = 0; i < count; i++)
		if (members[i].required && !given[i])
			return reader_missing(r, members[i].name, v);
	return OK;
}

static enum err read_object(struct reader *r, const struct member *members, size_t count,
			    const struct value *v, void *into, struct value *found, bool *given)
{
	enum err e;

	if (v->token.kind != JSON_OBJECT)
		return reader_wrong(r, v, "an object");
	e = find_members(r, members, count, v, found, given);
	for (size_t i = 0; !e && i < count; i++) {
		if (!given[i])
			continue;
		size_t mark = reader_path_push(r, bytes_str(members[i].name));
		e = members[i].read(r, &members[i], &found[i], (char *)into + members[i].offset);
		reader_path_pop(r, mark);
	}
	return e;
}

enum err reader_object(struct reader *r, const struct member *members, size_t count,
		       const struct value *v, void *into)
{
	struct value found[READER_MEMBERS_MAX];
	bool given[READER_MEMBERS_MAX] = {false};

	if (count > READER_MEMBERS_MAX)
		return ERR_STATE;
	return read_object(r, members, count, v, into, found, given);
}

enum err reader_wide_object(struct reader *r, const struct member *members, size_t count,
			    const struct value *v, void *into)
{
	struct value found[READER_WIDE_MAX];
	bool given[READER_WIDE_MAX] = {false};

	if (count > READER_WIDE_MAX)
		return ERR_STATE;
	return read_object(r, members, count, v, into, found, given);
}

enum err reader_find(struct reader *r, const struct value *v, const char *name,
		     struct value *ret_value)
{
	struct json scan = v->scan;
	struct json_token key;
	struct value value;
	bool found = false;
	enum err e;

	if (v->token.kind != JSON_OBJECT)
		return reader_wrong(r, v, "an object");
	while (!(e = next(r, &scan, &key)) && key.kind == JSON_KEY) {
		e = next_value(r, &scan, &value);
		if (e)
			return e;
		if (!json_token_is(&key, bytes_str(name)))
			continue;
		if (found)
			return repeated(r, bytes_str(name), &key);
		*ret_value = value;
		found = true;
	}
	if (e)
		return e;
	if (v->token.depth == 0 && (e = json_next(&scan, &key)) != ERR_END)
		return syntax(r, &scan, e);
	return found ? OK : ERR_MISSING;
}

enum err reader_begin(struct reader *r, struct value *ret_outer)
{
	struct json *scan = &ret_outer->scan;
	enum err e;

	if (r->text.len > POLICY_BYTES_MAX) {
		r->problem->line = r->problem->column = 0;
		phrase_init(&r->phrase, r->problem->text, sizeof r->problem->text);
		phrase_put(&r->phrase, "the policy is larger than 4 MiB");
		return ERR_LIMIT;
	}
	json_init(scan, r->text, JSON_COMMENTS);
	e = json_next(scan, &ret_outer->token);
	if (!e)
		return OK;
	if (!bytes_starts(r->text, BYTES("\xEF\xBB\xBF")))
		return syntax(r, scan, e);
	phrase_put(reader_problem(r, scan->at),
		   "the file begins with a byte order mark; save it as UTF-8 without one");
	return ERR_BAD;
}

enum err reader_bool(struct reader *r, const struct member *m, const struct value *v, void *into)
{
	bool is_true = v->token.kind == JSON_TRUE;

	if (!is_true && v->token.kind != JSON_FALSE)
		return reader_wrong(r, v, "true or false");
	memcpy(into, &is_true, sizeof is_true);
	return OK;
}

enum err reader_u32(struct reader *r, const struct member *m, const struct value *v, void *into)
{
	uint64_t number = 0;
	uint32_t narrow;

	if (v->token.kind != JSON_NUMBER || json_number_u64(&v->token, &number) ||
	    number < m->min || number > m->max) {
		char expected[64];
		struct phrase p;
		phrase_init(&p, expected, sizeof expected);
		phrase_put(&p, "a whole number from ");
		phrase_put_decimal(&p, m->min);
		phrase_put(&p, " to ");
		phrase_put_decimal(&p, m->max);
		return reader_wrong(r, v, expected);
	}
	narrow = (uint32_t)number;
	memcpy(into, &narrow, sizeof narrow);
	return OK;
}

enum err reader_choice(struct reader *r, const struct member *m, const struct value *v, void *into)
{
	char expected[64];
	struct phrase p;

	if (v->token.kind == JSON_STRING)
		for (const struct choice *c = m->choices; c->word[0]; c++)
			if (json_token_is(&v->token, bytes_str(c->word))) {
				memcpy(into, &c->value, sizeof c->value);
				return OK;
			}
	phrase_init(&p, expected, sizeof expected);
	for (const struct choice *c = m->choices; c->word[0]; c++) {
		phrase_put(&p, c == m->choices ? "" : " or ");
		phrase_put_quoted(&p, bytes_str(c->word));
	}
	return reader_wrong(r, v, expected);
}

enum err reader_string(struct reader *r, const struct value *v, const char *expected,
		       struct bytes *ret_text)
{
	struct bytes text = BYTES_NONE;
	enum err e;

	if (v->token.kind != JSON_STRING)
		return reader_wrong(r, v, expected);
	e = take_text(r, &v->token, &text);
	if (e)
		return e;
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < 0x20 || text.at[i] == 0x7F) {
			struct phrase *p = reader_problem(r, v->token.start);
			reader_put_path(r, p);
			phrase_put(p, " holds a control character; it must be ");
			phrase_put(p, expected);
			return ERR_BAD;
		}
	*ret_text = text;
	return OK;
}

enum err reader_text(struct reader *r, const struct member *m, const struct value *v, void *into)
{
	struct bytes text = BYTES_NONE;
	enum err e = reader_string(r, v, "a string that is not empty", &text);

	if (e)
		return e;
	if (text.len == 0)
		return reader_wrong(r, v, "a string that is not empty");
	memcpy(into, &text, sizeof text);
	return OK;
}

/* How many values (or key and value pairs) the container holds; ERR_LIMIT at the first too many. */
static enum err count_elements(struct reader *r, const struct value *v, size_t max,
			       size_t *ret_count)
{
	struct json scan = v->scan;
	bool is_map = v->token.kind == JSON_OBJECT;
	struct value element;
	struct json_token key;
	size_t count = 0;
	enum err e;

	for (;; count++) {
		if (is_map && ((e = next(r, &scan, &key)) || key.kind == JSON_OBJECT_END))
			break;
		e = next_value(r, &scan, &element);
		if (e || element.token.kind == JSON_ARRAY_END)
			break;
		if (count < max)
			continue;
		struct phrase *p = reader_problem(r, is_map ? key.start : element.token.start);
		reader_put_path(r, p);
		phrase_put(p, " has more than ");
		phrase_put_decimal(p, max);
		phrase_put(p, " entries");
		return ERR_LIMIT;
	}
	if (!e)
		*ret_count = count;
	return e;
}

enum err reader_map(struct reader *r, const struct value *v, size_t max, size_t size,
		    reader_element_fn *read, void **ret_elements, size_t *ret_count)
{
	struct json scan = v->scan;
	struct json_token key;
	struct value entry;
	struct bytes *names;
	char *elements;
	size_t count = 0;
	enum err e;

	if (v->token.kind != JSON_OBJECT)
		return reader_wrong(r, v, "an object");
	e = count_elements(r, v, max, &count);
	if (e)
		return e;
	names = arena_take(r->arena, count, sizeof *names);
	elements = arena_take(r->arena, count, size);
	if (!names || !elements)
		return reader_nomem(r);
	for (size_t i = 0; !e && i < count; i++) {
		if ((e = next(r, &scan, &key)) || (e = next_value(r, &scan, &entry)) ||
		    (e = take_text(r, &key, &names[i])))
			break;
		for (size_t k = 0; k < i; k++)
			if (bytes_equal(names[k], names[i]))
				return repeated(r, names[i], &key);
		size_t mark = reader_path_push(r, names[i]);
		e = read(r, &entry, names[i], key.start, elements + i * size);
		reader_path_pop(r, mark);
	}
	if (e)
		return e;
	*ret_elements = elements;
	*ret_count = count;
	return OK;
}

enum err reader_array(struct reader *r, const struct value *v, const char *expected, size_t max,
		      size_t size, reader_element_fn *read, void **ret_elements, size_t *ret_count)
{
	struct json scan = v->scan;
	struct value element;
	char *elements;
	size_t count = 0;
	enum err e;

	if (v->token.kind != JSON_ARRAY)
		return reader_wrong(r, v, expected);
	e = count_elements(r, v, max, &count);
	if (e)
		return e;
	elements = arena_take(r->arena, count, size);
	if (!elements)
		return reader_nomem(r);
	for (size_t i = 0; !e && i < count; i++) {
		size_t mark = path_push_index(r, i);
		e = next_value(r, &scan, &element);
		if (!e)
			e = read(r, &element, BYTES_NONE, element.token.start, elements + i * size);
		reader_path_pop(r, mark);
	}
	if (e)
		return e;
	*ret_elements = elements;
	*ret_count = count;
	return OK;
}
