/* SPDX-License-Identifier: MIT
 *
 * seal: the only door to libsodium: recipients and their keys, the sealed segment secret, the
 * ratchet, record encryption, digests. Formats: docs/audit-format.md.
 *
 * Pure but for seal_init (CPU detection) and seal_new_identity/segment secrets (kernel randomness).
 * Secrets are wiped by the functions that consume them, as said at each.
 */
#ifndef AIGW_AUDIT_SEAL_H
#define AIGW_AUDIT_SEAL_H

#include "base/bytes.h"

#define SEAL_KEY_BYTES       32
#define SEAL_TAG_BYTES       16
#define SEAL_NONCE_BYTES     24
#define SEAL_DIGEST_BYTES    32
#define SEAL_BOX_BYTES       (SEAL_KEY_BYTES + 48) /* crypto_box_seal of a 32-byte secret */
#define RECIPIENT_CHARS_MAX  90                    /* "aigw1..." with its NUL */
#define IDENTITY_CHARS_MAX   100                   /* "AIGW-SECRET-KEY-1..." with its NUL */

/* Must succeed once before anything else here; thread-safe, idempotent. Never calls a function
 * that the shim hooks, never opens a file. */
MUST_USE enum err seal_init(void);

struct recipient {
	uint8_t public_key[SEAL_KEY_BYTES];
	uint8_t key_id[8]; /* first bytes of the digest of the public key */
};

struct identity { /* an auditor's secret key */
	uint8_t secret_key[SEAL_KEY_BYTES];
	struct recipient recipient;
};

/* "aigw1..." (bech32, BIP 173 checksum) to a key and back. ERR_BAD: mistyped or not one. */
MUST_USE enum err seal_parse_recipient(struct bytes text, struct recipient *ret_recipient);
void seal_put_recipient(const struct recipient *r, char ret_text[RECIPIENT_CHARS_MAX]);
/* "AIGW-SECRET-KEY-1..." likewise. */
MUST_USE enum err seal_parse_identity(struct bytes text, struct identity *ret_identity);
void seal_put_identity(const struct identity *i, char ret_text[IDENTITY_CHARS_MAX]);
MUST_USE enum err seal_new_identity(struct identity *ret_identity);

/* Digests used outside the audit floor too. */
void seal_sha256(struct bytes data, uint8_t ret_digest[32]);
struct seal_sha256_state { uint8_t opaque[128]; };
void seal_sha256_init(struct seal_sha256_state *s);
void seal_sha256_feed(struct seal_sha256_state *s, struct bytes data);
void seal_sha256_end(struct seal_sha256_state *s, uint8_t ret_digest[32]);
/* Keyed digest for fingerprints of credentials: BLAKE2b-256(key, data). */
void seal_keyed_digest(const uint8_t key[32], struct bytes data, uint8_t ret_digest[32]);

#endif
