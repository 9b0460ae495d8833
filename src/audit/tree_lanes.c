/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "audit/tree_constants.h"

#define BLOCKS     (TREE_DIGEST_LEAF_BYTES / TREE_DIGEST_BLOCK)
#define LANES_AVX2 4
#define LANES_512  8

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#define STATES_AVX2 0x06u /* of XCR0: registers that the kernel keeps */
#define STATES_512  0xe6u

static uint32_t states_kept(void)
{
	uint32_t low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

static size_t ask_processor(void)
{
	unsigned a, b, c, d;
	uint32_t states;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) ||
	    !__get_cpuid_count(7, 0, &a, &b, &c, &d))
		return 0;
	states = states_kept();
	if ((states & STATES_512) == STATES_512 && (b & bit_AVX512F))
		return LANES_512;
	return (states & STATES_AVX2) == STATES_AVX2 && (b & bit_AVX2) ? LANES_AVX2 : 0;
}

/* ---- eight leaves ---- */

typedef uint64_t words_512 __attribute__((vector_size(64)));

#define NAME(x)             x##_512
#define WORD                words_512
#define INSTRUCTIONS        __attribute__((target("avx512f")))
#define ROTATE(word, count) ((words_512)_mm512_ror_epi64((__m512i)(word), count))
#include "audit/tree_round.def"

/* Eight words of each leaf, and then word i of all leaves in ret_words[i]. */
static inline INSTRUCTIONS __attribute__((always_inline)) void turn_512(const uint8_t *at,
									words_512 ret_words[8])
{
	const __m512i low = _mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0);
	const __m512i high = _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2);
	__m512i row[8], pair[8], four[8];

	for (size_t i = 0; i < 8; i++)
		row[i] = _mm512_loadu_si512(at + i * TREE_DIGEST_LEAF_BYTES);
	/* pair: words 0 2 4 6 (or 1 3 5 7) of two leaves, each beside the other's */
	for (size_t i = 0; i < 8; i += 2) {
		pair[i] = _mm512_unpacklo_epi64(row[i], row[i + 1]);
		pair[i + 1] = _mm512_unpackhi_epi64(row[i], row[i + 1]);
	}
	/* four: of four leaves; the words 0 and 4 (then 1 5, 2 6, 3 7) */
	for (size_t i = 0; i < 8; i += 4)
		for (size_t odd = 0; odd < 2; odd++) {
			four[i + odd] = _mm512_permutex2var_epi64(pair[i + odd], low,
								  pair[i + 2 + odd]);
			four[i + 2 + odd] = _mm512_permutex2var_epi64(pair[i + odd], high,
								      pair[i + 2 + odd]);
		}
	for (size_t i = 0; i < 4; i++) {
		ret_words[i] = (words_512)_mm512_shuffle_i64x2(four[i], four[4 + i], 0x44);
		ret_words[4 + i] = (words_512)_mm512_shuffle_i64x2(four[i], four[4 + i], 0xee);
	}
}

INSTRUCTIONS static void take_512(const uint8_t *leaves, uint64_t number, uint8_t *ret_digests)
{
	const words_512 lane = {0, 1, 2, 3, 4, 5, 6, 7};
	words_512 h[8], m[16];

	for (size_t i = 0; i < 8; i++)
		h[i] = lane - lane + tree_start[i];
	h[0] ^= TREE_PARAMETERS;
	h[1] ^= lane + number;
	h[2] ^= TREE_LAYER(0);
	for (size_t i = 0; i < BLOCKS; i++) {
		turn_512(leaves + i * TREE_DIGEST_BLOCK, m);
		turn_512(leaves + i * TREE_DIGEST_BLOCK + TREE_DIGEST_BLOCK / 2, m + 8);
		compress_512(h, m, (i + 1) * TREE_DIGEST_BLOCK, i + 1 == BLOCKS ? UINT64_MAX : 0,
			     0);
	}
	for (size_t i = 0; i < LANES_512; i++)
		for (size_t word = 0; word < TREE_DIGEST_BYTES / 8; word++) {
			uint64_t w = h[word][i];
			memcpy(ret_digests + i * TREE_DIGEST_BYTES + word * 8, &w, sizeof w);
		}
}

/* ---- four leaves ---- */

#undef NAME
#undef WORD
#undef INSTRUCTIONS
#undef ROTATE

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

static inline INSTRUCTIONS __attribute__((always_inline)) void turn_avx2(const uint8_t *at,
									 words_avx2 ret_words[4])
{
	__m256i row[4], pair[4];

	for (size_t i = 0; i < 4; i++)
		row[i] = _mm256_loadu_si256((const __m256i_u *)(at + i * TREE_DIGEST_LEAF_BYTES));
	for (size_t i = 0; i < 4; i += 2) {
		pair[i] = _mm256_unpacklo_epi64(row[i], row[i + 1]);
		pair[i + 1] = _mm256_unpackhi_epi64(row[i], row[i + 1]);
	}
	for (size_t i = 0; i < 2; i++) {
		ret_words[i] = (words_avx2)_mm256_permute2x128_si256(pair[i], pair[2 + i], 0x20);
		ret_words[2 + i] = (words_avx2)_mm256_permute2x128_si256(pair[i], pair[2 + i],
									 0x31);
	}
}

INSTRUCTIONS static void take_avx2(const uint8_t *leaves, uint64_t number, uint8_t *ret_digests)
{
	const words_avx2 lane = {0, 1, 2, 3};
	words_avx2 h[8], m[16];

	for (size_t i = 0; i < 8; i++)
		h[i] = lane - lane + tree_start[i];
	h[0] ^= TREE_PARAMETERS;
	h[1] ^= lane + number;
	h[2] ^= TREE_LAYER(0);
	for (size_t i = 0; i < BLOCKS; i++) {
		for (size_t part = 0; part < 4; part++)
			turn_avx2(leaves + i * TREE_DIGEST_BLOCK + part * sizeof m[0],
				  m + 4 * part);
		compress_avx2(h, m, (i + 1) * TREE_DIGEST_BLOCK, i + 1 == BLOCKS ? UINT64_MAX : 0,
			      0);
	}
	for (size_t i = 0; i < LANES_AVX2; i++)
		for (size_t word = 0; word < TREE_DIGEST_BYTES / 8; word++) {
			uint64_t w = h[word][i];
			memcpy(ret_digests + i * TREE_DIGEST_BYTES + word * 8, &w, sizeof w);
		}
}

size_t tree_lanes_count(void)
{
	static uint8_t known; /* atomic; number + 1 */
	uint8_t have = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (!have) {
		have = (uint8_t)(ask_processor() + 1);
		__atomic_store_n(&known, have, __ATOMIC_RELAXED);
	}
	return have - 1u;
}

void tree_lanes_take(const uint8_t *leaves, uint64_t number, uint8_t *ret_digests)
{
	if (tree_lanes_count() == LANES_512)
		take_512(leaves, number, ret_digests);
	else
		take_avx2(leaves, number, ret_digests);
}
#else
size_t tree_lanes_count(void)
{
	return 0;
}

void tree_lanes_take(const uint8_t *leaves, uint64_t number, uint8_t *ret_digests)
{
}
#endif
