/* SPDX-License-Identifier: MIT */
#include "base/processor.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>

#define STATES_AVX2 0x06u /* of XCR0: registers that the kernel keeps */
#define STATES_512  0xe6u

static bool has(unsigned word, unsigned bits)
{
	return (word & bits) == bits;
}

static uint32_t states_kept(void)
{
	uint32_t low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

static unsigned ask(void)
{
	unsigned a, b, c, d, old, can = PROCESSOR_KNOWN;
	uint32_t states;

	if (!__get_cpuid(1, &a, &b, &old, &d))
		return can;
	if (has(old, bit_RDRND))
		can |= PROCESSOR_RDRAND;
	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
		return can;
	if (has(old, bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2) && has(b, bit_SHA))
		can |= PROCESSOR_SHA;
	states = has(old, bit_OSXSAVE) ? states_kept() : 0;
	if (has(states, STATES_AVX2) && has(b, bit_AVX2))
		can |= PROCESSOR_AVX2;
	if (!has(states, STATES_512) || !has(b, bit_AVX512F | bit_AVX512BW | bit_AVX512VL))
		return can;
	can |= PROCESSOR_AVX512;
	if (has(old, bit_AES | bit_PCLMUL) && has(c, bit_VAES | bit_VPCLMULQDQ))
		can |= PROCESSOR_AES_WIDE;
	return can;
}

unsigned processor_can(void)
{
	static unsigned known; /* atomic; 0: not asked */
	unsigned can = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (can == 0) {
		can = ask();
		__atomic_store_n(&known, can, __ATOMIC_RELAXED);
	}
	return can;
}
#else
unsigned processor_can(void)
{
	return PROCESSOR_KNOWN;
}
#endif
