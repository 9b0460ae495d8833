/* SPDX-License-Identifier: MIT
 *
 * Which segments there are. Days are looked into one after the other; of those behind us only the
 * segments that are not done are remembered. What is done is known by the cursor's list, or because
 * its opening stands in the ledger before the cursor's place (`base`), which follows as segments
 * are done and stops at the first that was not begun.
 */
#include "drain/source_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/place.h"
#include "base/files.h"
#include "base/sys.h"

#define SUFFIX       ".aigw"
#define KNOWN_FIRST  256u /* a power of two */
#define OPEN_FIRST   64u
#define UNSETTLED_NS (3 * NS_PER_S) /* a directory's time may be coarse */

struct day_state {
	uint64_t day;
	uint64_t mtime_ns, listed_ns; /* listed_ns 0: never */
};

struct bytes segment_below(const struct source_segment *g)
{
	return bytes_str(g->path + g->below);
}

void segment_free(struct source_segment *g)
{
	if (!g)
		return;
	buf_done(&g->process.fields);
	buf_done(&g->sender_fields);
	free(g->spots.at);
	free(g->wanted);
	free(g->path);
	wipe(g, sizeof *g);
	free(g);
}

/* ---- the files that are known ---- */

static struct known *slot_of(struct known *known, size_t cap, uint64_t digest)
{
	size_t i = (size_t)digest & (cap - 1);

	while (known[i].used && known[i].digest != digest)
		i = (i + 1) & (cap - 1);
	return &known[i];
}

static struct known *find_known(const struct source *s, uint64_t digest)
{
	struct known *k = s->known_cap ? slot_of(s->known, s->known_cap, digest) : NULL;

	return k && k->used ? k : NULL;
}

/* Does it still matter? */
static bool is_kept(const struct source *s, const struct known *k)
{
	if (!k->used)
		return false;
	if (k->segment || k->day >= s->first_day)
		return true;
	return !k->covered && s->base.entries > 0;
}

/* Room for one more; what no longer matters is left out. */
static enum err reserve_known(struct source *s)
{
	size_t cap = KNOWN_FIRST, kept = 0;
	struct known *more;

	if (s->known_count + 1 <= s->known_cap / 2)
		return OK;
	for (size_t i = 0; i < s->known_cap; i++)
		kept += is_kept(s, &s->known[i]);
	while (cap < 4 * (kept + 1))
		cap *= 2;
	more = calloc(cap, sizeof *more);
	if (!more)
		return ERR_NOMEM;
	for (size_t i = 0; i < s->known_cap; i++)
		if (is_kept(s, &s->known[i]))
			*slot_of(more, cap, s->known[i].digest) = s->known[i];
	free(s->known);
	s->known = more;
	s->known_cap = cap;
	s->known_count = kept;
	return OK;
}

/* After reserve_known. */
static struct known *add_known(struct source *s, uint64_t digest, uint64_t day,
			       struct source_segment *g)
{
	struct known *k = slot_of(s->known, s->known_cap, digest);

	if (!k->used)
		s->known_count++;
	*k = (struct known){.digest = digest, .day = day, .segment = g, .used = true};
	return k;
}

static enum err reserve_open(struct source *s)
{
	size_t cap = s->open_cap ? s->open_cap * 2 : OPEN_FIRST;
	struct source_segment **more;

	if (s->open_count < s->open_cap)
		return OK;
	more = realloc(s->open, cap * sizeof *more);
	if (!more)
		return ERR_NOMEM;
	s->open = more;
	s->open_cap = cap;
	return OK;
}

static enum err new_segment(const struct source *s, struct bytes below, uint64_t day,
			    struct source_segment **ret_segment)
{
	size_t len = strlen(s->directory);
	struct source_segment *g = calloc(1, sizeof *g);

	if (!g)
		return ERR_NOMEM;
	g->path = malloc(len + 1 + below.len + 1);
	if (!g->path) {
		free(g);
		return ERR_NOMEM;
	}
	memcpy(g->path, s->directory, len);
	g->path[len] = '/';
	memcpy(g->path + len + 1, below.at, below.len);
	g->path[len + 1 + below.len] = 0;
	g->below = len + 1;
	g->day = day;
	*ret_segment = g;
	return OK;
}

static enum err add_segment(struct source *s, struct source_segment *g)
{
	enum err e = reserve_known(s);

	if (!e)
		e = reserve_open(s);
	if (e)
		return e;
	add_known(s, progress_path_digest(segment_below(g)), g->day, g);
	s->open[s->open_count++] = g;
	s->open_unsorted = true;
	s->base_due = true;
	return OK;
}

static int by_age(const void *a, const void *b)
{
	const struct source_segment *x = *(struct source_segment *const *)a;
	const struct source_segment *y = *(struct source_segment *const *)b;

	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	if (x->started_ns != y->started_ns)
		return x->started_ns < y->started_ns ? -1 : 1;
	return strcmp(x->path, y->path);
}

static void sort_open(struct source *s)
{
	if (s->open_unsorted && s->open_count)
		qsort(s->open, s->open_count, sizeof(struct source_segment *), by_age);
	s->open_unsorted = false;
}

/* Everything in it is acknowledged, or it is gone: freed when no item points to it. */
static void finish(struct source *s, struct source_segment *g)
{
	struct known *k = find_known(s, progress_path_digest(segment_below(g)));

	if (k) {
		k->segment = NULL;
		k->covered |= g->passed;
	}
	g->finished = true;
	s->base_due = true;
}

/* ---- the cursor ---- */

static enum err restore_wanted(struct source_segment *g, const struct progress_segment *p)
{
	struct bytes spots = p->spots;
	struct progress_spot spot = {0};

	if (p->spot_count == 0)
		return OK;
	g->wanted = calloc(p->spot_count, sizeof *g->wanted);
	if (!g->wanted)
		return ERR_NOMEM;
	while (g->wanted_count < p->spot_count &&
	       progress_next_spot(&spots, spot.offset, &spot) == OK)
		g->wanted[g->wanted_count++] = spot;
	return OK;
}

static enum err restore_segment(struct source *s, const struct progress_segment *p)
{
	struct source_segment *g = NULL;
	enum err e;

	if (p->done) {
		e = reserve_known(s);
		if (!e)
			add_known(s, p->path_digest, p->day, NULL);
		return e;
	}
	if (find_known(s, progress_path_digest(p->path)))
		return ERR_BAD; /* twice the same */
	e = new_segment(s, p->path, p->day, &g);
	if (e)
		return e;
	memcpy(g->id, p->id, sizeof g->id);
	g->started_ns = p->started_ns;
	g->skip = p->read;
	g->resume_offset = p->resume_offset;
	g->resume_sequence = p->resume_sequence;
	g->damaged = p->damaged;
	g->unopened_told = p->unopened_told;
	g->passed = true;
	if (s->options.identity_count == 0)
		g->sealed_told = g->sealed_acked = p->read;
	e = restore_wanted(g, p);
	if (!e)
		e = add_segment(s, g);
	if (e)
		segment_free(g);
	return e;
}

enum err days_restore(struct source *s, struct bytes cursor)
{
	struct progress_head head;
	struct progress_segment p;
	struct bytes rest;
	enum err e = progress_parse(cursor, &head, &rest), n = OK;

	if (e)
		return e;
	if (head.sealed != (s->options.identity_count == 0))
		return ERR_BAD;
	s->single = head.single;
	s->base_lost = head.lost;
	s->base = head.ledger;
	s->first_day = head.first_day;
	s->last_day = s->last_day_saved = head.last_day;
	while (!e && (n = progress_next_segment(&rest, &p)) == OK)
		e = restore_segment(s, &p);
	sort_open(s);
	return e ? e : n == ERR_END ? OK : n;
}

void days_done(struct source *s)
{
	for (size_t i = 0; i < s->open_count; i++)
		segment_free(s->open[i]);
	free(s->open);
	free(s->known);
	free(s->days);
}

/* ---- listing ---- */

static uint64_t mtime_of(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * NS_PER_S + (uint64_t)st->st_mtim.tv_nsec;
}

/* Must it be listed again? */
static bool has_changed(const char *path, uint64_t *mtime_ns, uint64_t *listed_ns)
{
	struct stat st;
	uint64_t mtime, now_ns = sys_now_ns();

	if (sys_stat(path, &st) < 0)
		return false;
	if (!S_ISDIR(st.st_mode)) {
		*listed_ns = now_ns;
		return false;
	}
	mtime = mtime_of(&st);
	/* A directory changed just before it was listed may change again under the same time. */
	if (*listed_ns && mtime == *mtime_ns && *listed_ns >= mtime &&
	    *listed_ns - mtime > UNSETTLED_NS)
		return false;
	*mtime_ns = mtime;
	*listed_ns = now_ns;
	return true;
}

static int by_day(const void *a, const void *b)
{
	const struct day_state *x = a, *y = b;

	return (x->day > y->day) - (x->day < y->day);
}

static struct day_state *find_day(const struct source *s, uint64_t day)
{
	for (size_t i = 0; i < s->day_count; i++)
		if (s->days[i].day == day)
			return &s->days[i];
	return NULL;
}

/* The days there are, from the first that matters on. */
static enum err list_days(struct source *s)
{
	struct buf names = {0};
	struct day_state *days = NULL, *old;
	const char *name;
	size_t at = 0, count = 0;
	uint64_t day, mtime = s->root_mtime_ns, listed = s->root_listed_ns;
	enum err e;

	if (!has_changed(s->directory, &mtime, &listed))
		return OK;
	e = files_list(s->directory, &names);
	if (!e) {
		/* A day's name takes more room in the list than that. */
		days = malloc(names.len / (PLACE_DAY_CHARS + 1) * sizeof *days + 1);
		e = days ? OK : ERR_NOMEM;
	}
	while (!e && (name = files_next_name(&names, &at))) {
		if (place_parse_day(bytes_str(name), &day) != OK || day < s->first_day)
			continue;
		old = find_day(s, day);
		days[count++] = old ? *old : (struct day_state){.day = day};
	}
	buf_done(&names);
	if (e)
		return e == ERR_MISSING ? OK : e;
	if (count)
		qsort(days, count, sizeof *days, by_day);
	free(s->days);
	s->days = days;
	s->day_count = count;
	s->root_mtime_ns = mtime;
	s->root_listed_ns = listed;
	return OK;
}

static enum err put_below(struct buf *below, uint64_t day, struct bytes name)
{
	char text[PLACE_DAY_CHARS + 1];
	enum err e;

	place_put_day(day, text);
	buf_reset(below);
	(void)!((e = buf_put_str(below, text)) || (e = buf_put_u8(below, '/')) ||
		(e = buf_put(below, name)));
	return e;
}

/* A file that was not known: its place in the order is what its header says. */
static enum err discover(struct source *s, struct bytes below, uint64_t day)
{
	struct source_segment *g = NULL;
	struct format_segment head;
	size_t got = 0;
	enum err e = new_segment(s, below, day, &g);

	if (e)
		return e;
	if (files_peek(g->path, &head, sizeof head, &got) == OK && got == sizeof head) {
		g->started_ns = head.started_ns;
		memcpy(g->id, head.segment_id, sizeof g->id);
	}
	e = add_segment(s, g);
	if (e)
		segment_free(g);
	return e;
}

static enum err list_day(struct source *s, struct day_state *d, bool *ret_found)
{
	struct buf names = {0}, path = {0}, below = {0};
	const char *name;
	size_t at = 0;
	uint64_t day, mtime = d->mtime_ns, listed = d->listed_ns;
	enum err e = buf_put_str(&path, s->directory);

	(void)!(e || (e = put_below(&below, d->day, BYTES_NONE)) || (e = buf_put_u8(&path, '/')) ||
		(e = buf_put(&path, buf_view(&below))) || (e = buf_put_u8(&path, 0)));
	if (e || !has_changed((const char *)path.at, &mtime, &listed)) {
		d->listed_ns = listed;
		goto out;
	}
	e = files_list((const char *)path.at, &names);
	while (!e && (name = files_next_name(&names, &at))) {
		e = put_below(&below, d->day, bytes_str(name));
		if (e || !progress_is_path(buf_view(&below), &day) ||
		    find_known(s, progress_path_digest(buf_view(&below))))
			continue;
		e = discover(s, buf_view(&below), d->day);
		*ret_found = true;
	}
	if (!e || e == ERR_MISSING) {
		d->mtime_ns = mtime;
		d->listed_ns = listed;
	}
	if (e == ERR_MISSING || e == ERR_ACCESS || e == ERR_IO)
		e = OK; /* the others are not held up by it; tried again */
out:
	buf_done(&names);
	buf_done(&path);
	buf_done(&below);
	return e;
}

/* ---- the ledger ---- */

static void mark_known(struct source *s, const struct ledger_entry *entry)
{
	struct known *k = entry->kind == FORMAT_LEDGER_OPENED
				  ? find_known(s, progress_path_digest(entry->path))
				  : NULL;

	if (!k)
		return;
	if (k->segment && !k->segment->passed)
		finish(s, k->segment);
	k->covered = true;
}

/* After a restart: of the days that were looked into before, segments that the cursor does not
 * list are done when they were opened before its place in the ledger. */
static enum err leave_out_done(struct source *s)
{
	struct ledger_place start = {0};
	struct ledger_walk w;
	struct ledger_entry entry;
	uint64_t number;
	enum err e;

	if (s->base.entries == 0)
		return OK;
	e = ledger_walk_open(s->directory, &s->base, &w);
	if (e) {
		ledger_walk_close(&w);
		s->base_lost = true;
		s->base = start;
		return e == ERR_NOMEM ? e : OK;
	}
	w.place = start;
	while ((e = ledger_walk_next(&w, &entry, &number)) == OK &&
	       w.place.offset <= s->base.offset)
		mark_known(s, &entry);
	ledger_walk_close(&w);
	return e == ERR_NOMEM ? e : OK;
}

/* What the ledger place does with the opening of a segment: true, it moves on behind it. */
static enum err pass_opening(struct source *s, const struct ledger_entry *entry, bool *ret_pass)
{
	uint64_t day;
	struct known *k = find_known(s, progress_path_digest(entry->path));
	struct buf path = {0};
	struct stat st;
	enum err e;

	*ret_pass = true;
	if (k && !k->segment) {
		k->covered = true;
		return OK;
	}
	if (k) {
		struct source_segment *g = k->segment;
		*ret_pass = g->begun || g->unreadable || g->skip;
		if (*ret_pass) {
			g->passed = true;
			memcpy(g->id, entry->segment_id, sizeof g->id);
		}
		return OK;
	}
	if (!progress_is_path(entry->path, &day) || (s->base_lost && day < s->first_day))
		return OK;
	*ret_pass = false;
	if (day > s->last_day)
		return OK;
	/* Never seen: it is gone, or its clock was wrong. */
	(void)!((e = buf_put_str(&path, s->directory)) || (e = buf_put_u8(&path, '/')) ||
		(e = buf_put(&path, entry->path)) || (e = buf_put_u8(&path, 0)));
	if (!e) {
		int n = sys_stat((const char *)path.at, &st);
		*ret_pass = n == -ENOENT || n == -ENOTDIR;
		if (n >= 0)
			e = discover(s, entry->path, day);
	}
	buf_done(&path);
	return e;
}

static void note_given_up(struct source *s, const uint8_t id[16])
{
	for (size_t i = 0; i < s->open_count; i++)
		if (memcmp(s->open[i]->id, id, sizeof s->open[i]->id) == 0)
			s->open[i]->given_up = true;
}

static enum err advance_base(struct source *s)
{
	struct ledger_walk w;
	struct ledger_entry entry;
	uint64_t number;
	bool pass = true;
	enum err e = ledger_walk_open(s->directory, &s->base, &w);

	if (e == ERR_STATE) {
		s->base_lost = true;
		s->base = w.place;
		e = OK;
	}
	while (!e && pass && (e = ledger_walk_next(&w, &entry, &number)) == OK) {
		if (entry.kind == FORMAT_LEDGER_OPENED)
			e = pass_opening(s, &entry, &pass);
		else if (entry.kind == FORMAT_LEDGER_GIVEN_UP)
			note_given_up(s, entry.segment_id);
		if (!e && pass)
			s->base = w.place;
	}
	ledger_walk_close(&w);
	s->base_lost &= e != ERR_END;
	return e == ERR_NOMEM ? e : OK;
}

static enum err follow_ledger(struct source *s)
{
	struct buf path = {0};
	uint64_t bytes = 0;
	enum err e;

	(void)!((e = buf_put_str(&path, s->directory)) ||
		(e = buf_put(&path, bytes_of("/" LEDGER_FILE, sizeof "/" LEDGER_FILE))));
	if (!e && files_size((const char *)path.at, &bytes) != OK)
		bytes = 0;
	buf_done(&path);
	if (e || (bytes == s->ledger_seen && !s->base_due))
		return e;
	e = bytes ? advance_base(s) : OK;
	if (!e) {
		s->ledger_seen = bytes;
		s->base_due = false;
	}
	return e;
}

/* ---- polling ---- */

static bool is_recent(const struct source *s, uint64_t day)
{
	return day + SOURCE_DAYS_FOLLOWED >= s->now_ns / NS_PER_DAY;
}

/* The days of the cursor, all at once: what is done among them has to be left out. */
static enum err list_again(struct source *s)
{
	bool found;
	enum err e = OK;

	for (size_t i = 0; !e && i < s->day_count; i++)
		if (s->days[i].day <= s->last_day_saved)
			e = list_day(s, &s->days[i], &found);
	return e ? e : leave_out_done(s);
}

enum err days_poll(struct source *s, bool idle, bool *ret_found)
{
	size_t before = s->open_count;
	enum err e = list_days(s);

	*ret_found = false;
	if (!e && !s->started) {
		e = list_again(s);
		s->started = !e;
		*ret_found = s->open_count > 0;
	}
	for (size_t i = 0; !e && i < s->day_count; i++) {
		struct day_state *d = &s->days[i];
		if (d->day <= s->last_day) {
			if (is_recent(s, d->day) || !d->listed_ns)
				e = list_day(s, d, ret_found);
			continue;
		}
		if (!idle || *ret_found)
			break; /* one day after the other */
		e = list_day(s, d, ret_found);
		if (!e) {
			s->last_day = d->day;
			*ret_found = true;
		}
	}
	if (!e)
		e = follow_ledger(s);
	*ret_found |= s->open_count > before;
	sort_open(s);
	return e;
}

static void follow_first_day(struct source *s)
{
	uint64_t today = s->now_ns / NS_PER_DAY;
	uint64_t day = today > SOURCE_DAYS_FOLLOWED ? today - SOURCE_DAYS_FOLLOWED : 0;

	if (!s->started)
		return;
	if (s->last_day < day)
		day = s->last_day;
	for (size_t i = 0; i < s->open_count; i++)
		if (!s->open[i]->begun && !s->open[i]->passed && s->open[i]->day < day)
			day = s->open[i]->day;
	for (size_t i = 0; i < s->day_count; i++)
		if (!s->days[i].listed_ns && s->days[i].day < day)
			day = s->days[i].day;
	if (day <= s->first_day)
		return;
	s->first_day = day;
	/* No ledger that can be followed: days must do. */
	s->base_lost |= s->base.entries == 0;
}

enum err days_settle(struct source *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->open_count; i++) {
		struct source_segment *g = s->open[i];
		if (g->finished || read_is_complete(s, g))
			finish(s, g);
		if (g->finished && g->refs == 0) {
			if (s->window_of == g)
				s->window_of = NULL;
			segment_free(g);
		} else {
			s->open[kept++] = g;
		}
	}
	s->open_count = kept;
	follow_first_day(s);
	return OK;
}

/* ---- from now on ---- */

/* One that is still written to is followed from its present end on. */
static enum err skip_segment(struct source *s, struct source_segment *g)
{
	uint64_t bytes = 0, day = s->now_ns / NS_PER_DAY;

	if (g->day + 1 < day || files_size(g->path, &bytes) || bytes > SOURCE_FILE_MAX) {
		finish(s, g);
		return OK;
	}
	g->size = bytes;
	enum err e = sealed_find_end(s, g);
	if (!e && g->ended)
		finish(s, g);
	if (e || g->ended)
		return e == ERR_NOMEM ? e : OK;
	g->skip = (uint32_t)bytes;
	g->sealed_acked = g->sealed_told = s->options.identity_count ? 0 : bytes;
	return OK;
}

enum err days_skip_all(struct source *s)
{
	uint64_t today = s->now_ns / NS_PER_DAY;
	bool found = false;
	enum err e = list_days(s);

	s->first_day = today > SOURCE_DAYS_FOLLOWED ? today - SOURCE_DAYS_FOLLOWED : 0;
	for (size_t i = 0; !e && i < s->day_count; i++) {
		s->last_day = s->days[i].day;
		if (s->last_day >= s->first_day)
			e = list_day(s, &s->days[i], &found);
	}
	if (s->last_day < s->first_day)
		s->last_day = s->first_day;
	s->base_lost = true; /* what the ledger has of earlier days is done too */
	for (size_t i = 0; !e && i < s->open_count; i++)
		e = skip_segment(s, s->open[i]);
	if (!e)
		e = follow_ledger(s);
	sort_open(s);
	s->started = !e;
	return e;
}
