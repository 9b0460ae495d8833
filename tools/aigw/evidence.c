/* SPDX-License-Identifier: MIT */
#include "evidence.h"

#include <string.h>

#include "audit/frame.h"

struct walk {
	const struct evidence_check *check;
	struct evidence_result result;
	struct evidence_segment segment;
	struct buf header, bytes, frames, body, plain, entry;
	struct bytes item; /* JSON of the segment */
};

static enum err unfit(struct walk *w, const char *problem)
{
	w->result.problem = problem;
	return ERR_SEAL;
}

/* ---- the header ---- */

static enum err check_header(struct walk *w)
{
	struct segment_reader *reader = NULL;
	struct bytes header = buf_view(&w->header);
	enum err e = segment_reader_open(header, 0, NULL, &reader);

	if (e == ERR_NOMEM || e == ERR_UNSUPPORTED)
		return e;
	if (e)
		return unfit(w, "a segment's header is none");
	w->segment.header = *segment_reader_header(reader);
	segment_reader_free(reader);
	if (w->segment.header.changed || w->segment.header.bytes != header.len)
		return unfit(w, "a segment's header is not what its own digest says");
	frame_start_chain(w->segment.header.digest, w->segment.chain);
	return OK;
}

/* ---- frames ---- */

/* Head and tag of the next frame, from the whole file or from the list of heads. */
struct frame_view {
	struct format_frame head;
	struct bytes head_bytes, body; /* body only from the whole file */
	const uint8_t *tag;
};

static bool next_frame(struct walk *w, size_t *at, struct frame_view *ret_frame)
{
	struct bytes text = w->segment.whole ? buf_view(&w->bytes) : buf_view(&w->frames);
	size_t body = 0;

	if (!frame_parse(text, *at, &ret_frame->head))
		return false;
	if (w->segment.whole)
		body = ret_frame->head.body_bytes;
	if (text.len - *at < FORMAT_FRAME_MIN + body)
		return false;
	ret_frame->head_bytes = bytes_slice(text, *at, sizeof ret_frame->head);
	ret_frame->body = bytes_slice(text, *at + sizeof ret_frame->head, body);
	ret_frame->tag = text.at + *at + sizeof ret_frame->head + body;
	*at += FORMAT_FRAME_MIN + body;
	return true;
}

/* The record opened with the key that the evidence gives for it. */
static enum err open_record(struct walk *w, const struct frame_view *frame, struct bytes key_item)
{
	uint8_t key[SEAL_KEY_BYTES];
	struct bytes body = frame->body;
	enum err e;

	if (signed_find_hex(key_item, "/key", key, sizeof key))
		return ERR_BAD;
	if (!w->segment.whole) {
		e = signed_find_base64(key_item, "/body", &w->body);
		if (e)
			return e == ERR_NOMEM ? e : ERR_BAD;
		body = buf_view(&w->body);
	}
	if (body.len != frame->head.body_bytes)
		return unfit(w, "a record's sealed bytes are not as long as its head says");
	buf_reset(&w->plain);
	e = buf_reserve(&w->plain, body.len + 1);
	if (e)
		return e;
	if (seal_decrypt((enum seal_cipher)w->segment.header.cipher, key, frame->head.nonce,
			 frame->head_bytes, body, frame->tag, w->plain.at))
		return unfit(w, "a record's seal does not open with the key given for it");
	w->plain.len = body.len;
	return OK;
}

static enum err tell_record(struct walk *w, const struct frame_view *frame, uint64_t offset)
{
	struct segment_record record = {
		.kind = (enum record_kind)frame->head.kind,
		.sequence = frame->head.sequence,
		.time_ns = frame->head.time_ns,
		.offset = offset,
		.end = offset + FORMAT_FRAME_MIN + frame->head.body_bytes,
		.chained = true,
		.opened = true,
		.plain = buf_view(&w->plain),
	};
	struct bytes id = BYTES_NONE;

	if (record.kind != REC_START) {
		if (record_find(record.plain, F_ID, &id) ||
		    !bytes_equal(id, bytes_str(w->result.id)))
			return unfit(w, "a record is of another exchange");
		w->result.records++;
		w->result.has_request |= record.kind == REC_REQUEST;
		w->result.has_answer |= record.kind == REC_RESPONSE || record.kind == REC_ABORTED;
	}
	return w->check->on_record ? w->check->on_record(w->check->context, &w->segment, &record)
				   : OK;
}

/* The frames from the first to the last: numbers, chain, and the records that have a key. */
static enum err walk_frames(struct walk *w, struct signed_items *keys)
{
	struct evidence_segment *s = &w->segment;
	size_t at = s->whole ? w->header.len : 0;
	struct frame_view frame;
	struct bytes item;
	uint64_t wanted = UINT64_MAX;
	bool more = signed_next_item(keys, &item);
	enum err e = OK;

	s->bytes = w->header.len;
	while (!e && next_frame(w, &at, &frame)) {
		if (more && signed_find_u64(item, "/sequence", &wanted))
			return ERR_BAD;
		if (frame.head.sequence != s->frames)
			return unfit(w, "a frame is missing or out of order");
		if (memcmp(frame.head.previous, s->chain, sizeof s->chain) != 0)
			return unfit(w, "the chain of a segment is broken");
		if (more && wanted == s->frames) {
			e = open_record(w, &frame, item);
			if (!e)
				e = tell_record(w, &frame, s->bytes);
			more = signed_next_item(keys, &item);
		}
		frame_chain(&frame.head, frame.tag, s->chain);
		s->ended = frame.head.kind == REC_END;
		s->bytes += FORMAT_FRAME_MIN + frame.head.body_bytes;
		s->frames++;
	}
	if (!e && at != (s->whole ? w->bytes.len : w->frames.len))
		return unfit(w, "bytes in a segment are no frame");
	if (!e && more)
		return unfit(w, "a key is given for a record that is not there, or twice");
	return e;
}

/* ---- the ledger's entries ---- */

static enum err check_closing(struct walk *w, const struct ledger_entry *entry)
{
	struct evidence_segment *s = &w->segment;

	if (entry->records != s->frames || entry->bytes != s->bytes ||
	    !seal_equal(entry->chain, s->chain))
		return unfit(w, "the ledger's closing entry is of another chain");
	if (s->whole && !seal_equal(entry->digest, s->digest))
		return unfit(w, "the file is not the one that the ledger's closing entry knows");
	s->closed = true;
	return OK;
}

static enum err check_entry(struct walk *w)
{
	struct evidence_segment *s = &w->segment;
	struct bytes text = buf_view(&w->entry);
	struct ledger_item item;
	struct ledger_entry entry;

	if (!ledger_parse(text, 0, &item) || item.whole.len + FORMAT_MAC_BYTES != text.len ||
	    ledger_decode(&item, &entry))
		return unfit(w, "a ledger entry is none");
	if (memcmp(entry.segment_id, s->header.segment_id, sizeof entry.segment_id) != 0)
		return unfit(w, "a ledger entry is of another segment");
	if (entry.kind == FORMAT_LEDGER_OPENED) {
		if (!seal_equal(entry.header_digest, s->header.digest) ||
		    !bytes_equal(entry.path, s->file))
			return unfit(w, "the ledger's opening entry is of another header or file");
		s->opened = true;
		s->opened_number = item.head.number;
		return OK;
	}
	if (entry.kind != FORMAT_LEDGER_CLOSED)
		return OK; /* given up, retired: says nothing about the chain's end */
	s->closed_number = item.head.number;
	return check_closing(w, &entry);
}

static enum err check_ledger(struct walk *w)
{
	struct signed_items items;
	struct bytes item;
	enum err e = signed_find_items(w->item, "/ledger", &items);

	if (e)
		return ERR_BAD;
	while (!e && signed_next_item(&items, &item)) {
		buf_reset(&w->entry);
		if (item.len < 2 || item.at[0] != '"')
			return ERR_BAD;
		e = signed_put_unbase64(&w->entry, bytes_slice(item, 1, item.len - 2));
		if (!e)
			e = check_entry(w);
	}
	return e;
}

/* ---- a segment, and all of them ---- */

static enum err load_segment(struct walk *w)
{
	enum err e = signed_find_text(w->item, "/file", &w->segment.file);

	if (!e)
		e = signed_find_base64(w->item, "/header", &w->header);
	if (e)
		return e == ERR_NOMEM ? e : ERR_BAD;
	e = signed_find_base64(w->item, "/bytes", &w->bytes);
	if (e != ERR_MISSING) {
		w->segment.whole = true;
		return e;
	}
	e = signed_find_base64(w->item, "/frames", &w->frames);
	return e == ERR_MISSING ? ERR_BAD : e;
}

static enum err check_segment(struct walk *w)
{
	struct signed_items keys;
	struct bytes whole;
	enum err e;

	w->segment = (struct evidence_segment){.frames = 0};
	e = load_segment(w);
	if (!e)
		e = check_header(w);
	if (!e && signed_find_items(w->item, "/keys", &keys))
		e = ERR_BAD;
	if (e)
		return e;
	whole = buf_view(&w->bytes);
	if (w->segment.whole) {
		if (!bytes_starts(whole, buf_view(&w->header)))
			return unfit(w, "the file does not begin with the header");
		file_digest_of(whole, w->segment.digest);
	}
	e = walk_frames(w, &keys);
	if (!e)
		e = check_ledger(w);
	if (e)
		return e;
	w->result.segments++;
	w->result.all_closed &= w->segment.opened && w->segment.closed;
	w->result.all_whole &= w->segment.whole;
	if (w->check->on_segment)
		w->check->on_segment(w->check->context, &w->segment);
	return OK;
}

static enum err check_statement(struct walk *w, struct bytes statement)
{
	struct signed_items segments;
	struct bytes type, id;
	uint64_t version;

	if (signed_find_text(statement, "/type", &type) ||
	    !bytes_equal(type, BYTES(EVIDENCE_TYPE)) ||
	    signed_find_u64(statement, "/version", &version))
		return ERR_BAD;
	if (version != EVIDENCE_VERSION)
		return ERR_UNSUPPORTED;
	if (signed_find_text(statement, "/id", &id) || id.len == 0 || id.len > ULID_CHARS ||
	    signed_find_items(statement, "/segments", &segments))
		return ERR_BAD;
	memcpy(w->result.id, id.at, id.len);
	w->result.all_closed = w->result.all_whole = true;
	while (signed_next_item(&segments, &w->item)) {
		if (w->result.segments == EVIDENCE_SEGMENTS_MAX)
			return ERR_LIMIT;
		enum err e = check_segment(w);
		if (e)
			return e;
	}
	return w->result.records ? OK : unfit(w, "there is no record of the exchange in it");
}

enum err evidence_check(struct bytes statement, const struct evidence_check *check,
			struct evidence_result *ret_result)
{
	struct walk w = {.check = check};
	enum err e = check_statement(&w, statement);

	*ret_result = w.result;
	buf_done(&w.header);
	buf_done(&w.bytes);
	buf_done(&w.frames);
	buf_done(&w.body);
	buf_done(&w.plain);
	buf_done(&w.entry);
	return e;
}
