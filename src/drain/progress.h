/* SPDX-License-Identifier: MIT
 *
 * progress: how far a source is, as bytes:
 *
 *     magic, version u16, flags u16, ledger place (entries u64, offset u64, MAC), first day u32,
 *     last day u32; then per segment:
 *       1, digest of its path u64, day u32             everything in it is acknowledged
 *       2, flags u8, id, started u64, read u32, resume offset u32, resume sequence u32,
 *          damaged u32, path (u8 length, bytes), count of spots (varint), spots
 *       0                                              no more
 *     CRC-32C u32 of all bytes before
 *
 * A *spot* is the offset of a record before `read` that is not acknowledged: varint of twice the
 * distance from the spot before, plus 1 when its exchange was told without waiting further.
 * Little-endian. Pure; any bytes are harmless.
 */
#ifndef AIGW_DRAIN_PROGRESS_H
#define AIGW_DRAIN_PROGRESS_H

#include "drain/ledger_walk.h"

#define PROGRESS_VERSION 1
#define PROGRESS_DAY_MAX 2932896u /* 9999-12-31 */

struct progress_head {
	bool single; /* the spots are all there is to tell */
	bool sealed; /* of a source whose items are whole segments */
	bool lost;   /* openings of days before the first, behind the place, are done too */
	/* Of the segments opened before this place all is acknowledged but what is listed. */
	struct ledger_place ledger;
	/* Days since 1970. Before the first: acknowledged but what is listed. Behind the last:
	 * never looked at. */
	uint64_t first_day, last_day;
};

struct progress_segment {
	bool done;
	uint64_t path_digest; /* done */
	uint64_t day;         /* done */
	bool unopened_told;
	uint8_t id[16];
	uint64_t started_ns;
	uint32_t read; /* records that begin before are acknowledged, or stand in the spots */
	uint32_t resume_offset, resume_sequence; /* the first record to be read again */
	uint32_t damaged;
	struct bytes path; /* "DAY/NAME.aigw", at most 255 bytes, without odd ones */
	size_t spot_count;
	struct bytes spots;
};

struct progress_spot {
	uint32_t offset;
	bool last;
};

/* Puts the head; then segments follow, each with its spots (in order, as many as it says, all
 * before `read`; `spots` is not looked at), then the end. ERR_NOMEM, ERR_LIMIT (of *out). */
MUST_USE enum err progress_put_head(struct buf *out, const struct progress_head *head);
MUST_USE enum err progress_put_segment(struct buf *out, const struct progress_segment *segment);
MUST_USE enum err progress_put_spot(struct buf *out, uint32_t before, struct progress_spot spot);
MUST_USE enum err progress_put_end(struct buf *out);

/* OK, ERR_BAD, ERR_UNSUPPORTED (a newer version). *ret_rest is for progress_next_segment.
 * Everything is checked here. */
MUST_USE enum err progress_parse(struct bytes file, struct progress_head *ret_head,
				 struct bytes *ret_rest);
/* OK, ERR_END; ERR_BAD only for bytes that progress_parse did not give. */
MUST_USE enum err progress_next_segment(struct bytes *rest, struct progress_segment *ret_segment);
/* The next of segment.spots; `before` is the offset of the one before, 0 at first. As above. */
MUST_USE enum err progress_next_spot(struct bytes *spots, uint32_t before,
				     struct progress_spot *ret_spot);

/* Is it "DAY/NAME.aigw", a plain file below an audit directory? */
bool progress_is_path(struct bytes path, uint64_t *ret_day);
/* What stands for a path, in 64 bits. */
uint64_t progress_path_digest(struct bytes path);

#endif
