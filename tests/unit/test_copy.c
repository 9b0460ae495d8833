/* SPDX-License-Identifier: MIT */
#include "drain/postgres/copy.h"

#include "tap.h"

static const struct sink_event usual = {
	.id = {(const uint8_t *)"01KB", 4},
	.process = {(const uint8_t *)"web-1:77", 8},
	.time_ns = UINT64_C(1796020501123456789), /* 2026-11-30 06:35:01 UTC */
	.kind = REC_REQUEST,
	.host = {(const uint8_t *)"web-1", 5},
	.environment = {(const uint8_t *)"prod", 4},
	.provider = {(const uint8_t *)"openai", 6},
	.model = {(const uint8_t *)"gpt-5", 5},
	.json = {(const uint8_t *)"{\"id\":\"01KB\"}", 13},
};

static struct bytes row_of(struct buf *out, const struct sink_event *event)
{
	buf_reset(out);
	CHECK_ERR(copy_put_row(out, event), OK);
	return buf_view(out);
}

static void a_row_has_its_columns_in_order(void)
{
	struct buf out = {0};

	CHECK_BYTES(
		row_of(&out, &usual),
		"01KB\t2026-11-30 06:35:01.123456+00\texchange\tweb-1\tprod\t\\N\topenai\tgpt-5\t"
		"web-1:77\t{\"id\":\"01KB\"}\n");
	buf_done(&out);
}

static void the_ends_of_time_are_written(void)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "1970-01-01 00:00:00.000000+00"},
		{999, "1970-01-01 00:00:00.000000+00"},
		{UINT64_C(951782399999999999), "2000-02-28 23:59:59.999999+00"},
		{UINT64_C(951782400000000000), "2000-02-29 00:00:00.000000+00"},
		{UINT64_MAX, "2554-07-21 23:34:33.709551+00"},
	};
	struct buf out = {0};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sink_event event = usual;
		event.time_ns = cases[i].ns;
		struct bytes row = row_of(&out, &event);
		bytes_cut(&row, '\t');
		CHECK_BYTES(bytes_cut(&row, '\t'), cases[i].text);
	}
	buf_done(&out);
}

static void a_heartbeat_and_other_kinds_are_named(void)
{
	struct sink_event event = usual;
	struct buf out = {0};

	event.is_heartbeat = true;
	CHECK(bytes_find(row_of(&out, &event), BYTES("\theartbeat\t")) != SIZE_MAX);
	event.is_heartbeat = false;
	event.kind = REC_GAP;
	CHECK(bytes_find(row_of(&out, &event), BYTES("\tgap\t")) != SIZE_MAX);
	event.kind = (enum record_kind)999;
	CHECK(bytes_find(row_of(&out, &event), BYTES("\t\\N\t")) != SIZE_MAX);
	buf_done(&out);
}

static void texts_are_escaped_and_made_into_text(void)
{
	static const struct {
		struct bytes given;
		const char *written;
	} cases[] = {
		{BYTES("a\tb"), "a\\tb"},
		{BYTES("a\nb\rc"), "a\\nb\\rc"},
		{BYTES("\\N"), "\\\\N"},
		{BYTES("\\."), "\\\\."},
		{BYTES("\\"), "\\\\"},
		{BYTES("a\0b"), "a\xef\xbf\xbd"
				"b"},
		{BYTES("\xff"), "\xef\xbf\xbd"},
		{BYTES("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd"},
		{BYTES("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{BYTES("\xe2\x82\xac\x01"), "\xe2\x82\xac\x01"},
		{BYTES("\xf0\x9f\x98\x80\xf0"), "\xf0\x9f\x98\x80\xef\xbf\xbd"},
	};
	struct buf out = {0};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sink_event event = usual;
		event.host = tap_guarded(cases[i].given);
		struct bytes row = row_of(&out, &event);
		for (int column = 0; column < 3; column++)
			bytes_cut(&row, '\t');
		CHECK_BYTES(bytes_cut(&row, '\t'), cases[i].written);
	}
	buf_done(&out);
}

/* In the row every backslash stands twice. */
static void what_jsonb_refuses_is_written_in_another_way(void)
{
	static const struct {
		const char *given, *written;
	} cases[] = {
		{"{}", "{}"},
		{" [ 1 ] ", " [ 1 ] "},
		{"{\"a\\nb\":\"\\\\u0000 \\\" \\/\"}",
		 "{\"a\\\\nb\":\"\\\\\\\\u0000 \\\\\" \\\\/\"}"},
		{"[\"\\u0000\"]", "[\"\\\\ufffd\"]"},
		{"{\"k\\u0000\":1}", "{\"k\\\\ufffd\":1}"},
		{"[\"a\\u0000\\u0000b\"]", "[\"a\\\\ufffd\\\\ufffdb\"]"},
		{"[\"\\\\\\u0000\"]", "[\"\\\\\\\\\\\\ufffd\"]"},
		{"[\"\\u0001\\u000A\"]", "[\"\\\\u0001\\\\u000A\"]"},
		{"[\"\\uD83d\\uDe00\"]", "[\"\\\\uD83d\\\\uDe00\"]"},
		{"[\"\\ud83d\"]", "[\"\\\\ufffd\"]"},
		{"[\"\\ude00\"]", "[\"\\\\ufffd\"]"},
		{"[\"\\ude00\\ud83d\"]", "[\"\\\\ufffd\\\\ufffd\"]"},
		{"[\"\\ud83d\\ud83d\\ude00\"]", "[\"\\\\ufffd\\\\ud83d\\\\ude00\"]"},
		{"[\"\\ud83dx\"]", "[\"\\\\ufffdx\"]"},
		{"[\"\\ud83d\\n\"]", "[\"\\\\ufffd\\\\n\"]"},
		{"[1e999,-1.5E-999,1e+1]", "[1e999,-1.5E-999,1e+1]"},
		{"[1e1000,-2E-99999,3]", "[\"1e1000\",\"-2E-99999\",3]"},
		{"1e131072", "\"1e131072\""},
		{"\"\\u0000\"", "\"\\\\ufffd\""},
	};
	struct buf out = {0};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sink_event event = usual;
		event.json = tap_guarded(bytes_str(cases[i].given));
		struct bytes row = row_of(&out, &event);
		for (int column = 0; column < 9; column++)
			bytes_cut(&row, '\t');
		CHECK(bytes_ends(row, BYTES("\n")));
		CHECK_BYTES(bytes_slice(row, 0, row.len - 1), cases[i].written);
	}
	buf_done(&out);
}

static void a_number_may_have_a_thousand_characters(void)
{
	char number[COPY_NUMBER_CHARS_MAX + 2];
	struct sink_event event = usual;
	struct buf out = {0};

	memset(number, '7', sizeof number);
	event.json = bytes_of(number, COPY_NUMBER_CHARS_MAX);
	CHECK(bytes_ends(row_of(&out, &event), BYTES("\t7777\n")) == false);
	CHECK(bytes_ends(row_of(&out, &event), BYTES("7\n")));
	event.json = bytes_of(number, COPY_NUMBER_CHARS_MAX + 1);
	CHECK(bytes_ends(row_of(&out, &event), BYTES("7\"\n")));
	buf_done(&out);
}

static void what_is_no_json_is_refused_and_leaves_nothing(void)
{
	static const char *const bad[] = {"", "{", "{\"a\":1}{", "\"\\u00\"", "\"\x01\"", "nul"};
	struct buf out = {0};

	CHECK_ERR(buf_put_str(&out, "before"), OK);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct sink_event event = usual;
		event.json = tap_guarded(bytes_str(bad[i]));
		CHECK_ERR(copy_put_row(&out, &event), ERR_BAD);
		CHECK_BYTES(buf_view(&out), "before");
	}
	buf_done(&out);
}

static enum err put_one(void)
{
	struct sink_event event = usual;
	struct buf out = {0};

	event.json = BYTES("{\"a\":\"\\u0000\",\"b\":1e5000}");
	enum err e = copy_put_row(&out, &event);
	CHECK(e == OK || out.len == 0);
	buf_done(&out);
	return e;
}

static void a_row_without_memory_leaves_nothing(void)
{
	tap_fail_each_allocation(put_one);
}

static void tables_are_quoted(void)
{
	static const struct {
		const char *given, *written; /* NULL: refused */
	} cases[] = {
		{"records", "\"records\""},
		{"audit.Records", "\"audit\".\"Records\""},
		{"a\"; DROP TABLE x; --", "\"a\"\"; DROP TABLE x; --\""},
		{"", NULL},
		{".", NULL},
		{"a.", NULL},
		{".a", NULL},
		{"a.b.c", NULL},
		{"a\nb", NULL},
		{COPY_STAGING, NULL},
		{"audit." COPY_STAGING, "\"audit\".\"" COPY_STAGING "\""},
		{"pg_temp.records", NULL},
		{"pg_temp_3.records", NULL},
	};
	struct buf out = {0};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		buf_reset(&out);
		CHECK_ERR(copy_put_table(&out, bytes_str(cases[i].given)),
			  cases[i].written ? OK : ERR_BAD);
		if (cases[i].written)
			CHECK_BYTES(buf_view(&out), cases[i].written);
	}
	buf_done(&out);
}

static void a_name_has_at_most_63_bytes(void)
{
	char name[COPY_NAME_BYTES_MAX + 1];
	struct buf out = {0};

	memset(name, 'a', sizeof name);
	CHECK_ERR(copy_put_table(&out, bytes_of(name, COPY_NAME_BYTES_MAX)), OK);
	CHECK_ERR(copy_put_table(&out, bytes_of(name, COPY_NAME_BYTES_MAX + 1)), ERR_BAD);
	buf_done(&out);
}

static void the_statement_fits_into_an_answer(void)
{
	struct buf out = {0};

	CHECK_ERR(copy_put_create(&out, BYTES("audit.records")), OK);
	CHECK(bytes_starts(buf_view(&out), BYTES("CREATE TABLE \"audit\".\"records\" (id text ")));
	CHECK(out.len + COPY_NAME_BYTES_MAX < SINK_ANSWER_MAX);
	CHECK_ERR(copy_put_create(&out, BYTES("a.b.c")), ERR_BAD);
	buf_done(&out);
}

static void the_bad_row_is_found_where_the_server_says_it(void)
{
	static const struct {
		const char *context;
		size_t row;
	} cases[] = {
		{"COPY " COPY_STAGING ", line 3, column record: \"{}\"", 3},
		{"COPY " COPY_STAGING ", Zeile 12, Spalte record", 12},
		{"JSON data, line 1: {...\nCOPY " COPY_STAGING ", line 7, column record: \"\"", 7},
		/* what a record says is not what the server says */
		{"JSON data, line 1: COPY " COPY_STAGING ", line 2\nCOPY " COPY_STAGING ", line 7",
		 7},
		{"COPY " COPY_STAGING ", line 4, column record: \"COPY " COPY_STAGING ", line 2\"",
		 4},
		{"COPY another, line 3", 0},
		{"COPY " COPY_STAGING ", line", 0},
		{"COPY " COPY_STAGING ", line 99999999999999999999999", 0},
		{"", 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		CHECK_U64(copy_bad_row(tap_guarded(bytes_str(cases[i].context))), cases[i].row);
}

static void errors_of_the_server_have_their_meanings(void)
{
	static const struct {
		const char *sqlstate;
		enum sink_result result;
	} cases[] = {
		{"22P05", SINK_REFUSED}, {"23514", SINK_REFUSED}, {"42P01", SINK_WRONG},
		{"42501", SINK_WRONG},   {"28P01", SINK_WRONG},   {"3D000", SINK_WRONG},
		{"53100", SINK_RETRY},   {"57P01", SINK_RETRY},   {"40P01", SINK_RETRY},
		{"25006", SINK_RETRY},   {"", SINK_RETRY},        {"XX000", SINK_RETRY},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		CHECK_U64(copy_result_of(bytes_str(cases[i].sqlstate)), cases[i].result);
}

int main(void)
{
	RUN_TESTS(TEST(a_row_has_its_columns_in_order), TEST(the_ends_of_time_are_written),
		  TEST(a_heartbeat_and_other_kinds_are_named),
		  TEST(texts_are_escaped_and_made_into_text),
		  TEST(what_jsonb_refuses_is_written_in_another_way),
		  TEST(a_number_may_have_a_thousand_characters),
		  TEST(what_is_no_json_is_refused_and_leaves_nothing),
		  TEST(a_row_without_memory_leaves_nothing), TEST(tables_are_quoted),
		  TEST(a_name_has_at_most_63_bytes), TEST(the_statement_fits_into_an_answer),
		  TEST(the_bad_row_is_found_where_the_server_says_it),
		  TEST(errors_of_the_server_have_their_meanings));
}
