/* SPDX-License-Identifier: MIT
 *
 * gate: one governed connection. The program's bytes come in and are held until a request is
 * complete and decided; then they go out, or a refusal is answered in the provider's place. The
 * provider's bytes are followed as the program reads them. Every exchange is recorded.
 *
 * The gate knows no TLS library: an adapter (hook_openssl.c) carries bytes for it. A TLS object is
 * to be used by one thread at a time, but programs exist that read in one and write in another: a
 * lock of the gate's own keeps its state whole, and is not held while the library works.
 */
#ifndef AIGW_SHIM_GATE_H
#define AIGW_SHIM_GATE_H

#include "base/bytes.h"

/* What the adapter knows of the connection, once its handshake is done. Strings are borrowed until
 * the gate is gone or describe is called again. */
struct link_facts {
	const char *tls;     /* "TLSv1.3" */
	const char *cipher;  /* NULL when not known */
	const char *library; /* path of the TLS library */
	int version;         /* of TLS on the wire: 0x0304; 0 when not known */
	bool verified;       /* the peer's certificate chain was verified */
	bool plain;          /* there is no TLS, and what is said above of it means nothing */
	int fd;              /* -1 when not known */
	bool own_transport;  /* the program moves the ciphertext itself (memory BIO) */
};

/* How the adapter's library answered. */
enum carried { CARRIED, CARRIED_PART, BLOCKED, BROKEN };

struct carrier {
	/* Hands bytes to the TLS library. CARRIED: all. CARRIED_PART: *ret_done of them, more at
	 * once. BLOCKED: none, the program must come back (the library's state says when). The same
	 * bytes at the same address are offered again. BROKEN: the connection is lost. */
	enum carried (*send)(void *session, struct bytes data, size_t *ret_done);
	void (*describe)(void *session, struct link_facts *ret_facts);
	/* Ends the connection towards the provider without a word: nothing more may go out. */
	void (*hush)(void *session);
	/* The last resort to wake the program when no descriptor is known. */
	void (*say_goodbye)(void *session);
};

struct gate;

/* A governed connection to `server_name`; empty when the program named none: then the Host field of
 * the first request decides whether it is governed at all. */
MUST_USE enum err gate_new(const struct carrier *carrier, void *session, struct bytes server_name,
			   struct gate **ret_gate);

/* The first `len` bytes that will be written have gone out already, before it was known whose they
 * are. To be called once, before the first gate_write. */
void gate_skip(struct gate *g, size_t len);

enum gate_answer {
	GATE_TAKEN,   /* all bytes count as written */
	GATE_BLOCKED, /* the library said "later": answer what it answered; come back with the same
		       */
	GATE_BROKEN,  /* the library failed: answer what it answered */
	GATE_OPENED,  /* all taken, and this connection is none of our business: from now on it is
			 the program's and the library's own */
};

/* The program writes. */
enum gate_answer gate_write(struct gate *g, struct bytes data);

/* The first bytes of a connection are to leave as early data, before the handshake. True: it has no
 * name, and they do not look like a request so far: it is none of our business from now on. */
bool gate_disowns(struct gate *g, struct bytes first);

enum gate_serving {
	GATE_NOTHING, /* read from the library */
	GATE_SERVED,  /* *ret_len bytes of a refusal */
	GATE_END,     /* the refusal was read: a clean end of the connection */
};

/* The program reads (or peeks): does the gate answer in the provider's place? */
enum gate_serving gate_serve(struct gate *g, uint8_t *out, size_t cap, bool peek, size_t *ret_len);
/* How many bytes of a refusal are ready. */
size_t gate_pending(struct gate *g);
/* The library gave `len` bytes, at `data`, where the program has room for `cap`. Returns how many
 * of them the program is to have instead: mostly all, unchanged. What is more than there is room
 * for is served by the next gate_serve (and counts as pending). 0: nothing yet, to be read on from
 * gate_serve.
 */
size_t gate_read(struct gate *g, uint8_t *data, size_t len, size_t cap);
/* The same where the program gets the bytes unchanged whatever they are. */
void gate_read_as_is(struct gate *g, struct bytes data);
/* Are bytes of the answer under way held or changed? Then the library must not be peeked at. */
bool gate_is_changing(struct gate *g);
/* The library told the program that the connection has ended, or failed. True: bytes that were held
 * are to be served before that is told. */
bool gate_ended(struct gate *g);
/* The connection is gone (freed or cleared by the program): what is unanswered is recorded as
 * aborted by the program. NULL is fine. */
void gate_free(struct gate *g);

#endif
