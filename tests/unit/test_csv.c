/* SPDX-License-Identifier: MIT
 *
 * CSV that strangers wrote: which fields a record has, what is refused, the limits; and cells that
 * are written.
 */
#include "aigw/csv.h"

#include <stdlib.h>

#include "tap.h"

/* All records as "field|field\n"; what is wrong behind '!'. */
static void check(const char *text, const char *expected)
{
	struct csv c;
	struct buf got = {0};
	enum err e;

	csv_init(&c, tap_guarded(bytes_str(text)));
	while ((e = csv_next(&c)) == OK) {
		for (size_t i = 0; i < c.count; i++) {
			(void)!buf_put_str(&got, i ? "|" : "");
			(void)!buf_put(&got, c.fields[i]);
		}
		(void)!buf_put_u8(&got, '\n');
	}
	if (e != ERR_END) {
		(void)!buf_put_str(&got, "!");
		(void)!buf_put_str(&got, c.problem);
		CHECK(csv_next(&c) != OK); /* errors stay */
	}
	CHECK_BYTES(buf_view(&got), expected);
	csv_done(&c);
	buf_done(&got);
}

static void fields_and_records_are_told_apart(void)
{
	check("a,b\n1,2\n", "a|b\n1|2\n");
	check("a,b\r\n1,2", "a|b\n1|2\n");
	check("\xEF\xBB\xBF"
	      "a,b\n",
	      "a|b\n");
	check("a,,\n,\n", "a||\n|\n");
	check("\n\r\na\n\n\n", "a\n");
	check("", "");
	check("\n", "");
	check("\"\"\n", "\n");
	check(" a , b ", " a | b \n");
}

static void quotes_protect_commas_quotes_and_line_ends(void)
{
	check("\"a,b\",\"c\"\"d\",\"e\nf\r\ng\"\n", "a,b|c\"d|e\nf\r\ng\n");
	check("\"\"\"\"", "\"\n");
	check("\"a\",", "a|\n");
}

static void what_can_be_read_in_two_ways_is_refused(void)
{
	check("a\"b\n", "!a quote stands inside a field without quotes");
	check("\"a\"b\n", "!text stands behind a closing quote");
	check("\"a\" ,b\n", "!text stands behind a closing quote");
	check("x\n\"a\n", "x\n!a quote is not closed");
	check("\"a\"\"", "!a quote is not closed");
	check("a\rb\n", "!a field holds a lone CR or a NUL");
}

static void a_nul_is_refused(void)
{
	struct csv c;

	csv_init(&c, BYTES("a\0b"));
	CHECK_ERR(csv_next(&c), ERR_BAD);
	csv_done(&c);
	csv_init(&c, BYTES("\"a\0b\""));
	CHECK_ERR(csv_next(&c), ERR_BAD);
	csv_done(&c);
}

static void lines_are_counted_where_records_begin(void)
{
	struct csv c;

	csv_init(&c, BYTES("a\n\n\"b\nb\"\nc\n"));
	CHECK_ERR(csv_next(&c), OK);
	CHECK_U64(c.line, 1);
	CHECK_ERR(csv_next(&c), OK);
	CHECK_U64(c.line, 3);
	CHECK_ERR(csv_next(&c), OK);
	CHECK_U64(c.line, 5);
	CHECK_ERR(csv_next(&c), ERR_END);
	csv_done(&c);
}

static enum err with_fields(size_t count)
{
	char *text = malloc(count + 1);
	struct csv c;
	enum err e;

	memset(text, ',', count - 1);
	csv_init(&c, bytes_of(text, count - 1));
	e = csv_next(&c);
	CHECK(e || c.count == count);
	csv_done(&c);
	free(text);
	return e;
}

static enum err with_field_bytes(size_t count, bool quoted)
{
	char *text = malloc(count + 2);
	struct csv c;
	enum err e;

	memset(text, 'x', count + 2);
	text[0] = text[count + 1] = '"';
	csv_init(&c, quoted ? bytes_of(text, count + 2) : bytes_of(text + 1, count));
	e = csv_next(&c);
	CHECK(e || c.fields[0].len == count);
	csv_done(&c);
	free(text);
	return e;
}

static void limits_hold_and_one_past_is_refused(void)
{
	CHECK_ERR(with_fields(CSV_FIELDS_MAX), OK);
	CHECK_ERR(with_fields(CSV_FIELDS_MAX + 1), ERR_LIMIT);
	CHECK_ERR(with_field_bytes(CSV_FIELD_BYTES_MAX, false), OK);
	CHECK_ERR(with_field_bytes(CSV_FIELD_BYTES_MAX + 1, false), ERR_LIMIT);
	CHECK_ERR(with_field_bytes(CSV_FIELD_BYTES_MAX, true), OK);
	CHECK_ERR(with_field_bytes(CSV_FIELD_BYTES_MAX + 1, true), ERR_LIMIT);
}

static void cells_are_quoted_where_they_have_to_be_and_formulas_disarmed(void)
{
	static const struct {
		const char *text, *cell;
	} cases[] = {
		{"gpt-5", "gpt-5"},
		{"", ""},
		{"a,b", "\"a,b\""},
		{"a\"b", "\"a\"\"b\""},
		{"a\nb", "\"a\nb\""},
		{"=1+1", "\"'=1+1\""},
		{"@x", "\"'@x\""},
		{"-x", "\"'-x\""},
		{"+\"", "\"'+\"\"\""},
		{"\xEF\xBB\xBF"
		 "a",
		 "\"\xEF\xBB\xBF"
		 "a\""},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf out = {0};
		CHECK_ERR(csv_put(&out, bytes_str(cases[i].text)), OK);
		CHECK_BYTES(buf_view(&out), cases[i].cell);
		buf_done(&out);
	}
}

static enum err read_all(void)
{
	struct csv c;
	enum err e;

	csv_init(&c, BYTES("a,\"b\"\"c\"\nd,e\n"));
	while ((e = csv_next(&c)) == OK)
		;
	csv_done(&c);
	return e == ERR_END ? OK : e;
}

static void each_failing_allocation_is_reported(void)
{
	tap_fail_each_allocation(read_all);
}

int main(void)
{
	RUN_TESTS(TEST(fields_and_records_are_told_apart),
		  TEST(quotes_protect_commas_quotes_and_line_ends),
		  TEST(what_can_be_read_in_two_ways_is_refused), TEST(a_nul_is_refused),
		  TEST(lines_are_counted_where_records_begin),
		  TEST(limits_hold_and_one_past_is_refused),
		  TEST(cells_are_quoted_where_they_have_to_be_and_formulas_disarmed),
		  TEST(each_failing_allocation_is_reported));
}
