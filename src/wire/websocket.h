/* SPDX-License-Identifier: MIT
 *
 * websocket: one direction of a WebSocket connection (RFC 6455) from a byte stream in any split:
 * frames unmasked, fragments put together, permessage-deflate (RFC 7692) taken off; control frames
 * between fragments come out when they come.
 *
 * For a reader on the side: what an endpoint should reject but a lenient one takes (a text that is
 * not UTF-8, an unknown close code, frames after a close frame) is given out as it came, because
 * the other side may have understood it. What would be read differently by two readers is ERR_BAD.
 *
 * Pure apart from memory. Not here: the handshake but for its extensions; writing frames.
 */
#ifndef AIGW_WIRE_WEBSOCKET_H
#define AIGW_WIRE_WEBSOCKET_H

#include "base/bytes.h"

/* One message, its fragments together, decoded; beyond: ERR_LIMIT, following ends. Providers take
 * single messages of up to 15 MiB of audio. */
#define WEBSOCKET_MESSAGE_BYTES_MAX (16u << 20)
#define WEBSOCKET_CONTROL_BYTES_MAX 125         /* RFC 6455 5.5 */
#define WEBSOCKET_IDLE_BYTES_MAX    (32u << 10) /* memory kept between two messages */

/* RFC 6455 7.4.1: what a close frame without a code means. */
#define WEBSOCKET_CLOSE_NORMAL     1000
#define WEBSOCKET_CLOSE_GOING_AWAY 1001
#define WEBSOCKET_CLOSE_NONE       1005

/* What the two sides agreed on, from the server's answer. */
struct websocket_extensions {
	bool deflate;
	bool server_no_takeover, client_no_takeover; /* each message has a window of its own */
};

/* Adds what one Sec-WebSocket-Extensions line of the server's answer says. ERR_UNSUPPORTED: an
 * extension, or a parameter, that cannot be followed; ERR_BAD: malformed, or named twice. */
MUST_USE enum err websocket_read_extensions(struct bytes value,
					    struct websocket_extensions *agreed);

enum websocket_kind {
	WEBSOCKET_TEXT = 1, /* the numbers are the opcodes (RFC 6455 11.8) */
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
};

struct websocket_message {
	enum websocket_kind kind;
	struct bytes data;   /* of a close: the reason without its code */
	uint16_t close_code; /* of a close; WEBSOCKET_CLOSE_NONE when it names none */
};

struct coding_decoder;

struct websocket {
	bool masked;       /* the direction's frames are: those of the client (RFC 6455 5.3) */
	bool deflate;      /* frames may be compressed */
	bool keeps_window; /* between messages */
	struct coding_decoder *inflate; /* made when first needed */
	/* the frame under way */
	uint8_t head[14];
	size_t head_len, head_size; /* read of it, and how long it is as far as known */
	uint64_t left;              /* of its payload */
	uint8_t mask[4], mask_at;
	/* the message under way, put together from fragments */
	struct buf data;
	uint8_t kind; /* 0: none */
	bool compressed;
	/* the control frame under way */
	uint8_t control[WEBSOCKET_CONTROL_BYTES_MAX];
	size_t control_len;
	bool given; /* `data` was given out and is no longer needed */
	enum err failed;
};

/* `from_client`: the direction. `agreed`: NULL for no extensions. */
void websocket_init(struct websocket *w, bool from_client,
		    const struct websocket_extensions *agreed);
void websocket_done(struct websocket *w);

/* Consumes from the front of *in until one message or control frame is complete: OK (call again
 * with what is left), ERR_MORE when *in is used up, ERR_BAD, ERR_LIMIT, ERR_NOMEM (each from then
 * on always). The data is a view into the parser, valid until the next call. */
MUST_USE enum err websocket_next(struct websocket *w, struct bytes *in,
				 struct websocket_message *ret_message);

/* No frame and no message is under way: the stream may end here. */
bool websocket_is_between(const struct websocket *w);

#endif
