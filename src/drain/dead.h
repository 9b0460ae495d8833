/* SPDX-License-Identifier: MIT
 *
 * dead: events that a sink refused for good: DIR/NAME.dead, one JSON object a line. Where the event
 * stands in the log and why it was refused, never what it says. A letter stays until it was
 * delivered by a replay (`aigw drain replay`). Lines that make no sense are passed over and kept.
 */
#ifndef AIGW_DRAIN_DEAD_H
#define AIGW_DRAIN_DEAD_H

#include "base/bytes.h"

#define DEAD_SUFFIX     ".dead"
#define DEAD_FILE_MAX   (64u << 20) /* then events wait instead, and that is said */
#define DEAD_LINE_MAX   (1u << 20)
#define DEAD_ID_MAX     256
#define DEAD_REASON_MAX 400

struct dead_letter {
	char id[DEAD_ID_MAX];   /* of the event */
	uint8_t segment_id[16]; /* where it stands */
	uint64_t offset;        /* of its first record in the file */
	uint64_t sequence;      /* likewise */
	uint64_t time_ns;       /* of the event */
	uint64_t since_ns;      /* when it was laid aside */
	uint64_t refusals;
	char reason[DEAD_REASON_MAX + 1]; /* the sink's words: UTF-8, one line */
	struct bytes cursor_hex; /* brings it back (source_single_put); a view of the line */
};

/* Appends the line of a letter, its end included. ERR_LIMIT: larger than DEAD_LINE_MAX; ERR_NOMEM.
 */
MUST_USE enum err dead_put(struct buf *out, const struct dead_letter *letter);
/* Reads one line, without its end. ERR_BAD: not such a line; ERR_LIMIT. Pure. */
MUST_USE enum err dead_parse(struct bytes line, struct dead_letter *ret_letter);
/* The next letter of a file's content; lines that are none are passed over. OK, ERR_END. */
MUST_USE enum err dead_next(struct bytes *rest, struct dead_letter *ret_letter);

/* The bytes that cursor_hex stands for, appended. ERR_BAD, ERR_NOMEM. */
MUST_USE enum err dead_cursor(const struct dead_letter *letter, struct buf *out);

/* Appends to the file at `path` (0600), to the disk. ERR_LIMIT: the file is full. */
MUST_USE enum err dead_append(const char *path, const struct dead_letter *letter);
/* Takes the letters out of the file for whose event's id `is_gone` says so. OK also when there is
 * none. */
MUST_USE enum err dead_remove(const char *path, bool (*is_gone)(void *context, struct bytes id),
			      void *context);
/* How many letters there are; 0 without a file. */
MUST_USE enum err dead_count(const char *path, uint64_t *ret_count);

#endif
