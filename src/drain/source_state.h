/* SPDX-License-Identifier: MIT
 *
 * source_state: what the files of source share. Not for anybody else.
 *
 *     source.c         open, close, next: passes over the open segments
 *     source_days.c    which segments there are; which of them the ledger and the cursor know as
 * done source_read.c    one segment in windows source_join.c    records become items; exchanges
 * wait for their answers source_bodies.c  what is large, read again source_ack.c     what was
 * handed out; the cursor; what retention is told source_sealed.c  without keys: whole segments
 */
#ifndef AIGW_DRAIN_SOURCE_STATE_H
#define AIGW_DRAIN_SOURCE_STATE_H

#include "drain/progress.h"
#include "drain/source.h"
#include "report/entry.h"

#define NS_PER_S             UINT64_C(1000000000)
#define NS_PER_DAY           (86400 * NS_PER_S)
#define SOURCE_UNSURE_NS     (3600 * NS_PER_S)   /* as gone_after_ns, where that was wrong before */
#define SOURCE_DAYS_FOLLOWED 3                   /* a clock may be wrong */
#define SOURCE_FILE_MAX      (UINT64_C(1) << 30) /* no segment is that large: SEGMENT_BYTES_MAX */
#define SOURCE_BUCKETS       4096u

/* A record that was read and is not acknowledged. */
struct spot {
	uint32_t offset;
	uint32_t sequence; /* expected there, for going on; flags in the upper bits */
};

#define SPOT_ACKED    (UINT32_C(1) << 31)
#define SPOT_LAST     (UINT32_C(1) << 30) /* its exchange was told without waiting further */
#define SPOT_SEQUENCE (SPOT_LAST - 1)

struct spots { /* by offset; acknowledged ones are removed now and then, the first is never one */
	struct spot *at;
	size_t count, cap, acked;
};

struct source_segment {
	char *path;   /* the whole */
	size_t below; /* where DAY/NAME begins */
	uint64_t day, started_ns;
	uint8_t id[16];
	enum seal_cipher cipher;
	uint32_t refs; /* of items; finished ones are freed when there are none */
	bool begun;    /* its header was read */
	bool has_key, unreadable, ended, finished;
	bool passed;        /* the ledger place is behind its opening */
	bool unopened_told; /* acknowledged */
	bool unopened_made; /* the item was made */
	bool given_up;
	bool gone_seen, unsure; /* its process was not found; and yet it wrote later */
	struct segment_mark mark;
	uint64_t size, grown_ns, looked_ns, last_ns;
	bool at_end;        /* read as far as it goes */
	bool tail_settled;  /* what stands there was looked at after some silence */
	uint32_t bad_until; /* the end of the last damage: what follows on it is not told again */
	/* From the cursor: records before `skip` are taken only when they are wanted. */
	uint32_t skip, resume_offset, resume_sequence;
	struct progress_spot *wanted;
	size_t wanted_count, wanted_at;
	uint32_t damaged;
	struct spots spots;
	uint64_t pid, process_start;
	struct log_process process;
	struct buf sender_fields; /* of a collector's log: what is known of all who send */
	uint64_t sealed_told, sealed_acked; /* bytes */
};

struct source_ref {
	struct source_segment *segment;
	uint32_t offset, sequence;
};

/* A record with something large in it. */
struct source_part {
	uint32_t ref; /* index */
	uint32_t bytes;
	uint8_t key[SEAL_KEY_BYTES];
};

struct item {
	struct source_item told; /* first: what the caller has is this */
	struct log_entry entry;
	struct log_process sender; /* of a collector's log */
	struct source_ref *refs;
	size_t ref_count, ref_cap;
	struct source_part *parts;
	size_t part_count, part_cap;
	char id[SOURCE_ID_CHARS], process[SOURCE_PROCESS_CHARS];
	uint64_t pid, process_start, last_ns;
	bool headers_only; /* a request whose body had not been decided on */
	struct buf kept;   /* keeps: what is large, as fields, so that parts need not be read */
	bool keeps, loaded;
	size_t cost;                /* counted while it waits */
	struct item *older, *newer; /* waiting */
	struct item *next;          /* in a bucket, or ready */
};

/* Handed out, not acknowledged. */
struct flight {
	uint64_t ticket; /* 0: free */
	uint64_t time_ns;
	struct source_ref *refs;
	uint32_t ref_count;
	uint32_t next_free; /* index + 1 */
	bool unopened, sealed;
};

struct known { /* a file that was found; by the digest of its path */
	uint64_t digest;
	uint64_t day;
	struct source_segment *segment; /* NULL: done */
	bool used, covered;             /* covered: the ledger place says it is done */
};

struct source {
	struct source_options options;
	char *directory;
	char boot_id[40];
	uint64_t hash_seed, order, now_ns, gone_checked_ns;
	bool single, started;

	/* source_days.c */
	struct ledger_place base;
	bool base_lost;       /* the ledger is another one than the cursor's */
	uint64_t ledger_seen; /* its length at the last walk */
	bool base_due;        /* something may let the place move on */
	uint64_t first_day, last_day, last_day_saved;
	struct day_state *days;
	size_t day_count;
	uint64_t root_mtime_ns, root_listed_ns;
	struct known *known;
	size_t known_cap, known_count;
	struct source_segment **open; /* by day, time, path */
	size_t open_count, open_cap;
	bool open_unsorted;

	/* the pass under way, and the segment that is read in it */
	size_t at;
	bool pass_found;
	bool looks_at_all; /* a new segment may go on where one that rests ended just now */
	struct source_segment *reading;
	struct segment_reader *reader;
	uint64_t reading_until; /* the segment's length when its turn came */
	uint64_t window_from;
	struct buf window;
	struct source_segment *window_of;
	struct buf again; /* source_bodies.c: a record that stands elsewhere */

	/* source_join.c */
	struct item *bucket[SOURCE_BUCKETS];
	struct item *oldest, *newest;
	size_t waiting, waiting_bytes;
	struct item *ready, **ready_end;
	struct item *current;
	struct item *spare; /* memory of the one before */

	/* source_ack.c */
	struct flight *flights;
	size_t flight_count, flight_cap;
	uint32_t flight_free; /* index + 1 */
	uint64_t in_flight, generation;

	struct source_state counts;
};

/* ---- source_days.c ---- */

/* Takes up what the cursor says. ERR_BAD, ERR_UNSUPPORTED, ERR_NOMEM. */
MUST_USE enum err days_restore(struct source *s, struct bytes cursor);
/* Everything that is there counts as acknowledged (from_now). */
MUST_USE enum err days_skip_all(struct source *s);
/* Looks for new segments. *ret_found: there are some. `idle`: the ones that are known are read. */
MUST_USE enum err days_poll(struct source *s, bool idle, bool *ret_found);
/* Takes finished ones out of the list; lets the ledger place and the first day follow. */
MUST_USE enum err days_settle(struct source *s);
void days_done(struct source *s);
struct bytes segment_below(const struct source_segment *g); /* DAY/NAME */
void segment_free(struct source_segment *g);

/* ---- source_read.c ---- */

/* Looks whether there is something new in it; then it is s->reading. ERR_NOMEM, or what failed in
 * reading it. */
MUST_USE enum err read_begin(struct source *s, struct source_segment *g);
/* Takes the next record. ERR_END: no more for now, reading is over. */
MUST_USE enum err read_next(struct source *s);
void read_end(struct source *s);
/* Bytes [from, to) into *out, fewer where the file ends. */
MUST_USE enum err read_part(const char *path, uint64_t from, uint64_t to, struct buf *out,
			    uint64_t *ret_size);
/* Is its process known to be over, given that the last word from it came at last_ns? */
bool read_is_over(struct source *s, uint64_t pid, uint64_t start, const char *boot_id,
		  uint64_t last_ns, bool unsure);
/* No record can come to it any more. */
bool read_is_complete(const struct source *s, const struct source_segment *g);

/* ---- source_join.c ---- */

MUST_USE enum err join_record(struct source *s, struct source_segment *g,
			      const struct segment_record *r, const struct segment_mark *before,
			      bool last);
MUST_USE enum err join_damage(struct source *s, struct source_segment *g, uint64_t offset,
			      const struct segment_mark *before, const char *what);
MUST_USE enum err join_unopened(struct source *s, struct source_segment *g, const char *what);
MUST_USE enum err join_sealed(struct source *s, struct source_segment *g, uint64_t bytes,
			      uint64_t records, const uint8_t digest[SEAL_DIGEST_BYTES]);
/* Tells exchanges whose process is over. */
void join_tell_gone(struct source *s);
void join_tell_all(struct source *s);
struct item *join_take_ready(struct source *s); /* or NULL */
void item_free(struct item *i);
void item_slim(struct item *i); /* fields, bodies and keys are given back, not its refs */

/* ---- source_bodies.c, source_ack.c, source_sealed.c ---- */

MUST_USE enum err spots_reserve(struct spots *p);
void spots_add(struct spots *p, uint32_t offset, uint32_t sequence, bool last); /* never fails */
void spots_set_last(struct spots *p, uint32_t offset);
uint32_t segment_acked(const struct source_segment *g); /* bytes */
/* Makes the item the current one, with a ticket. ERR_NOMEM: nothing changed. */
MUST_USE enum err flight_begin(struct source *s, struct item *i);
void refs_drop(struct source_ref *refs, size_t count); /* frees them too */
/* g->ended: is the last of its g->size bytes an `end` record? */
MUST_USE enum err sealed_find_end(struct source *s, struct source_segment *g);
MUST_USE enum err sealed_look(struct source *s, struct source_segment *g);

#endif
