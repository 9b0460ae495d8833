/* SPDX-License-Identifier: MIT */
#include "policy/nearest.h"

struct nearest nearest_to(struct bytes word)
{
	return (struct nearest){.word = word, .distance = 1 + (word.len > 3) + (word.len > 8)};
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* How many letters must be added, dropped, changed or exchanged with their neighbour to make one
 * word of the other: the optimal string alignment distance. */
static size_t edit_distance(struct bytes a, struct bytes b)
{
	size_t row[3][NEAREST_BYTES_MAX + 1];

	for (size_t j = 0; j <= b.len; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			uint8_t ca = lower(a.at[i - 1]), cb = lower(b.at[j - 1]);
			size_t best = before[j - 1] + (ca != cb);
			if (before[j] + 1 < best)
				best = before[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && ca == lower(b.at[j - 2]) &&
			    cb == lower(a.at[i - 2]) && earlier[j - 2] + 1 < best)
				best = earlier[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[a.len % 3][b.len];
}

void nearest_offer(struct nearest *n, struct bytes candidate)
{
	size_t distance;

	if (n->word.len > NEAREST_BYTES_MAX || candidate.len > NEAREST_BYTES_MAX)
		return;
	distance = edit_distance(n->word, candidate);
	if (distance > n->distance || distance >= n->word.len ||
	    (n->best.len && distance == n->distance))
		return;
	n->distance = distance;
	n->best = candidate;
}

void nearest_put(const struct nearest *n, struct phrase *p)
{
	if (!n->best.len)
		return;
	phrase_put(p, "; did you mean ");
	phrase_put_quoted(p, n->best);
	phrase_put(p, "?");
}
