/* SPDX-License-Identifier: MIT */
#include "base/large.h"

#include <stdbool.h>
#include <stdlib.h>

/* A sanitizer is to see each use of what was given back. */
#if defined(__SANITIZE_ADDRESS__)
#define KEEPS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEPS 0
#endif
#endif
#ifndef KEEPS
#define KEEPS 1
#endif

/* At the front of a kept piece. */
struct piece {
	size_t bytes;
};

static struct piece *kept[LARGE_KEPT_COUNT]; /* atomic */
static size_t kept_bytes;                    /* atomic */

static bool put_away(struct piece *p)
{
	for (size_t i = 0; i < LARGE_KEPT_COUNT; i++) {
		struct piece *none = NULL;
		if (__atomic_compare_exchange_n(&kept[i], &none, p, false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/* Does it fit without waste: all of a buffer is wiped when it is given back. */
static bool fits(const struct piece *p, size_t bytes)
{
	return p->bytes >= bytes && p->bytes - bytes <= bytes / 4;
}

/* One that fits, or NULL. What does not fit is put back. */
static struct piece *take_kept(size_t bytes)
{
	for (size_t i = 0; i < LARGE_KEPT_COUNT; i++) {
		struct piece *p = __atomic_load_n(&kept[i], __ATOMIC_RELAXED);
		if (p)
			p = __atomic_exchange_n(&kept[i], NULL, __ATOMIC_ACQ_REL);
		if (!p)
			continue;
		if (!fits(p, bytes) && put_away(p))
			continue;
		__atomic_sub_fetch(&kept_bytes, p->bytes, __ATOMIC_RELAXED);
		if (fits(p, bytes))
			return p;
		free(p);
	}
	return NULL;
}

void *large_take(size_t bytes, size_t *ret_bytes)
{
	struct piece *p = KEEPS && bytes >= LARGE_BYTES_MIN ? take_kept(bytes) : NULL;

	*ret_bytes = p ? p->bytes : bytes;
	return p ? (void *)p : malloc(bytes);
}

void large_give(void *at, size_t bytes)
{
	struct piece *p = at;

	if (KEEPS && p && bytes >= LARGE_BYTES_MIN) {
		if (__atomic_add_fetch(&kept_bytes, bytes, __ATOMIC_RELAXED) <= LARGE_KEPT_MAX) {
			p->bytes = bytes;
			if (put_away(p))
				return;
		}
		__atomic_sub_fetch(&kept_bytes, bytes, __ATOMIC_RELAXED);
	}
	free(at);
}

void large_forget(void)
{
	for (size_t i = 0; i < LARGE_KEPT_COUNT; i++) {
		struct piece *p = __atomic_exchange_n(&kept[i], NULL, __ATOMIC_ACQ_REL);
		if (!p)
			continue;
		__atomic_sub_fetch(&kept_bytes, p->bytes, __ATOMIC_RELAXED);
		free(p);
	}
}
