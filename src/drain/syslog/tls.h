/* SPDX-License-Identifier: MIT
 *
 * tls: the one door to OpenSSL: a TLS client (1.2 or newer) on a connection of net. The server's
 * certificate chain and its name are always checked (RFC 5425 5); there is no way to have them not
 * checked. No renegotiation, no compression. What the server may make us read is bounded: in bytes
 * for the handshake and each look, and in time by the deadline.
 */
#ifndef AIGW_DRAIN_SYSLOG_TLS_H
#define AIGW_DRAIN_SYSLOG_TLS_H

#include "drain/syslog/net.h"

#define TLS_HANDSHAKE_BYTES_MAX                                                                    \
	(256u << 10)         /* that the server may send; a chain is some 10 KiB                   \
			      */
#define TLS_CERT_WAIT_MS 500 /* TLS 1.3: for what the server says of our certificate */

struct tls_context;
struct tls;

/* Reads the files. ERR_*: *answer says which one is wrong and why. */
MUST_USE enum err tls_context_new(const struct drain_tls *config, struct tls_context **ret_context,
				  struct sink_answer *answer);
void tls_context_free(struct tls_context *context); /* NULL is fine */

/* The handshake. `net` is borrowed and must outlive it. ERR_IO: *answer says why. */
MUST_USE enum err tls_open(struct tls_context *context, struct net *net,
			   const struct syslog_address *address, uint64_t deadline_ns,
			   struct tls **ret_tls, struct sink_answer *answer);
/* ERR_IO: *answer says why; the connection is of no more use. */
MUST_USE enum err tls_write(struct tls *tls, struct bytes data, uint64_t deadline_ns,
			    struct sink_answer *answer);
/* As net_look; *answer is filled when the connection is not open any more. */
enum net_state tls_look(struct tls *tls, struct sink_answer *answer);
/* "TLSv1.3"; a constant. */
const char *tls_version(const struct tls *tls);
/* Says close_notify if `finish`, and frees; the net is left alone. NULL is fine. */
void tls_free(struct tls *tls, bool finish);

#endif
