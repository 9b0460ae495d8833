/* SPDX-License-Identifier: MIT */
#include "audit/seal_aes.h"

#include <sodium.h>

#include "tap.h"
#include "wire/aes.h"

#define LENGTH_MAX 1100 /* more than four rounds of the loop, and every rest behind them */

static uint8_t text[LENGTH_MAX], made[LENGTH_MAX], expected[LENGTH_MAX];
static uint8_t key[SEAL_AES_KEY_BYTES], iv[SEAL_AES_IV_BYTES];

static void fill(uint8_t *at, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		at[i] = (uint8_t)(seed >> 16);
	}
}

/* As the plain one of wire/aes has it. */
static void expect(struct bytes header, size_t len, uint8_t *ret_tag)
{
	uint8_t block[AES_BLOCK_BYTES];
	struct aes_gcm g;

	aes_gcm_init(&g, key, sizeof key, iv);
	for (size_t i = 0; i < len; i++) {
		if (i % sizeof block == 0)
			aes_gcm_key_block(&g, (uint32_t)(i / sizeof block), block);
		expected[i] = text[i] ^ block[i % sizeof block];
	}
	aes_gcm_put_header(&g, header);
	aes_gcm_put_cipher(&g, bytes_of(expected, len));
	aes_gcm_end(&g, ret_tag);
}

static bool is_here(void)
{
	if (!seal_aes_is_here())
		tap_skip("the processor has no VAES on 512 bits");
	return seal_aes_is_here();
}

static void check_message(size_t header_len, size_t len)
{
	uint8_t header[300], tag[SEAL_AES_TAG_BYTES], expected_tag[SEAL_AES_TAG_BYTES];

	fill(key, sizeof key, (unsigned)len);
	fill(iv, sizeof iv, (unsigned)len + 1);
	fill(text, len, (unsigned)len + 2);
	fill(header, header_len, (unsigned)header_len);
	expect(bytes_of(header, header_len), len, expected_tag);
	memset(made, 0x5a, sizeof made);
	/* Guarded: a byte read behind either ends the test. */
	seal_aes_encrypt(key, iv, tap_guarded(bytes_of(header, header_len)),
			 tap_guarded(bytes_of(text, len)), made, tag);
	CHECK(memcmp(made, expected, len) == 0);
	CHECK(memcmp(tag, expected_tag, sizeof tag) == 0);
	for (size_t i = len; i < len + 64 && i < sizeof made; i++)
		CHECK(made[i] == 0x5a);
	memcpy(made, text, len);
	seal_aes_encrypt(key, iv, bytes_of(header, header_len), bytes_of(made, len), made, tag);
	CHECK(memcmp(made, expected, len) == 0);
	CHECK(memcmp(tag, expected_tag, sizeof tag) == 0);
}

static void messages_of_every_length_are_as_the_plain_one_has_them(void)
{
	if (!is_here())
		return;
	for (size_t len = 0; len <= LENGTH_MAX; len += len < 300 ? 1 : 7)
		check_message(len % 97, len);
}

static void headers_of_every_length_are_authenticated(void)
{
	if (!is_here())
		return;
	for (size_t len = 0; len <= 300; len++)
		check_message(len, len % 37);
}

/* The counter goes over the end of its lowest byte, and of the two lowest. */
static void a_long_message_is_as_the_library_has_it(void)
{
	size_t len = (1u << 21) + 77;
	uint8_t tag[SEAL_AES_TAG_BYTES], library_tag[SEAL_AES_TAG_BYTES];

	if (!is_here())
		return;
	if (!crypto_aead_aes256gcm_is_available()) {
		tap_skip("libsodium has no AES here");
		return;
	}
	struct buf ours = {0}, theirs = {0}, plain = {0};
	if (buf_reserve(&ours, len) || buf_reserve(&theirs, len) || buf_reserve(&plain, len)) {
		CHECK(!"memory");
		return;
	}
	fill(plain.at, len, 99);
	seal_aes_encrypt(key, iv, BYTES("header"), bytes_of(plain.at, len), ours.at, tag);
	crypto_aead_aes256gcm_encrypt_detached(theirs.at, library_tag, NULL, plain.at, len,
					       (const uint8_t *)"header", 6, NULL, iv, key);
	CHECK(memcmp(ours.at, theirs.at, len) == 0);
	CHECK(memcmp(tag, library_tag, sizeof tag) == 0);
	buf_done(&ours);
	buf_done(&theirs);
	buf_done(&plain);
}

int main(void)
{
	if (sodium_init() < 0)
		return 1;
	RUN_TESTS(TEST(messages_of_every_length_are_as_the_plain_one_has_them),
		  TEST(headers_of_every_length_are_authenticated),
		  TEST(a_long_message_is_as_the_library_has_it));
}
