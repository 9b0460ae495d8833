/* SPDX-License-Identifier: MIT */
#include "audit/tree_digest.h"

#include <string.h>

#include "audit/tree_constants.h"

#define LANES_MAX 8

#define NAME(x) plain_##x
#define WORD    uint64_t
#define INSTRUCTIONS
#define ROTATE(word, count) ((word) >> (count) | (word) << (64 - (count)))
#include "audit/tree_round.def"

static void node_init(struct tree_node *n, uint64_t layer, uint64_t number)
{
	plain_begin(n->h, number, layer);
	n->taken = 0;
	n->block_bytes = 0;
}

/* Not inlined: one copy of the rounds. `last`, `last_node`: 0 or all ones. */
static __attribute__((noinline)) void take_block(struct tree_node *n, const uint8_t *block,
						 uint64_t last, uint64_t last_node)
{
	uint64_t m[16];

	memcpy(m, block, sizeof m);
	plain_compress(n->h, m, n->taken, last, last_node);
}

/* The last block is kept: what it is shows when it is known whether more follows. */
static void node_feed(struct tree_node *n, struct bytes data)
{
	while (data.len) {
		struct bytes piece;
		if (n->block_bytes == sizeof n->block) {
			n->taken += sizeof n->block;
			take_block(n, n->block, 0, 0);
			n->block_bytes = 0;
		}
		while (n->block_bytes == 0 && data.len > sizeof n->block) {
			n->taken += sizeof n->block;
			take_block(n, data.at, 0, 0);
			data = bytes_from(data, sizeof n->block);
		}
		piece = bytes_slice(data, 0, sizeof n->block - n->block_bytes);
		memcpy(n->block + n->block_bytes, piece.at, piece.len);
		n->block_bytes = (uint8_t)(n->block_bytes + piece.len);
		data = bytes_from(data, piece.len);
	}
}

static void node_end(struct tree_node *n, bool is_last, uint8_t ret_digest[TREE_DIGEST_BYTES])
{
	memset(n->block + n->block_bytes, 0, sizeof n->block - n->block_bytes);
	n->taken += n->block_bytes;
	take_block(n, n->block, UINT64_MAX, is_last ? UINT64_MAX : 0);
	plain_give(n->h, ret_digest);
}

static uint64_t leaf_bytes(const struct tree_digest *d)
{
	return d->leaf.taken + d->leaf.block_bytes;
}

static void end_leaf(struct tree_digest *d)
{
	uint8_t digest[TREE_DIGEST_BYTES];

	node_end(&d->leaf, false, digest);
	node_feed(&d->root, bytes_of(digest, sizeof digest));
	node_init(&d->leaf, 0, ++d->leaves);
}

/* From the beginning of a leaf; gives what is left. */
static struct bytes take_many(struct tree_digest *d, struct bytes data)
{
	const size_t lanes = d->lanes;
	uint8_t digests[LANES_MAX * TREE_DIGEST_BYTES];

	while (lanes && data.len >= lanes * TREE_DIGEST_LEAF_BYTES) {
		tree_lanes_take(lanes, data.at, d->leaves, digests);
		node_feed(&d->root, bytes_of(digests, lanes * TREE_DIGEST_BYTES));
		d->leaves += lanes;
		node_init(&d->leaf, 0, d->leaves);
		data = bytes_from(data, lanes * TREE_DIGEST_LEAF_BYTES);
	}
	return data;
}

void tree_digest_init(struct tree_digest *d)
{
	memset(d, 0, sizeof *d);
	d->lanes = tree_lanes_count();
	node_init(&d->leaf, 0, 0);
	node_init(&d->root, 1, 0);
}

void tree_digest_feed(struct tree_digest *d, struct bytes data)
{
	while (data.len) {
		struct bytes piece;
		if (leaf_bytes(d) == 0)
			data = take_many(d, data);
		piece = bytes_slice(data, 0, (size_t)(TREE_DIGEST_LEAF_BYTES - leaf_bytes(d)));
		node_feed(&d->leaf, piece);
		data = bytes_from(data, piece.len);
		if (leaf_bytes(d) == TREE_DIGEST_LEAF_BYTES)
			end_leaf(d);
	}
}

size_t tree_digest_step(void)
{
	size_t lanes = tree_lanes_count();

	return lanes ? lanes * TREE_DIGEST_LEAF_BYTES : 1;
}

void tree_digest_end(const struct tree_digest *d, uint8_t ret_digest[TREE_DIGEST_BYTES])
{
	struct tree_digest copy = *d;

	if (leaf_bytes(&copy))
		end_leaf(&copy);
	node_end(&copy.root, true, ret_digest);
}
