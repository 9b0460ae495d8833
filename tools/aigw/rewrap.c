/* SPDX-License-Identifier: MIT */
#include "rewrap.h"

#include <string.h>

#include "audit/ledger.h"
#include "audit/note.h"
#include "audit/segment.h"
#include "base/files.h"
#include "print.h"

#define SEGMENT_MAX ((size_t)SEGMENT_BYTES_MAX + SEGMENT_RECORD_MAX + (1u << 20))

/* ---- segments ---- */

static bool header_has(const struct segment_header *h, const struct recipient *r)
{
	for (size_t i = 0; i < h->recipient_count; i++)
		if (memcmp(h->recipient_key_ids[i], r->key_id, sizeof r->key_id) == 0)
			return true;
	return false;
}

static enum err write_note(struct segment_reader *r, const char *path, struct rewrap *run)
{
	const struct segment_header *h = segment_reader_header(r);
	struct recipient missing[POLICY_RECIPIENTS_MAX];
	uint8_t secret[SEAL_KEY_BYTES];
	struct buf old_file = {0}, file = {0};
	struct note old;
	size_t count = 0;
	bool has_old = note_load(path, &old_file) == OK &&
		       note_parse(buf_view(&old_file), &old) == OK &&
		       memcmp(old.segment_id, h->segment_id, sizeof old.segment_id) == 0;
	enum err e = OK;

	for (size_t i = 0; i < run->to_count; i++)
		if (!header_has(h, &run->to[i]) && !(has_old && note_has(&old, &run->to[i])))
			missing[count++] = run->to[i];
	if (count == 0) {
		run->had++;
	} else if (!segment_reader_secret(r, secret)) {
		run->closed++;
	} else {
		e = note_make(h->segment_id, secret, has_old ? &old : NULL, count, missing, &file);
		if (!e)
			e = note_save(path, buf_view(&file));
		run->done += !e;
	}
	wipe(secret, sizeof secret);
	buf_done(&old_file);
	buf_done(&file);
	return e;
}

void rewrap_segment(const char *path, struct rewrap *run)
{
	struct segment_reader *r = NULL;
	struct buf file = {0};
	enum err e = files_load(path, SEGMENT_MAX, &file);

	if (!e)
		e = segment_reader_open(buf_view(&file), run->keys->count, run->keys->identities,
					&r);
	if (!e) {
		segment_reader_find_note(r, path, run->keys->count, run->keys->identities);
		e = write_note(r, path, run);
	}
	if (e) {
		run->failed++;
		(void)print_problem(e, "%s", path);
	}
	segment_reader_free(r);
	buf_done(&file);
}

/* ---- the ledger ---- */

static bool epoch_has(const struct ledger_found *found, const struct recipient *r)
{
	struct bytes boxes = bytes_from(found->item.body, sizeof(struct format_epoch));
	struct format_recipient box;

	for (; boxes.len >= sizeof box; boxes = bytes_from(boxes, sizeof box)) {
		memcpy(&box, boxes.at, sizeof box);
		if (memcmp(box.key_id, r->key_id, sizeof box.key_id) == 0)
			return true;
	}
	return false;
}

/* The note for an epoch: what the old one has, and those who are missing. */
static enum err put_epoch(const struct ledger_reader *reader, const struct ledger_found *found,
			  struct bytes old_notes, struct rewrap *run, struct buf *ret_notes)
{
	struct recipient missing[POLICY_RECIPIENTS_MAX];
	struct note old;
	uint32_t looks = UINT32_MAX;
	struct format_epoch epoch;
	size_t count = 0;

	memcpy(&epoch, found->item.body.at, sizeof epoch);
	bool has_old = note_find(old_notes, epoch.commitment, &looks, &old) == OK;
	for (size_t i = 0; i < run->to_count; i++)
		if (!epoch_has(found, &run->to[i]) && !(has_old && note_has(&old, &run->to[i])))
			missing[count++] = run->to[i];
	if (count == 0) {
		run->had++;
	} else if (!reader->has_seed) {
		run->closed++;
		count = 0;
	}
	if (count == 0 && !has_old)
		return OK;
	enum err e = note_make(epoch.commitment, reader->seed, has_old ? &old : NULL, count,
			       missing, ret_notes);
	run->done += !e && count;
	return e;
}

static enum err put_epochs(struct bytes ledger, struct bytes old_notes, struct rewrap *run,
			   struct buf *ret_notes)
{
	struct ledger_reader r;
	struct ledger_found found;
	enum err e, problem = OK;

	ledger_reader_init(&r, ledger, run->keys->count, run->keys->identities);
	ledger_reader_use_notes(&r, old_notes);
	while (!problem && (e = ledger_next(&r, &found)) != ERR_END)
		if (!e && found.known && found.entry.kind == FORMAT_LEDGER_EPOCH)
			problem = put_epoch(&r, &found, old_notes, run, ret_notes);
	ledger_reader_done(&r);
	return problem;
}

void rewrap_ledger(const char *directory, struct rewrap *run)
{
	struct buf path = {0}, notes_path = {0}, ledger = {0}, old_notes = {0}, notes = {0};

	need(buf_put_str(&path, directory));
	need(buf_put(&path, bytes_of("/" LEDGER_FILE, sizeof "/" LEDGER_FILE)));
	need(buf_put_str(&notes_path, directory));
	need(buf_put(&notes_path, bytes_of("/" LEDGER_NOTES_FILE, sizeof "/" LEDGER_NOTES_FILE)));
	const char *file = (const char *)path.at;
	enum err e = files_load(file, LEDGER_BYTES_MAX, &ledger);
	if (!e)
		e = files_load((const char *)notes_path.at, NOTES_BYTES_MAX, &old_notes);
	/* No notes yet is fine; others than can be read must not be written over. */
	if (e == ERR_MISSING)
		e = OK;
	if (!e)
		e = put_epochs(buf_view(&ledger), buf_view(&old_notes), run, &notes);
	if (!e && notes.len > NOTES_BYTES_MAX)
		e = ERR_LIMIT;
	if (!e && run->done)
		e = note_save(file, buf_view(&notes));
	if (e) {
		run->failed++;
		run->done = 0;
		(void)print_problem(e, "%s", (const char *)notes_path.at);
	}
	buf_done(&path);
	buf_done(&notes_path);
	buf_done(&ledger);
	buf_done(&old_notes);
	buf_done(&notes);
}
