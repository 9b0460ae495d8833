/* SPDX-License-Identifier: MIT */
#include "audit/file_digest.h"

#include "audit_kit.h"

static void need_digest(struct bytes file, const uint8_t expected[SEAL_DIGEST_BYTES])
{
	uint8_t digest[SEAL_DIGEST_BYTES];

	file_digest_of(tap_guarded(file), digest);
	CHECK(memcmp(digest, expected, sizeof digest) == 0);
	for (size_t step = 1; step <= 20; step++) {
		struct file_digest d, copy;
		file_digest_init(&d);
		for (size_t at = 0; at < file.len; at += step) {
			copy = d;
			file_digest_end(&copy, digest); /* may be asked at any time */
			file_digest_feed(&d, bytes_slice(file, at, step));
		}
		file_digest_end(&d, digest);
		CHECK(memcmp(digest, expected, sizeof digest) == 0);
	}
}

static void need_blake2b(struct bytes file)
{
	uint8_t expected[SEAL_DIGEST_BYTES];

	seal_digest(NULL, &file, 1, expected);
	need_digest(file, expected);
}

static void the_header_says_which_function_it_is(void)
{
	uint8_t bytes[300] = {0}, expected[SEAL_DIGEST_BYTES];
	struct format_segment header = {.version = FORMAT_VERSION,
					.cipher = FORMAT_CIPHER_AES_256_GCM};
	struct bytes file = bytes_of(bytes, sizeof bytes);
	struct tree_digest tree;

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)i;
	memcpy(header.magic, FORMAT_SEGMENT_MAGIC, sizeof header.magic);
	memcpy(bytes, &header, FILE_DIGEST_HEAD_BYTES);
	seal_sha256(file, expected);
	need_digest(file, expected);
	seal_sha256(bytes_slice(file, 0, FILE_DIGEST_HEAD_BYTES), expected);
	need_digest(bytes_slice(file, 0, FILE_DIGEST_HEAD_BYTES), expected);

	bytes[10] = FORMAT_CIPHER_AES_256_GCM_TREE;
	tree_digest_init(&tree);
	tree_digest_feed(&tree, file);
	tree_digest_end(&tree, expected);
	need_digest(file, expected);

	bytes[10] = FORMAT_CIPHER_XCHACHA20_POLY1305;
	need_blake2b(file);
	bytes[10] = FORMAT_CIPHER_AES_256_GCM;
	bytes[0] ^= 1;
	need_blake2b(file);
}

static void what_ends_before_its_cipher_has_a_digest_too(void)
{
	struct format_segment header = {.cipher = FORMAT_CIPHER_AES_256_GCM};

	memcpy(header.magic, FORMAT_SEGMENT_MAGIC, sizeof header.magic);
	for (size_t len = 0; len < FILE_DIGEST_HEAD_BYTES; len++)
		need_blake2b(bytes_of(&header, len));
}

int main(void)
{
	if (seal_init())
		return 1;
	RUN_TESTS(TEST(the_header_says_which_function_it_is),
		  TEST(what_ends_before_its_cipher_has_a_digest_too));
}
