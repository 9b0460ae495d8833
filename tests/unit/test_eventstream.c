/* SPDX-License-Identifier: MIT */
#include "wire/eventstream.h"

#include "eventstream_kit.h"

/* "name/type=hex,...|payload;" */
static enum err next(void *parser, struct bytes *in, struct buf *ret_items)
{
	struct eventstream_message m;
	struct eventstream_header h;
	enum err e = eventstream_next(parser, in, &m);

	if (e)
		return e;
	while (!eventstream_header_next(&m.headers, &h)) {
		kit_put(ret_items, h.name);
		CHECK_ERR(buf_put_u8(ret_items, '/'), OK);
		CHECK_ERR(buf_put_decimal(ret_items, h.type), OK);
		CHECK_ERR(buf_put_u8(ret_items, '='), OK);
		CHECK_ERR(buf_put_hex(ret_items, h.value), OK);
		CHECK_ERR(buf_put_u8(ret_items, ','), OK);
	}
	CHECK_U64(m.headers.len, 0);
	CHECK_ERR(buf_put_u8(ret_items, '|'), OK);
	kit_put_item(ret_items, m.payload);
	return OK;
}

static void end(void *parser, struct buf *ret_items)
{
	kit_put(ret_items, eventstream_is_between(parser) ? BYTES(".") : BYTES("?"));
}

static void done(void *parser)
{
	eventstream_done(parser);
}

static const struct kit_parser parser = {sizeof(struct eventstream), NULL, done, next, end};

static void checksums_are_those_of_ieee_802_3(void)
{
	static const char check[] = "123456789";
	uint8_t all[256];

	CHECK_U64(eventstream_crc32(0, bytes_str(check)), 0xCBF43926);
	CHECK_U64(eventstream_crc32(0, BYTES_NONE), 0);
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)(i * 7);
	for (size_t len = 0; len <= sizeof all; len++)
		CHECK_U64(eventstream_crc32(0, bytes_of(all, len)), crc32(0, all, (unsigned)len));
	CHECK_U64(eventstream_crc32(eventstream_crc32(0, bytes_of(all, 100)),
				    bytes_of(all + 100, 156)),
		  eventstream_crc32(0, bytes_of(all, 256)));
}

/* The smallest message, and one without headers, as AWS publishes them. */
static void published_messages_are_read(void)
{
	kit_check(&parser, BYTES("\0\0\0\x10\0\0\0\0\x05\xC2\x48\xEB\x7D\x98\xC8\xFF"),
		  BYTES("|;."), ERR_MORE);
	kit_check(&parser, BYTES("\0\0\0\x1D\0\0\0\0\xFD\x52\x8C\x5A{'foo':'bar'}\xC3\x65\x39\x36"),
		  BYTES("|{'foo':'bar'};."), ERR_MORE);
}

static void every_type_of_header_is_read_in_every_split(void)
{
	struct buf headers = {0}, stream = {0};

	kit_put_header(&headers, BYTES("t"), 0, BYTES_NONE);
	kit_put_header(&headers, BYTES("f"), 1, BYTES_NONE);
	kit_put_header(&headers, BYTES("8"), 2, BYTES("\xFF"));
	kit_put_header(&headers, BYTES("16"), 3, BYTES("\x01\x02"));
	kit_put_header(&headers, BYTES("32"), 4, BYTES("\x01\x02\x03\x04"));
	kit_put_header(&headers, BYTES("64"), 5, BYTES("\x01\x02\x03\x04\x05\x06\x07\x08"));
	kit_put_header(&headers, BYTES("b"), 6, BYTES("\0;|"));
	kit_put_header(&headers, BYTES("e"), 6, BYTES_NONE);
	kit_put_header(&headers, BYTES(":event-type"), 7, BYTES("chunk"));
	kit_put_header(&headers, BYTES("ms"), 8, BYTES("\0\0\0\0\0\0\0\x09"));
	kit_put_header(&headers, BYTES("id"), 9, BYTES("0123456789abcdef"));
	kit_put_message(&stream, buf_view(&headers), BYTES("{}"));
	kit_put_message(&stream, BYTES_NONE, BYTES("next"));
	kit_check(&parser, buf_view(&stream),
		  BYTES("t/0=,f/1=,8/2=ff,16/3=0102,32/4=01020304,64/5=0102030405060708,"
			"b/6=003b7c,e/6=,:event-type/7=6368756e6b,ms/8=0000000000000009,"
			"id/9=30313233343536373839616263646566,|{};|next;."),
		  ERR_MORE);
	/* cut off at every place but a message's end */
	for (size_t len = 1; len < stream.len; len++) {
		struct buf found = {0};
		CHECK_ERR(kit_follow(&parser, bytes_slice(buf_view(&stream), 0, len), 5, 0, &found),
			  ERR_MORE);
		CHECK(bytes_ends(buf_view(&found),
				 len == stream.len - 20 ? BYTES(".") : BYTES("?")));
		buf_done(&found);
	}
	buf_done(&headers);
	buf_done(&stream);
}

static void string_headers_are_found_by_name(void)
{
	struct eventstream s = {0};
	struct eventstream_message m;
	struct buf headers = {0}, stream = {0};

	kit_put_header(&headers, BYTES("other"), 0, BYTES_NONE);
	kit_put_header(&headers, BYTES("bytes"), 6, BYTES("no string"));
	kit_put_header(&headers, BYTES(":event-type"), 7, BYTES("metadata"));
	kit_put_message(&stream, buf_view(&headers), BYTES("{}"));
	struct bytes in = tap_guarded(buf_view(&stream));
	CHECK_ERR(eventstream_next(&s, &in, &m), OK);
	CHECK_BYTES(eventstream_find(&m, BYTES(":event-type")), "metadata");
	CHECK_BYTES(eventstream_find(&m, BYTES("bytes")), "");
	CHECK_BYTES(eventstream_find(&m, BYTES("event-type")), "");
	eventstream_done(&s);
	buf_done(&headers);
	buf_done(&stream);
}

/* A message whose any byte is another one is not given out: its lengths, its headers, its payload
 * and its checksums are all covered. */
static void every_changed_bit_is_found(void)
{
	struct buf stream = {0};

	kit_put_event(&stream, "event", ":event-type", "chunk", BYTES("{\"bytes\":\"e30=\"}"));
	for (size_t i = 0; i < stream.len * 8; i++) {
		struct buf found = {0};
		stream.at[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK_ERR(kit_follow(&parser, buf_view(&stream), stream.len, 0, &found), ERR_BAD);
		CHECK_BYTES(buf_view(&found), "?");
		stream.at[i / 8] ^= (uint8_t)(1 << i % 8);
		buf_done(&found);
	}
	buf_done(&stream);
}

static void malformed_headers_are_bad(void)
{
	static const struct bytes cases[] = {
		BYTES("\0\x00"), /* no name */
		BYTES("\x01"),   /* the name is missing */
		BYTES("\x02"
		      "a"), /* longer than there is */
		BYTES("\x01"
		      "a"), /* no type */
		BYTES("\x01"
		      "a\x0A"), /* an unknown one */
		BYTES("\x01"
		      "a\xFF"),
		BYTES("\x01"
		      "a\x02"), /* no value */
		BYTES("\x01"
		      "a\x05\0\0\0\0\0\0\0"), /* a short one */
		BYTES("\x01"
		      "a\x07\0"), /* half a length */
		BYTES("\x01"
		      "a\x07\0\x02x"), /* a length beyond the end */
		BYTES("\x01"
		      "a\x06\xFF\xFF"),
		BYTES("\x01"
		      "a\x09"
		      "123456789abcdef"),
		BYTES("\x01"
		      "a\0\x01"
		      "a\x01"), /* given twice */
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf stream = {0};
		kit_put_message(&stream, cases[i], BYTES("{}"));
		kit_check(&parser, buf_view(&stream), BYTES("?"), ERR_BAD);
		buf_done(&stream);
	}
}

static void lengths_that_contradict_each_other_are_bad(void)
{
	static const uint32_t cases[][2] = {{15, 0}, {0, 0}, {16, 1}, {17, 2}, {20, UINT16_MAX}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf stream = {0};
		kit_put_message_as(&stream, cases[i][0], cases[i][1], BYTES_NONE, BYTES("{}"));
		kit_check(&parser, buf_view(&stream), BYTES("?"), ERR_BAD);
		buf_done(&stream);
	}
}

static void messages_and_headers_have_limits(void)
{
	struct buf headers = {0}, stream = {0}, found = {0};
	struct buf payload = kit_filled(BYTES(""), EVENTSTREAM_MESSAGE_BYTES_MAX - 16, BYTES(""));
	const size_t steps[] = {SIZE_MAX / 2, 4093};

	for (size_t k = 0; k < 2; k++) {
		buf_reset(&stream);
		buf_reset(&found);
		kit_put_message(&stream, BYTES_NONE, buf_view(&payload));
		CHECK_ERR(kit_follow(&parser, buf_view(&stream), steps[k], 0, &found), ERR_MORE);
		CHECK_U64(found.len, payload.len + 3);
		/* One byte more is known from the prelude, before anything is kept. */
		buf_reset(&stream);
		buf_reset(&found);
		kit_put_message_as(&stream, EVENTSTREAM_MESSAGE_BYTES_MAX + 1, 0, BYTES_NONE,
				   BYTES_NONE);
		CHECK_ERR(kit_follow(&parser, bytes_slice(buf_view(&stream), 0, 12), steps[k], 0,
				     &found),
			  ERR_LIMIT);
	}
	/* headers: 128 KiB, as two values of at most 64 KiB and what names them */
	kit_put_header(&headers, BYTES("a"), 6, bytes_slice(buf_view(&payload), 0, UINT16_MAX));
	kit_put_header(
		&headers, BYTES("b"), 6,
		bytes_slice(buf_view(&payload), 0, EVENTSTREAM_HEADER_BYTES_MAX - UINT16_MAX - 10));
	CHECK_U64(headers.len, EVENTSTREAM_HEADER_BYTES_MAX);
	for (size_t over = 0; over < 2; over++) {
		buf_reset(&stream);
		buf_reset(&found);
		kit_put_message(&stream, buf_view(&headers), BYTES("{}"));
		CHECK_ERR(kit_follow(&parser, buf_view(&stream), 4093, 0, &found),
			  over ? ERR_LIMIT : ERR_MORE);
		/* one more: the second value is one byte longer */
		buf_reset(&headers);
		kit_put_header(&headers, BYTES("a"), 6,
			       bytes_slice(buf_view(&payload), 0, UINT16_MAX));
		kit_put_header(&headers, BYTES("b"), 6,
			       bytes_slice(buf_view(&payload), 0,
					   EVENTSTREAM_HEADER_BYTES_MAX - UINT16_MAX - 9));
	}
	for (size_t count = EVENTSTREAM_HEADERS_MAX; count < EVENTSTREAM_HEADERS_MAX + 2; count++) {
		buf_reset(&headers);
		buf_reset(&stream);
		buf_reset(&found);
		for (size_t i = 0; i < count; i++) {
			uint8_t name[2] = {'a', (uint8_t)i};
			kit_put_header(&headers, bytes_of(name, 2), 0, BYTES_NONE);
		}
		kit_put_message(&stream, buf_view(&headers), BYTES("{}"));
		CHECK_ERR(kit_follow(&parser, buf_view(&stream), 7, 0, &found),
			  count > EVENTSTREAM_HEADERS_MAX ? ERR_LIMIT : ERR_MORE);
	}
	buf_done(&headers);
	buf_done(&stream);
	buf_done(&found);
	buf_done(&payload);
}

static void a_failed_allocation_loses_nothing(void)
{
	struct buf stream = {0};

	for (int i = 0; i < 3; i++)
		kit_put_event(&stream, "event", ":event-type", "chunk", BYTES("{\"bytes\":\"\"}"));
	for (unsigned long n = 1;; n++) {
		struct eventstream s = {0};
		struct eventstream_message m;
		unsigned messages = 0, failures = 0;
		tap_fail_allocation(n);
		for (size_t at = 0; at < stream.len; at += 10) {
			struct bytes in = bytes_slice(buf_view(&stream), at, 10);
			enum err e = OK;
			while (e != ERR_MORE && e != ERR_BAD) {
				e = eventstream_next(&s, &in, &m);
				failures += e == ERR_NOMEM;
				messages += e == OK;
			}
		}
		tap_fail_allocation(0);
		CHECK_U64(messages, 3);
		eventstream_done(&s);
		if (!failures)
			break;
	}
	buf_done(&stream);
}

int main(void)
{
	RUN_TESTS(TEST(checksums_are_those_of_ieee_802_3), TEST(published_messages_are_read),
		  TEST(every_type_of_header_is_read_in_every_split),
		  TEST(string_headers_are_found_by_name), TEST(every_changed_bit_is_found),
		  TEST(malformed_headers_are_bad), TEST(lengths_that_contradict_each_other_are_bad),
		  TEST(messages_and_headers_have_limits), TEST(a_failed_allocation_loses_nothing));
}
