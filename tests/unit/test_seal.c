/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "audit/frame.h"
#include "audit/seal.h"
#include "tap.h"

/* The texts of keys 00 01 02 … 1f, made by a second implementation of BIP 173 that was checked on
 * that document's own strings. */
#define COUNTED_RECIPIENT "aigw1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0scemh3h"
#define COUNTED_IDENTITY                                                                           \
	"AIGW-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0S6A05SM"
/* RFC 7748 section 6.1, Alice. */
#define ALICE_SECRET    "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
#define ALICE_PUBLIC    "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
#define ALICE_RECIPIENT "aigw1s5s0qzvfxzn4gayt0hwtg0hhtgxm7wsdycup4a8t5j5ca25mfe4qwqms3v"

static void from_hex(const char *hex, uint8_t *ret)
{
	for (size_t i = 0; hex[2 * i]; i++) {
		char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
		ret[i] = (uint8_t)strtoul(two, NULL, 16);
	}
}

#define CHECK_HEX(at, len, hex)                                                                    \
	do {                                                                                       \
		struct buf b_ = {0};                                                               \
		CHECK_ERR(buf_put_hex(&b_, bytes_of(at, len)), OK);                                \
		CHECK_BYTES(buf_view(&b_), hex);                                                   \
		buf_done(&b_);                                                                     \
	} while (0)

static void keys_have_their_text(void)
{
	char text[IDENTITY_CHARS_MAX];
	struct recipient r;
	struct identity id = {{0}, {{0}, {0}}};

	for (int i = 0; i < 32; i++)
		r.public_key[i] = id.secret_key[i] = (uint8_t)i;
	seal_put_recipient(&r, text);
	CHECK_STR(text, COUNTED_RECIPIENT);
	seal_put_identity(&id, text);
	CHECK_STR(text, COUNTED_IDENTITY);
	CHECK_ERR(seal_parse_identity(BYTES(COUNTED_IDENTITY), &id), OK);
	for (int i = 0; i < 32; i++)
		CHECK_U64(id.secret_key[i], i);
}

static void an_identity_knows_its_recipient(void)
{
	struct identity id;
	struct recipient r;
	char text[IDENTITY_CHARS_MAX];
	uint8_t secret[32];

	from_hex(ALICE_SECRET, secret);
	memcpy(id.secret_key, secret, 32);
	seal_put_identity(&id, text);
	CHECK_ERR(seal_parse_identity(bytes_str(text), &id), OK);
	CHECK_HEX(id.recipient.public_key, 32, ALICE_PUBLIC);
	CHECK_ERR(seal_parse_recipient(BYTES(ALICE_RECIPIENT), &r), OK);
	CHECK(memcmp(&r, &id.recipient, sizeof r) == 0);
	seal_put_recipient(&r, text);
	CHECK_STR(text, ALICE_RECIPIENT);
}

static void upper_case_is_read_and_mixed_case_is_not(void)
{
	char text[] = ALICE_RECIPIENT;
	struct recipient r;

	for (char *c = text; *c; c++)
		*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
	CHECK_ERR(seal_parse_recipient(bytes_str(text), &r), OK);
	text[0] = 'a';
	CHECK_ERR(seal_parse_recipient(bytes_str(text), &r), ERR_BAD);
}

/* The checksum of BIP 173 finds every one of these with certainty. */
static void every_mistyped_character_is_found(void)
{
	static const char digits[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l1b";
	static const char good[] = ALICE_RECIPIENT;
	struct recipient r, before;

	memset(&r, 0x5A, sizeof r);
	before = r;
	for (size_t i = 0; i + 1 < sizeof good; i++) {
		char text[sizeof good];
		for (const char *d = digits; *d; d++) {
			memcpy(text, good, sizeof good);
			if (text[i] == *d)
				continue;
			text[i] = *d;
			CHECK_ERR(seal_parse_recipient(bytes_str(text), &r), ERR_BAD);
		}
		memcpy(text, good, sizeof good);
		if (i && text[i] != text[i - 1]) {
			text[i] = good[i - 1];
			text[i - 1] = good[i];
			CHECK_ERR(seal_parse_recipient(bytes_str(text), &r), ERR_BAD);
		}
		CHECK_ERR(seal_parse_recipient(tap_guarded(bytes_of(good, i)), &r), ERR_BAD);
	}
	CHECK(memcmp(&r, &before, sizeof r) == 0);
}

static void other_texts_are_no_keys(void)
{
	static const char *const bad[] = {
		"", "aigw1", "AIGW-SECRET-KEY-1", COUNTED_IDENTITY, ALICE_RECIPIENT " ",
		" " ALICE_RECIPIENT, ALICE_RECIPIENT "\n",
		/* padding bits that are not zero, with a right checksum */
		"aigw1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc03900zv9",
		"age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"};
	struct recipient r;
	struct identity id;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK_ERR(seal_parse_recipient(bytes_str(bad[i]), &r), ERR_BAD);
	CHECK_ERR(seal_parse_identity(BYTES(ALICE_RECIPIENT), &id), ERR_BAD);
}

static void nothing_is_sealed_to_a_point_of_small_order(void)
{
	struct recipient zero = {{0}, {0}}, r;
	char text[RECIPIENT_CHARS_MAX];
	uint8_t box[SEAL_BOX_BYTES], secret[32] = {1};

	seal_put_recipient(&zero, text);
	CHECK_ERR(seal_parse_recipient(bytes_str(text), &r), ERR_BAD);
	CHECK_ERR(seal_box(&zero, secret, box), ERR_BAD);
}

static void a_new_identity_survives_its_text(void)
{
	struct identity a, b, c;
	char text[IDENTITY_CHARS_MAX];

	CHECK_ERR(seal_new_identity(&a), OK);
	CHECK_ERR(seal_new_identity(&b), OK);
	CHECK(memcmp(a.secret_key, b.secret_key, 32) != 0);
	seal_put_identity(&a, text);
	CHECK_ERR(seal_parse_identity(bytes_str(text), &c), OK);
	CHECK(memcmp(&a, &c, sizeof a) == 0);
}

/* seal_open_box is crypto_box_seal_open itself: the box is what that function expects. */
static void a_box_opens_for_its_recipient_only(void)
{
	struct identity a, b;
	uint8_t box[SEAL_BOX_BYTES], other[SEAL_BOX_BYTES],
		secret[32] = "thirty-two bytes of a secret...", got[32] = {7};

	CHECK_ERR(seal_new_identity(&a), OK);
	CHECK_ERR(seal_new_identity(&b), OK);
	CHECK_ERR(seal_box(&a.recipient, secret, box), OK);
	CHECK_ERR(seal_box(&a.recipient, secret, other), OK);
	CHECK(memcmp(box, other, sizeof box) != 0);
	CHECK_ERR(seal_open_box(&b, box, got), ERR_SEAL);
	CHECK_U64(got[0], 7);
	/* X25519 ignores the top bit of a public key; but it goes into the nonce. */
	for (size_t bit = 0; bit < sizeof box * 8; bit++) {
		box[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_ERR(seal_open_box(&a, box, got), ERR_SEAL);
		box[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK_ERR(seal_open_box(&a, box, got), OK);
	CHECK(memcmp(got, secret, 32) == 0);
}

/* draft-irtf-cfrg-xchacha-03, appendix A.3.1. */
static void records_are_sealed_as_the_draft_says(void)
{
	static const char plain[] =
		"Ladies and Gentlemen of the class of '99: If I could offer you "
		"only one tip for the future, sunscreen would be it.";
	uint8_t key[32], nonce[24], ad[12], cipher[sizeof plain - 1], tag[16], back[sizeof cipher];
	struct bytes associated = {ad, sizeof ad};

	from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", key);
	from_hex("404142434445464748494a4b4c4d4e4f5051525354555657", nonce);
	from_hex("50515253c0c1c2c3c4c5c6c7", ad);
	seal_encrypt(SEAL_XCHACHA20_POLY1305, key, nonce, associated, bytes_str(plain), cipher,
		     tag);
	CHECK_HEX(cipher, 16, "bd6d179d3e83d43b9576579493c0e939");
	CHECK_HEX(tag, 16, "c0875924c1c7987947deafd8780acf49");
	CHECK_ERR(seal_decrypt(SEAL_XCHACHA20_POLY1305, key, nonce, associated,
			       bytes_of(cipher, sizeof cipher), tag, back),
		  OK);
	CHECK(memcmp(back, plain, sizeof back) == 0);
	ad[3] ^= 1;
	CHECK_ERR(seal_decrypt(SEAL_XCHACHA20_POLY1305, key, nonce, associated,
			       bytes_of(cipher, sizeof cipher), tag, back),
		  ERR_SEAL);
	ad[3] ^= 1;
	nonce[23] ^= 1;
	CHECK_ERR(seal_decrypt(SEAL_XCHACHA20_POLY1305, key, nonce, associated,
			       bytes_of(cipher, sizeof cipher), tag, back),
		  ERR_SEAL);
}

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16. */
static void records_are_sealed_as_the_mode_s_authors_say(void)
{
	uint8_t key[32], nonce[24] = {1, 2, 3}, ad[20], plain[60], cipher[60], tag[16], back[60];
	struct bytes associated = {ad, sizeof ad}, text = {plain, sizeof plain};

	from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", key);
	from_hex("cafebabefacedbaddecaf888", nonce + 12);
	from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2", ad);
	from_hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
		 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		 plain);
	from_hex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
		 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
		 cipher);
	from_hex("76fc6ece0f4e1768cddf8853bb2d551b", tag);
	if (seal_best_cipher() != SEAL_XCHACHA20_POLY1305) {
		uint8_t made[sizeof cipher], made_tag[sizeof tag];
		seal_encrypt(SEAL_AES_256_GCM, key, nonce, associated, text, made, made_tag);
		CHECK(memcmp(made, cipher, sizeof cipher) == 0);
		CHECK(memcmp(made_tag, tag, sizeof tag) == 0);
	}
	for (size_t bit = 0; bit <= 8 * sizeof cipher; bit++) {
		struct bytes sealed = bytes_of(cipher, sizeof cipher);
		enum err expected = bit < 8 * sizeof cipher ? ERR_SEAL : OK;
		if (expected)
			cipher[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_ERR(seal_decrypt(SEAL_AES_256_GCM, key, nonce, associated, sealed, tag, back),
			  expected);
		CHECK_ERR(seal_decrypt_plainly(key, nonce, associated, sealed, tag, back),
			  expected);
		CHECK((memcmp(back, plain, sizeof back) == 0) == !expected);
		if (expected)
			cipher[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	tag[15] ^= 0x80;
	CHECK_ERR(seal_decrypt(SEAL_AES_256_GCM, key, nonce, associated,
			       bytes_of(cipher, sizeof cipher), tag, back),
		  ERR_SEAL);
	CHECK_ERR(seal_decrypt_plainly(key, nonce, associated, bytes_of(cipher, sizeof cipher), tag,
				       back),
		  ERR_SEAL);
	tag[15] ^= 0x80;
	nonce[12] ^= 1;
	CHECK_ERR(seal_decrypt_plainly(key, nonce, associated, bytes_of(cipher, sizeof cipher), tag,
				       back),
		  ERR_SEAL);
}

/* A log from a machine that has the instructions, on one that has not. */
static void what_is_sealed_with_instructions_opens_without(void)
{
	static uint8_t plain[300], cipher[300], back[300];
	uint8_t key[32] = {5}, nonce[24] = {6}, tag[16];

	if (seal_best_cipher() == SEAL_XCHACHA20_POLY1305) {
		tap_skip("the processor has no instructions for AES");
		return;
	}
	for (size_t len = 0; len <= sizeof plain; len++) {
		nonce[13] = (uint8_t)len;
		plain[len ? len - 1 : 0] = (uint8_t)(len * 7);
		struct bytes associated = bytes_slice(bytes_of(plain, sizeof plain), 9, len % 90);
		seal_encrypt(SEAL_AES_256_GCM, key, nonce, associated, bytes_of(plain, len), cipher,
			     tag);
		CHECK_ERR(seal_decrypt_plainly(key, nonce, associated, bytes_of(cipher, len), tag,
					       back),
			  OK);
		CHECK(memcmp(back, plain, len) == 0);
	}
}

#define LONG_TEXT "forty-six bytes and more, none like the last."

/* FIPS 180-4 and RFC 7693 "abc"; RFC 3720 B.4 for the CRC of zeros, and the usual check value. */
static void digests_and_checksums_are_the_published_ones(void)
{
	uint8_t digest[32], zeros[32] = {0};
	struct bytes parts[] = {BYTES("a"), BYTES(""), BYTES("bc")};
	struct seal_digest_state s, copy;
	struct seal_sha256_state sha;

	seal_sha256(BYTES("abc"), digest);
	CHECK_HEX(digest, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	seal_sha256_init(&sha);
	seal_sha256_feed(&sha, BYTES("ab"));
	seal_sha256_feed(&sha, BYTES("c"));
	seal_sha256_end(&sha, digest);
	CHECK_HEX(digest, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	seal_digest(NULL, parts, 3, digest);
	CHECK_HEX(digest, 32, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
	seal_digest_init(&s);
	seal_digest_feed(&s, BYTES("ab"));
	copy = s;
	seal_digest_feed(&s, BYTES("x"));
	seal_digest_feed(&copy, BYTES("c"));
	seal_digest_end(&copy, digest);
	CHECK_HEX(digest, 32, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
	CHECK_U64(frame_crc32c(0, BYTES("123456789")), 0xe3069283);
	CHECK_U64(frame_crc32c(frame_crc32c(0, BYTES("1234")), BYTES("56789")), 0xe3069283);
	CHECK_U64(frame_crc32c(0, bytes_of(zeros, 32)), 0x8a9136aa);
	for (size_t len = 0; len < 40; len++) {
		struct bytes some = bytes_slice(BYTES(LONG_TEXT), len % 7, len);
		CHECK_U64(frame_crc32c_plainly(7, some), frame_crc32c(7, some));
	}
}

static void a_step_of_the_ratchet_forgets(void)
{
	uint8_t key[32] = {1}, once[32], next[32], other[32];

	seal_step(key, BYTES("label"), once, next);
	CHECK(memcmp(once, next, 32) != 0 && memcmp(next, key, 32) != 0);
	seal_step(key, BYTES("label2"), other, key);
	CHECK(memcmp(other, once, 32) != 0 && memcmp(key, next, 32) != 0);
	CHECK(seal_equal(once, once) && !seal_equal(once, next));
}

static void starting_twice_is_fine(void)
{
	CHECK_ERR(seal_init(), OK);
	CHECK_ERR(seal_init(), OK);
}

static void a_passphrase_opens_what_it_locked_and_nothing_else_does(void)
{
	struct identity one, back;
	struct recipient r;
	char line[SEAL_LOCKED_CHARS_MAX];

	CHECK_ERR(seal_new_identity(&one), OK);
	CHECK_ERR(seal_lock_identity(&one, BYTES("correct horse"), 1, 64, line), OK);
	CHECK_ERR(seal_parse_locked(bytes_str(line), &r), OK);
	CHECK(memcmp(&r, &one.recipient, sizeof r) == 0);
	CHECK_ERR(seal_unlock_identity(bytes_str(line), BYTES("correct horse"), &back), OK);
	CHECK(memcmp(&one, &back, sizeof one) == 0);
	CHECK_ERR(seal_unlock_identity(bytes_str(line), BYTES("correct hors"), &back), ERR_SEAL);
	CHECK_ERR(seal_unlock_identity(bytes_str(line), BYTES(""), &back), ERR_SEAL);
	/* one changed character anywhere, one missing */
	size_t len = strlen(line);
	for (size_t i = 0; i < len; i++) {
		char kept = line[i];
		line[i] = kept == '7' ? '6' : '7';
		CHECK(seal_unlock_identity(bytes_str(line), BYTES("correct horse"), &back) != OK);
		line[i] = kept;
		CHECK(seal_parse_locked(tap_guarded(bytes_of(line, i)), &r) != OK);
	}
}

static void a_locked_key_that_asks_for_too_much_is_refused(void)
{
	struct identity one;
	struct recipient r;
	char line[SEAL_LOCKED_CHARS_MAX], more[SEAL_LOCKED_CHARS_MAX + 40];
	static char long_one[SEAL_PASSPHRASE_MAX + 2];

	CHECK_ERR(seal_new_identity(&one), OK);
	memset(long_one, 'x', SEAL_PASSPHRASE_MAX + 1);
	CHECK_ERR(seal_lock_identity(&one, BYTES(""), 1, 64, line), ERR_LIMIT);
	CHECK_ERR(seal_lock_identity(&one, bytes_str(long_one), 1, 64, line), ERR_LIMIT);
	CHECK_ERR(seal_lock_identity(&one, BYTES("x"), 0, 64, line), ERR_LIMIT);
	CHECK_ERR(seal_lock_identity(&one, BYTES("x"), SEAL_PASSES_MAX + 1, 64, line), ERR_LIMIT);
	CHECK_ERR(seal_lock_identity(&one, BYTES("x"), 1, SEAL_MEMORY_KIB_MAX + 1, line),
		  ERR_LIMIT);
	CHECK_ERR(seal_lock_identity(&one, BYTES("x"), 1, SEAL_MEMORY_KIB_MIN, line), OK);
	char *at = strstr(line, "argon2id 1 8 ");
	CHECK(at != NULL);
	if (!at)
		return;
	snprintf(more, sizeof more, "%.*sargon2id 1 1048577 %s", (int)(at - line), line, at + 13);
	CHECK_ERR(seal_parse_locked(bytes_str(more), &r), ERR_LIMIT);
	snprintf(more, sizeof more, "%.*sargon2id 17 8 %s", (int)(at - line), line, at + 13);
	CHECK_ERR(seal_parse_locked(bytes_str(more), &r), ERR_LIMIT);
	snprintf(more, sizeof more, "%.*sscrypt 1 8 %s", (int)(at - line), line, at + 13);
	CHECK_ERR(seal_parse_locked(bytes_str(more), &r), ERR_UNSUPPORTED);
	CHECK_ERR(seal_parse_locked(BYTES("AIGW-LOCKED-KEY-2 x"), &r), ERR_UNSUPPORTED);
}
/* RFC 4231, cases 2 and 6 */
static void an_hmac_is_the_standards(void)
{
	struct bytes parts[3] = {BYTES("what do ya"), BYTES_NONE, BYTES(" want for nothing?")};
	uint8_t long_key[131], tag[32];
	struct buf hex = {0};

	seal_hmac_sha256(BYTES("Jefe"), parts, 3, tag);
	CHECK_ERR(buf_put_hex(&hex, bytes_of(tag, 32)), OK);
	CHECK_BYTES(buf_view(&hex),
		    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	buf_reset(&hex);
	memset(long_key, 0xaa, sizeof long_key);
	parts[0] = BYTES("Test Using Larger Than Block-Size Key - Hash Key First");
	seal_hmac_sha256(bytes_of(long_key, sizeof long_key), parts, 1, tag);
	CHECK_ERR(buf_put_hex(&hex, bytes_of(tag, 32)), OK);
	CHECK_BYTES(buf_view(&hex),
		    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	buf_done(&hex);
}

int main(void)
{
	if (seal_init())
		return 1;
	RUN_TESTS(TEST(starting_twice_is_fine), TEST(keys_have_their_text),
		  TEST(an_hmac_is_the_standards), TEST(an_identity_knows_its_recipient),
		  TEST(upper_case_is_read_and_mixed_case_is_not),
		  TEST(every_mistyped_character_is_found), TEST(other_texts_are_no_keys),
		  TEST(nothing_is_sealed_to_a_point_of_small_order),
		  TEST(a_new_identity_survives_its_text), TEST(a_box_opens_for_its_recipient_only),
		  TEST(records_are_sealed_as_the_draft_says),
		  TEST(records_are_sealed_as_the_mode_s_authors_say),
		  TEST(what_is_sealed_with_instructions_opens_without),
		  TEST(digests_and_checksums_are_the_published_ones),
		  TEST(a_step_of_the_ratchet_forgets),
		  TEST(a_passphrase_opens_what_it_locked_and_nothing_else_does),
		  TEST(a_locked_key_that_asks_for_too_much_is_refused));
}
