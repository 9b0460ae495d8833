/* SPDX-License-Identifier: MIT
 *
 * map: from text to a pointer. Grows, never shrinks; the keys are the map's own copies, the values
 * are borrowed. Zero-initialised is an empty map.
 */
#ifndef AIGW_TOOL_MAP_H
#define AIGW_TOOL_MAP_H

#include <stddef.h>

struct slot {
	char *key;
	void *value;
};

struct map {
	struct slot *slots;
	size_t cap, count;
};

void *map_find(const struct map *m, const char *key);      /* NULL: not there */
void map_put(struct map *m, const char *key, void *value); /* replaces */
void map_done(struct map *m);

#endif
