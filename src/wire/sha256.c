/* SPDX-License-Identifier: MIT */
#include "wire/sha256.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/processor.h"

#define LENGTH_BYTES 8 /* at the end of the last block: how long the message was, in bits */

static const uint32_t constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2};

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static uint32_t load(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void store(uint8_t *at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* FIPS 180-4 6.2.2; the letters are the standard's. */
static void take_block(uint32_t state[8], const uint8_t *block)
{
	uint32_t w[64], v[8];

	for (int t = 0; t < 16; t++)
		w[t] = load(block + 4 * t);
	for (int t = 16; t < 64; t++) {
		uint32_t x = w[t - 15], y = w[t - 2];
		w[t] = w[t - 16] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) + w[t - 7] +
		       (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
	}
	memcpy(v, state, sizeof v);
	for (int t = 0; t < 64; t++) {
		uint32_t a = v[0], b = v[1], c = v[2], e = v[4], f = v[5], g = v[6];
		uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
			      ((e & f) ^ (~e & g)) + constants[t] + w[t];
		uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
			      ((a & b) ^ (a & c) ^ (b & c));
		memmove(v + 1, v, 7 * sizeof v[0]);
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		state[i] += v[i];
}

/* ---- with the processor's instructions (Intel SDM 2B, "SHA256RNDS2" and its neighbours) ---- */

#if defined(__x86_64__)
#define INSTRUCTIONS __attribute__((target("sha,sse4.1,ssse3")))

/* The next four words of the schedule, from the sixteen before. */
INSTRUCTIONS static __m128i next_words(__m128i w0, __m128i w4, __m128i w8, __m128i w12)
{
	__m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w4), _mm_alignr_epi8(w12, w8, 4));

	return _mm_sha256msg2_epu32(sum, w12);
}

/* abef and cdgh: the working variables, in the order in which the instructions want them. */
INSTRUCTIONS static void four_rounds(__m128i *abef, __m128i *cdgh, __m128i words,
				     const uint32_t *constant)
{
	__m128i wk = _mm_add_epi32(words, _mm_loadu_si128((const __m128i *)constant));

	*cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, wk);
	*abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

INSTRUCTIONS static __m128i load_words(const uint8_t *at)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

	return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)at), swap);
}

INSTRUCTIONS static void take_blocks_fast(uint32_t state[8], const uint8_t *at, size_t count)
{
	__m128i dcba = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
	__m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
	__m128i abef = _mm_alignr_epi8(dcba, hgfe, 8), cdgh = _mm_blend_epi16(hgfe, dcba, 0xf0);

	for (; count; count--, at += SHA256_BLOCK_BYTES) {
		__m128i abef_before = abef, cdgh_before = cdgh;
		__m128i w0 = load_words(at), w4 = load_words(at + 16);
		__m128i w8 = load_words(at + 32), w12 = load_words(at + 48);
		four_rounds(&abef, &cdgh, w0, constants);
		four_rounds(&abef, &cdgh, w4, constants + 4);
		four_rounds(&abef, &cdgh, w8, constants + 8);
		four_rounds(&abef, &cdgh, w12, constants + 12);
		for (size_t t = 16; t < 64; t += 16) {
			w0 = next_words(w0, w4, w8, w12);
			four_rounds(&abef, &cdgh, w0, constants + t);
			w4 = next_words(w4, w8, w12, w0);
			four_rounds(&abef, &cdgh, w4, constants + t + 4);
			w8 = next_words(w8, w12, w0, w4);
			four_rounds(&abef, &cdgh, w8, constants + t + 8);
			w12 = next_words(w12, w0, w4, w8);
			four_rounds(&abef, &cdgh, w12, constants + t + 12);
		}
		abef = _mm_add_epi32(abef, abef_before);
		cdgh = _mm_add_epi32(cdgh, cdgh_before);
	}
	dcba = _mm_shuffle_epi32(abef, 0x1b); /* its name is what it becomes below */
	hgfe = _mm_shuffle_epi32(cdgh, 0xb1);
	_mm_storeu_si128((__m128i *)state, _mm_blend_epi16(dcba, hgfe, 0xf0));
	_mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(hgfe, dcba, 8));
}
#else
static void take_blocks_fast(uint32_t state[8], const uint8_t *at, size_t count)
{
}
#endif

bool sha256_is_fast(void)
{
	return (processor_can() & PROCESSOR_SHA) != 0;
}

static void take_blocks(struct sha256 *s, const uint8_t *at, size_t count)
{
	if (sha256_is_fast() && !s->plain)
		take_blocks_fast(s->state, at, count);
	else
		for (; count; count--, at += SHA256_BLOCK_BYTES)
			take_block(s->state, at);
}

void sha256_init(struct sha256 *s)
{
	*s = (struct sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
				       0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void sha256_put(struct sha256 *s, struct bytes data)
{
	size_t used = s->total_bytes % SHA256_BLOCK_BYTES, whole;

	s->total_bytes += data.len;
	if (used) {
		struct bytes piece = bytes_slice(data, 0, SHA256_BLOCK_BYTES - used);
		if (piece.len)
			memcpy(s->block + used, piece.at, piece.len);
		data = bytes_from(data, piece.len);
		if (used + piece.len < SHA256_BLOCK_BYTES)
			return;
		take_blocks(s, s->block, 1);
	}
	whole = data.len / SHA256_BLOCK_BYTES;
	take_blocks(s, data.at, whole);
	data = bytes_from(data, whole * SHA256_BLOCK_BYTES);
	if (data.len)
		memcpy(s->block, data.at, data.len);
}

void sha256_end(struct sha256 *s, uint8_t ret_digest[SHA256_BYTES])
{
	static const uint8_t padding[SHA256_BLOCK_BYTES] = {0x80};
	uint64_t bits = s->total_bytes * 8;
	uint8_t length[LENGTH_BYTES];
	/* as many that the length ends a block */
	size_t behind = (s->total_bytes + LENGTH_BYTES) % SHA256_BLOCK_BYTES;

	store(length, (uint32_t)(bits >> 32));
	store(length + 4, (uint32_t)bits);
	sha256_put(s, bytes_of(padding, SHA256_BLOCK_BYTES - behind));
	sha256_put(s, bytes_of(length, sizeof length));
	for (int i = 0; i < 8; i++)
		store(ret_digest + 4 * i, s->state[i]);
}

/* One of HMAC's two hashes: of the key, mixed with a constant, and the data. */
static void hash_keyed(struct bytes key, uint8_t constant, struct bytes data,
		       uint8_t ret_digest[SHA256_BYTES])
{
	uint8_t pad[SHA256_BLOCK_BYTES];
	struct sha256 s;

	for (size_t i = 0; i < sizeof pad; i++)
		pad[i] = (i < key.len ? key.at[i] : 0) ^ constant;
	sha256_init(&s);
	sha256_put(&s, bytes_of(pad, sizeof pad));
	sha256_put(&s, data);
	sha256_end(&s, ret_digest);
}

void sha256_hmac(struct bytes key, struct bytes data, uint8_t ret_tag[SHA256_BYTES])
{
	uint8_t inner[SHA256_BYTES];

	hash_keyed(key, 0x36, data, inner);
	hash_keyed(key, 0x5c, bytes_of(inner, sizeof inner), ret_tag);
}
