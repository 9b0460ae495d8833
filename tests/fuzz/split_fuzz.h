/* SPDX-License-Identifier: MIT
 *
 * split_fuzz: what an incremental parser makes of a stream must not depend on how it is split. A
 * fuzz target gives one call of its parser's next function; pieces are copies that are gone
 * afterwards.
 */
#ifndef AIGW_TESTS_SPLIT_FUZZ_H
#define AIGW_TESTS_SPLIT_FUZZ_H

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool condition)
{
	if (!condition)
		abort();
}

static inline void put_item(struct buf *items, struct bytes item)
{
	must(buf_put_u64(items, item.len) == OK);
	must(buf_put(items, item) == OK);
}

struct split_parser {
	size_t size;
	void (*init)(void *parser, uint8_t option); /* NULL: zeros */
	void (*done)(void *parser);
	enum err (*next)(void *parser, struct bytes *in, struct buf *ret_items);
	void (*end)(void *parser, struct buf *ret_items);
};

static inline void follow(const struct split_parser *p, struct bytes stream, uint8_t option,
			  size_t step, struct buf *ret_items)
{
	void *parser = calloc(1, p->size);
	enum err e = ERR_MORE;

	must(parser != NULL);
	if (p->init)
		p->init(parser, option);
	for (size_t at = 0; at < stream.len && e == ERR_MORE; at += step) {
		struct bytes piece = bytes_slice(stream, at, step);
		uint8_t *copy = malloc(piece.len);
		must(copy != NULL);
		memcpy(copy, piece.at, piece.len);
		struct bytes in = {copy, piece.len};
		/* An item may end before the byte that shows it, but not twice. */
		unsigned idle = 0;
		do {
			size_t before = in.len;
			e = p->next(parser, &in, ret_items);
			must(in.len <= before);
			idle = in.len < before ? 0 : idle + 1;
		} while (!e && idle < 2);
		must(e != OK);
		must(e != ERR_MORE || in.len == 0);
		free(copy);
	}
	must(buf_put_u8(ret_items, (uint8_t)e) == OK);
	p->end(parser, ret_items);
	p->done(parser);
	free(parser);
}

/* data[0]: the length of a piece, data[1]: an option of the target; the rest is the stream. */
static inline void split_fuzz(const struct split_parser *p, const uint8_t *data, size_t size)
{
	struct buf whole = {0}, pieces = {0}, bytewise = {0};

	if (size < 3)
		return;
	struct bytes stream = {data + 2, size - 2};
	follow(p, stream, data[1], stream.len, &whole);
	follow(p, stream, data[1], data[0] ? data[0] : 1, &pieces);
	follow(p, stream, data[1], 1, &bytewise);
	must(bytes_equal(buf_view(&whole), buf_view(&pieces)));
	must(bytes_equal(buf_view(&whole), buf_view(&bytewise)));
	buf_done(&whole);
	buf_done(&pieces);
	buf_done(&bytewise);
}

#endif
