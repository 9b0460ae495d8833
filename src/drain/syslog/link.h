/* SPDX-License-Identifier: MIT
 *
 * link: a connection to a syslog server, with TLS or without, datagrams or a stream.
 */
#ifndef AIGW_DRAIN_SYSLOG_LINK_H
#define AIGW_DRAIN_SYSLOG_LINK_H

#include "drain/syslog/tls.h"

struct link {
	struct net net; /* fd -1: no connection */
	struct tls *tls;
};

#define LINK_NONE ((struct link){.net = {.fd = -1}})

/* The link must not move while it is open. `tls`: NULL but for SYSLOG_TLS. ERR_*: *answer says why.
 */
MUST_USE enum err link_open(struct link *link, const struct syslog_address *address,
			    struct tls_context *tls, uint64_t deadline_ns,
			    struct sink_answer *answer);
bool link_is_open(const struct link *link);
/* A datagram: one message. ERR_IO: *answer says why; the link is to be dropped. */
MUST_USE enum err link_write(struct link *link, struct bytes data, uint64_t deadline_ns,
			     struct sink_answer *answer);
/* As far as the transport can tell, the peer has what was written (net.h says how far that is), and
 * has not said no to it. *ret_state: whether the link is still open. ERR_IO: it is to be dropped.
 */
MUST_USE enum err link_settle(struct link *link, uint64_t deadline_ns, enum net_state *ret_state,
			      struct sink_answer *answer);
enum net_state link_look(struct link *link, struct sink_answer *answer);
void link_drop(struct link *link); /* at once */
/* In order: what was written is not lost by it. For a link on which all is well. */
void link_finish(struct link *link, uint64_t deadline_ns);

#endif
