/* SPDX-License-Identifier: MIT */
#include "wire/aes.h"

#include <string.h>

static const uint8_t sbox[256] = {
	0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab,
	0x76, 0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4,
	0x72, 0xc0, 0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71,
	0xd8, 0x31, 0x15, 0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2,
	0xeb, 0x27, 0xb2, 0x75, 0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6,
	0xb3, 0x29, 0xe3, 0x2f, 0x84, 0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb,
	0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf, 0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45,
	0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8, 0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5,
	0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2, 0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44,
	0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73, 0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a,
	0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb, 0xe0, 0x32, 0x3a, 0x0a, 0x49,
	0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79, 0xe7, 0xc8, 0x37, 0x6d,
	0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08, 0xba, 0x78, 0x25,
	0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a, 0x70, 0x3e,
	0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e, 0xe1,
	0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf,
	0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb,
	0x16,
};

/* Times x in the field of AES (FIPS 197 4.2.1). */
static uint8_t twice(uint8_t v)
{
	return (uint8_t)(v << 1 ^ (v & 0x80 ? 0x1b : 0));
}

static void xor_block(uint8_t *at, const uint8_t *with)
{
	for (int i = 0; i < AES_BLOCK_BYTES; i++)
		at[i] ^= with[i];
}

/* FIPS 197 5.2. */
void aes_init(struct aes *a, const uint8_t *key, size_t key_bytes)
{
	uint8_t *k = a->round_keys, constant = 1;

	a->rounds = key_bytes / 4 + 6;
	memcpy(k, key, key_bytes);
	for (size_t i = key_bytes; i < (a->rounds + 1) * AES_BLOCK_BYTES; i += 4) {
		uint8_t word[4];
		memcpy(word, k + i - 4, 4);
		if (i % key_bytes == 0) {
			uint8_t first = word[0];
			word[0] = sbox[word[1]] ^ constant;
			word[1] = sbox[word[2]];
			word[2] = sbox[word[3]];
			word[3] = sbox[first];
			constant = twice(constant);
		} else if (key_bytes == AES256_KEY_BYTES && i % key_bytes == AES_BLOCK_BYTES) {
			for (size_t j = 0; j < 4; j++)
				word[j] = sbox[word[j]];
		}
		for (size_t j = 0; j < 4; j++)
			k[i + j] = k[i + j - key_bytes] ^ word[j];
	}
}

/* SubBytes and ShiftRows: column c, row r comes from column c + r. */
static void substitute_and_shift(uint8_t s[AES_BLOCK_BYTES])
{
	uint8_t old[AES_BLOCK_BYTES];

	memcpy(old, s, sizeof old);
	for (int c = 0; c < 4; c++)
		for (int r = 0; r < 4; r++)
			s[4 * c + r] = sbox[old[4 * ((c + r) % 4) + r]];
}

static void mix_columns(uint8_t s[AES_BLOCK_BYTES])
{
	for (uint8_t *c = s; c < s + AES_BLOCK_BYTES; c += 4) {
		uint8_t all = c[0] ^ c[1] ^ c[2] ^ c[3], first = c[0];
		c[0] ^= all ^ twice(c[0] ^ c[1]);
		c[1] ^= all ^ twice(c[1] ^ c[2]);
		c[2] ^= all ^ twice(c[2] ^ c[3]);
		c[3] ^= all ^ twice(c[3] ^ first);
	}
}

void aes_encrypt(const struct aes *a, const uint8_t block[AES_BLOCK_BYTES],
		 uint8_t ret_block[AES_BLOCK_BYTES])
{
	uint8_t s[AES_BLOCK_BYTES];

	memcpy(s, block, sizeof s);
	xor_block(s, a->round_keys);
	for (size_t round = 1; round <= a->rounds; round++) {
		substitute_and_shift(s);
		if (round < a->rounds)
			mix_columns(s);
		xor_block(s, a->round_keys + round * AES_BLOCK_BYTES);
	}
	memcpy(ret_block, s, sizeof s);
}

/* ---- GCM */

static uint64_t load(const uint8_t *at)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | at[i];
	return v;
}

static void store(uint8_t *at, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		at[i] = (uint8_t)(v >> (56 - 8 * i));
}

/* The hash times its key (SP 800-38D 6.3): bit 0 is the highest of the first byte. */
static void multiply(struct aes_gcm *g)
{
	uint64_t x[2] = {load(g->hash), load(g->hash + 8)};
	uint64_t v[2] = {g->hash_key[0], g->hash_key[1]}, z[2] = {0, 0};

	for (int i = 0; i < 128; i++) {
		/* masks, not branches: nobody could predict them */
		uint64_t bit = 0 - (x[i / 64] >> (63 - i % 64) & 1);
		uint64_t carry = (0 - (v[1] & 1)) & (uint64_t)0xe1 << 56;
		z[0] ^= v[0] & bit;
		z[1] ^= v[1] & bit;
		v[1] = v[1] >> 1 | v[0] << 63;
		v[0] = v[0] >> 1 ^ carry;
	}
	store(g->hash, z[0]);
	store(g->hash + 8, z[1]);
}

/* `*total` bytes of this kind were put before; a last block that is not full waits for more. */
static void put(struct aes_gcm *g, struct bytes data, uint64_t *total)
{
	for (size_t i = 0; i < data.len; i++) {
		g->hash[*total % AES_BLOCK_BYTES] ^= data.at[i];
		if (++*total % AES_BLOCK_BYTES == 0)
			multiply(g);
	}
}

/* Header and cipher text are filled up with zeros to whole blocks. */
static void end_block(struct aes_gcm *g, uint64_t total)
{
	if (total % AES_BLOCK_BYTES)
		multiply(g);
}

/* Block number 1 of the counter is for the tag, the text begins with 2. */
static void encrypt_counter(const struct aes_gcm *g, uint32_t counter, uint8_t *ret_block)
{
	uint8_t block[AES_BLOCK_BYTES];

	memcpy(block, g->iv, AES_IV_BYTES);
	for (int i = 0; i < 4; i++)
		block[AES_IV_BYTES + i] = (uint8_t)(counter >> (24 - 8 * i));
	aes_encrypt(&g->aes, block, ret_block);
}

void aes_gcm_init(struct aes_gcm *g, const uint8_t *key, size_t key_bytes,
		  const uint8_t iv[AES_IV_BYTES])
{
	uint8_t zeros[AES_BLOCK_BYTES] = {0};

	*g = (struct aes_gcm){0};
	aes_init(&g->aes, key, key_bytes);
	memcpy(g->iv, iv, AES_IV_BYTES);
	aes_encrypt(&g->aes, zeros, zeros);
	g->hash_key[0] = load(zeros);
	g->hash_key[1] = load(zeros + 8);
}

void aes_gcm_put_header(struct aes_gcm *g, struct bytes header)
{
	put(g, header, &g->header_bytes);
}

void aes_gcm_put_cipher(struct aes_gcm *g, struct bytes cipher)
{
	if (g->cipher_bytes == 0 && cipher.len)
		end_block(g, g->header_bytes);
	put(g, cipher, &g->cipher_bytes);
}

void aes_gcm_end(struct aes_gcm *g, uint8_t ret_tag[AES_BLOCK_BYTES])
{
	uint8_t lengths[AES_BLOCK_BYTES];

	end_block(g, g->cipher_bytes ? g->cipher_bytes : g->header_bytes);
	store(lengths, g->header_bytes * 8);
	store(lengths + 8, g->cipher_bytes * 8);
	xor_block(g->hash, lengths);
	multiply(g);
	encrypt_counter(g, 1, ret_tag);
	xor_block(ret_tag, g->hash);
}

void aes_gcm_key_block(const struct aes_gcm *g, uint32_t index, uint8_t ret_block[AES_BLOCK_BYTES])
{
	encrypt_counter(g, index + 2, ret_block);
}
