/* SPDX-License-Identifier: MIT
 *
 * eventstream: messages of application/vnd.amazon.eventstream (AWS "Event Stream Encoding"), from a
 * byte stream in any split. Integers are big-endian:
 *
 *     0     u32 total length, both checksums included
 *     4     u32 headers' length H
 *     8     u32 CRC-32 (IEEE 802.3) of bytes 0 to 7
 *     12    headers: u8 name length, name, u8 type, value
 *     12+H  payload
 *     last  u32 CRC-32 of all bytes before it
 *
 * Pure. Both checksums, the lengths and every header are checked; what the payload means is not
 * looked at.
 */
#ifndef AIGW_WIRE_EVENTSTREAM_H
#define AIGW_WIRE_EVENTSTREAM_H

#include "base/bytes.h"

/* The format's own limits are 24 MiB of payload and 128 KiB of headers. Model providers send a few
 * KiB: a longer message is ERR_LIMIT here, following ends. */
#define EVENTSTREAM_MESSAGE_BYTES_MAX (4u << 20)
#define EVENTSTREAM_HEADER_BYTES_MAX  (128u << 10)
#define EVENTSTREAM_HEADERS_MAX       64 /* so many in one message; ten are usual */

enum eventstream_type {
	EVENTSTREAM_TRUE,
	EVENTSTREAM_FALSE,
	EVENTSTREAM_INT8,
	EVENTSTREAM_INT16,
	EVENTSTREAM_INT32,
	EVENTSTREAM_INT64,
	EVENTSTREAM_BYTES,
	EVENTSTREAM_STRING,
	EVENTSTREAM_TIMESTAMP, /* milliseconds since 1970, 64 bits */
	EVENTSTREAM_UUID,
};

struct eventstream_header {
	struct bytes name;
	enum eventstream_type type;
	struct bytes value; /* the bytes as they came, without a length */
};

struct eventstream_message {
	struct bytes headers; /* for eventstream_header_next */
	struct bytes payload;
};

/* Zero-initialised is ready. */
struct eventstream {
	struct buf raw;  /* the message so far */
	bool given;      /* it was given out and is no longer needed */
	enum err failed; /* ERR_BAD or ERR_LIMIT, from then on always */
};

void eventstream_done(struct eventstream *s);

/* Consumes from the front of *in until one message is complete and found right: OK (call again with
 * what is left), ERR_MORE when *in is used up, ERR_BAD (checksum, lengths, a header of an unknown
 * type, without a name or given twice), ERR_LIMIT, ERR_NOMEM (may be called again with what is left
 * of *in). The message's views are into the parser, valid until the next call. */
MUST_USE enum err eventstream_next(struct eventstream *s, struct bytes *in,
				   struct eventstream_message *ret_message);

/* Nothing of an unfinished message is held: the stream may end here. */
bool eventstream_is_between(const struct eventstream *s);

/* The next of a message's headers. OK, ERR_END, ERR_BAD (never in a message that was given out). */
MUST_USE enum err eventstream_header_next(struct bytes *rest,
					  struct eventstream_header *ret_header);

/* The value of the string header of that name (":event-type"); empty when there is none. */
struct bytes eventstream_find(const struct eventstream_message *message, struct bytes name);

/* CRC-32 of IEEE 802.3 (reflected 0xEDB88320). `crc`: 0, or that of the bytes before. */
uint32_t eventstream_crc32(uint32_t crc, struct bytes data);

#endif
