/* SPDX-License-Identifier: MIT */
#include "wire/client_hello.h"

#include "hello_kit.h"
#include "tap.h"

#define REAL "tests/fixtures/fuzz/client_hello/"

/* Feeds in pieces of `step`, each at the end of its page unless they are too many for that. */
static enum err feed(struct client_hello *h, struct bytes data, size_t step, bool bare)
{
	enum err e = ERR_MORE;

	for (size_t at = 0; at < data.len && e == ERR_MORE; at += step) {
		struct bytes piece = bytes_slice(data, at, step);
		if (step > 1)
			piece = tap_guarded(piece);
		e = bare ? client_hello_feed_message(h, piece) : client_hello_feed(h, piece);
	}
	return e;
}

static bool same(const struct client_hello *a, const struct client_hello *b)
{
	return a->has_random == b->has_random && a->has_name == b->has_name &&
	       a->has_ech == b->has_ech && a->has_alpn == b->has_alpn &&
	       a->complete == b->complete && memcmp(a->random, b->random, 32) == 0 &&
	       a->legacy_version == b->legacy_version && a->highest_version == b->highest_version &&
	       bytes_equal(client_hello_name(a), client_hello_name(b)) &&
	       bytes_equal(client_hello_protocols(a), client_hello_protocols(b));
}

/* The answer to a message, which is freed: bare and in records of several sizes, in one piece and
 * dripped. */
static enum err answer(struct buf message, struct client_hello *ret_hello)
{
	static const size_t sizes[] = {16384, 1, 5, 64};
	struct client_hello first = {0};
	enum err expected = feed(&first, buf_view(&message), SIZE_MAX / 2, true);

	for (size_t step = 1; step <= 7; step += 6) {
		struct client_hello h = {0};
		CHECK_ERR(feed(&h, buf_view(&message), step, true), expected);
		CHECK(same(&h, &first));
	}
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct buf records = kit_records(&message, sizes[i]);
		for (size_t step = 1; step <= 7; step += 3) {
			struct client_hello h = {0};
			CHECK_ERR(feed(&h, buf_view(&records), step, false), expected);
			CHECK(same(&h, &first));
		}
		struct client_hello h;
		CHECK_ERR(client_hello_parse(tap_guarded(buf_view(&records)), &h), expected);
		CHECK(same(&h, &first));
		buf_done(&records);
	}
	buf_done(&message);
	*ret_hello = first;
	return expected;
}

static struct buf one_extension(unsigned type, struct bytes content)
{
	struct buf extensions = {0};

	kit_put_extension(&extensions, type, kit_bytes(content));
	return kit_hello(extensions);
}

static void everything_that_is_asked_for_is_found(void)
{
	struct buf x = {0};
	struct client_hello h;

	kit_put_extension(&x, 0x1a1a, kit_bytes(BYTES("")));
	kit_put_extension(&x, 0, kit_server_name(0, BYTES("API.OpenAI.com")));
	kit_put_extension(&x, 16, kit_bytes(BYTES("\0\x0c\x02h2\x08http/1.1")));
	kit_put_extension(&x, 43, kit_bytes(BYTES("\x06\x3a\x3a\x03\x04\x03\x03")));
	kit_put_extension(&x, 0xfe0d, kit_bytes(BYTES("encrypted")));
	kit_put_extension(&x, 51, kit_bytes(BYTES("share")));
	CHECK_ERR(answer(kit_hello(x), &h), OK);
	CHECK_BYTES(client_hello_name(&h), "api.openai.com");
	CHECK(h.has_name && h.has_random && h.has_ech && h.has_alpn && h.complete);
	for (unsigned i = 0; i < 32; i++)
		CHECK_U64(h.random[i], i);
	CHECK_U64(h.legacy_version, 0x0303);
	CHECK_U64(h.highest_version, 0x0304);
	struct bytes rest = client_hello_protocols(&h), protocol;
	CHECK(client_hello_next_protocol(&rest, &protocol));
	CHECK_BYTES(protocol, "h2");
	CHECK(client_hello_next_protocol(&rest, &protocol));
	CHECK_BYTES(protocol, "http/1.1");
	CHECK(!client_hello_next_protocol(&rest, &protocol));
}

static void a_hello_may_have_no_extensions(void)
{
	struct client_hello h;

	CHECK_ERR(answer(kit_hello((struct buf){0}), &h), OK);
	CHECK(h.complete && !h.has_name && !h.has_ech && !h.has_alpn);
	CHECK_BYTES(client_hello_name(&h), "");
	CHECK_U64(h.highest_version, 0x0303);
}

/* Each answer is there with its last byte, and not before. */
static void an_answer_is_there_with_its_last_byte(void)
{
	struct buf x = {0};
	struct client_hello h = {0};
	size_t name_ends, random_ends = 4 + 2 + 32;

	kit_put_extension(&x, 0, kit_server_name(0, BYTES("a.example")));
	name_ends = 4 + 2 + 32 + 1 + 7 + 2 + 4 + 1 + 1 + 2 + x.len;
	kit_put_extension(&x, 51, kit_bytes(BYTES("share")));
	struct buf message = kit_hello(x);
	for (size_t i = 0; i < message.len; i++) {
		enum err e = client_hello_feed_message(&h, bytes_of(message.at + i, 1));
		CHECK_ERR(e, i + 1 < message.len ? ERR_MORE : OK);
		CHECK(h.has_random == (i + 1 >= random_ends));
		CHECK(h.has_name == (i + 1 >= name_ends));
		CHECK_BYTES(client_hello_name(&h), i + 1 >= name_ends ? "a.example" : "");
	}
	/* what follows is not looked at */
	CHECK_ERR(client_hello_feed_message(&h, BYTES("\xff\xff")), OK);
	CHECK_ERR(client_hello_feed(&h, BYTES("\xff\xff")), OK);
	buf_done(&message);
}

static void bytes_behind_the_hello_are_not_looked_at(void)
{
	struct buf message = kit_hello((struct buf){0}), records = kit_records(&message, 9);
	struct client_hello h = {0};

	kit_must(buf_put(&records, BYTES("\x14\x03\x03\0\x01\x01 and more")));
	CHECK_ERR(client_hello_feed(&h, buf_view(&records)), OK);
	buf_done(&message);
	buf_done(&records);
}

static void what_is_no_client_hello_is_malformed_at_once(void)
{
	static const struct {
		struct bytes stream;
		enum err expected;
	} cases[] = {
		{BYTES("\x16"), ERR_MORE},
		{BYTES("\x16\x03\x01\x00"), ERR_MORE},
		{BYTES("\x16\x03\x7f\x02\x00\x01"), ERR_MORE},
		{BYTES("\x15"), ERR_BAD},                 /* an alert */
		{BYTES("\x80"), ERR_BAD},                 /* SSL 2 */
		{BYTES("\x16\xfe"), ERR_BAD},             /* DTLS */
		{BYTES("\x16\x03\x01\x00\x00"), ERR_BAD}, /* an empty record */
		{BYTES("\x16\x03\x01\x40\x00"), ERR_MORE},
		{BYTES("\x16\x03\x01\x40\x01"), ERR_BAD},     /* a record too long */
		{BYTES("\x16\x03\x01\x00\x05\x02"), ERR_BAD}, /* a ServerHello */
		/* the second record is none of the handshake */
		{BYTES("\x16\x03\x01\x00\x01\x01\x17"), ERR_BAD},
		{BYTES("GET / HTTP/1.1\r\n\r\n"), ERR_BAD},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t step = 1; step < 9; step += 7) {
			struct client_hello h = {0};
			enum err e = feed(&h, cases[i].stream, step, false);
			if (e != cases[i].expected)
				tap_fail(__FILE__, __LINE__, "case %zu: %s", i, err_name(e));
			if (e == ERR_BAD) /* and stays so */
				CHECK_ERR(client_hello_feed(&h, BYTES("\x16")), ERR_BAD);
		}
	}
	struct client_hello none = {0};
	CHECK_ERR(client_hello_feed(&none, BYTES_NONE), ERR_MORE);
	CHECK_ERR(client_hello_feed_message(&none, BYTES_NONE), ERR_MORE);
}

static void extensions_that_do_not_fit_are_malformed(void)
{
	static const struct {
		unsigned type;
		struct bytes content;
		enum err expected;
	} cases[] = {
		{0, BYTES("\0\x04\0\0\x01x"), OK},
		{0, BYTES(""), ERR_BAD},
		{0, BYTES("\0"), ERR_BAD},
		{0, BYTES("\0\0"), ERR_BAD},             /* no name */
		{0, BYTES("\0\x03\0\0\0"), ERR_BAD},     /* an empty name */
		{0, BYTES("\0\x04\0\0\x01."), ERR_BAD},  /* the same */
		{0, BYTES("\0\x04\0\0\x02x"), ERR_BAD},  /* a name longer than its list */
		{0, BYTES("\0\x05\0\0\x01x"), ERR_BAD},  /* a list longer than its extension */
		{0, BYTES("\0\x04\0\0\x01xy"), ERR_BAD}, /* and shorter */
		{0, BYTES("\0\x05\0\0\x01xy"), ERR_BAD},
		{0, BYTES("\0\x04\0\0\x01\0"), ERR_BAD}, /* bytes that are in no name */
		{0, BYTES("\0\x04\0\0\x01 "), ERR_BAD},
		{0, BYTES("\0\x04\0\0\x01\x7f"), ERR_BAD},
		{0, BYTES("\0\x04\0\0\x01\xc3"), ERR_BAD},
		{0, BYTES("\0\x08\0\0\x01x\0\0\x01y"), ERR_AMBIGUOUS},
		{0, BYTES("\0\x08\x07\0\x01x\0\0\x01y"), OK}, /* a name of another type */
		{16, BYTES("\0\x03\x02h2"), OK},
		{16, BYTES(""), ERR_BAD},
		{16, BYTES("\0\0"), ERR_BAD},
		{16, BYTES("\0\x01\0"), ERR_BAD},
		{16, BYTES("\0\x03\x03h2"), ERR_BAD},
		{16, BYTES("\0\x04\x02h2"), ERR_BAD},
		{43, BYTES("\x02\x03\x04"), OK},
		{43, BYTES(""), ERR_BAD},
		{43, BYTES("\0"), ERR_BAD},
		{43, BYTES("\x03\x03\x04\x03"), ERR_BAD},
		{43, BYTES("\x02\x03\x04\x03"), ERR_BAD},
		{0xfe0d, BYTES(""), OK},
		{21, BYTES(""), OK},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct client_hello h;
		enum err e = answer(one_extension(cases[i].type, cases[i].content), &h);
		if (e != cases[i].expected)
			tap_fail(__FILE__, __LINE__, "case %zu: %s", i, err_name(e));
		if (!e && cases[i].type == 0)
			CHECK(h.has_name && client_hello_name(&h).len == 1);
	}
}

static void an_extension_that_comes_twice_is_ambiguous(void)
{
	static const struct {
		unsigned type;
		struct bytes content;
		enum err expected;
	} cases[] = {
		{0, BYTES("\0\x04\0\0\x01x"), ERR_AMBIGUOUS},
		{16, BYTES("\0\x03\x02h2"), ERR_AMBIGUOUS},
		{43, BYTES("\x02\x03\x04"), ERR_AMBIGUOUS},
		{0xfe0d, BYTES("x"), ERR_AMBIGUOUS},
		{51, BYTES("x"), OK}, /* does not concern us */
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf x = {0};
		struct client_hello h;
		for (int k = 0; k < 2; k++)
			kit_put_extension(&x, cases[i].type, kit_bytes(cases[i].content));
		CHECK_ERR(answer(kit_hello(x), &h), cases[i].expected);
		if (cases[i].type == 0) /* what was answered before stays */
			CHECK_BYTES(client_hello_name(&h), "x");
	}
}

/* A message whose byte at `at` is replaced. */
static enum err with_byte(size_t at, uint8_t value)
{
	struct buf x = {0};
	struct client_hello h;

	kit_put_extension(&x, 51, kit_bytes(BYTES("share")));
	struct buf message = kit_hello(x);
	CHECK(at < message.len);
	message.at[at] = value;
	return answer(message, &h);
}

static void lengths_that_lie_are_malformed(void)
{
	enum { LENGTH = 3, SESSION = 4 + 2 + 32, SUITES = SESSION + 8, COMPRESSIONS = SUITES + 6 };
	enum { EXTENSIONS = COMPRESSIONS + 2, SHARE = EXTENSIONS + 2 };

	CHECK_ERR(with_byte(SESSION, 7), OK);
	CHECK_ERR(with_byte(SESSION, 33), ERR_BAD);
	CHECK_ERR(with_byte(SUITES + 1, 3), ERR_BAD);
	CHECK_ERR(with_byte(SUITES + 1, 0), ERR_BAD);
	CHECK_ERR(with_byte(SUITES, 0xff), ERR_BAD);
	CHECK_ERR(with_byte(COMPRESSIONS, 0), ERR_BAD);
	CHECK_ERR(with_byte(COMPRESSIONS, 0xff), ERR_BAD);
	CHECK_ERR(with_byte(EXTENSIONS + 1, 8), ERR_BAD);
	CHECK_ERR(with_byte(EXTENSIONS + 1, 10), ERR_BAD);
	CHECK_ERR(with_byte(SHARE + 3, 4), ERR_BAD);
	CHECK_ERR(with_byte(SHARE + 3, 6), ERR_BAD);
	CHECK_ERR(with_byte(LENGTH, 1), ERR_BAD);
	CHECK_ERR(with_byte(LENGTH, 0xff), ERR_BAD);
}

static void a_name_may_be_as_long_as_the_limit(void)
{
	uint8_t name[CLIENT_HELLO_NAME_MAX + 1];
	struct client_hello h;

	memset(name, 'A', sizeof name);
	for (size_t past = 0; past < 2; past++) {
		struct buf x = {0};
		struct bytes n = bytes_of(name, CLIENT_HELLO_NAME_MAX + past);
		kit_put_extension(&x, 0, kit_server_name(0, n));
		CHECK_ERR(answer(kit_hello(x), &h), past ? ERR_LIMIT : OK);
		CHECK_U64(client_hello_name(&h).len, past ? 0 : CLIENT_HELLO_NAME_MAX);
	}
	struct buf x = {0};
	kit_put_extension(&x, 0, kit_server_name(0, BYTES("api.example.")));
	CHECK_ERR(answer(kit_hello(x), &h), OK);
	CHECK_BYTES(client_hello_name(&h), "api.example");
}

static void protocols_that_do_not_fit_are_left_out(void)
{
	struct buf list = {0}, x = {0}, content = {0};
	struct client_hello h;

	kit_put_sized(&list, 1, kit_bytes(BYTES("h2")));
	uint8_t text[CLIENT_HELLO_PROTOCOLS_MAX];
	memset(text, 'p', sizeof text);
	for (size_t past = 0; past < 2; past++) {
		struct buf all = kit_bytes(buf_view(&list));
		size_t fits = CLIENT_HELLO_PROTOCOLS_MAX - 3 - 1;
		kit_put_sized(&all, 1, kit_bytes(bytes_of(text, fits + past)));
		kit_put_sized(&all, 1, kit_bytes(BYTES("x"))); /* out, although it would fit */
		content = (struct buf){0};
		x = (struct buf){0};
		kit_put_sized(&content, 2, all);
		kit_put_extension(&x, 16, content);
		CHECK_ERR(answer(kit_hello(x), &h), OK);
		CHECK_U64(client_hello_protocols(&h).len, past ? 3 : CLIENT_HELLO_PROTOCOLS_MAX);
	}
	buf_done(&list);
}

static void a_hello_may_be_as_long_as_the_limit(void)
{
	for (size_t past = 0; past < 2; past++) {
		struct buf x = {0}, filler = {0};
		struct client_hello h;
		size_t rest = 2 + 32 + 8 + 6 + 2 + 2 + 4;
		for (size_t i = rest; i < CLIENT_HELLO_BYTES_MAX + past; i++)
			kit_put(&filler, 0, 1);
		kit_put_extension(&x, 21, filler);
		struct buf message = kit_hello(x);
		CHECK_U64(message.len - 4, CLIENT_HELLO_BYTES_MAX + past);
		struct buf records = kit_records(&message, 1000);
		CHECK_ERR(client_hello_parse(buf_view(&records), &h), past ? ERR_LIMIT : OK);
		h = (struct client_hello){0};
		CHECK_ERR(feed(&h, buf_view(&message), 999, true), past ? ERR_LIMIT : OK);
		buf_done(&message);
		buf_done(&records);
	}
}

static void hellos_of_real_programs_are_read(void)
{
	static const struct {
		const char *file, *name, *protocol;
		unsigned highest;
	} cases[] = {
		{REAL "openssl", "api.openai.com", "h2", 0x0304},
		{REAL "openssl-1.2", "", "", 0x0303},
		{REAL "curl", "api.anthropic.com", "h2", 0x0304},
		{REAL "python", "api.mistral.ai", "", 0x0304},
		{REAL "node", "api.x.ai", "h2", 0x0304},
		{REAL "java", "api.cohere.com", "", 0x0304},
		{REAL "go", "api.groq.com", "h2", 0x0304},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf file = tap_file(cases[i].file);
		struct bytes records = bytes_from(buf_view(&file), 1); /* see the fuzzer */
		for (size_t step = 1; step < 3000; step = step * 3) {
			struct client_hello h = {0};
			CHECK_ERR(feed(&h, records, step, false), OK);
			CHECK_BYTES(client_hello_name(&h), cases[i].name);
			CHECK_U64(h.highest_version, cases[i].highest);
			struct bytes rest = client_hello_protocols(&h), protocol = BYTES_NONE;
			CHECK(client_hello_next_protocol(&rest, &protocol) == h.has_alpn);
			CHECK_BYTES(protocol, cases[i].protocol);
			CHECK(bytes_find(records, bytes_of(h.random, 32)) == 11);
		}
		buf_done(&file);
	}
}

static void nothing_is_allocated(void)
{
	struct buf message = kit_hello((struct buf){0}), records = kit_records(&message, 3);
	struct client_hello h;

	tap_allocations();
	CHECK_ERR(client_hello_parse(buf_view(&records), &h), OK);
	CHECK_U64(tap_allocations(), 0);
	buf_done(&message);
	buf_done(&records);
}

int main(void)
{
	RUN_TESTS(TEST(everything_that_is_asked_for_is_found), TEST(a_hello_may_have_no_extensions),
		  TEST(an_answer_is_there_with_its_last_byte),
		  TEST(bytes_behind_the_hello_are_not_looked_at),
		  TEST(what_is_no_client_hello_is_malformed_at_once),
		  TEST(extensions_that_do_not_fit_are_malformed),
		  TEST(an_extension_that_comes_twice_is_ambiguous),
		  TEST(lengths_that_lie_are_malformed), TEST(a_name_may_be_as_long_as_the_limit),
		  TEST(protocols_that_do_not_fit_are_left_out),
		  TEST(a_hello_may_be_as_long_as_the_limit), TEST(hellos_of_real_programs_are_read),
		  TEST(nothing_is_allocated));
}
