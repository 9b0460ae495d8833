/* SPDX-License-Identifier: MIT
 *
 * opaque: connections to a provider that cannot be looked into: TLS of a library that we do not
 * stand in, HTTP/2 without TLS, QUIC. The policy says whether they may be; each has a record, and a
 * refused one an explanation (shim/explain).
 *
 * Only for connections that are known to be a provider's: takes locks and allocates. Keeps errno.
 */
#ifndef AIGW_SHIM_OPAQUE_H
#define AIGW_SHIM_OPAQUE_H

#include "shim/peer.h"
#include "shim/rules.h"

enum opaque_kind {
	OPAQUE_TLS,
	OPAQUE_HTTP2, /* "prior knowledge", without TLS */
	OPAQUE_HTTP1, /* without TLS, and its first bytes could not be kept */
	OPAQUE_QUIC,
};

struct opaque {
	enum opaque_kind kind;
	const struct provider *provider;
	struct bytes name; /* of the server, as the program gives it; empty when it does not */
	const struct peer *peer;
	const void *caller; /* whose code writes: a return address */
};

/* Decides by these rules (NULL: none can be had), records; true: it is refused. A connection to a
 * host that serves other things too passes without a record: a program that has nothing to do with
 * models must not notice us. */
bool opaque_refuse(struct rules *r, const struct opaque *o);

/* The clean end of the process: what was counted and not recorded yet. */
void opaque_close(void);
/* For the child after fork. */
void opaque_in_child(void);

#endif
