/* SPDX-License-Identifier: MIT
 *
 * The reading half of log: which days and which parts of their segments, and taking up again where
 * the last pass stopped.
 */
#include "log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/sys.h"
#include "log_state.h"
#include "print.h"

#define NS_PER_S       UINT64_C(1000000000)
#define DAY_NS         (86400 * NS_PER_S)
#define DAY_MARGIN_NS  (3600 * NS_PER_S)    /* a record is filed under the day of its append */
#define FILE_BYTES_MAX (UINT64_C(1) << 30)  /* no segment is that large: SEGMENT_BYTES_MAX */
#define DAYS_FOLLOWED  3                    /* a clock may be wrong */
#define FRONT_BYTES    (16u << 10)          /* holds the header, and mostly the start record */
#define DENSE_BYTES    (UINT64_C(16) << 20) /* of a day: worth looking at short times first */

/* ---- segments ---- */

static struct segment_state *find_segment(struct log *l, const char *path)
{
	struct log_state *state = l->state;
	struct segment_state *s = map_find(&state->segments, path);

	if (s)
		return s;
	s = need_memory(sizeof *s);
	s->clean = true;
	s->told.path = need_memory(strlen(path) + 1);
	memcpy(s->told.path, path, strlen(path) + 1);
	map_put(&state->segments, path, s);
	if (state->segment_count == state->segment_cap) {
		size_t cap = state->segment_cap ? state->segment_cap * 2 : 64;
		struct segment_state **more = need_memory(cap * sizeof *more);
		if (state->segment_count)
			memcpy(more, state->segment_list, state->segment_count * sizeof *more);
		free(state->segment_list);
		state->segment_list = more;
		state->segment_cap = cap;
	}
	state->segment_list[state->segment_count++] = s;
	l->segments++;
	return s;
}

const struct log_segment *log_segment_at(const struct log *l, size_t i)
{
	return i < l->state->segment_count ? &l->state->segment_list[i]->told : NULL;
}

/* Bytes [from, to) of the file into state->part, fewer when there are no more. A map would kill us
 * if somebody cut the file meanwhile. */
static enum err read_part(struct log *l, int fd, uint64_t from, uint64_t to)
{
	struct buf *part = &l->state->part;
	size_t len = (size_t)(to - from);
	enum err e;

	buf_reset(part);
	e = buf_reserve(part, len);
	while (!e && part->len < len) {
		ssize_t got = sys_pread(fd, part->at + part->len, len - part->len,
					(off_t)(from + part->len));
		if (got < 0)
			e = err_from_errno((int)got);
		if (got <= 0)
			break;
		part->len += (size_t)got;
	}
	return e;
}

static void fill_process(struct log_process *process, const struct segment_header *header)
{
	memcpy(process->boot_id, header->boot_id, sizeof process->boot_id);
	process->boot_id[sizeof process->boot_id - 1] = '\0';
	process->pid = header->pid;
	process->started_ns = header->started_ns;
}

/* ---- the index: made while reading, asked before ---- */

static void maker_restart(struct log *l, struct segment_reader *reader, struct segment_state *s)
{
	l->state->maker.records = l->state->maker.flags = 0;
	buf_reset(&l->state->maker.ids);
	if (segment_reader_mark(reader, &l->state->maker_from))
		s->clean = false;
}

static void maker_put(struct log *l, struct segment_reader *reader, struct segment_state *s)
{
	struct index_store *index = &l->state->index;
	struct segment_mark behind;

	if (l->state->maker.records == 0 || !s->clean)
		return;
	if (segment_reader_mark(reader, &behind) == OK)
		need(index_maker_put(&l->state->maker, index->key, s->told.header.segment_id,
				     &l->state->maker_from, &behind, &index->pending));
	wipe(&behind, sizeof behind);
	maker_restart(l, reader, s);
}

static void maker_take(struct log *l, struct segment_reader *reader, struct segment_state *s,
		       const struct segment_record *r)
{
	char id[ULID_CHARS + 1];

	if (!l->state->index.on || !s->clean)
		return;
	log_copy_id(r->plain, id);
	need(index_maker_add(&l->state->maker, r->time_ns, bytes_str(id)));
	if (l->state->maker.records == INDEX_BLOCK_RECORDS)
		maker_put(l, reader, s);
}

/* Does the filter need anything of this block? */
static bool needs_block(struct log *l, const struct index_block *b)
{
	const struct log_filter *f = &l->options.filter;

	if (f->id_prefix.len)
		return index_store_may_have(&l->state->index, b, f->id_prefix);
	if (b->head.time_max_ns < f->since_ns)
		return false;
	/* Later ones matter only as long as an answer may stand there. */
	return !(f->until_ns && b->head.time_min_ns >= f->until_ns && l->state->waiting == 0);
}

/* ---- records ---- */

/* Takes a record in. `making`: what is read goes on from where the index ends. */
static enum err take(struct log *l, struct segment_state *s, struct segment_reader *reader,
		     const struct segment_record *r, bool making)
{
	struct log_segment *told = &s->told;
	char id[ULID_CHARS + 1];

	if (!r->opened)
		return OK;
	if (!told->any)
		told->first = r->sequence;
	told->any = true;
	told->last = r->sequence;
	told->records++;
	s->ended |= r->kind == REC_END;
	if (making && !r->chained)
		s->clean = false;
	if (making)
		maker_take(l, reader, s, r);
	if (l->options.on_record)
		l->options.on_record(l->options.context, told, r);
	if (l->options.filter.id_prefix.len) {
		log_copy_id(r->plain, id);
		if (!bytes_starts(bytes_str(id), l->options.filter.id_prefix))
			return OK; /* the filter would leave it out, at a higher price */
	}
	return log_take_record(l, r, s->process);
}

static void damaged(struct log *l, struct segment_state *s, const char *what, uint64_t offset)
{
	s->clean = false;
	l->damage.records++;
	log_note_damage(l, s->told.path, what, offset);
}

/* Reads to the end of what the reader has. An incomplete last record is read again next time: of a
 * living process; else it was never acknowledged, and nothing is lost. */
static enum err read_records(struct log *l, struct segment_state *s, struct segment_reader *reader,
			     bool making)
{
	struct segment_record r = {0};
	struct segment_mark before;
	enum err e = OK;

	while (e == OK) {
		if (segment_reader_mark(reader, &before))
			break;
		e = segment_next(reader, &r);
		if (e == OK) {
			e = take(l, s, reader, &r, making);
		} else if (e == ERR_SEAL) {
			damaged(l, s, "a record does not open", r.offset);
			e = OK;
		} else if (e == ERR_BAD) {
			damaged(l, s, "bytes that are no record after the one", r.offset);
			e = OK;
		}
	}
	if (e == ERR_TORN || e == ERR_END) {
		s->mark = before;
		s->has_mark = true;
		s->told.has_chain = before.has_chain;
		memcpy(s->told.chain, before.chain, sizeof before.chain);
		e = OK;
	}
	wipe(&before, sizeof before);
	return e;
}

/* The start record, of which every entry of the process wants fields. */
static enum err read_start(struct log *l, struct segment_state *s, struct segment_reader *reader,
			   struct segment_mark *ret_origin)
{
	struct segment_record r = {0};
	enum err e = segment_reader_mark(reader, ret_origin);

	if (!e && segment_next(reader, &r) == OK && r.opened && r.kind == REC_START &&
	    s->process->fields.len == 0)
		need(buf_put(&s->process->fields, r.plain));
	return e;
}

static enum err read_blocks(struct log *l, struct segment_state *s, int fd,
			    struct segment_reader *reader, const struct index_block *blocks,
			    size_t count)
{
	struct segment_mark before, behind;
	enum err e = OK;

	for (size_t i = 0; i < count && !e; i++) {
		if (!needs_block(l, &blocks[i]))
			continue;
		e = index_open(&blocks[i].head, l->state->index.key, &before, &behind);
		if (!e)
			e = read_part(l, fd, before.offset, behind.offset);
		if (e)
			break;
		segment_reader_extend(reader, &before, buf_view(&l->state->part));
		e = read_records(l, s, reader, false);
	}
	if (!e && count) {
		e = index_open(&blocks[count - 1].head, l->state->index.key, &before, &s->mark);
		s->has_mark = !e;
		/* A whole segment's end record is among what the index holds. */
	}
	wipe(&before, sizeof before);
	wipe(&behind, sizeof behind);
	return e;
}

/* From the mark to the end of the file. */
static enum err read_tail(struct log *l, struct segment_state *s, int fd,
			  struct segment_reader *reader, const struct segment_place *place)
{
	struct segment_mark mark = s->mark;
	char day[DAY_CHARS + 1], today[DAY_CHARS + 1];
	enum err e = OK;

	if (place->bytes > mark.offset)
		e = read_part(l, fd, mark.offset, place->bytes);
	if (!e && place->bytes > mark.offset) {
		segment_reader_extend(reader, &mark, buf_view(&l->state->part));
		maker_restart(l, reader, s);
		e = read_records(l, s, reader, true);
		day_of_path(place->path, day);
		day_of_time(sys_now_ns(), today);
		/* A last, smaller block once nothing more is to come. */
		if (!e && l->state->index.on && (s->ended || strcmp(day, today) < 0))
			maker_put(l, reader, s);
	}
	wipe(&mark, sizeof mark);
	return e;
}

/* Opens a file whose first part is in state->part. ERR_SEAL: no key opens it. */
static enum err open_front(struct log *l, struct segment_state *s,
			   const struct segment_place *place, struct segment_reader **ret_reader)
{
	struct segment_reader *reader = NULL;
	enum err e = segment_reader_open(buf_view(&l->state->part), l->options.identity_count,
					 l->options.identities, &reader);

	if (e == ERR_NOMEM)
		return e;
	if (e) {
		s->unreadable = true;
		l->damage.unreadable_files++;
		log_note_damage(l, place->path, err_text(e), 0);
		return OK;
	}
	s->told.header = *segment_reader_header(reader);
	segment_reader_find_note(reader, place->path, l->options.identity_count,
				 l->options.identities);
	if (!s->process) {
		s->process = need_memory(sizeof *s->process);
		fill_process(s->process, &s->told.header);
		s->no_key = !segment_reader_has_key(reader);
		l->damage.unopened_segments += s->no_key;
	}
	*ret_reader = reader;
	return OK;
}

/* A reader for the whole segment, its process known. `fd` is read. *ret_reader stays NULL when
 * nothing of it can be read. */
static enum err open_segment(struct log *l, struct segment_state *s, int fd,
			     const struct segment_place *place, struct segment_reader **ret_reader)
{
	struct segment_mark origin;
	uint64_t front = place->bytes < FRONT_BYTES ? place->bytes : FRONT_BYTES;
	enum err e = read_part(l, fd, 0, front);

	if (!e)
		e = open_front(l, s, place, ret_reader);
	if (e || !*ret_reader || s->no_key)
		return e;
	e = read_start(l, s, *ret_reader, &origin);
	if (!e && !s->has_mark) {
		s->mark = origin;
		s->has_mark = true;
	}
	wipe(&origin, sizeof origin);
	return e;
}

static enum err read_file(struct log *l, struct segment_state *s, int fd,
			  const struct segment_place *place, const struct index_block *blocks,
			  size_t count)
{
	struct segment_reader *reader = NULL;
	enum err e = open_segment(l, s, fd, place, &reader);

	if (!e && reader && !s->no_key && count)
		e = read_blocks(l, s, fd, reader, blocks, count);
	if (!e && reader && !s->no_key)
		e = read_tail(l, s, fd, reader, place);
	if (!e)
		s->bytes_seen = place->bytes;
	segment_reader_free(reader);
	return e;
}

/* The blocks of a file that is looked at for the first time; none when they do not fit it. */
static const struct index_block *find_blocks(struct log *l, const struct segment_state *s,
					     const struct segment_place *place, size_t *ret_count)
{
	struct index_store *index = &l->state->index;
	const struct index_block *blocks = NULL;

	*ret_count = 0;
	if (!index->on || s->has_mark || !place->has_id ||
	    (l->options.on_record && l->options.filter.id_prefix.len == 0))
		return NULL;
	blocks = index_store_find(index, place->segment_id, ret_count);
	if (blocks && blocks[*ret_count - 1].head.to > place->bytes) {
		index_store_discard(index);
		*ret_count = 0;
		return NULL;
	}
	return blocks;
}

static bool needs_any(struct log *l, const struct index_block *blocks, size_t count)
{
	bool any = false;

	for (size_t i = 0; i < count && !any; i++)
		any = needs_block(l, &blocks[i]);
	return any;
}

/* How long it is now, where that could not be told when it was listed. */
static void look_again(struct segment_place *place)
{
	uint64_t bytes;

	if (!place->bytes && files_size(place->path, &bytes) == OK)
		place->bytes = bytes;
}

static enum err read_segment(struct log *l, struct segment_place *place)
{
	struct segment_state *s = find_segment(l, place->path);
	const struct index_block *blocks;
	struct stat st = {0};
	size_t count;

	look_again(place);
	if ((place->bytes && place->bytes == s->bytes_seen) || s->unreadable || s->no_key)
		return OK;
	if (s->has_mark && place->bytes < s->mark.offset)
		return OK; /* shorter than it was: `aigw verify` says what that means */
	blocks = find_blocks(l, s, place, &count);
	if (count && blocks[count - 1].head.to == place->bytes && !needs_any(l, blocks, count)) {
		s->bytes_seen = place->bytes;
		return OK;
	}
	int fd = sys_open(place->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	enum err e = fd < 0 ? err_from_errno(fd) : err_from_errno(sys_fstat(fd, &st));
	if (!e && (!S_ISREG(st.st_mode) || place->bytes > FILE_BYTES_MAX))
		e = ERR_BAD;
	if (!e)
		e = read_file(l, s, fd, place, blocks, count);
	else if (e != ERR_MISSING && e != ERR_NOMEM) {
		s->unreadable = true;
		l->damage.unreadable_files++;
		log_note_damage(l, place->path, err_text(e), 0);
		e = OK;
	}
	if (fd >= 0)
		sys_close(fd);
	/* Retention may have removed it since it was listed. */
	return e == ERR_MISSING ? OK : e;
}

/* ---- days ---- */

static int by_time(const void *a, const void *b)
{
	const struct log_entry *x = *(struct log_entry *const *)a;
	const struct log_entry *y = *(struct log_entry *const *)b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static uint64_t total_bytes(const struct segment_place *places, size_t count)
{
	uint64_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += places[i].bytes;
	return total;
}

/* The segments of the days [first, last]; NULL: no bound. */
static enum err read_days(struct log *l, const char *first, const char *last)
{
	const struct log_options *o = &l->options;
	struct segment_place *places = NULL;
	char day[DAY_CHARS + 1];
	uint64_t done = 0, total;
	size_t count = 0;
	enum err e = segment_list_days(o->directory, first, last, &places, &count);

	if (e)
		return e;
	total = total_bytes(places, count);
	for (size_t i = 0; i < count && !e; i++) {
		day_of_path(places[i].path, day);
		/* Behind the range an answer may stand, until none is waited for. */
		if (!last && l->state->waiting == 0 && o->filter.until_ns && first)
			break;
		index_store_day(&l->state->index, day);
		e = read_segment(l, &places[i]);
		done += places[i].bytes;
		if (o->on_progress)
			o->on_progress(o->context, done, total);
		if (o->on_answered)
			log_forget_told(l);
	}
	free(places);
	return e;
}

/* The day after, as text. */
static void next_day(uint64_t time_ns, char ret_day[DAY_CHARS + 1])
{
	day_of_time(time_ns + DAY_NS, ret_day);
}

static enum err read_range(struct log *l)
{
	const struct log_filter *f = &l->options.filter;
	char since[DAY_CHARS + 1] = "", until[DAY_CHARS + 1] = "", behind[DAY_CHARS + 1];
	enum err e;

	if (f->since_ns > DAY_MARGIN_NS)
		day_of_time(f->since_ns - DAY_MARGIN_NS, since);
	if (strcmp(since, l->state->first_day) < 0)
		memcpy(since, l->state->first_day, sizeof since);
	if (f->until_ns)
		day_of_time(f->until_ns + DAY_MARGIN_NS, until);
	e = read_days(l, since[0] ? since : NULL, until[0] ? until : NULL);
	if (!e && until[0] && l->state->waiting) {
		next_day(f->until_ns + DAY_MARGIN_NS, behind);
		e = read_days(l, behind, NULL);
	}
	if (l->entry_count)
		qsort(l->entries, l->entry_count, sizeof *l->entries, by_time);
	return e;
}

/* Following: days that are over and whose processes are gone are not looked at again. */
static void settle_days(struct log *l)
{
	char first[DAY_CHARS + 1], day[DAY_CHARS + 1];

	day_of_time(sys_now_ns() - DAYS_FOLLOWED * DAY_NS, first);
	for (size_t i = 0; i < l->state->segment_count; i++) {
		struct segment_state *s = l->state->segment_list[i];
		day_of_path(s->told.path, day);
		if (strcmp(day, first) < 0 && !s->ended && s->process &&
		    log_process_runs(s->process))
			memcpy(first, day, sizeof first);
	}
	if (strcmp(first, l->state->first_day) > 0)
		memcpy(l->state->first_day, first, sizeof first);
}

enum err log_read(struct log *l)
{
	enum err e = read_range(l);

	if (!e && l->options.following)
		settle_days(l);
	return e;
}

static void keep_newest(struct log *l, uint64_t limit)
{
	if (limit == 0 || l->entry_count <= limit)
		return;
	for (size_t i = 0; i < l->entry_count - limit; i++) {
		struct log_entry *entry = l->entries[i];
		entry->told = entry->answered || !l->options.keep_running ||
			      !log_process_runs(entry->process);
	}
	log_forget_told(l);
}

/* A log whose newest day is large. */
static bool is_dense(const char *directory, const char *day)
{
	struct segment_place *places = NULL;
	size_t count = 0;
	bool dense = segment_list_days(directory, day, day, &places, &count) == OK &&
		     total_bytes(places, count) >= DENSE_BYTES;

	free(places);
	return dense;
}

/* The newest few of a dense day: short times before the end are tried before the whole day, since
 * with the index only their part of it is read. *ret_enough: that many were found. */
static enum err read_windows(struct log *l, const struct log_options *options, uint64_t limit,
			     bool *ret_enough)
{
	static const uint64_t windows_ns[] = {UINT64_C(10) * NS_PER_S, UINT64_C(300) * NS_PER_S,
					      UINT64_C(7200) * NS_PER_S};
	uint64_t end_ns = sys_now_ns();
	enum err e = OK;

	*ret_enough = false;
	if (options->filter.until_ns && options->filter.until_ns < end_ns)
		end_ns = options->filter.until_ns;
	for (size_t i = 0; i < sizeof windows_ns / sizeof windows_ns[0] && !*ret_enough; i++) {
		struct log_options narrowed = *options;
		if (end_ns < windows_ns[i] || end_ns - windows_ns[i] <= options->filter.since_ns)
			break;
		narrowed.filter.since_ns = end_ns - windows_ns[i];
		log_done(l);
		log_init(l, &narrowed);
		e = read_range(l);
		*ret_enough = e || l->entry_count >= limit;
	}
	if (!*ret_enough) {
		log_done(l);
		log_init(l, options);
	}
	return e;
}

enum err log_read_newest(struct log *l, const struct log_options *options, uint64_t limit)
{
	char(*days)[DAY_CHARS + 1] = NULL;
	size_t count = 0;
	bool enough = false;
	enum err e = segment_days(options->directory, &days, &count);

	log_init(l, options);
	if (e)
		return e;
	index_store_prune(&l->state->index, options->directory, days, count);
	if (limit && !options->following && count && is_dense(options->directory, days[count - 1]))
		e = read_windows(l, options, limit, &enough);
	for (size_t wanted = 1; !enough; wanted *= 4) {
		bool all = limit == 0 || wanted >= count;
		if (!all)
			memcpy(l->state->first_day, days[count - wanted], DAY_CHARS + 1);
		e = read_range(l);
		if (e || all || l->entry_count >= limit)
			break;
		log_done(l);
		log_init(l, options);
	}
	free(days);
	if (!e)
		keep_newest(l, limit);
	return e;
}
