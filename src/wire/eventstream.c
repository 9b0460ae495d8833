/* SPDX-License-Identifier: MIT */
#include "wire/eventstream.h"

#define PRELUDE_BYTES 12u
#define CRC_BYTES     4u
#define FRAME_BYTES   (PRELUDE_BYTES + CRC_BYTES) /* of a message with nothing in it */

void eventstream_done(struct eventstream *s)
{
	buf_done(&s->raw);
	*s = (struct eventstream){0};
}

/* Four bits at a time: answers come slower than this by far, and the table is small. */
uint32_t eventstream_crc32(uint32_t crc, struct bytes data)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};

	crc = ~crc;
	for (size_t i = 0; i < data.len; i++) {
		crc ^= data.at[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

static uint32_t read_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* ---- headers ---- */

/* How long a value of that type is; *ret_prefix bytes before it say so for the variable ones. */
static enum err value_length(uint8_t type, struct bytes rest, size_t *ret_prefix, size_t *ret_len)
{
	static const uint8_t lengths[] = {
		[EVENTSTREAM_INT8] = 1,  [EVENTSTREAM_INT16] = 2,     [EVENTSTREAM_INT32] = 4,
		[EVENTSTREAM_INT64] = 8, [EVENTSTREAM_TIMESTAMP] = 8, [EVENTSTREAM_UUID] = 16,
	};

	*ret_prefix = 0;
	if (type > EVENTSTREAM_UUID)
		return ERR_BAD;
	*ret_len = lengths[type];
	if (type != EVENTSTREAM_BYTES && type != EVENTSTREAM_STRING)
		return OK;
	if (rest.len < 2)
		return ERR_BAD;
	*ret_prefix = 2;
	*ret_len = (size_t)rest.at[0] << 8 | rest.at[1];
	return OK;
}

enum err eventstream_header_next(struct bytes *rest, struct eventstream_header *ret_header)
{
	struct bytes left = *rest, name;
	size_t prefix, len;
	uint8_t type;

	if (left.len == 0)
		return ERR_END;
	name = bytes_slice(left, 1, left.at[0]);
	left = bytes_from(left, 1 + name.len);
	if (name.len == 0 || name.len != rest->at[0] || left.len == 0)
		return ERR_BAD;
	type = left.at[0];
	left = bytes_from(left, 1);
	if (value_length(type, left, &prefix, &len) || left.len < prefix + len)
		return ERR_BAD;
	ret_header->name = name;
	ret_header->type = (enum eventstream_type)type;
	ret_header->value = bytes_slice(left, prefix, len);
	*rest = bytes_from(left, prefix + len);
	return OK;
}

static enum err check_headers(struct bytes headers)
{
	struct bytes names[EVENTSTREAM_HEADERS_MAX];
	struct eventstream_header header;
	size_t count = 0;
	enum err e;

	while (!(e = eventstream_header_next(&headers, &header))) {
		if (count == EVENTSTREAM_HEADERS_MAX)
			return ERR_LIMIT;
		for (size_t i = 0; i < count; i++)
			if (bytes_equal(names[i], header.name))
				return ERR_BAD;
		names[count++] = header.name;
	}
	return e == ERR_END ? OK : e;
}

struct bytes eventstream_find(const struct eventstream_message *message, struct bytes name)
{
	struct bytes rest = message->headers;
	struct eventstream_header header;

	while (!eventstream_header_next(&rest, &header))
		if (header.type == EVENTSTREAM_STRING && bytes_equal(header.name, name))
			return header.value;
	return BYTES_NONE;
}

/* ---- messages ---- */

/* A complete prelude: are the lengths what they were, and acceptable? */
static enum err check_prelude(const uint8_t *raw)
{
	uint32_t total = read_u32(raw), headers = read_u32(raw + 4);

	if (eventstream_crc32(0, bytes_of(raw, 8)) != read_u32(raw + 8))
		return ERR_BAD;
	if (headers > EVENTSTREAM_HEADER_BYTES_MAX || total > EVENTSTREAM_MESSAGE_BYTES_MAX)
		return ERR_LIMIT;
	return total < FRAME_BYTES || headers > total - FRAME_BYTES ? ERR_BAD : OK;
}

/* A complete message whose prelude was right. */
static enum err check_message(struct bytes raw, struct eventstream_message *ret_message)
{
	size_t headers = read_u32(raw.at + 4);
	struct bytes covered = bytes_slice(raw, 0, raw.len - CRC_BYTES);
	enum err e;

	if (eventstream_crc32(0, covered) != read_u32(raw.at + covered.len))
		return ERR_BAD;
	e = check_headers(bytes_slice(covered, PRELUDE_BYTES, headers));
	if (e)
		return e;
	ret_message->headers = bytes_slice(covered, PRELUDE_BYTES, headers);
	ret_message->payload = bytes_from(covered, PRELUDE_BYTES + headers);
	return OK;
}

/* Moves bytes from *in until raw holds `len`: OK, ERR_MORE, ERR_NOMEM. */
static enum err collect(struct eventstream *s, size_t len, struct bytes *in)
{
	struct bytes part = bytes_slice(*in, 0, len - s->raw.len);
	enum err e = buf_put(&s->raw, part);

	if (e)
		return e;
	*in = bytes_from(*in, part.len);
	return s->raw.len == len ? OK : ERR_MORE;
}

static enum err next(struct eventstream *s, struct bytes *in,
		     struct eventstream_message *ret_message)
{
	enum err e = OK;

	if (s->raw.len < PRELUDE_BYTES) {
		e = collect(s, PRELUDE_BYTES, in);
		if (!e)
			e = check_prelude(s->raw.at);
	}
	if (!e)
		e = collect(s, read_u32(s->raw.at), in);
	return e ? e : check_message(buf_view(&s->raw), ret_message);
}

enum err eventstream_next(struct eventstream *s, struct bytes *in,
			  struct eventstream_message *ret_message)
{
	enum err e;

	if (s->failed)
		return s->failed;
	if (s->given)
		buf_reset(&s->raw);
	s->given = false;
	e = next(s, in, ret_message);
	if (e == ERR_BAD || e == ERR_LIMIT)
		s->failed = e;
	s->given = e == OK;
	return e;
}

bool eventstream_is_between(const struct eventstream *s)
{
	return !s->failed && (s->given || s->raw.len == 0);
}
