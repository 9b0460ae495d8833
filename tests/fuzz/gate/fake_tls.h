/* SPDX-License-Identifier: MIT
 *
 * fake_tls: a TLS library in memory, in place of the libssl that the adapter looks for. What the
 * provider says is put in, what reaches the provider is collected, and how the next calls end (in
 * part, WANT_READ, WANT_WRITE, broken) is said beforehand. It aborts on what a real one forbids.
 */
#ifndef AIGW_TESTS_FAKE_TLS_H
#define AIGW_TESTS_FAKE_TLS_H

#include <stdlib.h>

#include "base/bytes.h"

#define FAKE_PLANS_MAX 64

#define must(condition) ((condition) ? (void)0 : must_fail(__FILE__, __LINE__, #condition))

/* Says what did not hold, and aborts. */
_Noreturn void must_fail(const char *file, int line, const char *condition);

static inline void must_put(struct buf *b, struct bytes data)
{
	must(buf_put(b, data) == OK);
}

enum fake_end { FAKE_OPEN, FAKE_CLOSED, FAKE_RESET, FAKE_BROKEN };

/* How calls end, one after the other; then they take or give all there is. */
struct fake_plan {
	uint8_t at[FAKE_PLANS_MAX];
	size_t next, count;
};

struct fake_tls {
	void *method; /* an SSL's first word leads into its library */
	/* set by the test */
	int fd; /* -1: the program moves the ciphertext itself */
	bool verified, old_version;
	unsigned handshake_steps; /* calls until it is done */
	struct fake_plan sends, reads;
	struct buf coming; /* what the provider said and the program has not read */
	enum fake_end end; /* behind it */
	/* Told of each piece that reaches the provider. */
	void (*on_sent)(void *context, struct bytes data);
	bool (*is_gated)(void *context); /* does what is written come from the gate? */
	void *context;
	/* what came of it */
	struct buf sent, given; /* that reached the provider; that was read */
	bool write_dead, quiet;
	unsigned shutdowns;
	/* private */
	int error;
	struct buf blocked;
	const void *blocked_at;
};

void fake_plan_add(struct fake_plan *p, struct bytes steps);
/* Ready for another connection. */
void fake_tls_reset(struct fake_tls *t);
/* The program frees the object: the library tells whoever asked to be told. */
void fake_tls_free(struct fake_tls *t);

#endif
