/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "audit/tree_constants.h"
#include "base/processor.h"

#define BLOCKS     (TREE_DIGEST_LEAF_BYTES / TREE_DIGEST_BLOCK)
#define LANES_AVX2 4
#define LANES_512  8

#if defined(__x86_64__)
#include <immintrin.h>

/* ---- eight leaves ---- */

typedef uint64_t words_512 __attribute__((vector_size(64)));

#define NAME(x)             x##_512
#define WORD                words_512
#define INSTRUCTIONS        __attribute__((target("avx512f")))
#define ROTATE(word, count) ((words_512)_mm512_ror_epi64((__m512i)(word), count))
#include "audit/tree_round.def"

/* Written out, because a loop that is not unrolled would keep all of it in memory. */
#define EACH_512 static inline INSTRUCTIONS __attribute__((always_inline))

/* Of two leaves, one behind the other: words 0 2 4 6 of both, side by side, and words 1 3 5 7. */
EACH_512 void pair_512(const uint8_t *at, __m512i *ret_even, __m512i *ret_odd)
{
	__m512i a = _mm512_loadu_si512(at), b = _mm512_loadu_si512(at + TREE_DIGEST_LEAF_BYTES);

	*ret_even = _mm512_unpacklo_epi64(a, b);
	*ret_odd = _mm512_unpackhi_epi64(a, b);
}

/* From four pairs, every second word of all eight leaves: into ret_words[0], [2], [4] and [6]. */
EACH_512 void join_512(__m512i a, __m512i b, __m512i c, __m512i d, words_512 *ret_words)
{
	__m512i first = _mm512_shuffle_i64x2(a, b, 0x88), later = _mm512_shuffle_i64x2(c, d, 0x88);
	__m512i second = _mm512_shuffle_i64x2(a, b, 0xdd), last = _mm512_shuffle_i64x2(c, d, 0xdd);

	ret_words[0] = (words_512)_mm512_shuffle_i64x2(first, later, 0x88);
	ret_words[2] = (words_512)_mm512_shuffle_i64x2(second, last, 0x88);
	ret_words[4] = (words_512)_mm512_shuffle_i64x2(first, later, 0xdd);
	ret_words[6] = (words_512)_mm512_shuffle_i64x2(second, last, 0xdd);
}

/* Eight words of each leaf; ret_words[i]: word i of all. */
EACH_512 void turn_512(const uint8_t *at, words_512 ret_words[8])
{
	__m512i even[4], odd[4];

	pair_512(at, &even[0], &odd[0]);
	pair_512(at + 2 * TREE_DIGEST_LEAF_BYTES, &even[1], &odd[1]);
	pair_512(at + 4 * TREE_DIGEST_LEAF_BYTES, &even[2], &odd[2]);
	pair_512(at + 6 * TREE_DIGEST_LEAF_BYTES, &even[3], &odd[3]);
	join_512(even[0], even[1], even[2], even[3], ret_words);
	join_512(odd[0], odd[1], odd[2], odd[3], ret_words + 1);
}

INSTRUCTIONS static void take_512(const uint8_t *leaves, uint64_t number, uint8_t *ret_digests)
{
	const words_512 lane = {0, 1, 2, 3, 4, 5, 6, 7};
	words_512 h[8], m[16];

	begin_512(h, lane + number, 0);
	for (size_t i = 0; i < BLOCKS; i++) {
		turn_512(leaves + i * TREE_DIGEST_BLOCK, m);
		turn_512(leaves + i * TREE_DIGEST_BLOCK + TREE_DIGEST_BLOCK / 2, m + 8);
		compress_512(h, m, (i + 1) * TREE_DIGEST_BLOCK, i + 1 == BLOCKS ? UINT64_MAX : 0,
			     0);
	}
	give_512(h, ret_digests);
}

/* ---- four leaves ---- */

#undef INSTRUCTIONS

typedef uint64_t words_avx2 __attribute__((vector_size(32)));

#define NAME(x)      x##_avx2
#define WORD         words_avx2
#define INSTRUCTIONS __attribute__((target("avx2")))
#define ROTATE(word, count)                                                                        \
	((words_avx2)((count) == 32   ? _mm256_shuffle_epi32((__m256i)(word), 0xb1)                \
		      : (count) == 24 ? _mm256_shuffle_epi8((__m256i)(word), by_24)                \
		      : (count) == 16 ? _mm256_shuffle_epi8((__m256i)(word), by_16)                \
				      : _mm256_xor_si256(_mm256_srli_epi64((__m256i)(word), 63),   \
							 _mm256_add_epi64((__m256i)(word),         \
									  (__m256i)(word)))))
#define by_24                                                                                      \
	_mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0,   \
			 1, 2, 11, 12, 13, 14, 15, 8, 9, 10)
#define by_16                                                                                      \
	_mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7,   \
			 0, 1, 10, 11, 12, 13, 14, 15, 8, 9)
#include "audit/tree_round.def"

#define EACH_AVX2 static inline INSTRUCTIONS __attribute__((always_inline))

EACH_AVX2 __m256i load_avx2(const uint8_t *at)
{
	return _mm256_loadu_si256((const __m256i_u *)at);
}

/* Four words of each leaf; ret_words[i]: word i of all. */
EACH_AVX2 void turn_avx2(const uint8_t *at, words_avx2 ret_words[4])
{
	__m256i a = load_avx2(at), b = load_avx2(at + TREE_DIGEST_LEAF_BYTES);
	__m256i c = load_avx2(at + 2 * TREE_DIGEST_LEAF_BYTES);
	__m256i d = load_avx2(at + 3 * TREE_DIGEST_LEAF_BYTES);
	__m256i even = _mm256_unpacklo_epi64(a, b), odd = _mm256_unpackhi_epi64(a, b);
	__m256i even_too = _mm256_unpacklo_epi64(c, d), odd_too = _mm256_unpackhi_epi64(c, d);

	ret_words[0] = (words_avx2)_mm256_permute2x128_si256(even, even_too, 0x20);
	ret_words[1] = (words_avx2)_mm256_permute2x128_si256(odd, odd_too, 0x20);
	ret_words[2] = (words_avx2)_mm256_permute2x128_si256(even, even_too, 0x31);
	ret_words[3] = (words_avx2)_mm256_permute2x128_si256(odd, odd_too, 0x31);
}

INSTRUCTIONS static void take_avx2(const uint8_t *leaves, uint64_t number, uint8_t *ret_digests)
{
	const words_avx2 lane = {0, 1, 2, 3};
	words_avx2 h[8], m[16];

	begin_avx2(h, lane + number, 0);
	for (size_t i = 0; i < BLOCKS; i++) {
		turn_avx2(leaves + i * TREE_DIGEST_BLOCK, m);
		turn_avx2(leaves + i * TREE_DIGEST_BLOCK + sizeof m[0], m + 4);
		turn_avx2(leaves + i * TREE_DIGEST_BLOCK + 2 * sizeof m[0], m + 8);
		turn_avx2(leaves + i * TREE_DIGEST_BLOCK + 3 * sizeof m[0], m + 12);
		compress_avx2(h, m, (i + 1) * TREE_DIGEST_BLOCK, i + 1 == BLOCKS ? UINT64_MAX : 0,
			      0);
	}
	give_avx2(h, ret_digests);
}

void tree_lanes_take(size_t lanes, const uint8_t *leaves, uint64_t number, uint8_t *ret_digests)
{
	if (lanes == LANES_512)
		take_512(leaves, number, ret_digests);
	else
		take_avx2(leaves, number, ret_digests);
}
#else
void tree_lanes_take(size_t lanes, const uint8_t *leaves, uint64_t number, uint8_t *ret_digests)
{
}
#endif

size_t tree_lanes_count(void)
{
	unsigned can = processor_can();

	return can & PROCESSOR_AVX512 ? LANES_512 : can & PROCESSOR_AVX2 ? LANES_AVX2 : 0;
}
