/* SPDX-License-Identifier: MIT
 *
 * Input: the length of a piece, whether checksums are made right first (odd), the stream. The
 * messages must be the same in every split.
 */
#include "wire/eventstream.h"

#include "split_fuzz.h"

static uint32_t read_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write_u32(uint8_t *at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* Otherwise no input would ever come past the first checksum. */
static void repair(uint8_t *at, size_t len)
{
	while (len >= 16) {
		uint32_t total = read_u32(at);
		write_u32(at + 8, eventstream_crc32(0, bytes_of(at, 8)));
		if (total < 16 || total > len)
			return;
		write_u32(at + total - 4, eventstream_crc32(0, bytes_of(at, total - 4)));
		at += total;
		len -= total;
	}
}

static enum err next(void *parser, struct bytes *in, struct buf *ret_items)
{
	struct eventstream_message m = {0};
	struct eventstream_header h;
	enum err e = eventstream_next(parser, in, &m);

	if (e)
		return e;
	put_item(ret_items, eventstream_find(&m, BYTES(":event-type")));
	while (!(e = eventstream_header_next(&m.headers, &h))) {
		put_item(ret_items, h.name);
		put_item(ret_items, h.value);
	}
	must(e == ERR_END);
	put_item(ret_items, m.payload);
	return OK;
}

static void end(void *parser, struct buf *ret_items)
{
	must(buf_put_u8(ret_items, eventstream_is_between(parser)) == OK);
}

static void done(void *parser)
{
	eventstream_done(parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct split_parser parser = {sizeof(struct eventstream), NULL, done, next,
						   end};

	if (size < 3)
		return 0;
	uint8_t *copy = malloc(size);
	must(copy != NULL);
	memcpy(copy, data, size);
	if (data[1] & 1)
		repair(copy + 2, size - 2);
	split_fuzz(&parser, copy, size);
	free(copy);
	return 0;
}
