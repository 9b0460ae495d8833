/* SPDX-License-Identifier: MIT
 *
 * gate_key: the keys of one request: which there are, what they are worth, and the provider's
 * secret in the place of a gateway key in what goes out. The secret exists, decrypted, between the
 * look at a request and its last byte out, in memory that is in no core dump (sys_map_secret); what
 * a key holder handed out, as long as the connection.
 */
#ifndef AIGW_SHIM_GATE_KEY_H
#define AIGW_SHIM_GATE_KEY_H

#include "shim/keyring.h"

/* Of one connection; zeroed is a valid one without keys. */
struct gate_key {
	/* of the request under way */
	bool given;    /* it holds a gateway key */
	bool raw;      /* it holds a key that is none */
	bool replaced; /* the secret went into what goes out */
	struct keyring_use use;
	char place[64]; /* where the key stands: the name of a header or parameter; cut */
	/* Once all keys of the request were looked at: where in its head the first one is; 0 bytes
	 * when there is none. */
	bool looked, first_in_query;
	size_t first_at, first_bytes;
	/* private */
	uint8_t *secret; /* KEY_SECRET_BYTES_MAX; behind it the text of the key it was had for */
	size_t text_bytes;
	uint8_t *room; /* the beginning of what goes out, with the secret in it */
	size_t room_bytes, used_bytes;
};

/* Why a request with a gateway key is refused. */
struct gate_key_fault {
	int status;
	const char *code;
	char rule[RULE_BYTES_MAX];
	char reason[REASON_BYTES_MAX];
};

/* A request begins: what is known of the last one's keys is not of this one. */
void gate_key_begin(struct gate_key *k);

/* Looks at a request's head. False: it is to be refused as *ret_fault says. What the last request
 * left is forgotten. */
struct gate_key_question {
	const struct rules *rules;
	const struct process_facts *caller;
	const struct provider *provider;
	const struct dialect *dialect;
};
bool gate_key_read(struct gate_key *k, const struct gate_key_question *q, struct bytes head,
		   struct gate_key_fault *ret_fault);

/* The scope of the valid key, for decide; NULL: there is none. */
const struct key_scope *gate_key_scope(const struct gate_key *k);
/* The name of the key, "" when it is not known. Lives until the next gate_key_read. */
struct bytes gate_key_name(const struct gate_key *k);

/* What goes out, from the first byte of the request on, with the secret where the key stands:
 * *ret_first, then *ret_rest, which is the end of `out`. All of it when no gateway key was given.
 * `sent`: so many of its bytes have gone out already. ERR_STATE: the key is among them; ERR_NOMEM.
 */
MUST_USE enum err gate_key_put(struct gate_key *k, struct bytes out, size_t sent,
			       const struct provider *provider, const struct dialect *dialect,
			       struct bytes *ret_first, struct bytes *ret_rest);

/* The request is out, or refused: the secret is wiped. */
void gate_key_wipe(struct gate_key *k);
void gate_key_done(struct gate_key *k);

/* Does a head hold a (whole, not mistyped) gateway key in any place of a key? */
bool gate_key_is_in(struct bytes head);

#endif
