/* SPDX-License-Identifier: MIT
 *
 * lane: a sender process and its end in the feeder. The sender is this program executed anew
 * (`--drain-sender NAME`), so that its memory never held the auditor's key: it has the policy's
 * text, one socket, and what its sink opens (drain/sender.h is its side). Here nothing waits: a
 * lane is looked at when poll says so, and a sender that dies or does not answer in time is killed.
 */
#ifndef AIGW_DRAIN_LANE_H
#define AIGW_DRAIN_LANE_H

#include <sys/types.h>

#include "drain/batch.h"

#define LANE_SENDER_OPTION "--drain-sender"
#define LANE_SOCKET_FD     3 /* of the sender */
#define LANE_POLICY_FD     4
#define LANE_GRACE_MS      2000 /* beyond a sink's own timeout */
#define LANE_START_MS      10000

struct lane_options {
	const char *program; /* "/proc/self/exe" */
	const char *name;    /* of the sink */
	int policy_fd;       /* lane_policy_file */
	uint32_t timeout_ms; /* of a batch */
	char *const *environment;
};

enum lane_state {
	LANE_DOWN,
	LANE_STARTING, /* the sink is being opened */
	LANE_IDLE,
	LANE_BUSY, /* a batch is on its way, or its answer */
};

struct lane { /* zero-initialised: down */
	enum lane_state state;
	pid_t pid;
	int fd; /* valid unless down */
	struct buf out;
	size_t out_at;
	struct buf in;
	size_t count; /* events of the batch under way */
	uint64_t deadline_ns;
	struct sink_answer answer;
	struct buf results; /* answer.results */
};

/* The policy's text as a sealed file in memory. ERR_IO, ERR_FULL. */
MUST_USE enum err lane_policy_file(struct bytes text, int *ret_fd);

/* Starts the sender; afterwards lane_step says when it is ready. ERR_STATE: it runs; ERR_IO. */
MUST_USE enum err lane_start(struct lane *l, const struct lane_options *o, uint64_t now_ns);

/* Takes the message (batch_begin to batch_end) of `count` events over and begins to send it.
 * ERR_STATE: not idle. */
MUST_USE enum err lane_send(struct lane *l, struct buf *message, size_t count,
			    const struct lane_options *o, uint64_t now_ns);

/* What poll shall look for; 0 when the lane is down. */
short lane_events(const struct lane *l);

/* Does what can be done now. OK: the sink is open (the lane was LANE_STARTING), or the answer is in
 * l->answer; the lane is idle. ERR_MORE: later. ERR_IO: the sender died, ERR_LIMIT: it did not
 * answer in time, ERR_BAD: it talks nonsense, ERR_ACCESS: its sink cannot be opened. Then
 * l->answer says so in words, the lane is down, and what was under way may have been delivered or
 * not. */
MUST_USE enum err lane_step(struct lane *l, uint64_t now_ns);

/* When lane_step is due though nothing comes; UINT64_MAX: never. */
uint64_t lane_deadline(const struct lane *l);

/* Ends the sender: its socket is closed, which it understands; after wait_ms it is killed. */
void lane_stop(struct lane *l, uint32_t wait_ms);
void lane_done(struct lane *l); /* stops, frees */

#endif
