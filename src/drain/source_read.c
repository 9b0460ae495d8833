/* SPDX-License-Identifier: MIT
 *
 * One segment, in windows. What was read is told by the segment's mark alone: it moves when a
 * record has been taken, so that a failure on the way changes nothing.
 */
#include "drain/source_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/frame.h"
#include "base/sys.h"

#define READ_FLAGS      (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
#define WINDOW_KEEP     (4u * SOURCE_WINDOW_BYTES)
#define REST_AFTER      (3600 * NS_PER_S) /* a segment that rests so long is looked at less often */
#define REST_NS         (10 * NS_PER_S)
#define FITS_TRIES      3
#define START_BYTES_MAX (256u << 10) /* a longer start record is not kept for its entries */

enum err read_part(const char *path, uint64_t from, uint64_t to, struct buf *out,
		   uint64_t *ret_size)
{
	size_t len = (size_t)(to - from);
	struct stat st;
	int fd = sys_open(path, READ_FLAGS, 0);
	enum err e = fd < 0 ? err_from_errno(fd) : OK;

	if (!e)
		e = err_from_errno(sys_fstat(fd, &st));
	if (!e && (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > SOURCE_FILE_MAX))
		e = ERR_BAD;
	buf_reset(out);
	if (out->cap > WINDOW_KEEP && len <= WINDOW_KEEP)
		buf_done(out);
	if (!e)
		e = buf_reserve(out, len);
	while (!e && out->len < len) {
		ssize_t got = sys_pread(fd, out->at + out->len, len - out->len,
					(off_t)(from + out->len));
		if (got < 0)
			e = err_from_errno((int)got);
		if (got <= 0)
			break;
		out->len += (size_t)got;
	}
	if (fd >= 0)
		sys_close(fd);
	if (!e && ret_size)
		*ret_size = (uint64_t)st.st_size;
	return e;
}

/* ---- is it over? ---- */

static bool is_quiet(const struct source *s, uint64_t last_ns, bool unsure)
{
	uint64_t after_ns = unsure ? SOURCE_UNSURE_NS : s->options.gone_after_ns;

	return s->now_ns > last_ns && s->now_ns - last_ns >= after_ns;
}

static bool is_alive(const struct source *s, uint64_t pid, uint64_t start, const char *boot_id)
{
	uint64_t ticks;

	if (boot_id[0] && s->boot_id[0] && strcmp(boot_id, s->boot_id) != 0)
		return false;
	return sys_process_start(pid, &ticks) && (start == 0 || ticks == start);
}

bool read_is_over(struct source *s, uint64_t pid, uint64_t start, const char *boot_id,
		  uint64_t last_ns, bool unsure)
{
	if (!is_quiet(s, last_ns, unsure) || is_alive(s, pid, start, boot_id))
		return false;
	/* Not found, and yet there may be news of it in a later segment. */
	for (size_t i = s->open_count; i-- > 0;) {
		const struct source_segment *g = s->open[i];
		if (g->pid == pid && g->process_start == start && g->begun &&
		    !is_quiet(s, g->last_ns, g->unsure))
			return false;
	}
	return true;
}

/* Writers begin a new segment with a new day: only an `end` can come to it. (Unless our clock is
 * wrong for a while: see is_left.) */
static bool is_of_the_past(const struct source *s, const struct source_segment *g)
{
	return g->day + 1 < s->now_ns / NS_PER_DAY;
}

/* Its writer is done with it. */
static bool is_left(const struct source *s, const struct source_segment *g)
{
	return g->ended ||
	       (is_of_the_past(s, g) && !is_alive(s, g->pid, g->process_start, g->process.boot_id));
}

bool read_is_complete(const struct source *s, const struct source_segment *g)
{
	if (s->options.identity_count == 0)
		return g->begun && g->sealed_acked && g->sealed_acked == g->size && is_left(s, g);
	return g->begun && g->has_key && g->at_end && s->reading != g && g->spots.count == 0 &&
	       g->wanted_at == g->wanted_count && is_left(s, g);
}

/* ---- the beginning ---- */

static void vanish(struct source_segment *g)
{
	g->finished = true;
	g->passed = true;
}

static enum err take_facts(struct source_segment *g, const struct segment_header *h)
{
	struct log_process *p = &g->process;
	struct bytes host = bytes_str(h->host);
	enum err e = OK;

	memcpy(g->id, h->segment_id, sizeof g->id);
	g->cipher = (enum seal_cipher)h->cipher;
	g->started_ns = h->started_ns;
	g->pid = h->pid;
	g->process_start = h->process_start;
	memcpy(p->boot_id, h->boot_id, sizeof p->boot_id - 1);
	p->pid = h->pid;
	p->started_ns = h->started_ns;
	buf_reset(&g->sender_fields);
	if (host.len)
		e = record_put(&g->sender_fields, F_HOST, host);
	return e ? e : record_put(&g->sender_fields, F_BOOT_ID, bytes_str(p->boot_id));
}

/* Of the collector's own facts only those of the host are the sender's too. */
static enum err take_start(struct source_segment *g, struct bytes start)
{
	struct bytes host;
	enum err e;

	buf_reset(&g->process.fields);
	e = buf_put(&g->process.fields, start);
	if (e || record_find(start, F_HOST, &host) != OK)
		return e;
	buf_reset(&g->sender_fields);
	e = record_put(&g->sender_fields, F_HOST, host);
	return e ? e : record_put(&g->sender_fields, F_BOOT_ID, bytes_str(g->process.boot_id));
}

/* The mark at which the cursor says that reading goes on: keys are not in the cursor. */
static void resume_mark(struct source_segment *g, struct segment_mark *mark)
{
	uint8_t unused[SEAL_KEY_BYTES];

	if (g->resume_offset <= mark->offset)
		return;
	for (uint32_t i = 0; i < g->resume_sequence; i++)
		frame_step(mark->key, unused, mark->key);
	wipe(unused, sizeof unused);
	mark->offset = g->resume_offset;
	mark->sequence = g->resume_sequence;
	mark->has_chain = false;
}

static enum err take_front(struct source *s, struct source_segment *g, struct segment_reader *r)
{
	struct segment_record record = {0};
	struct segment_mark mark;
	enum err e = take_facts(g, segment_reader_header(r));

	if (e)
		return e;
	segment_reader_find_note(r, g->path, s->options.identity_count, s->options.identities);
	g->has_key = segment_reader_has_key(r);
	if (!g->has_key)
		return OK;
	e = segment_reader_mark(r, &mark);
	if (!e)
		e = segment_next(r, &record);
	if (e == OK && record.opened && record.kind == REC_START &&
	    record.plain.len <= START_BYTES_MAX)
		e = take_start(g, record.plain);
	else if (e != ERR_NOMEM)
		e = OK;
	if (!e) {
		resume_mark(g, &mark);
		g->mark = mark;
	}
	wipe(&mark, sizeof mark);
	return e;
}

static enum err say_unreadable(struct source *s, struct source_segment *g, const char *what)
{
	enum err e = OK;

	if (!g->unopened_made && !g->unopened_told)
		e = join_unopened(s, g, what);
	if (!e)
		g->unopened_made = true;
	return e;
}

static enum err begin(struct source *s, struct source_segment *g)
{
	struct segment_reader *r = NULL;
	uint64_t size = 0;
	enum err e;

	s->window_of = NULL;
	e = read_part(g->path, 0, SOURCE_WINDOW_BYTES, &s->window, &size);
	if (!e)
		e = segment_reader_open(buf_view(&s->window), s->options.identity_count,
					s->options.identities, &r);
	if (!e)
		e = take_front(s, g, r);
	segment_reader_free(r);
	if (e == ERR_NOMEM)
		return e;
	if (e == ERR_MISSING) {
		vanish(g);
		return OK;
	}
	if (e) {
		s->counts.unreadable += !g->unreadable;
		g->unreadable = true;
		return e == ERR_BAD || e == ERR_UNSUPPORTED
			       ? say_unreadable(s, g, "the file is no segment that can be read")
			       : OK;
	}
	if (!g->has_key && s->options.identity_count) {
		e = say_unreadable(s, g, "the segment is sealed to others: no key opens it");
		if (e)
			return e;
		s->counts.unopened++;
	}
	s->counts.unreadable -= g->unreadable;
	g->unreadable = false;
	g->begun = true;
	s->base_due = true;
	g->last_ns = g->started_ns;
	s->window_of = g;
	s->window_from = 0;
	return OK;
}

/* ---- windows ---- */

static enum err fill(struct source *s, struct source_segment *g, uint64_t bytes)
{
	uint64_t from = g->mark.offset, to = from + bytes;
	enum err e;

	s->window_of = NULL;
	if (to > s->reading_until)
		to = s->reading_until;
	e = read_part(g->path, from, to, &s->window, NULL);
	if (e)
		return e;
	s->window_of = g;
	s->window_from = from;
	if (from + s->window.len < to)
		s->reading_until = from + s->window.len; /* shorter than it was */
	return OK;
}

static struct bytes at_mark(const struct source *s, const struct source_segment *g)
{
	if (s->window_of != g || g->mark.offset < s->window_from)
		return BYTES_NONE;
	return bytes_from(buf_view(&s->window), (size_t)(g->mark.offset - s->window_from));
}

/* How much the next frame takes, were it one. */
static uint64_t bytes_wanted(struct bytes at)
{
	struct format_frame head;

	if (at.len < sizeof head)
		return sizeof head;
	memcpy(&head, at.at, sizeof head);
	return FORMAT_FRAME_MIN + (uint64_t)head.body_bytes;
}

static enum err extend(struct source *s, struct source_segment *g)
{
	struct bytes part = at_mark(s, g);

	if (!s->reader)
		return segment_reader_resume(&g->mark, part, &s->reader);
	segment_reader_extend(s->reader, &g->mark, part);
	return OK;
}

/* The next frame is in the window as a whole, or as much of it as the file has. */
static enum err fit(struct source *s, struct source_segment *g)
{
	bool moved = !s->reader;
	struct format_frame head;
	enum err e = OK;

	for (int tries = 0; !e && tries < FITS_TRIES; tries++) {
		struct bytes at = at_mark(s, g);
		uint64_t wanted = bytes_wanted(at);
		if (at.len >= wanted || g->mark.offset + at.len >= s->reading_until)
			break;
		/* What is no head may ask for anything. */
		bool is_head = frame_parse(at, 0, &head);
		if (!is_head && at.len >= SOURCE_WINDOW_BYTES)
			break;
		if (!is_head || wanted < SOURCE_WINDOW_BYTES)
			wanted = SOURCE_WINDOW_BYTES;
		e = fill(s, g, wanted);
		moved = true;
	}
	return !e && moved ? extend(s, g) : e;
}

/* ---- records ---- */

/* Of what was read before: is it still to be told? */
static bool is_wanted(const struct source *s, struct source_segment *g, uint64_t offset,
		      bool *ret_last)
{
	*ret_last = false;
	if (offset >= g->skip)
		return !s->single;
	while (g->wanted_at < g->wanted_count && g->wanted[g->wanted_at].offset < offset)
		g->wanted_at++;
	if (g->wanted_at == g->wanted_count || g->wanted[g->wanted_at].offset != offset)
		return false;
	*ret_last = g->wanted[g->wanted_at].last;
	return true;
}

static void note_time(const struct source *s, struct source_segment *g, uint64_t time_ns)
{
	g->last_ns = time_ns < s->now_ns ? time_ns : s->now_ns;
	g->unsure |= g->gone_seen;
}

static enum err take(struct source *s, struct source_segment *g, const struct segment_record *r)
{
	bool last;
	enum err e = OK;

	if (is_wanted(s, g, r->offset, &last))
		e = join_record(s, g, r, &g->mark, last);
	if (e)
		return e;
	if (r->offset < g->skip)
		g->wanted_at += g->wanted_at < g->wanted_count &&
				g->wanted[g->wanted_at].offset == r->offset;
	else
		note_time(s, g, r->time_ns);
	g->ended |= r->kind == REC_END;
	return OK;
}

static enum err take_damage(struct source *s, struct source_segment *g, uint64_t offset,
			    uint64_t end, const char *what)
{
	bool last, again = g->bad_until && g->bad_until == offset;
	bool wanted = is_wanted(s, g, offset, &last);
	enum err e = OK;

	if (wanted && (offset < g->skip || (!again && g->damaged < SOURCE_DAMAGE_MAX)))
		e = join_damage(s, g, offset, &g->mark, what);
	if (e)
		return e;
	if (offset >= g->skip && !again) {
		g->damaged++;
		s->counts.damaged++;
	} else if (wanted && offset < g->skip) {
		g->wanted_at++;
	}
	g->bad_until = (uint32_t)end;
	return OK;
}

/* Bytes that are none reach the end of the window: a head may be cut there, and at the end of the
 * file more may come. ERR_END: that is to be waited for. */
static enum err take_bad(struct source *s, struct source_segment *g, struct segment_record *r)
{
	uint64_t end = s->window_from + s->window.len;
	bool at_end = r->end >= s->reading_until;

	if (at_end && !g->tail_settled && !is_of_the_past(s, g))
		return ERR_END;
	if (!at_end && r->end >= end && end - r->offset > sizeof(struct format_frame))
		r->end = end - sizeof(struct format_frame) + 1;
	return take_damage(s, g, r->offset, r->end, "there are bytes that are no record");
}

/* Goes on behind a record, or behind `end` where that is nearer. */
static enum err step(struct source *s, struct source_segment *g, uint64_t end)
{
	struct segment_mark mark;
	enum err e = segment_reader_mark(s->reader, &mark);

	if (!e && mark.offset != end) {
		mark.offset = end;
		g->mark = mark;
		e = extend(s, g);
	}
	if (!e)
		g->mark = mark;
	return e;
}

enum err read_next(struct source *s)
{
	struct source_segment *g = s->reading;
	struct segment_record r = {0};
	enum err e;

	if (g->mark.offset >= s->reading_until || (s->single && g->wanted_at == g->wanted_count))
		return ERR_END;
	e = fit(s, g);
	if (e)
		return e;
	e = segment_next(s->reader, &r);
	if (e == ERR_TORN && r.end < s->reading_until)
		e = ERR_BAD; /* the window's end, not the file's */
	if (e == OK)
		e = take(s, g, &r);
	else if (e == ERR_SEAL)
		e = take_damage(s, g, r.offset, r.end, "a record does not open");
	else if (e == ERR_BAD)
		e = take_bad(s, g, &r);
	else if (e == ERR_TORN)
		e = ERR_END;
	if (!e)
		e = step(s, g, r.end);
	return e;
}

void read_end(struct source *s)
{
	segment_reader_free(s->reader);
	s->reader = NULL;
	s->reading = NULL;
}

/* ---- is there anything? ---- */

static bool rests(const struct source *s, const struct source_segment *g)
{
	return !s->looks_at_all && g->begun && s->now_ns > g->grown_ns &&
	       s->now_ns - g->grown_ns > REST_AFTER && s->now_ns >= g->looked_ns &&
	       s->now_ns - g->looked_ns < REST_NS;
}

/* Its length; false: nothing can be said, or it is gone. */
static bool look(struct source *s, struct source_segment *g, uint64_t *ret_size)
{
	struct stat st;
	int n = sys_stat(g->path, &st);

	g->looked_ns = s->now_ns;
	if (n == -ENOENT || n == -ENOTDIR) {
		vanish(g);
		return false;
	}
	if (n < 0 || !S_ISREG(st.st_mode))
		return false;
	*ret_size = (uint64_t)st.st_size;
	return true;
}

/* Has it grown, or has what stands at its end been quiet for long enough to be judged? */
static bool has_news(struct source *s, struct source_segment *g, uint64_t size)
{
	if (size != g->size || !g->begun) {
		g->size = size;
		g->grown_ns = s->now_ns;
		g->at_end = g->tail_settled = false;
		return true;
	}
	if (!g->at_end)
		return true;
	if (g->mark.offset >= size || g->tail_settled || !is_quiet(s, g->grown_ns, false))
		return false;
	g->tail_settled = true;
	return true;
}

/* It could not be read a moment ago. */
static bool is_refused(const struct source *s, const struct source_segment *g, uint64_t size)
{
	return g->unreadable && size == g->size && s->now_ns >= g->grown_ns &&
	       s->now_ns - g->grown_ns < REST_NS;
}

enum err read_begin(struct source *s, struct source_segment *g)
{
	uint64_t size;
	enum err e = OK;

	if (g->finished || rests(s, g) || !look(s, g, &size) || is_refused(s, g, size))
		return OK;
	bool news = has_news(s, g, size);
	if (news && !g->begun)
		e = begin(s, g);
	if (e || !g->begun)
		return e;
	if (s->options.identity_count == 0)
		return sealed_look(s, g);
	if (!news || !g->has_key)
		return OK;
	s->reading = g;
	s->reading_until = size < SOURCE_FILE_MAX ? size : SOURCE_FILE_MAX;
	return OK;
}
