/* SPDX-License-Identifier: MIT
 *
 * evidence: checking what `aigw evidence` wrote with nothing but that text: the records of one
 * exchange, sealed as they stand in the log, the keys of these records alone, and what places them
 * in their segment: its header, the head and tag of every frame (or the whole file), and the
 * ledger's entries about it. The statement is described in docs/audit-format.md.
 *
 * Pure: no file, no clock. Every byte of the text may be hostile.
 */
#ifndef AIGW_TOOL_EVIDENCE_H
#define AIGW_TOOL_EVIDENCE_H

#include "audit/segment.h"
#include "signed.h"

#define EVIDENCE_TYPE         "aigw evidence"
#define EVIDENCE_LABEL        BYTES("aigw evidence v1\n")
#define EVIDENCE_VERSION      1
#define EVIDENCE_SEGMENTS_MAX 64
#define EVIDENCE_KEYS_MAX     65536u /* records of one exchange in one segment */

/* What holds of one segment. */
struct evidence_segment {
	struct bytes file;
	struct segment_header header;
	uint64_t frames, bytes;                /* of the chain that was walked; of the file by it */
	uint8_t chain[32];                     /* behind the last frame */
	uint8_t digest[32];                    /* of the file, when it is whole */
	bool whole;                            /* the whole file is here */
	bool opened, closed;                   /* the ledger's entries are here and fit */
	bool ended;                            /* the last frame is an end record */
	uint64_t opened_number, closed_number; /* of the ledger's entries */
};

struct evidence_check {
	void *context;
	/* A record whose sealed bytes opened with the key given for it; the plaintext lasts for the
	 * call. */
	enum err (*on_record)(void *context, const struct evidence_segment *segment,
			      const struct segment_record *record);
	void (*on_segment)(void *context, const struct evidence_segment *segment);
};

struct evidence_result {
	char id[ULID_CHARS + 1];
	uint64_t segments, records; /* records of the exchange, without start records */
	bool has_request, has_answer;
	bool all_closed, all_whole; /* of its segments */
	const char *problem;        /* after ERR_SEAL: what does not fit, for people */
};

/* OK: everything in it fits together. ERR_SEAL: something does not, see `problem`. ERR_BAD: not
 * evidence; ERR_UNSUPPORTED: of a later version; ERR_LIMIT; ERR_NOMEM; or what on_record says. */
MUST_USE enum err evidence_check(struct bytes statement, const struct evidence_check *check,
				 struct evidence_result *ret_result);

#endif
