/* SPDX-License-Identifier: MIT */
#include "keys/key_store.h"

#include <stdlib.h>
#include <string.h>

#include "audit/seal.h"
#include "base/sys.h"
#include "policy/pattern.h"

#define MAGIC                                                                                      \
	BYTES("\x89"                                                                               \
	      "AIGWks\n")
#define VERSION     1
#define HEADER      (8 + 2 + 2 + 8 + 4 + 4)
#define WHERE_BYTES 80

_Static_assert(KEY_HASH_BYTES == SEAL_DIGEST_BYTES && KEY_NONCE_BYTES == SEAL_NONCE_BYTES &&
		       KEY_TAG_BYTES == SEAL_TAG_BYTES,
	       "as audit/seal has them");

/* Steps are tried in order; the first failure is the answer. */
#define TRY(call)                                                                                  \
	do {                                                                                       \
		enum err try_ = (call);                                                            \
		if (try_)                                                                          \
			return try_;                                                               \
	} while (0)

void key_host_derive(const uint8_t master[32], struct key_host *ret_host)
{
	seal_keyed_digest(master, BYTES("aigw gateway keys v1 hash"), ret_host->hash);
	seal_keyed_digest(master, BYTES("aigw gateway keys v1 secret"), ret_host->secret);
	seal_keyed_digest(master, BYTES("aigw gateway keys v1 file"), ret_host->file);
}

void key_hash(const struct key_host *host, struct bytes text, uint8_t ret_hash[KEY_HASH_BYTES])
{
	seal_keyed_digest(host->hash, text, ret_hash);
}

/* ---- writing ---- */

static enum err put_text(struct buf *out, struct bytes text)
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
		TRY(put_text(out, list->at[i]));
	return OK;
}

enum err key_entry_put(const struct key_entry *e, struct buf *out)
{
	TRY(put_text(out, e->scope.name));
	TRY(put_text(out, e->scope.environment));
	TRY(put_list(out, &e->scope.models.allow));
	TRY(put_list(out, &e->scope.models.deny));
	TRY(put_list(out, &e->scope.providers));
	TRY(put_list(out, &e->scope.applications));
	TRY(put_text(out, e->user));
	TRY(put_text(out, e->exe));
	TRY(buf_put_u64(out, e->created));
	TRY(buf_put_u64(out, e->rotated));
	TRY(buf_put_u64(out, e->expires));
	TRY(buf_put_u64(out, e->revoked));
	TRY(buf_put_u64(out, e->previous_until));
	TRY(buf_put(out, bytes_of(e->hash, KEY_HASH_BYTES)));
	return buf_put(out, bytes_of(e->previous, KEY_HASH_BYTES));
}

static enum err put_secret(struct buf *out, const struct key_secret *s)
{
	TRY(put_text(out, s->provider));
	TRY(put_text(out, s->environment));
	TRY(buf_put_u64(out, s->created));
	TRY(buf_put(out, bytes_of(s->nonce, KEY_NONCE_BYTES)));
	TRY(buf_put(out, bytes_of(s->tag, KEY_TAG_BYTES)));
	return put_text(out, s->cipher);
}

static enum err put_store(const struct key_store *s, struct buf *out)
{
	TRY(buf_put(out, MAGIC));
	TRY(buf_put_u16(out, VERSION));
	TRY(buf_put_u16(out, 0));
	TRY(buf_put_u64(out, s->generation));
	TRY(buf_put_u32(out, (uint32_t)s->key_count));
	TRY(buf_put_u32(out, (uint32_t)s->secret_count));
	for (size_t i = 0; i < s->key_count; i++)
		TRY(key_entry_put(&s->keys[i], out));
	for (size_t i = 0; i < s->secret_count; i++)
		TRY(put_secret(out, &s->secrets[i]));
	return OK;
}

enum err key_store_put(const struct key_store *s, const struct key_host *host, struct buf *ret_file)
{
	uint8_t digest[KEY_HASH_BYTES];
	struct key_store *back = NULL;
	size_t before = ret_file->len;
	enum err e;

	if (s->key_count > KEY_STORE_KEYS_MAX || s->secret_count > KEY_STORE_SECRETS)
		return ERR_LIMIT;
	e = put_store(s, ret_file);
	if (!e && ret_file->len - before > KEY_STORE_BYTES_MAX - sizeof digest)
		e = ERR_LIMIT;
	if (!e) {
		seal_keyed_digest(host->file, bytes_from(buf_view(ret_file), before), digest);
		e = buf_put(ret_file, bytes_of(digest, sizeof digest));
	}
	/* Never a store that nobody could read. */
	if (!e)
		e = key_store_parse(bytes_from(buf_view(ret_file), before), host, &back);
	key_store_free(back);
	if (e)
		ret_file->len = before;
	return e;
}

/* ---- reading ---- */

static struct bytes take_text(struct cursor *c)
{
	return cursor_take(c, cursor_u16(c));
}

static enum err copy_text(struct cursor *c, struct arena *arena, size_t max, struct bytes *ret)
{
	struct bytes text = take_text(c);

	if (c->bad)
		return ERR_BAD;
	return text.len > max ? ERR_LIMIT : arena_copy(arena, text, ret);
}

static enum err copy_name(struct cursor *c, struct arena *arena, struct bytes *ret)
{
	TRY(copy_text(c, arena, GATEWAY_KEY_NAME_MAX, ret));
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
		TRY(copy_text(c, arena, PATTERN_BYTES_MAX, &at[i]));
		if (!at[i].len)
			return ERR_BAD;
	}
	*ret = (struct patterns){given, count, at};
	return OK;
}

/* "keys.NAME.models", as rules are named. */
static enum err put_where(struct arena *arena, struct key_scope *s)
{
	static const char before[] = "keys.", behind[] = ".models";
	char text[sizeof before + GATEWAY_KEY_NAME_MAX + sizeof behind];
	size_t len = sizeof before - 1;

	memcpy(text, before, len);
	memcpy(text + len, s->name.at, s->name.len);
	len += s->name.len;
	memcpy(text + len, behind, sizeof behind - 1);
	return arena_copy(arena, bytes_of(text, len + sizeof behind - 1), &s->models.where);
}

enum err key_entry_parse(struct cursor *c, struct arena *arena, struct key_entry *ret_entry)
{
	struct key_entry e = {.created = 0};

	TRY(copy_name(c, arena, &e.scope.name));
	TRY(copy_name(c, arena, &e.scope.environment));
	TRY(copy_list(c, arena, &e.scope.models.allow));
	TRY(copy_list(c, arena, &e.scope.models.deny));
	TRY(copy_list(c, arena, &e.scope.providers));
	TRY(copy_list(c, arena, &e.scope.applications));
	TRY(copy_text(c, arena, KEY_USER_BYTES_MAX, &e.user));
	TRY(copy_text(c, arena, KEY_EXE_BYTES_MAX, &e.exe));
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

static enum err parse_secret(struct cursor *c, struct arena *arena, struct key_secret *ret)
{
	struct bytes fixed, environment;

	TRY(copy_name(c, arena, &ret->provider));
	environment = take_text(c);
	if (c->bad || (environment.len && !gateway_key_is_name(environment)))
		return ERR_BAD;
	TRY(arena_copy(arena, environment, &ret->environment));
	ret->created = cursor_u64(c);
	fixed = cursor_take(c, KEY_NONCE_BYTES + KEY_TAG_BYTES);
	if (c->bad)
		return ERR_BAD;
	memcpy(ret->nonce, fixed.at, KEY_NONCE_BYTES);
	memcpy(ret->tag, fixed.at + KEY_NONCE_BYTES, KEY_TAG_BYTES);
	TRY(copy_text(c, arena, KEY_SECRET_BYTES_MAX, &ret->cipher));
	return ret->cipher.len ? OK : ERR_BAD;
}

/* ---- which key a hash is of ---- */

/* A table with a place for each hash, by its first bytes, which are as good as random: the next
 * free one from there on. A place is 0, or twice the key's number plus 1, plus 1 for a previous
 * hash. At least half of the places are free. */
#define SLOTS_PER_KEY 4

_Static_assert(2 * KEY_STORE_KEYS_MAX < UINT16_MAX, "a place has room");

static size_t slot_of(const struct key_store *s, const uint8_t hash[KEY_HASH_BYTES])
{
	return (hash[0] | (size_t)hash[1] << 8 | (size_t)hash[2] << 16) % s->slot_count;
}

static void put_slot(struct key_store *s, const uint8_t hash[KEY_HASH_BYTES], uint16_t value)
{
	size_t at = slot_of(s, hash);

	while (s->slots[at])
		at = (at + 1) % s->slot_count;
	s->slots[at] = value;
}

static enum err make_slots(struct key_store *s)
{
	s->slot_count = (s->key_count + 1) * SLOTS_PER_KEY;
	s->slots = arena_take(&s->arena, s->slot_count, sizeof *s->slots);
	if (!s->slots)
		return ERR_NOMEM;
	for (size_t i = 0; i < s->key_count; i++) {
		put_slot(s, s->keys[i].hash, (uint16_t)(2 * i + 1));
		if (s->keys[i].previous_until)
			put_slot(s, s->keys[i].previous, (uint16_t)(2 * i + 2));
	}
	return OK;
}

/* NULL: of none. */
static const struct key_entry *find_hash(const struct key_store *s,
					 const uint8_t hash[KEY_HASH_BYTES], bool *ret_previous)
{
	for (size_t at = slot_of(s, hash); s->slots[at]; at = (at + 1) % s->slot_count) {
		const struct key_entry *e = &s->keys[(s->slots[at] - 1) / 2];
		bool previous = s->slots[at] % 2 == 0;
		if (!seal_equal(hash, previous ? e->previous : e->hash))
			continue;
		*ret_previous = previous;
		return e;
	}
	return NULL;
}

static enum err parse_items(struct cursor *c, struct key_store *s)
{
	size_t key_count = cursor_u32(c), secret_count = cursor_u32(c);
	struct key_entry *keys;
	struct key_secret *secrets;

	if (c->bad)
		return ERR_BAD;
	if (key_count > KEY_STORE_KEYS_MAX || secret_count > KEY_STORE_SECRETS)
		return ERR_LIMIT;
	keys = arena_take(&s->arena, key_count, sizeof *keys);
	secrets = arena_take(&s->arena, secret_count, sizeof *secrets);
	if (!keys || !secrets)
		return ERR_NOMEM;
	for (size_t i = 0; i < key_count; i++)
		TRY(key_entry_parse(c, &s->arena, &keys[i]));
	for (size_t i = 0; i < secret_count; i++)
		TRY(parse_secret(c, &s->arena, &secrets[i]));
	s->keys = keys;
	s->key_count = key_count;
	s->secrets = secrets;
	s->secret_count = secret_count;
	return cursor_left(c) ? ERR_BAD : make_slots(s);
}

/* Authenticated before anything in it is believed. */
static enum err check_frame(struct bytes file, const struct key_host *host)
{
	struct cursor c = cursor_over(file);
	uint8_t digest[KEY_HASH_BYTES];

	if (file.len > KEY_STORE_BYTES_MAX)
		return ERR_LIMIT;
	if (!bytes_equal(cursor_take(&c, MAGIC.len), MAGIC))
		return ERR_BAD;
	if (cursor_u16(&c) != VERSION)
		return c.bad ? ERR_BAD : ERR_UNSUPPORTED;
	if (file.len < HEADER + sizeof digest)
		return ERR_BAD;
	seal_keyed_digest(host->file, bytes_slice(file, 0, file.len - sizeof digest), digest);
	return seal_equal(digest, file.at + file.len - sizeof digest) ? OK : ERR_SEAL;
}

enum err key_store_parse(struct bytes file, const struct key_host *host,
			 struct key_store **ret_store)
{
	struct cursor c = cursor_over(bytes_slice(file, 0, file.len - KEY_HASH_BYTES));
	struct key_store *s;
	enum err e = check_frame(file, host);

	if (e)
		return e;
	s = calloc(1, sizeof *s);
	if (!s)
		return ERR_NOMEM;
	(void)cursor_take(&c, MAGIC.len + 2);
	if (cursor_u16(&c) != 0)
		e = ERR_UNSUPPORTED; /* flags that are not known */
	s->generation = cursor_u64(&c);
	if (!e)
		e = parse_items(&c, s);
	if (e) {
		key_store_free(s);
		return e;
	}
	*ret_store = s;
	return OK;
}

void key_store_free(struct key_store *s)
{
	if (!s)
		return;
	arena_done(&s->arena);
	free(s);
}

/* ---- asking ---- */

static const struct {
	const char *name, *text;
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

enum key_verdict key_store_judge(const struct key_store *s, const struct key_host *host,
				 struct bytes text, uint64_t now,
				 const struct key_entry **ret_entry)
{
	enum key_verdict verdict = KEY_UNKNOWN;
	uint8_t hash[KEY_HASH_BYTES];
	struct bytes environment;
	bool previous = false;

	*ret_entry = NULL;
	if (gateway_key_parse(text, &environment))
		return KEY_MISTYPED;
	key_hash(host, text, hash);
	*ret_entry = s ? find_hash(s, hash, &previous) : NULL;
	if (*ret_entry)
		verdict = key_entry_state(*ret_entry, now);
	if (verdict == KEY_VALID && previous && now >= (*ret_entry)->previous_until)
		verdict = KEY_ROTATED;
	wipe(hash, sizeof hash);
	return verdict;
}

const struct key_entry *key_store_find(const struct key_store *s, struct bytes name)
{
	for (size_t i = 0; s && i < s->key_count; i++)
		if (bytes_equal(s->keys[i].scope.name, name))
			return &s->keys[i];
	return NULL;
}

const struct key_secret *key_store_secret(const struct key_store *s, struct bytes provider,
					  struct bytes environment)
{
	const struct key_secret *common = NULL;

	for (size_t i = 0; s && i < s->secret_count; i++) {
		const struct key_secret *secret = &s->secrets[i];
		if (!bytes_equal(secret->provider, provider))
			continue;
		if (secret->environment.len && bytes_equal(secret->environment, environment))
			return secret;
		if (!secret->environment.len)
			common = secret;
	}
	return common;
}

/* ---- secrets ---- */

/* What a secret is for is part of its seal: moved to another provider it does not open. */
static size_t put_associated(const struct key_secret *s, uint8_t out[2 * GATEWAY_KEY_NAME_MAX + 1])
{
	size_t len = 0;

	memcpy(out, s->provider.at, s->provider.len);
	len += s->provider.len;
	out[len++] = '\0';
	if (s->environment.len)
		memcpy(out + len, s->environment.at, s->environment.len);
	return len + s->environment.len;
}

enum err key_secret_open(const struct key_secret *s, const struct key_host *host,
			 uint8_t *ret_plain)
{
	uint8_t associated[2 * GATEWAY_KEY_NAME_MAX + 1];
	size_t len = put_associated(s, associated);

	return seal_decrypt(host->secret, s->nonce, bytes_of(associated, len), s->cipher, s->tag,
			    ret_plain);
}

enum err key_secret_seal(struct key_secret *s, const struct key_host *host, struct bytes plain,
			 uint8_t *ret_cipher)
{
	uint8_t associated[2 * GATEWAY_KEY_NAME_MAX + 1];
	size_t len;

	if (plain.len == 0 || plain.len > KEY_SECRET_BYTES_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < plain.len; i++)
		if (plain.at[i] <= ' ' || plain.at[i] >= 0x7f)
			return ERR_BAD;
	if (!gateway_key_is_name(s->provider) ||
	    (s->environment.len && !gateway_key_is_name(s->environment)))
		return ERR_BAD;
	TRY(sys_random(s->nonce, sizeof s->nonce));
	len = put_associated(s, associated);
	seal_encrypt(host->secret, s->nonce, bytes_of(associated, len), plain, ret_cipher, s->tag);
	s->cipher = bytes_of(ret_cipher, plain.len);
	return OK;
}
