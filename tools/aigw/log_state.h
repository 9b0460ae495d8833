/* SPDX-License-Identifier: MIT
 *
 * log_state: what log.c (entries) and log_read.c (segments, days) share. Not for anybody else.
 */
#ifndef AIGW_TOOL_LOG_STATE_H
#define AIGW_TOOL_LOG_STATE_H

#include "day.h"
#include "index_store.h"
#include "log.h"
#include "map.h"

/* What is known of one segment file between two passes. */
struct segment_state {
	struct log_segment told; /* for whoever asks */
	uint64_t bytes_seen;
	bool no_key, unreadable, ended;
	bool has_mark; /* where the next pass goes on */
	bool clean;    /* nothing wrong so far: what is read can be indexed */
	struct segment_mark mark;
	struct log_process *process;
};

struct log_state {
	struct map ids, segments, senders;
	struct log_process **sender_list; /* of what collectors kept */
	size_t sender_count, sender_cap;
	struct segment_state **segment_list;
	size_t segment_count, segment_cap, entry_cap;
	size_t waiting; /* exchanges without an answer */
	uint64_t order;
	char first_day[DAY_CHARS + 1]; /* "" : from the beginning */
	struct index_store index;
	struct index_maker maker;
	struct segment_mark maker_from;
	struct buf part; /* of the file being read */
};

void log_note_damage(struct log *l, const char *path, const char *what, uint64_t offset);
/* The record's id as text that is safe as a key; "" when it has none. */
void log_copy_id(struct bytes record, char ret_id[ULID_CHARS + 1]);
MUST_USE enum err log_take_record(struct log *l, const struct segment_record *r,
				  struct log_process *process);

#endif
