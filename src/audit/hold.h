/* SPDX-License-Identifier: MIT
 *
 * hold: legal holds: what retention must not remove. A text file `holds` in the audit directory,
 * one hold a line:
 *
 *     day 2026-11-24 SINCE REASON
 *     segment 2026-11-24/HOST-PID-RANDOM.aigw SINCE REASON
 *     range ULID ULID SINCE REASON
 *
 * SINCE is in nanoseconds since 1970, REASON is the rest of the line. A range of exchange ids holds
 * whole segments of every day that the ids' times touch, and of the day after the last one: answers
 * may come later than their requests. Bytes that are no hold hold everything: better too much kept
 * than too little.
 */
#ifndef AIGW_AUDIT_HOLD_H
#define AIGW_AUDIT_HOLD_H

#include "audit/segment.h"

#define HOLD_FILE       "holds"
#define HOLD_BYTES_MAX  (1u << 20)
#define HOLD_REASON_MAX 1000

enum hold_kind { HOLD_DAY, HOLD_SEGMENT, HOLD_RANGE };

struct hold { /* borrows */
	enum hold_kind kind;
	struct bytes
		first;     /* the day, the segment's path below the audit directory, the first id */
	struct bytes last; /* RANGE: the last id */
	uint64_t since_ns;
	struct bytes reason;
};

const char *hold_kind_name(enum hold_kind kind); /* "day" */

/* Takes the next line. OK; ERR_END; ERR_BAD: the line is no hold (the next call goes on behind it).
 */
MUST_USE enum err hold_next(struct bytes *rest, struct hold *ret_hold);
/* ERR_BAD: not a day, a path DAY/NAME.aigw or ids in order, or a reason that is empty, too long or
 * has control characters. */
MUST_USE enum err hold_check(const struct hold *h);
/* Appends the line of a hold that hold_check takes. */
MUST_USE enum err hold_put(struct buf *out, const struct hold *h);
/* Does it keep the segment at DAY/NAME.aigw? */
bool hold_covers(const struct hold *h, struct bytes below);
/* The first hold of a file that keeps the segment; true also for a line that is no hold (then
 * *ret_hold is zeros). */
bool hold_find(struct bytes file, struct bytes below, struct hold *ret_hold);

/* The file of an audit directory; without one the buffer is empty and the answer OK. */
MUST_USE enum err hold_load(const char *directory, struct buf *ret_file);
/* Writes it anew, at once and on the disk. Between load and save the directory must be locked. */
MUST_USE enum err hold_save(const char *directory, struct bytes file);

/* Lets one process at a time change holds or retire segments. Waits up to HOLD_WAIT_NS, then
 * ERR_STATE. *ret_fd is for hold_unlock. */
#define HOLD_WAIT_NS 30000000000u
MUST_USE enum err hold_lock(const char *directory, int *ret_fd);
void hold_unlock(int fd);

#endif
