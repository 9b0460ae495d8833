/* SPDX-License-Identifier: MIT
 *
 * far: the other end of a connection in memory, behind a stand-in for a TLS library (fake_tls,
 * fake_gnutls). What the provider says is put in, what reaches it is collected, and how the
 * library's next calls end is said beforehand.
 */
#ifndef AIGW_TESTS_FAR_H
#define AIGW_TESTS_FAR_H

#include <stdlib.h>

#include "base/bytes.h"

#define FAR_PLANS_MAX    64
#define FAR_RECORD_BYTES 16384 /* RFC 8446 5.1 */

#define must(condition) ((condition) ? (void)0 : must_fail(__FILE__, __LINE__, #condition))

/* Says what did not hold, and aborts. */
_Noreturn void must_fail(const char *file, int line, const char *condition);

static inline void must_put(struct buf *b, struct bytes data)
{
	must(buf_put(b, data) == OK);
}

enum far_state { FAR_OPEN, FAR_CLOSED, FAR_RESET, FAR_BROKEN };

/* How calls end, one after the other; then they take or give all there is. */
struct far_plan {
	uint8_t at[FAR_PLANS_MAX];
	size_t next, count;
};

struct far {
	/* set by the test */
	struct far_plan sends, reads;
	struct buf coming;    /* what the provider said and the program has not read */
	enum far_state state; /* behind it */
	/* Told of each piece that reaches the provider. */
	void (*on_sent)(void *context, struct bytes data);
	bool (*is_gated)(void *context); /* does what is written come from the gate? */
	void *context;
	/* what came of it */
	struct buf sent, given; /* that reached the provider; that was read */
	bool write_dead;
};

void far_plan_add(struct far_plan *p, struct bytes steps);

/* What the next call is to do, and how much, or which way. */
enum far_step { FAR_ALL, FAR_SOME, FAR_WAIT, FAR_OTHER };
enum far_step far_plan_take(struct far_plan *p, unsigned *ret_much);

/* The library's two ways. How many bytes it gave, at most a record. */
void far_take(struct far *f, struct bytes data);
size_t far_give(struct far *f, void *data, size_t len, bool peek);

/* Ready for another connection. */
void far_reset(struct far *f);

/* A descriptor that is connected to that port, without a byte on the wire. */
int far_descriptor(uint16_t port);

#endif
