/* SPDX-License-Identifier: MIT */
#include "keys/key_store.h"

#include <stdlib.h>
#include <string.h>

#include "audit/seal.h"
#include "base/sys.h"

#define MAGIC                                                                                      \
	BYTES("\x89"                                                                               \
	      "AIGWks\n")
#define VERSION     1
#define FLAG_LIMITS 1u /* behind each key stand its limits */
#define HEADER      (8 + 2 + 2 + 8 + 4 + 4)

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

static enum err put_secret(struct buf *out, const struct key_secret *s)
{
	TRY(key_text_put(out, s->provider));
	TRY(key_text_put(out, s->environment));
	TRY(buf_put_u64(out, s->created));
	TRY(buf_put(out, bytes_of(s->nonce, KEY_NONCE_BYTES)));
	TRY(buf_put(out, bytes_of(s->tag, KEY_TAG_BYTES)));
	return key_text_put(out, s->cipher);
}

/* A version that knows of no limits still reads a store without any. */
static uint16_t flags_of(const struct key_store *s)
{
	for (size_t i = 0; i < s->key_count; i++)
		if (s->keys[i].scope.limits.given)
			return FLAG_LIMITS;
	return 0;
}

static enum err put_store(const struct key_store *s, struct buf *out)
{
	const uint16_t flags = flags_of(s);

	TRY(buf_put(out, MAGIC));
	TRY(buf_put_u16(out, VERSION));
	TRY(buf_put_u16(out, flags));
	TRY(buf_put_u64(out, s->generation));
	TRY(buf_put_u32(out, (uint32_t)s->key_count));
	TRY(buf_put_u32(out, (uint32_t)s->secret_count));
	for (size_t i = 0; i < s->key_count; i++) {
		TRY(key_entry_put(&s->keys[i], out));
		if (flags & FLAG_LIMITS)
			TRY(key_limits_put(&s->keys[i].scope.limits, out));
	}
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

static enum err parse_secret(struct cursor *c, struct arena *arena, struct key_secret *ret)
{
	struct bytes fixed, environment;

	TRY(key_name_copy(c, arena, &ret->provider));
	environment = key_text_take(c);
	if (c->bad || (environment.len && !gateway_key_is_name(environment)))
		return ERR_BAD;
	TRY(arena_copy(arena, environment, &ret->environment));
	ret->created = cursor_u64(c);
	fixed = cursor_take(c, KEY_NONCE_BYTES + KEY_TAG_BYTES);
	if (c->bad)
		return ERR_BAD;
	memcpy(ret->nonce, fixed.at, KEY_NONCE_BYTES);
	memcpy(ret->tag, fixed.at + KEY_NONCE_BYTES, KEY_TAG_BYTES);
	TRY(key_text_copy(c, arena, KEY_SECRET_BYTES_MAX, &ret->cipher));
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

static enum err parse_items(struct cursor *c, struct key_store *s, uint16_t flags)
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
	for (size_t i = 0; i < key_count; i++) {
		TRY(key_entry_parse(c, &s->arena, &keys[i]));
		if (flags & FLAG_LIMITS)
			TRY(key_limits_parse(c, &keys[i].scope.limits));
	}
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
	uint16_t flags;

	if (e)
		return e;
	s = calloc(1, sizeof *s);
	if (!s)
		return ERR_NOMEM;
	(void)cursor_take(&c, MAGIC.len + 2);
	flags = cursor_u16(&c);
	if (flags & ~FLAG_LIMITS)
		e = ERR_UNSUPPORTED;
	s->generation = cursor_u64(&c);
	if (!e)
		e = parse_items(&c, s, flags);
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

	return seal_decrypt(SEAL_XCHACHA20_POLY1305, host->secret, s->nonce,
			    bytes_of(associated, len), s->cipher, s->tag, ret_plain);
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
	seal_encrypt(SEAL_XCHACHA20_POLY1305, host->secret, s->nonce, bytes_of(associated, len),
		     plain, ret_cipher, s->tag);
	s->cipher = bytes_of(ret_cipher, plain.len);
	return OK;
}
