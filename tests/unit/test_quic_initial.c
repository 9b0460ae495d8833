/* SPDX-License-Identifier: MIT */
#include "wire/quic_initial.h"

#include "quic_kit.h"
#include "tap.h"

static const uint8_t rfc_cid[8] = {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08};
static const struct kit_initial rfc_v1 = {.version = QUIC_V1, .cid = {rfc_cid, 8}, .number = 2};
static const struct kit_initial rfc_v2 = {.version = QUIC_V2, .cid = {rfc_cid, 8}, .number = 2};

/* RFC 9001 A.2, and the same in RFC 9369 A.2: the frame before 917 bytes of padding. */
static const char rfc_frame[] =
	"060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c"
	"00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006"
	"001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa4"
	"7fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305"
	"0306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ff"
	"ff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff";
#define RFC_FRAMES_BYTES 1162

static bool is_hex(struct bytes data, const char *hex)
{
	struct buf b = {0};

	kit_must(buf_put_hex(&b, data));
	bool same = bytes_equal(buf_view(&b), bytes_str(hex));
	buf_done(&b);
	return same;
}

static struct buf from_hex(const char *hex)
{
	struct buf b = {0};

	for (; *hex; hex += 2) {
		char digits[3] = {hex[0], hex[1], 0};
		kit_put(&b, strtoul(digits, NULL, 16), 1);
	}
	return b;
}

static struct buf rfc_datagram(struct kit_initial p)
{
	struct buf frames = from_hex(rfc_frame), datagram = {0};

	while (frames.len < RFC_FRAMES_BYTES)
		kit_put(&frames, 0, 1);
	kit_put_initial(&datagram, p, buf_view(&frames));
	buf_done(&frames);
	return datagram;
}

static void put_padding(struct buf *frames, size_t len)
{
	while (len--)
		kit_put(frames, 0, 1);
}

/* One datagram with one packet, whose frames are freed. */
static enum err feed_frames(struct quic_initial *q, struct kit_initial p, struct buf frames)
{
	struct buf datagram = {0};

	kit_put_initial(&datagram, p, buf_view(&frames));
	enum err e = quic_initial_feed(q, tap_guarded(buf_view(&datagram)));
	buf_done(&datagram);
	buf_done(&frames);
	return e;
}

static struct buf named_hello(struct bytes name)
{
	struct buf x = {0};

	kit_put_extension(&x, 0, kit_server_name(0, name));
	kit_put_extension(&x, 51, kit_bytes(BYTES("some share of a key that makes it longer")));
	return kit_hello(x);
}

static void keys_are_those_of_the_standards(void)
{
	struct quic_initial_keys k;

	CHECK_ERR(quic_initial_derive(QUIC_V1, bytes_of(rfc_cid, 8), &k), OK);
	CHECK(is_hex(bytes_of(k.key, 16), "1f369613dd76d5467730efcbe3b1a22d"));
	CHECK(is_hex(bytes_of(k.iv, 12), "fa044b2f42a3fd3b46fb255c"));
	CHECK(is_hex(bytes_of(k.header_key, 16), "9f50449e04a0e810283a1e9933adedd2"));
	CHECK_ERR(quic_initial_derive(QUIC_V2, bytes_of(rfc_cid, 8), &k), OK);
	CHECK(is_hex(bytes_of(k.key, 16), "8b1a0bc121284290a29e0971b5cd045d"));
	CHECK(is_hex(bytes_of(k.iv, 12), "91f73e2351d8fa91660e909f"));
	CHECK(is_hex(bytes_of(k.header_key, 16), "45b95e15235d6f45a6b19cbcb0294ba9"));
	CHECK_ERR(quic_initial_derive(0xff00001d, bytes_of(rfc_cid, 8), &k), ERR_UNSUPPORTED);
}

/* The first bytes and the tag are the standard's, so all that is between is, too. */
static void the_packets_of_the_standards_open(void)
{
	static const struct {
		const struct kit_initial *packet;
		const char *head, *tag;
	} cases[] = {
		{&rfc_v1,
		 "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9b",
		 "e221af44860018ab0856972e194cd934"},
		{&rfc_v2,
		 "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071",
		 "a18b2faa745b6fe189cf772a9f84cbfc"},
	};

	for (size_t i = 0; i < 2; i++) {
		struct buf d = rfc_datagram(*cases[i].packet);
		static struct quic_initial q;
		q = (struct quic_initial){0};
		CHECK_U64(d.len, 1200);
		CHECK(is_hex(bytes_slice(buf_view(&d), 0, 38), cases[i].head));
		CHECK(is_hex(bytes_from(buf_view(&d), 1184), cases[i].tag));
		CHECK_ERR(quic_initial_feed(&q, tap_guarded(buf_view(&d))), OK);
		CHECK(q.hello.complete);
		CHECK_BYTES(client_hello_name(&q.hello), "example.com");
		CHECK(is_hex(bytes_of(q.hello.random, 32), "ebf8fa56f12939b9584a3896472ec40bb863cfd"
							   "3e86804fe3a47f06a2b69484c"));
		CHECK_U64(q.hello.highest_version, 0x0304);
		struct bytes rest = client_hello_protocols(&q.hello), protocol = BYTES_NONE;
		CHECK(client_hello_next_protocol(&rest, &protocol));
		CHECK_BYTES(protocol, "alpn");
		buf_done(&d);
	}
}

static void a_packet_with_a_changed_byte_is_not_opened(void)
{
	struct buf d = rfc_datagram(rfc_v1);
	static struct quic_initial q;

	for (size_t i = 0; i < d.len; i++) {
		d.at[i] ^= 0x11;
		CHECK_ERR(quic_initial_feed(&q, buf_view(&d)), ERR_BAD);
		CHECK(!q.has_opened && !q.hello.has_random && !q.stopped);
		d.at[i] ^= 0x11;
	}
	buf_done(&d);
}

static void a_packet_that_is_cut_off_is_not_opened(void)
{
	struct buf d = rfc_datagram(rfc_v2);
	static struct quic_initial q;

	for (size_t len = 0; len < d.len; len++)
		CHECK_ERR(quic_initial_feed(&q, tap_guarded(bytes_of(d.at, len))), ERR_BAD);
	CHECK(!q.has_opened);
	/* bytes behind it are none of it */
	kit_must(buf_put(&d, BYTES("\0\0\0")));
	CHECK_ERR(quic_initial_feed(&q, tap_guarded(buf_view(&d))), OK);
	buf_done(&d);
}

static void other_datagrams_are_not_quic(void)
{
	static const struct bytes cases[] = {
		{NULL, 0},
		BYTES("\x00"),
		BYTES("\xc0"),
		BYTES("\xc0\0\0\0\1"),
		BYTES("\xc0\0\0\0\0\x08"
		      "12345678\0"), /* version negotiation */
		BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		BYTES("\xc0\0\0\0\1\0\0\0\0"),                             /* no payload */
		BYTES("\xc0\0\0\0\1\0\0\xff\xff\xff\xff\xff\xff\xff\xff"), /* lengths of 2^62 */
		BYTES("\xc0\0\0\0\1\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
		BYTES("\xc0\0\0\0\1\xff"
		      "1234567890123456789012345678901234567890"),
		BYTES("\x40"
		      "123456789012345678901234567890"),
	};
	static struct quic_initial q;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		CHECK_ERR(quic_initial_feed(&q, tap_guarded(cases[i])), ERR_BAD);
}

static void a_hello_may_come_in_any_order(void)
{
	struct buf hello = named_hello(BYTES("api.anthropic.com"));
	struct bytes h = buf_view(&hello);

	for (size_t piece = 1; piece < h.len + 7; piece += 7) {
		static struct quic_initial q;
		struct buf frames = {0};
		q = (struct quic_initial){0};
		for (size_t at = (h.len - 1) / piece * piece;; at -= piece) {
			kit_put_crypto(&frames, h, at, piece);
			kit_put(&frames, at % 2, 1); /* PADDING or PING */
			if (at == 0)
				break;
		}
		CHECK_ERR(feed_frames(&q, rfc_v1, frames), OK);
		CHECK_BYTES(client_hello_name(&q.hello), "api.anthropic.com");
	}
	buf_done(&hello);
}

static void a_hello_may_come_in_two_datagrams(void)
{
	struct buf hello = named_hello(BYTES("api.anthropic.com"));
	struct bytes h = buf_view(&hello);

	for (size_t cut = 1; cut < h.len; cut += 3) {
		for (int swapped = 0; swapped < 2; swapped++) {
			static struct quic_initial q;
			struct buf part[2] = {{0}, {0}};
			q = (struct quic_initial){0};
			kit_put_crypto(&part[0], h, 0, cut);
			kit_put_crypto(&part[1], h, cut, h.len);
			put_padding(&part[0], 30);
			put_padding(&part[1], 30);
			struct kit_initial first = rfc_v2, second = rfc_v2;
			first.number = (uint64_t)swapped;
			second.number = (uint64_t)!swapped;
			first.number_bytes = second.number_bytes = 1;
			CHECK_ERR(feed_frames(&q, first, part[swapped]), ERR_MORE);
			/* the name may be there before the rest is */
			CHECK(q.hello.has_random == (!swapped && cut >= 38));
			CHECK(q.hello.has_name == (!swapped && cut >= 38 + 8 + 6 + 2 + 2 + 26));
			CHECK_ERR(feed_frames(&q, second, part[!swapped]), OK);
			CHECK_BYTES(client_hello_name(&q.hello), "api.anthropic.com");
		}
	}
	buf_done(&hello);
}

static void a_datagram_may_hold_several_packets(void)
{
	struct buf hello = named_hello(BYTES("two.example")), d = {0};
	struct buf part[2] = {{0}, {0}};
	static struct quic_initial q;
	struct kit_initial p = rfc_v1;

	kit_put_crypto(&part[0], buf_view(&hello), 0, 50);
	kit_put_crypto(&part[1], buf_view(&hello), 50, hello.len);
	kit_put_initial(&d, p, buf_view(&part[0]));
	/* 0-RTT in between: long header, no token */
	kit_put(&d, 0xd0, 1);
	kit_put(&d, 1, 4);
	kit_put_sized(&d, 1, kit_bytes(p.cid));
	kit_put(&d, 0, 1);
	kit_put(&d, 0x4005, 2);
	kit_must(buf_put(&d, BYTES("early")));
	p.number++;
	kit_put_initial(&d, p, buf_view(&part[1]));
	CHECK_ERR(quic_initial_feed(&q, tap_guarded(buf_view(&d))), OK);
	CHECK_BYTES(client_hello_name(&q.hello), "two.example");
	buf_done(&part[0]);
	buf_done(&part[1]);
	buf_done(&hello);
	buf_done(&d);
}

static void numbers_of_all_lengths_are_completed(void)
{
	struct buf hello = named_hello(BYTES("n.example"));
	static const struct {
		uint64_t first, second;
		unsigned width;
	} cases[] = {
		{0, 1, 1},
		{250, 260, 1},
		{0, 0x7f, 1},
		{65000, 66000, 2},
		{0x10000, 0xff80, 2},
		{0xfffffe, 0x1000001, 3},
		{0xfffffffe, 0x100000001, 4},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		static struct quic_initial q;
		struct buf part[2] = {{0}, {0}};
		struct kit_initial p = rfc_v1;
		q = (struct quic_initial){0};
		kit_put_crypto(&part[0], buf_view(&hello), 0, 50);
		kit_put_crypto(&part[1], buf_view(&hello), 50, hello.len);
		p.number = cases[i].first;
		CHECK_ERR(feed_frames(&q, p, part[0]), ERR_MORE);
		p.number = cases[i].second;
		p.number_bytes = cases[i].width;
		CHECK_ERR(feed_frames(&q, p, part[1]), OK);
	}
	buf_done(&hello);
}

static void frames_that_do_not_belong_there_are_malformed(void)
{
	static const struct {
		struct bytes frames;
		enum err expected;
	} cases[] = {
		{BYTES("\0\0\0\0"), ERR_MORE},
		{BYTES("\1\0\1\0"), ERR_MORE},
		{BYTES("\x02\x05\x01\x01\x05\x00\x00\x06"),
		 ERR_BAD}, /* an ACK, then CRYPTO cut off */
		{BYTES("\x02\x05\x01\x01\x05\x00\x00"), ERR_MORE},
		{BYTES("\x02\x05\x01\x01\x05\x00"), ERR_BAD},
		{BYTES("\x02\x05\x01\xff\xff\xff\xff\xff\xff\xff\xff\x05"), ERR_BAD},
		{BYTES("\x03\x05\x01\x00\x05\x01\x02\x03"), ERR_MORE},
		{BYTES("\x03\x05\x01\x00\x05\x01\x02"), ERR_BAD},
		{BYTES("\x1c\x01\x06\x03why"), ERR_MORE},
		{BYTES("\x1c\x01\x06\x04why"), ERR_BAD},
		{BYTES("\x06\x00\x02\x01"), ERR_BAD},
		{BYTES("\x06\x00\x00\x00\x00"), ERR_MORE}, /* an empty one */
		{BYTES("\x06\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01"), ERR_MORE},
		{BYTES("\x06\x00\xff\xff\xff\xff\xff\xff\xff\xff\x01"), ERR_BAD},
		{BYTES("\x08\x00\x00\x00"), ERR_BAD}, /* STREAM */
		{BYTES("\x1d\x00\x00\x00"), ERR_BAD},
		{BYTES("\x06\x00\x04\x02\0\0\x01"), ERR_BAD}, /* not a ClientHello */
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		static struct quic_initial q;
		struct buf frames = kit_bytes(cases[i].frames);
		q = (struct quic_initial){0};
		enum err e = feed_frames(&q, rfc_v1, frames);
		if (e != cases[i].expected)
			tap_fail(__FILE__, __LINE__, "case %zu: %s", i, err_name(e));
		CHECK(q.has_opened);
		if (e == ERR_BAD) { /* and stays so, whatever comes */
			struct buf d = rfc_datagram(rfc_v1);
			CHECK_ERR(quic_initial_feed(&q, buf_view(&d)), ERR_BAD);
			buf_done(&d);
		}
	}
}

static void frames_that_contradict_each_other_are_ambiguous(void)
{
	struct buf one = named_hello(BYTES("one.example")), two = named_hello(BYTES("two.example"));
	static struct quic_initial q;
	struct buf frames = {0}, more = {0};

	kit_put_crypto(&frames, buf_view(&one), 1, 100);
	kit_put_crypto(&frames, buf_view(&one), 50, 30); /* the same once more is fine */
	CHECK_ERR(feed_frames(&q, rfc_v1, frames), ERR_MORE);
	kit_put_crypto(&more, buf_view(&two), 0, two.len);
	CHECK_ERR(feed_frames(&q, rfc_v1, more), ERR_AMBIGUOUS);
	CHECK(!q.hello.has_random);
	buf_done(&one);
	buf_done(&two);
}

static void a_retry_starts_anew(void)
{
	struct buf hello = named_hello(BYTES("retry.example"));
	static struct quic_initial q;
	struct buf first = {0}, same = {0}, again = {0};
	struct kit_initial p = rfc_v1;

	kit_put_crypto(&first, buf_view(&hello), 0, 60);
	CHECK_ERR(feed_frames(&q, p, first), ERR_MORE);
	/* what the server chose to be called, under the same keys: no new start */
	p.keyed_by = p.cid;
	p.cid = BYTES("server");
	p.number++;
	kit_put_crypto(&same, buf_view(&hello), 60, 10);
	CHECK_ERR(feed_frames(&q, p, same), ERR_MORE);
	CHECK_U64(q.read_bytes, 70);
	/* after a Retry: keys of the new name */
	p.keyed_by = BYTES_NONE;
	p.token = BYTES("a token");
	p.number++;
	kit_put_crypto(&again, buf_view(&hello), 0, hello.len);
	struct buf cut = kit_bytes(bytes_slice(buf_view(&again), 0, 40));
	CHECK_ERR(feed_frames(&q, p, cut), ERR_BAD); /* the frame is cut off: stays */
	p.cid = BYTES("server 2");
	CHECK_ERR(feed_frames(&q, p, again), OK);
	CHECK_BYTES(client_hello_name(&q.hello), "retry.example");
	buf_done(&hello);
}

static void a_connection_id_may_be_as_long_as_the_limit(void)
{
	struct buf hello = named_hello(BYTES("cid.example"));
	static struct quic_initial q;
	struct kit_initial p = rfc_v1;
	struct buf frames = {0};
	struct quic_initial_keys k;

	p.cid = BYTES("12345678901234567890");
	CHECK_U64(p.cid.len, QUIC_INITIAL_CID_MAX);
	kit_put_crypto(&frames, buf_view(&hello), 0, hello.len);
	CHECK_ERR(feed_frames(&q, p, frames), OK);
	CHECK_ERR(quic_initial_derive(QUIC_V1, BYTES("123456789012345678901"), &k), ERR_LIMIT);
	/* not even under keys that are known */
	p.keyed_by = p.cid;
	p.cid = BYTES("123456789012345678901");
	p.number++;
	CHECK_ERR(feed_frames(&q, p, kit_bytes(BYTES("\0\0\0\0"))), ERR_BAD);
	buf_done(&hello);
}

static void a_number_far_from_the_last_one_is_not_opened(void)
{
	static struct quic_initial q;
	struct kit_initial p = rfc_v1;

	p.number = 300;
	CHECK_ERR(feed_frames(&q, p, kit_bytes(BYTES("\0\0\0\0"))), ERR_MORE);
	p.number = 5;
	p.number_bytes = 1; /* 261 is nearer */
	CHECK_ERR(feed_frames(&q, p, kit_bytes(BYTES("\0\0\0\0"))), ERR_BAD);
	CHECK_U64(q.next_number, 301);
}

/* The datagrams of a fixture, which are as the fuzzer reads them, from the last one when
 * `backwards`, or all as one. */
enum order { FORWARDS, BACKWARDS, TOGETHER };

static enum err feed_file(struct quic_initial *q, const char *path, enum order order)
{
	struct buf file = tap_file(path), all = {0};
	struct cursor c = cursor_over(buf_view(&file));
	struct bytes datagrams[2];
	size_t count = 0;
	enum err e = ERR_MORE;

	while (cursor_left(&c) && count < 2) {
		CHECK_U64(cursor_u8(&c), 0);
		datagrams[count] = cursor_take(&c, cursor_u16(&c));
		kit_must(buf_put(&all, datagrams[count++]));
	}
	if (order == TOGETHER)
		e = quic_initial_feed(q, tap_guarded(buf_view(&all)));
	for (size_t i = 0; i < count && order != TOGETHER; i++) {
		CHECK_ERR(e, ERR_MORE);
		size_t at = order == FORWARDS ? i : count - 1 - i;
		e = quic_initial_feed(q, tap_guarded(datagrams[at]));
	}
	buf_done(&file);
	buf_done(&all);
	return e;
}

/* quiche 0.18; the second hello is too long for one datagram. */
static void hellos_of_a_real_client_are_read(void)
{
	static const char *const files[] = {"tests/fixtures/fuzz/quic_initial/quiche",
					    "tests/fixtures/fuzz/quic_initial/quiche-two"};

	for (size_t i = 0; i < 2; i++) {
		for (enum order order = FORWARDS; order <= TOGETHER; order++) {
			static struct quic_initial q;
			q = (struct quic_initial){0};
			CHECK_ERR(feed_file(&q, files[i], order), OK);
			CHECK_BYTES(client_hello_name(&q.hello), "api.openai.com");
			CHECK_U64(q.hello.highest_version, 0x0304);
		}
	}
}

static void a_hello_may_end_where_the_room_ends(void)
{
	for (size_t past = 0; past < 2; past++) {
		struct buf x = {0}, filler = {0};
		static struct quic_initial q;
		size_t rest = 4 + 2 + 32 + 8 + 6 + 2 + 2 + 4;
		enum err e = ERR_MORE;
		q = (struct quic_initial){0};
		put_padding(&filler, QUIC_INITIAL_CRYPTO_MAX + past - rest);
		kit_put_extension(&x, 21, filler);
		struct buf hello = kit_hello(x);
		CHECK_U64(hello.len, QUIC_INITIAL_CRYPTO_MAX + past);
		for (size_t at = 0; at < hello.len && e == ERR_MORE; at += 1100) {
			struct buf frames = {0};
			kit_put_crypto(&frames, buf_view(&hello), at, 1100);
			e = feed_frames(&q, rfc_v1, frames);
		}
		CHECK_ERR(e, past ? ERR_LIMIT : OK);
		buf_done(&hello);
	}
}

static void nothing_is_allocated(void)
{
	struct buf d = rfc_datagram(rfc_v1);
	static struct quic_initial q;

	tap_allocations();
	CHECK_ERR(quic_initial_feed(&q, buf_view(&d)), OK);
	CHECK_U64(tap_allocations(), 0);
	buf_done(&d);
}

int main(void)
{
	RUN_TESTS(TEST(keys_are_those_of_the_standards), TEST(the_packets_of_the_standards_open),
		  TEST(a_packet_with_a_changed_byte_is_not_opened),
		  TEST(a_packet_that_is_cut_off_is_not_opened), TEST(other_datagrams_are_not_quic),
		  TEST(a_hello_may_come_in_any_order), TEST(a_hello_may_come_in_two_datagrams),
		  TEST(a_datagram_may_hold_several_packets),
		  TEST(numbers_of_all_lengths_are_completed),
		  TEST(frames_that_do_not_belong_there_are_malformed),
		  TEST(frames_that_contradict_each_other_are_ambiguous), TEST(a_retry_starts_anew),
		  TEST(a_connection_id_may_be_as_long_as_the_limit),
		  TEST(a_number_far_from_the_last_one_is_not_opened),
		  TEST(hellos_of_a_real_client_are_read), TEST(a_hello_may_end_where_the_room_ends),
		  TEST(nothing_is_allocated));
}
