/* SPDX-License-Identifier: MIT */
#include "map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "print.h"

/* Where the key is or would be; there is always a free slot. FNV-1a. */
static struct slot *map_slot(const struct map *m, const char *key)
{
	uint64_t hash = UINT64_C(1469598103934665603);

	for (const char *c = key; *c; c++)
		hash = (hash ^ (uint8_t)*c) * UINT64_C(1099511628211);
	size_t i = (size_t)hash & (m->cap - 1);
	while (m->slots[i].key && strcmp(m->slots[i].key, key) != 0)
		i = (i + 1) & (m->cap - 1);
	return &m->slots[i];
}

static void map_grow(struct map *m)
{
	struct map bigger = {.cap = m->cap ? m->cap * 2 : 256, .count = m->count};

	bigger.slots = need_memory(bigger.cap * sizeof *bigger.slots);
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].key)
			*map_slot(&bigger, m->slots[i].key) = m->slots[i];
	free(m->slots);
	*m = bigger;
}

void *map_find(const struct map *m, const char *key)
{
	return m->cap ? map_slot(m, key)->value : NULL;
}

void map_put(struct map *m, const char *key, void *value)
{
	if (m->count * 2 >= m->cap)
		map_grow(m);
	struct slot *slot = map_slot(m, key);
	if (!slot->key) {
		slot->key = strdup(key);
		if (!slot->key)
			need(ERR_NOMEM);
		m->count++;
	}
	slot->value = value;
}

void map_done(struct map *m)
{
	for (size_t i = 0; i < m->cap; i++)
		free(m->slots[i].key);
	free(m->slots);
	*m = (struct map){0};
}
