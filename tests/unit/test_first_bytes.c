/* SPDX-License-Identifier: MIT */
#include "wire/first_bytes.h"

#include "hello_kit.h"
#include "tap.h"

/* Feeds in pieces of `step` until there is an answer; the bytes behind it are *ret_left many. */
static enum err feed(struct first_bytes *f, struct bytes data, size_t step, size_t *ret_left)
{
	enum err e = ERR_MORE;
	size_t at = 0;

	while (at < data.len && e == ERR_MORE) {
		struct bytes piece = tap_guarded(bytes_slice(data, at, step));
		size_t len = piece.len;
		e = first_bytes_feed(f, &piece);
		CHECK(e != ERR_MORE || piece.len == 0);
		at += len - piece.len;
	}
	*ret_left = data.len - at;
	return e;
}

static const struct {
	struct bytes stream;
	enum err expected;
	enum first_bytes_kind kind;
	const char *host;
	unsigned port;
} cases[] = {
	/* requests: origin form */
	{BYTES("GET / HTTP/1.1\r\nHost: API.example.com\r\n\r\n"), OK, FIRST_HTTP1,
	 "api.example.com", 0},
	{BYTES("GET / HTTP/1.1\r\nAccept: */*\r\nhOsT:a.example:8080 \t\r\nX: y\r\n\r\n"), OK,
	 FIRST_HTTP1, "a.example", 8080},
	{BYTES("POST /v1?x=http://b HTTP/1.1\nHost: a.example.\n\n"), OK, FIRST_HTTP1, "a.example",
	 0},
	{BYTES("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), OK, FIRST_HTTP1, "a", 0},
	{BYTES("M-SEARCH!# /\xc3\xa9 HTTP/1.0\r\n\r\n"), OK, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost:\r\n\r\n"), OK, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: a:\r\n\r\n"), OK, FIRST_HTTP1, "a", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: 127.0.0.1:65535\r\n\r\n"), OK, FIRST_HTTP1, "127.0.0.1",
	 65535},
	{BYTES("GET / HTTP/1.1\r\nHost: [2001:DB8::1]:443\r\n\r\n"), OK, FIRST_HTTP1, "2001:db8::1",
	 443},
	{BYTES("GET / HTTP/1.1\r\nHost: [::ffff:1.2.3.4]\r\n\r\n"), OK, FIRST_HTTP1,
	 "::ffff:1.2.3.4", 0},
	{BYTES("GET / HTTP/1.1\r\nHosts: b\r\nHos: c\r\nX-Host: d\r\nHost: a_b-c\r\n\r\n"), OK,
	 FIRST_HTTP1, "a_b-c", 0},
	/* absolute form: the target's host counts */
	{BYTES("GET http://B.example:81/x HTTP/1.1\r\nHost: a\r\n\r\n"), OK, FIRST_HTTP1,
	 "b.example", 81},
	{BYTES("GET https://b.example HTTP/1.1\r\nHost: a b c\r\n\r\n"), OK, FIRST_HTTP1,
	 "b.example", 0},
	{BYTES("GET http://b.example?x HTTP/1.1\r\n\r\n"), OK, FIRST_HTTP1, "b.example", 0},
	/* more than one reading */
	{BYTES("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), ERR_AMBIGUOUS, FIRST_HTTP1, "", 0},
	{BYTES("GET http://b/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), ERR_AMBIGUOUS, FIRST_HTTP1,
	 "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nX: y\rHost: a\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nX: \0\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\n: a\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nno colon\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\n\rx"), ERR_BAD, FIRST_HTTP1, "", 0},
	/* hosts that are none */
	{BYTES("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: a%2eb\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: a..b\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: .a\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: a..\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: .\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: :80\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: a:0\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: ::1\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: [::1]80\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: [a.example]\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: []\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: [\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET http://u:p@b/ HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	{BYTES("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD, FIRST_HTTP1, "", 0},
	/* proxies */
	{BYTES("CONNECT A.example:443 HTTP/1.1\r\nHost: b\r\n\r\n"), OK, FIRST_CONNECT, "a.example",
	 443},
	{BYTES("CONNECT [::1]:443 HTTP/1.0\r\n\r\n"), OK, FIRST_CONNECT, "::1", 443},
	{BYTES("CONNECT a.example HTTP/1.1\r\n\r\n"), ERR_BAD, FIRST_CONNECT, "", 0},
	{BYTES("CONNECT http://a:1/ HTTP/1.1\r\n\r\n"), ERR_BAD, FIRST_CONNECT, "", 0},
	{BYTES("CONNECT  HTTP/1.1\r\n\r\n"), ERR_BAD, FIRST_CONNECT, "", 0},
	{BYTES("\5\1\0\5\1\0\3\x09"
	       "A.example\x01\xbb"),
	 OK, FIRST_SOCKS, "a.example", 443},
	{BYTES("\5\2\0\2\1\4user\4pass\5\1\0\3\1a\x00\x50"), OK, FIRST_SOCKS, "a", 80},
	{BYTES("\5\1\2\1\0\0\5\1\0\3\1a\x00\x50"), OK, FIRST_SOCKS, "a", 80},
	{BYTES("\5\1\0\5\1\0\1\x7f\0\0\1\x01\xbb"), OK, FIRST_SOCKS, "", 443},
	{BYTES("\5\1\0\5\1\0\4"
	       "1234567890123456\x01\xbb"),
	 OK, FIRST_SOCKS, "", 443},
	{BYTES("\5\1\0\5\1\0\3\3::1\x01\xbb"), OK, FIRST_SOCKS, "::1", 443},
	{BYTES("\5\1\0\5\1\0\3\3a/b\x01\xbb"), ERR_BAD, FIRST_SOCKS, "", 443},
	{BYTES("\5\0"), OK, FIRST_OTHER, "", 0}, /* DCE/RPC, CQL */
	{BYTES("\5\1\0\5\2"), OK, FIRST_OTHER, "", 0},
	{BYTES("\5\1\0\5\1\1"), OK, FIRST_OTHER, "", 0},
	{BYTES("\5\1\0\5\1\0\2"), OK, FIRST_OTHER, "", 0},
	{BYTES("\5\1\0\5\1\0\3\0"), OK, FIRST_OTHER, "", 0},
	{BYTES("\5\1\0\x16"), OK, FIRST_OTHER, "", 0},
	{BYTES("\5\1\0"), ERR_MORE, FIRST_UNDECIDED, "", 0},
	{BYTES("\4\1\x01\xbb\x01\x02\x03\x04user\0"), OK, FIRST_SOCKS, "", 443},
	{BYTES("\4\1\x01\xbb\0\0\0\0\0"), OK, FIRST_SOCKS, "", 443},
	{BYTES("\4\1\x01\xbb\0\0\0\1user\0A.example\0"), OK, FIRST_SOCKS, "a.example", 443},
	{BYTES("\4\1\x01\xbb\0\0\0\1\0\0"), ERR_BAD, FIRST_SOCKS, "", 443},
	{BYTES("\4\0"), OK, FIRST_OTHER, "", 0},
	/* HTTP/2 in the clear */
	{BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), OK, FIRST_HTTP2, "", 0},
	{BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r"), ERR_MORE, FIRST_UNDECIDED, "", 0},
	{BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\rx"), OK, FIRST_OTHER, "", 0},
	{BYTES("PRI / H"), OK, FIRST_OTHER, "", 0},
	{BYTES("PRIX / HTTP/1.1\r\nHost: a\r\n\r\n"), OK, FIRST_HTTP1, "a", 0},
	/* others */
	{BYTES("\0"), OK, FIRST_OTHER, "", 0},
	{BYTES(" "), OK, FIRST_OTHER, "", 0},
	{BYTES("\r"), OK, FIRST_OTHER, "", 0},
	{BYTES("\x17\x03"), OK, FIRST_OTHER, "", 0},
	{BYTES("\x16\x04"), OK, FIRST_OTHER, "", 0},
	{BYTES("\x16\x03\x01\x00\x05\x02"), OK, FIRST_OTHER, "", 0},
	{BYTES("\x16\x03\x01\x00\x05"), ERR_MORE, FIRST_UNDECIDED, "", 0},
	{BYTES("SSH-2.0-OpenSSH_9.2\r"), OK, FIRST_OTHER, "", 0},
	{BYTES("EHLO me\r"), OK, FIRST_OTHER, "", 0},
	{BYTES("*1\r"), OK, FIRST_OTHER, "", 0},
	{BYTES("GET /\r"), OK, FIRST_OTHER, "", 0}, /* HTTP/0.9 */
	{BYTES("GET  "), OK, FIRST_OTHER, "", 0},
	{BYTES("GET x "), OK, FIRST_OTHER, "", 0},
	{BYTES("GET x:y"), OK, FIRST_OTHER, "", 0},
	{BYTES("GET / HTTQ"), OK, FIRST_OTHER, "", 0},
	{BYTES("GET / HTTP/1.2"), OK, FIRST_OTHER, "", 0},
	{BYTES("GET / HTTP/2"), OK, FIRST_OTHER, "", 0},
	{BYTES("GET / HTTP/1.1 "), OK, FIRST_OTHER, "", 0},
	{BYTES("GET /\t"), OK, FIRST_OTHER, "", 0},
	{BYTES("GET / HTTP/1.1\r\nHost: a\r\n"), ERR_MORE, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1.1\r"), ERR_MORE, FIRST_HTTP1, "", 0},
	{BYTES("GET / HTTP/1."), ERR_MORE, FIRST_UNDECIDED, "", 0},
};

static void connections_are_told_apart_in_every_split(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t step = 1; step < 64; step = step * 2 + 1) {
			struct first_bytes f = {0};
			size_t left;
			enum err e = feed(&f, cases[i].stream, step, &left);
			if (e != cases[i].expected || f.kind != cases[i].kind ||
			    f.port != cases[i].port ||
			    !bytes_equal(first_bytes_host(&f), bytes_str(cases[i].host)))
				tap_fail(__FILE__, __LINE__, "case %zu, steps of %zu: %s, kind %d",
					 i, step, err_name(e), f.kind);
			if (e == OK && f.kind != FIRST_OTHER) /* with the last byte of the case, and
								 not before */
				CHECK_U64(left, 0);
			struct bytes more = BYTES("more");
			if (e != ERR_MORE) { /* and it stays */
				CHECK_ERR(first_bytes_feed(&f, &more), e);
				CHECK(f.kind == cases[i].kind);
			}
		}
	}
}

static void a_target_may_be_absolute(void)
{
	struct first_bytes f = {0};
	struct bytes in = BYTES("GET http://a/ HTTP/1.1\r\n\r\n");

	CHECK_ERR(first_bytes_feed(&f, &in), OK);
	CHECK(f.is_absolute);
	in = BYTES("GET / HTTP/1.1\r\n\r\n");
	f = (struct first_bytes){0};
	CHECK_ERR(first_bytes_feed(&f, &in), OK);
	CHECK(!f.is_absolute);
}

static struct buf hello_records(void)
{
	struct buf x = {0};

	kit_put_extension(&x, 0, kit_server_name(0, BYTES("api.example")));
	kit_put_extension(&x, 51, kit_bytes(BYTES("share")));
	struct buf message = kit_hello(x), records = kit_records(&message, 50);
	buf_done(&message);
	return records;
}

static void a_hello_is_followed_to_its_name(void)
{
	struct buf records = hello_records();

	for (size_t step = 1; step < records.len; step += 13) {
		struct first_bytes f = {0};
		size_t left;
		enum err e = feed(&f, bytes_slice(buf_view(&records), 0, records.len - 2), step,
				  &left);
		CHECK_ERR(e, ERR_MORE);
		CHECK(f.kind == FIRST_TLS);
		CHECK_BYTES(client_hello_name(&f.hello), "api.example");
		CHECK_ERR(feed(&f, bytes_from(buf_view(&records), records.len - 2), 1, &left), OK);
		CHECK(f.hello.complete);
	}
	/* malformed behind the random: still TLS */
	struct first_bytes f = {0};
	size_t left;
	records.at[5 + 4 + 2 + 32] = 33;
	CHECK_ERR(feed(&f, buf_view(&records), 1, &left), ERR_BAD);
	CHECK(f.kind == FIRST_TLS);
	buf_done(&records);
}

static void behind_a_proxy_it_starts_again(void)
{
	static const struct bytes talks[] = {
		BYTES("CONNECT a.example:443 HTTP/1.1\r\n\r\n"),
		BYTES("CONNECT a.example:443 HTTP/1.1\n\n"),
		BYTES("\5\1\0\5\1\0\3\x09"
		      "a.example\x01\xbb"),
		BYTES("\4\1\x01\xbb\0\0\0\1user\0a.example\0"),
	};
	struct buf records = hello_records();

	for (size_t i = 0; i < sizeof talks / sizeof talks[0]; i++) {
		struct buf all = kit_bytes(talks[i]);
		struct first_bytes f = {0};
		kit_must(buf_put(&all, buf_view(&records)));
		struct bytes in = tap_guarded(buf_view(&all));
		CHECK_ERR(first_bytes_feed(&f, &in), OK);
		CHECK_BYTES(first_bytes_host(&f), "a.example");
		CHECK_U64(in.len, records.len);
		f = (struct first_bytes){0};
		CHECK_ERR(first_bytes_feed(&f, &in), OK);
		CHECK(f.kind == FIRST_TLS);
		CHECK_BYTES(client_hello_name(&f.hello), "api.example");
		buf_done(&all);
	}
	buf_done(&records);
}

/* `head`, then `count` times `c`, then `tail`; the answer, and the host's length. */
static enum err filled(struct bytes head, size_t count, char c, struct bytes tail,
		       size_t *ret_host_len)
{
	struct buf b = kit_bytes(head);
	struct first_bytes f = {0};

	while (count--)
		kit_put(&b, (uint8_t)c, 1);
	kit_must(buf_put(&b, tail));
	struct bytes in = tap_guarded(buf_view(&b));
	enum err e = first_bytes_feed(&f, &in);
	*ret_host_len = e || f.kind == FIRST_OTHER ? 0 : first_bytes_host(&f).len;
	buf_done(&b);
	return e;
}

static void what_is_read_has_limits(void)
{
	struct bytes get = BYTES("GET / HTTP/1.1\r\nHost: a\r\nX:"), end = BYTES("\r\n\r\n");
	size_t rest = get.len + end.len, host;

	CHECK_ERR(filled(get, FIRST_BYTES_HEAD_MAX - rest, 'x', end, &host), OK);
	CHECK_ERR(filled(get, FIRST_BYTES_HEAD_MAX - rest + 1, 'x', end, &host), ERR_LIMIT);
	CHECK_ERR(filled(BYTES("GET /"), FIRST_BYTES_HEAD_MAX, 'x', BYTES(""), &host), ERR_LIMIT);

	struct bytes target = BYTES(" / HTTP/1.1\r\nHost: a\r\n\r\n");
	CHECK_ERR(filled(BYTES("M"), FIRST_BYTES_METHOD_MAX - 1, 'X', target, &host), OK);
	CHECK_U64(host, 1);
	CHECK_ERR(filled(BYTES("M"), FIRST_BYTES_METHOD_MAX, 'X', target, &host), OK);
	CHECK_U64(host, 0); /* FIRST_OTHER */

	struct bytes field = BYTES("GET / HTTP/1.1\r\nHost: ");
	CHECK_ERR(filled(field, 255, 'h', BYTES(".:65535\r\n\r\n"), &host), OK);
	CHECK_U64(host, 255);
	CHECK_ERR(filled(field, 255, 'h', BYTES(".:065535\r\n\r\n"), &host), ERR_LIMIT);
	CHECK_ERR(filled(field, 256, 'h', end, &host), ERR_LIMIT);
	CHECK_ERR(filled(field, FIRST_BYTES_AUTHORITY_MAX + 500, 'h', end, &host), ERR_LIMIT);
	CHECK_ERR(filled(BYTES("CONNECT "), 255, 'h', BYTES(".:65535 HTTP/1.1\r\n\r\n"), &host),
		  OK);
	CHECK_ERR(filled(BYTES("CONNECT "), 256, 'h', BYTES(":65535 HTTP/1.1\r\n\r\n"), &host),
		  ERR_LIMIT);

	struct bytes socks5 = BYTES("\5\1\0\5\1\0\3\xff"), socks4 = BYTES("\4\1\0\1\0\0\0\1");
	CHECK_ERR(filled(socks5, 255, 'h', BYTES("\0\1"), &host), OK);
	CHECK_U64(host, 255);
	CHECK_ERR(filled(socks4, 255, 'u', BYTES("\0h\0"), &host), OK);
	CHECK_ERR(filled(socks4, 256, 'u', BYTES("\0h\0"), &host), ERR_LIMIT);
	socks4 = BYTES("\4\1\0\1\0\0\0\1\0");
	CHECK_ERR(filled(socks4, 255, 'h', BYTES("\0"), &host), OK);
	CHECK_U64(host, 255);
	CHECK_ERR(filled(socks4, 256, 'h', BYTES("\0"), &host), ERR_LIMIT);
}

static void nothing_is_allocated(void)
{
	struct first_bytes f = {0};
	struct bytes in = BYTES("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n");

	tap_allocations();
	CHECK_ERR(first_bytes_feed(&f, &in), OK);
	CHECK_U64(tap_allocations(), 0);
}

int main(void)
{
	RUN_TESTS(TEST(connections_are_told_apart_in_every_split), TEST(a_target_may_be_absolute),
		  TEST(a_hello_is_followed_to_its_name), TEST(behind_a_proxy_it_starts_again),
		  TEST(what_is_read_has_limits), TEST(nothing_is_allocated));
}
