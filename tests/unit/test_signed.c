/* SPDX-License-Identifier: MIT
 *
 * Signing keys, signed documents, their codings, and manifests.
 */
#include "aigw/signed.h"

#include <stdlib.h>

#include "aigw/manifest.h"
#include "tap.h"

#define FIXTURES "tests/fixtures/evidence/"

/* RFC 8032 7.1, test 2: one byte, here cut into label and content both ways. */
static void signatures_are_those_of_the_standard(void)
{
	static const char seed[] =
		"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
	static const char public_key[] =
		"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
	static const char signature[] =
		"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
		"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
	uint8_t key[32], expected[SEAL_SIGNATURE_BYTES], got[SEAL_SIGNATURE_BYTES];
	struct signer s = {{0}, {0}};

	CHECK(signed_parse_hex(bytes_str(seed), s.secret_key, 32));
	CHECK(signed_parse_hex(bytes_str(public_key), s.secret_key + 32, 32));
	CHECK(signed_parse_hex(bytes_str(public_key), key, 32));
	CHECK(signed_parse_hex(bytes_str(signature), expected, sizeof expected));
	CHECK_ERR(seal_sign(&s, BYTES("\x72"), BYTES_NONE, got), OK);
	CHECK(memcmp(got, expected, sizeof got) == 0);
	CHECK_ERR(seal_check_signature(key, BYTES_NONE, BYTES("\x72"), expected), OK);
	CHECK_ERR(seal_check_signature(key, BYTES("\x72"), BYTES("\x72"), expected), ERR_SEAL);
	expected[0] ^= 1;
	CHECK_ERR(seal_check_signature(key, BYTES_NONE, BYTES("\x72"), expected), ERR_SEAL);
}

/* Up to SEAL_SIGNED_SMALL without memory, beyond with it, and then its want is told. */
static void signing_needs_memory_only_for_what_is_long(void)
{
	static uint8_t text[SEAL_SIGNED_SMALL + 1];
	static const uint8_t seed[32] = {7};
	uint8_t signature[SEAL_SIGNATURE_BYTES];
	struct signer s;

	seal_make_signer(seed, &s);
	for (size_t len = SEAL_SIGNED_SMALL; len <= sizeof text; len++) {
		struct bytes label = bytes_of(text, 4), content = bytes_of(text + 4, len - 4);
		enum err expected = len > SEAL_SIGNED_SMALL ? ERR_NOMEM : OK;
		tap_fail_allocation(1);
		CHECK_ERR(seal_sign(&s, label, content, signature), expected);
		tap_fail_allocation(1);
		CHECK_ERR(seal_check_signature(s.public_key, label, content, signature), expected);
		tap_fail_allocation(0);
		CHECK_ERR(seal_sign(&s, label, content, signature), OK);
		CHECK_ERR(seal_check_signature(s.public_key, label, content, signature), OK);
		text[len - 1] ^= 1;
		CHECK_ERR(seal_check_signature(s.public_key, label, content, signature), ERR_SEAL);
		text[len - 1] ^= 1;
	}
}

static void a_signer_is_written_and_read_again(void)
{
	struct signer a, b;
	char secret[SIGNER_CHARS_MAX], public_key[SIGNER_CHARS_MAX];
	uint8_t key[32];

	CHECK_ERR(seal_new_signer(&a), OK);
	seal_put_signer(&a, secret);
	seal_put_signer_public(a.public_key, public_key);
	CHECK(strncmp(secret, "AIGW-SIGN-KEY-1", 15) == 0);
	CHECK(strncmp(public_key, "aigw-sign1", 10) == 0);
	CHECK_ERR(seal_parse_signer(bytes_str(secret), &b), OK);
	CHECK(memcmp(&a, &b, sizeof a) == 0);
	CHECK_ERR(seal_parse_signer_public(bytes_str(public_key), key), OK);
	CHECK(memcmp(key, a.public_key, 32) == 0);
	/* one for the other, or mistyped */
	CHECK_ERR(seal_parse_signer(bytes_str(public_key), &b), ERR_BAD);
	CHECK_ERR(seal_parse_signer_public(bytes_str(secret), key), ERR_BAD);
	for (size_t i = 0; public_key[i]; i++) {
		char old = public_key[i];
		public_key[i] = old == 'q' ? 'p' : 'q';
		CHECK_ERR(seal_parse_signer_public(bytes_str(public_key), key), ERR_BAD);
		public_key[i] = old;
	}
}

static void a_changed_document_is_told(void)
{
	struct signer signer;
	struct signed_text t;
	struct buf text = {0};

	CHECK_ERR(seal_new_signer(&signer), OK);
	CHECK_ERR(signed_put(&text, BYTES("label\n"), BYTES("{\"a\":1}"), &signer), OK);
	CHECK_ERR(signed_parse(buf_view(&text), BYTES("label\n"), &t), OK);
	CHECK(t.has_signer && t.signature_right);
	CHECK_BYTES(t.statement, "{\"a\":1}");
	CHECK_ERR(signed_parse(buf_view(&text), BYTES("other\n"), &t), OK);
	CHECK(t.has_signer && !t.signature_right);
	for (size_t i = 0; i < text.len - 1; i++) {
		text.at[i] ^= 1;
		enum err e = signed_parse(buf_view(&text), BYTES("label\n"), &t);
		/* of a hexadecimal digit of the signature only its case may change unnoticed; a
		 * changed name of a member leaves an unsigned document */
		CHECK(e || !t.has_signer || !t.signature_right);
		text.at[i] ^= 1;
	}
	buf_reset(&text);
	CHECK_ERR(signed_put(&text, BYTES("label\n"), BYTES("{}"), NULL), OK);
	CHECK_BYTES(buf_view(&text), "{\"statement\":{}}\n");
	CHECK_ERR(signed_parse(buf_view(&text), BYTES("label\n"), &t), OK);
	CHECK(!t.has_signer);
	CHECK_ERR(signed_parse(BYTES("{}"), BYTES("label\n"), &t), ERR_BAD);
	CHECK_ERR(signed_parse(BYTES("{\"statement\":1}"), BYTES("label\n"), &t), ERR_BAD);
	CHECK_ERR(signed_parse(BYTES("{\"statement\":{},\"signer\":\"x\"}"), BYTES(""), &t),
		  ERR_BAD);
	CHECK_ERR(signed_parse(BYTES("{\"statement\":{}"), BYTES(""), &t), ERR_BAD);
	buf_done(&text);
}

static void base_64_has_one_text_for_one_meaning(void)
{
	static const struct {
		const char *text, *meaning; /* NULL: none */
	} cases[] = {
		{"", ""},        {"Zg==", "f"},        {"Zm8=", "fo"},
		{"Zm9v", "foo"}, {"Zm9vYg==", "foob"}, {"Zh==", NULL},
		{"Zm9=", NULL},  {"Zg=", NULL},        {"Zg", NULL},
		{"Z===", NULL},  {"====", NULL},       {"Zg==Zg==", NULL},
		{"Zm 9", NULL},  {"Zm9-", NULL},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf out = {0};
		enum err e = signed_put_unbase64(&out, bytes_str(cases[i].text));
		CHECK_ERR(e, cases[i].meaning ? OK : ERR_BAD);
		if (cases[i].meaning)
			CHECK_BYTES(buf_view(&out), cases[i].meaning);
		buf_done(&out);
	}
}

static void hexadecimal_is_exact(void)
{
	uint8_t two[2] = {9, 9};

	CHECK(signed_parse_hex(BYTES("0aF0"), two, 2) && two[0] == 0x0A && two[1] == 0xF0);
	CHECK(!signed_parse_hex(BYTES("0aF"), two, 2));
	CHECK(!signed_parse_hex(BYTES("0aFg"), two, 2));
	CHECK(!signed_parse_hex(BYTES("0aF000"), two, 2));
}

static void items_of_an_array_come_one_by_one(void)
{
	static const char *const expected[] = {"1", "\"a\"", "{\"b\":[2]}", "[3,[4]]", "null"};
	struct signed_items items;
	struct bytes item;
	size_t n = 0;

	CHECK_ERR(signed_find_items(BYTES("{\"x\":[1,\"a\", {\"b\":[2]},[3,[4]],null ]}"), "/x",
				    &items),
		  OK);
	while (signed_next_item(&items, &item) && n < 5)
		CHECK_BYTES(item, expected[n++]);
	CHECK_U64(n, 5);
	CHECK(!signed_next_item(&items, &item));
	CHECK_ERR(signed_find_items(BYTES("{\"x\":{}}"), "/x", &items), ERR_BAD);
	CHECK_ERR(signed_find_items(BYTES("{}"), "/x", &items), ERR_MISSING);
}

/* ---- manifests ---- */

static void count(void *context, const struct manifest_segment *segment)
{
	CHECK(segment->has_chain);
	CHECK_U64(segment->last, 5);
	++*(uint64_t *)context;
}

static void a_manifest_is_read(void)
{
	struct buf text = tap_file(FIXTURES "manifest.json");
	struct signed_text t = {.has_signer = false};
	struct manifest m;
	uint64_t segments = 0;

	CHECK_ERR(signed_parse(buf_view(&text), MANIFEST_LABEL, &t), OK);
	CHECK(t.has_signer && t.signature_right);
	CHECK_ERR(manifest_parse(t.statement, &m), OK);
	CHECK_BYTES(m.format, "ndjson");
	CHECK_BYTES(m.name, "log.ndjson");
	CHECK_U64(m.entries, 2);
	CHECK_U64(m.segments, 1);
	CHECK_ERR(manifest_each(&m, &segments, count), OK);
	CHECK_U64(segments, 1);
	buf_done(&text);
}

#define START "{\"type\":\"aigw export manifest\",\"version\":1,\"format\":\"csv\",\"entries\":0,"
#define SUM   "\"sha256\":\"" SUM8 SUM8 SUM8 SUM8 "\"}"
#define SUM8  "0011223344556677"

static void names_in_a_manifest_lead_nowhere_else(void)
{
	static const struct {
		const char *statement;
		enum err parse, each;
	} cases[] = {
		{START "\"output\":{\"bytes\":1," SUM ",\"segments\":[]}", OK, OK},
		{START "\"output\":{\"name\":\"a.b\",\"bytes\":1," SUM ",\"segments\":[]}", OK, OK},
		{START "\"output\":{\"name\":\"../a\",\"bytes\":1," SUM ",\"segments\":[]}",
		 ERR_BAD, OK},
		{START "\"output\":{\"name\":\"\",\"bytes\":1," SUM ",\"segments\":[]}", ERR_BAD,
		 OK},
		{START "\"output\":{\"name\":\".a\",\"bytes\":1," SUM ",\"segments\":[]}", ERR_BAD,
		 OK},
		{START "\"output\":{\"bytes\":-1," SUM ",\"segments\":[]}", ERR_BAD, OK},
		{START "\"output\":{\"bytes\":1," SUM "}", ERR_BAD, OK},
		{START "\"output\":{\"bytes\":1," SUM
		       ",\"segments\":[{\"file\":\"2026-11-24/../../x\",\"id\":\"" SUM8 SUM8
		       "\"}]}",
		 OK, ERR_BAD},
		{START "\"output\":{\"bytes\":1," SUM
		       ",\"segments\":[{\"file\":\"2026-11-24/x\",\"id\":\"" SUM8 SUM8 "\"}]}",
		 OK, OK},
		{START "\"output\":{\"bytes\":1," SUM ",\"segments\":[7]}", OK, ERR_BAD},
		{"{\"type\":\"aigw export manifest\",\"version\":2}", ERR_UNSUPPORTED, OK},
		{"{\"type\":\"aigw evidence\",\"version\":1}", ERR_BAD, OK},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct manifest m;
		enum err e = manifest_parse(bytes_str(cases[i].statement), &m);
		CHECK_ERR(e, cases[i].parse);
		uint64_t ignored = 0;
		if (!e && m.segments && cases[i].each)
			CHECK_ERR(manifest_each(&m, &ignored, count), cases[i].each);
	}
}

int main(void)
{
	if (seal_init())
		return 1;
	RUN_TESTS(TEST(signatures_are_those_of_the_standard),
		  TEST(signing_needs_memory_only_for_what_is_long),
		  TEST(a_signer_is_written_and_read_again), TEST(a_changed_document_is_told),
		  TEST(base_64_has_one_text_for_one_meaning), TEST(hexadecimal_is_exact),
		  TEST(items_of_an_array_come_one_by_one), TEST(a_manifest_is_read),
		  TEST(names_in_a_manifest_lead_nowhere_else));
}
