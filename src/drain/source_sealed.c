/* SPDX-License-Identifier: MIT
 *
 * Without keys: a segment is told as a whole when it gets no more records; once more when it has
 * grown all the same.
 */
#include "drain/source_state.h"

#include <string.h>

#include "audit/frame.h"

#define TAIL_BYTES 512 /* an `end` record is shorter */
#define DAY_OVER   (NS_PER_DAY + 3600 * NS_PER_S)

/* Kinds are not secret. */
enum err sealed_find_end(struct source *s, struct source_segment *g)
{
	uint64_t from = g->size > TAIL_BYTES ? g->size - TAIL_BYTES : 0;
	struct format_frame head;
	size_t at;
	enum err e = read_part(g->path, from, g->size, &s->again, NULL);
	struct bytes tail = buf_view(&s->again);

	g->ended = false;
	for (at = e ? tail.len : frame_find(tail, 0); at < tail.len; at = frame_find(tail, at + 1))
		if (frame_parse(tail, at, &head) && head.kind == REC_END &&
		    at + FORMAT_FRAME_MIN + head.body_bytes == tail.len)
			g->ended = true;
	return e;
}

struct walk {
	uint64_t next; /* where a frame should begin */
	uint64_t records;
	bool lost;
};

static void count_frames(struct walk *w, struct bytes window, uint64_t from)
{
	struct format_frame head;

	while (!w->lost && w->next >= from && w->next - from + sizeof head <= window.len) {
		if (!frame_parse(window, (size_t)(w->next - from), &head)) {
			w->lost = true;
			break;
		}
		w->next += FORMAT_FRAME_MIN + (uint64_t)head.body_bytes;
		w->records++;
	}
}

/* Each window begins a head before the last one's end. */
static enum err digest_file(struct source *s, const struct source_segment *g, struct walk *w,
			    uint8_t ret_digest[SEAL_DIGEST_BYTES])
{
	const uint64_t overlap = sizeof(struct format_frame);
	struct file_digest digest;
	uint64_t done = 0;
	enum err e = OK;

	file_digest_init(&digest);
	s->window_of = NULL;
	while (!e && done < g->size) {
		uint64_t from = done > overlap ? done - overlap : 0;
		uint64_t to = done + SOURCE_WINDOW_BYTES;
		e = read_part(g->path, from, to < g->size ? to : g->size, &s->window, NULL);
		if (!e && from + s->window.len <= done)
			e = ERR_MISSING; /* cut meanwhile */
		if (e)
			break;
		count_frames(w, buf_view(&s->window), from);
		file_digest_feed(&digest, bytes_from(buf_view(&s->window), (size_t)(done - from)));
		done = from + s->window.len;
	}
	file_digest_end(&digest, ret_digest);
	return e;
}

static enum err first_frame(struct source *s, const struct source_segment *g, uint64_t *ret_at)
{
	struct segment_reader *r = NULL;
	enum err e = read_part(g->path, 0, SOURCE_WINDOW_BYTES, &s->again, NULL);

	if (!e)
		e = segment_reader_open(buf_view(&s->again), 0, NULL, &r);
	if (!e)
		*ret_at = segment_reader_header(r)->bytes;
	segment_reader_free(r);
	return e;
}

static bool is_finished(struct source *s, const struct source_segment *g)
{
	return g->ended || g->given_up || s->now_ns >= g->day * NS_PER_DAY + DAY_OVER ||
	       read_is_over(s, g->pid, g->process_start, g->process.boot_id, g->grown_ns, false);
}

enum err sealed_look(struct source *s, struct source_segment *g)
{
	uint8_t digest[SEAL_DIGEST_BYTES];
	struct walk w = {0};
	enum err e = OK;

	if (!g->at_end) {
		e = sealed_find_end(s, g);
		g->at_end = !e;
	}
	if (e || g->size == g->sealed_told || !is_finished(s, g))
		return e == ERR_NOMEM ? e : OK;
	e = first_frame(s, g, &w.next);
	if (!e)
		e = digest_file(s, g, &w, digest);
	if (!e)
		e = join_sealed(s, g, g->size, w.records, digest);
	if (!e)
		g->sealed_told = g->size;
	return e == ERR_NOMEM ? e : OK;
}
