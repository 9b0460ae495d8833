/* SPDX-License-Identifier: MIT */
#include "wire/json_array.h"

#include "split_kit.h"
#include "wire/json.h"

static enum err next(void *parser, struct bytes *in, struct buf *ret_items)
{
	struct bytes element = BYTES_NONE;
	enum err e = json_array_next(parser, in, &element);

	if (!e)
		kit_put_item(ret_items, element);
	return e;
}

static void end(void *parser, struct buf *ret_items)
{
	kit_put(ret_items, json_array_has_ended(parser) ? BYTES(".") : BYTES("?"));
}

static void done(void *parser)
{
	json_array_done(parser);
}

static const struct kit_parser parser = {sizeof(struct json_array), NULL, done, next, end};

/* Behind the elements: "." the array has ended, "?" it has not. */
static const struct {
	const char *stream, *elements;
	enum err expected;
} cases[] = {
	{"[{\"a\":1},\n{\"b\":2}]", "{\"a\":1};{\"b\":2};.", ERR_MORE},
	{"[{\"a\":1}\n,\r\n{\"b\":2}\n]\n", "{\"a\":1};{\"b\":2};.", ERR_MORE},
	{" \t\r\n[ ] ", ".", ERR_MORE},
	{"[]", ".", ERR_MORE},
	{"[1, -2.5e3 ,true,null]", "1;-2.5e3;true;null;.", ERR_MORE},
	{"[\"a\",\"b,]\"]", "\"a\";\"b,]\";.", ERR_MORE},
	{"[[1,[2]],{\"a\":[{}]}]", "[1,[2]];{\"a\":[{}]};.", ERR_MORE},
	/* brackets, commas and quotes inside strings */
	{"[{\"t\":\"]},{[\\\"\"},2]", "{\"t\":\"]},{[\\\"\"};2;.", ERR_MORE},
	{"[\"\\\\\",\"\\\\\\\"\"]", "\"\\\\\";\"\\\\\\\"\";.", ERR_MORE},
	{"[{\"a\":\"\\u005d\"}]", "{\"a\":\"\\u005d\"};.", ERR_MORE},
	/* cut off */
	{"", "?", ERR_MORE},
	{"[", "?", ERR_MORE},
	{"[{\"a\":1},", "{\"a\":1};?", ERR_MORE},
	{"[{\"a\":1}", "{\"a\":1};?", ERR_MORE},
	{"[{\"a\":", "?", ERR_MORE},
	{"[12", "?", ERR_MORE}, /* more digits may come */
	/* no array */
	{"{\"a\":1}", "?", ERR_BAD},
	{"\"[\"", "?", ERR_BAD},
	{"]", "?", ERR_BAD},
	{"\xEF\xBB\xBF[]", "?", ERR_BAD},
	/* commas out of place */
	{"[,1]", "?", ERR_BAD},
	{"[1,]", "1;?", ERR_BAD},
	{"[1,,2]", "1;?", ERR_BAD},
	{"[1 2]", "1;?", ERR_BAD},
	{"[{}{}]", "{};?", ERR_BAD},
	{"[}]", "?", ERR_BAD},
	/* something behind it */
	{"[1]2", "1;?", ERR_BAD},
	{"[1]]", "1;?", ERR_BAD},
	{"[1],", "1;?", ERR_BAD},
	{"[1] \n ", "1;.", ERR_MORE},
	/* an element that is no JSON is for its reader to find out */
	{"[{a:},x]", "{a:};x;.", ERR_MORE},
	{"[{]]", "{];.", ERR_MORE},
};

static void elements_are_the_same_in_every_split(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		kit_check(&parser, bytes_str(cases[i].stream), bytes_str(cases[i].elements),
			  cases[i].stream[0] ? cases[i].expected : ERR_MORE);
}

/* Whatever json_check calls one array is taken apart into what json_next says its elements are. */
static void it_agrees_with_the_scanner_about_every_array(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bytes stream = bytes_str(cases[i].stream);
		struct buf expected = {0};
		struct json j;
		struct json_token t;
		size_t stop;
		if (json_check(stream, NULL, NULL) || cases[i].expected != ERR_MORE)
			continue;
		json_init(&j, stream, JSON_STRICT);
		CHECK_ERR(json_next(&j, &t), OK);
		while (!json_next(&j, &t) && t.kind != JSON_ARRAY_END) {
			CHECK_ERR(json_skip(&j, &t, &stop), OK);
			kit_put_item(&expected, bytes_slice(stream, t.start, stop - t.start));
		}
		kit_put(&expected, BYTES("."));
		kit_check(&parser, stream, buf_view(&expected), ERR_MORE);
		buf_done(&expected);
	}
}

static void an_element_may_be_as_long_as_the_limit(void)
{
	static const size_t steps[] = {SIZE_MAX / 2, 100003, 1021};

	for (size_t over = 0; over < 2; over++) {
		/* a string with its quotes, and a word */
		struct buf text = kit_filled(
			BYTES("[1,\""), JSON_ARRAY_ELEMENT_BYTES_MAX - 2 + over, BYTES("\",3]"));
		struct buf word = kit_filled(BYTES("[1,"), JSON_ARRAY_ELEMENT_BYTES_MAX + over,
					     BYTES(",3]"));
		for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
			struct buf a = {0}, b = {0};
			enum err expected = over ? ERR_LIMIT : ERR_MORE;
			CHECK_ERR(kit_follow(&parser, buf_view(&text), steps[k], 0, &a), expected);
			CHECK_ERR(kit_follow(&parser, buf_view(&word), steps[k], 0, &b), expected);
			CHECK(bytes_ends(buf_view(&a), over ? BYTES("1;?") : BYTES("x\";3;.")));
			CHECK(bytes_ends(buf_view(&b), over ? BYTES("1;?") : BYTES("x;3;.")));
			buf_done(&a);
			buf_done(&b);
		}
		buf_done(&text);
		buf_done(&word);
	}
}

/* However deep: there is no recursion, and nothing but the element's length is a limit. */
static void nesting_costs_nothing(void)
{
	struct buf stream = {0}, found = {0};

	CHECK_ERR(buf_put_u8(&stream, '['), OK);
	for (int i = 0; i < 100000; i++)
		CHECK_ERR(buf_put_u8(&stream, '['), OK);
	for (int i = 0; i < 100001; i++)
		CHECK_ERR(buf_put_u8(&stream, ']'), OK);
	CHECK_ERR(kit_follow(&parser, buf_view(&stream), 4096, 0, &found), ERR_MORE);
	CHECK_U64(found.len, 200000 + 2);
	buf_done(&stream);
	buf_done(&found);
}

static void a_failed_allocation_loses_nothing(void)
{
	static const char stream[] = "[{\"text\":\"a \\\" and a ]\"}, 12345 ]";

	for (unsigned long n = 1;; n++) {
		struct json_array a = {0};
		struct bytes element = BYTES_NONE;
		unsigned elements = 0, failures = 0;
		tap_fail_allocation(n);
		for (size_t i = 0; i < sizeof stream - 1; i += 3) {
			struct bytes in = bytes_slice(bytes_str(stream), i, 3);
			enum err e = OK;
			while (e != ERR_MORE && e != ERR_BAD) {
				e = json_array_next(&a, &in, &element);
				failures += e == ERR_NOMEM;
				elements += e == OK;
			}
		}
		tap_fail_allocation(0);
		CHECK_U64(elements, 2);
		CHECK(json_array_has_ended(&a));
		json_array_done(&a);
		if (!failures)
			break;
	}
}

int main(void)
{
	RUN_TESTS(TEST(elements_are_the_same_in_every_split),
		  TEST(it_agrees_with_the_scanner_about_every_array),
		  TEST(an_element_may_be_as_long_as_the_limit), TEST(nesting_costs_nothing),
		  TEST(a_failed_allocation_loses_nothing));
}
