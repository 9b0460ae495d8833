/* SPDX-License-Identifier: MIT
 *
 * client_hello: what a TLS client says first (RFC 8446 4.1.2), read as it is sent, in any split:
 * its random, the server's name (RFC 6066 3), ALPN (RFC 7301 3.1), versions (RFC 8446 4.2.1),
 * whether it carries an encrypted hello (ECH, extension 0xfe0d: the name is an outer one then).
 *
 * Nothing is kept but the answers: the bytes are followed, not collected, so that a hello may come
 * in many writes, and in many records, without a buffer and without an allocation. Pure, safe in a
 * signal handler. Each answer is there as soon as its bytes are.
 *
 * Not here: whether the handshake makes sense, later messages, DTLS, the SSL 2 hello (ERR_BAD).
 */
#ifndef AIGW_WIRE_CLIENT_HELLO_H
#define AIGW_WIRE_CLIENT_HELLO_H

#include "base/bytes.h"

/* The message without its 4 bytes of header; headers of records come on top. The standard's lengths
 * allow more, BoringSSL (and what is built on it) refuses more; real hellos have 200 to 2000. */
#define CLIENT_HELLO_BYTES_MAX (16u << 10)

/* A server name; DNS knows no longer one (RFC 1035 2.3.4). Beyond: ERR_LIMIT. */
#define CLIENT_HELLO_NAME_MAX 255

/* Room for the first ALPN names, with a byte of length each; names from the first that does not
 * fit on are left out. */
#define CLIENT_HELLO_PROTOCOLS_MAX 64

/* Zero-initialised is ready. */
struct client_hello {
	bool has_random; /* random is there */
	bool has_name;   /* the server_name extension was read to its end */
	bool has_ech;    /* there is an encrypted hello (or a greased one, which looks the same) */
	bool has_alpn;   /* the ALPN extension was read to its end */
	bool complete;   /* the message was read to its end: what is missing now does not come */
	uint8_t random[32];
	uint16_t legacy_version; /* 0x0303: TLS 1.2, and 1.3 which is in supported_versions */
	/* The highest TLS version in supported_versions so far, greasing ignored; without that
	 * extension, when complete, legacy_version. */
	uint16_t highest_version;
	/* private: read with the functions below */
	uint16_t name_bytes, protocol_bytes;
	uint8_t name[CLIENT_HELLO_NAME_MAX];
	uint8_t protocols[CLIENT_HELLO_PROTOCOLS_MAX];
	struct {
		uint8_t header_bytes;  /* read of the next record's header */
		uint16_t length, left; /* bytes of the record; of them still to come */
	} record;
	uint8_t stage;
	uint8_t seen; /* what may come once and did, as bits */
	bool keeps_protocol, misses_protocol;
	uint32_t number;                     /* the field under way */
	uint32_t want, left, extension_left; /* bytes: of field, message, extension */
	enum err stopped;
};

/* Takes the next bytes of the stream: TLS records. OK: the hello is complete (bytes behind it are
 * not looked at, nor is anything from then on); ERR_MORE: all taken, more is needed. ERR_BAD: not a
 * ClientHello, or malformed; ERR_AMBIGUOUS: an extension of the above comes twice, or two names;
 * ERR_LIMIT: CLIENT_HELLO_BYTES_MAX, CLIENT_HELLO_NAME_MAX. An error stays; what was answered
 * before it stays readable. */
MUST_USE enum err client_hello_feed(struct client_hello *h, struct bytes records);

/* The same for the bare handshake message, as in QUIC's CRYPTO frames (RFC 9001 4.1.3). One hello
 * is fed by one of the two only. */
MUST_USE enum err client_hello_feed_message(struct client_hello *h, struct bytes message);

/* All in one: a hello from its first byte, as far as `records` goes. *ret_hello is written in every
 * case; the answers are those of client_hello_feed. */
MUST_USE enum err client_hello_parse(struct bytes records, struct client_hello *ret_hello);

/* The server's name: ASCII, in lower case, without a dot at its end; printable bytes, not more is
 * known of them. Empty while not has_name, and when the client named none. A view into `h`. */
struct bytes client_hello_name(const struct client_hello *h);

/* The ALPN names as they came; walk them with client_hello_next_protocol. A view into `h`; empty
 * while not has_alpn. */
struct bytes client_hello_protocols(const struct client_hello *h);
/* Cuts the first name off *rest; false at the end. */
bool client_hello_next_protocol(struct bytes *rest, struct bytes *ret_protocol);

#endif
