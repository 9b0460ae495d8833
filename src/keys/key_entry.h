/* SPDX-License-Identifier: MIT
 *
 * key_entry: what is known of one gateway key: what it is for, until when, and its hash; and how
 * that is written in a store (keys/key_store) and in a key holder's answers (keys/key_message).
 *
 * Pure. Times are whole seconds since 1970 (UTC).
 */
#ifndef AIGW_KEYS_KEY_ENTRY_H
#define AIGW_KEYS_KEY_ENTRY_H

#include "keys/gateway_key.h"
#include "policy/arena.h"
#include "policy/decide.h"

#define KEY_PATTERNS_MAX   64 /* of each list of a scope */
#define KEY_USER_BYTES_MAX 64
#define KEY_EXE_BYTES_MAX  1024
#define KEY_HASH_BYTES     32

struct key_entry {
	struct key_scope scope; /* the name stands in records; unique */
	struct bytes user;      /* who may use it with a key holder; empty: anybody */
	struct bytes exe;       /* pattern over the program's path, likewise */
	uint64_t created, rotated;
	uint64_t expires;                 /* from then on it is not valid; 0: never */
	uint64_t revoked;                 /* when it was; 0: it is not */
	uint8_t hash[KEY_HASH_BYTES];     /* keyed, of the key's text */
	uint8_t previous[KEY_HASH_BYTES]; /* of the one before the last rotation */
	uint64_t previous_until;          /* which is valid until then; 0: there is none */
};

enum key_verdict { KEY_VALID, KEY_MISTYPED, KEY_UNKNOWN, KEY_EXPIRED, KEY_REVOKED, KEY_ROTATED };

/* "valid", "mistyped", ... */
const char *key_verdict_name(enum key_verdict v);
/* A sentence for the person who has the problem, and what to do; "" for KEY_VALID. */
const char *key_verdict_text(enum key_verdict v);

/* What an entry is worth by itself: KEY_VALID, KEY_EXPIRED or KEY_REVOKED. */
enum key_verdict key_entry_state(const struct key_entry *e, uint64_t now);
/* May it be used with that provider? Where it may not, nobody gets the provider's secret for it. */
bool key_entry_is_for(const struct key_entry *e, struct bytes provider);

/* One entry as it stands in the file, but for its limits; also for the key holder's answers. */
MUST_USE enum err key_entry_put(const struct key_entry *e, struct buf *out);
/* Copies into the arena; without limits. ERR_BAD, ERR_LIMIT, ERR_NOMEM. */
MUST_USE enum err key_entry_parse(struct cursor *c, struct arena *arena,
				  struct key_entry *ret_entry);
/* What stands behind an entry where keys have limits. */
MUST_USE enum err key_limits_put(const struct limit_values *v, struct buf *out);
/* ERR_BAD; ERR_UNSUPPORTED: a limit of a later version, which cannot be kept here. */
MUST_USE enum err key_limits_parse(struct cursor *c, struct limit_values *ret_values);

/* Texts and names in these formats: a length of 2 bytes, and so many bytes. ERR_LIMIT, ERR_NOMEM;
 * ERR_BAD. */
MUST_USE enum err key_text_put(struct buf *out, struct bytes text);
struct bytes key_text_take(struct cursor *c);
MUST_USE enum err key_text_copy(struct cursor *c, struct arena *arena, size_t max,
				struct bytes *ret);
MUST_USE enum err key_name_copy(struct cursor *c, struct arena *arena, struct bytes *ret);

#endif
