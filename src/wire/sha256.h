/* SPDX-License-Identifier: MIT
 *
 * sha256: SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104), for digests of files, and for keys that
 * are derived from public bytes (wire/quic_initial). libsodium's knows none of the processor's
 * instructions for it, which take a fifth of the time. What guards a secret is behind audit/seal.
 *
 * Pure, no allocation; the only global is what the processor can.
 */
#ifndef AIGW_WIRE_SHA256_H
#define AIGW_WIRE_SHA256_H

#include "base/bytes.h"

#define SHA256_BYTES       32
#define SHA256_BLOCK_BYTES 64

struct sha256 {
	uint32_t state[8];
	uint64_t total_bytes;
	uint8_t block[SHA256_BLOCK_BYTES];
	bool plain; /* without the processor's instructions: for tests */
};

/* The processor has instructions for it. */
bool sha256_is_fast(void);

void sha256_init(struct sha256 *s);
void sha256_put(struct sha256 *s, struct bytes data);
/* The digest of all that was put; `s` needs another init then. */
void sha256_end(struct sha256 *s, uint8_t ret_digest[SHA256_BYTES]);

/* HMAC-SHA-256; the key is SHA256_BLOCK_BYTES long at most: a longer one is cut. */
void sha256_hmac(struct bytes key, struct bytes data, uint8_t ret_tag[SHA256_BYTES]);

#endif
