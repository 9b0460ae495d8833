/* SPDX-License-Identifier: MIT */
#include "index.h"

#include <stdlib.h>
#include <string.h>

#include "audit/frame.h"
#include "base/sys.h"

#define BLOCK_MAGIC                                                                                \
	"\xA1"                                                                                     \
	"gwi"

_Static_assert(sizeof(struct index_head) == 304, "struct index_head");
_Static_assert(INDEX_SEALED_BYTES == 200, "struct index_head");

/* ---- reading ---- */

enum err index_parse(struct bytes bytes, struct index_head *ret_head)
{
	struct index_head h;

	if (bytes.len < sizeof h)
		return ERR_MORE;
	memcpy(&h, bytes.at, sizeof h);
	if (memcmp(h.magic, BLOCK_MAGIC, sizeof h.magic) != 0 || h.records == 0 ||
	    h.records > INDEX_BLOCK_RECORDS || h.id_count > h.records || h.from >= h.to ||
	    h.to > SEGMENT_BYTES_MAX + (uint64_t)2 * SEGMENT_RECORD_MAX ||
	    h.first_sequence > FRAME_SEQUENCE_MAX || h.time_min_ns > h.time_max_ns)
		return ERR_BAD;
	*ret_head = h;
	return OK;
}

static void mark_of(uint64_t offset, uint64_t sequence, const uint8_t chain[32],
		    const uint8_t key[32], struct segment_mark *ret_mark)
{
	ret_mark->offset = offset;
	ret_mark->sequence = sequence;
	ret_mark->has_chain = true;
	memcpy(ret_mark->chain, chain, sizeof ret_mark->chain);
	memcpy(ret_mark->key, key, sizeof ret_mark->key);
}

enum err index_open(const struct index_head *head, const uint8_t key[32],
		    struct segment_mark *ret_before, struct segment_mark *ret_behind)
{
	uint8_t keys[sizeof head->sealed_keys];
	enum err e = seal_decrypt(SEAL_XCHACHA20_POLY1305, key, head->nonce,
				  bytes_of(head, INDEX_SEALED_BYTES),
				  bytes_of(head->sealed_keys, sizeof keys), head->tag, keys);

	if (!e) {
		mark_of(head->from, head->first_sequence, head->chain_before, keys, ret_before);
		mark_of(head->to, head->first_sequence + head->records, head->chain_behind,
			keys + SEAL_KEY_BYTES, ret_behind);
	}
	wipe(keys, sizeof keys);
	return e;
}

bool index_ids_fit(const struct index_head *head, struct bytes ids)
{
	uint8_t digest[32];

	if (ids.len != (size_t)head->id_count * INDEX_ID_BYTES)
		return false;
	seal_digest(NULL, &ids, 1, digest);
	return seal_equal(digest, head->ids_digest);
}

/* 26 characters of five bits make 130: the first two are zero in a ULID. Missing characters are
 * taken for `fill`. False: no ULID begins like this. */
static bool parse_ulid(struct bytes text, char fill, uint8_t ret_id[INDEX_ID_BYTES])
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint8_t id[INDEX_ID_BYTES] = {0};

	if (text.len > ULID_CHARS)
		return false;
	for (size_t i = 0; i < ULID_CHARS; i++) {
		char c = (char)(i < text.len ? text.at[i] : fill);
		const char *digit = c ? strchr(digits, c) : NULL;
		unsigned value = digit ? (unsigned)(digit - digits) : 0;
		if (!digit || (i == 0 && i < text.len && value > 7))
			return false;
		for (size_t b = 0; b < 5; b++) {
			size_t bit = i * 5 + b; /* the first two fall away */
			if (bit >= 2 && (value >> (4 - b) & 1))
				id[(bit - 2) / 8] |= (uint8_t)(1u << (7 - (bit - 2) % 8));
		}
	}
	memcpy(ret_id, id, sizeof id);
	return true;
}

bool index_spans_prefix(const struct index_head *head, struct bytes prefix)
{
	uint8_t low[INDEX_ID_BYTES], high[INDEX_ID_BYTES];

	return parse_ulid(prefix, '0', low) && parse_ulid(prefix, 'Z', high) && head->id_count &&
	       memcmp(low, head->id_max, sizeof low) <= 0 &&
	       memcmp(high, head->id_min, sizeof high) >= 0;
}

bool index_has_prefix(struct bytes ids, struct bytes prefix)
{
	uint8_t low[INDEX_ID_BYTES], high[INDEX_ID_BYTES];
	size_t from = 0, to = ids.len / INDEX_ID_BYTES;

	if (!parse_ulid(prefix, '0', low) || !parse_ulid(prefix, 'Z', high))
		return false;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (memcmp(ids.at + middle * INDEX_ID_BYTES, low, INDEX_ID_BYTES) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from < ids.len / INDEX_ID_BYTES &&
	       memcmp(ids.at + from * INDEX_ID_BYTES, high, INDEX_ID_BYTES) <= 0;
}

void index_key(const struct identity *identity, const char *directory, uint8_t ret_key[32])
{
	struct bytes parts[] = {BYTES("aigw index key v1"), bytes_str(directory)};

	seal_digest(identity->secret_key, parts, 2, ret_key);
}

/* ---- making ---- */

enum err index_maker_add(struct index_maker *m, uint64_t time_ns, struct bytes id)
{
	uint8_t binary[INDEX_ID_BYTES];
	enum err e = OK;

	if (id.len == ULID_CHARS && parse_ulid(id, '0', binary)) {
		size_t have = m->ids.len;
		/* A request and its answer mostly follow on each other. */
		if (have < sizeof binary ||
		    memcmp(m->ids.at + have - sizeof binary, binary, sizeof binary) != 0)
			e = buf_put(&m->ids, bytes_of(binary, sizeof binary));
	} else if (id.len) {
		m->flags |= INDEX_ODD_IDS;
	}
	if (m->records == 0 || time_ns < m->time_min_ns)
		m->time_min_ns = time_ns;
	if (m->records == 0 || time_ns > m->time_max_ns)
		m->time_max_ns = time_ns;
	m->records++;
	return e;
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, INDEX_ID_BYTES);
}

enum err index_maker_put(struct index_maker *m, const uint8_t key[32], const uint8_t segment_id[16],
			 const struct segment_mark *before, const struct segment_mark *behind,
			 struct buf *out)
{
	struct bytes ids = buf_view(&m->ids);
	uint8_t keys[2 * SEAL_KEY_BYTES];
	struct index_head h = {
		.id_count = (uint32_t)(ids.len / INDEX_ID_BYTES),
		.from = before->offset,
		.to = behind->offset,
		.first_sequence = before->sequence,
		.records = m->records,
		.flags = m->flags,
		.time_min_ns = m->time_min_ns,
		.time_max_ns = m->time_max_ns,
	};
	enum err e = sys_random(h.nonce, sizeof h.nonce);

	if (e)
		return e;
	if (ids.len) {
		qsort(m->ids.at, h.id_count, INDEX_ID_BYTES, compare_ids);
		memcpy(h.id_min, ids.at, INDEX_ID_BYTES);
		memcpy(h.id_max, ids.at + ids.len - INDEX_ID_BYTES, INDEX_ID_BYTES);
	}
	memcpy(h.magic, BLOCK_MAGIC, sizeof h.magic);
	memcpy(h.segment_id, segment_id, sizeof h.segment_id);
	memcpy(h.chain_before, before->chain, sizeof h.chain_before);
	memcpy(h.chain_behind, behind->chain, sizeof h.chain_behind);
	seal_digest(NULL, &ids, 1, h.ids_digest);
	memcpy(keys, before->key, SEAL_KEY_BYTES);
	memcpy(keys + SEAL_KEY_BYTES, behind->key, SEAL_KEY_BYTES);
	seal_encrypt(SEAL_XCHACHA20_POLY1305, key, h.nonce, bytes_of(&h, INDEX_SEALED_BYTES),
		     bytes_of(keys, sizeof keys), h.sealed_keys, h.tag);
	wipe(keys, sizeof keys);
	e = buf_put(out, bytes_of(&h, sizeof h));
	if (!e)
		e = buf_put(out, ids);
	m->records = m->flags = 0;
	buf_reset(&m->ids);
	return e;
}

void index_maker_done(struct index_maker *m)
{
	buf_done(&m->ids);
	*m = (struct index_maker){0};
}
