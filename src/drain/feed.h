/* SPDX-License-Identifier: MIT
 *
 * feed: one sink's feeder: reads the log (drain/source), makes events (drain/event), keeps them in
 * lines (drain/line) and gives them in batches to senders (drain/lane); keeps what was
 * acknowledged. A process of its own, one loop, no threads. It has the auditor's key and never the
 * network.
 *
 * In DIR (0700), by the sink's name:
 *     NAME.lock        held by the one feeder that runs
 *     NAME.cursor      what was acknowledged, on the disk at most a second late
 *     NAME.cursor.now  the same after each batch, for when only a process is killed
 *     NAME.acked       the same for retention (audit/acked.h)
 *     NAME.dead        what was refused for good (drain/dead.h)
 *     NAME.replay      a wish: event ids a line, or "all"; taken by the feeder
 *     NAME.status      how it is (drain/status.h)
 */
#ifndef AIGW_DRAIN_FEED_H
#define AIGW_DRAIN_FEED_H

#include "audit/seal.h"
#include "drain/config.h"

#define FEED_CURSOR_SUFFIX ".cursor"
#define FEED_NOW_SUFFIX    ".cursor.now"
#define FEED_LOCK_SUFFIX   ".lock"
#define FEED_REPLAY_SUFFIX ".replay"
#define FEED_REPLAY_MAX    (1u << 20)
#define FEED_REPLAY_ALL    "all"

#define FEED_QUEUE_BYTES_MAX (20u << 20) /* of events in memory, of all lines together */
#define FEED_QUEUE_BYTES_MIN (2u << 20)
#define FEED_END_MS          10000 /* batches under way get so long at the end */

struct feed_options { /* borrowed for the call */
	const struct drain *config;
	struct bytes policy_text; /* for the senders */
	const char *directory;    /* the log */
	const char *sinks;        /* DIR; made when missing */
	size_t identity_count;    /* 0: sealed segments only */
	const struct identity *identities;
	struct bytes host;
	const char *program;      /* what a sender is: "/proc/self/exe" */
	char *const *environment; /* of the senders */
	int signal_fd;            /* readable with SIGTERM or SIGINT: end */
	void (*on_ready)(void);   /* or NULL: the files are ours */
};

/* Until a signal. ERR_STATE: another feeder of this sink does not end; ERR_ACCESS, ERR_IO,
 * ERR_NOMEM: the files in DIR. */
MUST_USE enum err feed_run(const struct feed_options *o);

/* Sends one heartbeat through a sender that is started for it, and ends. */
MUST_USE enum err feed_test(const struct feed_options *o, char ret_answer[], size_t cap,
			    bool *ret_delivered);

#endif
