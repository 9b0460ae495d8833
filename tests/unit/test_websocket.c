/* SPDX-License-Identifier: MIT */
#include "wire/websocket.h"

#include <zlib.h>

#include "split_kit.h"

/* "T:text;" "B:bytes;" "C1000:reason;" "I:ping;" "O:pong;" */
static enum err next(void *parser, struct bytes *in, struct buf *ret_items)
{
	struct websocket_message m;
	enum err e = websocket_next(parser, in, &m);

	if (e)
		return e;
	CHECK_ERR(buf_put_u8(ret_items, (uint8_t) " TB     CIO"[m.kind]), OK);
	if (m.kind == WEBSOCKET_CLOSE)
		CHECK_ERR(buf_put_decimal(ret_items, m.close_code), OK);
	CHECK_ERR(buf_put_u8(ret_items, ':'), OK);
	kit_put_item(ret_items, m.data);
	return OK;
}

static void end(void *parser, struct buf *ret_items)
{
	kit_put(ret_items, websocket_is_between(parser) ? BYTES(".") : BYTES("?"));
}

static void done(void *parser)
{
	websocket_done(parser);
}

static void init_server(void *parser)
{
	websocket_init(parser, false, NULL);
}

static void init_client(void *parser)
{
	websocket_init(parser, true, NULL);
}

static void init_server_deflate(void *parser)
{
	struct websocket_extensions agreed = {.deflate = true, .client_no_takeover = true};

	websocket_init(parser, false, &agreed);
}

static void init_server_no_takeover(void *parser)
{
	struct websocket_extensions agreed = {.deflate = true, .server_no_takeover = true};

	websocket_init(parser, false, &agreed);
}

static void init_client_deflate(void *parser)
{
	struct websocket_extensions agreed = {.deflate = true, .server_no_takeover = true};

	websocket_init(parser, true, &agreed);
}

#define PARSER(init)                                                                               \
	{                                                                                          \
		sizeof(struct websocket), init, done, next, end                                    \
	}
static const struct kit_parser server = PARSER(init_server), client = PARSER(init_client),
			       server_deflate = PARSER(init_server_deflate),
			       server_no_takeover = PARSER(init_server_no_takeover),
			       client_deflate = PARSER(init_client_deflate);

static const struct {
	const struct kit_parser *parser;
	struct bytes stream;
	const char *items;
	enum err expected;
} cases[] = {
	/* RFC 6455 5.7 */
	{&server, BYTES("\x81\x05Hello"), "T:Hello;.", ERR_MORE},
	{&client, BYTES("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "T:Hello;.", ERR_MORE},
	{&server, BYTES("\x01\x03Hel\x80\x02lo"), "T:Hello;.", ERR_MORE},
	{&server, BYTES("\x89\x05Hello"), "I:Hello;.", ERR_MORE},
	{&client, BYTES("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "O:Hello;.", ERR_MORE},
	/* several, of all kinds */
	{&server, BYTES("\x82\x02\x00\xFF\x81\x01y"), "B:", ERR_MORE}, /* see below */
	{&server, BYTES("\x81\0\x82\0\x89\0\x8a\0"), "T:;B:;I:;O:;.", ERR_MORE},
	{&client, BYTES("\x81\x80\0\0\0\0\x81\x81\xFF\0\0\0\x9e"), "T:;T:a;.", ERR_MORE},
	/* control frames between fragments; an empty fragment; a close of its own */
	{&server, BYTES("\x01\x01x\x89\x01p\0\0\x8a\0\x80\x01y\x81\x01z"), "I:p;O:;T:xy;T:z;.",
	 ERR_MORE},
	{&server, BYTES("\x01\x01x\x88\x02\x03\xE8"), "C1000:;?", ERR_MORE},
	{&server, BYTES("\x88\0"), "C1005:;.", ERR_MORE},
	{&server,
	 BYTES("\x88\x05\x03\xF0"
	       "bye"),
	 "C1008:bye;.", ERR_MORE},
	/* what an endpoint should reject is given out as it came */
	{&server, BYTES("\x88\x01\x03"), "C1005:;.", ERR_MORE},
	{&server, BYTES("\x88\x02\0\x01"), "C1:;.", ERR_MORE},
	{&server, BYTES("\x81\x01\xFF"), "T:\xFF;.", ERR_MORE},
	{&server, BYTES("\x88\0\x81\x01x"), "C1005:;T:x;.", ERR_MORE},
	/* cut off */
	{&server, BYTES("\x81"), "?", ERR_MORE},
	{&server, BYTES("\x81\x05Hell"), "?", ERR_MORE},
	{&server, BYTES("\x01\x05Hello"), "?", ERR_MORE},
	{&client, BYTES("\x81\x85\x37\xfa\x21\x3d"), "?", ERR_MORE},
	/* a mask where none belongs, and none where one does (5.1) */
	{&server, BYTES("\x81\x81\0\0\0\0a"), "?", ERR_BAD},
	{&client,
	 BYTES("\x81\x01"
	       "a"),
	 "?", ERR_BAD},
	/* reserved bits and opcodes */
	{&server,
	 BYTES("\xC1\x01"
	       "a"),
	 "?", ERR_BAD},
	{&server,
	 BYTES("\xA1\x01"
	       "a"),
	 "?", ERR_BAD},
	{&server,
	 BYTES("\x91\x01"
	       "a"),
	 "?", ERR_BAD},
	{&server, BYTES("\x83\0"), "?", ERR_BAD},
	{&server, BYTES("\x87\0"), "?", ERR_BAD},
	{&server, BYTES("\x8B\0"), "?", ERR_BAD},
	{&server, BYTES("\x8F\0"), "?", ERR_BAD},
	/* fragments out of turn */
	{&server,
	 BYTES("\x80\x01"
	       "a"),
	 "?", ERR_BAD},
	{&server,
	 BYTES("\0\x01"
	       "a"),
	 "?", ERR_BAD},
	{&server,
	 BYTES("\x01\x01"
	       "a\x01\x01"
	       "b"),
	 "?", ERR_BAD},
	{&server,
	 BYTES("\x01\x01"
	       "a\x81\x01"
	       "b"),
	 "?", ERR_BAD},
	{&server,
	 BYTES("\x81\x01"
	       "a\x80\x01"
	       "b"),
	 "T:a;?", ERR_BAD},
	/* control frames: in one piece, and short */
	{&server, BYTES("\x09\0"), "?", ERR_BAD},
	{&server, BYTES("\x89\x7E\0\x7E"), "?", ERR_BAD},
	/* lengths in a longer form than needed, or with the sign bit */
	{&server, BYTES("\x81\x7E\0\x7D"), "?", ERR_BAD},
	{&server, BYTES("\x81\x7F\0\0\0\0\0\0\xFF\xFF"), "?", ERR_BAD},
	{&server, BYTES("\x81\x7F\x80\0\0\0\0\0\0\0"), "?", ERR_LIMIT},
	{&server, BYTES("\x81\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), "?", ERR_LIMIT},
	/* RFC 7692 7.2.3: one frame, two fragments, the window of the message before, a stored
	 * block, a final block, two blocks */
	{&server_deflate, BYTES("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), "T:Hello;.", ERR_MORE},
	{&server_deflate, BYTES("\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00"), "T:Hello;.",
	 ERR_MORE},
	{&server_deflate, BYTES("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00"),
	 "T:Hello;T:Hello;.", ERR_MORE},
	{&server_deflate, BYTES("\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
	 "T:Hello;.", ERR_MORE},
	{&server_deflate, BYTES("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "T:Hello;.", ERR_MORE},
	{&server_deflate, BYTES("\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
	 "T:Hello;.", ERR_MORE},
	/* a final block, and the next message refers to it all the same */
	{&server_deflate,
	 BYTES("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00\xc1\x05\xf2\x00\x11\x00\x00"),
	 "T:Hello;T:Hello;.", ERR_MORE},
	{&server_deflate, BYTES("\xc1\x07\xf3\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00"),
	 "T:Hello;T:Hello;.", ERR_MORE},
	/* an empty message; some messages not compressed; control frames in between never are */
	{&server_deflate,
	 BYTES("\xc1\x01\x00\x81\x02hi\x89\x01p\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\0"),
	 "T:;T:hi;I:p;T:Hello;.", ERR_MORE},
	{&server_deflate, BYTES("\x41\x03\xf2\x48\xcd\x89\x01p\x80\x04\xc9\xc9\x07\x00"),
	 "I:p;T:Hello;.", ERR_MORE},
	/* no window is kept: the same bytes refer to nothing, and each message stands alone */
	{&server_no_takeover,
	 BYTES("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"),
	 "T:Hello;T:Hello;.", ERR_MORE},
	{&server_no_takeover,
	 BYTES("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00"), "T:Hello;?",
	 ERR_BAD},
	/* each direction has its own agreement: the client's window is kept here */
	{&client_deflate,
	 BYTES("\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x85\0\0\0\0\xf2\x00\x11\x00\x00"),
	 "T:Hello;T:Hello;.", ERR_MORE},
	/* cut off, garbage, and the bit where it may not stand */
	{&server_deflate, BYTES("\xc1\x05\xf2\x48\xcd\xc9\xc9"), "?", ERR_BAD},
	{&server_deflate, BYTES("\xc1\0"), "?", ERR_BAD},
	{&server_deflate, BYTES("\xc1\x03\xff\xff\xff"), "?", ERR_BAD},
	{&server_deflate, BYTES("\xc9\x01p"), "?", ERR_BAD},
	{&server_deflate, BYTES("\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00"), "?", ERR_BAD},
	{&server, BYTES("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), "?", ERR_BAD},
};

static void messages_are_the_same_in_every_split(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (bytes_equal(bytes_str(cases[i].items), BYTES("B:"))) {
			kit_check(cases[i].parser, cases[i].stream, BYTES("B:\0\xFF;T:y;."),
				  ERR_MORE); /* a NUL in it */
			continue;
		}
		kit_check(cases[i].parser, cases[i].stream, bytes_str(cases[i].items),
			  cases[i].expected);
	}
}

/* A frame's head for `len` bytes, without a mask. */
static struct buf head(uint8_t first, uint64_t len)
{
	struct buf b = {0};

	CHECK_ERR(buf_put_u8(&b, first), OK);
	CHECK_ERR(buf_put_u8(&b, len < 126 ? (uint8_t)len : len <= 0xFFFF ? 126 : 127), OK);
	for (int shift = len < 126 ? -8 : len <= 0xFFFF ? 8 : 56; shift >= 0; shift -= 8)
		CHECK_ERR(buf_put_u8(&b, (uint8_t)(len >> shift)), OK);
	return b;
}

static void every_form_of_a_length_is_read(void)
{
	static const size_t lengths[] = {125, 126, 127, 0xFFFF, 0x10000, 0x10001};

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct buf start = head(0x82, lengths[i]), found = {0};
		struct buf stream = kit_filled(buf_view(&start), lengths[i], BYTES("\x81\x01z"));
		CHECK_ERR(kit_follow(&server, buf_view(&stream), 1009, 0, &found), ERR_MORE);
		CHECK_U64(found.len, 3 + lengths[i] + 4 + 1);
		CHECK(bytes_ends(buf_view(&found), BYTES("x;T:z;.")));
		buf_done(&found);
		buf_done(&stream);
		buf_done(&start);
	}
}

/* In one frame, in two, and decoded. */
static void a_message_may_be_as_long_as_the_limit(void)
{
	for (size_t over = 0; over < 2; over++) {
		size_t len = WEBSOCKET_MESSAGE_BYTES_MAX + over;
		enum err expected = over ? ERR_LIMIT : ERR_MORE;
		struct buf one = head(0x81, len), first = head(0x01, len - 5), found = {0};
		struct buf stream = kit_filled(buf_view(&one), len, BYTES(""));
		CHECK_ERR(kit_follow(&server, buf_view(&stream), 65521, 0, &found), expected);
		CHECK_U64(found.len, over ? 1 : len + 4);
		buf_reset(&found);
		buf_done(&stream);
		stream = kit_filled(buf_view(&first), len - 5, BYTES("\x80\x05xxxxx"));
		CHECK_ERR(kit_follow(&server, buf_view(&stream), 65521, 0, &found), expected);
		CHECK_U64(found.len, over ? 1 : len + 4);
		buf_done(&stream);
		buf_done(&found);
		buf_done(&one);
		buf_done(&first);
	}
}

/* A compressed message of `len` bytes 'x', as one frame. */
static struct buf compressed(size_t len)
{
	struct buf plain = kit_filled(BYTES(""), len, BYTES("")), packed = {0}, frame;
	z_stream z = {0};

	CHECK(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	CHECK_ERR(buf_reserve(&packed, deflateBound(&z, len) + 16), OK);
	z.next_in = plain.at;
	z.avail_in = (unsigned)len;
	z.next_out = packed.at;
	z.avail_out = (unsigned)packed.cap;
	CHECK(deflate(&z, Z_SYNC_FLUSH) == Z_OK);
	packed.len = packed.cap - z.avail_out - 4;
	deflateEnd(&z);
	frame = head(0xC1, packed.len);
	kit_put(&frame, buf_view(&packed));
	buf_done(&plain);
	buf_done(&packed);
	return frame;
}

static void a_compressed_message_may_decode_to_the_limit(void)
{
	for (size_t over = 0; over < 2; over++) {
		struct buf stream = compressed(WEBSOCKET_MESSAGE_BYTES_MAX + over), found = {0};
		CHECK_ERR(kit_follow(&server_deflate, buf_view(&stream), 4093, 0, &found),
			  over ? ERR_LIMIT : ERR_MORE);
		CHECK_U64(found.len, over ? 1 : WEBSOCKET_MESSAGE_BYTES_MAX + 4);
		buf_done(&stream);
		buf_done(&found);
	}
}

/* The decoder's limits are for one body; a connection has many messages. */
static void many_messages_are_no_bomb(void)
{
	struct buf stream = {0}, one = compressed(1u << 20), found = {0};

	for (int i = 0; i < 80; i++)
		kit_put(&stream, buf_view(&one));
	CHECK_ERR(kit_follow(&server_no_takeover, buf_view(&stream), 4093, 0, &found), ERR_MORE);
	CHECK_U64(found.len, 80 * ((1u << 20) + 3) + 1);
	buf_done(&stream);
	buf_done(&one);
	buf_done(&found);
}

static void extensions_are_read_from_the_answer(void)
{
	static const struct {
		const char *value;
		enum err expected;
		struct websocket_extensions agreed;
	} lines[] = {
		{"", OK, {false, false, false}},
		{"permessage-deflate", OK, {true, false, false}},
		{"Permessage-Deflate", OK, {true, false, false}},
		{" permessage-deflate ; server_no_context_takeover", OK, {true, true, false}},
		{"permessage-deflate;client_no_context_takeover;server_no_context_takeover",
		 OK,
		 {true, true, true}},
		{"permessage-deflate; server_max_window_bits=12; client_max_window_bits=\"8\"",
		 OK,
		 {true, false, false}},
		{", permessage-deflate ,", OK, {true, false, false}},
		{"permessage-deflate; client_max_window_bits", ERR_UNSUPPORTED, {0}},
		{"permessage-deflate; server_max_window_bits=16", ERR_UNSUPPORTED, {0}},
		{"permessage-deflate; server_max_window_bits=7", ERR_UNSUPPORTED, {0}},
		{"permessage-deflate; server_max_window_bits=", ERR_UNSUPPORTED, {0}},
		{"permessage-deflate; server_no_context_takeover=1", ERR_UNSUPPORTED, {0}},
		{"permessage-deflate; other", ERR_UNSUPPORTED, {0}},
		{"permessage-deflate, permessage-deflate", ERR_BAD, {0}},
		{"permessage-bzip2", ERR_UNSUPPORTED, {0}},
		{"permessage-deflate, x-webkit-deflate-frame", ERR_UNSUPPORTED, {0}},
		{"; permessage-deflate", ERR_UNSUPPORTED, {0}},
	};

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		struct websocket_extensions e = {0};
		enum err found = websocket_read_extensions(tap_guarded(bytes_str(lines[i].value)),
							   &e);
		if (found != lines[i].expected || e.deflate != lines[i].agreed.deflate ||
		    e.server_no_takeover != lines[i].agreed.server_no_takeover ||
		    e.client_no_takeover != lines[i].agreed.client_no_takeover)
			tap_fail(__FILE__, __LINE__, "\"%s\": %s", lines[i].value, err_name(found));
	}
	/* two lines are one list (RFC 9110 5.3) */
	struct websocket_extensions e = {0};
	CHECK_ERR(websocket_read_extensions(BYTES("permessage-deflate"), &e), OK);
	CHECK_ERR(websocket_read_extensions(BYTES("permessage-deflate"), &e), ERR_BAD);
}

static enum err follow_once(void)
{
	struct websocket w;
	struct websocket_message m;
	struct bytes in = BYTES("\x81\x03one\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00");
	enum err e;

	init_server_deflate(&w);
	while (!(e = websocket_next(&w, &in, &m)))
		;
	websocket_done(&w);
	return e == ERR_MORE ? OK : e;
}

static void each_allocation_may_fail(void)
{
	tap_fail_each_allocation(follow_once);
}

static void between_messages_little_memory_is_kept(void)
{
	struct websocket w;
	struct websocket_message m;
	struct buf start = head(0x81, 1u << 20);
	struct buf stream = kit_filled(buf_view(&start), 1u << 20, BYTES("\x89\0"));
	struct bytes in = buf_view(&stream);

	init_server(&w);
	CHECK_ERR(websocket_next(&w, &in, &m), OK);
	CHECK_U64(m.data.len, 1u << 20);
	CHECK_ERR(websocket_next(&w, &in, &m), OK);
	CHECK(w.data.cap <= WEBSOCKET_IDLE_BYTES_MAX);
	websocket_done(&w);
	buf_done(&stream);
	buf_done(&start);
}

int main(void)
{
	RUN_TESTS(TEST(messages_are_the_same_in_every_split), TEST(every_form_of_a_length_is_read),
		  TEST(a_message_may_be_as_long_as_the_limit),
		  TEST(a_compressed_message_may_decode_to_the_limit),
		  TEST(many_messages_are_no_bomb), TEST(extensions_are_read_from_the_answer),
		  TEST(each_allocation_may_fail), TEST(between_messages_little_memory_is_kept));
}
