/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include "tap.h"

static void views_compare_by_content(void)
{
	CHECK(bytes_equal(BYTES("abc"), BYTES("abc")));
	CHECK(!bytes_equal(BYTES("abc"), BYTES("abd")));
	CHECK(!bytes_equal(BYTES("abc"), BYTES("ab")));
	CHECK(bytes_equal(BYTES_NONE, BYTES("")));
	CHECK(bytes_equal(BYTES("a\0b"), BYTES("a\0b")));
	CHECK(!bytes_equal(BYTES("a\0b"), BYTES("a\0c")));
	CHECK(bytes_equal(bytes_str("abc"), bytes_of("abcd", 3)));
	CHECK_U64(bytes_str(NULL).len, 0);
	CHECK_U64(BYTES("four").len, 4);
}

static void only_ascii_letters_lose_their_case(void)
{
	for (unsigned a = 0; a < 256; a++) {
		for (unsigned b = 0; b < 256; b++) {
			uint8_t x = (uint8_t)a, y = (uint8_t)b;
			bool letter = (a | 32) >= 'a' && (a | 32) <= 'z';
			bool same = a == b || (letter && (a ^ b) == 32);
			if (bytes_equal_nocase(bytes_of(&x, 1), bytes_of(&y, 1)) != same)
				tap_fail(__FILE__, __LINE__, "%u and %u", a, b);
		}
	}
	/* Sixteen bytes are compared at once, the last of them twice: the same at every place. */
	for (size_t len = 1; len <= 36; len++) {
		for (size_t at = 0; at < len; at++) {
			uint8_t one[36], two[36];
			for (unsigned a = 0; a < 256; a++) {
				memset(one, 'x', sizeof one);
				memset(two, 'X', sizeof two);
				one[at] = (uint8_t)a;
				two[at] = (uint8_t)(a ^ 0x20);
				bool letter = (a >= 'A' && a <= 'Z') || (a >= 'a' && a <= 'z');
				CHECK(bytes_equal_nocase(bytes_of(one, len), bytes_of(two, len)) ==
				      letter);
				two[at] = (uint8_t)(a ^ 0x80);
				CHECK(!bytes_equal_nocase(bytes_of(one, len), bytes_of(two, len)));
				two[at] = (uint8_t)a;
				CHECK(bytes_equal_nocase(bytes_of(one, len), bytes_of(two, len)));
			}
		}
	}
	CHECK(bytes_equal_nocase(BYTES("Content-Type"), BYTES("cONTENT-tYPE")));
	CHECK(!bytes_equal_nocase(BYTES("Content-Type"), BYTES("Content-Typ")));
}

static void lower_case_is_put_at_every_length(void)
{
	uint8_t text[70], out[71];

	for (size_t len = 0; len <= sizeof text; len++)
		for (unsigned first = 0; first < 256; first += 5) {
			for (size_t i = 0; i < len; i++)
				text[i] = (uint8_t)(first + i);
			memset(out, '#', sizeof out);
			bytes_put_lower(out, tap_guarded(bytes_of(text, len)));
			for (size_t i = 0; i < len; i++)
				CHECK_U64(out[i], text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32u
										   : text[i]);
			CHECK(out[len] == '#');
		}
}

static void the_order_is_memory_order_and_shorter_first(void)
{
	static const char *const sorted[] = {"", "A", "AB", "B", "a", "a\x7F", "a\xFF", "b"};
	const size_t n = sizeof sorted / sizeof sorted[0];

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < n; k++) {
			int order = bytes_compare(bytes_str(sorted[i]), bytes_str(sorted[k]));
			CHECK((order < 0) == (i < k) && (order > 0) == (i > k));
		}
	}
	CHECK(bytes_compare(BYTES_NONE, BYTES("")) == 0);
}

static void a_start_and_an_end_may_be_empty_or_all(void)
{
	static const struct {
		const char *whole, *part;
		bool starts, ends;
	} cases[] = {
		{"", "", true, true},          {"abc", "", true, true},
		{"abc", "abc", true, true},    {"abc", "ab", true, false},
		{"abc", "bc", false, true},    {"abc", "b", false, false},
		{"abc", "abcd", false, false}, {"", "a", false, false},
		{"aba", "a", true, true},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bytes whole = tap_guarded(bytes_str(cases[i].whole));
		struct bytes part = tap_guarded(bytes_str(cases[i].part));
		if (bytes_starts(whole, part) != cases[i].starts)
			tap_fail(__FILE__, __LINE__, "%s starts %s", cases[i].whole, cases[i].part);
		if (bytes_ends(whole, part) != cases[i].ends)
			tap_fail(__FILE__, __LINE__, "%s ends %s", cases[i].whole, cases[i].part);
	}
	CHECK(bytes_starts(BYTES_NONE, BYTES_NONE));
	CHECK(bytes_ends(BYTES_NONE, BYTES_NONE));
}

static void finding_gives_the_first_place_or_none(void)
{
	CHECK_U64(bytes_find(tap_guarded(BYTES("abcabc")), BYTES("bc")), 1);
	CHECK_U64(bytes_find(tap_guarded(BYTES("abcabc")), BYTES("abcabc")), 0);
	CHECK_U64(bytes_find(BYTES("abc"), BYTES("abcd")), SIZE_MAX);
	CHECK_U64(bytes_find(BYTES("abc"), BYTES("x")), SIZE_MAX);
	CHECK_U64(bytes_find(BYTES("abc"), BYTES_NONE), 0);
	CHECK_U64(bytes_find(BYTES_NONE, BYTES_NONE), 0);
	CHECK_U64(bytes_find(BYTES_NONE, BYTES("a")), SIZE_MAX);
	CHECK_U64(bytes_find(BYTES("a\0bc"), BYTES("\0b")), 1);
	CHECK_U64(bytes_find_byte(tap_guarded(BYTES("abca")), 'a'), 0);
	CHECK_U64(bytes_find_byte(tap_guarded(BYTES("abc")), 'c'), 2);
	CHECK_U64(bytes_find_byte(tap_guarded(BYTES("abc")), 'x'), SIZE_MAX);
	CHECK_U64(bytes_find_byte(BYTES_NONE, 0), SIZE_MAX);
}

static size_t find_one_by_one(struct bytes whole, struct bytes needle)
{
	for (size_t at = 0; at + needle.len <= whole.len; at++)
		if (memcmp(whole.at + at, needle.at, needle.len) == 0)
			return at;
	return SIZE_MAX;
}

/* Of a text of two letters, so that there are many beginnings and few hits. */
static void finding_is_the_same_at_every_place_and_length(void)
{
	uint8_t text[80];
	uint32_t seed = 1;

	for (unsigned round = 0; round < 40; round++) {
		for (size_t i = 0; i < sizeof text; i++) {
			seed = seed * 1664525 + 1013904223;
			text[i] = seed >> 24 & 3 ? 'a' : 'b';
		}
		struct bytes whole = tap_guarded(bytes_of(text, 1 + round * 2));
		for (size_t len = 1; len <= 20 && len <= whole.len; len++) {
			for (size_t from = 0; from + len <= sizeof text; from++) {
				struct bytes needle = bytes_of(text + from, len);
				if (bytes_find(whole, needle) != find_one_by_one(whole, needle))
					tap_fail(__FILE__, __LINE__, "%zu in %zu", len, whole.len);
			}
		}
	}
}

static void slices_are_clamped_to_what_exists(void)
{
	struct bytes b = BYTES("abcdef");

	CHECK_BYTES(bytes_slice(b, 1, 3), "bcd");
	CHECK_BYTES(bytes_slice(b, 4, 2), "ef");
	CHECK_BYTES(bytes_slice(b, 4, 3), "ef");
	CHECK_BYTES(bytes_slice(b, 4, SIZE_MAX), "ef");
	CHECK_BYTES(bytes_slice(b, 0, 0), "");
	CHECK_BYTES(bytes_slice(b, 6, 1), "");
	CHECK_BYTES(bytes_slice(b, SIZE_MAX, SIZE_MAX), "");
	CHECK_BYTES(bytes_from(b, 0), "abcdef");
	CHECK_BYTES(bytes_from(b, 5), "f");
	CHECK_BYTES(bytes_from(b, 6), "");
	CHECK_BYTES(bytes_from(b, 7), "");
	CHECK_BYTES(bytes_from(BYTES_NONE, 0), "");
}

static void trimming_takes_spaces_and_tabs_only(void)
{
	CHECK_BYTES(bytes_trim(tap_guarded(BYTES(" \t a b\t "))), "a b");
	CHECK_BYTES(bytes_trim(tap_guarded(BYTES(" \t "))), "");
	CHECK_BYTES(bytes_trim(BYTES("\na\r")), "\na\r");
	CHECK_BYTES(bytes_trim(BYTES_NONE), "");
}

static void cutting_walks_through_a_list(void)
{
	struct bytes rest = BYTES("a,,b,");

	CHECK_BYTES(bytes_cut(&rest, ','), "a");
	CHECK_BYTES(rest, ",b,");
	CHECK_BYTES(bytes_cut(&rest, ','), "");
	CHECK_BYTES(bytes_cut(&rest, ','), "b");
	CHECK_U64(rest.len, 0);
	CHECK_BYTES(bytes_cut(&rest, ','), "");
	rest = BYTES("whole");
	CHECK_BYTES(bytes_cut(&rest, ','), "whole");
	CHECK_U64(rest.len, 0);
}

static void decimal_numbers_are_digits_up_to_the_maximum(void)
{
	static const struct {
		const char *digits;
		uint64_t max;
		enum err expected;
		uint64_t value;
	} cases[] = {
		{"0", 0, OK, 0},
		{"0", UINT64_MAX, OK, 0},
		{"007", 10, OK, 7},
		{"1", 0, ERR_BAD, 0},
		{"5", 5, OK, 5},
		{"6", 5, ERR_BAD, 0},
		{"9", 5, ERR_BAD, 0}, /* a digit above the maximum itself */
		{"65535", 65535, OK, 65535},
		{"65536", 65535, ERR_BAD, 0},
		{"18446744073709551615", UINT64_MAX, OK, UINT64_MAX},
		{"18446744073709551614", UINT64_MAX - 1, OK, UINT64_MAX - 1},
		{"18446744073709551615", UINT64_MAX - 1, ERR_BAD, 0},
		{"18446744073709551616", UINT64_MAX, ERR_BAD, 0},
		{"184467440737095516150", UINT64_MAX, ERR_BAD, 0},
		{"", 10, ERR_BAD, 0},
		{"-1", 10, ERR_BAD, 0},
		{"+1", 10, ERR_BAD, 0},
		{" 1", 10, ERR_BAD, 0},
		{"1 ", 10, ERR_BAD, 0},
		{"1a", 100, ERR_BAD, 0},
		{"/", 100, ERR_BAD, 0},
		{":", 100, ERR_BAD, 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t value = 4711;
		enum err e = bytes_parse_u64(tap_guarded(bytes_str(cases[i].digits)), cases[i].max,
					     &value);
		if (e != cases[i].expected || value != (e ? 4711 : cases[i].value))
			tap_fail(__FILE__, __LINE__, "\"%s\" up to %llu: %s, %llu", cases[i].digits,
				 (unsigned long long)cases[i].max, err_name(e),
				 (unsigned long long)value);
	}
}

static void patterns_match_the_whole_text(void)
{
	static const struct {
		const char *pattern, *text;
		bool exact, nocase;
	} cases[] = {
		{"", "", true, true},
		{"", "a", false, false},
		{"*", "", true, true},
		{"*", "anything", true, true},
		{"**", "a", true, true},
		{"?", "", false, false},
		{"?", "a", true, true},
		{"?", "ab", false, false},
		{"gpt-4*", "gpt-4o-mini", true, true},
		{"gpt-4*", "gpt-4", true, true},
		{"gpt-4*", "gpt-3.5", false, false},
		{"GPT-4*", "gpt-4o", false, true},
		{"*mini", "gpt-4o-mini", true, true},
		{"*mini", "gpt-4o-mini-2", false, false},
		{"*mini", "minimini", true, true},
		{"a*b*c", "a1b2b3c", true, true},
		{"a*b*c", "a1b2b3cd", false, false},
		{"a*b?c", "abbxc", true, true},
		{"*.openai.com", "api.openai.com", true, true},
		{"*.openai.com", "openai.com", false, false},
		{"*.openai.com", "api.openai.com.evil.example", false, false},
		{"a?c", "abc", true, true},
		{"abc", "abcd", false, false},
		{"abcd", "abc", false, false},
		{"*a", "aaaaaaaaab", false, false},
		{"[a]", "a", false, false},
		{"a\\*", "ab", false, false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bytes pattern = tap_guarded(bytes_str(cases[i].pattern));
		struct bytes subject = tap_guarded(bytes_str(cases[i].text));
		if (bytes_match(pattern, subject, false) != cases[i].exact ||
		    bytes_match(pattern, subject, true) != cases[i].nocase)
			tap_fail(__FILE__, __LINE__, "%s on %s", cases[i].pattern, cases[i].text);
	}
}

static void matching_stays_within_pattern_times_text(void)
{
	/* a matcher that tries every way for each star never ends on this */
	static char pattern[2001], subject[5001];

	for (size_t i = 0; i < 2000; i += 2)
		memcpy(pattern + i, "*a", 2);
	memset(subject, 'a', 5000);
	CHECK(bytes_match(bytes_str(pattern), bytes_str(subject), false));
	subject[4999] = 'b';
	CHECK(!bytes_match(bytes_str(pattern), bytes_str(subject), false));
}

/* The code point of the first sequence of a text, as RFC 3629 section 3 says, or -1. */
static long first_code_point(const uint8_t *at, size_t left, size_t *ret_len)
{
	static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = at[0] < 0x80       ? 1
		   : at[0] >> 5 == 6  ? 2
		   : at[0] >> 4 == 14 ? 3
		   : at[0] >> 3 == 30 ? 4
				      : 0;
	if (n == 0 || n > left)
		return -1;
	long c = n == 1 ? at[0] : at[0] & (0x7F >> n);
	for (size_t i = 1; i < n; i++) {
		if (at[i] >> 6 != 2)
			return -1;
		c = c << 6 | (at[i] & 0x3F);
	}
	*ret_len = n;
	return c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? -1 : c;
}

static bool is_utf8(const uint8_t *at, size_t left)
{
	size_t n = 0;

	for (; left; at += n, left -= n)
		if (first_code_point(at, left, &n) < 0)
			return false;
	return true;
}

static void utf8_is_what_the_standard_says(void)
{
	unsigned valid = 0, wrong = 0;

	for (uint32_t v = 0; v < 1u << 24; v += v >= 0x800000 ? 5 : 11) {
		uint8_t three[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
		bool expected = is_utf8(three, 3);
		valid += expected;
		wrong += bytes_is_utf8(bytes_of(three, 3)) != expected;
	}
	for (uint32_t v = 0; v < 1u << 24;
	     v += 5) { /* 4-byte sequences: the last byte by its edges */
		static const uint8_t last[] = {0x7F, 0x80, 0xBF, 0xC0};
		uint8_t four[4] = {(uint8_t)(0xEF + (v >> 22) * 2), (uint8_t)(v >> 14),
				   (uint8_t)(v >> 6 | 0x80), last[v & 3]};
		if (v >> 22 == 3)
			four[0] = 0xF4;
		bool expected = is_utf8(four, 4);
		valid += expected;
		wrong += bytes_is_utf8(bytes_of(four, 4)) != expected;
	}
	CHECK_U64(wrong, 0);
	CHECK(valid > 100000);
	CHECK(bytes_is_utf8(BYTES_NONE));
	for (size_t len = 0; len < 4; len++) /* cut at the end of readable memory */
		CHECK(bytes_is_utf8(tap_guarded(bytes_of("\xF0\x9F\x98\x80", len))) == (len == 0));
	CHECK(bytes_is_utf8(tap_guarded(BYTES("\xF0\x9F\x98\x80"))));
}

static void utf8_is_the_same_wherever_it_stands(void)
{
	static const struct {
		const char *text;
		bool is_fine;
	} cases[] = {{"\x7F", true},      {"\xC3\xB6", true},      {"\xF0\x9F\x98\x80", true},
		     {"\x80", false},     {"\xC3", false},         {"\xF0\x9F\x98", false},
		     {"\xC0\x80", false}, {"\xED\xA0\x80", false}, {"\xFF", false}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t before = 0; before < 20; before++) {
			for (size_t behind = 0; behind < 20; behind++) {
				char text[64];
				size_t len = strlen(cases[i].text);
				memset(text, 'x', sizeof text);
				memcpy(text + before, cases[i].text, len);
				CHECK(bytes_is_utf8(tap_guarded(bytes_of(
					      text, before + len + behind))) == cases[i].is_fine);
			}
		}
	}
}

static void a_buffer_takes_all_kinds(void)
{
	struct buf b = {0};

	CHECK_ERR(buf_put(&b, BYTES("ab")), OK);
	CHECK_ERR(buf_put(&b, BYTES_NONE), OK);
	CHECK_ERR(buf_put_u8(&b, 0x01), OK);
	CHECK_ERR(buf_put_u16(&b, 0x0203), OK);
	CHECK_ERR(buf_put_u32(&b, 0x04050607), OK);
	CHECK_ERR(buf_put_u64(&b, UINT64_C(0x08090A0B0C0D0E0F)), OK);
	CHECK(bytes_equal(buf_view(&b),
			  BYTES("ab\x01\x03\x02\x07\x06\x05\x04\x0F\x0E\x0D\x0C\x0B\x0A\x09"
				"\x08")));
	buf_reset(&b);
	CHECK_U64(b.len, 0);
	CHECK(b.cap > 0);
	CHECK_ERR(buf_put_str(&b, "x"), OK);
	CHECK_ERR(buf_put_decimal(&b, 0), OK);
	CHECK_ERR(buf_put_u8(&b, ' '), OK);
	CHECK_ERR(buf_put_decimal(&b, UINT64_MAX), OK);
	CHECK_ERR(buf_put_u8(&b, ' '), OK);
	CHECK_ERR(buf_put_hex(&b, BYTES("\x00\x9A\xFF")), OK);
	CHECK_BYTES(buf_view(&b), "x0 18446744073709551615 009aff");
	buf_done(&b);
	CHECK(b.at == NULL && b.len == 0 && b.cap == 0);
	buf_done(&b);
}

static void a_buffer_ends_at_its_limit(void)
{
	struct buf b = {.max = 5};

	CHECK_ERR(buf_put(&b, BYTES("abcde")), OK);
	CHECK_ERR(buf_put(&b, BYTES_NONE), OK);
	CHECK_ERR(buf_put_u8(&b, 'f'), ERR_LIMIT);
	CHECK_BYTES(buf_view(&b), "abcde");
	b.len = 4;
	CHECK_ERR(buf_put(&b, BYTES("ef")), ERR_LIMIT);
	CHECK_ERR(buf_put_u16(&b, 0), ERR_LIMIT);
	CHECK_ERR(buf_put_hex(&b, BYTES("e")), ERR_LIMIT);
	CHECK_ERR(buf_put_json_string(&b, BYTES("")), ERR_LIMIT);
	CHECK_BYTES(buf_view(&b), "abcd");
	CHECK_ERR(buf_put_u8(&b, 'e'), OK);
	buf_done(&b);

	struct buf unlimited = {0};
	CHECK_ERR(buf_reserve(&unlimited, SIZE_MAX), ERR_LIMIT);
	CHECK_ERR(buf_reserve(&unlimited, SIZE_MAX / 2 + 1), ERR_LIMIT);
	CHECK_ERR(buf_put_u8(&unlimited, 1), OK);
	CHECK_ERR(buf_reserve(&unlimited, SIZE_MAX / 2), ERR_LIMIT);
	CHECK_ERR(buf_put_hex(&unlimited, bytes_of("", SIZE_MAX / 4 + 1)), ERR_LIMIT);
	CHECK_U64(unlimited.len, 1);
	buf_done(&unlimited);
}

static void growing_keeps_the_content(void)
{
	struct buf b = {0};

	for (unsigned i = 0; i < 100000; i++)
		CHECK_ERR(buf_put_u8(&b, (uint8_t)(i * 7)), OK);
	CHECK_U64(b.len, 100000);
	for (unsigned i = 0; i < 100000; i++)
		if (b.at[i] != (uint8_t)(i * 7)) {
			tap_fail(__FILE__, __LINE__, "byte %u", i);
			break;
		}
	CHECK_ERR(buf_reserve(&b, 1000), OK);
	CHECK(b.cap - b.len >= 1000);
	tap_allocations();
	for (unsigned i = 0; i < 1000; i++)
		CHECK_ERR(buf_put_u8(&b, 0), OK);
	CHECK_U64(tap_allocations(), 0);
	buf_done(&b);
}

static void a_failed_allocation_leaves_the_buffer_as_it_was(void)
{
	struct buf b = {0};

	tap_fail_allocation(1);
	CHECK_ERR(buf_put_u8(&b, 1), ERR_NOMEM);
	CHECK(b.at == NULL && b.len == 0 && b.cap == 0);
	CHECK_ERR(buf_put_str(&b, "content"), OK);
	tap_fail_allocation(1);
	CHECK_ERR(buf_reserve(&b, 100000), ERR_NOMEM);
	CHECK_BYTES(buf_view(&b), "content");
	CHECK_ERR(buf_reserve(&b, 100000), OK);
	CHECK_BYTES(buf_view(&b), "content");
	buf_done(&b);
}

static void json_strings_are_escaped_and_made_utf8(void)
{
	static const struct {
		const char *text, *json;
	} cases[] = {
		{"", "\"\""},
		{"plain", "\"plain\""},
		{"\"\\/", "\"\\\"\\\\/\""},
		{"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
		{"\x01\x0B\x1F\x7F", "\"\\u0001\\u000b\\u001f\x7F\""},
		{"a\nb\nc", "\"a\\nb\\nc\""},
		{"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80",
		 "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
		{"a\xFFz", "\"a\xEF\xBF\xBDz\""},
		{"\xC3", "\"\xEF\xBF\xBD\""},
		{"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf b = {0};
		CHECK_ERR(buf_put_json_string(&b, tap_guarded(bytes_str(cases[i].text))), OK);
		CHECK_BYTES(buf_view(&b), cases[i].json);
		buf_done(&b);
	}
	struct buf b = {0};
	CHECK_ERR(buf_put_json_string(&b, BYTES("a\0b")), OK);
	CHECK_ERR(buf_put_json_string(&b, BYTES_NONE), OK);
	CHECK_BYTES(buf_view(&b), "\"a\\u0000b\"\"\"");
	buf_done(&b);
}

static enum err put_long_json_string(void)
{
	struct buf b = {0};
	enum err e = buf_put_str(&b, "before");
	char long_text[600];

	memset(long_text, 'x', sizeof long_text);
	memset(long_text + 250, '\n', 100);
	if (!e)
		e = buf_put_json_string(&b, bytes_of(long_text, sizeof long_text));
	CHECK(e ? b.len == 0 || b.len == 6 : b.len == 6 + 2 + 500 + 200);
	buf_done(&b);
	return e;
}

static void a_json_string_is_put_whole_or_not_at_all(void)
{
	tap_fail_each_allocation(put_long_json_string);
	for (size_t max = 0; max < 12; max++) {
		struct buf b = {.max = 3 + max};
		CHECK_ERR(buf_put_str(&b, "abc"), OK);
		CHECK_ERR(buf_put_json_string(&b, BYTES("x\n\xFFy")), max < 9 ? ERR_LIMIT : OK);
		CHECK_U64(b.len, max < 9 ? 3 : 12);
		buf_done(&b);
	}
}

static void dropping_the_front_moves_the_rest_down(void)
{
	struct buf b = {0};

	CHECK_ERR(buf_put_str(&b, "abcdef"), OK);
	buf_drop_front(&b, 0);
	CHECK_BYTES(buf_view(&b), "abcdef");
	buf_drop_front(&b, 4);
	CHECK_BYTES(buf_view(&b), "ef");
	buf_drop_front(&b, 2);
	CHECK_U64(b.len, 0);
	buf_done(&b);
	buf_drop_front(&b, 0);
	CHECK_U64(b.len, 0);
}

static void a_cursor_reads_little_endian_and_stops_at_the_end(void)
{
	struct bytes b = tap_guarded(
		BYTES("\x01\x03\x02\x07\x06\x05\x04\x0F\x0E\x0D\x0C\x0B\x0A\x09\x08yz"));
	struct cursor c = cursor_over(b);

	CHECK_U64(cursor_left(&c), 17);
	CHECK_U64(cursor_u8(&c), 1);
	CHECK_U64(cursor_u16(&c), 0x0203);
	CHECK_U64(cursor_u32(&c), 0x04050607);
	CHECK_U64(cursor_u64(&c), UINT64_C(0x08090A0B0C0D0E0F));
	CHECK_BYTES(cursor_take(&c, 0), "");
	CHECK_BYTES(cursor_take(&c, 2), "yz");
	CHECK(!c.bad);
	CHECK_U64(cursor_left(&c), 0);
	CHECK_BYTES(cursor_take(&c, 0), "");
	CHECK(!c.bad);
	CHECK_U64(cursor_u8(&c), 0);
	CHECK(c.bad);
}

static void the_first_read_past_the_end_spoils_the_cursor(void)
{
	struct cursor c = cursor_over(tap_guarded(BYTES("\x01\x02\x03")));

	CHECK_U64(cursor_u32(&c), 0); /* one byte short: none is taken */
	CHECK(c.bad);
	CHECK_U64(cursor_u8(&c), 0); /* there would be one, but not any more */
	CHECK_U64(cursor_take(&c, 1).len, 0);
	c = cursor_over(BYTES("abc"));
	CHECK_U64(cursor_take(&c, SIZE_MAX).len, 0);
	CHECK(c.bad);
	c = cursor_over(BYTES_NONE);
	CHECK_U64(cursor_left(&c), 0);
	CHECK_U64(cursor_u64(&c), 0);
	CHECK(c.bad);
}

static void wiping_leaves_zeros(void)
{
	char secret[9] = "password";

	wipe(secret, 4);
	CHECK(memcmp(secret, "\0\0\0\0word", 9) == 0);
	wipe(secret, sizeof secret);
	CHECK(memcmp(secret, "\0\0\0\0\0\0\0\0", 9) == 0);
	wipe(NULL, 0);
}

int main(void)
{
	RUN_TESTS(TEST(views_compare_by_content), TEST(only_ascii_letters_lose_their_case),
		  TEST(lower_case_is_put_at_every_length),
		  TEST(the_order_is_memory_order_and_shorter_first),
		  TEST(a_start_and_an_end_may_be_empty_or_all),
		  TEST(finding_gives_the_first_place_or_none),
		  TEST(finding_is_the_same_at_every_place_and_length),
		  TEST(slices_are_clamped_to_what_exists),
		  TEST(trimming_takes_spaces_and_tabs_only), TEST(cutting_walks_through_a_list),
		  TEST(decimal_numbers_are_digits_up_to_the_maximum),
		  TEST(patterns_match_the_whole_text),
		  TEST(matching_stays_within_pattern_times_text),
		  TEST(utf8_is_what_the_standard_says), TEST(utf8_is_the_same_wherever_it_stands),
		  TEST(a_buffer_takes_all_kinds), TEST(a_buffer_ends_at_its_limit),
		  TEST(growing_keeps_the_content),
		  TEST(a_failed_allocation_leaves_the_buffer_as_it_was),
		  TEST(json_strings_are_escaped_and_made_utf8),
		  TEST(a_json_string_is_put_whole_or_not_at_all),
		  TEST(dropping_the_front_moves_the_rest_down),
		  TEST(a_cursor_reads_little_endian_and_stops_at_the_end),
		  TEST(the_first_read_past_the_end_spoils_the_cursor), TEST(wiping_leaves_zeros));
}
