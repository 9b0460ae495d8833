/* SPDX-License-Identifier: MIT
 *
 * index: which part of a segment holds which times and ids, so that a part of a long log can be
 * read alone. A run of blocks, each about up to INDEX_BLOCK_RECORDS records of one segment: where
 * they stand, their first and last time, their ids (ULIDs: a time and random bits), and the keys of
 * the ratchet before and behind them, sealed under a key that only the reader's secret key gives.
 * Free of content. The seal covers all of a block: nobody else can make one that hides records.
 *
 * Derived from the log and thrown away at will; never asked by `aigw verify`. This room is the
 * format alone, without files (index_store). All numbers little-endian. Pure but for the nonce.
 */
#ifndef AIGW_TOOL_INDEX_H
#define AIGW_TOOL_INDEX_H

#include "audit/segment.h"

#define INDEX_MAGIC                                                                                \
	"\x89"                                                                                     \
	"AIGWix1"
#define INDEX_MAGIC_BYTES   8
#define INDEX_BLOCK_RECORDS 512u
#define INDEX_ID_BYTES      16u
#define INDEX_ODD_IDS       1u /* an id that is no ULID: the ids do not tell what is not there */

/* A block as it stands in the file; `id_count` sorted ids follow. */
struct index_head {
	uint8_t magic[4];
	uint32_t id_count;
	uint8_t segment_id[16];
	uint64_t from, to; /* bytes of the segment's file */
	uint64_t first_sequence;
	uint32_t records;
	uint32_t flags;
	uint64_t time_min_ns, time_max_ns;
	uint8_t id_min[INDEX_ID_BYTES], id_max[INDEX_ID_BYTES]; /* zeros without ids */
	uint8_t chain_before[32], chain_behind[32];
	uint8_t ids_digest[32];
	uint8_t nonce[24];
	uint8_t sealed_keys[64]; /* k(first_sequence), k(first_sequence + records) */
	uint8_t tag[16];
};

#define INDEX_SEALED_BYTES offsetof(struct index_head, nonce) /* what the seal covers */

/* The head at the front of `bytes`: OK; ERR_BAD: none, or impossible numbers; ERR_MORE: cut. The
 * seal is not looked at. */
MUST_USE enum err index_parse(struct bytes bytes, struct index_head *ret_head);
/* Opens the seal: the marks before and behind the block's records. ERR_SEAL: not made with that
 * key, or changed. */
MUST_USE enum err index_open(const struct index_head *head, const uint8_t key[32],
			     struct segment_mark *ret_before, struct segment_mark *ret_behind);
/* Are these the ids that the head speaks of? */
bool index_ids_fit(const struct index_head *head, struct bytes ids);
/* Could there be, by the first and the last id alone? */
bool index_spans_prefix(const struct index_head *head, struct bytes prefix);
/* Is there an id that begins with `prefix` (characters as in a ULID, at most 26)? */
bool index_has_prefix(struct bytes ids, struct bytes prefix);

/* The key for one audit directory. */
void index_key(const struct identity *identity, const char *directory, uint8_t ret_key[32]);

/* A block being put together. Zero-initialised is empty. */
struct index_maker {
	uint32_t records, flags;
	uint64_t time_min_ns, time_max_ns;
	struct buf ids; /* INDEX_ID_BYTES each, unsorted */
};
/* Takes a record's time and its id ("" when it has none). ERR_NOMEM. */
MUST_USE enum err index_maker_add(struct index_maker *m, uint64_t time_ns, struct bytes id);
/* Appends the block to *out and empties the maker. ERR_NOMEM, ERR_IO (no randomness). */
MUST_USE enum err index_maker_put(struct index_maker *m, const uint8_t key[32],
				  const uint8_t segment_id[16], const struct segment_mark *before,
				  const struct segment_mark *behind, struct buf *out);
void index_maker_done(struct index_maker *m);

#endif
