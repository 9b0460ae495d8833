/* SPDX-License-Identifier: MIT */
#include "audit/tree_digest.h"

#include "tap.h"

#define LENGTH_MAX 140000

static uint8_t text[LENGTH_MAX];

/* Byte i is i * 7 + (i >> 8) * 13 + (i >> 16). The digests are those of Python 3.11, with the lines
 * that stand in docs/audit-format.md. */
static const struct {
	size_t len;
	const char *digest;
} known[] = {
	{0, "60a25b4f1f5bd4b1afeb224bb6beecb2e8fb536294bb87504d298c8ae108f37e"},
	{1, "c66fb988a6f801847797272b67c063eab926e559c370c0549b9040d7c77cff52"},
	{128, "cd5ad99a9097c3d0058976215f4bc4cfc72a2e05aa1cefa46631fafb06d74f41"},
	{129, "73d0206938e7b67e09adf7263eeba020f53f053acd6938ec999dce713f2eb6e7"},
	{4095, "6d0712cb16c498aed87c3f4b3ee7e637a7a1b32974dc5d19fdbc0daeec9c3d20"},
	{4096, "3b449a50944f0372db419e7db3f57eb291701813a145e1e3a5f8d30b59e73808"},
	{4097, "bc23818583a92af3a0d66ce8f91dd86ab360f1c5c1bbb93a6a35374e5fe338e0"},
	{8192, "ccba50da15a8a0955bc848c164499d260929f6a7ea0cc4b9c650f20b1cf924a9"},
	{16384, "70945e1f30bb640622c813c835a444d65cf14bd0de9ef207f2edcd9d6a73cb29"},
	{16385, "3103f1ddd6a9051b6da3e2544b9d1a939c6decf9dd285491f9b20dbedf9bc3fa"},
	{28672, "5be96986c9a332edc30a5aa9188f6a84e0d4b53fab3383c8cc02448d788353f3"},
	{32767, "d4dd0a1d04be261e39c8ee2d8c232ab522bfdaa814d4e69e108d41582f3d38a4"},
	{32768, "12ddd2cbdb384992d7cfe47a2f45afc0a6bd3b94a0e55a4417e90e9cdb38b90a"},
	{32769, "bb296fa0387afb8ad60d2d8103d50854c797701dc1605f09afe7711f4be3b529"},
	{36864, "f0f823e4eb2d2cc9d085b4a5c8d7589be033a215a335e6323bbd9fa9faf1b2e6"},
	{65536, "145f76c8aaa0342e806e0df2c46e55c3e3ecaf37a68e08cacb4df387523900d6"},
	{65537, "4ad1374df744ee979c146d47e4630e4da9118f350df98b461bd217c8997b4bbf"},
	{100000, "c5c08f87aa897eee8e08571b40af8aa18bbfcc3bc027591923214599626a4d57"},
	{140000, "b23af9895bf1588a9335be8ecbcc4674b92b95e7dd83490f70695ce4b60bb97f"},
};

static void fill(void)
{
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(i * 7 + (i >> 8) * 13 + (i >> 16));
}

static void need(const struct tree_digest *d, const char *expected)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[TREE_DIGEST_BYTES];
	char hex[2 * TREE_DIGEST_BYTES + 1] = "";

	tree_digest_end(d, digest);
	for (size_t i = 0; i < sizeof digest; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	CHECK_STR(hex, expected);
}

/* In pieces of `step` bytes, in memory that ends with them; asked on the way, too. */
static void comes_out(size_t step, size_t lanes)
{
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		struct bytes all = tap_guarded(bytes_of(text, known[i].len));
		struct tree_digest d;
		uint8_t unused[TREE_DIGEST_BYTES];
		tree_digest_init(&d);
		if (d.lanes > lanes)
			d.lanes = lanes;
		for (size_t at = 0; at < all.len; at += step) {
			tree_digest_feed(&d, bytes_slice(all, at, step));
			tree_digest_end(&d, unused);
		}
		need(&d, known[i].digest);
		need(&d, known[i].digest);
	}
}

static void it_is_the_digest_that_others_make_of_it(void)
{
	if (tree_lanes_count() < 8)
		tap_skip("the processor does not work on eight leaves at once");
	if (tree_lanes_count() < 4)
		tap_skip("the processor works on one leaf at a time");
	comes_out(LENGTH_MAX, 8);
	comes_out(LENGTH_MAX, 4);
	comes_out(LENGTH_MAX, 0);
}

static void pieces_do_not_change_it(void)
{
	static const size_t steps[] = {100, 128, 4095, 4096, 4097, 32768, 33000, 65536};

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		comes_out(steps[i], 8);
		comes_out(steps[i], 4);
		comes_out(steps[i], 0);
	}
	comes_out(tree_digest_step(), 8);
}

static void every_bit_counts_in_every_lane(void)
{
	uint8_t before[TREE_DIGEST_BYTES], after[TREE_DIGEST_BYTES];
	const size_t len = 9 * TREE_DIGEST_LEAF_BYTES + 5;
	struct tree_digest d;

	tree_digest_init(&d);
	tree_digest_feed(&d, bytes_of(text, len));
	tree_digest_end(&d, before);
	for (size_t at = 0; at < len; at += 61) {
		text[at] ^= 0x10;
		tree_digest_init(&d);
		tree_digest_feed(&d, bytes_of(text, len));
		tree_digest_end(&d, after);
		CHECK(memcmp(before, after, sizeof after) != 0);
		text[at] ^= 0x10;
	}
}

/* Every processor with AVX2 works on several; the kernel says what it lets programs use. */
static void several_leaves_are_worked_on_at_once_where_they_can_be(void)
{
	struct buf info = tap_file("/proc/cpuinfo");
	bool wide = bytes_find(buf_view(&info), BYTES(" avx512vl ")) != SIZE_MAX;
	bool avx2 = bytes_find(buf_view(&info), BYTES(" avx2 ")) != SIZE_MAX;

	CHECK_U64(tree_lanes_count(), wide ? 8 : avx2 ? 4 : 0);
	buf_done(&info);
}

int main(void)
{
	fill();
	RUN_TESTS(TEST(it_is_the_digest_that_others_make_of_it), TEST(pieces_do_not_change_it),
		  TEST(every_bit_counts_in_every_lane),
		  TEST(several_leaves_are_worked_on_at_once_where_they_can_be));
}
