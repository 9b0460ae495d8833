/* SPDX-License-Identifier: MIT */
#include "tally.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_FIRST 64

static void add_up(uint64_t *sum, uint64_t n)
{
	if (__builtin_add_overflow(*sum, n, sum))
		*sum = UINT64_MAX;
}

void counts_add(struct counts *sum, const struct counts *c)
{
	uint64_t cost;

	add_up(&sum->requests, c->requests);
	add_up(&sum->refused, c->refused);
	add_up(&sum->failed, c->failed);
	add_up(&sum->input_tokens, c->input_tokens);
	add_up(&sum->cache_read_tokens, c->cache_read_tokens);
	add_up(&sum->cache_write_tokens, c->cache_write_tokens);
	add_up(&sum->output_tokens, c->output_tokens);
	add_up(&sum->reasoning_tokens, c->reasoning_tokens);
	add_up(&sum->unpriced, c->unpriced);
	if (__builtin_add_overflow(sum->cost_picousd, c->cost_picousd, &cost)) {
		add_up(&sum->unpriced, c->priced);
		return;
	}
	sum->cost_picousd = cost;
	add_up(&sum->priced, c->priced);
}

static int compare(const void *a, const void *b)
{
	return bytes_compare(tally_name(a), tally_name(b));
}

void tally_sort(struct tally *t)
{
	size_t kept = 0;

	if (t->count == 0)
		return;
	qsort(t->rows, t->count, sizeof *t->rows, compare);
	for (size_t i = 1; i < t->count; i++) {
		if (compare(&t->rows[kept], &t->rows[i]) == 0) {
			counts_add(&t->rows[kept].counts, &t->rows[i].counts);
			free(t->rows[i].name);
		} else {
			t->rows[++kept] = t->rows[i];
		}
	}
	t->count = kept + 1;
}

/* Room for one more: equal names are brought together first, and only if that left more than half,
 * there is more memory. */
static enum err make_room(struct tally *t)
{
	struct tally_row *more;
	size_t cap = t->cap ? t->cap * 2 : ROWS_FIRST;

	if (t->count < t->cap)
		return OK;
	tally_sort(t);
	if (t->cap && t->count <= t->cap / 2)
		return OK;
	if (cap > SIZE_MAX / 2 / sizeof *more)
		return ERR_NOMEM;
	more = realloc(t->rows, cap * sizeof *more);
	if (!more)
		return ERR_NOMEM;
	t->rows = more;
	t->cap = cap;
	return OK;
}

enum err tally_add(struct tally *t, struct bytes name, const struct counts *counts)
{
	enum err e = make_room(t);
	struct tally_row *row;

	if (e)
		return e;
	row = &t->rows[t->count];
	row->name = malloc(name.len + 1);
	if (!row->name)
		return ERR_NOMEM;
	if (name.len)
		memcpy(row->name, name.at, name.len);
	row->name_len = name.len;
	row->counts = *counts;
	t->count++;
	return OK;
}

void tally_done(struct tally *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->rows[i].name);
	free(t->rows);
	*t = (struct tally){0};
}
