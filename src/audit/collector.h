/* SPDX-License-Identifier: MIT
 *
 * collector: records sent to aigwd instead of written to files (policy: "via": "collector"). One
 * connection per process, made when the first record is due, high up and close-on-exec; a forked
 * child makes its own. Used by one thread at a time: the shim's journal holds its lock, the tool
 * has one. errno is never touched, nothing raises SIGPIPE, and no call takes longer than
 * COLLECTOR_WAIT_NS, nor, for a second after one that did, longer than a tenth of a second.
 */
#ifndef AIGW_AUDIT_COLLECTOR_H
#define AIGW_AUDIT_COLLECTOR_H

#include "audit/record.h"

#define COLLECTOR_WAIT_NS 2000000000u /* connecting, sending and the answer together */

struct collector_record {
	const char *socket;
	enum record_kind kind;
	struct bytes record;
	struct bytes claim; /* what this process holds itself for: its `start` record */
};

/* Sends a record and waits until the collector has it, as durable as its policy asks for. When the
 * connection turns out to be over before anything was sent, a new one is made. ERR_FULL,
 * ERR_ACCESS, ERR_LIMIT, ERR_BAD, ERR_STATE (it is busy, or too much is under way for this user),
 * ERR_MISSING (nobody listens), ERR_IO (also: no answer in time; the record may have been kept or
 * not). *ret_counted (set in any case): the collector itself tells of the loss. */
MUST_USE enum err collector_append(const struct collector_record *r, bool *ret_counted);

/* Closes the connection, if it is still what we made. Also in the child after fork, whose copy of
 * the parent's connection this is. */
void collector_close(void);

#endif
