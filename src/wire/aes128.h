/* SPDX-License-Identifier: MIT
 *
 * aes128: AES-128 in the forward direction (FIPS 197) and GCM (NIST SP 800-38D) on it, to open QUIC
 * packets whose keys anybody can derive (wire/quic_initial).
 *
 * Plain and small: its time depends on its input, it guards no secret and must not. Pure, no
 * allocation, no table but the S-box.
 */
#ifndef AIGW_WIRE_AES128_H
#define AIGW_WIRE_AES128_H

#include "base/bytes.h"

#define AES128_BYTES    16 /* of a key, a block, a tag */
#define AES128_IV_BYTES 12

struct aes128 {
	uint8_t round_keys[11 * AES128_BYTES];
};

void aes128_init(struct aes128 *a, const uint8_t key[AES128_BYTES]);
/* One block. The two may be the same memory. */
void aes128_encrypt(const struct aes128 *a, const uint8_t block[AES128_BYTES],
		    uint8_t ret_block[AES128_BYTES]);

/* A message that is checked first and decrypted afterwards, so that no room for its text is needed:
 * init, put_header, put_cipher, end; then the blocks of its key stream in any order. */
struct aes128_gcm {
	struct aes128 aes;
	uint8_t iv[AES128_IV_BYTES];
	uint64_t hash_key[2]; /* big-endian halves */
	uint8_t hash[AES128_BYTES];
	uint64_t header_bytes, cipher_bytes;
};

void aes128_gcm_init(struct aes128_gcm *g, const uint8_t key[AES128_BYTES],
		     const uint8_t iv[AES128_IV_BYTES]);
/* The bytes that are authenticated only, all before the first cipher text; in any pieces. */
void aes128_gcm_put_header(struct aes128_gcm *g, struct bytes header);
void aes128_gcm_put_cipher(struct aes128_gcm *g, struct bytes cipher);
/* The tag that the message has when it is as its sender made it. No puts after it. */
void aes128_gcm_end(struct aes128_gcm *g, uint8_t ret_tag[AES128_BYTES]);
/* What to xor to the `index`-th block of cipher text (from 0) to read it. */
void aes128_gcm_key_block(const struct aes128_gcm *g, uint32_t index,
			  uint8_t ret_block[AES128_BYTES]);

#endif
