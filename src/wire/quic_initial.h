/* SPDX-License-Identifier: MIT
 *
 * quic_initial: the ClientHello in the first datagrams of a QUIC client (RFC 9000 17.2.2), version
 * 1 (RFC 9001) and 2 (RFC 9369).
 *
 * These packets are encrypted with keys that anybody can derive from the packet itself (RFC 9001
 * 5.2): that protects nobody's secret, and neither does this room: its ciphers are small and plain,
 * not constant in time, and not to be used for anything else.
 *
 * Pure, no allocation, safe in a signal handler. About 0.1 ms of work for a datagram.
 * Not here: packets of the server, Handshake and 1-RTT packets, older drafts.
 */
#ifndef AIGW_WIRE_QUIC_INITIAL_H
#define AIGW_WIRE_QUIC_INITIAL_H

#include "base/bytes.h"
#include "wire/client_hello.h"

/* Bytes of the handshake that are kept until those before them have come. A hello that ends behind
 * them: ERR_LIMIT once they are full. */
#define QUIC_INITIAL_CRYPTO_MAX (8u << 10)

#define QUIC_INITIAL_CID_MAX 20 /* bytes of a connection id (RFC 9000 17.2) */

/* One connection's first flight; about 10 KiB. Zero-initialised is ready. */
struct quic_initial {
	struct client_hello hello; /* as far as it was read */
	uint32_t version;          /* of the last Initial that opened; 0: none did */
	/* private */
	uint8_t cid[QUIC_INITIAL_CID_MAX], cid_bytes; /* the keys are derived from this */
	uint8_t key[16], iv[12], header_key[16];
	uint64_t next_number; /* of the packet, to be expected */
	uint32_t read_bytes;  /* of `crypto`, by the hello's reader */
	uint8_t crypto[QUIC_INITIAL_CRYPTO_MAX];
	uint8_t filled[QUIC_INITIAL_CRYPTO_MAX / 8]; /* a bit for each byte of crypto */
};

/* Reads one datagram as a client sends it. OK: the hello is complete. ERR_MORE: it holds an Initial
 * packet that opens, and the hello goes on in other datagrams (in any order, any number of times).
 * ERR_BAD: no Initial packet of these versions in front, it does not authenticate, or what is in it
 * is not allowed there: not QUIC as far as we know, `q` is as before then but for a hello that is
 * malformed. ERR_AMBIGUOUS and ERR_LIMIT: of the hello, or of QUIC_INITIAL_CRYPTO_MAX.
 * A packet that opens only with the keys of its own connection id (after a Retry, RFC 9000 17.2.5,
 * or of another connection from the same socket) starts anew. */
MUST_USE enum err quic_initial_feed(struct quic_initial *q, struct bytes datagram);

#endif
