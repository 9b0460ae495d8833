/* SPDX-License-Identifier: MIT */
#include "aigw/recipients.h"

#include "tap.h"

struct one {
	const char *before, *word, *after; /* after NULL: refused */
	enum err err;
};

static void run(const struct one *cases, size_t count,
		enum err (*change)(struct bytes, struct bytes, struct buf *))
{
	for (size_t i = 0; i < count; i++) {
		struct buf out = {0};
		CHECK_ERR(change(tap_guarded(bytes_str(cases[i].before)), bytes_str(cases[i].word),
				 &out),
			  cases[i].err);
		if (cases[i].after)
			CHECK_BYTES(buf_view(&out), cases[i].after);
		buf_done(&out);
	}
}

static void a_recipient_is_added_and_every_other_byte_stays(void)
{
	static const struct one cases[] = {
		{"{\"audit\":{\"recipients\":[\"a\"]}}", "b",
		 "{\"audit\":{\"recipients\":[\"a\", \"b\"]}}", OK},
		{"{ // x\n \"audit\": { /* ] */ \"recipients\": [ // who [\n \"a\" /* , */ ] } }",
		 "b",
		 "{ // x\n \"audit\": { /* ] */ \"recipients\": [ // who [\n \"a\", \"b\" /* , */ "
		 "] } }",
		 OK},
		{"{\"audit\":{\"recipients\":[ ]}}", "b", "{\"audit\":{\"recipients\":[\"b\" ]}}",
		 OK},
		{"{\"audit\":{\"recipients\":[\"a\"]}}", "a", NULL, ERR_STATE},
		{"{\"audit\":{\"recipients\":[\"\\u0061\"]}}", "a", NULL, ERR_STATE},
		{"{\"audit\":{\"x\":{\"recipients\":[\"a\"]}}}", "b", NULL, ERR_MISSING},
		{"{\"x\":{\"recipients\":[\"a\"]}}", "b", NULL, ERR_MISSING},
		{"{\"audit\":{\"recipients\":\"a\"}}", "b", NULL, ERR_BAD},
		{"{\"audit\":{\"recipients\":[1]}}", "b", NULL, ERR_BAD},
		{"{\"audit\":{\"recipients\":[\"a\"", "b", NULL, ERR_BAD},
		{"", "b", NULL, ERR_BAD},
	};

	run(cases, sizeof cases / sizeof cases[0], recipients_add);
}

static void a_recipient_is_removed_with_one_comma(void)
{
	static const struct one cases[] = {
		{"{\"audit\":{\"recipients\":[\"a\", \"b\", \"c\"]}}", "a",
		 "{\"audit\":{\"recipients\":[\"b\", \"c\"]}}", OK},
		{"{\"audit\":{\"recipients\":[\"a\", \"b\", \"c\"]}}", "b",
		 "{\"audit\":{\"recipients\":[\"a\", \"c\"]}}", OK},
		{"{\"audit\":{\"recipients\":[\"a\", // ,\n \"b\" ] } }", "b",
		 "{\"audit\":{\"recipients\":[\"a\" ] } }", OK},
		{"{\"audit\":{\"recipients\":[\"a\" ]}}", "a", "{\"audit\":{\"recipients\":[ ]}}",
		 OK},
		{"{\"audit\":{\"recipients\":[\"a\"]}}", "b", NULL, ERR_MISSING},
		{"{\"audit\":{\"recipients\":[\"a\",\"b\",]}}", "c", NULL, ERR_BAD},
	};

	run(cases, sizeof cases / sizeof cases[0], recipients_remove);
}

int main(void)
{
	RUN_TESTS(TEST(a_recipient_is_added_and_every_other_byte_stays),
		  TEST(a_recipient_is_removed_with_one_comma));
}
