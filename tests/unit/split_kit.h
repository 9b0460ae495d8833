/* SPDX-License-Identifier: MIT
 *
 * split_kit: feeds a byte stream to an incremental parser in many splits and holds what came out
 * against one expectation. Each piece is a copy that ends where its memory ends, and is gone before
 * the next one.
 */
#ifndef AIGW_TESTS_SPLIT_KIT_H
#define AIGW_TESTS_SPLIT_KIT_H

#include <stdlib.h>

#include "tap.h"

#define KIT_FIXED_STEPS  24 /* pieces of 1 to so many bytes */
#define KIT_RANDOM_TRIES 40 /* pieces of random lengths */

/* A parser as the kit sees it. */
struct kit_parser {
	size_t size;                /* of its struct */
	void (*init)(void *parser); /* NULL: zeros */
	void (*done)(void *parser);
	/* One call of its next function; an item is written down in *ret_items. */
	enum err (*next)(void *parser, struct bytes *in, struct buf *ret_items);
	/* The stream has ended; NULL: nothing to do. */
	void (*end)(void *parser, struct buf *ret_items);
};

static inline size_t kit_piece(size_t step, uint32_t *random)
{
	if (step)
		return step;
	*random = *random * 1664525u + 1013904223u;
	return 1 + (*random >> 24) % 48;
}

/* Pieces of `step` bytes, or of random lengths for 0. What the last call of next gave. */
static inline enum err kit_follow(const struct kit_parser *k, struct bytes stream, size_t step,
				  uint32_t random, struct buf *ret_items)
{
	void *parser = calloc(1, k->size);
	enum err e = ERR_MORE;

	if (k->init)
		k->init(parser);
	while (stream.len && e == ERR_MORE) {
		struct bytes piece = bytes_slice(stream, 0, kit_piece(step, &random));
		uint8_t *copy = malloc(piece.len);
		struct bytes in = {copy, piece.len};
		memcpy(copy, piece.at, piece.len);
		do
			e = k->next(parser, &in, ret_items);
		while (!e);
		CHECK(e != ERR_MORE || in.len == 0);
		if (e != ERR_MORE) /* from then on always */
			CHECK_ERR(k->next(parser, &in, ret_items), e);
		stream = bytes_from(stream, piece.len);
		free(copy);
	}
	if (k->end)
		k->end(parser, ret_items);
	k->done(parser);
	free(parser);
	return e;
}

static inline void kit_check_split(const struct kit_parser *k, struct bytes stream, size_t step,
				   uint32_t random, struct bytes items, enum err expected)
{
	struct buf found = {0};
	enum err e = kit_follow(k, stream, step, random, &found);

	if (e != expected || !bytes_equal(buf_view(&found), items))
		tap_fail(__FILE__, __LINE__,
			 "steps of %zu, random %u: %s \"%.*s\", expected %s \"%.*s\"", step, random,
			 err_name(e), (int)found.len, (const char *)found.at, err_name(expected),
			 (int)items.len, (const char *)items.at);
	buf_done(&found);
}

/* Whole, in pieces of each small size, and at random: the same items, and the same answer. */
static inline void kit_check(const struct kit_parser *k, struct bytes stream, struct bytes items,
			     enum err expected)
{
	kit_check_split(k, stream, stream.len + 1, 0, items, expected);
	for (size_t step = 1; step <= KIT_FIXED_STEPS && step < stream.len; step++)
		kit_check_split(k, stream, step, 0, items, expected);
	for (uint32_t i = 0; i < KIT_RANDOM_TRIES; i++)
		kit_check_split(k, stream, 0, i, items, expected);
}

static inline void kit_put(struct buf *items, struct bytes text)
{
	CHECK_ERR(buf_put(items, text), OK);
}

/* "text;" */
static inline void kit_put_item(struct buf *items, struct bytes text)
{
	kit_put(items, text);
	kit_put(items, BYTES(";"));
}

/* `head`, then `count` times 'x', then `tail`. */
static inline struct buf kit_filled(struct bytes head, size_t count, struct bytes tail)
{
	struct buf b = {0};

	CHECK_ERR(buf_reserve(&b, head.len + count + tail.len), OK);
	kit_put(&b, head);
	memset(b.at + b.len, 'x', count);
	b.len += count;
	kit_put(&b, tail);
	return b;
}

#endif
