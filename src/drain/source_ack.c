/* SPDX-License-Identifier: MIT
 *
 * The acknowledging half of source: what was handed out, what of each segment is not acknowledged,
 * and how that is written down.
 */
#include "drain/source_state.h"

#include <stdlib.h>
#include <string.h>

#define SPOTS_FIRST   16
#define FLIGHTS_FIRST 64
#define SLOT_BITS     32

/* ---- the spots of a segment ---- */

static bool is_acked(const struct spot *s)
{
	return s->sequence & SPOT_ACKED;
}

static void compact(struct spots *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->count; i++)
		if (!is_acked(&p->at[i]))
			p->at[kept++] = p->at[i];
	p->count = kept;
	p->acked = 0;
}

enum err spots_reserve(struct spots *p)
{
	size_t cap = p->cap ? p->cap * 2 : SPOTS_FIRST;
	struct spot *at;

	if (p->count == p->cap && p->acked > p->count / 2)
		compact(p);
	if (p->count < p->cap)
		return OK;
	at = realloc(p->at, cap * sizeof *at);
	if (!at)
		return ERR_NOMEM;
	p->at = at;
	p->cap = cap;
	return OK;
}

void spots_add(struct spots *p, uint32_t offset, uint32_t sequence, bool last)
{
	p->at[p->count++] = (struct spot){
		offset,
		(sequence & SPOT_SEQUENCE) | (last ? SPOT_LAST : 0),
	};
}

static struct spot *find_spot(struct spots *p, uint32_t offset)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (p->at[middle].offset == offset)
			return &p->at[middle];
		if (p->at[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

void spots_set_last(struct spots *p, uint32_t offset)
{
	struct spot *spot = find_spot(p, offset);

	if (spot)
		spot->sequence |= SPOT_LAST;
}

static void spots_ack(struct spots *p, uint32_t offset)
{
	struct spot *spot = find_spot(p, offset);

	if (!spot || is_acked(spot))
		return;
	spot->sequence |= SPOT_ACKED;
	p->acked++;
	if (p->acked == p->count) {
		p->count = p->acked = 0;
		free(p->at); /* most segments have nothing more to come */
		p->at = NULL;
		p->cap = 0;
	} else if (p->acked > SPOTS_FIRST && p->acked > p->count / 2) {
		compact(p);
	}
}

static const struct spot *first_spot(const struct spots *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (!is_acked(&p->at[i]))
			return &p->at[i];
	return NULL;
}

static uint32_t read_up_to(const struct source_segment *g)
{
	return g->mark.offset > g->skip ? (uint32_t)g->mark.offset : g->skip;
}

uint32_t segment_acked(const struct source_segment *g)
{
	const struct spot *first = first_spot(&g->spots);

	if (first)
		return first->offset;
	if (g->wanted_at < g->wanted_count)
		return g->wanted[g->wanted_at].offset;
	return read_up_to(g);
}

/* ---- what was handed out ---- */

static enum err reserve_flight(struct source *s)
{
	size_t cap = s->flight_cap ? s->flight_cap * 2 : FLIGHTS_FIRST;
	struct flight *more;

	if (s->flight_free || s->flight_count < s->flight_cap)
		return OK;
	if (cap >= UINT32_MAX)
		return ERR_NOMEM;
	more = realloc(s->flights, cap * sizeof *more);
	if (!more)
		return ERR_NOMEM;
	s->flights = more;
	s->flight_cap = cap;
	return OK;
}

enum err flight_begin(struct source *s, struct item *i)
{
	enum err e = reserve_flight(s);
	uint32_t slot;

	if (e)
		return e;
	if (s->flight_free) {
		slot = s->flight_free - 1;
		s->flight_free = s->flights[slot].next_free;
	} else {
		slot = (uint32_t)s->flight_count++;
	}
	if ((uint32_t)++s->generation == 0)
		s->generation++;
	s->flights[slot] = (struct flight){
		.ticket = s->generation << SLOT_BITS | slot,
		.time_ns = i->told.time_ns,
		.refs = i->refs,
		.ref_count = (uint32_t)i->ref_count,
		.unopened = i->told.kind == SOURCE_UNOPENED,
		.sealed = i->told.kind == SOURCE_SEGMENT,
	};
	i->told.ticket = s->flights[slot].ticket;
	s->in_flight++;
	return OK;
}

static struct flight *find_flight(const struct source *s, uint64_t ticket)
{
	uint64_t slot = ticket & UINT32_MAX;

	if (ticket == 0 || slot >= s->flight_count || s->flights[slot].ticket != ticket)
		return NULL;
	return &s->flights[slot];
}

enum err source_ack(struct source *s, uint64_t ticket)
{
	struct flight *f = find_flight(s, ticket);

	if (!f)
		return ERR_MISSING;
	for (size_t i = 0; i < f->ref_count; i++) {
		struct source_segment *g = f->refs[i].segment;
		if (f->unopened)
			g->unopened_told = true;
		else if (f->sealed)
			g->sealed_acked = f->refs[i].offset;
		else
			spots_ack(&g->spots, f->refs[i].offset);
	}
	refs_drop(f->refs, f->ref_count);
	if (s->current && s->current->told.ticket == ticket) {
		s->current->refs = NULL;
		s->current->ref_count = s->current->ref_cap = 0;
	}
	*f = (struct flight){.next_free = s->flight_free};
	s->flight_free = (uint32_t)(ticket & UINT32_MAX) + 1;
	s->in_flight--;
	s->counts.acked++;
	return OK;
}

/* ---- the cursor ---- */

static size_t left_in(const struct spots *p)
{
	return p->count - p->acked;
}

static struct progress_segment progress_of(const struct source_segment *g)
{
	const struct spot *first = first_spot(&g->spots);
	struct progress_segment p = {
		.unopened_told = g->unopened_told,
		.started_ns = g->started_ns,
		.read = read_up_to(g),
		.resume_offset = g->resume_offset,
		.resume_sequence = g->resume_sequence,
		.damaged = g->damaged,
		.path = segment_below(g),
		.spot_count = left_in(&g->spots) + g->wanted_count - g->wanted_at,
	};

	memcpy(p.id, g->id, sizeof p.id);
	if (first) {
		p.resume_offset = first->offset;
		p.resume_sequence = first->sequence & SPOT_SEQUENCE;
	} else if (g->begun && g->has_key) {
		p.resume_offset = (uint32_t)g->mark.offset;
		p.resume_sequence = (uint32_t)g->mark.sequence;
	}
	if (g->sealed_acked) {
		p.read = p.resume_offset = (uint32_t)g->sealed_acked;
		p.resume_sequence = 0;
	}
	return p;
}

/* The spots, then what is still to be read again: it stands behind them. */
static enum err put_spots(struct buf *out, const struct source_segment *g)
{
	struct progress_spot spot;
	uint32_t before = 0;
	enum err e = OK;

	for (size_t i = 0; !e && i < g->spots.count; i++) {
		const struct spot *at = &g->spots.at[i];
		if (is_acked(at))
			continue;
		spot = (struct progress_spot){at->offset, at->sequence & SPOT_LAST};
		e = progress_put_spot(out, before, spot);
		before = spot.offset;
	}
	for (size_t i = g->wanted_at; !e && i < g->wanted_count; i++) {
		e = progress_put_spot(out, before, g->wanted[i]);
		before = g->wanted[i].offset;
	}
	return e;
}

static enum err put_done(struct buf *out, const struct source *s)
{
	enum err e = OK;

	for (size_t i = 0; !e && i < s->known_cap; i++) {
		const struct known *k = &s->known[i];
		if (!k->used || k->segment || k->covered)
			continue;
		struct progress_segment p = {.done = true, .path_digest = k->digest, .day = k->day};
		e = progress_put_segment(out, &p);
	}
	return e;
}

static bool is_listed(const struct source_segment *g)
{
	return g->begun || g->passed || g->unreadable || g->skip || g->resume_offset ||
	       g->sealed_acked;
}

enum err source_cursor_put(struct source *s, struct buf *out)
{
	struct progress_head head = {
		.single = s->single,
		.sealed = s->options.identity_count == 0,
		.ledger = s->base,
		.lost = s->base_lost,
		.first_day = s->first_day,
		.last_day = s->last_day,
	};
	size_t max = out->max;
	enum err e;

	if (s->options.from_now) { /* nothing was looked at: that is still to come */
		buf_reset(out);
		return OK;
	}
	out->max = SOURCE_CURSOR_BYTES_MAX;
	e = progress_put_head(out, &head);
	for (size_t i = 0; !e && i < s->open_count; i++) {
		const struct source_segment *g = s->open[i];
		struct progress_segment p = progress_of(g);
		if (!is_listed(g))
			continue;
		e = progress_put_segment(out, &p);
		if (!e)
			e = put_spots(out, g);
	}
	if (!e)
		e = put_done(out, s);
	if (!e)
		e = progress_put_end(out);
	out->max = max;
	return e;
}

/* The places of one item, by segment and offset. */
static int by_place(const void *a, const void *b)
{
	const struct source_ref *x = a, *y = b;

	if (x->segment != y->segment)
		return x->segment < y->segment ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

static enum err put_single(struct buf *out, const struct source_ref *refs, size_t count,
			   const struct source_ref *told_last)
{
	const struct source_segment *g = refs[0].segment;
	struct progress_segment p = progress_of(g);
	uint32_t before = 0;
	enum err e;

	p.unopened_told = false;
	p.spot_count = count;
	p.resume_offset = refs[0].offset;
	p.resume_sequence = refs[0].sequence;
	p.read = refs[count - 1].offset + 1;
	e = progress_put_segment(out, &p);
	for (size_t i = 0; !e && i < count; i++) {
		bool last = g == told_last->segment && refs[i].offset == told_last->offset;
		e = progress_put_spot(out, before, (struct progress_spot){refs[i].offset, last});
		before = refs[i].offset;
	}
	return e;
}

enum err source_single_put(struct source *s, uint64_t ticket, struct buf *out)
{
	const struct flight *f = find_flight(s, ticket);
	struct progress_head head = {.single = true};
	struct source_ref *sorted;
	enum err e;

	if (!f || f->ref_count == 0 || f->unopened || f->sealed)
		return ERR_MISSING;
	sorted = calloc(f->ref_count, sizeof *sorted);
	if (!sorted)
		return ERR_NOMEM;
	memcpy(sorted, f->refs, f->ref_count * sizeof *sorted);
	qsort(sorted, f->ref_count, sizeof *sorted, by_place);
	e = progress_put_head(out, &head);
	for (size_t at = 0, n; !e && at < f->ref_count; at += n) {
		for (n = 1; at + n < f->ref_count && sorted[at + n].segment == sorted[at].segment;)
			n++;
		e = put_single(out, sorted + at, n, &f->refs[f->ref_count - 1]);
	}
	free(sorted);
	return e ? e : progress_put_end(out);
}

/* ---- for retention ---- */

enum err source_acked(struct source *s, uint64_t *ret_entries, struct acked_open **ret_open,
		      size_t *ret_count)
{
	struct acked_open *open = malloc((s->open_count ? s->open_count : 1) * sizeof *open);
	size_t count = 0;

	if (!open)
		return ERR_NOMEM;
	for (size_t i = 0; i < s->open_count; i++) {
		const struct source_segment *g = s->open[i];
		if (!g->passed)
			continue;
		memcpy(open[count].segment_id, g->id, sizeof g->id);
		open[count++].bytes = s->options.identity_count
					      ? (g->has_key ? segment_acked(g) : 0)
					      : g->sealed_acked;
	}
	*ret_entries = s->base.entries;
	*ret_open = open;
	*ret_count = count;
	return OK;
}
