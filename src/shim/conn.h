/* SPDX-License-Identifier: MIT
 *
 * conn: what we know of each SSL*: its libssl, whether it is governed, its gate. Found by address;
 * dropped when the library frees the object (an ex_data free callback tells), never earlier.
 *
 * Thread-safe. A conn is used by one thread at a time, as its SSL* is (openssl-threads(7)).
 */
#ifndef AIGW_SHIM_CONN_H
#define AIGW_SHIM_CONN_H

#include "shim/gate.h"
#include "shim/real.h"

#define CONN_NAME_MAX 256

enum conn_kind {
	CONN_NEW,   /* not decided yet: no I/O has been seen */
	CONN_PASS,  /* none of our business */
	CONN_GATED, /* governed */
};

struct conn {
	const void *ssl;
	struct conn *next; /* in its bucket, or in the list of free ones */
	const struct tls_api *api;
	uint8_t kind;   /* enum conn_kind */
	bool as_client; /* decided while acting as a client */
	bool hushed;    /* we made its shutdown quiet */
	struct gate *gate;
	/* answers of ours that SSL_get_error and SSL_get_shutdown must agree with */
	int forced_error;
	bool ended;
	int last_ret;                    /* of the library, when the gate was blocked or broken */
	int real_errno;                  /* after the last real call */
	char server_name[CONN_NAME_MAX]; /* as set by SSL_ctrl; "" when not seen */
};

extern bool conn_enabled; /* false: every connection passes (AIGW=off, before the constructor) */

/* The conn of an SSL*, made on first sight; its libssl is found through `caller`. Never NULL: when
 * memory is out, one that passes. */
struct conn *conn_of(const void *ssl, const void *caller);

/* Forgets what was decided and collected (SSL_clear), keeps the name. */
void conn_reset(struct conn *c);

/* For the child after fork. */
void conn_reset_locks(void);

#endif
