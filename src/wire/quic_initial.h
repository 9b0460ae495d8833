/* SPDX-License-Identifier: MIT
 *
 * quic_initial: the ClientHello in the first datagrams of a QUIC client (RFC 9000 17.2.2), version
 * 1 (RFC 9001) and 2 (RFC 9369).
 *
 * These packets are encrypted with keys that anybody can derive from the packet itself (RFC 9001
 * 5.2): that protects nobody's secret, and neither does this room: its ciphers are small and plain,
 * not constant in time, and not to be used for anything else.
 *
 * Pure, no allocation, safe in a signal handler. About 50 us of work for a datagram that opens.
 * Not here: packets of the server, Handshake and 1-RTT packets, older drafts.
 */
#ifndef AIGW_WIRE_QUIC_INITIAL_H
#define AIGW_WIRE_QUIC_INITIAL_H

#include "base/bytes.h"
#include "wire/client_hello.h"

/* Bytes of the handshake that are kept until those before them have come. A hello that ends behind
 * them: ERR_LIMIT once they are full. */
#define QUIC_INITIAL_CRYPTO_MAX (8u << 10)

#define QUIC_V1 1u
#define QUIC_V2 0x6b3343cfu

#define QUIC_INITIAL_CID_MAX 20 /* bytes of a connection id (RFC 9000 17.2) */

/* What one connection id gives (RFC 9001 5.1). */
struct quic_initial_keys {
	uint32_t version;
	uint8_t cid[QUIC_INITIAL_CID_MAX], cid_bytes;
	uint8_t key[16], iv[12], header_key[16];
};

/* One connection's first flight; about 10 KiB. Zero-initialised is ready. */
struct quic_initial {
	struct client_hello hello; /* as far as it was read */
	bool has_opened;           /* an Initial packet opened */
	/* private */
	struct quic_initial_keys keys;
	uint64_t next_number; /* of a packet, as expected */
	size_t read_bytes;    /* of crypto, by the reader of the hello */
	enum err stopped;
	uint8_t crypto[QUIC_INITIAL_CRYPTO_MAX];
	uint8_t filled[QUIC_INITIAL_CRYPTO_MAX / 8]; /* a bit for each byte of crypto */
};

/* Reads one datagram as a client sends it, all packets in it; datagrams that one call sends back to
 * back (UDP_SEGMENT) may be fed as one.
 *
 * OK: the hello is complete.
 * ERR_MORE: an Initial packet opened, and the hello goes on in other datagrams, which may come in
 *     any order and again.
 * ERR_BAD: no Initial packet of these versions is in it, or none that authenticates: not QUIC as
 * far as we know, and `q` is as before. Or frames or hello are malformed, which stays.
 * ERR_AMBIGUOUS, ERR_LIMIT: overlapping frames differ; QUIC_INITIAL_CRYPTO_MAX; or as of
 *     client_hello_feed. They stay.
 *
 * A packet that opens only with the keys of its own connection id (after a Retry, RFC
 * 9000 17.2.5.2, or of another connection from the same socket) starts anew, whatever was before.
 */
MUST_USE enum err quic_initial_feed(struct quic_initial *q, struct bytes datagram);

/* The keys that a client protects its Initial packets with: RFC 9001 5.2, RFC 9369 3.3. `cid`: the
 * destination connection id of its first packet. ERR_UNSUPPORTED: another version; ERR_LIMIT: the
 * id is too long. */
MUST_USE enum err quic_initial_derive(uint32_t version, struct bytes cid,
				      struct quic_initial_keys *ret_keys);

#endif
