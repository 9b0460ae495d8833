/* SPDX-License-Identifier: MIT
 *
 * source: what was not delivered yet out of an audit directory, for one sink: read in windows, put
 * together, handed out as *items*, and acknowledged one by one in any order.
 *
 * An item is an exchange (told when it is answered, or when the process that asked is known to be
 * over), a record of another kind (told at once; `end` is not), damage, a segment that no identity
 * opens, or, without identities, a whole segment that gets no more records. Items of one process
 * come in the order in which they were completed.
 *
 * Memory does not grow with the backlog: exchanges that wait keep fields, and of what is large
 * (headers, payloads) only where it stands; that is read again when it is asked for. What grows is
 * what was handed out and not acknowledged: about 100 bytes each.
 *
 * A log under which files vanish, tear or were changed is read as far as that goes; nothing in it
 * ends the reading. One thread. All I/O through base/sys and base/files; nothing is ever written.
 */
#ifndef AIGW_DRAIN_SOURCE_H
#define AIGW_DRAIN_SOURCE_H

#include "audit/acked.h"
#include "audit/segment.h"

struct log_entry; /* report/entry.h */

#define SOURCE_WINDOW_BYTES       (1u << 20) /* read at once; more for one record that is larger */
#define SOURCE_WAITING_MAX        4096       /* exchanges without an answer; the oldest is told */
#define SOURCE_WAITING_BYTES_MAX  (8u << 20) /* of their fields, likewise */
#define SOURCE_EXCHANGE_PARTS_MAX 16384      /* records of one exchange that is told as one item */
#define SOURCE_DAMAGE_MAX         16 /* places of one segment that are told of; then counted */
#define SOURCE_GONE_NS            UINT64_C(30000000000)
#define SOURCE_CURSOR_BYTES_MAX   (64u << 20)
#define SOURCE_ID_CHARS           128
#define SOURCE_PROCESS_CHARS      96

struct source_options {
	const char *directory;
	size_t identity_count;             /* 0: items are whole segments, sealed as they are */
	const struct identity *identities; /* outlive the source */
	bool from_now;    /* with an empty cursor: what is there already counts as acknowledged */
	bool with_bodies; /* a hint: payloads will be asked for, small ones are kept until then */
	/* A process that cannot be found is taken to be over when nothing came from it for so long
	 * (it may live in a container, where its number is another); 0: SOURCE_GONE_NS. */
	uint64_t gone_after_ns;
};

struct source;

/* `cursor` is what source_cursor_put gave (empty: the beginning) and is not kept. The directory
 * need not exist yet. ERR_BAD: not a cursor; ERR_UNSUPPORTED: of a newer version; ERR_NOMEM. */
MUST_USE enum err source_open(const struct source_options *options, struct bytes cursor,
			      struct source **ret_source);
void source_close(struct source *s); /* NULL is fine; secrets are wiped */

enum source_kind {
	SOURCE_ENTRY,    /* an exchange or a record */
	SOURCE_DAMAGE,   /* a record that does not open, or bytes that are none */
	SOURCE_UNOPENED, /* a segment sealed to others; once per segment */
	SOURCE_SEGMENT,  /* a finished segment, sealed; `entry` is NULL */
};

/* Belongs to the source; good until the next source_next or source_close. The ticket stays good
 * until it is acknowledged. */
struct source_item {
	uint64_t ticket; /* of this run, never 0 */
	enum source_kind kind;
	/* The same after every restart. An exchange: its ULID, in a collector's log ULID@UID. What
	 * has none, and an answer whose exchange was told already or never seen:
	 * [ULID@UID-]SEGMENTHEX-SEQUENCE. Damage: SEGMENTHEX-damage-OFFSET; unopened:
	 * SEGMENTHEX-unopened; a segment: SEGMENTHEX-BYTES. */
	struct bytes id;
	struct bytes process; /* whose order is kept: BOOT-PID-START */
	uint64_t time_ns;     /* of its first record; of a segment: when it was begun */
	/* Headers and payloads are not in it before source_load_bodies. Damage and unopened: a
	 * made-up notice whose `problem` says what and where. */
	struct log_entry *entry;
	uint8_t segment_id[16]; /* where its first record stands, or the damage */
	uint64_t sequence, offset;
	const char *path;                  /* of that segment */
	uint64_t records;                  /* SOURCE_SEGMENT: as far as frames can be walked */
	uint64_t bytes;                    /* SOURCE_SEGMENT */
	bool ended;                        /* SOURCE_SEGMENT: its last record is an `end` */
	uint8_t digest[SEAL_DIGEST_BYTES]; /* SOURCE_SEGMENT: BLAKE2b-256 of all bytes */
};

/* The next item. `now_ns` is the wall clock. ERR_MORE: nothing now; ask again in a second (such a
 * call costs a stat for each day of late and each segment that is open). ERR_END: a source of
 * single items (source_single_put) has given them all. ERR_NOMEM: call again. ERR_ACCESS, ERR_IO:
 * the directory cannot be listed; call again later. */
MUST_USE enum err source_next(struct source *s, uint64_t now_ns, struct source_item **ret_item);

/* Puts headers and payloads of the current item into its entry (fields, request_body,
 * response_body). Nothing to do for records without. ERR_LIMIT: payloads would be more than
 * `bytes_max`; headers are there all the same. ERR_MISSING: the segment is gone meanwhile.
 * ERR_SEAL: its bytes are no longer what they were. ERR_STATE: not the current item, or
 * acknowledged. ERR_NOMEM, ERR_ACCESS, ERR_IO. */
MUST_USE enum err source_load_bodies(struct source *s, struct source_item *item, size_t bytes_max);

/* The item is delivered (or left out, or laid aside): it does not come again. ERR_MISSING: no such
 * ticket. Never fails otherwise. */
enum err source_ack(struct source *s, uint64_t ticket);

/* Replaces *out by the cursor: what is acknowledged, exactly; to be saved by the caller, any time.
 * Empty with `from_now` before the first source_next. Holds no secret. Items in flight and waiting
 * exchanges come again after source_open with it, with the same ids. ERR_NOMEM, ERR_LIMIT (more
 * than SOURCE_CURSOR_BYTES_MAX is in flight). */
MUST_USE enum err source_cursor_put(struct source *s, struct buf *out);
/* Replaces *out by a cursor that brings back this one item only (kept with a dead letter). To be
 * called before it is acknowledged. ERR_MISSING: no such ticket. ERR_NOMEM. */
MUST_USE enum err source_single_put(struct source *s, uint64_t ticket, struct buf *out);

/* The same in the form that retention understands: what acked_save takes. Never further than what
 * is acknowledged: a segment that no identity opens is not. *ret_open is malloc'd, the caller frees
 * it. ERR_NOMEM. */
MUST_USE enum err source_acked(struct source *s, uint64_t *ret_entries,
			       struct acked_open **ret_open, size_t *ret_count);

struct source_state {
	uint64_t oldest_ns; /* time of the oldest item that is in flight or waits; 0: none */
	uint64_t flight, waiting;
	uint64_t told, acked;                   /* items, since source_open */
	uint64_t damaged, unopened, unreadable; /* places, segments, files */
	uint64_t behind_bytes;                  /* not read yet, of the segments known so far */
	uint64_t behind_segments;               /* likewise */
	uint64_t behind_since_ns; /* when the oldest of them that was not begun was; 0: none */
};
void source_tell(const struct source *s, struct source_state *ret_state);

#endif
