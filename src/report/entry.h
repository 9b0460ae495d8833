/* SPDX-License-Identifier: MIT
 *
 * entry: one thing that a log tells: an exchange put together from its records, or a record that
 * stands for itself. Looking into it, and whether a filter lets it pass.
 */
#ifndef AIGW_REPORT_ENTRY_H
#define AIGW_REPORT_ENTRY_H

#include "audit/segment.h"

/* A process as its `start` record told, one per segment. */
struct log_process {
	struct buf fields; /* the start record */
	char boot_id[37];
	uint64_t pid;
	uint64_t started_ns; /* when the segment was opened */
	bool gone;           /* found to be over; does not become false again */
};

#define ENTRY_KEY_CHARS (ULID_CHARS + 24)

struct log_entry {
	enum record_kind kind;     /* REC_REQUEST: an exchange */
	char id[ULID_CHARS + 1];   /* "" when the record has none */
	char key[ENTRY_KEY_CHARS]; /* the id and, with a collector, whose it is */
	uint64_t time_ns;
	uint64_t order;              /* ties of time */
	struct log_process *process; /* of the log; never NULL */
	struct buf
		fields; /* records' fields one behind the other, without bodies: later ones count */
	struct buf request_body, response_body;   /* empty unless they were asked for */
	bool has_request_body, has_response_body; /* kept in the log */
	bool answered; /* a response or aborted record was seen, or it was refused */
	bool orphan;   /* a response without its request: that record is damaged or missing */
	bool told;     /* for `tail`: printed already */
};

struct log_filter {
	uint64_t since_ns, until_ns;  /* until_ns 0: no end */
	struct bytes provider, model; /* patterns; empty: any */
	struct bytes action, environment, application;
	struct bytes id_prefix; /* upper case */
	bool without_starts;    /* the start record of each process is left out */
	bool without_accesses;  /* ... and that somebody has read the log */
	bool exchanges_only; /* other kinds are left out; so do filters that only exchanges have */
};

void entry_free(struct log_entry *entry);

/* The last value of that field in the entry, else in its process; ERR_MISSING. */
MUST_USE enum err entry_find(const struct log_entry *entry, enum field f, struct bytes *ret_value);
MUST_USE enum err entry_find_u64(const struct log_entry *entry, enum field f, uint64_t *ret_value);
/* As entry_find, empty when missing. */
struct bytes entry_text(const struct log_entry *entry, enum field f);
/* "complete", "refused", ...; "killed" or "in_progress" when no answer was recorded. */
struct bytes entry_outcome(const struct log_entry *entry);
/* True while the process that wrote the entry still runs on this host. */
bool log_process_runs(struct log_process *process);

/* True when the filter lets the entry pass. */
bool entry_passes(const struct log_entry *entry, const struct log_filter *filter);

#endif
