/* SPDX-License-Identifier: MIT
 *
 * What the parts of the feeder share: feed.c has the loop, feed_files.c what is kept in files.
 */
#ifndef AIGW_DRAIN_FEED_PART_H
#define AIGW_DRAIN_FEED_PART_H

#include "drain/dead.h"
#include "drain/event.h"
#include "drain/feed.h"
#include "drain/lane.h"
#include "drain/line.h"
#include "drain/source.h"
#include "drain/status.h"
#include "policy/load.h"

#define FEED_MS     1000000u
#define FEED_SECOND 1000000000u

struct feed_way { /* a line and the sender at its end */
	struct line line;
	struct lane lane;
	uint32_t failures; /* senders that ended, in a row */
	uint64_t restart_ns;
};

struct feed_dead { /* for retention: what a dead letter needs is not acknowledged */
	uint8_t segment_id[16];
	uint64_t offset;
};

struct feed {
	const struct feed_options *o;
	const struct drain *config;
	struct line_rules rules;
	struct lane_options lane_options;
	struct feed_way ways[DRAIN_CONCURRENCY_MAX];
	size_t way_count;

	struct source *source;
	struct source_item *pending; /* read, and no event yet: memory was short */
	struct event_maker maker;
	bool wants_payloads;
	size_t queued, queue_bytes, queue_bytes_max, queue_events_max;
	uint64_t read_again_ns;
	enum err read_err; /* the log cannot be read, by the last look */
	bool caught_up, pulse_queued;
	uint64_t pulse_ns;

	bool ending;
	uint64_t end_ns;

	/* files */
	char cursor_path[PATH_MAX_BYTES], now_path[PATH_MAX_BYTES], dead_path[PATH_MAX_BYTES];
	char replay_path[PATH_MAX_BYTES], status_path[PATH_MAX_BYTES], lock_path[PATH_MAX_BYTES];
	char name[ACKED_NAME_MAX + 1];
	int lock_fd;
	struct buf cursor;
	bool acked, unsaved; /* since the cursor was written; since it was synced */
	uint64_t saved_ns, said_ns, looked_ns;
	struct drain_status status, said;
	struct line_event *stuck; /* dead, and the file does not take them */
	struct feed_dead *dead;   /* of the file, as far as was known when it was read last */
	size_t dead_count;
	struct buf replay_file; /* the letters as they were when a replay was asked for */
	struct bytes replay_rest;
	struct buf replay_ids; /* one a line; or "all" */
	size_t replaying;      /* under way */
	struct buf revived;    /* delivered: a NUL behind each id */
};

/* ---- feed_files.c ---- */

/* Paths, directory, lock. ERR_STATE: locked by another one, still. */
MUST_USE enum err feed_files_open(struct feed *f);
void feed_files_close(struct feed *f);
/* The cursor and numbers of last time. */
MUST_USE enum err feed_files_load(struct feed *f);
/* After each batch: what must survive a kill of this process. */
void feed_save_now(struct feed *f);
/* Once a second, and at the end: what must survive a power cut. */
void feed_save(struct feed *f, uint64_t now_ns);
/* Lays an event aside. Takes it over: it is kept in `stuck` when that fails. */
void feed_bury(struct feed *f, struct line_event *event, struct bytes reason);
void feed_bury_stuck(struct feed *f);
/* Takes up a wish for a replay. */
void feed_look_for_replay(struct feed *f);
/* The next letter to be tried again. ERR_END: none. */
MUST_USE enum err feed_next_replay(struct feed *f, struct dead_letter *ret_letter);
void feed_say(struct feed *f, uint64_t now_ns, bool always);

#endif
