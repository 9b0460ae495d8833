/* SPDX-License-Identifier: MIT
 *
 * index_store: the index on disk, one file per day of the log below this user's state directory:
 * STATE/index/NAME/2026-11-24. Whatever is missing, damaged or does not fit is thrown away and made
 * again by the next reader; nothing here ever fails a command.
 *
 * One day at a time is in memory. Two commands at once are fine: who comes second adds nothing.
 */
#ifndef AIGW_TOOL_INDEX_STORE_H
#define AIGW_TOOL_INDEX_STORE_H

#include "audit/verify.h"
#include "index.h"

struct index_block {
	struct index_head head;
	uint64_t ids_at; /* in the day's file */
};

struct index_store {
	bool on;
	char *directory; /* STATE/index/NAME */
	uint8_t key[32];
	/* the day at hand */
	char day[SEGMENT_DAY_CHARS + 1]; /* "": none */
	struct index_block *blocks;      /* sorted by segment and offset */
	size_t count;
	uint64_t file_bytes; /* as it was loaded */
	int fd;              /* to read ids from; -1: none */
	bool stale;          /* to be thrown away */
	struct buf pending;  /* blocks to be added */
};

/* Off when `state` is NULL. The store derives its key from the identity. */
void index_store_init(struct index_store *s, const char *state, const char *directory,
		      const struct identity *identity);
/* Writes what is pending, wipes and frees. */
void index_store_done(struct index_store *s);

/* Makes that day the one at hand; the one before is written. */
void index_store_day(struct index_store *s, const char *day);
/* The blocks of a segment, NULL when there are none. */
const struct index_block *index_store_find(const struct index_store *s,
					   const uint8_t segment_id[16], size_t *ret_count);
/* False when the block surely has no id that begins with `prefix`. */
bool index_store_may_have(struct index_store *s, const struct index_block *block,
			  struct bytes prefix);
/* Removes the files of days that the log has not any more, and of days that have lost a segment,
 * with the keys in them: retention would be less than it says otherwise. `days` are sorted, of the
 * log in `directory`. Segments are looked for only where a day's directory has changed since. */
void index_store_prune(struct index_store *s, const char *directory,
		       char (*days)[SEGMENT_DAY_CHARS + 1], size_t count);
/* Removes what any index below `state` has of that day. */
void index_store_forget(const char *state, const char *day);
/* The day's file does not fit the log. */
void index_store_discard(struct index_store *s);

#endif
