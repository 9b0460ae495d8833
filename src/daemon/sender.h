/* SPDX-License-Identifier: MIT
 *
 * sender: who sent a message, as the kernel says: pid, uid and gid from the message's own
 * credentials, the rest from /proc, which is read while the sender is known to live (a pidfd of the
 * sender where the kernel gives one, its start time in any case). What the process says of itself
 * is never taken over: where it differs, that is noted.
 */
#ifndef AIGW_DAEMON_SENDER_H
#define AIGW_DAEMON_SENDER_H

#include <sys/socket.h>

#include "base/bytes.h"

/* Zero-initialised: nobody yet. One per connection; it is made anew when another process, such as
 * a forked child, sends over the same connection. */
struct sender {
	struct ucred who;
	int pidfd_plus_one;
	uint64_t start_ticks; /* 0: not known */
	uint64_t looked_ns;
	bool gone;        /* it ended before /proc could be read */
	struct buf exe;   /* as last seen: a change means that the process executed another file */
	struct buf facts; /* record fields, behind those of each record */
	struct buf claim; /* what it says of itself: fields of a `start` record */
	pid_t claim_pid;  /* who said so */
};

/* What the process says of itself, for the facts to be made next. ERR_BAD: no run of fields. */
MUST_USE enum err sender_claim(struct sender *s, struct bytes fields);

/* Brings the facts up to date for a message with these credentials. `pidfd` is the sender's, or -1;
 * it is taken over. ERR_NOMEM. */
MUST_USE enum err sender_update(struct sender *s, const struct ucred *who, int pidfd,
				uint64_t now_ns);

/* Appends a record to *ret_record: its own fields without those that only the kernel may say, then
 * the facts. ERR_BAD: the record is no run of fields; ERR_NOMEM, ERR_LIMIT. */
MUST_USE enum err sender_put_record(const struct sender *s, struct bytes record,
				    struct buf *ret_record);

void sender_done(struct sender *s);

#endif
