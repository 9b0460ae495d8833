/* SPDX-License-Identifier: MIT
 *
 * meters: which meter stands where in the store's file (its first part, limits/store), read and
 * written. All under the store's lock.
 *
 * Meters stand in buckets of eight, each read at once: 2 KiB of a foreign stack, and within a page.
 * The first bucket, the front, is filled before any other, so that most policies need no other one:
 * it is read once, and written once for all scopes of a call. A meter that has no room there is
 * found by its name, in its bucket or, when that is full, in one behind it.
 */
#ifndef AIGW_LIMITS_METERS_H
#define AIGW_LIMITS_METERS_H

#include <sys/types.h>

#include "limits/meter.h"

#define METERS_BUCKET 8

/* For as long as the lock is held once. */
struct meters {
	int fd;
	bool has_front;
	size_t low, high; /* of the front, not written yet: from row `low` to before `high` */
	struct meter front[METERS_BUCKET];
};

struct meters_place {
	off_t at;
	bool found, has_free; /* not found: `at` is where it can go */
};

void meters_init(struct meters *m, int fd);

/* The meter of that name, or a new one. ERR_IO. */
MUST_USE enum err meters_find(struct meters *m, const char *name, uint64_t now_ns,
			      struct meter *ret_meter, struct meters_place *ret_place);

/* Seals and writes one; of the front, it is written by meters_flush. ERR_FULL, ERR_IO. */
MUST_USE enum err meters_put(struct meters *m, struct meter *a, off_t at);
/* Writes what was put into the front: all of it or nothing, whenever the process is killed. */
MUST_USE enum err meters_flush(struct meters *m);

#endif
