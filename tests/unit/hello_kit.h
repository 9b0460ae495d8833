/* SPDX-License-Identifier: MIT
 *
 * hello_kit: builds ClientHellos for tests, field by field, big-endian as TLS writes. The caller
 * frees what it gets.
 */
#ifndef AIGW_TESTS_HELLO_KIT_H
#define AIGW_TESTS_HELLO_KIT_H

#include <stdlib.h>

#include "base/bytes.h"

static inline void kit_must(enum err e)
{
	if (e)
		abort();
}

static inline void kit_put(struct buf *b, uint64_t v, int width)
{
	while (width--)
		kit_must(buf_put_u8(b, (uint8_t)(v >> (8 * width))));
}

/* `part`, with its length in front; `part` is freed. */
static inline void kit_put_sized(struct buf *b, int width, struct buf part)
{
	kit_put(b, part.len, width);
	kit_must(buf_put(b, buf_view(&part)));
	buf_done(&part);
}

static inline struct buf kit_bytes(struct bytes text)
{
	struct buf b = {0};

	kit_must(buf_put(&b, text));
	return b;
}

static inline void kit_put_extension(struct buf *extensions, unsigned type, struct buf content)
{
	kit_put(extensions, type, 2);
	kit_put_sized(extensions, 2, content);
}

/* server_name with one name of a type. */
static inline struct buf kit_server_name(unsigned type, struct bytes name)
{
	struct buf entry = {0}, list = {0};

	kit_put(&entry, type, 1);
	kit_put_sized(&entry, 2, kit_bytes(name));
	kit_put_sized(&list, 2, entry);
	return list;
}

/* A handshake message with these extensions, which are freed; the random is 0, 1, 2, ... */
static inline struct buf kit_hello(struct buf extensions)
{
	struct buf body = {0}, message = {0};

	kit_put(&body, 0x0303, 2);
	for (unsigned i = 0; i < 32; i++)
		kit_put(&body, i, 1);
	kit_put_sized(&body, 1, kit_bytes(BYTES("session")));
	kit_put_sized(&body, 2, kit_bytes(BYTES("\x13\x01\x13\x02")));
	kit_put_sized(&body, 1, kit_bytes(BYTES("\0")));
	if (extensions.len)
		kit_put_sized(&body, 2, extensions);
	else
		buf_done(&extensions);
	kit_put(&message, 1, 1);
	kit_put_sized(&message, 3, body);
	return message;
}

/* The message in records of `each` bytes; it is not freed. */
static inline struct buf kit_records(const struct buf *message, size_t each)
{
	struct buf records = {0};

	for (size_t at = 0; at < message->len; at += each) {
		kit_put(&records, 0x160301, 3);
		kit_put_sized(&records, 2, kit_bytes(bytes_slice(buf_view(message), at, each)));
	}
	return records;
}

#endif
