/* SPDX-License-Identifier: MIT */
#include "shim/fingerprint.h"

#include <string.h>

#include "audit/seal.h"

static bool is_kept(const struct fingerprint *f, const uint8_t *by, struct bytes key)
{
	return f->key_bytes && bytes_equal(bytes_of(f->key, f->key_bytes), key) &&
	       memcmp(f->by, by, sizeof f->by) == 0;
}

static void keep(struct fingerprint *f, const uint8_t *by, struct bytes key, const uint8_t *digest)
{
	fingerprint_wipe(f);
	if (key.len == 0 || key.len > sizeof f->key)
		return;
	memcpy(f->key, key.at, key.len);
	memcpy(f->by, by, sizeof f->by);
	memcpy(f->of_key, digest, sizeof f->of_key);
	f->key_bytes = key.len;
}

void fingerprint_of(struct fingerprint *kept, const uint8_t by[static FINGERPRINT_KEY_BYTES],
		    struct bytes key, uint8_t ret_fingerprint[static FINGERPRINT_BYTES])
{
	uint8_t digest[SEAL_DIGEST_BYTES];

	if (kept && is_kept(kept, by, key)) {
		memcpy(ret_fingerprint, kept->of_key, FINGERPRINT_BYTES);
		return;
	}
	seal_keyed_digest(by, key, digest);
	if (kept)
		keep(kept, by, key, digest);
	memcpy(ret_fingerprint, digest, FINGERPRINT_BYTES);
}

void fingerprint_wipe(struct fingerprint *kept)
{
	if (kept->key_bytes)
		wipe(kept, sizeof *kept);
}
