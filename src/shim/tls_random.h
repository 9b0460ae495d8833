/* SPDX-License-Identifier: MIT
 *
 * tls_random: the 32 random bytes of a ClientHello in a place that threads write and read without a
 * lock; whether they met is told by a version beside it. Word by word, each atomic.
 */
#ifndef AIGW_SHIM_TLS_RANDOM_H
#define AIGW_SHIM_TLS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TLS_RANDOM_WORDS (32 / sizeof(uint64_t))

struct tls_random {
	uint64_t words[TLS_RANDOM_WORDS];
};

static inline void tls_random_put(struct tls_random *place, const uint8_t random[32])
{
	struct tls_random r;

	memcpy(&r, random, sizeof r);
	for (unsigned i = 0; i < TLS_RANDOM_WORDS; i++)
		__atomic_store_n(&place->words[i], r.words[i], __ATOMIC_RELAXED);
}

static inline bool tls_random_is(const struct tls_random *place, const uint8_t random[32])
{
	struct tls_random r;

	memcpy(&r, random, sizeof r);
	for (unsigned i = 0; i < TLS_RANDOM_WORDS; i++)
		if (__atomic_load_n(&place->words[i], __ATOMIC_RELAXED) != r.words[i])
			return false;
	return true;
}

#endif
