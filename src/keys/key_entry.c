/* SPDX-License-Identifier: MIT */
#include "keys/key_entry.h"

#include <string.h>

#include "policy/pattern.h"
#include "policy/section_limits.h"

/* Steps are tried in order; the first failure is the answer. */
#define TRY(call)                                                                                  \
	do {                                                                                       \
		enum err try_ = (call);                                                            \
		if (try_)                                                                          \
			return try_;                                                               \
	} while (0)

/* ---- writing ---- */

enum err key_text_put(struct buf *out, struct bytes text)
{
	enum err e = text.len > UINT16_MAX ? ERR_LIMIT : buf_put_u16(out, (uint16_t)text.len);

	return e ? e : buf_put(out, text);
}

static enum err put_list(struct buf *out, const struct patterns *list)
{
	TRY(list->count > KEY_PATTERNS_MAX ? ERR_LIMIT : OK);
	TRY(buf_put_u8(out, list->given));
	TRY(buf_put_u16(out, (uint16_t)list->count));
	for (size_t i = 0; i < list->count; i++)
		TRY(key_text_put(out, list->at[i]));
	return OK;
}

enum err key_entry_put(const struct key_entry *e, struct buf *out)
{
	TRY(key_text_put(out, e->scope.name));
	TRY(key_text_put(out, e->scope.environment));
	TRY(put_list(out, &e->scope.models.allow));
	TRY(put_list(out, &e->scope.models.deny));
	TRY(put_list(out, &e->scope.providers));
	TRY(put_list(out, &e->scope.applications));
	TRY(key_text_put(out, e->user));
	TRY(key_text_put(out, e->exe));
	TRY(buf_put_u64(out, e->created));
	TRY(buf_put_u64(out, e->rotated));
	TRY(buf_put_u64(out, e->expires));
	TRY(buf_put_u64(out, e->revoked));
	TRY(buf_put_u64(out, e->previous_until));
	TRY(buf_put(out, bytes_of(e->hash, KEY_HASH_BYTES)));
	return buf_put(out, bytes_of(e->previous, KEY_HASH_BYTES));
}

enum err key_limits_put(const struct limit_values *v, struct buf *out)
{
	unsigned count = 0;

	for (unsigned kind = 0; kind < LIMIT_COUNT; kind++)
		count += limit_given(v, (enum limit_kind)kind);
	TRY(buf_put_u8(out, (uint8_t)count));
	for (unsigned kind = 0; kind < LIMIT_COUNT; kind++) {
		if (!limit_given(v, (enum limit_kind)kind))
			continue;
		TRY(key_text_put(out, bytes_str(limit_name((enum limit_kind)kind))));
		TRY(buf_put_u64(out, v->value[kind]));
	}
	return OK;
}

/* ---- reading ---- */

struct bytes key_text_take(struct cursor *c)
{
	return cursor_take(c, cursor_u16(c));
}

enum err key_text_copy(struct cursor *c, struct arena *arena, size_t max, struct bytes *ret)
{
	struct bytes text = key_text_take(c);

	if (c->bad)
		return ERR_BAD;
	return text.len > max ? ERR_LIMIT : arena_copy(arena, text, ret);
}

enum err key_name_copy(struct cursor *c, struct arena *arena, struct bytes *ret)
{
	TRY(key_text_copy(c, arena, GATEWAY_KEY_NAME_MAX, ret));
	return gateway_key_is_name(*ret) ? OK : ERR_BAD;
}

static enum err copy_list(struct cursor *c, struct arena *arena, struct patterns *ret)
{
	uint8_t given = cursor_u8(c);
	size_t count = cursor_u16(c);
	struct bytes *at;

	if (c->bad || given > 1 || (!given && count))
		return ERR_BAD;
	if (count > KEY_PATTERNS_MAX)
		return ERR_LIMIT;
	at = arena_take(arena, count, sizeof *at);
	if (!at)
		return ERR_NOMEM;
	for (size_t i = 0; i < count; i++) {
		TRY(key_text_copy(c, arena, PATTERN_BYTES_MAX, &at[i]));
		if (!at[i].len)
			return ERR_BAD;
	}
	*ret = (struct patterns){given, count, at};
	return OK;
}

/* "keys.NAME" and "keys.NAME.models", as rules are named. */
static enum err put_where(struct arena *arena, struct key_scope *s)
{
	static const char before[] = "keys.", behind[] = ".models";
	char text[sizeof before + GATEWAY_KEY_NAME_MAX + sizeof behind];
	size_t len = sizeof before - 1;

	memcpy(text, before, len);
	memcpy(text + len, s->name.at, s->name.len);
	len += s->name.len;
	memcpy(text + len, behind, sizeof behind - 1);
	TRY(arena_copy(arena, bytes_of(text, len + sizeof behind - 1), &s->models.where));
	s->where = bytes_slice(s->models.where, 0, len);
	return OK;
}

enum err key_entry_parse(struct cursor *c, struct arena *arena, struct key_entry *ret_entry)
{
	struct key_entry e = {.created = 0};

	TRY(key_name_copy(c, arena, &e.scope.name));
	TRY(key_name_copy(c, arena, &e.scope.environment));
	TRY(copy_list(c, arena, &e.scope.models.allow));
	TRY(copy_list(c, arena, &e.scope.models.deny));
	TRY(copy_list(c, arena, &e.scope.providers));
	TRY(copy_list(c, arena, &e.scope.applications));
	TRY(key_text_copy(c, arena, KEY_USER_BYTES_MAX, &e.user));
	TRY(key_text_copy(c, arena, KEY_EXE_BYTES_MAX, &e.exe));
	e.created = cursor_u64(c);
	e.rotated = cursor_u64(c);
	e.expires = cursor_u64(c);
	e.revoked = cursor_u64(c);
	e.previous_until = cursor_u64(c);
	struct bytes hashes = cursor_take(c, 2 * (size_t)KEY_HASH_BYTES);
	if (c->bad)
		return ERR_BAD;
	memcpy(e.hash, hashes.at, KEY_HASH_BYTES);
	memcpy(e.previous, hashes.at + KEY_HASH_BYTES, KEY_HASH_BYTES);
	TRY(put_where(arena, &e.scope));
	*ret_entry = e;
	return OK;
}

/* In the order of their kinds, so that a list is written in one way only. */
enum err key_limits_parse(struct cursor *c, struct limit_values *ret_values)
{
	struct limit_values v = {.given = 0};
	size_t count = cursor_u8(c);

	for (size_t i = 0; i < count; i++) {
		enum limit_kind kind = limit_find(key_text_take(c));
		uint64_t value = cursor_u64(c);
		if (c->bad)
			return ERR_BAD;
		if (kind == LIMIT_COUNT)
			return ERR_UNSUPPORTED;
		if (v.given >> kind || !section_limits_fits(kind, value))
			return ERR_BAD;
		limit_give(&v, kind, value);
	}
	if (c->bad)
		return ERR_BAD;
	*ret_values = v;
	return OK;
}

/* ---- what it is worth ---- */

static const struct {
	char name[12],
		text[176]; /* no pointers: these would have to be relocated in each process */
} verdicts[] = {
	[KEY_VALID] = {"valid", ""},
	[KEY_MISTYPED] = {"mistyped",
			  "the gateway key is mistyped or cut off: its checksum is wrong; copy it "
			  "again, whole"},
	[KEY_UNKNOWN] = {"unknown",
			 "the gateway key is not known here; it was made on another host or for "
			 "another user, or removed: make one with \"aigw key create\""},
	[KEY_EXPIRED] = {"expired",
			 "the gateway key has expired; have it prolonged with \"aigw key expire\" "
			 "or make another one with \"aigw key create\""},
	[KEY_REVOKED] = {"revoked",
			 "the gateway key was revoked; ask for another one (\"aigw key create\")"},
	[KEY_ROTATED] =
		{"rotated",
		 "the gateway key was replaced by a newer one, and the time in which both "
		 "are valid is over; use the new one, or make one with \"aigw key rotate\""},
};

const char *key_verdict_name(enum key_verdict v)
{
	return verdicts[v].name;
}

const char *key_verdict_text(enum key_verdict v)
{
	return verdicts[v].text;
}

enum key_verdict key_entry_state(const struct key_entry *e, uint64_t now)
{
	if (e->revoked)
		return KEY_REVOKED;
	return e->expires && now >= e->expires ? KEY_EXPIRED : KEY_VALID;
}

bool key_entry_is_for(const struct key_entry *e, struct bytes provider)
{
	const struct patterns *list = &e->scope.providers;

	for (size_t i = 0; i < list->count; i++)
		if (bytes_equal(list->at[i], provider))
			return true;
	return !list->given;
}
