/* SPDX-License-Identifier: MIT */
#include "audit/verify_run.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/sys.h"

#define NOTE_SUFFIX ".note"

/* For people; what counts stands in the ledger. */
static enum err put_note(const struct walked *w, uint64_t valid, struct buf *out)
{
	enum err e = buf_put_str(out, "This segment was found open, its process being gone. ");

	if (!e)
		e = buf_put_str(out, "It was not changed.\nRecords: ");
	if (!e)
		e = buf_put_decimal(out, w->next_sequence);
	if (!e)
		e = buf_put_str(out, "\nBytes up to the last whole record: ");
	if (!e)
		e = buf_put_decimal(out, valid);
	if (!e)
		e = buf_put_str(out, "\nBytes found: ");
	if (!e)
		e = buf_put_decimal(out, w->bytes);
	if (!e)
		e = buf_put_str(out, "\nBLAKE2b-256 of the bytes found: ");
	if (!e)
		e = buf_put_hex(out, bytes_of(w->digest, sizeof w->digest));
	return e ? e : buf_put_str(out, "\nThe ledger says the same, under its MAC.\n");
}

static enum err write_note(const struct walked *w, uint64_t valid)
{
	struct buf path = {0}, text = {0};
	size_t written;
	enum err e = buf_put_str(&path, w->path);

	if (!e)
		e = buf_put(&path, bytes_of(NOTE_SUFFIX, sizeof NOTE_SUFFIX));
	if (!e)
		e = put_note(w, valid, &text);
	if (!e) {
		int fd = sys_open((const char *)path.at, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
				  0600);
		e = fd < 0 ? err_from_errno(fd) : sys_write_full(fd, text.at, text.len, &written);
		if (fd >= 0)
			sys_close(fd);
		if (fd == -EEXIST) /* EEXIST: an earlier repair came as far as this */
			e = OK;
	}
	buf_done(&path);
	buf_done(&text);
	return e;
}

static enum err append(const struct run *v, const struct walked *w, uint64_t valid)
{
	const struct verify_options *o = v->options;
	struct ledger_entry entry = {
		.kind = FORMAT_LEDGER_GIVEN_UP,
		.records = w->next_sequence,
		.bytes = valid,
		.found_bytes = w->bytes,
		.why = FORMAT_WHY_FOUND_OPEN,
		.has_found_digest = true,
	};
	const struct ledger_config config = {
		.directory = v->base,
		.recipient_count = o->repair_count,
		.recipients = o->repair_recipients,
		.boot_id = v->boot_id,
		.synced = true,
	};

	memcpy(entry.segment_id, w->segment_id, sizeof entry.segment_id);
	memcpy(entry.chain, w->chain, sizeof entry.chain);
	memcpy(entry.digest, w->valid_digest, sizeof entry.digest);
	memcpy(entry.found_digest, w->digest, sizeof entry.found_digest);
	return ledger_append(&config, sys_now_ns(), &entry);
}

void verify_repair(struct run *v, const struct walked *w)
{
	uint64_t valid = w->torn ? w->torn_at : w->bytes;
	enum err e;

	if (v->options->repair_count == 0 || v->options->segment || v->muted)
		return;
	e = write_note(w, valid);
	if (!e)
		e = append(v, w, valid);
	if (e)
		verify_tell(v, VERDICT_CANNOT, "not_repaired", w->path, NO_OFFSET, NO_SEQUENCE,
			    "no note could be made of how this segment was found");
	else
		v->result.repaired++;
}
