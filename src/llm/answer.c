/* SPDX-License-Identifier: MIT */
#include "llm/answer.h"

#include <string.h>

#define STRING_BYTES_MAX 256 /* the longest text in struct answer */
#define STRING_RAW_MAX   (STRING_BYTES_MAX * 6)

enum { PLAN_NONE, PLAN_BEING_MADE, PLAN_READY };

/* ---- a table's plan ---- */

static struct bytes name_at(const struct answer_table *t, const struct answer_names *n,
			    size_t field, size_t level)
{
	return bytes_of(t->fields[field].path + n->start[level][field], n->len[level][field]);
}

static void split_path(const char *path, size_t field, struct answer_names *n)
{
	size_t level = 0, start = 0, i = 0;

	do {
		if (path[i] && path[i] != '/')
			continue;
		n->start[level][field] = (uint8_t)start;
		n->len[level][field] = (uint8_t)(i - start);
		start = i + 1;
		level++;
	} while (path[i++] && level < ANSWER_PATH_MAX);
	n->depth[field] = (uint8_t)level;
}

/* Few names of a table share one: they differ in the first letter or the length. */
static size_t slot_of(struct bytes name)
{
	return (name.len ? name.at[0] + 5 * name.len : 0) % ANSWER_SLOTS;
}

/* Fields that have one name at that level; they are in one slot. */
static void join(const struct answer_table *t, struct answer_names *n, size_t level, size_t field)
{
	struct bytes name = name_at(t, n, field, level);

	for (uint64_t left = n->by_slot[level][slot_of(name)]; left; left &= left - 1) {
		int i = __builtin_ctzll(left);
		if (bytes_equal(name_at(t, n, (size_t)i, level), name))
			n->same[level][field] |= UINT64_C(1) << i;
	}
}

static void make_names(const struct answer_table *t, struct answer_names *n)
{
	memset(n, 0, sizeof *n);
	for (size_t i = 0; i < t->count; i++) {
		split_path(t->fields[i].path, i, n);
		for (size_t level = 0; level < n->depth[i]; level++)
			n->by_slot[level][slot_of(name_at(t, n, i, level))] |= UINT64_C(1) << i;
	}
	for (size_t i = 0; i < t->count; i++)
		for (size_t level = 0; level < n->depth[i]; level++)
			join(t, n, level, i);
}

/* The plan's names; NULL while another thread makes them (or a fork ended that one). */
static const struct answer_names *names_of(const struct answer_table *t)
{
	uint32_t state = __atomic_load_n(&t->plan->state, __ATOMIC_ACQUIRE);

	if (state == PLAN_READY)
		return &t->plan->names;
	if (state == PLAN_BEING_MADE ||
	    !__atomic_compare_exchange_n(&t->plan->state, &state, PLAN_BEING_MADE, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return NULL;
	make_names(t, &t->plan->names);
	__atomic_store_n(&t->plan->state, PLAN_READY, __ATOMIC_RELEASE);
	return &t->plan->names;
}

/* ---- the walk ---- */

struct walk {
	const struct answer_table *table;
	const struct answer_names *names;
};

static uint64_t all_fields(size_t count)
{
	return count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

/* Calls take for the fields in `live` that end at this value; the others are in *ret_deeper. */
static enum err take_value(const struct walk *w, uint64_t live, const struct json_token *value,
			   answer_take *take, void *context, uint64_t *ret_deeper)
{
	uint64_t deeper = 0;

	for (uint64_t left = live; left; left &= left - 1) {
		int i = __builtin_ctzll(left);
		if (w->names->depth[i] > value->depth) {
			deeper |= UINT64_C(1) << i;
			continue;
		}
		enum err e = take(context, w->table->fields[i].id, value);
		if (e)
			return e;
	}
	*ret_deeper = deeper;
	return OK;
}

static bool is_name(struct bytes name, const struct json_token *key)
{
	if (key->escaped)
		return json_token_is(key, name);
	return bytes_equal(key->raw, name);
}

/* Those of `live` whose name at that level it is; a name that differs is looked at once. */
static uint64_t compare(const struct walk *w, uint64_t live, size_t level,
			const struct json_token *key)
{
	while (live) {
		int i = __builtin_ctzll(live);
		uint64_t same = w->names->same[level][i];
		struct bytes name = name_at(w->table, w->names, (size_t)i, level);
		if (key ? is_name(name, key) : bytes_equal(name, BYTES("*")))
			return live & same;
		live &= ~same;
	}
	return 0;
}

/* The fields in `live` that go on with this member of an object, or (key NULL) with an array's
 * element. Most members are passed over with one look. */
static inline uint64_t narrow(const struct walk *w, uint64_t live, size_t level,
			      const struct json_token *key)
{
	if (!key || !key->escaped)
		live &= w->names->by_slot[level][slot_of(key ? key->raw : BYTES("*"))];
	return live ? compare(w, live, level, key) : 0;
}

static enum err walk_by(const struct answer_names *names, struct bytes text,
			const struct answer_table *table, answer_take *take, void *context)
{
	const struct walk walk = {table, names};
	/* open[d]: the fields that may be found among the values at depth d */
	uint64_t open[ANSWER_PATH_MAX + 2] = {all_fields(table->count)};
	uint64_t live = open[0], deeper;
	struct json json;
	struct json_token t;
	bool named = true; /* `live` is already that of the value to come */
	size_t end;

	json_init(&json, text, JSON_STRICT);
	for (;;) {
		enum err e = json_next(&json, &t);
		if (e)
			return e == ERR_END ? OK : e;
		if (t.kind == JSON_OBJECT_END || t.kind == JSON_ARRAY_END)
			continue;
		if (t.kind == JSON_KEY) {
			live = narrow(&walk, open[t.depth], t.depth - 1, &t);
			named = true;
			continue;
		}
		if (!named)
			live = narrow(&walk, open[t.depth], t.depth - 1, NULL);
		named = false;
		deeper = live;
		e = OK;
		if (live && t.depth) /* no field is the text as a whole */
			e = take_value(&walk, live, &t, take, context, &deeper);
		if (e)
			return e;
		if (t.kind != JSON_OBJECT && t.kind != JSON_ARRAY)
			continue;
		if (deeper)
			open[t.depth + 1] = deeper;
		else
			e = json_skip(&json, &t, &end);
		if (e)
			return e;
	}
}

/* A plan is large: it has a place on the stack only where it must. */
__attribute__((cold, noinline)) static enum err walk_alone(struct bytes text,
							   const struct answer_table *table,
							   answer_take *take, void *context)
{
	struct answer_names names;

	make_names(table, &names);
	return walk_by(&names, text, table, take, context);
}

enum err answer_walk(struct bytes text, const struct answer_table *table, answer_take *take,
		     void *context)
{
	const struct answer_names *names = names_of(table);

	return names ? walk_by(names, text, table, take, context)
		     : walk_alone(text, table, take, context);
}

static void set_text(char *ret_text, size_t cap, struct bytes text)
{
	if (text.len == 0 || text.len >= cap || bytes_find_byte(text, 0) != SIZE_MAX)
		return;
	memcpy(ret_text, text.at, text.len);
	ret_text[text.len] = '\0';
}

static void set_escaped(char *ret_text, size_t cap, const struct json_token *value)
{
	uint8_t meaning[STRING_RAW_MAX];
	struct buf fixed = {.at = meaning, .cap = sizeof meaning, .max = sizeof meaning};

	if (value->raw.len <= STRING_RAW_MAX && !json_put_unescaped(&fixed, value))
		set_text(ret_text, cap, buf_view(&fixed));
}

void answer_set_string(char *ret_text, size_t cap, const struct json_token *value)
{
	if (value->kind != JSON_STRING)
		return;
	if (value->escaped)
		set_escaped(ret_text, cap, value);
	else
		set_text(ret_text, cap, value->raw);
}

void answer_set_count(uint8_t *presence, uint64_t *tokens, const struct json_token *value)
{
	if (value->kind == JSON_NULL && *presence == ABSENT)
		*presence = IS_NULL;
	if (!json_number_u64(value, tokens))
		*presence = PRESENT;
}

void answer_set_usage(struct usage *usage, enum usage_kind kind, const struct json_token *value)
{
	answer_set_count(&usage->presence[kind], &usage->tokens[kind], value);
}

void answer_set_part(struct answer *answer, enum part_kind kind, const struct json_token *value)
{
	answer_set_count(&answer->parts[kind].presence, &answer->parts[kind].tokens, value);
}

static void add(struct part *sum, uint8_t presence, uint64_t tokens)
{
	if (presence == PRESENT && __builtin_add_overflow(sum->tokens, tokens, &sum->tokens))
		sum->tokens = UINT64_MAX;
}

void answer_sum(struct answer *answer, enum usage_kind sum, enum part_kind first,
		enum part_kind second, enum usage_kind third, enum usage_kind fourth)
{
	struct usage *u = &answer->usage;
	struct part total = answer->parts[first];

	if (total.presence == ABSENT)
		return;
	u->presence[sum] = total.presence;
	if (total.presence != PRESENT)
		return;
	if (second < PART_COUNT)
		add(&total, answer->parts[second].presence, answer->parts[second].tokens);
	if (third < USAGE_COUNT)
		add(&total, u->presence[third], u->tokens[third]);
	if (fourth < USAGE_COUNT)
		add(&total, u->presence[fourth], u->tokens[fourth]);
	u->tokens[sum] = total.tokens;
}

bool answer_is_error(const struct json_token *value)
{
	return value->kind != JSON_NULL && value->kind != JSON_FALSE &&
	       !(value->kind == JSON_STRING && value->raw.len == 0);
}

/* The length of the longest whole characters in the first `room` bytes of UTF-8. */
static size_t whole_characters(struct bytes text, size_t room)
{
	size_t len = text.len < room ? text.len : room;

	while (len > 0 && len < text.len && (text.at[len] & 0xC0) == 0x80)
		len--;
	return len;
}

static enum err put_beginning(struct buf *text, struct bytes words)
{
	size_t room = text->max > text->len ? text->max - text->len : 0;

	return buf_put(text, bytes_slice(words, 0, whole_characters(words, room)));
}

/* The part of a string that the buffer still has room for. */
static enum err put_what_fits(struct buf *text, const struct json_token *value)
{
	struct buf meaning = {0};
	enum err e = json_put_unescaped(&meaning, value);

	if (!e)
		e = put_beginning(text, buf_view(&meaning));
	buf_done(&meaning);
	return e;
}

enum err answer_put_text(struct answer *answer, struct buf *text, const struct json_token *value)
{
	enum err e;

	if (!text || answer->text_cut || value->kind != JSON_STRING)
		return OK;
	e = json_put_unescaped(text, value);
	if (e == ERR_LIMIT) {
		answer->text_cut = true;
		e = put_what_fits(text, value);
	}
	return e;
}

enum err answer_put_raw(struct answer *answer, struct buf *text, struct bytes words)
{
	enum err e;

	if (!text || answer->text_cut || !bytes_is_utf8(words))
		return OK;
	e = buf_put(text, words);
	if (e == ERR_LIMIT) {
		answer->text_cut = true;
		e = put_beginning(text, words);
	}
	return e;
}
