/* SPDX-License-Identifier: MIT
 *
 * fingerprint: what a record says of a key instead of the key itself. A connection sends the same
 * key again and again, so the last one's is kept, with the key's bytes: by these, and by nothing
 * less, it is known again. Both are wiped with the connection.
 *
 * The caller's, one thread at a time. Not here: which of a request's keys it is
 * (llm/credential_place).
 */
#ifndef AIGW_SHIM_FINGERPRINT_H
#define AIGW_SHIM_FINGERPRINT_H

#include "base/bytes.h"

#define FINGERPRINT_BYTES     8
#define FINGERPRINT_KEY_BYTES 32
#define FINGERPRINT_KEPT_MAX  256 /* of a longer key nothing is kept */

/* Zero at first; all private. */
struct fingerprint {
	size_t key_bytes; /* 0: nothing is kept */
	uint8_t key[FINGERPRINT_KEPT_MAX];
	uint8_t by[FINGERPRINT_KEY_BYTES];
	uint8_t of_key[FINGERPRINT_BYTES];
};

/* The fingerprint of `key`: the first bytes of its BLAKE2b-256 under `by`. `kept` may be NULL. */
void fingerprint_of(struct fingerprint *kept, const uint8_t by[static FINGERPRINT_KEY_BYTES],
		    struct bytes key, uint8_t ret_fingerprint[static FINGERPRINT_BYTES]);

/* Wipes what is kept. */
void fingerprint_wipe(struct fingerprint *kept);

#endif
