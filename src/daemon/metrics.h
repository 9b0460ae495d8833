/* SPDX-License-Identifier: MIT
 *
 * metrics: how the drains are, for Prometheus (text format 0.0.4), to whoever asks on a socket of
 * this host: a path, or an address of the loopback. An answer is HTTP/1.0, whatever was asked for.
 */
#ifndef AIGW_DAEMON_METRICS_H
#define AIGW_DAEMON_METRICS_H

#include <poll.h>

#include "drain/status.h"

#define METRICS_CLIENTS_MAX 8
#define METRICS_FDS_MAX     (METRICS_CLIENTS_MAX + 1)
#define METRICS_ASK_MAX     4096
#define METRICS_WAIT_NS     5000000000u /* who is slower is cut off */

struct metrics_client {
	int fd_plus_one; /* 0: free */
	size_t asked;
	uint8_t tail[4]; /* of what was asked: an empty line ends it */
	struct buf out;
	size_t out_at;
	uint64_t until_ns;
};

struct metrics {
	int fd_plus_one; /* 0: nobody listens */
	char path[108];  /* removed at the end */
	struct metrics_client clients[METRICS_CLIENTS_MAX];
};

/* `where`: "/PATH", "127.0.0.1:PORT", "[::1]:PORT" or "localhost:PORT". ERR_USAGE: none of these;
 * ERR_ACCESS, ERR_IO (the port is taken). */
MUST_USE enum err metrics_open(struct metrics *m, const char *where);
void metrics_close(struct metrics *m);

/* What poll shall look for; how many. */
size_t metrics_fds(const struct metrics *m, struct pollfd ret_fds[METRICS_FDS_MAX]);
/* Does what can be done now. `put` appends the text. */
void metrics_serve(struct metrics *m, uint64_t now_ns, enum err (*put)(void *, struct buf *),
		   void *context);

/* Appends the text about these sinks. Pure. */
MUST_USE enum err metrics_put_sinks(struct buf *out, const struct drain_status *sinks, size_t count,
				    uint64_t now_ns);

#endif
