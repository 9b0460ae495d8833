/* SPDX-License-Identifier: MIT
 *
 * tree_digest: BLAKE2b-256 in its tree mode ("BLAKE2: simpler, smaller, fast as MD5", section
 * 2.10): leaves of 4096 bytes, the last one of what is left, and one root over their digests.
 * Leaves do not wait for each other: four or eight are worked on at once where the processor has
 * AVX2 or AVX-512, at 1.7 and 3.8 times the speed. The digest is the same everywhere. In Python,
 * leaf i is
 *     hashlib.blake2b(leaf, digest_size=32, fanout=0, depth=2, leaf_size=4096, inner_size=32,
 *                     node_offset=i, node_depth=0)
 * and the root, over the leaves' digests one after the other, the same with node_offset=0,
 * node_depth=1, last_node=True. One thing differs from the paper: the last leaf has no mark either,
 * so that a leaf is done when it is full; how many there are the root's length says.
 *
 * Pure, no allocation; the only global is what the processor can.
 */
#ifndef AIGW_AUDIT_TREE_DIGEST_H
#define AIGW_AUDIT_TREE_DIGEST_H

#include "base/bytes.h"

#define TREE_DIGEST_BYTES      32
#define TREE_DIGEST_LEAF_BYTES 4096
#define TREE_DIGEST_BLOCK      128

/* One node of the tree, on its way. */
struct tree_node {
	uint64_t h[8];
	uint64_t taken; /* bytes, without those in `block` */
	uint8_t block[TREE_DIGEST_BLOCK];
	uint8_t block_bytes;
};

/* Copyable: a copy goes on by itself. */
struct tree_digest {
	struct tree_node leaf, root;
	uint64_t leaves; /* that the root has */
	size_t lanes;    /* leaves at once: 0 (one), 4 or 8; tests set it lower after init */
};

void tree_digest_init(struct tree_digest *d);
void tree_digest_feed(struct tree_digest *d, struct bytes data);
/* What is fed in pieces that end at multiples of this is digested fastest; 1: in any. */
size_t tree_digest_step(void);
/* Leaves the state usable: more can be fed. */
void tree_digest_end(const struct tree_digest *d, uint8_t ret_digest[TREE_DIGEST_BYTES]);

/* ---- for tree_digest.c: several leaves at once ---- */

/* How many this processor can: 8, 4, or 0 for one. */
size_t tree_lanes_count(void);
/* The digests of so many whole leaves, the first of which has the number `number`. `lanes`: 4, or 8
 * where that is the count. */
void tree_lanes_take(size_t lanes, const uint8_t *leaves, uint64_t number, uint8_t *ret_digests);

#endif
