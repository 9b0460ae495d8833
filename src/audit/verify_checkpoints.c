/* SPDX-License-Identifier: MIT */
#include "audit/verify_run.h"

#include <string.h>

#include "audit/checkpoint.h"
#include "base/files.h"
#include "base/sys.h"

/* An outside copy older than this, against the log's own last checkpoint, is stale: a living
 * collector makes one a minute. */
#define STALE_NS (5 * 60 * UINT64_C(1000000000))

/* One file of checkpoints on its way through. */
struct passage {
	struct run *v;
	const char *path;
	bool outside;
	bool any;
	struct checkpoint_found last;
	uint64_t judge_from; /* numbers below are not compared with the log: done already */
};

static enum err put_path(struct run *v, const char *name, struct buf *ret_path)
{
	enum err e = buf_put_str(ret_path, v->base);

	if (!e)
		e = buf_put_u8(ret_path, '/');
	return e ? e : buf_put(ret_path, bytes_of(name, strlen(name) + 1));
}

static void tell(struct passage *p, enum verdict severity, const char *code, uint64_t offset,
		 uint64_t number, const char *text)
{
	verify_tell(p->v, severity, code, p->path, offset, number, text);
}

/* ---- the log against one checkpoint ---- */

static struct walked *find_walked(struct run *v, const uint8_t segment_id[16])
{
	for (size_t i = 0; i < v->count; i++)
		if (v->walked[i].readable && memcmp(v->walked[i].segment_id, segment_id, 16) == 0)
			return &v->walked[i];
	return NULL;
}

static bool is_retired(const struct run *v, const uint8_t segment_id[16])
{
	struct ledger_item item;

	for (size_t i = 0; i < v->mention_count; i++)
		if (memcmp(v->mentions[i].segment_id, segment_id, 16) == 0 &&
		    ledger_parse(buf_view(&v->ledger), v->mentions[i].offset, &item) &&
		    item.head.kind == FORMAT_LEDGER_RETIRED)
			return true;
	return false;
}

/* The digest of the segment's first bytes; ERR_MORE: it has not that many. */
static enum err digest_of(struct run *v, const struct walked *w, uint64_t bytes,
			  uint8_t ret_digest[32])
{
	struct bytes part;
	enum err e;

	if (w->bytes == bytes) {
		memcpy(ret_digest, w->digest, 32);
		return OK;
	}
	e = files_load(w->path, SEGMENT_FILE_MAX, &v->image);
	if (e)
		return e;
	if (v->image.len < bytes)
		return ERR_MORE;
	part = bytes_slice(buf_view(&v->image), 0, (size_t)bytes);
	file_digest_of(part, ret_digest);
	return OK;
}

static enum err judge_segment(struct passage *p, const struct checkpoint_found *f)
{
	static const uint8_t none[16];
	struct run *v = p->v;
	bool part = v->options->segment || v->options->day;
	struct walked *w = find_walked(v, f->c.segment_id);
	uint8_t digest[32];
	enum err e;

	if (memcmp(f->c.segment_id, none, sizeof none) == 0)
		return OK;
	if (!w) {
		if (!part && !is_retired(v, f->c.segment_id))
			tell(p, VERDICT_TAMPERED, "witness_segment", f->offset, f->c.number,
			     "the segment that this checkpoint speaks of is gone");
		return OK;
	}
	e = digest_of(v, w, f->c.bytes, digest);
	if (e == ERR_NOMEM)
		return e;
	if (e == ERR_MORE)
		verify_tell(v, VERDICT_TAMPERED, "witness_cut", w->path, w->bytes, w->next_sequence,
			    "a checkpoint has signed more of this segment than there is");
	else if (!e && !seal_equal(digest, f->c.digest))
		verify_tell(v, VERDICT_TAMPERED, "witness_digest", w->path, NO_OFFSET, NO_SEQUENCE,
			    "the bytes of this file are not those that a checkpoint has signed");
	return OK;
}

static void judge_ledger(struct passage *p, const struct checkpoint_found *f)
{
	const struct run *v = p->v;
	uint64_t entries = f->c.ledger_entries;

	if (v->options->segment || entries == 0)
		return;
	if (entries > v->chain_count)
		tell(p, VERDICT_TAMPERED, "witness_ledger", f->offset, f->c.number,
		     "the ledger has fewer entries than this checkpoint has signed");
	else if (!seal_equal(v->chains[entries - 1], f->c.ledger_chain))
		tell(p, VERDICT_TAMPERED, "witness_ledger", f->offset, f->c.number,
		     "the ledger is not the one that this checkpoint has signed");
}

static enum err judge_log(struct passage *p, const struct checkpoint_found *f)
{
	if (f->c.number < p->judge_from)
		return OK;
	judge_ledger(p, f);
	return judge_segment(p, f);
}

/* ---- a file of checkpoints ---- */

static void tell_signature(struct passage *p, const struct checkpoint_found *f)
{
	if (!checkpoint_is_signed(&f->c))
		tell(p, VERDICT_TAMPERED, "checkpoint_forged", f->offset, f->c.number,
		     "the signature of this checkpoint is wrong");
}

static void tell_found(struct passage *p, const struct checkpoint_found *f)
{
	if (!p->any && !p->outside && f->c.kind != FORMAT_CHECKPOINT_FIRST)
		tell(p, VERDICT_TAMPERED, "checkpoint_missing", f->offset, f->c.number,
		     "the first checkpoints are missing");
	if (!f->numbered)
		tell(p, VERDICT_TAMPERED, "checkpoint_missing", f->offset, f->c.number,
		     "checkpoints before this one are missing, or it stands twice");
	else if (!f->chained)
		tell(p, VERDICT_TAMPERED, "checkpoint_chain", f->offset, f->c.number,
		     "this checkpoint does not follow on the one before it");
	if (!f->key_right)
		tell(p, VERDICT_TAMPERED, "checkpoint_key", f->offset, f->c.number,
		     "this checkpoint is signed with another key than the one that was due");
	/* Signed later on, by the digest in the next one, are those in between. */
	if (checkpoint_evolves(&f->c))
		tell_signature(p, f);
}

/* Of the checkpoints of one segment the last says everything that the others do. */
static enum err pass(struct passage *p, struct bytes file)
{
	struct checkpoint_reader r;
	struct checkpoint_found f;
	enum err e, problem = OK;

	checkpoint_reader_init(&r, file);
	while (!problem && (e = checkpoint_next(&r, &f)) != ERR_END) {
		if (e == ERR_TORN || e == ERR_BAD) {
			tell(p, e == ERR_TORN ? VERDICT_INCOMPLETE : VERDICT_TAMPERED,
			     e == ERR_TORN ? "checkpoint_torn" : "checkpoint_changed", f.offset,
			     NO_SEQUENCE,
			     e == ERR_TORN ? "the last checkpoint is incomplete: the collector was "
					     "killed, or the copy ends there"
					   : "these bytes are no checkpoint: changed or foreign");
			continue;
		}
		tell_found(p, &f);
		if (p->any && memcmp(p->last.c.segment_id, f.c.segment_id, 16) != 0)
			problem = judge_log(p, &p->last);
		p->any = true;
		p->last = f;
		if (!p->outside)
			p->v->result.checkpoints++;
	}
	if (!problem && p->any) {
		tell_signature(p, &p->last);
		problem = judge_log(p, &p->last);
	}
	return problem;
}

/* ---- the outside copy against the log's own ---- */

static void compare(struct passage *outside, struct bytes own)
{
	struct checkpoint_reader mine, theirs;
	struct checkpoint_found m = {.c.number = 0}, t;
	enum err e = OK, next = ERR_MORE;

	checkpoint_reader_init(&mine, own);
	checkpoint_reader_init(&theirs, buf_view(&outside->v->witness));
	while ((e = checkpoint_next(&theirs, &t)) != ERR_END) {
		if (e)
			continue;
		while (next != ERR_END && (next || m.c.number < t.c.number))
			next = checkpoint_next(&mine, &m);
		if (next == ERR_END) {
			tell(outside, VERDICT_TAMPERED, "checkpoint_cut", t.offset, t.c.number,
			     "the outside copy has this checkpoint, the log has not: the log was "
			     "cut or put back to an older state");
			return;
		}
		if (m.c.number != t.c.number || !seal_equal(m.digest, t.digest)) {
			tell(outside, VERDICT_TAMPERED, "checkpoint_replaced", t.offset, t.c.number,
			     "the outside copy's checkpoint of this number is another than the "
			     "log's");
			return;
		}
	}
}

static enum err check_witness(struct run *v, const struct passage *own)
{
	struct passage p = {.v = v, .path = v->options->checkpoints, .outside = true};
	uint64_t behind_ns;
	enum err e;

	p.judge_from = own->any ? own->last.c.number + 1 : 0;
	e = pass(&p, buf_view(&v->witness));
	if (e)
		return e;
	if (!p.any) {
		verify_tell(v, VERDICT_UNWITNESSED, "no_witness", p.path, NO_OFFSET, NO_SEQUENCE,
			    "the outside copy of the checkpoints cannot be read or holds none");
		return OK;
	}
	v->result.witnessed = true;
	v->result.witness_ns = p.last.c.time_ns;
	compare(&p, buf_view(&v->checkpoints));
	behind_ns = own->any && own->last.c.time_ns > p.last.c.time_ns
			    ? own->last.c.time_ns - p.last.c.time_ns
			    : 0;
	if (behind_ns > STALE_NS)
		verify_tell(v, VERDICT_UNWITNESSED, "stale_witness", p.path, p.last.offset,
			    p.last.c.number,
			    "the outside copy ends more than five minutes before the log's own "
			    "checkpoints: nobody has witnessed what came later");
	return OK;
}

/* ---- both ---- */

enum err verify_load_checkpoints(struct run *v)
{
	struct buf path = {0};
	enum err e = put_path(v, CHECKPOINT_FILE, &path);

	if (!e)
		e = files_load((const char *)path.at, CHECKPOINT_BYTES_MAX, &v->checkpoints);
	v->has_checkpoints = e == OK;
	if (e && e != ERR_NOMEM && e != ERR_MISSING)
		verify_tell(v, VERDICT_CANNOT, "unreadable", (const char *)path.at, NO_OFFSET,
			    NO_SEQUENCE, "the checkpoints cannot be read");
	if (e != ERR_NOMEM && v->options->checkpoints) {
		e = files_load(v->options->checkpoints, CHECKPOINT_BYTES_MAX, &v->witness);
		if (e && e != ERR_NOMEM)
			buf_reset(&v->witness);
	}
	buf_done(&path);
	return e == ERR_NOMEM ? e : OK;
}

enum err verify_check_checkpoints(struct run *v)
{
	struct buf path = {0}, state_path = {0};
	struct passage own = {.v = v};
	uint64_t bytes;
	enum err e = put_path(v, CHECKPOINT_FILE, &path);

	if (!e)
		e = put_path(v, CHECKPOINT_STATE_FILE, &state_path);
	if (e)
		goto out;
	own.path = (const char *)path.at;
	e = pass(&own, buf_view(&v->checkpoints));
	if (e)
		goto out;
	if (own.any)
		v->result.signed_ns = own.last.c.time_ns;
	/* Somebody who signs here, or a witness of that, but no signatures: they were taken away.
	 */
	if (!own.any && (v->witness.len || files_size((const char *)state_path.at, &bytes) == OK))
		tell(&own, VERDICT_TAMPERED, "checkpoint_missing", NO_OFFSET, NO_SEQUENCE,
		     "the log's own checkpoints are gone");
	if (v->options->checkpoints)
		e = check_witness(v, &own);
out:
	buf_done(&path);
	buf_done(&state_path);
	return e;
}
