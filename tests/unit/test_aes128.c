/* SPDX-License-Identifier: MIT */
#include "wire/aes128.h"

#include "hello_kit.h"
#include "tap.h"

static struct buf from_hex(const char *hex)
{
	struct buf b = {0};

	for (; *hex; hex += 2) {
		char digits[3] = {hex[0], hex[1], 0};
		kit_put(&b, strtoul(digits, NULL, 16), 1);
	}
	return b;
}

static void check_hex(const uint8_t *at, size_t len, const char *hex)
{
	struct buf b = from_hex(hex);

	CHECK(bytes_equal(bytes_of(at, len), buf_view(&b)));
	buf_done(&b);
}

/* FIPS 197, appendix C.1. */
static void a_block_is_encrypted_as_in_the_standard(void)
{
	uint8_t key[AES128_BYTES], block[AES128_BYTES];
	struct aes128 a;

	for (unsigned i = 0; i < AES128_BYTES; i++) {
		key[i] = (uint8_t)i;
		block[i] = (uint8_t)(i * 0x11);
	}
	aes128_init(&a, key);
	aes128_encrypt(&a, block, block);
	check_hex(block, sizeof block, "69c4e0d86a7b0430d8cdb78070b4c55a");
}

/* The test cases 1 to 4 of McGrew and Viega, "The Galois/Counter Mode of Operation"; the last one
 * ends in a block that is not full. */
static const struct {
	const char *key, *iv, *text, *header, *cipher, *tag;
} cases[] = {
	{"00000000000000000000000000000000", "000000000000000000000000", "", "", "",
	 "58e2fccefa7e3061367f1d57a4e7455a"},
	{"00000000000000000000000000000000", "000000000000000000000000",
	 "00000000000000000000000000000000", "", "0388dace60b6a392f328c2b971b2fe78",
	 "ab6e47d42cec13bdf53a67b21257bddf"},
	{"feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
	 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
	 "",
	 "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	 "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985",
	 "4d5c2af327cd64a62cf35abd2ba6fab4"},
	{"feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
	 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	 "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	 "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	 "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
	 "5bc94fbc3221a5db94fae95ae7121a47"},
};

static void check_case(size_t i, size_t step)
{
	struct buf key = from_hex(cases[i].key), iv = from_hex(cases[i].iv);
	struct buf header = from_hex(cases[i].header), cipher = from_hex(cases[i].cipher);
	uint8_t tag[AES128_BYTES], block[AES128_BYTES];
	struct aes128_gcm g;

	aes128_gcm_init(&g, key.at, iv.at);
	for (size_t at = 0; at < header.len; at += step)
		aes128_gcm_put_header(&g, bytes_slice(buf_view(&header), at, step));
	aes128_gcm_put_cipher(&g, BYTES_NONE);
	for (size_t at = 0; at < cipher.len; at += step)
		aes128_gcm_put_cipher(&g, bytes_slice(buf_view(&cipher), at, step));
	aes128_gcm_end(&g, tag);
	check_hex(tag, sizeof tag, cases[i].tag);
	for (size_t at = 0; at < cipher.len; at++) {
		aes128_gcm_key_block(&g, (uint32_t)(at / AES128_BYTES), block);
		cipher.at[at] ^= block[at % AES128_BYTES];
	}
	check_hex(cipher.at, cipher.len, cases[i].text);
	buf_done(&key);
	buf_done(&iv);
	buf_done(&header);
	buf_done(&cipher);
}

static void messages_are_authenticated_and_read_as_in_the_test_cases(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (size_t step = 1; step < 70; step++)
			check_case(i, step);
}

int main(void)
{
	RUN_TESTS(TEST(a_block_is_encrypted_as_in_the_standard),
		  TEST(messages_are_authenticated_and_read_as_in_the_test_cases));
}
