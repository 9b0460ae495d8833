/* SPDX-License-Identifier: MIT
 *
 * peer: where a connection goes to, as an address, and whether that is a provider. Thread-safe,
 * allocates nothing.
 */
#ifndef AIGW_SHIM_PEER_H
#define AIGW_SHIM_PEER_H

#include <sys/socket.h>

#include "policy/policy.h"

#define PEER_TEXT_MAX 64

struct peer {
	char text[PEER_TEXT_MAX]; /* "10.0.0.1:443", "[::1]:8443"; "" when not known */
	uint16_t port;            /* 0: not known */
};

/* Of a connected descriptor; nothing is known of one that is not. */
void peer_of(int fd, struct peer *ret_peer);
/* Of an address, whose `len` bytes must be readable. */
void peer_of_address(const struct sockaddr *address, size_t len, struct peer *ret_peer);

/* Takes such a text apart again; false when it is none. */
bool peer_split(const char *text, struct bytes *ret_host, uint16_t *ret_port);

/* The provider that this name belongs to or, when there is none, the address of `peer`: a policy
 * may name addresses. `port` goes with the name, 0: not known. An IPv6 address in `host` may come
 * with or without its brackets. `peer` NULL: it says nothing (it is a proxy's). NULL: no
 * provider's. */
const struct provider *peer_find_provider(const struct policy *p, struct bytes host, uint16_t port,
					  const struct peer *peer);

#endif
