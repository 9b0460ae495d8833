/* SPDX-License-Identifier: MIT
 *
 * verify_run: one run of verify, shared by its parts: verify.c (what to look at, the verdict),
 * verify_segment.c (a segment by itself), verify_ledger.c (the ledger by itself), verify_judge.c
 * (segments against the ledger). Not for anybody else.
 */
#ifndef AIGW_AUDIT_VERIFY_RUN_H
#define AIGW_AUDIT_VERIFY_RUN_H

#include "audit/ledger.h"
#include "audit/verify.h"

#define SEGMENT_FILE_MAX ((size_t)SEGMENT_BYTES_MAX + SEGMENT_RECORD_MAX + (1u << 20))
#define NO_SEQUENCE      UINT64_MAX
#define NO_OFFSET        UINT64_MAX
#define BOOT_CHARS       36

/* What a walk over one segment's bytes told. */
struct walked {
	const char *path;  /* of the file */
	const char *below; /* "DAY/NAME", the end of path */
	bool readable;     /* its header could be used */
	bool changed;      /* the header was reported already */
	bool ended, torn, has_chain, in_ledger;
	bool alive; /* its process was there after it was read, and before the ledger was */
	uint8_t segment_id[16], header_digest[32], chain[32], digest[32], ledger_chain[32];
	uint8_t valid_digest[32]; /* up to the torn tail, if there is one */
	uint64_t pid, process_start, ledger_entries;
	uint64_t bytes, records, torn_at, next_sequence;
	char boot_id[41];
};

/* One ledger entry about a segment; the rest is decoded from the file again when needed. */
struct mention {
	uint8_t segment_id[16];
	size_t offset;
};

struct run {
	const struct verify_options *options;
	struct verify_result result;
	bool muted; /* a second walk over a file tells nothing twice */
	char boot_id[BOOT_CHARS + 1];
	struct buf image; /* of the file being read */
	char *base;       /* audit directory */
	struct segment_place *places;
	struct walked *walked;
	size_t count;
	struct walked **by_path; /* the same, sorted by `below` */
	/* the ledger */
	bool has_ledger, ledger_lost; /* lost: entries are missing, and an epoch says why */
	struct buf ledger, state;
	struct mention *mentions;
	size_t mention_count, mention_cap;
	uint8_t (*chains)[32]; /* after entry i */
	size_t chain_count, chain_cap;
	/* checkpoints: the log's own, loaded before everything they speak of, and the outside copy
	 */
	struct buf checkpoints, witness;
	bool has_checkpoints;
};

/* Reports a finding, unless muted. `path` need not outlive the call. */
void verify_tell(struct run *v, enum verdict severity, const char *code, const char *path,
		 uint64_t offset, uint64_t sequence, const char *text);

/* Is this the boot id of another start of the host than the present one? Not when it is empty. */
bool verify_other_boot(const struct run *v, const char *boot_id);

/* Does "DAY/NAME" belong to the day that was asked for, if one was? */
bool verify_of_day(const struct run *v, struct bytes below);

/* Reads a file (w->path) and walks it; *w is filled anew. Trouble with reading it is a finding.
 * ERR_NOMEM only. */
MUST_USE enum err verify_walk(struct run *v, struct walked *w);

/* Reads the ledger: findings, mentions, chains. ERR_NOMEM only. */
MUST_USE enum err verify_check_ledger(struct run *v);

/* Notes in the ledger how a segment was found that a killed process left open, when the options ask
 * for it. Trouble is a finding. */
void verify_repair(struct run *v, const struct walked *w);

/* Compares what was walked with what the ledger mentions. ERR_NOMEM only. */
MUST_USE enum err verify_judge(struct run *v);

/* Loads the checkpoints. ERR_NOMEM only. */
MUST_USE enum err verify_load_checkpoints(struct run *v);
/* Checks them, and the log and the outside copy against them. ERR_NOMEM only. */
MUST_USE enum err verify_check_checkpoints(struct run *v);

#endif
