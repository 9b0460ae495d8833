/* SPDX-License-Identifier: MIT
 *
 * Input: one byte, the stream. The events must be the same whether the stream comes at once, in
 * pieces of as many bytes as the first byte says, or byte by byte.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void follow(struct bytes stream, size_t step, struct buf *ret_events)
{
	struct sse s = {0};
	struct sse_event event;

	for (size_t at = 0; at < stream.len; at += step) {
		struct bytes piece = bytes_slice(stream, at, step);
		uint8_t *copy = malloc(piece.len);
		must(copy != NULL);
		memcpy(copy, piece.at, piece.len);
		struct bytes in = {copy, piece.len};
		enum err e;
		while (!(e = sse_next(&s, &in, &event))) {
			must(bytes_find_byte(event.name, '\n') == SIZE_MAX);
			must(bytes_find_byte(event.name, '\r') == SIZE_MAX);
			must(bytes_find_byte(event.data, '\r') == SIZE_MAX);
			must(buf_put_u64(ret_events, event.name.len) == OK);
			must(buf_put(ret_events, event.name) == OK);
			must(buf_put_u64(ret_events, event.data.len) == OK);
			must(buf_put(ret_events, event.data) == OK);
		}
		must(e == ERR_MORE && in.len == 0);
		free(copy);
	}
	sse_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = {0}, pieces = {0}, bytewise = {0};

	if (size < 2)
		return 0;
	struct bytes stream = {data + 1, size - 1};
	follow(stream, stream.len, &whole);
	follow(stream, data[0] ? data[0] : 1, &pieces);
	follow(stream, 1, &bytewise);
	must(bytes_equal(buf_view(&whole), buf_view(&pieces)));
	must(bytes_equal(buf_view(&whole), buf_view(&bytewise)));
	buf_done(&whole);
	buf_done(&pieces);
	buf_done(&bytewise);
	return 0;
}
