/* SPDX-License-Identifier: MIT */
#include "audit/verify_run.h"

#include <string.h>

#include "base/files.h"
#include "base/sys.h"

static void tell_record(struct run *v, const struct walked *w, const struct segment_record *record,
			uint64_t expected, bool sealed)
{
	if (record->sequence > expected)
		verify_tell(v, VERDICT_TAMPERED, "missing_record", w->path, record->offset,
			    expected,
			    "records from this sequence on are missing: removed, or damaged beyond "
			    "reading");
	else if (record->sequence < expected)
		verify_tell(v, VERDICT_TAMPERED, "out_of_order", w->path, record->offset,
			    record->sequence,
			    "this record stands behind later ones: repeated or moved");
	else if (!record->chained)
		verify_tell(
			v, VERDICT_TAMPERED, "chain", w->path, record->offset, record->sequence,
			"this record does not follow on the one before it: that one was changed or "
			"replaced");
	if (!sealed)
		verify_tell(v, VERDICT_TAMPERED, "changed", w->path, record->offset,
			    record->sequence,
			    "the seal of this record does not open: its bytes were changed");
	if (w->ended)
		verify_tell(v, VERDICT_TAMPERED, "after_end", w->path, record->offset,
			    record->sequence, "a record stands behind the segment's end record");
}

/* The file's digest, made while its records are read: their bytes are near then. */
struct image_digest {
	struct file_digest state;
	struct bytes rest; /* of the file, not digested yet */
};

/* Up to `offset` or, before the file's end, a little less: in steps it is faster. */
static void digest_until(struct image_digest *d, struct bytes file, uint64_t offset)
{
	size_t done = file.len - d->rest.len, until = file.len;

	if (offset < file.len)
		until = (size_t)(offset - offset % file_digest_step(&d->state));
	if (until <= done)
		return;
	file_digest_feed(&d->state, bytes_slice(d->rest, 0, until - done));
	d->rest = bytes_from(file, until);
}

static enum err walk_records(struct run *v, struct segment_reader *r, struct image_digest *digest,
			     struct walked *w)
{
	struct bytes file = buf_view(&v->image);
	struct segment_record record;
	uint64_t expected = 0, count;
	enum err e;

	while ((e = segment_next(r, &record)) != ERR_END) {
		if (e == ERR_NOMEM)
			return e;
		digest_until(digest, file, record.offset);
		if (e == ERR_TORN) {
			w->torn = true;
			w->torn_at = record.offset;
			continue;
		}
		if (e != OK && e != ERR_SEAL) {
			verify_tell(v, VERDICT_TAMPERED, "changed", w->path, record.offset,
				    expected, "these bytes are no record: changed or foreign");
			continue;
		}
		tell_record(v, w, &record, expected, e == OK);
		w->records++;
		v->result.records += !v->muted;
		v->result.unopened += !v->muted && e == OK && !record.opened;
		expected = record.sequence + 1;
		(void)segment_reader_chain(r, w->chain); /* lost again at a torn tail */
		if (record.kind != REC_END)
			continue;
		w->ended = true;
		if (record.opened && (record_find_u64(record.plain, F_END_RECORDS, &count) ||
				      count != record.sequence))
			verify_tell(v, VERDICT_TAMPERED, "changed", w->path, record.offset,
				    record.sequence,
				    "the end record counts other records than there are");
	}
	w->next_sequence = expected;
	w->has_chain = segment_reader_chain(r, w->chain);
	return OK;
}

/* What can be said of a file whose header opened it, or did not (`opened`). */
static enum err read_image(struct run *v, enum err opened, struct segment_reader *r,
			   struct image_digest *digest, struct walked *w)
{
	enum err e = opened;

	if (e == ERR_UNSUPPORTED) {
		verify_tell(
			v, VERDICT_CANNOT, "unsupported", w->path, 0, NO_SEQUENCE,
			"written in a format that this version does not know, or its header was "
			"changed");
		return OK;
	}
	if (e) {
		verify_tell(v, VERDICT_TAMPERED, "header_changed", w->path, 0, NO_SEQUENCE,
			    "the header is changed or cut: nothing in this segment can be read");
		w->changed = true;
		return OK;
	}
	segment_reader_find_note(r, w->path, v->options->identity_count, v->options->identities);
	const struct segment_header *h = segment_reader_header(r);
	w->readable = true;
	w->changed = h->changed;
	memcpy(w->segment_id, h->segment_id, sizeof w->segment_id);
	memcpy(w->header_digest, h->digest, sizeof w->header_digest);
	memcpy(w->boot_id, h->boot_id, sizeof w->boot_id);
	memcpy(w->ledger_chain, h->ledger_chain, sizeof w->ledger_chain);
	w->ledger_entries = h->ledger_entries;
	w->pid = h->pid;
	w->process_start = h->process_start;
	if (h->changed)
		verify_tell(v, VERDICT_TAMPERED, "header_changed", w->path, 0, NO_SEQUENCE,
			    "the header was changed; records are read as far as possible");
	else if (h->seal_wrong)
		verify_tell(
			v, VERDICT_TAMPERED, "header_seal", w->path, 0, NO_SEQUENCE,
			"the secret sealed to this identity does not open or is not the segment's");
	return walk_records(v, r, digest, w);
}

static enum err walk_image(struct run *v, struct walked *w)
{
	struct bytes file = buf_view(&v->image);
	struct image_digest digest = {.rest = file};
	struct segment_reader *r = NULL;
	enum err e = segment_reader_open(file, v->options->identity_count, v->options->identities,
					 &r);

	if (e == ERR_NOMEM)
		return e;
	w->bytes = file.len;
	file_digest_init(&digest.state);
	e = read_image(v, e, r, &digest, w);
	segment_reader_free(r);
	digest_until(&digest, file, file.len);
	file_digest_end(&digest.state, w->digest);
	memcpy(w->valid_digest, w->digest, sizeof w->valid_digest);
	if (!e && w->torn) {
		struct bytes valid = bytes_slice(file, 0, (size_t)w->torn_at);
		file_digest_of(valid, w->valid_digest);
	}
	return e;
}

static bool is_alive(const struct run *v, const struct walked *w)
{
	uint64_t start;

	if (w->boot_id[0] && strcmp(w->boot_id, v->boot_id) != 0)
		return false;
	if (!sys_process_start(w->pid, &start))
		return false;
	return w->process_start == 0 || w->process_start == start;
}

enum err verify_walk(struct run *v, struct walked *w)
{
	const char *path = w->path, *below = w->below;
	bool in_ledger = w->in_ledger, was_alive = w->alive;
	enum err e = files_load(path, SEGMENT_FILE_MAX, &v->image);

	memset(w, 0, sizeof *w);
	w->path = path;
	w->below = below;
	w->in_ledger = in_ledger;
	if (e == ERR_NOMEM)
		return e;
	if (e == ERR_BAD || e == ERR_LIMIT)
		verify_tell(v, VERDICT_TAMPERED, "not_a_segment", path, NO_OFFSET, NO_SEQUENCE,
			    "not a regular file, or larger than any segment");
	else if (e == ERR_MISSING)
		verify_tell(v, VERDICT_TAMPERED, "missing_segment", path, NO_OFFSET, NO_SEQUENCE,
			    "removed while it was being verified");
	else if (e)
		verify_tell(v, VERDICT_CANNOT, "unreadable", path, NO_OFFSET, NO_SEQUENCE,
			    "this file cannot be read");
	if (e)
		return OK;
	e = walk_image(v, w);
	/* Before the ledger is read: who is gone by now has told it all that he will. */
	w->alive = was_alive || (w->readable && is_alive(v, w));
	return e;
}
