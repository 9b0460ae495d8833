/* SPDX-License-Identifier: MIT
 *
 * quic: HTTP/3 to a provider: the first datagrams that a program sends to UDP port 443 are read
 * (wire/quic_initial), and refused when they are for a provider and the policy says so. Programs go
 * on over TCP then.
 *
 * Lock-free and allocates nothing until a ClientHello was read. A hello may come in several
 * datagrams, with others between them: so many sockets are followed at one time as there are
 * threads that just begin one, QUICS_MAX; one more pushes the oldest out.
 */
#ifndef AIGW_SHIM_QUIC_H
#define AIGW_SHIM_QUIC_H

#include "shim/sending.h"

#define QUICS_MAX 8

/* The first packet of a connection to port 443, as far as its first byte tells: on a descriptor
 * with FDS_UDP_443, or with FDS_UDP to an address. Everything else is none of our business. */
bool quic_concerns(const struct sending *s);

/* The program sends one datagram on a descriptor with FDS_UDP_443, or with FDS_UDP to an address:
 * s->to may be a bad pointer. True: refused, s->ret and errno say how. Keeps errno otherwise. */
bool quic_send(struct sending *s);

/* For the child after fork. */
void quic_in_child(void);

#endif
