/* SPDX-License-Identifier: MIT
 *
 * arena: memory that is given back all at once. A policy is built of hundreds of small pieces that
 * live and die together; with one arena, freeing it is one loop and an error path has one line.
 *
 * Not synchronised. Zero-initialised is a valid empty arena.
 */
#ifndef AIGW_POLICY_ARENA_H
#define AIGW_POLICY_ARENA_H

#include "base/bytes.h"

struct arena_block;

struct arena {
	struct arena_block *blocks;
	uint8_t *at;
	size_t left;
};

/* `count` zeroed elements of `size` bytes, aligned for any type, until arena_done. NULL when there
 * is no memory (or the product overflows); never NULL otherwise, also for 0. */
void *arena_take(struct arena *a, size_t count, size_t size);

/* A copy of `text` with a NUL behind it, which *ret_copy does not count. ERR_NOMEM. */
MUST_USE enum err arena_copy(struct arena *a, struct bytes text, struct bytes *ret_copy);

/* Frees everything. The arena is empty and usable again. */
void arena_done(struct arena *a);

#endif
