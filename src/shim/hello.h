/* SPDX-License-Identifier: MIT
 *
 * hello: which ClientHellos are made by the TLS libraries that we stand in: their randoms (RFC 8446
 * 4.1.2) are known to the adapters, and nobody else's is. A library that writes to the socket
 * itself does so inside one of its functions: around these calls the adapter marks the session
 * (hello_enter, hello_leave). Where the program carries the bytes, the hello comes out later: after
 * each step of a handshake the adapter says what its random is (hello_expect).
 *
 * Lock-free, allocates nothing, safe in signal handlers.
 */
#ifndef AIGW_SHIM_HELLO_H
#define AIGW_SHIM_HELLO_H

#include <stdbool.h>
#include <stdint.h>

struct conn;

/* Asks the library for the random of a session's ClientHello; false: there is none yet. */
typedef bool hello_random_of(const struct conn *c, uint8_t ret_random[32]);

/* The session whose library this thread is in. A mark that stays behind, because the program jumped
 * out of a callback, does no harm: its session's random is another one. */
struct hello_mark {
	const struct conn *conn;
	const void *session, *functions; /* of that conn, which may be another session's by now */
	hello_random_of *random_of;
};

/* Returns the mark before, for hello_leave. */
struct hello_mark hello_enter(const struct conn *c, hello_random_of *random_of);
void hello_leave(struct hello_mark before);

/* A ClientHello with this random will be written by the program. */
void hello_expect(const uint8_t random[32]);

/* Was it made by a library that we stand in? */
bool hello_is_known(const uint8_t random[32]);

#endif
