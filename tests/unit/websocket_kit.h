/* SPDX-License-Identifier: MIT
 *
 * websocket_kit: writes WebSocket frames (RFC 6455 5.2).
 */
#ifndef AIGW_TESTS_WEBSOCKET_KIT_H
#define AIGW_TESTS_WEBSOCKET_KIT_H

#include "split_kit.h"

enum { KIT_TEXT = 0x81, KIT_BINARY = 0x82, KIT_CLOSE = 0x88, KIT_PING = 0x89 };

/* A whole frame; with a mask when the client sends it. */
static inline void kit_put_frame(struct buf *b, bool from_client, uint8_t first, struct bytes data)
{
	static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	int bytes = data.len < 126 ? 0 : data.len <= 0xFFFF ? 2 : 8;
	uint8_t length = data.len < 126 ? (uint8_t)data.len : bytes == 2 ? 126 : 127;

	CHECK_ERR(buf_put_u8(b, first), OK);
	CHECK_ERR(buf_put_u8(b, (uint8_t)(length | (from_client ? 0x80 : 0))), OK);
	for (int shift = bytes * 8 - 8; shift >= 0; shift -= 8)
		CHECK_ERR(buf_put_u8(b, (uint8_t)((uint64_t)data.len >> shift)), OK);
	if (!from_client) {
		kit_put(b, data);
		return;
	}
	kit_put(b, bytes_of(mask, 4));
	CHECK_ERR(buf_reserve(b, data.len), OK);
	for (size_t i = 0; i < data.len; i++)
		b->at[b->len++] = data.at[i] ^ mask[i & 3];
}

static inline void kit_put_close(struct buf *b, bool from_client, unsigned code)
{
	uint8_t at[2] = {(uint8_t)(code >> 8), (uint8_t)code};

	kit_put_frame(b, from_client, KIT_CLOSE, bytes_of(at, code ? 2 : 0));
}

#endif
