/* SPDX-License-Identifier: MIT
 *
 * eventstream_kit: writes messages of application/vnd.amazon.eventstream, with zlib's CRC-32, which
 * is not the room's own.
 */
#ifndef AIGW_TESTS_EVENTSTREAM_KIT_H
#define AIGW_TESTS_EVENTSTREAM_KIT_H

#include <zlib.h>

#include "split_kit.h"

static inline void kit_put_u32_big(struct buf *b, uint32_t v)
{
	uint8_t at[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	kit_put(b, bytes_of(at, sizeof at));
}

/* One header with its value's length in front when the type has one (6, 7). */
static inline void kit_put_header(struct buf *b, struct bytes name, uint8_t type,
				  struct bytes value)
{
	CHECK_ERR(buf_put_u8(b, (uint8_t)name.len), OK);
	kit_put(b, name);
	CHECK_ERR(buf_put_u8(b, type), OK);
	if (type == 6 || type == 7) {
		CHECK_ERR(buf_put_u8(b, (uint8_t)(value.len >> 8)), OK);
		CHECK_ERR(buf_put_u8(b, (uint8_t)value.len), OK);
	}
	kit_put(b, value);
}

/* A message with these lengths in its prelude, which need not be true, and right checksums. */
static inline void kit_put_message_as(struct buf *b, uint32_t total, uint32_t headers_len,
				      struct bytes headers, struct bytes payload)
{
	size_t start = b->len;

	kit_put_u32_big(b, total);
	kit_put_u32_big(b, headers_len);
	kit_put_u32_big(b, (uint32_t)crc32(0, b->at + start, 8));
	kit_put(b, headers);
	kit_put(b, payload);
	kit_put_u32_big(b, (uint32_t)crc32(0, b->at + start, (unsigned)(b->len - start)));
}

static inline void kit_put_message(struct buf *b, struct bytes headers, struct bytes payload)
{
	kit_put_message_as(b, (uint32_t)(16 + headers.len + payload.len), (uint32_t)headers.len,
			   headers, payload);
}

/* As Bedrock sends them: ":message-type", and ":event-type" or ":exception-type". */
static inline void kit_put_event(struct buf *b, const char *message_type, const char *type_header,
				 const char *type, struct bytes payload)
{
	struct buf headers = {0};

	kit_put_header(&headers, bytes_str(type_header), 7, bytes_str(type));
	kit_put_header(&headers, BYTES(":content-type"), 7, BYTES("application/json"));
	kit_put_header(&headers, BYTES(":message-type"), 7, bytes_str(message_type));
	kit_put_message(b, buf_view(&headers), payload);
	buf_done(&headers);
}

#endif
