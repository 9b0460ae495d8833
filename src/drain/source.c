/* SPDX-License-Identifier: MIT */
#include "drain/source.h"

#include <stdlib.h>
#include <string.h>

#include "audit/place.h"
#include "base/files.h"
#include "base/sys.h"
#include "drain/source_state.h"

#define BOOT_PATH  "/proc/sys/kernel/random/boot_id"
#define BOOT_CHARS 36
#define CHECK_NS   (2 * NS_PER_S) /* between looks at whether processes are over */

static enum err begin(struct source *s, const struct source_options *options)
{
	size_t len = strlen(options->directory), got = 0;

	s->options = *options;
	if (!s->options.gone_after_ns)
		s->options.gone_after_ns = SOURCE_GONE_NS;
	s->directory = malloc(len + 1);
	if (!s->directory)
		return ERR_NOMEM;
	memcpy(s->directory, options->directory, len + 1);
	s->options.directory = s->directory;
	if (files_peek(BOOT_PATH, s->boot_id, BOOT_CHARS, &got) != OK)
		s->boot_id[0] = 0; /* nobody is known to be of another boot */
	enum err e = sys_random(&s->hash_seed, sizeof s->hash_seed);
	s->generation = s->hash_seed >> 40; /* tickets of another run are none of ours */
	return e;
}

enum err source_open(const struct source_options *options, struct bytes cursor,
		     struct source **ret_source)
{
	struct source *s = calloc(1, sizeof *s);
	enum err e = s ? begin(s, options) : ERR_NOMEM;

	if (!e && cursor.len)
		e = days_restore(s, cursor);
	if (!e && cursor.len)
		s->options.from_now = false;
	if (e) {
		source_close(s);
		return e;
	}
	*ret_source = s;
	return OK;
}

static void free_list(struct item *i, bool waiting)
{
	while (i) {
		struct item *next = waiting ? i->newer : i->next;
		item_free(i);
		i = next;
	}
}

/* The refs are the flight's. */
static void drop_current(struct source *s)
{
	struct item *i = s->current;

	if (!i)
		return;
	item_slim(i);
	if (s->spare)
		free(i);
	else
		s->spare = i;
	s->current = NULL;
}

void source_close(struct source *s)
{
	if (!s)
		return;
	read_end(s);
	drop_current(s);
	free(s->spare);
	free_list(s->oldest, true);
	free_list(s->ready, false);
	for (size_t i = 0; i < s->flight_count; i++)
		if (s->flights[i].ticket)
			refs_drop(s->flights[i].refs, s->flights[i].ref_count);
	free(s->flights);
	days_done(s);
	buf_done(&s->window);
	buf_done(&s->again);
	free(s->directory);
	wipe(s, sizeof *s);
	free(s);
}

/* ---- the passes ---- */

static enum err hand_out(struct source *s, struct source_item **ret_item)
{
	struct item *i = s->ready;
	enum err e = flight_begin(s, i);

	if (e)
		return e;
	(void)join_take_ready(s);
	s->current = i;
	s->counts.told++;
	*ret_item = &i->told;
	return OK;
}

/* One segment after the other, each as far as it goes when its turn comes. */
static enum err go_on(struct source *s)
{
	enum err e;

	if (!s->reading) {
		e = read_begin(s, s->open[s->at]);
		if (e || !s->reading) {
			s->at += !e;
			return e;
		}
	}
	e = read_next(s);
	if (!e) {
		s->pass_found = true;
		return OK;
	}
	struct source_segment *g = s->reading;
	read_end(s);
	if (e == ERR_NOMEM)
		return e;
	if (e == ERR_END)
		g->at_end = true;
	else if (e == ERR_MISSING)
		g->finished = g->passed = true;
	/* What fails otherwise is tried again in the next pass. */
	s->at++;
	return OK;
}

static bool checks_processes(struct source *s)
{
	if (!s->waiting ||
	    (s->now_ns >= s->gone_checked_ns && s->now_ns - s->gone_checked_ns < CHECK_NS))
		return false;
	s->gone_checked_ns = s->now_ns;
	return true;
}

static bool is_single_done(const struct source *s)
{
	for (size_t i = 0; i < s->open_count; i++)
		if (!s->open[i]->finished && s->open[i]->wanted_at < s->open[i]->wanted_count)
			return false;
	return s->waiting == 0;
}

/* The end of a pass. *ret_again: there is a reason for another one. */
static enum err turn(struct source *s, bool *ret_again)
{
	bool found = false;
	enum err e = days_settle(s);

	if (!e && s->options.from_now) {
		e = days_skip_all(s);
		s->options.from_now = e != OK;
	}
	if (!e && !s->single)
		e = days_poll(s, !s->pass_found, &found);
	if (e)
		return e;
	s->looks_at_all = found;
	if (!s->pass_found && checks_processes(s))
		join_tell_gone(s);
	if (!s->pass_found && s->single)
		join_tell_all(s);
	*ret_again = s->pass_found || found || s->ready;
	s->pass_found = false;
	s->at = *ret_again ? 0 : s->open_count;
	return OK;
}

enum err source_next(struct source *s, uint64_t now_ns, struct source_item **ret_item)
{
	bool again = true;
	enum err e = OK;

	drop_current(s);
	s->now_ns = now_ns;
	if (!s->reading && s->at >= s->open_count)
		s->at = 0;
	for (;;) {
		if (s->ready)
			return hand_out(s, ret_item);
		if (s->reading || s->at < s->open_count) {
			e = go_on(s);
		} else {
			e = turn(s, &again);
		}
		if (!e && !again)
			e = s->single && is_single_done(s) ? ERR_END : ERR_MORE;
		if (e)
			return e;
	}
}

/* ---- counts ---- */

static uint64_t older(uint64_t a, uint64_t b)
{
	return a && (!b || a < b) ? a : b;
}

void source_tell(const struct source *s, struct source_state *ret_state)
{
	struct source_state state = s->counts;

	for (size_t i = 0; i < s->flight_count; i++)
		if (s->flights[i].ticket)
			state.oldest_ns = older(s->flights[i].time_ns, state.oldest_ns);
	for (const struct item *i = s->ready; i; i = i->next)
		state.oldest_ns = older(i->told.time_ns, state.oldest_ns);
	for (const struct item *i = s->oldest; i; i = i->newer)
		state.oldest_ns = older(i->told.time_ns, state.oldest_ns);
	state.flight = s->in_flight;
	state.waiting = s->waiting;
	for (size_t i = 0; i < s->open_count; i++) {
		const struct source_segment *g = s->open[i];
		if (g->finished || (g->begun && g->mark.offset >= g->size))
			continue;
		if (!g->begun)
			state.behind_since_ns = older(g->started_ns, state.behind_since_ns);
		state.behind_bytes += g->size - g->mark.offset;
		state.behind_segments++;
	}
	*ret_state = state;
}
