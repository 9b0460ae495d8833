/* SPDX-License-Identifier: MIT */
#include "policy/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4000 /* with malloc's own header below one page */

struct arena_block {
	struct arena_block *next;
	alignas(max_align_t) uint8_t data[];
};

void *arena_take(struct arena *a, size_t count, size_t size)
{
	size_t align = alignof(max_align_t);
	size_t want;

	if (size && count > (SIZE_MAX / 4) / size)
		return NULL;
	want = count * size;
	want = (want + align - 1) / align * align;
	if (want == 0)
		want = align;
	if (want > a->left) {
		size_t room = want > BLOCK_BYTES ? want : BLOCK_BYTES / align * align;
		struct arena_block *block = malloc(sizeof *block + room);
		if (!block)
			return NULL;
		block->next = a->blocks;
		a->blocks = block;
		a->at = block->data;
		a->left = room;
	}
	void *got = a->at;
	a->at += want;
	a->left -= want;
	memset(got, 0, want);
	return got;
}

enum err arena_copy(struct arena *a, struct bytes text, struct bytes *ret_copy)
{
	uint8_t *at;

	if (text.len > SIZE_MAX / 4)
		return ERR_NOMEM;
	at = arena_take(a, text.len + 1, 1);
	if (!at)
		return ERR_NOMEM;
	if (text.len)
		memcpy(at, text.at, text.len);
	*ret_copy = bytes_of(at, text.len);
	return OK;
}

void arena_done(struct arena *a)
{
	struct arena_block *block = a->blocks;

	while (block) {
		struct arena_block *next = block->next;
		free(block);
		block = next;
	}
	*a = (struct arena){0};
}
