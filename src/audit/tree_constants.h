/* SPDX-License-Identifier: MIT
 *
 * What tree_digest.c and tree_lanes.c share: constants of BLAKE2b (RFC 7693 2.6 and 2.7) and the
 * parameters of the tree's nodes.
 */
#ifndef AIGW_AUDIT_TREE_CONSTANTS_H
#define AIGW_AUDIT_TREE_CONSTANTS_H

#include "audit/tree_digest.h"

static const uint64_t tree_start[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
				       0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
				       0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

static const uint8_t tree_sigma[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
					   {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
					   {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
					   {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
					   {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
					   {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
					   {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
					   {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
					   {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
					   {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

/* A node's parameter block has three words that are not zero: digest length 32, depth 2 and leaf
 * length; the node's number in its layer; the layer (0: leaves) and the length of inner digests. */
#define TREE_PARAMETERS   ((uint64_t)TREE_DIGEST_LEAF_BYTES << 32 | 2u << 24 | TREE_DIGEST_BYTES)
#define TREE_LAYER(layer) ((uint64_t)TREE_DIGEST_BYTES << 8 | (layer))

#endif
