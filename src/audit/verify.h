/* SPDX-License-Identifier: MIT
 *
 * verify: is the log whole? Checks segments, chains, seals and the ledger of an audit directory and
 * tells every finding with file, offset and sequence. Never changes a file.
 */
#ifndef AIGW_AUDIT_VERIFY_H
#define AIGW_AUDIT_VERIFY_H

#include "audit/segment.h"

/* The verdict, also the exit status of `aigw verify` (auditlog.md). */
enum verdict {
	VERDICT_WHOLE = 0,
	VERDICT_TAMPERED = 1,
	VERDICT_INCOMPLETE =
		2, /* consistent, and what is missing is explained (killed process...) */
	VERDICT_UNWITNESSED = 3, /* a required outside witness is missing or stale */
	VERDICT_CANNOT = 4,      /* cannot verify: no such log, no permission */
};

const char *verdict_name(enum verdict v); /* "whole", "tampered", ... */

struct finding {
	enum verdict severity;
	const char *code;  /* "changed", "missing_record", "torn_tail", "no_end", ...: constant;
			    * all of them stand in docs/audit-format.md */
	const char *path;  /* file */
	uint64_t offset;   /* in the file; UINT64_MAX: none */
	uint64_t sequence; /* UINT64_MAX: none */
	const char *text;  /* a sentence: what it means */
};

struct verify_options {
	const char *directory;   /* the audit directory, or NULL when `segment` is given */
	const char *segment;     /* one file only */
	const char *day;         /* "2026-11-24" only, or NULL */
	const char *checkpoints; /* a copy of a collector's checkpoints from outside, or NULL */
	size_t identity_count;
	const struct identity *identities;
	/* With recipients (those of the log): segments that a killed process left open get a note
	 * in the ledger, which says how long they were found, and a file NAME.aigw.note for people.
	 * No segment is changed, nothing is shortened. Not with `segment`. */
	size_t repair_count;
	const struct recipient *repair_recipients;
	void *context; /* handed to the callbacks */
	void (*on_finding)(void *context, const struct finding *f);
	void (*on_progress)(void *context, uint64_t bytes_done, uint64_t bytes_total); /* or NULL */
};

struct verify_result {
	enum verdict verdict;
	uint64_t segments, records, bytes, findings;
	uint64_t open_segments;    /* of processes that still run */
	uint64_t repaired;         /* segments that were closed by a note */
	uint64_t unopened;         /* records no given identity could open */
	uint64_t retired_segments; /* removed by retention, as the ledger says */
	uint64_t retired_records;
	bool ledger_checked; /* a ledger was there and was compared with the segments */
	uint64_t ledger_entries;
	uint64_t ledger_unsealed; /* entries whose MAC no given identity could check */
	uint64_t checkpoints;     /* of the log's own */
	uint64_t signed_ns;       /* time of the last one; 0: there is none */
	bool witnessed;           /* an outside copy was compared */
	uint64_t witness_ns;      /* time of its last checkpoint */
};

/* Without identities frames, chains, the ledger's chain and the digests of closed files are
 * checked, not seals and MACs. Findings come one by one through on_finding while it runs.
 * ERR_MISSING or ERR_ACCESS (the directory), ERR_NOMEM, ERR_IO, ERR_USAGE (neither directory nor
 * segment): nothing was verified. A file that cannot be read is a finding. */
MUST_USE enum err verify(const struct verify_options *options, struct verify_result *ret_result);

/* ---- walking a log, for log, show, tail ---- */

#define SEGMENT_DAY_CHARS 10 /* "2026-11-24" */

struct segment_place {
	char path[SEGMENT_PATH_MAX];
	uint64_t bytes;
	bool has_id; /* the two below are what the file's header says, unchecked */
	uint8_t segment_id[16];
	uint64_t started_ns;
};

/* All segments below an audit directory, oldest first (by day directory, then start time, then
 * name). *ret_places is malloc'd, the caller frees it. ERR_MISSING: no such directory. */
MUST_USE enum err segment_list(const char *directory, struct segment_place **ret_places,
			       size_t *ret_count);
/* As segment_list, of the days from `first` to `last` only ("2026-11-24", both included; NULL: no
 * bound): other days are not looked into. */
MUST_USE enum err segment_list_days(const char *directory, const char *first, const char *last,
				    struct segment_place **ret_places, size_t *ret_count);
/* The names of the day directories, sorted, each with its NUL; malloc'd, the caller frees it. */
MUST_USE enum err segment_days(const char *directory, char (**ret_days)[SEGMENT_DAY_CHARS + 1],
			       size_t *ret_count);

#endif
