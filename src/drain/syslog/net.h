/* SPDX-License-Identifier: MIT
 *
 * net: a socket to a syslog server: connected, written, looked at and emptied within a deadline.
 * Deadlines are on sys_monotonic_ns. Nothing here can raise SIGPIPE.
 *
 * What a peer has got. A write that the kernel took is not received. `net_settle` waits until the
 * peer's kernel has acknowledged every byte (TCP), or the receiver has read it (unix sockets).
 * A receiver that dies then with bytes in its socket that it never read makes its kernel reset the
 * connection, where one that had read everything ends it in order: so NET_BROKEN and NET_CLOSED
 * tell whether something may have been lost after it was acknowledged. A proxy in between
 * acknowledges for itself. What a receiver has read and not kept when it dies, no sender of syslog
 * can know of. UDP tells nothing, but that nobody listens, if that.
 */
#ifndef AIGW_DRAIN_SYSLOG_NET_H
#define AIGW_DRAIN_SYSLOG_NET_H

#include <sys/types.h>

#include "drain/sink.h"
#include "drain/syslog/address.h"

#define NET_ADDRESSES_MAX 16    /* of one name, tried in turn */
#define NET_NOISE_MAX     65536 /* bytes that a server may say at a time; syslog has it say none */
#define NET_WHERE_MAX     128

enum net_state {
	NET_OPEN,
	NET_CLOSED, /* in order: what was acknowledged has been read */
	NET_BROKEN,
	NET_NOISY, /* the peer does not stop talking */
};

struct net {
	int fd;   /* -1: none */
	int type; /* SOCK_STREAM or SOCK_DGRAM */
	enum syslog_transport transport;
	char where[NET_WHERE_MAX]; /* "192.0.2.1 port 6514", for people */
};

/* Connects; a name's addresses are tried in turn, each with its share of the time that is left.
 * Looking the name up is bounded by the resolver (the timeout is asked of it). A unix socket may be
 * a datagram or a stream one. ERR_IO: *answer says why, and whether waiting helps. */
MUST_USE enum err net_connect(const struct syslog_address *address, uint64_t deadline_ns,
			      struct net *ret_net, struct sink_answer *answer);
void net_close(struct net *net); /* harmless on a closed one; net->fd is -1 then */
/* Says that nothing follows and waits for the peer's end, so that no byte of ours is lost by a
 * reset; closes. For a connection on which all is well. */
void net_finish(struct net *net, uint64_t deadline_ns);

/* One attempt each: what recv and send say, or -errno (-EAGAIN: not now). */
ssize_t net_read(const struct net *net, void *at, size_t len);
ssize_t net_write(const struct net *net, struct bytes data);
/* Until it is ready for `events`. ERR_IO: not in that time. */
MUST_USE enum err net_wait(const struct net *net, short events, uint64_t deadline_ns);

/* All of it; on a datagram socket as one datagram. 0 or -errno; -ETIMEDOUT at the deadline. */
int net_write_all(const struct net *net, struct bytes data, uint64_t deadline_ns);
/* 0 when the peer has it all (see above), or -errno; -ETIMEDOUT at the deadline. */
int net_settle(const struct net *net, uint64_t deadline_ns);
/* Whether the connection is still there; what the server said is read and thrown away. */
enum net_state net_look(const struct net *net);
/* The state of a connection whose end was announced: waits a moment for how it ends. */
enum net_state net_end(const struct net *net);

/* "What: WHERE: why", with an errno (positive or negative; 0: without a why). */
void net_say(struct sink_answer *answer, enum sink_result result, const char *what,
	     const char *where, int error);

#endif
