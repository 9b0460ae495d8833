/* SPDX-License-Identifier: MIT
 *
 * retain: removes segments that are older than the policy's retain_days. Whole segments only; never
 * one that a hold keeps, that a required sink has not acknowledged, that is still written to, or
 * that differs from what the ledger says of it (that is evidence).
 *
 * In this order, so that a kill or a power cut at any moment leaves a log that verifies: a RETIRED
 * entry with digest, count and why goes into the ledger and to the disk; the file is renamed to
 * NAME.aigw.retired, which is no part of the log any more; its sealed secrets and those of its note
 * are overwritten in place, synced, and both files removed. The next run finishes what a killed one
 * began. Overwriting is what makes blocks that a file system keeps after an unlink useless; on file
 * systems that never overwrite in place (btrfs, ZFS) and on flash it is the best that can be done,
 * not a promise.
 *
 * The clock of the host decides what is old.
 */
#ifndef AIGW_AUDIT_RETAIN_H
#define AIGW_AUDIT_RETAIN_H

#include "audit/acked.h"
#include "audit/hold.h"

#define RETAIN_SUFFIX   ".retired" /* behind NAME.aigw */
#define RETAIN_DAYS_MAX 36500u

enum retain_outcome {
	RETAIN_REMOVED,  /* with dry_run: would be */
	RETAIN_FINISHED, /* what an earlier run began */
	RETAIN_HELD,
	RETAIN_UNACKED,
	RETAIN_OPEN,     /* its process still runs, or is not known to have ended */
	RETAIN_CHANGED,  /* not what the ledger says: `aigw verify` tells */
	RETAIN_UNLISTED, /* the ledger does not know it */
	RETAIN_FAILED,   /* err says why; nothing is lost */
};

const char *retain_outcome_name(enum retain_outcome o); /* "removed" */

struct retain_event { /* borrows; valid during the call */
	enum retain_outcome outcome;
	const char *path;
	uint64_t records, bytes;
	struct bytes by; /* HELD: the reason of the hold; UNACKED: the sink */
	enum err err;
};

struct retain_options {
	struct ledger_config ledger; /* the audit directory, who can read its ledger */
	const char *sinks_directory; /* of the sinks' files (acked.h); NULL: there are none */
	size_t required_count;       /* sinks that must have such a file, by name */
	const char *const *required;
	uint32_t days; /* 0: nothing is ever too old */
	uint64_t now_ns;
	bool dry_run;
	void *context;
	void (*on_event)(void *context, const struct retain_event *event); /* or NULL */
};

struct retain_result {
	uint64_t segments;                       /* older than `days` */
	uint64_t counts[RETAIN_FAILED + 1];      /* by outcome */
	uint64_t removed_records, removed_bytes; /* with dry_run: would be */
};

/* A segment of UTC day D goes at D + 1 + days, midnight UTC: its last record is kept for `days`
 * full days. OK: everything was looked at (see counts). ERR_MISSING (no such directory),
 * ERR_ACCESS, ERR_BAD (a required sink's name is none, or the ledger is no file), ERR_STATE
 * (another process retires or changes holds, for too long), ERR_NOMEM, ERR_IO. */
MUST_USE enum err retain(const struct retain_options *options, struct retain_result *ret_result);

#endif
