/* SPDX-License-Identifier: MIT */
#include "audit/seal_aes.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/processor.h"

bool seal_aes_is_here(void)
{
	return (processor_can() & PROCESSOR_AES_WIDE) != 0;
}

#if defined(__x86_64__)
#define BLOCK        16
#define LANES        4  /* blocks in a register */
#define STEP         16 /* blocks in a round: four registers hide how long an instruction takes */
#define STEP_BYTES   (STEP * BLOCK)
#define ROUNDS       14
#define INSTRUCTIONS __attribute__((target("avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmul")))

/* All of it is wiped. powers: of the hash key, the highest first, for a message of STEP blocks;
 * nothing behind them, for lanes without a block. */
struct gcm {
	__m512i round_keys[ROUNDS + 1]; /* each four times */
	__m128i powers[STEP + LANES];
	__m512i counter; /* of the next four blocks, the number in the lowest bytes */
	__m128i hash;    /* bytes reversed */
};

/* ---- AES ---- */

/* w, w ^ w << 32, ...: each word of the key is the one before, mixed with an old one. */
INSTRUCTIONS static __m128i spread(__m128i w)
{
	w = _mm_xor_si128(w, _mm_slli_si128(w, 4));
	return _mm_xor_si128(w, _mm_slli_si128(w, 8));
}

/* FIPS 197 5.2. The instruction wants the round's constant in its code; it only adds it, so that it
 * can be added afterwards too. */
INSTRUCTIONS static void expand_key(__m512i *round_keys, const uint8_t *key)
{
	__m128i even = _mm_loadu_si128((const __m128i *)key);
	__m128i odd = _mm_loadu_si128((const __m128i *)(key + BLOCK));
	int constant = 1;

	round_keys[0] = _mm512_broadcast_i32x4(even);
	for (size_t i = 1; i <= ROUNDS; i += 2, constant *= 2) {
		__m128i word = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(odd, 0), 0xff);
		round_keys[i] = _mm512_broadcast_i32x4(odd);
		word = _mm_xor_si128(word, _mm_set1_epi32(constant));
		even = _mm_xor_si128(spread(even), word);
		round_keys[i + 1] = _mm512_broadcast_i32x4(even);
		word = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(even, 0), 0xaa);
		odd = _mm_xor_si128(spread(odd), word);
	}
}

INSTRUCTIONS static __m512i reverse_bytes(__m512i blocks)
{
	const __m128i order = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);

	return _mm512_shuffle_epi8(blocks, _mm512_broadcast_i32x4(order));
}

/* STEP blocks. Named, because a loop over four would be kept as one. */
struct step {
	__m512i a, b, c, d;
};

INSTRUCTIONS static inline __m512i take_counter(struct gcm *g)
{
	__m512i counter = g->counter;

	g->counter = _mm512_add_epi32(counter, _mm512_broadcast_i32x4(_mm_set_epi64x(0, LANES)));
	return _mm512_xor_si512(reverse_bytes(counter), g->round_keys[0]);
}

/* The key stream of the next STEP blocks. */
INSTRUCTIONS static inline struct step make_stream(struct gcm *g)
{
	struct step s;

	s.a = take_counter(g);
	s.b = take_counter(g);
	s.c = take_counter(g);
	s.d = take_counter(g);
	for (int round = 1; round < ROUNDS; round++) {
		__m512i round_key = g->round_keys[round];
		s.a = _mm512_aesenc_epi128(s.a, round_key);
		s.b = _mm512_aesenc_epi128(s.b, round_key);
		s.c = _mm512_aesenc_epi128(s.c, round_key);
		s.d = _mm512_aesenc_epi128(s.d, round_key);
	}
	s.a = _mm512_aesenclast_epi128(s.a, g->round_keys[ROUNDS]);
	s.b = _mm512_aesenclast_epi128(s.b, g->round_keys[ROUNDS]);
	s.c = _mm512_aesenclast_epi128(s.c, g->round_keys[ROUNDS]);
	s.d = _mm512_aesenclast_epi128(s.d, g->round_keys[ROUNDS]);
	return s;
}

/* ---- GHASH (SP 800-38D 6.4) ----
 *
 * The standard's bit 0 is the highest of the first byte. With the bytes reversed, a register holds
 * a polynomial with its bits reversed, and the instruction's product of two is theirs, reversed,
 * but for a factor x, which the hash key gets beforehand. The field is modulo x^128 + x^7 + x^2 + x
 * + 1; reversed, its lowest word is 1 and the one above REDUCER, so that a word L at the lower end
 * goes away by adding L times it: each product loses 128 bits below.
 */

#define REDUCER ((long long)0xc200000000000000)

/* Sums of products, not reduced: of the low words, crosswise, of the high words. */
struct product {
	__m512i low, middle, high;
};

INSTRUCTIONS static inline void add_product(struct product *p, __m512i a, __m512i b)
{
	const __m512i cross = _mm512_clmulepi64_epi128(a, b, 0x01);

	p->low = _mm512_xor_si512(p->low, _mm512_clmulepi64_epi128(a, b, 0x00));
	p->high = _mm512_xor_si512(p->high, _mm512_clmulepi64_epi128(a, b, 0x11));
	p->middle = _mm512_ternarylogic_epi64(p->middle, cross,
					      _mm512_clmulepi64_epi128(a, b, 0x10), 0x96);
}

/* Each lane by itself. */
INSTRUCTIONS static inline __m512i reduce(const struct product *p)
{
	const __m512i reducer = _mm512_set1_epi64(REDUCER);
	__m512i folded = _mm512_clmulepi64_epi128(p->low, reducer, 0x00), middle, high;

	middle = _mm512_ternarylogic_epi64(p->middle, _mm512_shuffle_epi32(p->low, 0x4e), folded,
					   0x96);
	folded = _mm512_clmulepi64_epi128(middle, reducer, 0x00);
	high = _mm512_ternarylogic_epi64(p->high, _mm512_shuffle_epi32(middle, 0x4e), folded, 0x96);
	return high;
}

INSTRUCTIONS static inline __m512i multiply(__m512i a, __m512i b)
{
	struct product p = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};

	add_product(&p, a, b);
	return reduce(&p);
}

INSTRUCTIONS static inline __m128i sum_of_lanes(__m512i lanes)
{
	__m256i half = _mm256_xor_si256(_mm512_castsi512_si256(lanes),
					_mm512_extracti64x4_epi64(lanes, 1));

	return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* Times x: a shift of the reversed bits, with the highest bit folded back. */
INSTRUCTIONS static __m128i times_x(__m128i v)
{
	__m128i carries = _mm_srli_epi64(v, 63), top = _mm_srai_epi32(v, 31);
	__m128i shifted = _mm_or_si128(_mm_slli_epi64(v, 1), _mm_slli_si128(carries, 8));

	top = _mm_shuffle_epi32(top, 0xff);
	return _mm_xor_si128(shifted, _mm_and_si128(top, _mm_set_epi64x(REDUCER, 1)));
}

INSTRUCTIONS static void make_powers(struct gcm *g)
{
	__m512i key, next, all;
	__m128i one;

	g->counter = _mm512_setzero_si512();
	one = times_x(_mm512_castsi512_si128(reverse_bytes(make_stream(g).a)));
	key = _mm512_broadcast_i32x4(one);
	next = multiply(key, key);              /* the second power, everywhere */
	all = _mm512_inserti32x4(next, one, 3); /* ?, ?, 2, 1 */
	all = _mm512_inserti32x4(all, _mm512_castsi512_si128(multiply(next, key)), 1);
	next = multiply(next, next); /* the fourth */
	all = _mm512_inserti32x4(all, _mm512_castsi512_si128(next), 0);
	next = _mm512_broadcast_i32x4(_mm512_castsi512_si128(next));
	for (int i = STEP - LANES; i >= 0; i -= LANES, all = multiply(all, next))
		_mm512_storeu_si512(g->powers + i, all);
	_mm512_storeu_si512(g->powers + STEP, _mm512_setzero_si512());
}

INSTRUCTIONS static inline __m512i power_at(const __m128i *power, size_t i)
{
	return _mm512_loadu_si512(power + i * LANES);
}

/* Hashes `blocks` blocks, STEP at most; what is behind them is zero. */
INSTRUCTIONS static inline void hash(struct gcm *g, const struct step *text, size_t blocks)
{
	const __m128i *power = g->powers + (STEP - blocks);
	__m512i before = _mm512_zextsi128_si512(g->hash), none = _mm512_setzero_si512();
	struct product p = {none, none, none};

	add_product(&p, _mm512_xor_si512(reverse_bytes(text->a), before), power_at(power, 0));
	if (blocks > LANES)
		add_product(&p, reverse_bytes(text->b), power_at(power, 1));
	if (blocks > 2 * LANES)
		add_product(&p, reverse_bytes(text->c), power_at(power, 2));
	if (blocks > 3 * LANES)
		add_product(&p, reverse_bytes(text->d), power_at(power, 3));
	/* Reducing is linear: of the sum of the lanes it is done once. */
	p.low = _mm512_zextsi128_si512(sum_of_lanes(p.low));
	p.middle = _mm512_zextsi128_si512(sum_of_lanes(p.middle));
	p.high = _mm512_zextsi128_si512(sum_of_lanes(p.high));
	g->hash = _mm512_castsi512_si128(reduce(&p));
}

/* ---- messages ---- */

/* Which bytes of the `i`-th register there are. */
static inline __mmask64 mask_of(size_t bytes, size_t i)
{
	size_t before = i * LANES * BLOCK;

	if (bytes >= before + LANES * BLOCK)
		return ~(__mmask64)0;
	return bytes > before ? ((__mmask64)1 << (bytes - before)) - 1 : 0;
}

/* The `i`-th register of `text`; zeros where there is no more of it. */
INSTRUCTIONS static inline __m512i load(struct bytes text, size_t i)
{
	return _mm512_maskz_loadu_epi8(mask_of(text.len, i), text.at + i * LANES * BLOCK);
}

INSTRUCTIONS static void hash_header(struct gcm *g, struct bytes header)
{
	while (header.len) {
		struct bytes piece = bytes_slice(header, 0, STEP_BYTES);
		struct step text = {load(piece, 0), load(piece, 1), load(piece, 2), load(piece, 3)};
		hash(g, &text, (piece.len + BLOCK - 1) / BLOCK);
		header = bytes_from(header, piece.len);
	}
}

/* Four blocks of `plain` with their part of the stream, to `cipher`. */
INSTRUCTIONS static inline __m512i mix(__m512i stream, const uint8_t *plain, uint8_t *cipher)
{
	__m512i text = _mm512_xor_si512(stream, _mm512_loadu_si512(plain));

	_mm512_storeu_si512(cipher, text);
	return text;
}

INSTRUCTIONS static void encrypt_whole(struct gcm *g, const uint8_t *plain, size_t steps,
				       uint8_t *cipher)
{
	for (; steps; steps--, plain += STEP_BYTES, cipher += STEP_BYTES) {
		struct step s = make_stream(g);
		s.a = mix(s.a, plain, cipher);
		s.b = mix(s.b, plain + LANES * BLOCK, cipher + LANES * BLOCK);
		s.c = mix(s.c, plain + 2 * LANES * BLOCK, cipher + 2 * LANES * BLOCK);
		s.d = mix(s.d, plain + 3 * LANES * BLOCK, cipher + 3 * LANES * BLOCK);
		hash(g, &s, STEP);
	}
}

INSTRUCTIONS static inline __m512i mix_rest(__m512i stream, struct bytes plain, size_t i,
					    uint8_t *cipher)
{
	__mmask64 there = mask_of(plain.len, i);
	__m512i text = _mm512_maskz_mov_epi8(there, _mm512_xor_si512(stream, load(plain, i)));

	_mm512_mask_storeu_epi8(cipher + i * LANES * BLOCK, there, text);
	return text;
}

/* Less than STEP blocks, the last one perhaps not full. */
INSTRUCTIONS static void encrypt_rest(struct gcm *g, struct bytes plain, uint8_t *cipher)
{
	struct step s = make_stream(g);

	s.a = mix_rest(s.a, plain, 0, cipher);
	s.b = mix_rest(s.b, plain, 1, cipher);
	s.c = mix_rest(s.c, plain, 2, cipher);
	s.d = mix_rest(s.d, plain, 3, cipher);
	hash(g, &s, (plain.len + BLOCK - 1) / BLOCK);
}

/* The counter's first block is for the tag, the text begins with the second. */
INSTRUCTIONS static __m128i start_counter(struct gcm *g, const uint8_t *iv)
{
	const __m512i from_one = _mm512_set_epi64(0, 4, 0, 3, 0, 2, 0, 1);
	uint8_t block[BLOCK] = {0};
	__m512i first, start;

	memcpy(block, iv, SEAL_AES_IV_BYTES);
	start = reverse_bytes(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)block)));
	start = _mm512_add_epi32(start, from_one);
	g->counter = start;
	first = make_stream(g).a;
	g->counter = _mm512_add_epi32(start, _mm512_broadcast_i32x4(_mm_set_epi64x(0, 1)));
	return _mm512_castsi512_si128(first);
}

INSTRUCTIONS void seal_aes_encrypt(const uint8_t key[SEAL_AES_KEY_BYTES],
				   const uint8_t iv[SEAL_AES_IV_BYTES], struct bytes header,
				   struct bytes plain, uint8_t *ret_cipher,
				   uint8_t ret_tag[SEAL_AES_TAG_BYTES])
{
	size_t whole = plain.len / STEP_BYTES;
	struct bytes rest = bytes_from(plain, whole * STEP_BYTES);
	const struct step lengths = {
		.a = reverse_bytes(_mm512_zextsi128_si512(
			_mm_set_epi64x((long long)(header.len * 8), (long long)(plain.len * 8))))};
	struct gcm g;
	__m128i first;

	g.hash = _mm_setzero_si128();
	expand_key(g.round_keys, key);
	make_powers(&g);
	first = start_counter(&g, iv);
	hash_header(&g, header);
	encrypt_whole(&g, plain.at, whole, ret_cipher);
	if (rest.len)
		encrypt_rest(&g, rest, ret_cipher + whole * STEP_BYTES);
	hash(&g, &lengths, 1);
	first = _mm_xor_si128(
		first, _mm512_castsi512_si128(reverse_bytes(_mm512_zextsi128_si512(g.hash))));
	_mm_storeu_si128((__m128i *)ret_tag, first);
	wipe(&g, sizeof g);
}
#else
void seal_aes_encrypt(const uint8_t key[SEAL_AES_KEY_BYTES], const uint8_t iv[SEAL_AES_IV_BYTES],
		      struct bytes header, struct bytes plain, uint8_t *ret_cipher,
		      uint8_t ret_tag[SEAL_AES_TAG_BYTES])
{
}
#endif
