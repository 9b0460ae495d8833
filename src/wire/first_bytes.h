/* SPDX-License-Identifier: MIT
 *
 * first_bytes: what a client starts to speak on a fresh TCP connection, and to whom: TLS, HTTP/1,
 * HTTP/2 in the clear, or to a proxy (HTTP CONNECT, SOCKS 4, 4a and 5), after which it starts
 * again. The bytes come in any split and are followed, not collected.
 *
 * Pure, no allocation, safe in a signal handler.
 * Not here: the rest of an HTTP message (wire/http1), who is governed.
 */
#ifndef AIGW_WIRE_FIRST_BYTES_H
#define AIGW_WIRE_FIRST_BYTES_H

#include "base/bytes.h"
#include "wire/client_hello.h"

/* Head of a request, of CONNECT too; the same as wire/http1's. Beyond: ERR_LIMIT. */
#define FIRST_BYTES_HEAD_MAX (128u << 10)
/* A longer first word is not an HTTP method. */
#define FIRST_BYTES_METHOD_MAX 32
/* host:port as it is written. Beyond: ERR_LIMIT. */
#define FIRST_BYTES_AUTHORITY_MAX 262

enum first_bytes_kind {
	FIRST_UNDECIDED, /* more bytes are needed */
	FIRST_TLS,       /* a handshake record; see hello */
	FIRST_HTTP1,     /* a request line of HTTP/1.0 or 1.1 */
	FIRST_HTTP2,     /* the whole preface of HTTP/2 (RFC 9113 3.4) */
	FIRST_CONNECT,   /* to a proxy: a request line with CONNECT (RFC 9110 9.3.6) */
	FIRST_SOCKS,     /* to a proxy: SOCKS 5 (RFC 1928, 1929), SOCKS 4 and 4a */
	FIRST_OTHER      /* none of these */
};

/* Zero-initialised is ready. */
struct first_bytes {
	/* Known before the answer OK for TLS (with the random), HTTP/1 and CONNECT (with the
	 * request line). */
	enum first_bytes_kind kind;
	struct client_hello hello; /* FIRST_TLS: as far as it was read */
	/* FIRST_HTTP1 after OK: the target is absolute ("GET http://host/ HTTP/1.1"): a proxy is
	 * spoken to, and host and port are of the target, whatever the Host field says. */
	bool is_absolute;
	/* FIRST_HTTP1, FIRST_CONNECT, FIRST_SOCKS after OK: 0 when it was not said. */
	uint16_t port;
	/* private: read with the function below */
	bool has_host_field, is_socks_name;
	uint8_t stage, matched, method_bytes, host_bytes;
	uint16_t authority_bytes, want;
	uint8_t authority[FIRST_BYTES_AUTHORITY_MAX], method[FIRST_BYTES_METHOD_MAX];
	uint32_t head_bytes;
	enum err stopped;
};

/* Consumes the next bytes from the front of *in.
 * OK: known, and the answers are ready: the hello is complete, or the head of the request, or the
 *     preface, or the proxy knows where to, or it is FIRST_OTHER. After FIRST_CONNECT and
 *     FIRST_SOCKS the bytes left in *in, and all later ones, are those of the connection through
 *     the proxy: zero the struct and feed them as fresh. After the other kinds *in does not matter.
 * ERR_MORE: all of *in was taken, and more is needed. `kind` may be known already, and in `hello`
 *     the name.
 * Errors: `kind` says of what, nobody can be named, and the error stays. ERR_BAD: malformed, or
 *     more than one reading (a bare CR, a folded line, blanks before a colon, a host that is
 *     not one); ERR_AMBIGUOUS: two Host fields, or that of client_hello_feed; ERR_LIMIT. */
MUST_USE enum err first_bytes_feed(struct first_bytes *f, struct bytes *in);

/* After OK, for FIRST_HTTP1, FIRST_CONNECT and FIRST_SOCKS: the host in lower case, without port,
 * brackets of IPv6 and a dot at its end: letters, digits, '-', '_', '.'; hex digits, ':' and '.' of
 * an IPv6 address. Empty when none was named (SOCKS with an address, HTTP/1.0 without Host). A view
 * into `f`. */
struct bytes first_bytes_host(const struct first_bytes *f);

#endif
