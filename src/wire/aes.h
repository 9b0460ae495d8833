/* SPDX-License-Identifier: MIT
 *
 * aes: AES-128 and AES-256 in the forward direction (FIPS 197) and GCM (NIST SP 800-38D) on them:
 * to open QUIC packets whose keys anybody can derive (wire/quic_initial), and to read the log on a
 * processor without instructions for AES (audit/seal), which has a key of its own for each record.
 *
 * Plain and small: its time depends on its input. It seals nothing and must not. Pure, no
 * allocation, no table but the S-box.
 */
#ifndef AIGW_WIRE_AES_H
#define AIGW_WIRE_AES_H

#include "base/bytes.h"

#define AES_BLOCK_BYTES  16 /* of a block, a tag */
#define AES_IV_BYTES     12
#define AES128_KEY_BYTES 16
#define AES256_KEY_BYTES 32
#define AES_ROUNDS_MAX   14

struct aes {
	uint8_t round_keys[(AES_ROUNDS_MAX + 1) * AES_BLOCK_BYTES];
	size_t rounds;
};

/* key_bytes: AES128_KEY_BYTES or AES256_KEY_BYTES. */
void aes_init(struct aes *a, const uint8_t *key, size_t key_bytes);
/* One block. The two may be the same memory. */
void aes_encrypt(const struct aes *a, const uint8_t block[AES_BLOCK_BYTES],
		 uint8_t ret_block[AES_BLOCK_BYTES]);

/* A message that is checked first and decrypted afterwards, so that no room for its text is needed:
 * init, put_header, put_cipher, end; then the blocks of its key stream in any order. */
struct aes_gcm {
	struct aes aes;
	uint8_t iv[AES_IV_BYTES];
	uint64_t hash_key[2]; /* big-endian halves */
	uint8_t hash[AES_BLOCK_BYTES];
	uint64_t header_bytes, cipher_bytes;
};

void aes_gcm_init(struct aes_gcm *g, const uint8_t *key, size_t key_bytes,
		  const uint8_t iv[AES_IV_BYTES]);
/* The bytes that are authenticated only, all before the first cipher text; in any pieces. */
void aes_gcm_put_header(struct aes_gcm *g, struct bytes header);
void aes_gcm_put_cipher(struct aes_gcm *g, struct bytes cipher);
/* The tag that the message has when it is as its sender made it. No puts after it. */
void aes_gcm_end(struct aes_gcm *g, uint8_t ret_tag[AES_BLOCK_BYTES]);
/* What to xor to the `index`-th block of cipher text (from 0) to read it. */
void aes_gcm_key_block(const struct aes_gcm *g, uint32_t index, uint8_t ret_block[AES_BLOCK_BYTES]);

#endif
