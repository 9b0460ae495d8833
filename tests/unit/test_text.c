/* SPDX-License-Identifier: MIT */
#include "report/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tap.h"

static void times_are_those_of_the_calendar(void)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000000Z"},
		{UINT64_C(951782400) * 1000000000, "2000-02-29T00:00:00.000000Z"},
		{UINT64_C(4107542399) * 1000000000 + 999999999, "2100-02-28T23:59:59.999999Z"},
		{UINT64_C(4107542400) * 1000000000, "2100-03-01T00:00:00.000000Z"},
		{UINT64_C(1764484505) * 1000000000 + 123456789, "2025-11-30T06:35:05.123456Z"},
		{UINT64_MAX, "2554-07-21T23:34:33.709551Z"},
	};
	struct buf out = {0};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		buf_reset(&out);
		text_put_time_utc(&out, cases[i].ns);
		CHECK_BYTES(buf_view(&out), cases[i].text);
	}
	bool same = true;
	for (uint64_t day = 0; day < 200 * 366 && same; day++) {
		time_t seconds = (time_t)(day * 86400 + day);
		struct tm tm;
		char text[40];
		gmtime_r(&seconds, &tm);
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000000Z", &tm);
		buf_reset(&out);
		text_put_time_utc(&out, (uint64_t)seconds * 1000000000);
		same = bytes_equal(buf_view(&out), bytes_str(text));
	}
	CHECK(same);
	buf_done(&out);
}

static void base64_is_that_of_rfc_4648(void)
{
	static const char *const cases[][2] = {{"", ""},
					       {"f", "Zg=="},
					       {"fo", "Zm8="},
					       {"foo", "Zm9v"},
					       {"foob", "Zm9vYg=="},
					       {"fooba", "Zm9vYmE="},
					       {"foobar", "Zm9vYmFy"}};
	struct buf out = {0};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		buf_reset(&out);
		text_put_base64(&out, bytes_str(cases[i][0]));
		CHECK_BYTES(buf_view(&out), cases[i][1]);
	}
	buf_done(&out);
}

static void what_failed_once_takes_nothing_more(void)
{
	struct buf out = {.max = 10};

	struct json_object o = object_begin(&out);
	object_text(&o, "a", BYTES("123456789"));
	CHECK(out.failed == ERR_LIMIT);
	size_t len = out.len;
	object_number(&o, "b", 1);
	object_end(&o);
	text_put_base64(&out, BYTES("x"));
	CHECK(out.len == len && out.failed == ERR_LIMIT);
	CHECK(buf_put_u8(&out, 'x') == ERR_LIMIT);
	buf_reset(&out);
	CHECK(out.failed == OK && buf_put_u8(&out, 'x') == OK);
	text_keep(&out, ERR_BAD);
	text_keep(&out, ERR_NOMEM);
	CHECK(out.failed == ERR_BAD);
	buf_done(&out);
	CHECK(out.failed == OK);
}

int main(void)
{
	RUN_TESTS(TEST(times_are_those_of_the_calendar), TEST(base64_is_that_of_rfc_4648),
		  TEST(what_failed_once_takes_nothing_more));
}
