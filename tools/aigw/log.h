/* SPDX-License-Identifier: MIT
 *
 * log: the sealed records of an audit directory, put together into entries: one per exchange
 * (request, parts and response may stand in different segments), one per record of another kind.
 *
 * Works through the segments one at a time and keeps only fields; payloads are kept where asked
 * for. A log that is being appended to can be read again and again: log_read takes up what is new.
 * Damage is counted, never fatal: `aigw verify` is who judges.
 */
#ifndef AIGW_TOOL_LOG_H
#define AIGW_TOOL_LOG_H

#include "audit/verify.h"
#include "report/entry.h"

/* A segment as far as it was read. */
struct log_segment {
	char *path;
	struct segment_header header;
	bool any;                      /* a record was read: the three below count */
	uint64_t first, last, records; /* sequences, and how many were read */
	bool has_chain;
	uint8_t chain[32]; /* chain value after `last` */
};

struct log_options {
	const char *directory;
	size_t identity_count;
	const struct identity *identities;
	struct log_filter filter;
	bool with_headers, with_bodies;
	const char *state;   /* directory below which the index is kept; NULL: no index */
	bool following;      /* read again and again: days that are over are not looked at again */
	bool keep_running;   /* a limit never drops an exchange whose process still runs */
	const char *only_id; /* bodies of this one only; NULL: of all */
	/* Called for an exchange as soon as it is answered; true: the log may forget it. NULL:
	 * none. */
	bool (*on_answered)(void *context, struct log_entry *entry);
	/* Called for each record that opens, before it is put into an entry; NULL: none. */
	void (*on_record)(void *context, const struct log_segment *segment,
			  const struct segment_record *record);
	void (*on_progress)(void *context, uint64_t done, uint64_t total); /* bytes; or NULL */
	void *context;
};

struct log_damage {
	uint64_t records, unopened_segments, unreadable_files;
	char first[SEGMENT_PATH_MAX + 96]; /* the first of them, for people; "" when none */
};

struct log {
	struct log_options options;
	struct log_entry **entries; /* sorted by time after log_read */
	size_t entry_count;
	struct log_damage damage;
	uint64_t segments, records; /* seen so far */
	struct log_state *state;    /* private */
};

/* Starts a log. Nothing is read yet; `options` is copied, what it points to is borrowed. */
void log_init(struct log *l, const struct log_options *options);
void log_done(struct log *l);

/* Reads every record that was not read before, of segments of the days in the filter's range.
 * OK, ERR_MISSING (no such directory), ERR_ACCESS, ERR_IO. */
MUST_USE enum err log_read(struct log *l);
/* As log_read into a fresh log, but only as many of the newest days as are needed for `limit`
 * entries; then drops all but the newest `limit` (0: no limit). */
MUST_USE enum err log_read_newest(struct log *l, const struct log_options *options, uint64_t limit);
/* The segments that were read, in their order; NULL behind the last one. */
const struct log_segment *log_segment_at(const struct log *l, size_t i);
/* Frees the entries that were told, so that following does not grow. */
void log_forget_told(struct log *l);

#endif
