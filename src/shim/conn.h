/* SPDX-License-Identifier: MIT
 *
 * conn: what we know of each TLS session of the program's: its library, whether it is governed, its
 * gate. Found by the session's address. Knows no TLS library: an adapter says when a session is
 * seen first and when it is gone.
 *
 * Thread-safe. A conn is used by one thread at a time, as its session is (openssl-threads(7)).
 */
#ifndef AIGW_SHIM_CONN_H
#define AIGW_SHIM_CONN_H

#include "shim/gate.h"
#include "shim/real.h"

#define CONN_NAME_MAX 256

struct gnutls_api;

enum conn_kind {
	CONN_NEW,   /* not decided yet: no I/O has been seen */
	CONN_PASS,  /* none of our business */
	CONN_GATED, /* governed */
};

struct conn {
	const void *session; /* SSL*, gnutls_session_t; NULL: a conn that stands for no session */
	struct conn *next;   /* in its bucket, or in the list of free ones */
	union { /* the functions of that session's library; each adapter has its own type */
		const void *functions;
		const struct tls_api *api;
		const struct gnutls_api *gnutls;
	};
	uint8_t kind;   /* enum conn_kind */
	bool as_client; /* decided while acting as a client */
	bool hushed;    /* we made its shutdown quiet */
	bool told;      /* its ClientHello's random is known to shim/hello */
	struct gate *gate;
	/* answers of ours that the library's own about errors and shutdown must agree with */
	int forced_error;
	bool ended;
	int last_ret;                    /* of the library, when the gate was blocked or broken */
	int real_errno;                  /* after the last real call (OpenSSL) */
	char server_name[CONN_NAME_MAX]; /* as the program set it; "" when not seen */
	/* of a library whose sessions do not tell (GnuTLS) */
	bool ready;    /* its handshake is done */
	bool verified; /* the program had the peer's certificate chain verified, and it was good */
	bool verifies_itself; /* the library was told to verify in the handshake */
	bool corked, blocked; /* writes are collected; the last one is to be repeated */
	struct buf alpn;      /* the program's list, until the handshake */
	struct buf unsent;    /* corked bytes of the program's */
	struct buf repeat;    /* those of its blocked write */
};

extern bool conn_enabled; /* false: every connection passes (AIGW=off, before the constructor) */

/* The conn of a session, or NULL when it has none. */
struct conn *conn_find(const void *session);

/* The conn of a session, made when there is none: all zero but `session` and `functions`. NULL when
 * it cannot be had: then the session passes. */
struct conn *conn_add(const void *session, const void *functions);

/* The session is gone: its conn and its gate go too. Harmless when there is none. Keeps errno. */
void conn_drop(const void *session);

/* Forgets what was decided and collected, keeps the name: the session is used again. */
void conn_reset(struct conn *c);

/* Before a session's first byte, or handshake step: is it governed? Sets kind, as_client and gate.
 * `name`: the server name, BYTES_NONE when the program gave none; `fd`: -1 when not known. Returns
 * whether the ALPN list is to be steered to HTTP/1.1. */
bool conn_decide(struct conn *c, const struct carrier *carrier, struct bytes name, int fd);

/* For the child after fork. */
void conn_reset_locks(void);

#endif
