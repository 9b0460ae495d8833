/* SPDX-License-Identifier: MIT
 *
 * Input: the length of a piece, one byte unused, the stream. The lines must be the same in every
 * split.
 */
#include "wire/ndjson.h"

#include "split_fuzz.h"

static enum err next(void *parser, struct bytes *in, struct buf *ret_items)
{
	struct bytes line = BYTES_NONE;
	enum err e = ndjson_next(parser, in, &line);

	if (!e) {
		must(line.len && bytes_find_byte(line, '\n') == SIZE_MAX);
		put_item(ret_items, line);
	}
	return e;
}

static void end(void *parser, struct buf *ret_items)
{
	struct bytes line = BYTES_NONE;

	if (ndjson_end(parser, &line) == OK)
		put_item(ret_items, line);
}

static void done(void *parser)
{
	ndjson_done(parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct split_parser parser = {sizeof(struct ndjson), NULL, done, next, end};

	split_fuzz(&parser, data, size);
	return 0;
}
