/* SPDX-License-Identifier: MIT
 *
 * connection: one connection to a PostgreSQL server: opened when it is needed, kept, dropped when
 * anything about it is odd. Nothing waits past the deadline (but the resolver of host names, which
 * libpq calls without one). A server that answers without end is hung up on.
 */
#ifndef AIGW_DRAIN_POSTGRES_CONNECTION_H
#define AIGW_DRAIN_POSTGRES_CONNECTION_H

#include "drain/postgres/parameters.h"

#define CONNECTION_ANSWER_BYTES_MAX (16u << 20) /* what answers may take in memory */
#define CONNECTION_RESULTS_MAX      64          /* results and rows of one message */
#define CONNECTION_PIECE_BYTES      (64u << 10) /* of rows, sent before the next is made */

struct connection {
	struct pg_conn *pg; /* NULL: none */
	uint64_t deadline_ns;
	size_t memory_bytes; /* in use for other things; whoever takes more meanwhile adds it */
};

/* What came of a statement, or of opening. */
struct connection_said {
	enum sink_result result; /* SINK_DELIVERED: all went well */
	char sqlstate[6];        /* "" when the server did not say it */
	size_t bad_row;          /* of COPY, from 1; 0: it is not known */
	uint64_t rows;           /* that INSERT has put in */
	bool committed;          /* COMMIT did what it is called */
	char text[SINK_ANSWER_MAX];
};

/* Sets the deadline (monotonic), and connects unless a connection is there and alive. false: *said
 * tells why not. */
MUST_USE bool connection_open(struct connection *c, const struct parameters *p,
			      uint64_t deadline_ns, struct connection_said *said);
void connection_close(struct connection *c); /* harmless twice */

/* Runs statements up to their end, or up to COPY … FROM STDIN, which then waits for rows. false:
 * *said tells why not. */
MUST_USE bool connection_run(struct connection *c, const char *statements,
			     struct connection_said *said);
MUST_USE bool connection_put_rows(struct connection *c, struct bytes rows,
				  struct connection_said *said);
MUST_USE bool connection_end_rows(struct connection *c, struct connection_said *said);

#endif
