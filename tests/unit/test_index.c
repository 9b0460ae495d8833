/* SPDX-License-Identifier: MIT
 *
 * Blocks of the index: made, opened, refused when changed; ids and what they begin with.
 */
#include "aigw/index.h"

#include <stdlib.h>

#include "tap.h"

static const uint8_t key[32] = {1, 2, 3};
static const uint8_t segment_id[16] = {4, 5};

static const struct segment_mark before = {
	.offset = 400, .sequence = 10, .has_chain = true, .chain = {6}, .key = {7}};
static const struct segment_mark behind = {
	.offset = 900, .sequence = 13, .has_chain = true, .chain = {8}, .key = {9}};

static void put_three(struct buf *out)
{
	struct index_maker m = {0};

	CHECK_ERR(index_maker_add(&m, 50, BYTES("01K0000000000000000000000Z")), OK);
	CHECK_ERR(index_maker_add(&m, 40, BYTES("01J0000000000000000000000A")), OK);
	CHECK_ERR(index_maker_add(&m, 60, BYTES("")), OK);
	CHECK_ERR(index_maker_put(&m, key, segment_id, &before, &behind, out), OK);
	CHECK_U64(m.records, 0);
	index_maker_done(&m);
}

static void a_block_comes_back(void)
{
	struct buf out = {0};
	struct index_head h = {.records = 0};
	struct segment_mark a, b;

	put_three(&out);
	CHECK_U64(out.len, sizeof h + 2 * INDEX_ID_BYTES);
	CHECK_ERR(index_parse(buf_view(&out), &h), OK);
	CHECK_U64(h.records, 3);
	CHECK_U64(h.time_min_ns, 40);
	CHECK_U64(h.time_max_ns, 60);
	CHECK_ERR(index_open(&h, key, &a, &b), OK);
	CHECK_U64(a.offset, 400);
	CHECK_U64(b.offset, 900);
	CHECK_U64(a.sequence, 10);
	CHECK_U64(b.sequence, 13);
	CHECK(memcmp(a.key, before.key, 32) == 0 && memcmp(b.key, behind.key, 32) == 0);
	CHECK(memcmp(a.chain, before.chain, 32) == 0 && memcmp(b.chain, behind.chain, 32) == 0);
	struct bytes ids = bytes_from(buf_view(&out), sizeof h);
	CHECK(index_ids_fit(&h, ids));
	CHECK(index_has_prefix(ids, BYTES("01K0")) && index_has_prefix(ids, BYTES("01J0")));
	CHECK(index_has_prefix(ids, BYTES("01K0000000000000000000000Z")));
	CHECK(!index_has_prefix(ids, BYTES("01K0000000000000000000000Y")));
	CHECK(!index_has_prefix(ids, BYTES("01H0")) && !index_has_prefix(ids, BYTES("01M0")));
	CHECK(!index_has_prefix(ids, BYTES("01JU"))); /* no ULID has a U */
	CHECK(index_spans_prefix(&h, BYTES("01JZ")) && !index_spans_prefix(&h, BYTES("01M0")));
	/* keys are not in it */
	CHECK(bytes_find(buf_view(&out), bytes_of(before.key, 4)) == SIZE_MAX);
	buf_done(&out);
}

static void every_changed_bit_is_refused(void)
{
	uint8_t other[32] = {1, 2, 4};
	struct buf out = {0};
	struct index_head h;
	struct segment_mark a, b;

	put_three(&out);
	CHECK_ERR(index_parse(buf_view(&out), &h), OK);
	CHECK_ERR(index_open(&h, other, &a, &b), ERR_SEAL);
	for (size_t bit = 0; bit < out.len * 8; bit++) {
		out.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
		enum err e = index_parse(buf_view(&out), &h);
		if (!e)
			e = index_open(&h, key, &a, &b);
		CHECK(e || !index_ids_fit(&h, bytes_from(buf_view(&out), sizeof h)));
		out.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t n = 0; n < sizeof h; n++)
		CHECK_ERR(index_parse(tap_guarded(bytes_slice(buf_view(&out), 0, n)), &h),
			  ERR_MORE);
	buf_done(&out);
}

static void an_id_that_is_no_ulid_is_not_denied(void)
{
	struct index_maker m = {0};
	struct buf out = {0};
	struct index_head h = {.flags = 0};

	CHECK_ERR(index_maker_add(&m, 1, BYTES("01K")), OK);
	CHECK_ERR(index_maker_add(&m, 1, BYTES("81K0000000000000000000000Z")),
		  OK); /* over 128 bits */
	CHECK_ERR(index_maker_put(&m, key, segment_id, &before, &behind, &out), OK);
	CHECK_ERR(index_parse(buf_view(&out), &h), OK);
	CHECK_U64(h.flags, INDEX_ODD_IDS);
	CHECK_U64(h.id_count, 0);
	CHECK(!index_spans_prefix(&h, BYTES("01K0")));
	buf_done(&out);
	index_maker_done(&m);
}

static void a_full_block_fits_and_one_record_more_does_not(void)
{
	struct index_maker m = {0};
	struct buf out = {0};
	struct index_head h = {.records = 0};

	for (unsigned more = 0; more < 2; more++) {
		char id[ULID_CHARS + 1];
		for (unsigned i = 0; i < INDEX_BLOCK_RECORDS + more; i++) {
			uint8_t random[10] = {(uint8_t)(i >> 8), (uint8_t)i};
			record_make_id(1700000000000u + 7 * i, random, id);
			CHECK_ERR(index_maker_add(&m, i, bytes_str(id)), OK);
		}
		buf_reset(&out);
		CHECK_ERR(index_maker_put(&m, key, segment_id, &before, &behind, &out), OK);
		CHECK_ERR(index_parse(buf_view(&out), &h), more ? ERR_BAD : OK);
		CHECK(index_has_prefix(bytes_from(buf_view(&out), sizeof h), bytes_str(id)));
	}
	CHECK_U64(h.id_count, INDEX_BLOCK_RECORDS);
	buf_done(&out);
	index_maker_done(&m);
}

int main(void)
{
	if (seal_init())
		return 1;
	RUN_TESTS(TEST(a_block_comes_back), TEST(every_changed_bit_is_refused),
		  TEST(an_id_that_is_no_ulid_is_not_denied),
		  TEST(a_full_block_fits_and_one_record_more_does_not));
}
