/* SPDX-License-Identifier: MIT
 *
 * The fingerprint of a key: the same with what is kept as without it, whatever came before.
 */
#include "shim/fingerprint.h"

#include "audit/seal.h"
#include "tap.h"

#define KEYS 8

static const uint8_t one[FINGERPRINT_KEY_BYTES] = {1}, two[FINGERPRINT_KEY_BYTES] = {[31] = 2};

static void check(struct fingerprint *kept, const uint8_t *by, struct bytes key)
{
	uint8_t got[FINGERPRINT_BYTES], expected[SEAL_DIGEST_BYTES];

	seal_keyed_digest(by, key, expected);
	for (int i = 0; i < 2; i++) {
		memset(got, 0, sizeof got);
		fingerprint_of(kept, by, tap_guarded(key), got);
		CHECK(memcmp(got, expected, sizeof got) == 0);
	}
}

static void what_is_kept_is_for_that_key_alone(void)
{
	static const struct bytes keys[KEYS] = {
		{(const uint8_t *)"sk-1234567890", 13},
		{(const uint8_t *)"sk-1234567891", 13},
		{(const uint8_t *)"tk-1234567890", 13},
		{(const uint8_t *)"sk-123456789", 12},
		{(const uint8_t *)"sk-12345678900", 14},
		{(const uint8_t *)"sk-1234567890\0", 14},
		{(const uint8_t *)"s", 1},
		{NULL, 0},
	};
	struct fingerprint kept = {0};

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
			check(&kept, one, keys[i]);
			check(&kept, one, keys[k]);
			check(&kept, two, keys[k]);
		}
}

static void what_is_kept_is_used(void)
{
	struct fingerprint kept = {0};
	uint8_t got[FINGERPRINT_BYTES];

	check(&kept, one, BYTES("sk-1"));
	kept.of_key[0] ^= 1;
	fingerprint_of(&kept, one, BYTES("sk-1"), got);
	CHECK(memcmp(got, kept.of_key, sizeof got) == 0);
	fingerprint_of(&kept, two, BYTES("sk-1"), got);
	check(&kept, one, BYTES("sk-1"));
}

static void a_key_of_any_length_has_one(void)
{
	uint8_t key[FINGERPRINT_KEPT_MAX + 2];
	struct fingerprint kept = {0};

	memset(key, 'k', sizeof key);
	for (size_t len = 0; len <= sizeof key; len++) {
		check(&kept, one, bytes_of(key, len));
		CHECK_U64(kept.key_bytes, len <= FINGERPRINT_KEPT_MAX ? len : 0);
		check(NULL, one, bytes_of(key, len));
	}
}

static void nothing_of_a_key_is_left(void)
{
	static const struct fingerprint nothing;
	struct fingerprint kept = {0};

	check(&kept, one, BYTES("sk-a-long-one-that-leaves-its-end-behind"));
	check(&kept, one, BYTES("sk-1"));
	for (size_t i = 4; i < sizeof kept.key; i++)
		CHECK(kept.key[i] == 0);
	fingerprint_wipe(&kept);
	CHECK(memcmp(&kept, &nothing, sizeof kept) == 0);
}

int main(void)
{
	RUN_TESTS(TEST(what_is_kept_is_for_that_key_alone), TEST(what_is_kept_is_used),
		  TEST(a_key_of_any_length_has_one), TEST(nothing_of_a_key_is_left));
}
