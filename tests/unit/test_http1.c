/* SPDX-License-Identifier: MIT */
#include "wire/http1.h"

#include <stdlib.h>

#include "tap.h"

#define BODY_MAX 1000
#define HOST     "Host: api.openai.com\r\n"
#define POST     "POST /v1/chat/completions HTTP/1.1\r\n" HOST
#define CHUNKED  POST "Transfer-Encoding: chunked\r\n\r\n"
/* A literal that may hold a NUL. */
#define TEXT(literal)                                                                              \
	{                                                                                          \
		(const uint8_t *)("" literal), sizeof(literal) - 1                                 \
	}

static void check_put(enum err e)
{
	CHECK_ERR(e, OK);
}

static void put_text(struct buf *out, struct bytes text)
{
	check_put(buf_put_decimal(out, text.len));
	check_put(buf_put_u8(out, ':'));
	check_put(buf_put(out, text));
}

/* ---- requests ---- */

/* Feeds until the request is complete or refused; each piece is gone afterwards. */
static enum err read_request(struct http1_request *r, struct bytes text, size_t step,
			     size_t *ret_used)
{
	enum err e = ERR_MORE;
	size_t at = 0, used = 0;

	while (at < text.len && e == ERR_MORE) {
		struct bytes piece = bytes_slice(text, at, step);
		uint8_t *copy = malloc(piece.len);
		memcpy(copy, piece.at, piece.len);
		e = http1_request_feed(r, bytes_of(copy, piece.len), &used);
		free(copy);
		CHECK(used <= piece.len && (e != ERR_MORE || used == piece.len));
		at += used;
	}
	*ret_used = at;
	return e;
}

/* All that was understood of a request, for comparing. */
static void put_request(struct buf *out, const struct http1_request *r)
{
	put_text(out, bytes_str(r->method));
	put_text(out, http1_request_target(r));
	put_text(out, http1_request_body(r));
	for (size_t i = 0; i < r->field_count; i++) {
		put_text(out, http1_field_name(r, i));
		put_text(out, http1_field_value(r, i));
	}
	check_put(buf_put_decimal(out, r->head_bytes));
	check_put(buf_put_u8(
		out, (uint8_t)('@' + (r->chunked | r->has_length << 1 | r->expects_continue << 2 |
				      r->keep_alive << 3 | r->upgrade << 4))));
}

struct reading {
	struct bytes text;
	enum err expected;
	const char *body, *rest; /* when OK: the decoded body, and what belongs to the next one */
};

static void check_reading(const struct reading *c)
{
	static struct http1_request r;
	struct buf first = {0};
	struct bytes text = tap_guarded(c->text);
	static const size_t steps[] = {SIZE_MAX / 2, 1, 2, 3, 7, 64};

	for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
		struct buf told = {0};
		size_t used;
		http1_request_init(&r, BODY_MAX);
		enum err e = read_request(&r, text, steps[k], &used);
		if (e != c->expected)
			tap_fail(__FILE__, __LINE__, "\"%.*s\" in steps of %zu: %s (%s), not %s",
				 (int)c->text.len, (const char *)c->text.at, steps[k], err_name(e),
				 r.problem ? r.problem : "", err_name(c->expected));
		CHECK(r.complete == (e == OK));
		CHECK((r.problem != NULL) == (e != OK && e != ERR_MORE));
		if (e == OK) {
			CHECK_BYTES(http1_request_body(&r), c->body);
			CHECK_BYTES(bytes_from(text, used), c->rest);
			CHECK(bytes_equal(buf_view(&r.raw), bytes_slice(text, 0, used)));
			put_request(&told, &r);
			CHECK_ERR(http1_request_feed(&r, BYTES("x"), &used), ERR_STATE);
		} else if (e != ERR_MORE) { /* it stays refused */
			CHECK_ERR(http1_request_feed(&r, BYTES("x"), &used), e);
			CHECK_U64(used, 0);
		}
		if (k == 0)
			check_put(buf_put(&first, buf_view(&told)));
		CHECK(bytes_equal(buf_view(&first), buf_view(&told)));
		buf_done(&told);
		http1_request_done(&r);
	}
	buf_done(&first);
}

#define CHECK_READINGS(table)                                                                      \
	do {                                                                                       \
		for (size_t i_ = 0; i_ < sizeof(table) / sizeof(table)[0]; i_++)                   \
			check_reading(&(table)[i_]);                                               \
	} while (0)

static void every_framing_is_read_the_same_in_every_split(void)
{
	static const struct reading cases[] = {
		{TEXT("GET /v1/models HTTP/1.1\r\n" HOST "\r\n"), OK, "", ""},
		{TEXT(POST "\r\n"), OK, "", ""},
		{TEXT(POST "Content-Length: 0\r\n\r\n"), OK, "", ""},
		{TEXT(POST "Content-Length: 5\r\n\r\nhello"), OK, "hello", ""},
		{TEXT(POST "content-length: \t5 \r\n\r\nhello"), OK, "hello", ""},
		{TEXT("GET / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi"), OK, "hi", ""},
		{TEXT(CHUNKED "0\r\n\r\n"), OK, "", ""},
		{TEXT(CHUNKED "5\r\nhello\r\n0\r\n\r\n"), OK, "hello", ""},
		{TEXT(CHUNKED "5\r\nhello\r\nA\r\n, you ther\r\n1\r\ne\r\n0\r\n\r\n"), OK,
		 "hello, you there", ""},
		{TEXT(CHUNKED "5;a=\"b\";c\r\nhello\r\n0\r\n\r\n"), OK, "hello", ""},
		{TEXT(CHUNKED "005\r\nhello\r\n000\r\n\r\n"), OK, "hello", ""},
		{TEXT(CHUNKED "5;a\r\nhello\r\n0\r\n\r\n"), OK, "hello", ""},
		{TEXT(CHUNKED "5;a;b=c\r\nhello\r\n0;d=e\r\n\r\n"), OK, "hello", ""},
		{TEXT(POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n"), OK, "", ""},
		{TEXT(POST "X:\r\nY: \t\r\nZ: \x80\r\n\r\n"), OK, "", ""},
		{TEXT(POST "X-Sentence: a:b c\r\n\r\n"), OK, "", ""},
		{TEXT("GET / HTTP/1.1\r\n\r\n"), OK, "", ""}, /* Host is the exchange's matter */
		{TEXT("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), OK, "", ""},
		{TEXT("GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n"), OK, "", ""},
		{TEXT("POST / HTTP/1.0\r\n" HOST "Content-Length: 2\r\n\r\nhi"), OK, "hi", ""},
		/* what belongs to the next request stays */
		{TEXT(POST "\r\nGET / HTTP/1.1\r\n\r\n"), OK, "", "GET / HTTP/1.1\r\n\r\n"},
		{TEXT(POST "Content-Length: 2\r\n\r\nhiGET"), OK, "hi", "GET"},
		{TEXT(CHUNKED "2\r\nhi\r\n0\r\n\r\nGET"), OK, "hi", "GET"},
		{TEXT(CHUNKED "2\r\nhi\r\n0\r\n\r\n\r\n"), OK, "hi", "\r\n"},
		/* incomplete */
		{TEXT("P"), ERR_MORE, NULL, NULL},
		{TEXT(POST), ERR_MORE, NULL, NULL},
		{TEXT(POST "\r"), ERR_MORE, NULL, NULL},
		{TEXT(POST "Content-Length: 5\r\n\r\nhell"), ERR_MORE, NULL, NULL},
		{TEXT(CHUNKED "5\r\nhello\r\n0\r\n\r"), ERR_MORE, NULL, NULL},
		/* other protocols, which are marked and end with their head */
		{TEXT("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nxyz"), OK, "", "xyz"},
		{TEXT("GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nxyz"), OK,
		 "", "xyz"},
		{TEXT("POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
		      "Content-Length: 3\r\n\r\nabcxyz"),
		 OK, "abc", "xyz"},
	};

	CHECK_READINGS(cases);
}

/* Each of these is read differently by some two servers: the gateway must not be one of them. */
static void what_servers_read_differently_is_refused(void)
{
	static const struct reading cases[] = {
		/* the length */
		{TEXT(POST "Content-Length: +5\r\n\r\nhello"), ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST "Content-Length: -5\r\n\r\nhello"), ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST "Content-Length: 5, 5\r\n\r\nhello"), ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST "Content-Length: 5 5\r\n\r\nhello"), ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST "Content-Length: 0x5\r\n\r\nhello"), ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST "Content-Length: 5\x0b\r\n\r\nhello"), ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST "Content-Length:\r\n\r\nhello"), ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST "Content-Length: 18446744073709551616\r\n\r\n"), ERR_AMBIGUOUS, NULL,
		 NULL},
		{TEXT(POST "Content-Length: 18446744073709551615\r\n\r\n"), ERR_LIMIT, NULL, NULL},
		{TEXT(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), ERR_AMBIGUOUS,
		 NULL, NULL},
		{TEXT(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), ERR_AMBIGUOUS,
		 NULL, NULL},
		{TEXT(POST "Content-Length : 5\r\n\r\nhello"), ERR_BAD, NULL, NULL},
		{TEXT(POST "Content-Length\t: 5\r\n\r\nhello"), ERR_BAD, NULL, NULL},
		/* both */
		{TEXT(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		 ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
		 ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST "Content-Length: 0\r\nTransfer-Encoding: identity\r\n\r\n"),
		 ERR_AMBIGUOUS, NULL, NULL},
		/* the coding */
		{TEXT(POST "Transfer-Encoding: identity\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "Transfer-Encoding:\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "Transfer-Encoding: gzip\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), ERR_BAD, NULL,
		 NULL},
		{TEXT(POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), ERR_AMBIGUOUS,
		 NULL, NULL},
		{TEXT(POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), ERR_AMBIGUOUS,
		 NULL, NULL},
		{TEXT(POST "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n"), ERR_AMBIGUOUS, NULL,
		 NULL},
		{TEXT(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "Transfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "Transfer-Encoding: \x0b"
			   "chunked\r\n\r\n0\r\n\r\n"),
		 ERR_BAD, NULL, NULL},
		{TEXT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
			   "0\r\n\r\n"),
		 ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n"),
		 ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		/* the chunks */
		{TEXT(CHUNKED "\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "+5\r\nhello\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "-1\r\nhello\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "0x5\r\nhello\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED " 5\r\nhello\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "5 \r\nhello\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "5\nhello\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "5\rhello\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "5\r\nhello\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "5\r\nhello0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "5\r\nhello\r\n0\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "5\r\nhello\r\n0\r\n\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "5\r\nhello\r\n0\r\n\rx"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "5;\r\nhello\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "5;a\nhello\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "5;a=b\nhello\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "5;a\0b\r\nhello\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		/* well-formed, but the parser (llhttp 8.1) does not know it */
		{TEXT(CHUNKED "5;a=b;c=d\r\nhello\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		/* trailer fields could repeat what the head says, to the servers that read them */
		{TEXT(CHUNKED "0\r\nX: y\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(CHUNKED "0\r\nContent-Length: 3\r\n\r\n"), ERR_BAD, NULL, NULL},
		/* folded lines, also before the value begins */
		{TEXT(POST "X: a\r\n b\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "X: a\r\n\tb\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "X:\r\n b\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "X: a\r\n \r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST " X: a\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("GET / HTTP/1.1\r\n X: a\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "Content-Length:\r\n 5\r\n\r\nhello"), ERR_BAD, NULL, NULL},
		{TEXT(POST "Content-Length: 5\r\n 6\r\n\r\nhello"), ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "Transfer-Encoding: chunked\r\n \r\n\r\n0\r\n\r\n"), ERR_BAD, NULL,
		 NULL},
		/* line endings */
		{TEXT("GET / HTTP/1.1\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "X: a\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "X: a\rY: b\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "X: a\r\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "\n"), ERR_BAD, NULL, NULL},
		{TEXT("\rGET / HTTP/1.1\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("\r\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("\n\nGET / HTTP/1.1\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		/* bytes that end a string, or are no field */
		{TEXT(POST "X: a\0b\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "X\0: a\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "X: a\x01"
			   "b\r\n\r\n"),
		 ERR_BAD, NULL, NULL},
		{TEXT(POST "X: a\x7f\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST ": a\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(POST "X\r\n\r\n"), ERR_BAD, NULL, NULL},
		/* fields that say whom it is for and how the body is read, twice */
		{TEXT(POST "Host: evil\r\n\r\n"), ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST HOST "\r\n"), ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST "Content-Type: a/b\r\ncontent-type: c/d\r\n\r\n"), ERR_AMBIGUOUS, NULL,
		 NULL},
		{TEXT(POST "Content-Encoding: identity\r\nContent-Encoding: br\r\n\r\n"),
		 ERR_AMBIGUOUS, NULL, NULL},
		{TEXT(POST "Content-Type: a/b\r\nX: y\r\ncontent-type: A/B\r\n\r\n"), OK, "", ""},
	};

	CHECK_READINGS(cases);
}

static void only_request_lines_of_http_1_are_read(void)
{
	static const struct reading cases[] = {
		{TEXT("GET /\r\n\r\n"), ERR_BAD, NULL, NULL}, /* HTTP/0.9 */
		{TEXT("GET / HTTP/0.9\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("GET / HTTP/1.2\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("GET / HTTP/1.11\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("GET / HTTP/2.0\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("GET / http/1.1\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("OPTIONS / RTSP/1.0\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("SOURCE / ICE/1.0\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("get / HTTP/1.1\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("BREW / HTTP/1.1\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("GET  / HTTP/1.1\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("GET /  HTTP/1.1\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("GET / HTTP/1.1 \r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("GET\t/ HTTP/1.1\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT(" GET / HTTP/1.1\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("GET /\t HTTP/1.1\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("GET /\x80 HTTP/1.1\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("GET / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		 ERR_AMBIGUOUS, NULL, NULL},
		{TEXT("HTTP/1.1 200 OK\r\n\r\n"), ERR_BAD, NULL, NULL},
		{TEXT("\x16\x03\x01\x02\x00\x01"), ERR_BAD, NULL, NULL},
		/* empty lines before a request are passed over by servers too (RFC 9112 2.2) */
		{TEXT("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), OK, "", ""},
	};

	CHECK_READINGS(cases);
}

static void a_request_is_told_as_it_came(void)
{
	static struct http1_request r;
	struct bytes value;
	size_t used;

	http1_request_init(&r, BODY_MAX);
	CHECK(r.method == NULL && http1_request_body(&r).len == 0);
	CHECK_ERR(read_request(&r,
			       BYTES(POST "X-Two: \t a b \r\nExpect: 100-Continue\r\n"
					  "x-two: c\r\nContent-Length: 2\r\n\r\nhi"),
			       3, &used),
		  OK);
	CHECK_STR(r.method, "POST");
	CHECK_BYTES(http1_request_target(&r), "/v1/chat/completions");
	CHECK_U64(r.field_count, 5);
	CHECK_BYTES(http1_field_name(&r, 1), "X-Two");
	CHECK_BYTES(http1_field_value(&r, 1), "a b");
	CHECK_BYTES(http1_field_name(&r, 5), "");
	CHECK_BYTES(http1_field_value(&r, SIZE_MAX), "");
	CHECK(http1_request_find(&r, BYTES("X-TWO"), &value));
	CHECK_BYTES(value, "a b");
	CHECK(!http1_request_find(&r, BYTES("x-tw"), &value));
	CHECK(r.expects_continue && r.keep_alive && !r.upgrade && !r.chunked && r.has_length);
	CHECK_U64(r.content_length, 2);
	http1_request_done(&r);
}

static void what_a_connection_becomes_is_told(void)
{
	static const struct {
		const char *text;
		bool keep_alive, upgrade, expects_continue;
	} cases[] = {
		{POST "\r\n", true, false, false},
		{POST "Connection: close\r\n\r\n", false, false, false},
		{POST "Connection: close, keep-alive\r\n\r\n", false, false, false},
		{"GET / HTTP/1.0\r\n\r\n", false, false, false},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, false, false},
		{POST "Upgrade: websocket\r\n\r\n", true, false, false},
		{POST "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", true, true, false},
		{"CONNECT a:1 HTTP/1.1\r\n\r\n", true, true, false},
		{POST "Expect: 100-continue\r\n\r\n", true, false, true},
		{POST "Expect: something\r\n\r\n", true, false, false},
		{"PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", false, false, false},
	};
	static struct http1_request r;
	size_t used;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		http1_request_init(&r, BODY_MAX);
		CHECK_ERR(read_request(&r, bytes_str(cases[i].text), SIZE_MAX / 2, &used), OK);
		CHECK(r.keep_alive == cases[i].keep_alive);
		CHECK(r.upgrade == cases[i].upgrade);
		CHECK(r.expects_continue == cases[i].expects_continue);
		http1_request_done(&r);
	}
}

static void pipelined_requests_come_one_after_the_other(void)
{
	static const char stream[] = POST "Content-Length: 2\r\n\r\nhi" CHUNKED
					  "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
					  "GET /last HTTP/1.1\r\n" HOST "\r\n";
	static const char *const bodies[] = {"hi", "abc", ""};
	static struct http1_request r;

	for (size_t step = 1; step <= sizeof stream; step++) {
		struct bytes rest = tap_guarded(BYTES_NONE);
		rest = bytes_str(stream);
		http1_request_init(&r, BODY_MAX);
		for (size_t i = 0; i < 3; i++) {
			size_t used;
			CHECK_ERR(read_request(&r, rest, step, &used), OK);
			CHECK_BYTES(http1_request_body(&r), bodies[i]);
			rest = bytes_from(rest, used);
			if (i == 2)
				CHECK_BYTES(http1_request_target(&r), "/last");
			http1_request_reset(&r);
			CHECK(r.method == NULL && r.raw.len == 0 && r.field_count == 0);
		}
		CHECK_U64(rest.len, 0);
		http1_request_done(&r);
	}
}

static void a_reset_forgets_a_refused_request(void)
{
	static struct http1_request r;
	size_t used;

	http1_request_init(&r, BODY_MAX);
	CHECK_ERR(read_request(&r, BYTES(POST "X: a\r\n b\r\n\r\n"), 1, &used), ERR_BAD);
	http1_request_reset(&r);
	CHECK(r.problem == NULL);
	CHECK_ERR(http1_request_feed(&r, BYTES_NONE, &used), ERR_MORE);
	CHECK_ERR(read_request(&r, BYTES(POST "Content-Length: 1\r\n\r\nx"), 1, &used), OK);
	CHECK_BYTES(http1_request_body(&r), "x");
	http1_request_done(&r);
}

/* ---- limits of requests ---- */

static struct buf repeated(const char *head, const char *part, size_t count, const char *tail)
{
	struct buf b = {0};

	check_put(buf_put_str(&b, head));
	for (size_t i = 0; i < count; i++)
		check_put(buf_put_str(&b, part));
	check_put(buf_put_str(&b, tail));
	return b;
}

static void check_limit(struct buf *text, size_t body_max, enum err expected)
{
	static const size_t steps[] = {SIZE_MAX / 2, 1, 1000};
	static struct http1_request r;

	for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
		size_t used;
		http1_request_init(&r, body_max);
		enum err e = read_request(&r, buf_view(text), steps[k], &used);
		if (e != expected)
			tap_fail(__FILE__, __LINE__, "%zu bytes in steps of %zu: %s, not %s",
				 text->len, steps[k], err_name(e), err_name(expected));
		CHECK(r.field_count <= HTTP1_FIELDS_MAX);
		http1_request_done(&r);
	}
	buf_done(text);
}

static void a_request_may_have_as_many_fields_as_the_limit(void)
{
	static const char *const fields[] = {"a: b\r\n", "a:\r\n"};
	struct buf text;

	for (size_t i = 0; i < 2; i++) {
		text = repeated("GET / HTTP/1.1\r\n", fields[i], HTTP1_FIELDS_MAX, "\r\n");
		check_limit(&text, BODY_MAX, OK);
		text = repeated("GET / HTTP/1.1\r\n", fields[i], HTTP1_FIELDS_MAX + 1, "\r\n");
		check_limit(&text, BODY_MAX, ERR_LIMIT);
	}
	text = repeated("GET / HTTP/1.1\r\n", ": b\r\n", HTTP1_FIELDS_MAX + 1, "\r\n");
	check_limit(&text, BODY_MAX, ERR_LIMIT);
	text = repeated("GET / HTTP/1.1\r\n", ": b\r\n", HTTP1_FIELDS_MAX, "\r\n");
	check_limit(&text, BODY_MAX, ERR_BAD);
}

static void a_head_may_be_as_long_as_the_limit(void)
{
	static const char start[] = "GET / HTTP/1.1\r\nX: ";
	size_t room = HTTP1_HEAD_BYTES_MAX - (sizeof start - 1) - 4;
	struct buf text = repeated(start, "x", room, "\r\n\r\n");

	CHECK_U64(text.len, HTTP1_HEAD_BYTES_MAX);
	check_limit(&text, BODY_MAX, OK);
	text = repeated(start, "x", room + 1, "\r\n\r\n");
	check_limit(&text, BODY_MAX, ERR_LIMIT);
	text = repeated(start, "x", room + 1, "\r\n\n"); /* malformed, but only past the limit */
	check_limit(&text, BODY_MAX, ERR_BAD);
	text = repeated(start, "x", room + 2, "\r\n\n");
	check_limit(&text, BODY_MAX, ERR_LIMIT);
	text = repeated(start, "x", 2 * room, "\r\n\r\n");
	check_limit(&text, BODY_MAX, ERR_LIMIT);
	text = repeated("GET /", "x", 2 * room, "");
	check_limit(&text, BODY_MAX, ERR_LIMIT);
}

static void a_body_may_be_as_long_as_the_limit(void)
{
	struct buf text = repeated(POST "Content-Length: 100\r\n\r\n", "x", 100, "");

	check_limit(&text, 100, OK);
	text = repeated(POST "Content-Length: 101\r\n\r\n", "x", 101, "");
	check_limit(&text, 100, ERR_LIMIT);
	text = repeated(POST "Content-Length: 101\r\n\r\n", "x", 0, ""); /* before the body came */
	check_limit(&text, 100, ERR_LIMIT);
	text = repeated(CHUNKED "64\r\n", "x", 100, "\r\n0\r\n\r\n");
	check_limit(&text, 100, OK);
	text = repeated(CHUNKED "65\r\n", "x", 101, "\r\n0\r\n\r\n");
	check_limit(&text, 100, ERR_LIMIT);
	text = repeated(CHUNKED, "1\r\nx\r\n", 100, "0\r\n\r\n");
	check_limit(&text, 100, OK);
	text = repeated(CHUNKED, "1\r\nx\r\n", 101, "0\r\n\r\n");
	check_limit(&text, 100, ERR_LIMIT);
	text = repeated(CHUNKED, "ffffffffffffffff\r\nx", 1, "");
	check_limit(&text, 100, ERR_MORE);
	text = repeated(CHUNKED "ffffffffffffffff\r\n", "x", 101, "");
	check_limit(&text, 100, ERR_LIMIT);
	text = repeated(POST "Content-Length: 0\r\n\r\n", "", 0, "");
	check_limit(&text, 0, OK);
	text = repeated(POST "Content-Length: 1\r\n\r\n", "", 0, "");
	check_limit(&text, 0, ERR_LIMIT);
}

/* Head, framing and body together: twice the body's limit and a head. */
static void the_framing_of_chunks_is_bounded(void)
{
	size_t body_max = 100, all = 2 * body_max + HTTP1_HEAD_BYTES_MAX;
	static const char head[] = CHUNKED, tail[] = "\r\n0\r\n\r\n";
	size_t room = all - (sizeof head - 1) - (sizeof tail - 1) - 3; /* "1\r\n" and "x" */
	struct buf zeros = repeated("", "0", room - 1, "");
	struct buf text = {0};

	for (size_t extra = 0; extra < 2; extra++) {
		check_put(buf_put_str(&text, head));
		check_put(buf_put(&text, buf_view(&zeros)));
		check_put(buf_put_str(&text, extra ? "01\r\nx" : "1\r\nx"));
		check_put(buf_put_str(&text, tail));
		CHECK_U64(text.len, all + extra);
		for (size_t step = 1; step < 2000; step += 1999) {
			static struct http1_request r;
			size_t used;
			http1_request_init(&r, body_max);
			struct bytes rest = buf_view(&text);
			enum err e = ERR_MORE;
			while (rest.len && e == ERR_MORE) {
				e = http1_request_feed(&r, bytes_slice(rest, 0, step), &used);
				rest = bytes_from(rest, used);
			}
			CHECK_ERR(e, extra ? ERR_LIMIT : OK);
			http1_request_done(&r);
		}
		buf_reset(&text);
	}
	buf_done(&text);
	buf_done(&zeros);
}

static enum err read_with_failures(struct bytes text)
{
	static struct http1_request r;
	size_t used;

	http1_request_init(&r, 4000);
	enum err e = read_request(&r, text, 100, &used);
	if (e == ERR_NOMEM)
		CHECK(r.problem != NULL && !r.complete);
	http1_request_done(&r);
	return e;
}

static struct buf long_text;

static enum err read_long_text(void)
{
	/* the reader's own copies are not counted: they are made before */
	static struct http1_request r;
	struct bytes rest = buf_view(&long_text);
	enum err e = ERR_MORE;
	size_t used;

	http1_request_init(&r, 4000);
	while (rest.len && e == ERR_MORE) {
		e = http1_request_feed(&r, bytes_slice(rest, 0, 100), &used);
		rest = bytes_from(rest, used);
	}
	CHECK(r.complete == (e == OK) && (e == OK || r.problem));
	http1_request_done(&r);
	return e;
}

static void a_failed_allocation_refuses_the_request(void)
{
	long_text = repeated(POST "Content-Length: 3000\r\n\r\n", "x", 3000, "");
	CHECK_ERR(read_with_failures(buf_view(&long_text)), OK);
	tap_fail_each_allocation(read_long_text);
	buf_done(&long_text);
	long_text = repeated(CHUNKED, "3\r\nabc\r\n", 1000, "0\r\n\r\n");
	CHECK_ERR(read_with_failures(buf_view(&long_text)), OK);
	tap_fail_each_allocation(read_long_text);
	buf_done(&long_text);
}

static void memory_is_given_back_after_a_large_request(void)
{
	static struct http1_request r;
	struct buf text = repeated(CHUNKED "fff0\r\n", "x", 0xfff0, "\r\n0\r\n\r\n");
	size_t used;

	http1_request_init(&r, 1u << 20);
	CHECK_ERR(read_request(&r, buf_view(&text), SIZE_MAX / 2, &used), OK);
	CHECK(r.raw.cap > HTTP1_IDLE_BYTES_MAX && r.decoded.cap > HTTP1_IDLE_BYTES_MAX);
	http1_request_reset(&r);
	CHECK_U64(r.raw.cap, 0);
	CHECK_U64(r.decoded.cap, 0);
	CHECK_ERR(read_request(&r, BYTES(POST "\r\n"), SIZE_MAX / 2, &used), OK);
	size_t kept = r.raw.cap;
	http1_request_reset(&r);
	CHECK(kept && r.raw.cap == kept); /* a small one's memory serves the next one */
	http1_request_done(&r);
	buf_done(&text);
}

/* ---- responses ---- */

/* What a listener was told, as "[200 Type: x;]body(end)"; says no when it comes to `refuses`. */
struct told {
	struct buf text;
	bool bodiless;
	char refuses;
	bool until_close;
};

static enum err tell_head(void *context, const struct http1_response *r)
{
	struct told *t = context;
	struct bytes rest = buf_view(&r->head), name, value;

	check_put(buf_put_u8(&t->text, '['));
	check_put(buf_put_decimal(&t->text, (uint64_t)r->status));
	while (http1_head_next(&rest, &name, &value)) {
		check_put(buf_put_u8(&t->text, ' '));
		check_put(buf_put(&t->text, name));
		check_put(buf_put_u8(&t->text, '='));
		check_put(buf_put(&t->text, value));
	}
	check_put(buf_put_u8(&t->text, ']'));
	return t->refuses == '[' ? ERR_NOMEM : OK;
}

static enum err tell_body(void *context, struct bytes piece)
{
	struct told *t = context;

	check_put(buf_put(&t->text, piece));
	return t->refuses == 'b' ? ERR_LIMIT : OK;
}

static enum err tell_end(void *context, const struct http1_response *r)
{
	struct told *t = context;

	t->until_close = r->until_close;
	check_put(buf_put_str(&t->text, "(end)"));
	return t->refuses == ')' ? ERR_NOMEM : OK;
}

static bool tell_bodiless(void *context)
{
	return ((struct told *)context)->bodiless;
}

static enum err follow(struct told *t, struct bytes stream, size_t step, enum err *ret_eof,
		       bool *ret_upgraded)
{
	struct http1_listener listener = {tell_head, tell_body, tell_end, tell_bodiless, t};
	struct http1_response r;
	enum err e = OK;

	http1_response_init(&r, &listener);
	for (size_t at = 0; at < stream.len; at += step) {
		struct bytes piece = bytes_slice(stream, at, step);
		uint8_t *copy = malloc(piece.len);
		memcpy(copy, piece.at, piece.len);
		enum err now = http1_response_feed(&r, bytes_of(copy, piece.len));
		CHECK(!e || (now == e && r.unread_bytes == piece.len)); /* it stays broken */
		CHECK(r.broken == (now != OK));
		e = now;
		free(copy);
	}
	*ret_eof = http1_response_eof(&r);
	*ret_upgraded = r.upgraded;
	http1_response_done(&r);
	return e;
}

#define ANSWER         "HTTP/1.1 200 OK\r\n"
#define LENGTH(n)      "Content-Length: " #n "\r\n\r\n"
#define ANSWER_CHUNKED ANSWER "Transfer-Encoding: chunked\r\n\r\n"

struct following {
	struct bytes stream;
	const char *told;
	enum err fed, eof;
	bool bodiless;
};

static void check_following(const struct following *c)
{
	struct bytes stream = tap_guarded(c->stream);

	for (size_t step = 1; step <= c->stream.len; step++) {
		struct told t = {.bodiless = c->bodiless};
		enum err eof;
		bool upgraded;
		enum err e = follow(&t, stream, step, &eof, &upgraded);
		if (!bytes_equal(buf_view(&t.text), bytes_str(c->told)) || e != c->fed ||
		    eof != c->eof)
			tap_fail(__FILE__, __LINE__, "\"%.*s\" in steps of %zu: %s, %s, \"%.*s\"",
				 (int)stream.len, (const char *)stream.at, step, err_name(e),
				 err_name(eof), (int)t.text.len, (const char *)t.text.at);
		buf_done(&t.text);
	}
}

static void responses_are_followed_in_every_split(void)
{
	static const struct following cases[] = {
		{TEXT(ANSWER LENGTH(2) "{}"), "[200 Content-Length=2]{}(end)", OK, OK, false},
		{TEXT(ANSWER LENGTH(0)), "[200 Content-Length=0](end)", OK, OK, false},
		{TEXT(ANSWER_CHUNKED "2\r\n{}\r\n1;x=y\r\n.\r\n0\r\n\r\n"),
		 "[200 Transfer-Encoding=chunked]{}.(end)", OK, OK, false},
		{TEXT(ANSWER_CHUNKED "2\r\n{}\r\n0\r\nx-took: 5\r\n\r\n"),
		 "[200 Transfer-Encoding=chunked]{}(end)", OK, OK, false},
		/* until close: the end comes with the connection's */
		{TEXT(ANSWER "X: y\r\n\r\nabc"), "[200 X=y]abc(end)", OK, OK, false},
		{TEXT(ANSWER "\r\n"), "[200](end)", OK, OK, false},
		{TEXT("HTTP/1.0 200 OK\r\n\r\nabc"), "[200]abc(end)", OK, OK, false},
		{TEXT(ANSWER "Transfer-Encoding: gzip\r\n\r\nabc"),
		 "[200 Transfer-Encoding=gzip]abc(end)", OK, OK, false},
		/* without a body */
		{TEXT(ANSWER LENGTH(9) ANSWER "\r\n" ANSWER LENGTH(1)),
		 "[200 Content-Length=9](end)[200](end)[200 Content-Length=1](end)", OK, OK, true},
		{TEXT(ANSWER_CHUNKED ANSWER LENGTH(1)),
		 "[200 Transfer-Encoding=chunked](end)[200 Content-Length=1](end)", OK, OK, true},
		{TEXT("HTTP/1.1 204 No Content\r\n\r\n" ANSWER LENGTH(1) "x"),
		 "[204](end)[200 Content-Length=1]x(end)", OK, OK, false},
		{TEXT("HTTP/1.1 304 Not Modified\r\n\r\n" ANSWER LENGTH(1) "x"),
		 "[304](end)[200 Content-Length=1]x(end)", OK, OK, false},
		{TEXT("HTTP/1.1 304 Not Modified\r\n" LENGTH(9) ANSWER LENGTH(1) "x"),
		 "[304 Content-Length=9](end)[200 Content-Length=1]x(end)", OK, OK, false},
		{TEXT("HTTP/1.1 204 No Content\r\n" LENGTH(9) ANSWER LENGTH(1) "x"),
		 "[204 Content-Length=9](end)[200 Content-Length=1]x(end)", OK, OK, false},
		{TEXT("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n" ANSWER LENGTH(
			 1) "x"),
		 "[204 Transfer-Encoding=chunked](end)[200 Content-Length=1]x(end)", OK, OK, false},
		{TEXT("HTTP/1.1 103 Early Hints\r\n" LENGTH(9) ANSWER LENGTH(1) "x"),
		 "[103 Content-Length=9](end)[200 Content-Length=1]x(end)", OK, OK, false},
		/* interim */
		{TEXT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: "
		      "x\r\n\r\n" ANSWER LENGTH(1) "x"),
		 "[100](end)[103 Link=x](end)[200 Content-Length=1]x(end)", OK, OK, false},
		{TEXT("HTTP/1.1 100 Continue\r\n\r\n"), "[100](end)", OK, OK, false},
		/* another protocol: nothing is looked at from there on */
		{TEXT("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
		      "Upgrade: websocket\r\n\r\n\x81\x05HTTP/1.1 200 OK\r\n\r\n"),
		 "[101 Connection=upgrade Upgrade=websocket](end)", OK, OK, false},
		{TEXT("HTTP/1.1 101 Switching Protocols\r\n\r\nabc"), "[101](end)", OK, OK, false},
		/* pipelined */
		{TEXT(ANSWER LENGTH(1) "a" ANSWER_CHUNKED "1\r\nb\r\n0\r\n\r\n"
				       "HTTP/1.1 429 Too Many Requests\r\n" LENGTH(0) ANSWER
		      "\r\nrest"),
		 "[200 Content-Length=1]a(end)[200 Transfer-Encoding=chunked]b(end)"
		 "[429 Content-Length=0](end)[200]rest(end)",
		 OK, OK, false},
		/* fields as received, without padding */
		{TEXT(ANSWER "X: \t a b \t\r\nY:\r\nx: c\r\n" LENGTH(0)),
		 "[200 X=a b Y= x=c Content-Length=0](end)", OK, OK, false},
		{TEXT("HTTP/1.1 200\r\n" LENGTH(0)), "[200 Content-Length=0](end)", OK, OK, false},
		{TEXT("\r\n" ANSWER LENGTH(0)), "[200 Content-Length=0](end)", OK, OK, false},
		/* nothing at all */
		{TEXT("\r\n"), "", OK, OK, false},
		/* cut off */
		{TEXT("HTTP/1.1 2"), "", OK, ERR_MORE, false},
		{TEXT(ANSWER "X: y"), "", OK, ERR_MORE, false},
		{TEXT(ANSWER LENGTH(9) "abc"), "[200 Content-Length=9]abc", OK, ERR_MORE, false},
		{TEXT(ANSWER_CHUNKED "3\r\nabc\r\n"), "[200 Transfer-Encoding=chunked]abc", OK,
		 ERR_MORE, false},
		{TEXT(ANSWER_CHUNKED "3\r\nabc\r\n0\r\n"), "[200 Transfer-Encoding=chunked]abc", OK,
		 ERR_MORE, false},
		/* not HTTP/1.1 */
		{TEXT("\x16\x03\x01\x02"), "", ERR_BAD, ERR_BAD, false},
		{TEXT("GET / HTTP/1.1\r\n\r\n"), "", ERR_BAD, ERR_BAD, false},
		{TEXT("HTTP/1.1 abc\r\n\r\n"), "", ERR_BAD, ERR_BAD, false},
		{TEXT(ANSWER LENGTH(1) "aGARBAGE"), "[200 Content-Length=1]a(end)", ERR_BAD,
		 ERR_BAD, false},
		{TEXT(ANSWER_CHUNKED "1\r\naGARBAGE"), "[200 Transfer-Encoding=chunked]a", ERR_BAD,
		 ERR_BAD, false},
		{TEXT(ANSWER "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "", ERR_BAD,
		 ERR_BAD, false},
		{TEXT(ANSWER "X: a\0b\r\n" LENGTH(0)), "", ERR_BAD, ERR_BAD, false},
		/* more than was announced */
		{TEXT(ANSWER "Connection: close\r\n" LENGTH(1) "a" ANSWER),
		 "[200 Connection=close Content-Length=1]a(end)", ERR_BAD, ERR_BAD, false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		check_following(&cases[i]);
}

static void a_response_cut_at_any_byte_is_never_complete(void)
{
	static const char *const streams[] = {
		ANSWER LENGTH(3) "abc",
		ANSWER_CHUNKED "3\r\nabc\r\n0\r\n\r\n",
		ANSWER_CHUNKED "3\r\nabc\r\n0\r\nX: y\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
		struct bytes stream = bytes_str(streams[i]);
		for (size_t len = 1; len <= stream.len; len++) {
			struct told t = {0};
			enum err eof;
			bool upgraded, whole = len == stream.len;
			CHECK_ERR(follow(&t, bytes_slice(stream, 0, len), 5, &eof, &upgraded), OK);
			CHECK_ERR(eof, whole ? OK : ERR_MORE);
			CHECK(bytes_ends(buf_view(&t.text), BYTES("(end)")) == whole);
			buf_done(&t.text);
		}
	}
}

static void a_response_until_close_says_so(void)
{
	struct told t = {0};
	enum err eof;
	bool upgraded;

	CHECK_ERR(follow(&t, BYTES(ANSWER "\r\nabc"), 4, &eof, &upgraded), OK);
	CHECK(t.until_close && !upgraded);
	buf_reset(&t.text);
	CHECK_ERR(follow(&t, BYTES(ANSWER LENGTH(3) "abc"), 4, &eof, &upgraded), OK);
	CHECK(!t.until_close);
	CHECK_ERR(follow(&t, BYTES("HTTP/1.1 101 X\r\n\r\nabc"), 4, &eof, &upgraded), OK);
	CHECK(upgraded);
	buf_done(&t.text);
}

static void a_listener_that_says_no_ends_the_following(void)
{
	static const struct {
		char refuses;
		enum err expected;
		const char *told;
	} cases[] = {
		{'[', ERR_NOMEM, "[200 Content-Length=1]"},
		{'b', ERR_LIMIT, "[200 Content-Length=1]a"},
		{')', ERR_NOMEM, "[200 Content-Length=1]a(end)"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t step = 1; step < 90; step += 88) {
			struct told t = {.refuses = cases[i].refuses};
			enum err eof;
			bool upgraded;
			CHECK_ERR(follow(&t, BYTES(ANSWER LENGTH(1) "a" ANSWER LENGTH(1) "b"), step,
					 &eof, &upgraded),
				  cases[i].expected);
			CHECK_ERR(eof, cases[i].expected);
			CHECK_BYTES(buf_view(&t.text), cases[i].told);
			buf_done(&t.text);
		}
	}
}

static void the_bytes_that_were_not_followed_are_told(void)
{
	struct told t = {0};
	struct http1_listener listener = {tell_head, tell_body, tell_end, tell_bodiless, &t};
	struct http1_response r;

	http1_response_init(&r, &listener);
	CHECK_ERR(http1_response_feed(&r, BYTES(ANSWER_CHUNKED "1\r\na!garbage")), ERR_BAD);
	CHECK_U64(r.unread_bytes, 8);
	CHECK_ERR(http1_response_feed(&r, BYTES("more")), ERR_BAD);
	CHECK_U64(r.unread_bytes, 4);
	http1_response_done(&r);
	/* another protocol: its first bytes may come with the head */
	http1_response_init(&r, &listener);
	CHECK_ERR(http1_response_feed(&r, BYTES("HTTP/1.1 101 S\r\nUpgrade: x\r\n\r")), OK);
	CHECK_U64(r.unread_bytes, 0);
	CHECK_ERR(http1_response_feed(&r, BYTES("\nhello")), OK);
	CHECK(r.upgraded && r.unread_bytes == 5);
	CHECK_ERR(http1_response_feed(&r, BYTES("more")), OK);
	CHECK_U64(r.unread_bytes, 4);
	http1_response_done(&r);
	buf_done(&t.text);
}

static void a_response_head_may_be_as_long_as_the_limit(void)
{
	/* "X: " + value + "\r\n" and "Content-Length: 0\r\n" are kept */
	size_t room = HTTP1_HEAD_BYTES_MAX - 5 - 19;

	for (size_t extra = 0; extra < 2; extra++) {
		struct buf stream = repeated(ANSWER "X: ", "x", room + extra, "\r\n" LENGTH(0));
		for (size_t step = 1; step < 200000; step += 199990) {
			struct told t = {0};
			enum err eof;
			bool upgraded;
			CHECK_ERR(follow(&t, buf_view(&stream), step, &eof, &upgraded),
				  extra ? ERR_LIMIT : OK);
			CHECK(bytes_ends(buf_view(&t.text), BYTES("(end)")) == !extra);
			buf_done(&t.text);
		}
		buf_done(&stream);
	}
}

static enum err say_ok(void *context, const struct http1_response *r)
{
	return OK;
}

static enum err take_nothing(void *context, struct bytes piece)
{
	return OK;
}

static bool has_body(void *context)
{
	return false;
}

static enum err follow_long_text(void)
{
	struct http1_listener listener = {say_ok, take_nothing, say_ok, has_body, NULL};
	struct http1_response r;

	http1_response_init(&r, &listener);
	enum err e = http1_response_feed(&r, buf_view(&long_text));
	CHECK(r.broken == (e != OK));
	http1_response_done(&r);
	return e;
}

static void a_failed_allocation_ends_the_following(void)
{
	long_text = repeated(ANSWER, "X-Long-Name: some value\r\n", 100, LENGTH(1) "x");
	tap_fail_each_allocation(follow_long_text);
	buf_done(&long_text);
}

static void lines_of_a_head_are_found_by_their_name(void)
{
	struct bytes head = tap_guarded(
		BYTES("A: 1\r\nb:2\r\nno colon\r\n\r\nC: \t3 \nA: 4\r\nD:"));
	struct bytes value = BYTES("before"), name;
	unsigned count = 0;

	CHECK(http1_head_find(head, BYTES("a"), &value));
	CHECK_BYTES(value, "1");
	CHECK(http1_head_find(head, BYTES("B"), &value));
	CHECK_BYTES(value, "2");
	CHECK(http1_head_find(head, BYTES("c"), &value));
	CHECK_BYTES(value, "3");
	CHECK(http1_head_find(head, BYTES("d"), &value));
	CHECK_BYTES(value, "");
	value = BYTES("before");
	CHECK(!http1_head_find(head, BYTES("e"), &value));
	CHECK(!http1_head_find(BYTES_NONE, BYTES("a"), &value));
	CHECK_BYTES(value, "before");
	while (http1_head_next(&head, &name, &value))
		count++;
	CHECK_U64(count, 5);
}

int main(void)
{
	RUN_TESTS(TEST(every_framing_is_read_the_same_in_every_split),
		  TEST(what_servers_read_differently_is_refused),
		  TEST(only_request_lines_of_http_1_are_read), TEST(a_request_is_told_as_it_came),
		  TEST(what_a_connection_becomes_is_told),
		  TEST(pipelined_requests_come_one_after_the_other),
		  TEST(a_reset_forgets_a_refused_request),
		  TEST(a_request_may_have_as_many_fields_as_the_limit),
		  TEST(a_head_may_be_as_long_as_the_limit),
		  TEST(a_body_may_be_as_long_as_the_limit), TEST(the_framing_of_chunks_is_bounded),
		  TEST(a_failed_allocation_refuses_the_request),
		  TEST(memory_is_given_back_after_a_large_request),
		  TEST(responses_are_followed_in_every_split),
		  TEST(a_response_cut_at_any_byte_is_never_complete),
		  TEST(a_response_until_close_says_so),
		  TEST(a_listener_that_says_no_ends_the_following),
		  TEST(the_bytes_that_were_not_followed_are_told),
		  TEST(a_response_head_may_be_as_long_as_the_limit),
		  TEST(a_failed_allocation_ends_the_following),
		  TEST(lines_of_a_head_are_found_by_their_name));
}
