/* SPDX-License-Identifier: MIT */
#include "wire/sha256.h"

#include <sodium.h>

#include "tap.h"

#define TEXT_BYTES 300

static uint8_t text[TEXT_BYTES];

static void digests_are_those_of_the_standard(void)
{
	static const uint8_t abc[SHA256_BYTES] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
						  0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
						  0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
						  0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
	struct sha256 s;
	uint8_t digest[SHA256_BYTES];

	sha256_init(&s);
	sha256_put(&s, BYTES("abc"));
	sha256_end(&s, digest);
	CHECK(memcmp(digest, abc, sizeof abc) == 0);
}

/* Around each place where the padding takes another block. */
static void digests_are_those_of_libsodium_in_every_split(void)
{
	uint8_t expected[SHA256_BYTES], digest[SHA256_BYTES];

	for (size_t len = 0; len <= TEXT_BYTES; len++) {
		struct bytes all = tap_guarded(bytes_of(text, len));
		crypto_hash_sha256(expected, text, len);
		for (size_t i = 0; i < 8; i++) {
			size_t step = 1 + 63 * (i / 2);
			struct sha256 s;
			sha256_init(&s);
			s.plain = i % 2;
			for (size_t at = 0; at < len; at += step)
				sha256_put(&s, bytes_slice(all, at, step));
			sha256_end(&s, digest);
			CHECK(memcmp(digest, expected, sizeof expected) == 0);
		}
	}
}

static void tags_are_those_of_libsodium(void)
{
	uint8_t expected[SHA256_BYTES], tag[SHA256_BYTES];

	for (size_t key_len = 0; key_len <= SHA256_BLOCK_BYTES; key_len++) {
		for (size_t len = 0; len < 140; len += 7) {
			crypto_auth_hmacsha256_state s;
			crypto_auth_hmacsha256_init(&s, text + 1, key_len);
			crypto_auth_hmacsha256_update(&s, text + 5, len);
			crypto_auth_hmacsha256_final(&s, expected);
			sha256_hmac(tap_guarded(bytes_of(text + 1, key_len)),
				    tap_guarded(bytes_of(text + 5, len)), tag);
			CHECK(memcmp(tag, expected, sizeof expected) == 0);
		}
	}
}

int main(void)
{
	for (unsigned i = 0; i < TEXT_BYTES; i++)
		text[i] = (uint8_t)(i * 167 + 13);
	RUN_TESTS(TEST(digests_are_those_of_the_standard),
		  TEST(digests_are_those_of_libsodium_in_every_split),
		  TEST(tags_are_those_of_libsodium));
}
