/* SPDX-License-Identifier: MIT
 *
 * witness: what must hold of one connection, whatever TLS library carries it: it is told what the
 * program says and reads, hears what reaches the provider, and looks into the books.
 *
 *   The provider gets what the program wrote, byte for byte, where nothing is to be changed; else
 *   the same requests. Of what is refused it gets nothing.
 *   No request's first byte reaches it before its record is written.
 *   Every request has exactly one set of records.
 */
#ifndef AIGW_TESTS_WITNESS_H
#define AIGW_TESTS_WITNESS_H

#include "books.h"
#include "far.h"
#include "shim/conn.h"
#include "shim/gate_state.h"

#define WITNESS_NAMES        7
#define WITNESS_REQUESTS_MAX 64    /* of one connection; then it is only followed */
#define WITNESS_TIMES_MAX    65536 /* bytes of a piece that is repeated */

/* Requests, as another reader sees them. */
struct seen {
	const char *method;
	struct buf target, body;
	size_t end; /* offset behind it */
};

struct trail {
	struct http1_request request;
	struct seen at[WITNESS_REQUESTS_MAX];
	size_t count, fed;
	bool faulty;  /* no request any more */
	bool stopped; /* what comes is not followed: another protocol, or too many */
};

struct witness {
	/* set by the test */
	const void *session;
	struct far *far;
	const struct books_policy *policy;
	const char *name;
	bool strict; /* a provider's own host: each request is ours */
	bool unfit;  /* not verified, or TLS too old: then nothing of it may go out */
	/* what was seen */
	unsigned owner;       /* of pages in the books */
	struct buf offered;   /* everything that the program has tried to write */
	struct buf pending;   /* the end of it, which was not taken */
	size_t collected;     /* taken, but not to go out yet (corked) */
	struct buf refusal;   /* that the program has read */
	bool refusal_is_over; /* and its end */
	bool writes_failed, plain_sight;
	struct trail said, arrived;
};

/* A new connection, under the n-th of the names; the far end is to be told of by `far`. */
void witness_begin(struct witness *w, unsigned name);
/* What is done from now on is done with this one. */
void witness_is_up(const struct witness *w);

/* NULL: it has none. */
struct gate *witness_gate(const struct witness *w);
bool witness_is_gated(const struct witness *w);
bool witness_is_refused(const struct witness *w);

/* The program is about to write, behind what is pending; so much of that was taken. */
void witness_offer(struct witness *w, struct bytes more);
void witness_taken(struct witness *w, size_t len);
/* The provider says it, so many times. */
void witness_answer(struct witness *w, struct bytes text, size_t times);
/* The program was given (or, `peek`, shown) bytes that are not the provider's: only when every
 * earlier answer is told of. */
void witness_refusal(struct witness *w, struct bytes text, bool peek);
/* It was told that there is no more of that. */
void witness_refusal_end(struct witness *w);

/* Nothing that will never come stands between the program and a refusal, or is waited for after the
 * connection has broken. */
void witness_check_awaited(const struct witness *w);
/* Between two calls of the program's, nothing being under way: what was complete has gone out or
 * was refused, what is not complete has not. */
void witness_check_settled(const struct witness *w);
/* Before the session is gone, and after. */
void witness_check_end(const struct witness *w);
void witness_check_pages(const struct witness *w);

/* The text, so many times, as far as WITNESS_TIMES_MAX. */
void witness_repeat(struct buf *out, struct bytes text, size_t times);

#endif
