/* SPDX-License-Identifier: MIT */
#include "audit/verify_run.h"

#include <string.h>

#include "base/files.h"

/* All that the ledger says about one segment. */
struct ledger_view {
	bool opened, closed, given_up, retired;
	struct ledger_entry opening, closing, giving_up, retiring;
};

/* ---- segments against the ledger ---- */

/* The mentions of one segment, [from, ret]: decoded into one view. */
static size_t view_segment(struct run *v, size_t from, struct ledger_view *ret_view)
{
	struct ledger_view view = {0};
	struct ledger_item item;
	struct ledger_entry entry;
	size_t i = from;

	for (; i < v->mention_count &&
	       memcmp(v->mentions[i].segment_id, v->mentions[from].segment_id, 16) == 0;
	     i++) {
		if (!ledger_parse(buf_view(&v->ledger), v->mentions[i].offset, &item) ||
		    ledger_decode(&item, &entry))
			continue;
		if (entry.kind == FORMAT_LEDGER_OPENED) {
			view.opened = true;
			view.opening = entry;
		} else if (entry.kind == FORMAT_LEDGER_CLOSED) {
			view.closed = true;
			view.closing = entry;
		} else if (entry.kind == FORMAT_LEDGER_GIVEN_UP) {
			view.given_up = true;
			view.giving_up = entry;
		} else {
			view.retired = true;
			view.retiring = entry;
		}
	}
	*ret_view = view;
	return i;
}

static size_t find_mention(const struct run *v, const uint8_t segment_id[16])
{
	size_t low = 0, high = v->mention_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(v->mentions[middle].segment_id, segment_id, 16) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < v->mention_count && memcmp(v->mentions[low].segment_id, segment_id, 16) == 0
		       ? low
		       : SIZE_MAX;
}

/* Walks a file once more that grew after it was read. */
static enum err walk_again(struct run *v, struct walked *w, uint64_t expected_bytes)
{
	uint64_t bytes;
	enum err e;

	if (w->bytes >= expected_bytes || files_size(w->path, &bytes) || bytes == w->bytes)
		return OK;
	v->muted = true;
	e = verify_walk(v, w);
	v->muted = false;
	return e;
}

static enum err judge_closed(struct run *v, struct walked *w, const struct ledger_entry *closing)
{
	enum err e = walk_again(v, w, closing->bytes);

	if (e)
		return e;
	if (w->bytes < closing->bytes)
		verify_tell(v, VERDICT_TAMPERED, "cut", w->path, w->bytes, w->next_sequence,
			    "the end of this segment was cut off: the ledger knows it longer");
	else if (w->bytes > closing->bytes)
		verify_tell(v, VERDICT_TAMPERED, "after_end", w->path, closing->bytes, NO_SEQUENCE,
			    "something was added behind the end of this segment");
	else if (!seal_equal(w->digest, closing->digest))
		verify_tell(v, VERDICT_TAMPERED, "digest", w->path, NO_OFFSET, NO_SEQUENCE,
			    "the bytes of this file are not those that its writer closed");
	else if (w->has_chain &&
		 (!seal_equal(w->chain, closing->chain) || w->records != closing->records))
		verify_tell(v, VERDICT_TAMPERED, "chain", w->path, NO_OFFSET, NO_SEQUENCE,
			    "the records are not those that the writer counted");
	return OK;
}

static enum err judge_given_up(struct run *v, struct walked *w, const struct ledger_entry *note)
{
	uint8_t digest[32];
	enum err e = files_load(w->path, SEGMENT_FILE_MAX, &v->image);
	struct bytes valid = bytes_slice(buf_view(&v->image), 0, (size_t)note->bytes);

	if (e == ERR_NOMEM)
		return e;
	if (e)
		return OK; /* reported when it was walked */
	file_digest_of(valid, digest);
	if (w->bytes < note->bytes) {
		verify_tell(v, VERDICT_TAMPERED, "cut", w->path, w->bytes, w->next_sequence,
			    "the end of this segment was cut off: the ledger knows it longer");
	} else if (!seal_equal(digest, note->digest)) {
		verify_tell(v, VERDICT_TAMPERED, "digest", w->path, NO_OFFSET, NO_SEQUENCE,
			    "the bytes of this file are not those that its writer acknowledged");
	} else if (note->why == FORMAT_WHY_VANISHED || note->why == FORMAT_WHY_REPLACED ||
		   note->why == FORMAT_WHY_SIZE) {
		verify_tell(v, VERDICT_TAMPERED, "given_up", w->path, note->bytes, note->records,
			    "its writer found this file removed, replaced or changed, and went on "
			    "elsewhere");
	} else if (note->why == FORMAT_WHY_FOUND_OPEN && w->bytes > note->found_bytes) {
		verify_tell(v, VERDICT_INCOMPLETE, "found_open", w->path, note->found_bytes,
			    note->records,
			    "'aigw verify --repair' took this segment's process for gone, and it "
			    "was written on later");
	} else if (w->bytes != note->found_bytes ||
		   (note->has_found_digest && !seal_equal(w->digest, note->found_digest))) {
		verify_tell(v, VERDICT_TAMPERED, "digest", w->path, note->bytes, note->records,
			    "the torn end of this file is not the one that its writer left");
	} else if (note->why == FORMAT_WHY_FOUND_OPEN) {
		verify_tell(
			v, VERDICT_INCOMPLETE, "found_open", w->path, note->bytes, note->records,
			"its process was killed or ended without closing; an earlier 'aigw "
			"verify --repair' noted how it was found, and it has not changed since");
	} else {
		verify_tell(v, VERDICT_INCOMPLETE, "torn_tail", w->path, note->bytes, note->records,
			    "the last write failed (disk full, a limit, a failed sync): its record "
			    "does "
			    "not "
			    "count, and the writer went on in another segment");
	}
	return OK;
}

/* Neither closed nor given up. */
static void judge_open(struct run *v, struct walked *w)
{
	if (!w->readable)
		return;
	if (w->alive) {
		v->result.open_segments++;
		return;
	}
	if (w->ended && !w->torn)
		verify_tell(
			v, VERDICT_INCOMPLETE, "not_closed", w->path, w->bytes, w->next_sequence,
			"ended properly, but the ledger does not say so: the process was killed in "
			"its "
			"last moment");
	else if (w->torn)
		verify_tell(v, VERDICT_INCOMPLETE, "torn_tail", w->path, w->torn_at,
			    w->next_sequence,
			    "the last record is incomplete: the process was killed while it wrote. "
			    "A cut "
			    "of "
			    "its very last records cannot be told from that");
	else
		verify_tell(
			v, VERDICT_INCOMPLETE, "no_end", w->path, w->bytes, w->next_sequence,
			"the process was killed or ended without closing; a cut of its very last "
			"records "
			"cannot be told from that");
	if (!w->changed && w->in_ledger)
		verify_repair(v, w);
}

static void check_history(struct run *v, const struct walked *w)
{
	if (w->ledger_entries == 0 || w->changed || !w->readable)
		return;
	if (w->ledger_entries <= v->chain_count &&
	    seal_equal(v->chains[w->ledger_entries - 1], w->ledger_chain))
		return;
	verify_tell(v, v->ledger_lost ? VERDICT_INCOMPLETE : VERDICT_TAMPERED, "ledger_history",
		    w->path, 0, NO_SEQUENCE,
		    "the ledger has not the history that this segment's header tells: entries are "
		    "missing "
		    "or it was written anew");
}

static enum err judge(struct run *v, struct walked *w, const struct ledger_view *view)
{
	w->in_ledger = true;
	check_history(v, w);
	if (view->retired)
		verify_tell(v, VERDICT_INCOMPLETE, "retired_left", w->path, NO_OFFSET, NO_SEQUENCE,
			    "the ledger says that retention removed this segment, and its file is "
			    "still there: retention was killed, or somebody put it back");
	if (view->opened && w->readable && !w->changed &&
	    !seal_equal(view->opening.header_digest, w->header_digest))
		verify_tell(v, VERDICT_TAMPERED, "header_changed", w->path, 0, NO_SEQUENCE,
			    "the header is not the one that the ledger knows");
	if (!view->opened)
		verify_tell(v, VERDICT_TAMPERED, "ledger_changed", w->path, NO_OFFSET, NO_SEQUENCE,
			    "the ledger does not know the opening of this segment");
	if (view->closed)
		return judge_closed(v, w, &view->closing);
	if (view->given_up)
		return judge_given_up(v, w, &view->giving_up);
	judge_open(v, w);
	return OK;
}

static struct walked *find_path(const struct run *v, struct bytes below)
{
	size_t low = 0, high = v->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = bytes_compare(bytes_str(v->by_path[middle]->below), below);
		if (order == 0)
			return v->by_path[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* A segment of the ledger for which no file was listed: made just now, or missing. */
static enum err judge_absent(struct run *v, const struct ledger_view *view)
{
	struct buf path = {0};
	struct walked late = {0};
	uint64_t bytes;
	enum err e;

	if (view->retired) {
		v->result.retired_segments++;
		v->result.retired_records += view->retiring.records;
		return OK;
	}
	e = buf_put_str(&path, v->base);
	if (!e)
		e = buf_put_u8(&path, '/');
	if (!e)
		e = buf_put(&path, view->opening.path);
	if (!e)
		e = buf_put_u8(&path, 0);
	if (e)
		goto out;
	late.path = (const char *)path.at;
	late.below = late.path + strlen(v->base) + 1;
	if (bytes_find_byte(view->opening.path, 0) == SIZE_MAX &&
	    files_size(late.path, &bytes) == OK) {
		e = verify_walk(v, &late);
		if (!e) {
			v->result.segments++;
			v->result.bytes += late.bytes;
			e = judge(v, &late, view);
		}
	} else {
		verify_tell(v, VERDICT_TAMPERED, "missing_segment", late.path, NO_OFFSET,
			    NO_SEQUENCE, "the ledger knows this segment, and its file is gone");
	}
out:
	buf_done(&path);
	return e;
}

/* In the ledger's order of segment ids: every one it knows must be there. */
static enum err judge_known(struct run *v)
{
	struct ledger_view view;
	enum err e = OK;

	for (size_t i = 0; !e && i < v->mention_count;) {
		i = view_segment(v, i, &view);
		if (!view.opened || !verify_of_day(v, view.opening.path))
			continue;
		struct walked *w = find_path(v, view.opening.path);
		if (w && w->readable && memcmp(w->segment_id, view.opening.segment_id, 16) != 0) {
			verify_tell(v, VERDICT_TAMPERED, "replaced", w->path, 0, NO_SEQUENCE,
				    "another segment stands in this one's place");
			w->in_ledger = true;
		} else if (w) {
			e = judge(v, w, &view);
		} else {
			e = judge_absent(v, &view);
		}
	}
	return e;
}

/* Files that the ledger does not know under their name. */
static enum err judge_unknown(struct run *v, struct walked *w)
{
	size_t mention = w->readable ? find_mention(v, w->segment_id) : SIZE_MAX;
	struct ledger_view view;

	if (mention != SIZE_MAX) {
		view_segment(v, mention, &view);
		if (!v->options->segment && view.opened)
			verify_tell(v, VERDICT_TAMPERED, "moved", w->path, NO_OFFSET, NO_SEQUENCE,
				    "this segment was opened under another name: copied or moved");
		return judge(v, w, &view);
	}
	if (!w->readable || (w->next_sequence <= 1 && w->alive)) {
		judge_open(v, w);
	} else if (w->next_sequence <= 1) {
		verify_tell(
			v, VERDICT_INCOMPLETE, "unlisted", w->path, NO_OFFSET, NO_SEQUENCE,
			"the process was killed while it opened this segment, which has no record");
	} else if (verify_other_boot(v, w->boot_id)) {
		verify_tell(v, VERDICT_INCOMPLETE, "unlisted", w->path, NO_OFFSET, NO_SEQUENCE,
			    "the ledger does not know this segment: a power cut took the entry, or "
			    "somebody "
			    "added the segment");
	} else {
		verify_tell(v, VERDICT_TAMPERED, "unlisted", w->path, NO_OFFSET, NO_SEQUENCE,
			    "the ledger does not know this segment: it was added, or the entry "
			    "removed");
	}
	return OK;
}

enum err verify_judge(struct run *v)
{
	enum err e = OK;

	if (v->has_ledger && !v->options->segment)
		e = judge_known(v);
	for (size_t i = 0; !e && i < v->count; i++) {
		struct walked *w = &v->walked[i];
		if (w->in_ledger)
			continue;
		if (v->has_ledger)
			e = judge_unknown(v, w);
		else if (!w->ended || w->torn)
			judge_open(v, w);
	}
	return e;
}
