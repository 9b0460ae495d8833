/* SPDX-License-Identifier: MIT
 *
 * openssl: what the front doors of OpenSSL share: the conn of an SSL*, and bytes through its gate.
 * Knows the API of OpenSSL 1.1 and 3; SSL stays an opaque pointer.
 */
#ifndef AIGW_SHIM_OPENSSL_H
#define AIGW_SHIM_OPENSSL_H

#include <errno.h>

#include "shim/conn.h"
#include "shim/hello.h"

#define likely(condition) __builtin_expect(!!(condition), 1)

/* Values of openssl/ssl.h; the same in 1.1 and 3. */
#define ERROR_SSL              1
#define ERROR_WANT_READ        2
#define ERROR_WANT_WRITE       3
#define ERROR_WANT_X509_LOOKUP 4
#define ERROR_SYSCALL          5
#define ERROR_ZERO_RETURN      6
#define ERROR_WANT_CONNECT     7
#define ERROR_WANT_ACCEPT      8

/* A real call for connection c; errno of the call is kept for the way out. */
#define REAL(c, call)                                                                              \
	({                                                                                         \
		__auto_type ret_ = (c)->api->call;                                                 \
		(c)->real_errno = errno;                                                           \
		ret_;                                                                              \
	})

/* The same of a call that drives the handshake, so that its ClientHello is known for ours. */
#define REAL_HANDSHAKE(c, call)                                                                    \
	({                                                                                         \
		struct hello_mark before_ = hello_enter(c, openssl_random);                        \
		__auto_type result_ = REAL(c, call);                                               \
		hello_leave(before_);                                                              \
		openssl_tell(c);                                                                   \
		result_;                                                                           \
	})

/* The random of its ClientHello; false: it has made none yet. */
bool openssl_random(const struct conn *c, uint8_t ret_random[32]);
void openssl_tell(struct conn *c);

/* The conn of an SSL*, made on first sight; its libssl is found through `caller`. Never NULL: when
 * there is none to be had, one that passes. */
struct conn *openssl_conn(const void *ssl, const void *caller);

/* Passes straight through: not governed, or libssl calling its own public functions. That is told
 * by where the call comes from and not by a mark of ours, which a longjmp out of a callback would
 * leave behind. */
static inline bool openssl_passes(const struct conn *c, const void *caller)
{
	return likely(c->kind == CONN_PASS) || library_is_nested(&c->api->library, caller);
}

/* Before any I/O of a connection that is not decided on: true when it is governed. */
bool openssl_settle(struct conn *c, void *ssl, bool connecting);

/* The object is used for another connection. */
void openssl_reset(struct conn *c);

/* The program writes. 1: all of `data` counts as written; else what the library answered (0 or
 * less). */
int openssl_write(struct conn *c, void *ssl, const void *data, size_t len);

/* The program reads. True when the gate answers: *ret_len bytes, or 0 for the end. */
bool openssl_serve(struct conn *c, void *data, size_t cap, bool peek, size_t *ret_len);
/* How the library ended a read, for the gate. */
bool openssl_read_failed(struct conn *c, void *ssl, int ret);

#endif
