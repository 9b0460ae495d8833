/* SPDX-License-Identifier: MIT
 *
 * Input: the length of a piece, bits (1 the client's side, 2 permessage-deflate, 4 without a kept
 * window, 8 the stream is a header value instead), the stream. The messages must be the same in
 * every split.
 */
#include "wire/websocket.h"

#include "split_fuzz.h"

static void init(void *parser, uint8_t option)
{
	struct websocket_extensions agreed = {
		.deflate = option & 2,
		.server_no_takeover = option & 4,
		.client_no_takeover = option & 4,
	};

	websocket_init(parser, option & 1, &agreed);
}

static enum err next(void *parser, struct bytes *in, struct buf *ret_items)
{
	struct websocket_message m;
	enum err e = websocket_next(parser, in, &m);

	if (e)
		return e;
	must(m.data.len <= WEBSOCKET_MESSAGE_BYTES_MAX);
	must(m.kind < WEBSOCKET_CLOSE || m.data.len <= WEBSOCKET_CONTROL_BYTES_MAX);
	must(buf_put_u8(ret_items, (uint8_t)m.kind) == OK);
	must(buf_put_u16(ret_items, m.close_code) == OK);
	put_item(ret_items, m.data);
	return OK;
}

static void end(void *parser, struct buf *ret_items)
{
	must(buf_put_u8(ret_items, websocket_is_between(parser)) == OK);
}

static void done(void *parser)
{
	websocket_done(parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct split_parser parser = {sizeof(struct websocket), init, done, next, end};
	struct websocket_extensions agreed = {0};

	if (size > 2 && (data[1] & 8)) {
		enum err e = websocket_read_extensions(bytes_of(data + 2, size - 2), &agreed);
		must(e == OK || (!agreed.deflate && !agreed.server_no_takeover));
		return 0;
	}
	split_fuzz(&parser, data, size);
	return 0;
}
