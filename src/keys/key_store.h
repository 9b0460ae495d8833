/* SPDX-License-Identifier: MIT
 *
 * key_store: the gateway keys and the providers' secrets of one user or host, as one file. Keys
 * stand there as keyed hashes, secrets are encrypted, and the whole is authenticated: all under the
 * host key, 32 random bytes in a file of their own (keys/key_file). Format: docs/keys.md.
 *
 * Pure but for the nonce of a secret that is put. A parsed store never changes, so any number of
 * threads may read it. Times are whole seconds since 1970 (UTC).
 */
#ifndef AIGW_KEYS_KEY_STORE_H
#define AIGW_KEYS_KEY_STORE_H

#include "keys/key_entry.h"

#define KEY_STORE_BYTES_MAX  (8u << 20)
#define KEY_STORE_KEYS_MAX   4096
#define KEY_STORE_SECRETS    1024 /* at most */
#define KEY_SECRET_BYTES_MAX 4096 /* of a provider's secret */

#define KEY_NONCE_BYTES 24
#define KEY_TAG_BYTES   16

/* What is derived from the host key. A secret: wiped by whoever holds it. */
struct key_host {
	uint8_t hash[32], secret[32], file[32];
};

void key_host_derive(const uint8_t master[32], struct key_host *ret_host);

struct key_secret {
	struct bytes provider;
	struct bytes environment; /* empty: for those that have none of their own */
	uint64_t created;
	uint8_t nonce[KEY_NONCE_BYTES], tag[KEY_TAG_BYTES];
	struct bytes cipher; /* as long as the secret */
};

struct key_store {
	uint64_t generation; /* counts the times it was written */
	size_t key_count, secret_count;
	const struct key_entry *keys;
	const struct key_secret *secrets;
	/* private; of a parsed store */
	struct arena arena;
	uint16_t *slots; /* which key a hash is of: see key_store_judge */
	size_t slot_count;
};

/* *ret_store is the caller's (key_store_free). ERR_BAD: no store, or one that says what no store
 * does; ERR_SEAL: changed, or made under another host key; ERR_UNSUPPORTED: of a later version;
 * ERR_LIMIT, ERR_NOMEM. */
MUST_USE enum err key_store_parse(struct bytes file, const struct key_host *host,
				  struct key_store **ret_store);
void key_store_free(struct key_store *s); /* NULL is fine */

/* Appends the file of a store, whoever made its arrays. ERR_LIMIT, ERR_BAD (it would not parse),
 * ERR_NOMEM. */
MUST_USE enum err key_store_put(const struct key_store *s, const struct key_host *host,
				struct buf *ret_file);

/* Is that the text of a key that may be used now? *ret_entry is the one it is or was; NULL with
 * KEY_MISTYPED and KEY_UNKNOWN. `s` was parsed; it may be NULL: there are none. */
enum key_verdict key_store_judge(const struct key_store *s, const struct key_host *host,
				 struct bytes text, uint64_t now,
				 const struct key_entry **ret_entry);
/* The first of that name; NULL: none. */
const struct key_entry *key_store_find(const struct key_store *s, struct bytes name);
/* The provider's secret for an environment: its own, else the one for all. NULL: none. */
const struct key_secret *key_store_secret(const struct key_store *s, struct bytes provider,
					  struct bytes environment);

void key_hash(const struct key_host *host, struct bytes text, uint8_t ret_hash[KEY_HASH_BYTES]);

/* Decrypts to ret_plain (s->cipher.len bytes). ERR_SEAL. */
MUST_USE enum err key_secret_open(const struct key_secret *s, const struct key_host *host,
				  uint8_t *ret_plain);
/* Encrypts; provider and environment are set already, ret_cipher has room for plain.len bytes and
 * is borrowed by *s. ERR_LIMIT: empty or too long; ERR_BAD: a byte that cannot stand in a header
 * (RFC 9110 5.5: visible ASCII only here); ERR_IO: no randomness. */
MUST_USE enum err key_secret_seal(struct key_secret *s, const struct key_host *host,
				  struct bytes plain, uint8_t *ret_cipher);

#endif
