/* SPDX-License-Identifier: MIT
 *
 * credential_place: the keys in the head of a request, as bytes that could be replaced: in
 * key-bearing headers, in query parameters, among the subprotocols of a WebSocket; and whether the
 * provider takes a key there (the catalogue's `credentials`; providers.md 4.6).
 *
 * Pure, allocates nothing; views are into the head.
 */
#ifndef AIGW_LLM_CREDENTIAL_PLACE_H
#define AIGW_LLM_CREDENTIAL_PLACE_H

#include "llm/catalogue.h"

struct credential_place {
	struct bytes name; /* of the header or the parameter, as written */
	struct bytes key;  /* without its scheme */
	bool accepted;     /* the provider takes a key here */
	bool foreign;      /* it is for somebody on the way, not for the provider */
	bool in_query;     /* percent-encoded, as is what takes its place */
	bool signs;        /* it is said to be what an AWS signature was made with */
};

struct credential_scan {
	struct bytes query, fields; /* what is left of either */
	struct bytes accepted[2];   /* "header authorization bearer", "query key"; one a line */
	uint64_t lengths;           /* of the names in these: one bit each, the last for longer */
};

/* `head`: the request line (empty lines before it are passed over) and the fields, and nothing of
 * the body (credential_head_bytes). `provider` NULL: the places of every provider are looked at,
 * and none is accepted. */
void credential_scan_init(struct credential_scan *s, struct bytes head,
			  const struct provider *provider, const struct dialect *dialect);
/* The next key, in the order of the bytes. False: no more. A value that is a signature made with a
 * gateway key's name or holds one behind something else gives the gateway key, not accepted. */
bool credential_scan_next(struct credential_scan *s, struct credential_place *ret_place);

/* The key as it is meant: decoded into `room` where it stands in a query. Longer ones than fit stay
 * as they are. */
struct bytes credential_place_text(const struct credential_place *p, uint8_t *room,
				   size_t room_bytes);

/* The length of a request's head with the empty line at its end; 0: it is not all there. */
size_t credential_head_bytes(struct bytes message);

#endif
