/* SPDX-License-Identifier: MIT
 *
 * fake_tls: a TLS library in memory, in place of the libssl that the adapter looks for, with the
 * provider behind it (far). Its calls end in part, with WANT_READ, WANT_WRITE or broken. It aborts
 * on what a real one forbids.
 */
#ifndef AIGW_TESTS_FAKE_TLS_H
#define AIGW_TESTS_FAKE_TLS_H

#include "far.h"

struct fake_tls {
	void *method; /* an SSL's first word leads into its library */
	/* set by the test */
	int fd; /* -1: the program moves the ciphertext itself */
	bool verified, old_version;
	unsigned handshake_steps; /* calls until it is done */
	struct far far;
	/* what came of it */
	bool quiet;
	unsigned shutdowns;
	/* private */
	int error;
	struct buf blocked;
	const void *blocked_at;
};

/* Ready for another connection. */
void fake_tls_reset(struct fake_tls *t);
/* The program frees the object: the library tells whoever asked to be told. */
void fake_tls_free(struct fake_tls *t);

#endif
