/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "audit/record.h"
#include "tap.h"

static void fields_are_read_back_in_order(void)
{
	struct buf b = {0};
	struct record_field f;
	uint64_t n = 0;

	CHECK_ERR(record_put(&b, F_HOST, BYTES("ward-3")), OK);
	CHECK_ERR(record_put_u64(&b, F_PID, 0x0102030405060708), OK);
	CHECK_ERR(record_put_bool(&b, F_VERIFIED, true), OK);
	CHECK_ERR(record_put_if(&b, F_USER, BYTES_NONE), OK);
	CHECK_ERR(record_put(&b, F_REQUEST_MODEL, BYTES_NONE), OK);
	struct cursor c = cursor_over(buf_view(&b));
	CHECK_ERR(record_next(&c, &f), OK);
	CHECK_U64(f.number, F_HOST);
	CHECK_BYTES(f.value, "ward-3");
	CHECK_ERR(record_next(&c, &f), OK);
	CHECK_U64(f.number, F_PID);
	CHECK_ERR(record_next(&c, &f), OK);
	CHECK_U64(f.number, F_VERIFIED);
	CHECK_ERR(record_next(&c, &f), OK);
	CHECK_U64(f.value.len, 0);
	CHECK_ERR(record_next(&c, &f), ERR_END);
	CHECK_ERR(record_find_u64(buf_view(&b), F_PID, &n), OK);
	CHECK_U64(n, 0x0102030405060708);
	CHECK_ERR(record_find_u64(buf_view(&b), F_VERIFIED, &n), OK);
	CHECK_U64(n, 1);
	CHECK_ERR(record_find_u64(buf_view(&b), F_HOST, &n), ERR_BAD);
	CHECK_ERR(record_find_u64(buf_view(&b), F_STATUS, &n), ERR_MISSING);
	CHECK_U64(n, 1);
	buf_done(&b);
}

static void a_field_put_together_in_its_place_is_as_one_put_at_once(void)
{
	struct buf b = {0}, once = {0};
	size_t at;

	CHECK_ERR(record_put_u64(&b, F_PID, 7), OK);
	CHECK_ERR(record_open(&b, F_HOST, &at), OK);
	CHECK_ERR(record_close(&b, at), OK); /* empty: it is gone */
	CHECK_ERR(record_open(&b, F_HOST, &at), OK);
	CHECK_ERR(buf_put(&b, BYTES("ward")), OK);
	CHECK_ERR(buf_put(&b, BYTES("-3")), OK);
	CHECK_ERR(record_close(&b, at), OK);
	CHECK_ERR(record_put_bool(&b, F_VERIFIED, true), OK);
	CHECK_ERR(record_put_u64(&once, F_PID, 7), OK);
	CHECK_ERR(record_put(&once, F_HOST, BYTES("ward-3")), OK);
	CHECK_ERR(record_put_bool(&once, F_VERIFIED, true), OK);
	CHECK(bytes_equal(buf_view(&b), buf_view(&once)));
	buf_done(&b);
	buf_done(&once);
}

static void the_layout_is_number_zero_length_bytes(void)
{
	static const uint8_t expected[] = {20, 0, 0, 0, 3, 0, 0, 0, 'a', 'b', 'c'};
	struct buf b = {0};

	CHECK_ERR(record_put(&b, F_ID, BYTES("abc")), OK);
	CHECK(bytes_equal(buf_view(&b), bytes_of(expected, sizeof expected)));
	buf_done(&b);
}

static void a_record_cut_anywhere_is_malformed_or_shorter(void)
{
	struct buf b = {0};
	struct record_field f;

	CHECK_ERR(record_put(&b, F_HOST, BYTES("ward")), OK);
	CHECK_ERR(record_put(&b, F_USER, BYTES("intake")), OK);
	for (size_t n = 0; n <= b.len; n++) {
		struct bytes cut = tap_guarded(bytes_slice(buf_view(&b), 0, n));
		struct cursor c = cursor_over(cut);
		unsigned fields = 0;
		enum err e;
		while ((e = record_next(&c, &f)) == OK)
			fields++;
		bool at_a_border = n == 0 || n == 12 || n == b.len;
		CHECK_ERR(e, at_a_border ? ERR_END : ERR_BAD);
		CHECK_U64(fields, n == b.len ? 2 : n >= 12 ? 1 : 0);
	}
	buf_done(&b);
}

static void a_length_past_the_end_or_a_flag_is_malformed(void)
{
	uint8_t huge[] = {1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 'x'};
	uint8_t flag[] = {1, 0, 1, 0, 1, 0, 0, 0, 'x'};
	struct record_field f = {.number = 77};
	struct cursor c = cursor_over(tap_guarded(bytes_of(huge, sizeof huge)));

	CHECK_ERR(record_next(&c, &f), ERR_BAD);
	CHECK_ERR(record_next(&c, &f), ERR_BAD);
	c = cursor_over(tap_guarded(bytes_of(flag, sizeof flag)));
	CHECK_ERR(record_next(&c, &f), ERR_BAD);
	CHECK_U64(f.number, 77);
}

static void unknown_numbers_are_passed_over(void)
{
	uint8_t raw[] = {0xFE, 0xFF, 0, 0, 1, 0, 0, 0, 'x', 1, 0, 0, 0, 2, 0, 0, 0, 'h', 'i'};
	struct bytes value = {0};

	CHECK_ERR(record_find(bytes_of(raw, sizeof raw), F_HOST, &value), OK);
	CHECK_BYTES(value, "hi");
	CHECK(record_field_info(0xFFFE) == NULL);
}

static void numbers_and_paths_are_unique(void)
{
	static const unsigned numbers[] = {
#define FIELD(number, name, type, path) number,
#include "audit/record.def"
#undef FIELD
	};
	size_t count = sizeof numbers / sizeof numbers[0];

	for (size_t i = 0; i < count; i++) {
		CHECK(record_field_info(numbers[i]) != NULL);
		for (size_t k = 0; k < i; k++) {
			CHECK(numbers[i] != numbers[k]);
			CHECK(strcmp(record_field_info(numbers[i])->path,
				     record_field_info(numbers[k])->path) != 0);
		}
	}
	CHECK_STR(record_field_info(F_PID)->path, "process.pid");
	CHECK(record_field_info(F_CMDLINE)->type == FIELD_LIST);
}

static void kinds_have_names(void)
{
	CHECK_STR(record_kind_name(REC_START), "start");
	CHECK_STR(record_kind_name(REC_END), "end");
	CHECK(record_kind_name(0) == NULL);
	CHECK_STR(record_kind_name(REC_CONNECTION), "connection");
	CHECK_STR(record_kind_name(REC_ACCESS), "access");
	CHECK_STR(record_kind_name(REC_RETENTION), "retention");
	CHECK(record_kind_name(REC_LIMIT + 1) == NULL);
}

/* The example of github.com/ulid/spec: 1469918176385 is 01ARYZ6S41. */
static void an_id_is_a_ulid(void)
{
	uint8_t zeros[10] = {0}, ones[10], counted[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
	char id[ULID_CHARS + 1], later[ULID_CHARS + 1];

	memset(ones, 0xFF, sizeof ones);
	record_make_id(1469918176385, zeros, id);
	CHECK_STR(id, "01ARYZ6S410000000000000000");
	record_make_id(0xFFFFFFFFFFFF, ones, id);
	CHECK_STR(id, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
	record_make_id(0, counted, id);
	CHECK_STR(id, "0000000000000G40R40M30E209");
	record_make_id(1000, ones, id);
	record_make_id(1001, zeros, later);
	CHECK(strcmp(id, later) < 0);
}

static enum err put_three(void)
{
	struct buf b = {0};
	char large[600] = {0};
	enum err e = record_put(&b, F_HOST, BYTES("ward"));

	if (!e)
		e = record_put(&b, F_REQUEST_BODY, bytes_of(large, sizeof large));
	if (!e)
		e = record_put_u64(&b, F_PID, 1);
	buf_done(&b);
	return e;
}

static void no_memory_is_reported_and_nothing_half_written(void)
{
	struct buf b = {.max = 20};

	tap_fail_each_allocation(put_three);
	CHECK_ERR(record_put(&b, F_HOST, BYTES("12345678")), OK);
	CHECK_ERR(record_put(&b, F_HOST, BYTES("")), ERR_LIMIT);
	CHECK_U64(b.len, 16);
	buf_done(&b);
}

int main(void)
{
	RUN_TESTS(TEST(fields_are_read_back_in_order),
		  TEST(a_field_put_together_in_its_place_is_as_one_put_at_once),
		  TEST(the_layout_is_number_zero_length_bytes),
		  TEST(a_record_cut_anywhere_is_malformed_or_shorter),
		  TEST(a_length_past_the_end_or_a_flag_is_malformed),
		  TEST(unknown_numbers_are_passed_over), TEST(numbers_and_paths_are_unique),
		  TEST(kinds_have_names), TEST(an_id_is_a_ulid),
		  TEST(no_memory_is_reported_and_nothing_half_written));
}
