/* SPDX-License-Identifier: MIT */
#include "wire/aes.h"

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

/* FIPS 197, appendices C.1 and C.3. */
static void a_block_is_encrypted_as_in_the_standard(void)
{
	uint8_t key[AES256_KEY_BYTES], block[AES_BLOCK_BYTES];
	struct aes a;

	for (unsigned i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)i;
	for (unsigned i = 0; i < AES_BLOCK_BYTES; i++)
		block[i] = (uint8_t)(i * 0x11);
	aes_init(&a, key, AES128_KEY_BYTES);
	aes_encrypt(&a, block, block);
	check_hex(block, sizeof block, "69c4e0d86a7b0430d8cdb78070b4c55a");
	for (unsigned i = 0; i < AES_BLOCK_BYTES; i++)
		block[i] = (uint8_t)(i * 0x11);
	aes_init(&a, key, AES256_KEY_BYTES);
	aes_encrypt(&a, block, block);
	check_hex(block, sizeof block, "8ea2b7ca516745bfeafc49904b496089");
}

/* The test cases 1 to 4 and 16 of McGrew and Viega, "The Galois/Counter Mode of Operation"; the
 * last two end in a block that is not full. */
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
	{"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	 "cafebabefacedbaddecaf888",
	 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	 "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	 "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
	 "76fc6ece0f4e1768cddf8853bb2d551b"},
};

static void check_case(size_t i, size_t step)
{
	struct buf key = from_hex(cases[i].key), iv = from_hex(cases[i].iv);
	struct buf header = from_hex(cases[i].header), cipher = from_hex(cases[i].cipher);
	uint8_t tag[AES_BLOCK_BYTES], block[AES_BLOCK_BYTES];
	struct aes_gcm g;

	aes_gcm_init(&g, key.at, key.len, iv.at);
	for (size_t at = 0; at < header.len; at += step)
		aes_gcm_put_header(&g, bytes_slice(buf_view(&header), at, step));
	aes_gcm_put_cipher(&g, BYTES_NONE);
	for (size_t at = 0; at < cipher.len; at += step)
		aes_gcm_put_cipher(&g, bytes_slice(buf_view(&cipher), at, step));
	aes_gcm_end(&g, tag);
	check_hex(tag, sizeof tag, cases[i].tag);
	for (size_t at = 0; at < cipher.len; at++) {
		aes_gcm_key_block(&g, (uint32_t)(at / AES_BLOCK_BYTES), block);
		cipher.at[at] ^= block[at % AES_BLOCK_BYTES];
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
