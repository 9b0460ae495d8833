/* SPDX-License-Identifier: MIT
 *
 * Input: the length of a piece, one byte unused, the stream. The elements must be the same in every
 * split, and those of a text that is one JSON array must be what the scanner says.
 */
#include "wire/json_array.h"

#include "split_fuzz.h"
#include "wire/json.h"

static enum err next(void *parser, struct bytes *in, struct buf *ret_items)
{
	struct bytes element = BYTES_NONE;
	enum err e = json_array_next(parser, in, &element);

	if (!e)
		put_item(ret_items, element);
	return e;
}

static void end(void *parser, struct buf *ret_items)
{
	must(buf_put_u8(ret_items, json_array_has_ended(parser)) == OK);
}

static void done(void *parser)
{
	json_array_done(parser);
}

static const struct split_parser parser = {sizeof(struct json_array), NULL, done, next, end};

static void compare_with_scanner(struct bytes text)
{
	struct buf expected = {0}, found = {0};
	struct json j;
	struct json_token t;
	size_t stop;

	json_init(&j, text, JSON_STRICT);
	if (json_check(text, NULL, NULL) || json_next(&j, &t) || t.kind != JSON_ARRAY)
		return;
	while (!json_next(&j, &t) && t.kind != JSON_ARRAY_END) {
		must(json_skip(&j, &t, &stop) == OK);
		put_item(&expected, bytes_slice(text, t.start, stop - t.start));
	}
	must(buf_put_u8(&expected, ERR_MORE) == OK && buf_put_u8(&expected, 1) == OK);
	follow(&parser, text, 0, text.len, &found);
	must(bytes_equal(buf_view(&expected), buf_view(&found)));
	buf_done(&expected);
	buf_done(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	split_fuzz(&parser, data, size);
	if (size > 2)
		compare_with_scanner(bytes_of(data + 2, size - 2));
	return 0;
}
