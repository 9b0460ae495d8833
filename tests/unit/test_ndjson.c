/* SPDX-License-Identifier: MIT */
#include "wire/ndjson.h"

#include "split_kit.h"

static enum err next(void *parser, struct bytes *in, struct buf *ret_items)
{
	struct bytes line = BYTES_NONE;
	enum err e = ndjson_next(parser, in, &line);

	if (!e)
		kit_put_item(ret_items, line);
	return e;
}

static void end(void *parser, struct buf *ret_items)
{
	struct bytes line = BYTES_NONE;

	if (ndjson_end(parser, &line) == OK)
		kit_put_item(ret_items, line);
	CHECK_ERR(ndjson_end(parser, &line), ERR_END); /* once */
}

static void done(void *parser)
{
	ndjson_done(parser);
}

static const struct kit_parser parser = {sizeof(struct ndjson), NULL, done, next, end};

static void lines_are_the_same_in_every_split(void)
{
	static const struct {
		const char *stream, *lines;
	} cases[] = {
		{"{\"a\":1}\n{\"b\":2}\n", "{\"a\":1};{\"b\":2};"},
		{"{\"a\":1}\r\n{\"b\":2}\r\n", "{\"a\":1};{\"b\":2};"},
		{"a\r\nb\nc\r\n", "a;b;c;"},
		{"a\n\nb\n\r\n  \t\nc\n", "a;b;c;"}, /* blank lines are no lines */
		{"a\nb", "a;b;"},                    /* the last one may lack its end */
		{"a\nb\r", "a;b;"},
		{"a\rb\n", "a\rb;"}, /* a lone CR ends nothing */
		{"a\r\r\n", "a\r;"},
		{" a \n", " a ;"}, /* white space around a text is its reader's business */
		{"\n\n", ""},
		{" ", ""},
		{"\r", ""},
		{"{\"done\":true}", "{\"done\":true};"},
		{"a long line that is longer than most pieces, and another\nz\n",
		 "a long line that is longer than most pieces, and another;z;"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		kit_check(&parser, bytes_str(cases[i].stream), bytes_str(cases[i].lines), ERR_MORE);
}

static void a_nul_is_a_byte_like_any_other(void)
{
	kit_check(&parser, BYTES("a\0b\n"), BYTES("a\0b;"), ERR_MORE);
}

static void a_line_may_be_as_long_as_the_limit(void)
{
	static const struct {
		struct bytes head;
		size_t count;
		struct bytes tail;
		enum err expected;
	} cases[] = {
		{BYTES("a\n"), NDJSON_LINE_BYTES_MAX, BYTES("\nz\n"), ERR_MORE},
		{BYTES("a\n"), NDJSON_LINE_BYTES_MAX + 1, BYTES("\nz\n"), ERR_LIMIT},
		{BYTES(""), NDJSON_LINE_BYTES_MAX, BYTES(""), ERR_MORE},
		{BYTES(""), NDJSON_LINE_BYTES_MAX + 1, BYTES(""), ERR_LIMIT},
		/* the CR counts */
		{BYTES(""), NDJSON_LINE_BYTES_MAX - 1, BYTES("\r\n"), ERR_MORE},
		{BYTES(""), NDJSON_LINE_BYTES_MAX, BYTES("\r\n"), ERR_LIMIT},
	};
	static const size_t steps[] = {SIZE_MAX / 2, 100003, 1021};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf stream = kit_filled(cases[i].head, cases[i].count, cases[i].tail);
		for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
			struct buf lines = {0};
			CHECK_ERR(kit_follow(&parser, buf_view(&stream), steps[k], 0, &lines),
				  cases[i].expected);
			if (cases[i].expected == ERR_MORE)
				CHECK(lines.len > cases[i].count);
			else
				CHECK(lines.len <= 2); /* what was before the line */
			buf_done(&lines);
		}
		buf_done(&stream);
	}
}

static void a_failed_allocation_loses_nothing(void)
{
	static const char stream[] = "a first line\n\nthe second one\n";

	for (unsigned long n = 1;; n++) {
		struct ndjson parsed = {0};
		struct bytes line = BYTES_NONE;
		unsigned lines = 0, failures = 0;
		tap_fail_allocation(n);
		for (size_t i = 0; stream[i]; i++) {
			struct bytes in = bytes_of(stream + i, 1);
			enum err e = ndjson_next(&parsed, &in, &line);
			if (e == ERR_NOMEM) {
				failures++;
				e = ndjson_next(&parsed, &in, &line);
			}
			lines += e == OK;
		}
		tap_fail_allocation(0);
		CHECK_U64(lines, 2);
		CHECK_BYTES(line, "the second one");
		ndjson_done(&parsed);
		if (!failures)
			break;
	}
}

static void a_whole_line_is_not_copied(void)
{
	struct ndjson n = {0};
	struct bytes in = BYTES("one\ntwo\n"), line;

	tap_allocations();
	CHECK_ERR(ndjson_next(&n, &in, &line), OK);
	CHECK_ERR(ndjson_next(&n, &in, &line), OK);
	CHECK_BYTES(line, "two");
	CHECK_U64(tap_allocations(), 0);
	ndjson_done(&n);
}

int main(void)
{
	RUN_TESTS(TEST(lines_are_the_same_in_every_split), TEST(a_nul_is_a_byte_like_any_other),
		  TEST(a_line_may_be_as_long_as_the_limit), TEST(a_failed_allocation_loses_nothing),
		  TEST(a_whole_line_is_not_copied));
}
