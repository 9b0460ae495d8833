/* SPDX-License-Identifier: MIT */
#include "limits/meters.h"

#include <string.h>

#include "limits/rows.h"
#include "limits/store.h"

#define BUCKETS        (LIMITS_METERS_MAX / METERS_BUCKET)
#define BUCKETS_PROBED 16
#define BUCKET_BYTES   ((off_t)(METERS_BUCKET * sizeof(struct meter)))
#define METER_IDLE_NS  (METER_IDLE_DAYS * UINT64_C(86400000000000))

void meters_init(struct meters *m, int fd)
{
	m->fd = fd;
	m->has_front = false;
	m->low = m->high = 0;
}

static bool is_unused(const struct meter *a)
{
	return a->name[0] == '\0' && a->check == 0;
}

static bool is_free(const struct meter *a, uint64_t now_ns)
{
	return !meter_is_sealed(a) ||
	       (a->touched_ns < now_ns && now_ns - a->touched_ns > METER_IDLE_NS);
}

/* Looks through a bucket that was read. True: it is there. The first free place is noted, when
 * there was none before. */
static bool look_through(const struct meter rows[METERS_BUCKET], off_t bucket_at,
			 const struct meter *wanted, uint64_t now_ns, struct meter *ret_meter,
			 struct meters_place *place)
{
	for (size_t k = 0; k < METERS_BUCKET; k++) {
		off_t at = bucket_at + (off_t)(k * sizeof rows[0]);
		if (meter_is_sealed(&rows[k]) &&
		    memcmp(rows[k].name, wanted->name, sizeof wanted->name) == 0) {
			*ret_meter = rows[k];
			*place = (struct meters_place){at, true, false};
			return true;
		}
		if (!place->has_free && is_free(&rows[k], now_ns))
			*place = (struct meters_place){at, false, true};
	}
	return false;
}

static bool has_unused(const struct meter rows[METERS_BUCKET])
{
	bool has = false;

	for (size_t k = 0; k < METERS_BUCKET; k++)
		has = has || is_unused(&rows[k]);
	return has;
}

/* Records are never taken out, only taken over: behind a bucket with one that was never used there
 * is nothing. */
static enum err find_behind(const struct meters *m, const struct meter *wanted, uint64_t now_ns,
			    struct meter *ret_meter, struct meters_place *place)
{
	struct meter rows[METERS_BUCKET];
	uint64_t first = rows_hash(bytes_str(wanted->name));
	bool last = false;

	for (uint64_t i = 0; i < BUCKETS_PROBED && !last; i++) {
		off_t at = (off_t)(1 + (first + i) % (BUCKETS - 1)) * BUCKET_BYTES;
		enum err e = rows_read(m->fd, rows, sizeof rows, at);
		if (e || look_through(rows, at, wanted, now_ns, ret_meter, place))
			return e;
		last = has_unused(rows);
	}
	return OK;
}

enum err meters_find(struct meters *m, const char *name, uint64_t now_ns, struct meter *ret_meter,
		     struct meters_place *ret_place)
{
	struct meter wanted;
	enum err e;

	meter_open(&wanted, name);
	memset(ret_place, 0, sizeof *ret_place);
	if (!m->has_front) {
		e = rows_read(m->fd, m->front, sizeof m->front, 0);
		if (e)
			return e;
		m->has_front = true;
	}
	if (look_through(m->front, 0, &wanted, now_ns, ret_meter, ret_place))
		return OK;
	/* While the front has one that was never used, there is nothing behind it. */
	if (!has_unused(m->front)) {
		e = find_behind(m, &wanted, now_ns, ret_meter, ret_place);
		if (e)
			return e;
	}
	if (!ret_place->found)
		*ret_meter = wanted;
	return OK;
}

enum err meters_put(struct meters *m, struct meter *a, off_t at)
{
	size_t row = (size_t)at / sizeof *a;

	meter_seal(a);
	if (at >= BUCKET_BYTES || !m->has_front)
		return rows_write(m->fd, a, sizeof *a, at);
	m->front[row] = *a;
	if (m->high == 0 || row < m->low)
		m->low = row;
	if (row + 1 > m->high)
		m->high = row + 1;
	return OK;
}

enum err meters_flush(struct meters *m)
{
	size_t low = m->low, high = m->high;

	m->low = m->high = 0;
	if (low == high)
		return OK;
	return rows_write(m->fd, &m->front[low], (high - low) * sizeof m->front[0],
			  (off_t)(low * sizeof m->front[0]));
}
