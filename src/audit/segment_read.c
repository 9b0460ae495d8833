/* SPDX-License-Identifier: MIT */
#include "audit/segment.h"

#include <stdlib.h>
#include <string.h>

#include "audit/frame.h"
#include "audit/note.h"

/* Ratchet steps in all, over one per possible frame: what a file with its records in a wrong order
 * may cost. */
#define STEPS_EXTRA FRAME_SEQUENCE_MAX
/* The same for a reader that was resumed: its records follow one on the other. */
#define STEPS_EXTRA_RESUMED 64

struct segment_reader {
	struct bytes file;
	struct segment_header header;
	size_t at;     /* where the next frame should begin */
	uint64_t base; /* offset in the file of the first byte that is at hand */
	bool has_key, has_chain;
	bool resumed;    /* there is no key but those behind the mark */
	bool has_secret; /* and it fits the commitment */
	uint8_t secret[SEAL_KEY_BYTES], commitment[SEAL_DIGEST_BYTES];
	uint8_t first_key[SEAL_KEY_BYTES];
	uint8_t key[SEAL_KEY_BYTES]; /* k(key_sequence) */
	uint64_t key_sequence, steps_left, sequence;
	uint64_t rereads_left; /* bytes that may be looked at again after a record failed */
	uint8_t chain[SEAL_DIGEST_BYTES];
	uint8_t *plain;
	size_t plain_cap;
};

/* ---- the header ---- */

static void copy_text(char *to, const uint8_t *from, size_t len)
{
	memcpy(to, from, len);
	to[len] = '\0';
}

static enum err parse_header(struct bytes file, struct format_segment *ret_raw)
{
	struct format_segment raw;
	size_t known = file.len < sizeof raw.magic ? file.len : sizeof raw.magic;

	if (known && memcmp(file.at, FORMAT_SEGMENT_MAGIC, known) != 0)
		return ERR_BAD;
	if (file.len < sizeof raw)
		return ERR_TORN;
	memcpy(&raw, file.at, sizeof raw);
	if (raw.version > FORMAT_VERSION || raw.flags_incompatible != 0 ||
	    (raw.cipher != FORMAT_CIPHER_XCHACHA20_POLY1305 &&
	     raw.cipher != FORMAT_CIPHER_AES_256_GCM &&
	     raw.cipher != FORMAT_CIPHER_AES_256_GCM_TREE))
		return ERR_UNSUPPORTED;
	if (raw.version != FORMAT_VERSION || raw.recipient_count == 0 ||
	    raw.recipient_count > SEGMENT_RECIPIENTS_MAX ||
	    raw.header_bytes != sizeof raw + FORMAT_DIGEST_BYTES +
					raw.recipient_count * sizeof(struct format_recipient))
		return ERR_BAD;
	if (file.len < raw.header_bytes)
		return ERR_TORN;
	*ret_raw = raw;
	return OK;
}

/* Does record 0 open under k(0)? Decides between two header digests when one is damaged. */
static bool opens_first(struct segment_reader *r, const uint8_t first_key[32])
{
	struct segment_record record;
	enum err e;

	r->has_key = true;
	memcpy(r->first_key, first_key, SEAL_KEY_BYTES);
	memcpy(r->key, first_key, SEAL_KEY_BYTES);
	e = segment_next(r, &record);
	r->at = (size_t)r->header.bytes;
	r->key_sequence = r->sequence = 0;
	memcpy(r->key, first_key, SEAL_KEY_BYTES);
	return e == OK;
}

static void take_secret(struct segment_reader *r, const uint8_t secret[32])
{
	const uint8_t *stated = r->file.at + r->header.bytes - FORMAT_DIGEST_BYTES;
	uint8_t key[SEAL_KEY_BYTES];

	frame_start_key(secret, r->header.digest, key);
	if (r->header.changed && !opens_first(r, key)) {
		frame_start_key(secret, stated, key);
		(void)opens_first(r, key);
		frame_start_chain(stated, r->chain);
	} else {
		frame_start_chain(r->header.digest, r->chain);
	}
	r->has_key = r->has_chain = true;
	memcpy(r->first_key, key, sizeof key);
	memcpy(r->key, key, sizeof key);
	wipe(key, sizeof key);
}

/* Opens the first of `count` boxes that is sealed to one of the identities. */
static bool open_boxes(struct bytes boxes, size_t identity_count, const struct identity *identities,
		       uint8_t ret_secret[SEAL_KEY_BYTES], bool *ret_wrong)
{
	struct format_recipient box;

	for (; boxes.len >= sizeof box; boxes = bytes_from(boxes, sizeof box)) {
		memcpy(&box, boxes.at, sizeof box);
		for (size_t k = 0; k < identity_count; k++) {
			if (memcmp(identities[k].recipient.key_id, box.key_id, sizeof box.key_id))
				continue;
			if (seal_open_box(&identities[k], box.box, ret_secret) == OK)
				return true;
			*ret_wrong = true;
		}
	}
	return false;
}

static bool fits_commitment(const struct segment_reader *r, const uint8_t secret[SEAL_KEY_BYTES])
{
	uint8_t commitment[SEAL_DIGEST_BYTES];

	frame_commitment(secret, r->header.segment_id, commitment);
	return seal_equal(commitment, r->commitment);
}

static void find_secret(struct segment_reader *r, const struct format_segment *raw,
			size_t identity_count, const struct identity *identities)
{
	struct bytes boxes = bytes_slice(r->file, sizeof *raw,
					 raw->recipient_count * sizeof(struct format_recipient));
	uint8_t secret[SEAL_KEY_BYTES];

	memcpy(r->commitment, raw->commitment, sizeof r->commitment);
	if (open_boxes(boxes, identity_count, identities, secret, &r->header.seal_wrong)) {
		r->has_secret = fits_commitment(r, secret);
		if (!r->has_secret)
			r->header.seal_wrong = true;
		memcpy(r->secret, secret, sizeof r->secret);
		take_secret(r, secret);
	}
	wipe(secret, sizeof secret);
}

bool segment_reader_use_note(struct segment_reader *r, struct bytes note, size_t identity_count,
			     const struct identity *identities)
{
	uint8_t secret[SEAL_KEY_BYTES];
	struct note parsed;
	bool wrong =
		false; /* a note proves nothing: what does not fit is as if it were not there */

	if (r->has_key || note_parse(note, &parsed) != OK ||
	    memcmp(parsed.segment_id, r->header.segment_id, sizeof parsed.segment_id) != 0)
		return r->has_key;
	if (open_boxes(parsed.boxes, identity_count, identities, secret, &wrong) &&
	    fits_commitment(r, secret)) {
		r->has_secret = true;
		r->header.seal_wrong = false;
		memcpy(r->secret, secret, sizeof r->secret);
		take_secret(r, secret);
	}
	wipe(secret, sizeof secret);
	return r->has_key;
}

bool segment_reader_find_note(struct segment_reader *r, const char *path, size_t identity_count,
			      const struct identity *identities)
{
	struct buf note = {0};

	if (!r->has_key && identity_count && note_load(path, &note) == OK)
		segment_reader_use_note(r, buf_view(&note), identity_count, identities);
	buf_done(&note);
	return r->has_key;
}

bool segment_reader_secret(const struct segment_reader *r, uint8_t ret_secret[SEAL_KEY_BYTES])
{
	if (r->has_secret)
		memcpy(ret_secret, r->secret, sizeof r->secret);
	return r->has_secret;
}

enum err segment_reader_open(struct bytes file, size_t identity_count,
			     const struct identity *identities, struct segment_reader **ret_reader)
{
	struct segment_reader *r;
	struct format_segment raw;
	enum err e = parse_header(file, &raw);

	if (e)
		return e;
	r = calloc(1, sizeof *r);
	if (!r)
		return ERR_NOMEM;
	struct segment_header *h = &r->header;
	struct bytes covered = bytes_slice(file, 0, raw.header_bytes - FORMAT_DIGEST_BYTES);
	r->file = file;
	r->steps_left = STEPS_EXTRA + file.len / FORMAT_FRAME_MIN;
	r->rereads_left = 4 * (uint64_t)file.len;
	r->at = raw.header_bytes;
	h->bytes = raw.header_bytes;
	h->version = raw.version;
	h->cipher = raw.cipher;
	memcpy(h->segment_id, raw.segment_id, sizeof h->segment_id);
	memcpy(h->policy_digest, raw.policy_digest, sizeof h->policy_digest);
	copy_text(h->host, raw.host, sizeof raw.host);
	copy_text(h->boot_id, raw.boot_id, sizeof raw.boot_id);
	h->pid = raw.pid;
	h->started_ns = raw.started_ns;
	h->process_start = raw.process_start;
	h->ledger_entries = raw.ledger_entries;
	memcpy(h->ledger_chain, raw.ledger_chain, sizeof h->ledger_chain);
	seal_digest(NULL, &covered, 1, h->digest);
	h->changed = !seal_equal(h->digest, file.at + covered.len);
	h->recipient_count = raw.recipient_count;
	for (size_t i = 0; i < raw.recipient_count; i++)
		memcpy(h->recipient_key_ids[i],
		       file.at + sizeof raw + i * sizeof(struct format_recipient),
		       sizeof h->recipient_key_ids[i]);
	frame_start_chain(h->digest, r->chain);
	r->has_chain = !h->changed;
	find_secret(r, &raw, identity_count, identities);
	*ret_reader = r;
	return OK;
}

const struct segment_header *segment_reader_header(const struct segment_reader *r)
{
	return &r->header;
}

bool segment_reader_has_key(const struct segment_reader *r)
{
	return r->has_key;
}

uint64_t segment_reader_sequence(const struct segment_reader *r)
{
	return r->sequence;
}

bool segment_reader_chain(const struct segment_reader *r, uint8_t ret_chain[32])
{
	if (r->has_chain)
		memcpy(ret_chain, r->chain, sizeof r->chain);
	return r->has_chain;
}

void segment_reader_free(struct segment_reader *r)
{
	if (!r)
		return;
	if (r->plain) {
		wipe(r->plain, r->plain_cap);
		free(r->plain);
	}
	wipe(r, sizeof *r);
	free(r);
}

/* ---- records ---- */

static bool reach_key(struct segment_reader *r, uint64_t sequence, uint8_t ret_record_key[32]);

enum err segment_reader_mark(struct segment_reader *r, struct segment_mark *ret_mark)
{
	uint8_t unused[SEAL_KEY_BYTES];
	struct segment_mark mark = {.offset = r->base + r->at,
				    .sequence = r->sequence,
				    .has_chain = r->has_chain,
				    .cipher = (enum seal_cipher)r->header.cipher};

	/* k(sequence) is what the step to the key of the record before leaves. */
	if (r->has_key && r->key_sequence != r->sequence) {
		bool reached = r->sequence == 0 || reach_key(r, r->sequence - 1, unused);
		wipe(unused, sizeof unused);
		if (!reached)
			return ERR_LIMIT;
	}
	memcpy(mark.chain, r->chain, sizeof mark.chain);
	if (r->has_key)
		memcpy(mark.key, r->sequence ? r->key : r->first_key, sizeof mark.key);
	*ret_mark = mark;
	wipe(&mark, sizeof mark);
	return OK;
}

void segment_reader_extend(struct segment_reader *r, const struct segment_mark *mark,
			   struct bytes part)
{
	r->file = part;
	r->base = mark->offset;
	r->at = 0;
	r->sequence = mark->sequence;
	r->has_chain = mark->has_chain;
	memcpy(r->chain, mark->chain, sizeof r->chain);
	if (r->has_key) {
		memcpy(r->key, mark->key, sizeof r->key);
		r->key_sequence = mark->sequence;
	}
	r->steps_left += part.len / FORMAT_FRAME_MIN;
	r->rereads_left += 4 * (uint64_t)part.len;
}

enum err segment_reader_resume(const struct segment_mark *mark, struct bytes part,
			       struct segment_reader **ret_reader)
{
	struct segment_reader *r = calloc(1, sizeof *r);

	if (!r)
		return ERR_NOMEM;
	r->resumed = r->has_key = true;
	r->header.cipher = (uint16_t)mark->cipher;
	r->steps_left = STEPS_EXTRA_RESUMED;
	memcpy(r->first_key, mark->key, sizeof r->first_key);
	segment_reader_extend(r, mark, part);
	*ret_reader = r;
	return OK;
}

/* The key of record `sequence`, walking the ratchet from where it stands or from its start. */
static bool reach_key(struct segment_reader *r, uint64_t sequence, uint8_t ret_record_key[32])
{
	if (sequence < r->key_sequence) {
		if (r->resumed)
			return false;
		memcpy(r->key, r->first_key, sizeof r->key);
		r->key_sequence = 0;
	}
	if (sequence - r->key_sequence + 1 > r->steps_left)
		return false;
	r->steps_left -= sequence - r->key_sequence + 1;
	do
		frame_step(r->key, ret_record_key, r->key);
	while (r->key_sequence++ < sequence);
	return true;
}

static enum err reserve_plain(struct segment_reader *r, size_t len)
{
	uint8_t *at;

	if (len <= r->plain_cap)
		return OK;
	at = malloc(len);
	if (!at)
		return ERR_NOMEM;
	if (r->plain) {
		wipe(r->plain, r->plain_cap);
		free(r->plain);
	}
	r->plain = at;
	r->plain_cap = len;
	return OK;
}

/* Could a killed writer have left these last bytes? A prefix of the very frame that comes next, or
 * zeros: blocks that a power cut left unwritten. */
static bool looks_torn(const struct segment_reader *r, struct bytes tail)
{
	struct format_frame next = {.sequence = r->sequence}, head = {0};
	size_t n = tail.len < sizeof head ? tail.len : sizeof head;
	bool zeros = true;

	for (size_t i = 0; i < tail.len && zeros; i++)
		zeros = tail.at[i] == 0;
	if (zeros)
		return true;
	if (n == sizeof head && !frame_parse(tail, 0, &head))
		return false;
	memcpy(&head, tail.at, n);
	memcpy(next.magic, FORMAT_FRAME_MAGIC, sizeof next.magic);
	next.kind = head.kind;
	memcpy(next.previous, r->has_chain ? r->chain : head.previous, sizeof next.previous);
	next.time_ns = head.time_ns;
	size_t compared = offsetof(struct format_frame, nonce);
	return memcmp(&next, &head, n < compared ? n : compared) == 0;
}

/* Bytes that are no frame, up to the next head or the end. */
static enum err pass_bad(struct segment_reader *r, struct segment_record *ret_record)
{
	size_t next = frame_find(r->file, r->at + 1);
	bool torn = next >= r->file.len && looks_torn(r, bytes_from(r->file, r->at));

	*ret_record = (struct segment_record){
		.sequence = r->sequence,
		.offset = r->base + r->at,
		.end = r->base + next,
		.chained = true,
	};
	r->at = next;
	r->has_chain = false;
	return torn ? ERR_TORN : ERR_BAD;
}

enum err segment_next(struct segment_reader *r, struct segment_record *ret_record)
{
	uint8_t record_key[SEAL_KEY_BYTES];
	struct format_frame head;
	enum err e = OK;

	if (r->at >= r->file.len)
		return ERR_END;
	if (!frame_parse(r->file, r->at, &head) ||
	    r->file.len - r->at < FORMAT_FRAME_MIN + head.body_bytes)
		return pass_bad(r, ret_record);
	if (r->has_key && (e = reserve_plain(r, head.body_bytes)))
		return e;

	struct bytes whole = bytes_slice(r->file, r->at, FORMAT_FRAME_MIN + head.body_bytes);
	struct bytes body = bytes_slice(whole, sizeof head, head.body_bytes);
	const uint8_t *tag = whole.at + whole.len - FORMAT_TAG_BYTES;
	struct segment_record record = {
		.kind = (enum record_kind)head.kind,
		.sequence = head.sequence,
		.time_ns = head.time_ns,
		.offset = r->base + r->at,
		.end = r->base + r->at + whole.len,
		.chained = !r->has_chain || memcmp(head.previous, r->chain, 32) == 0,
	};
	if (r->has_key) {
		e = ERR_SEAL;
		if (reach_key(r, head.sequence, record_key))
			e = seal_decrypt((enum seal_cipher)r->header.cipher, record_key, head.nonce,
					 bytes_slice(whole, 0, sizeof head), body, tag, r->plain);
		wipe(record_key, sizeof record_key);
		record.opened = !e;
		if (!e)
			record.plain = bytes_of(r->plain, head.body_bytes);
	}
	frame_chain(&head, tag, r->chain);
	r->has_chain = true;
	if (e) {
		/* Its length cannot be trusted either: other records may be hidden in it. (Within
		 * reason: bodies that overlap over and over are a way to keep a reader busy.) */
		struct bytes around = bytes_slice(r->file, r->at, whole.len + sizeof head - 1);
		size_t next = whole.len <= r->rereads_left ? frame_find(around, 1) : whole.len;
		if (next < whole.len) {
			r->rereads_left -= whole.len;
			record.end = r->base + r->at + next;
			r->has_chain = false;
		}
	}
	/* Resumed, what cannot be reached is passed over: what follows may go on where we are. */
	r->sequence = r->resumed ? r->key_sequence : head.sequence + 1;
	r->at = (size_t)(record.end - r->base);
	*ret_record = record;
	return e;
}
