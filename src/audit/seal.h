/* SPDX-License-Identifier: MIT
 *
 * seal: the only door to libsodium: recipients and their keys, the sealed segment secret, the
 * ratchet, record encryption, digests. Formats: docs/audit-format.md.
 *
 * Pure but for seal_init (CPU detection), seal_new_identity and seal_box (kernel randomness).
 * Secrets are wiped by the functions that consume them, as said at each. Thread-safe.
 */
#ifndef AIGW_AUDIT_SEAL_H
#define AIGW_AUDIT_SEAL_H

#include "base/bytes.h"
#include "wire/sha256.h"

#define SEAL_KEY_BYTES       32
#define SEAL_TAG_BYTES       16
#define SEAL_NONCE_BYTES     24
#define SEAL_DIGEST_BYTES    32
#define SEAL_KEY_ID_BYTES    8
#define SEAL_BOX_BYTES       (SEAL_KEY_BYTES + 48) /* crypto_box_seal of a 32-byte secret */
#define RECIPIENT_CHARS_MAX  90                    /* "aigw1..." with its NUL */
#define IDENTITY_CHARS_MAX   100                   /* "AIGW-SECRET-KEY-1..." with its NUL */
#define SIGNER_CHARS_MAX     100                   /* "AIGW-SIGN-KEY-1...", "aigw-sign1...", NUL */
#define SEAL_SIGNATURE_BYTES 64                    /* Ed25519 (RFC 8032) */

/* Must succeed once before anything else here; thread-safe, idempotent. Never calls a function
 * that the shim hooks, never opens a file. ERR_IO: the kernel gives no randomness. */
MUST_USE enum err seal_init(void);

struct recipient {
	uint8_t public_key[SEAL_KEY_BYTES];
	uint8_t key_id[SEAL_KEY_ID_BYTES]; /* first bytes of the digest of the public key */
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
/* ERR_IO: the kernel gives no randomness. */
MUST_USE enum err seal_new_identity(struct identity *ret_identity);
/* The recipient of a public key. ERR_BAD: a point of small order, to which nothing can be sealed.
 */
MUST_USE enum err seal_make_recipient(const uint8_t public_key[SEAL_KEY_BYTES],
				      struct recipient *ret_recipient);

/* Who signs what leaves this host: an Ed25519 key, made from a 32-byte seed. */
struct signer {
	uint8_t secret_key[2 * SEAL_KEY_BYTES]; /* seed and public key, as libsodium has it */
	uint8_t public_key[SEAL_KEY_BYTES];
};

/* ERR_IO: the kernel gives no randomness. */
MUST_USE enum err seal_new_signer(struct signer *ret_signer);
/* The signer that this seed is. */
void seal_make_signer(const uint8_t seed[SEAL_KEY_BYTES], struct signer *ret_signer);
/* "AIGW-SIGN-KEY-1..." (the seed) and "aigw-sign1..." (the public key): bech32 as above. ERR_BAD:
 * mistyped or not one. */
MUST_USE enum err seal_parse_signer(struct bytes text, struct signer *ret_signer);
void seal_put_signer(const struct signer *s, char ret_text[SIGNER_CHARS_MAX]);
MUST_USE enum err seal_parse_signer_public(struct bytes text, uint8_t ret_key[SEAL_KEY_BYTES]);
void seal_put_signer_public(const uint8_t key[SEAL_KEY_BYTES], char ret_text[SIGNER_CHARS_MAX]);
#define SEAL_SIGNED_SMALL 512 /* label and content: up to here no memory is needed */
/* Signs label and content, one after the other: a signature made under one label is none under
 * another, when no label begins another. ERR_NOMEM, never when small. */
MUST_USE enum err seal_sign(const struct signer *s, struct bytes label, struct bytes content,
			    uint8_t ret_signature[SEAL_SIGNATURE_BYTES]);
/* ERR_SEAL: not the signature of that key over label and content. ERR_NOMEM, never when small. */
MUST_USE enum err seal_check_signature(const uint8_t key[SEAL_KEY_BYTES], struct bytes label,
				       struct bytes content,
				       const uint8_t signature[SEAL_SIGNATURE_BYTES]);

/* An identity under a passphrase, as one line of text for a key file:
 *     AIGW-LOCKED-KEY-1 RECIPIENT argon2id PASSES MEMORY_KIB SALT NONCE BOX
 * (the last three in hex): Argon2id (RFC 9106) of the passphrase and the salt is the key of an
 * XChaCha20-Poly1305 box around the 32 secret bytes; the associated data is the line before BOX. */
#define SEAL_LOCKED_CHARS_MAX 400
#define SEAL_PASSPHRASE_MAX   1024
#define SEAL_PASSES_MAX       16
#define SEAL_MEMORY_KIB_MAX   (1u << 20)
#define SEAL_MEMORY_KIB_MIN   8
#define SEAL_PASSES_USUAL     3
#define SEAL_MEMORY_KIB_USUAL (256u << 10) /* 0.7 s on an ordinary core */

/* ERR_LIMIT: an empty or too long passphrase, passes or memory out of bounds; ERR_IO: no
 * randomness; ERR_NOMEM: not that much memory. */
MUST_USE enum err seal_lock_identity(const struct identity *i, struct bytes passphrase,
				     uint32_t passes, uint32_t memory_kib,
				     char ret_text[SEAL_LOCKED_CHARS_MAX]);
/* The recipient of such a line, which anybody may know. ERR_BAD: no such line; ERR_UNSUPPORTED: of
 * a newer kind; ERR_LIMIT: it asks for more work than SEAL_PASSES_MAX and SEAL_MEMORY_KIB_MAX. */
MUST_USE enum err seal_parse_locked(struct bytes text, struct recipient *ret_recipient);
/* Also ERR_SEAL: not the passphrase, or changed; ERR_NOMEM. */
MUST_USE enum err seal_unlock_identity(struct bytes text, struct bytes passphrase,
				       struct identity *ret_identity);

/* Digests used outside the audit floor too. */
void seal_sha256(struct bytes data, uint8_t ret_digest[32]);
struct seal_sha256_state {
	union {
		struct sha256 ours;
		uint64_t libsodiums[16];
	};
};
void seal_sha256_init(struct seal_sha256_state *s);
void seal_sha256_feed(struct seal_sha256_state *s, struct bytes data);
/* Wipes the state. */
void seal_sha256_end(struct seal_sha256_state *s, uint8_t ret_digest[32]);
/* Keyed digest for fingerprints of credentials: BLAKE2b-256(key, data). */
void seal_keyed_digest(const uint8_t key[32], struct bytes data, uint8_t ret_digest[32]);

/* ---- for the audit floor ---- */

/* BLAKE2b-256 of `count` parts one after the other, under `key` or without one (NULL). */
void seal_digest(const uint8_t *key, const struct bytes *parts, size_t count,
		 uint8_t ret_digest[SEAL_DIGEST_BYTES]);
/* The same in pieces, without a key. Copyable: a copy goes on by itself. */
struct seal_digest_state {
	uint8_t opaque[384];
};
void seal_digest_init(struct seal_digest_state *s);
void seal_digest_feed(struct seal_digest_state *s, struct bytes data);
/* Leaves the state usable: more can be fed. */
void seal_digest_end(const struct seal_digest_state *s, uint8_t ret_digest[SEAL_DIGEST_BYTES]);
/* HMAC-SHA-256 (RFC 2104) of the parts one after the other, for those who know no BLAKE2b; the key
 * has any length. */
void seal_hmac_sha256(struct bytes key, const struct bytes *parts, size_t count,
		      uint8_t ret_tag[32]);
/* In time that does not depend on the content. */
bool seal_equal(const uint8_t a[32], const uint8_t b[32]);

/* A secret for one recipient (the bytes of crypto_box_seal). ERR_IO: no randomness; ERR_BAD: the
 * recipient's key is none. */
MUST_USE enum err seal_box(const struct recipient *r, const uint8_t secret[SEAL_KEY_BYTES],
			   uint8_t ret_box[SEAL_BOX_BYTES]);
/* ERR_SEAL: sealed to somebody else, or changed. */
MUST_USE enum err seal_open_box(const struct identity *i, const uint8_t box[SEAL_BOX_BYTES],
				uint8_t ret_secret[SEAL_KEY_BYTES]);

/* One step of the ratchet: BLAKE2b-512(key, label) is the key for one use, then the next `key`.
 * In and out may be the same array; the caller wipes. */
void seal_step(const uint8_t key[SEAL_KEY_BYTES], struct bytes label,
	       uint8_t ret_once[SEAL_KEY_BYTES], uint8_t ret_next[SEAL_KEY_BYTES]);

/* XChaCha20-Poly1305 (IETF), or AES-256-GCM (NIST SP 800-38D) with the last 12 bytes of the nonce;
 * the numbers are those of a segment's header. The two of AES differ in the digest that goes with
 * them (audit/file_digest). */
enum seal_cipher { SEAL_XCHACHA20_POLY1305 = 1, SEAL_AES_256_GCM = 2, SEAL_AES_256_GCM_TREE = 3 };
/* The one that costs least on this processor: AES-256-GCM where it has instructions for that. Ready
 * after seal_init. */
enum seal_cipher seal_best_cipher(void);
/* ret_cipher has plain.len bytes; the two may not overlap. AES-256-GCM only where one of
 * the two is the best. */
void seal_encrypt(enum seal_cipher cipher, const uint8_t key[SEAL_KEY_BYTES],
		  const uint8_t nonce[SEAL_NONCE_BYTES], struct bytes associated,
		  struct bytes plain, uint8_t *ret_cipher, uint8_t ret_tag[SEAL_TAG_BYTES]);
/* ERR_SEAL: changed bytes or another key; ret_plain (cipher.len bytes) is then zeros. */
MUST_USE enum err seal_decrypt(enum seal_cipher with, const uint8_t key[SEAL_KEY_BYTES],
			       const uint8_t nonce[SEAL_NONCE_BYTES], struct bytes associated,
			       struct bytes cipher, const uint8_t tag[SEAL_TAG_BYTES],
			       uint8_t *ret_plain);
/* The same on a processor without instructions for AES: slow. seal_decrypt calls it by itself. */
MUST_USE enum err seal_decrypt_plainly(const uint8_t key[SEAL_KEY_BYTES],
				       const uint8_t nonce[SEAL_NONCE_BYTES],
				       struct bytes associated, struct bytes cipher,
				       const uint8_t tag[SEAL_TAG_BYTES], uint8_t *ret_plain);

#endif
