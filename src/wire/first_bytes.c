/* SPDX-License-Identifier: MIT */
#include "wire/first_bytes.h"

#include <string.h>

#define RECORD_HANDSHAKE      22 /* RFC 8446 5.1 */
#define SOCKS4                4
#define SOCKS5                5
#define SOCKS5_PASSWORD       1 /* version of its exchange, RFC 1929 2 */
#define SOCKS_COMMAND_CONNECT 1
#define SOCKS_TEXT_MAX        255 /* user id and name of version 4; 5 knows no longer ones */
#define HOST_MAX              255
#define IPV4_BYTES            4
#define IPV6_BYTES            16

/* Where in the talk the next byte belongs. */
enum stage {
	START,
	TLS,
	METHOD,
	PREFACE,
	TARGET,
	SCHEME,
	SCHEME_SLASHES,
	AUTHORITY,
	TARGET_REST,
	VERSION,
	VERSION_MINOR,
	VERSION_END,
	LINE,
	FIELD_NAME,
	FIELD_VALUE,
	HOST_VALUE,
	HOST_VALUE_END,
	LINE_FEED,
	LAST_LINE_FEED,
	SOCKS5_METHOD_COUNT,
	SOCKS5_METHODS,
	SOCKS5_MESSAGE,
	SOCKS5_USER_LENGTH,
	SOCKS5_USER,
	SOCKS5_PASSWORD_LENGTH,
	SOCKS5_PASSWORD_TEXT,
	SOCKS5_COMMAND,
	SOCKS5_RESERVED,
	SOCKS5_ADDRESS_TYPE,
	SOCKS5_ADDRESS,
	SOCKS5_NAME_LENGTH,
	SOCKS5_NAME,
	SOCKS5_PORT,
	SOCKS4_COMMAND,
	SOCKS4_PORT,
	SOCKS4_ADDRESS,
	SOCKS4_USER,
	SOCKS4_NAME,
	DONE
};

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* ---- what a byte may be */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool is_letter(uint8_t c)
{
	return lower(c) >= 'a' && lower(c) <= 'z';
}

/* RFC 9110 5.6.2 */
static bool is_token(uint8_t c)
{
	return c && (is_letter(c) || is_digit(c) || strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool is_visible(uint8_t c)
{
	return c > ' ' && c != 0x7f;
}

/* ---- whom it is spoken to */

/* Labels of letters, digits, '-' and '_', none of them empty. */
static bool is_host_name(struct bytes host)
{
	if (host.len == 0)
		return false;
	while (host.len) {
		bool has_more = bytes_find_byte(host, '.') != SIZE_MAX;
		struct bytes label = bytes_cut(&host, '.');
		if (label.len == 0 || (has_more && host.len == 0))
			return false;
		for (size_t i = 0; i < label.len; i++)
			if (!is_letter(label.at[i]) && !is_digit(label.at[i]) &&
			    label.at[i] != '-' && label.at[i] != '_')
				return false;
	}
	return true;
}

static bool is_ipv6(struct bytes host)
{
	if (host.len < 2 || bytes_find_byte(host, ':') == SIZE_MAX)
		return false;
	for (size_t i = 0; i < host.len; i++) {
		uint8_t c = lower(host.at[i]);
		if (!is_digit(c) && !(c >= 'a' && c <= 'f') && c != ':' && c != '.')
			return false;
	}
	return true;
}

/* The host begins behind `skip` bytes of the authority. */
static enum err set_host(struct first_bytes *f, size_t skip, size_t len)
{
	struct bytes host = bytes_of(f->authority + skip, len);

	if (skip == 0 && bytes_ends(host, BYTES(".")))
		host.len--;
	if (host.len > HOST_MAX)
		return ERR_LIMIT;
	if (!is_ipv6(host) && (skip || !is_host_name(host)))
		return ERR_BAD;
	for (size_t i = 0; i < host.len; i++)
		f->authority[i] = lower(host.at[i]);
	f->host_bytes = (uint8_t)host.len;
	return OK;
}

/* uri-host [ ":" port ], RFC 3986 3.2; the user's name that it allows in front is not for HTTP (RFC
 * 9110 4.2.4). */
static enum err parse_authority(struct first_bytes *f)
{
	if (f->authority_bytes > FIRST_BYTES_AUTHORITY_MAX)
		return ERR_LIMIT;
	struct bytes rest = bytes_of(f->authority, f->authority_bytes);
	size_t brackets = bytes_starts(rest, BYTES("[")) ? 1 : 0;
	struct bytes host = bytes_cut(&rest, brackets ? ']' : ':');
	uint64_t port = 0;
	enum err e;

	if (brackets) {
		bool is_open = host.len == f->authority_bytes;
		if (is_open || (rest.len && rest.at[0] != ':'))
			return ERR_BAD;
		rest = bytes_from(rest, 1);
	}
	if (rest.len) {
		e = bytes_parse_u64(rest, UINT16_MAX, &port);
		if (e || port == 0)
			return ERR_BAD;
	}
	e = set_host(f, brackets, host.len - brackets);
	if (!e)
		f->port = (uint16_t)port;
	return e;
}

/* The head of a request was read. */
static enum err end_head(struct first_bytes *f)
{
	bool may_be_empty = f->kind == FIRST_HTTP1 && !f->is_absolute;
	enum err e;

	if (f->authority_bytes == 0)
		return may_be_empty ? OK : ERR_BAD;
	e = parse_authority(f);
	if (!e && f->kind == FIRST_CONNECT && f->port == 0)
		return ERR_BAD;
	return e;
}

/* ---- the steps: ERR_MORE to go on */

static enum err go(struct first_bytes *f, enum stage stage)
{
	f->stage = (uint8_t)stage;
	f->matched = 0;
	return ERR_MORE;
}

static enum err skip(struct first_bytes *f, enum stage stage, uint16_t bytes)
{
	f->want = bytes;
	return go(f, stage);
}

static enum err other(struct first_bytes *f)
{
	f->kind = FIRST_OTHER;
	return OK;
}

/* One byte too many is remembered by the length only. */
static enum err put_authority(struct first_bytes *f, uint8_t c)
{
	if (f->authority_bytes < FIRST_BYTES_AUTHORITY_MAX)
		f->authority[f->authority_bytes++] = c;
	else
		f->authority_bytes = FIRST_BYTES_AUTHORITY_MAX + 1;
	return ERR_MORE;
}

static enum err take_start(struct first_bytes *f, uint8_t c)
{
	if (c == SOCKS5)
		return go(f, SOCKS5_METHOD_COUNT);
	if (c == SOCKS4)
		return go(f, SOCKS4_COMMAND);
	if (!is_token(c))
		return other(f);
	f->method[f->method_bytes++] = c;
	return go(f, METHOD);
}

static bool is_method(const struct first_bytes *f, struct bytes method)
{
	return bytes_equal(bytes_of(f->method, f->method_bytes), method);
}

static bool is_connect(const struct first_bytes *f)
{
	return is_method(f, BYTES("CONNECT"));
}

static enum err end_method(struct first_bytes *f)
{
	if (!is_method(f, BYTES("PRI")))
		return go(f, is_connect(f) ? AUTHORITY : TARGET);
	go(f, PREFACE);
	f->matched = sizeof "PRI " - 1;
	return ERR_MORE;
}

/* RFC 9112 3. What is not a request line is no HTTP at all. */
static enum err take_request_line(struct first_bytes *f, uint8_t c)
{
	static const char version[] = "HTTP/1.";

	switch ((enum stage)f->stage) {
	case METHOD:
		if (c == ' ')
			return end_method(f);
		if (!is_token(c) || f->method_bytes == sizeof f->method)
			return other(f);
		f->method[f->method_bytes++] = c;
		return ERR_MORE;
	case TARGET:
		if (c == '/' || c == '*')
			return go(f, TARGET_REST);
		return is_letter(c) ? go(f, SCHEME) : other(f);
	case SCHEME:
		if (c == ':')
			return go(f, SCHEME_SLASHES);
		return is_letter(c) || is_digit(c) || (c && strchr("+-.", c)) ? ERR_MORE : other(f);
	case SCHEME_SLASHES:
		if (c != '/')
			return other(f);
		f->is_absolute = true;
		return f->matched++ ? go(f, AUTHORITY) : ERR_MORE;
	case AUTHORITY:
		if (c == ' ')
			return go(f, VERSION);
		if (!is_visible(c))
			return other(f);
		if (!is_connect(f) && (c == '/' || c == '?'))
			return go(f, TARGET_REST);
		return put_authority(f, c);
	case TARGET_REST:
		if (c == ' ')
			return go(f, VERSION);
		return is_visible(c) ? ERR_MORE : other(f);
	case VERSION:
		if (c != (uint8_t)version[f->matched++])
			return other(f);
		return version[f->matched] ? ERR_MORE : go(f, VERSION_MINOR);
	case VERSION_MINOR:
		return c == '0' || c == '1' ? go(f, VERSION_END) : other(f);
	default: /* VERSION_END */
		if (c != '\r' && c != '\n')
			return other(f);
		f->kind = is_connect(f) ? FIRST_CONNECT : FIRST_HTTP1;
		return go(f, c == '\r' ? LINE_FEED : LINE);
	}
}

/* A field's name; `matched` counts how much of "host" it is, and stays beyond when it is not. */
static enum err take_field_name(struct first_bytes *f, uint8_t c)
{
	static const char host[] = "host";
	enum { HOST = sizeof host - 1, NOT_HOST };

	if (c != ':') {
		if (!is_token(c))
			return ERR_BAD;
		bool same = f->matched < HOST && lower(c) == (uint8_t)host[f->matched];
		f->matched = same ? (uint8_t)(f->matched + 1) : NOT_HOST;
		return ERR_MORE;
	}
	if (f->matched == 0)
		return ERR_BAD;
	if (f->matched != HOST)
		return go(f, FIELD_VALUE);
	if (f->has_host_field)
		return ERR_AMBIGUOUS;
	f->has_host_field = true;
	/* RFC 9112 3.2.2: the host of a target that names one counts */
	return go(f, f->is_absolute || f->kind == FIRST_CONNECT ? FIELD_VALUE : HOST_VALUE);
}

/* RFC 9112 5. A line may end in a bare line feed (2.2), as servers allow. */
static enum err take_head(struct first_bytes *f, uint8_t c)
{
	if (f->stage == LINE_FEED || f->stage == LAST_LINE_FEED) {
		if (c != '\n')
			return ERR_BAD;
		return f->stage == LINE_FEED ? go(f, LINE) : end_head(f);
	}
	if (f->stage == LINE) {
		if (c == '\n')
			return end_head(f);
		if (c == '\r')
			return go(f, LAST_LINE_FEED);
		go(f, FIELD_NAME); /* a folded line begins with a blank, which no name does */
	}
	if (f->stage == FIELD_NAME)
		return take_field_name(f, c);
	if (c == '\r' || c == '\n')
		return go(f, c == '\r' ? LINE_FEED : LINE);
	if (c == 0)
		return ERR_BAD;
	if (f->stage == FIELD_VALUE)
		return ERR_MORE;
	if (is_blank(c))
		return f->authority_bytes ? go(f, HOST_VALUE_END) : ERR_MORE;
	return f->stage == HOST_VALUE && is_visible(c) ? put_authority(f, c) : ERR_BAD;
}

static enum err end_socks(struct first_bytes *f)
{
	f->kind = FIRST_SOCKS;
	return f->is_socks_name ? set_host(f, 0, f->authority_bytes) : OK;
}

/* RFC 1928, 1929. The client waits for answers between its messages, they are not seen here. */
static enum err take_socks5(struct first_bytes *f, uint8_t c)
{
	bool last = f->want && --f->want == 0;

	switch ((enum stage)f->stage) {
	case SOCKS5_METHOD_COUNT:
		return c ? skip(f, SOCKS5_METHODS, c) : other(f);
	case SOCKS5_METHODS:
	case SOCKS5_PASSWORD_TEXT:
		return last ? go(f, SOCKS5_MESSAGE) : ERR_MORE;
	case SOCKS5_MESSAGE:
		if (c == SOCKS5_PASSWORD)
			return go(f, SOCKS5_USER_LENGTH);
		return c == SOCKS5 ? go(f, SOCKS5_COMMAND) : other(f);
	case SOCKS5_USER_LENGTH:
		return c ? skip(f, SOCKS5_USER, c) : go(f, SOCKS5_PASSWORD_LENGTH);
	case SOCKS5_USER:
		return last ? go(f, SOCKS5_PASSWORD_LENGTH) : ERR_MORE;
	case SOCKS5_PASSWORD_LENGTH:
		return c ? skip(f, SOCKS5_PASSWORD_TEXT, c) : go(f, SOCKS5_MESSAGE);
	case SOCKS5_COMMAND:
		return c == SOCKS_COMMAND_CONNECT ? go(f, SOCKS5_RESERVED) : other(f);
	case SOCKS5_RESERVED:
		return c == 0 ? go(f, SOCKS5_ADDRESS_TYPE) : other(f);
	case SOCKS5_ADDRESS_TYPE:
		f->is_socks_name = c == 3;
		if (f->is_socks_name)
			return go(f, SOCKS5_NAME_LENGTH);
		if (c != 1 && c != 4)
			return other(f);
		return skip(f, SOCKS5_ADDRESS, c == 1 ? IPV4_BYTES : IPV6_BYTES);
	case SOCKS5_NAME_LENGTH:
		return c ? skip(f, SOCKS5_NAME, c) : other(f);
	case SOCKS5_NAME:
		put_authority(f, c);
		return last ? skip(f, SOCKS5_PORT, 2) : ERR_MORE;
	case SOCKS5_ADDRESS:
		return last ? skip(f, SOCKS5_PORT, 2) : ERR_MORE;
	default: /* SOCKS5_PORT */
		f->port = (uint16_t)(f->port << 8 | c);
		return last ? end_socks(f) : ERR_MORE;
	}
}

/* Version 4, and 4a: the address 0.0.0.x announces a name behind the user's. */
static enum err take_socks4(struct first_bytes *f, uint8_t c)
{
	bool last = f->want && --f->want == 0;

	switch ((enum stage)f->stage) {
	case SOCKS4_COMMAND:
		return c == SOCKS_COMMAND_CONNECT ? skip(f, SOCKS4_PORT, 2) : other(f);
	case SOCKS4_PORT:
		f->port = (uint16_t)(f->port << 8 | c);
		return last ? skip(f, SOCKS4_ADDRESS, IPV4_BYTES) : ERR_MORE;
	case SOCKS4_ADDRESS:
		if (!last) {
			f->matched |= c;
			return ERR_MORE;
		}
		f->is_socks_name = f->matched == 0 && c;
		return skip(f, SOCKS4_USER, SOCKS_TEXT_MAX + 1);
	case SOCKS4_USER:
		if (c == 0)
			return f->is_socks_name ? skip(f, SOCKS4_NAME, SOCKS_TEXT_MAX + 1)
						: end_socks(f);
		return last ? ERR_LIMIT : ERR_MORE;
	default: /* SOCKS4_NAME */
		if (c == 0)
			return end_socks(f);
		put_authority(f, c);
		return last ? ERR_LIMIT : ERR_MORE;
	}
}

static enum err take_preface(struct first_bytes *f, uint8_t c)
{
	if (c != (uint8_t)preface[f->matched++])
		return other(f);
	if (preface[f->matched])
		return ERR_MORE;
	f->kind = FIRST_HTTP2;
	return OK;
}

static enum err take_byte(struct first_bytes *f, uint8_t c)
{
	if (f->stage == START)
		return take_start(f, c);
	if (f->stage == PREFACE)
		return take_preface(f, c);
	if (f->stage >= SOCKS4_COMMAND)
		return take_socks4(f, c);
	if (f->stage >= SOCKS5_METHOD_COUNT)
		return take_socks5(f, c);
	if (++f->head_bytes >= FIRST_BYTES_HEAD_MAX)
		return ERR_LIMIT;
	return f->stage >= LINE ? take_head(f, c) : take_request_line(f, c);
}

/* Until the random is there, other things may begin like a record. */
static enum err take_tls(struct first_bytes *f, struct bytes *in)
{
	enum err e = client_hello_feed(&f->hello, *in);

	*in = BYTES_NONE;
	if (e == ERR_BAD && !f->hello.has_random)
		return other(f);
	if (e != ERR_MORE || f->hello.has_random)
		f->kind = FIRST_TLS;
	return e;
}

enum err first_bytes_feed(struct first_bytes *f, struct bytes *in)
{
	enum err e = ERR_MORE;

	if (f->stage == DONE)
		return f->stopped;
	if (f->stage == START && in->len && in->at[0] == RECORD_HANDSHAKE)
		go(f, TLS);
	if (f->stage == TLS)
		e = take_tls(f, in);
	for (; e == ERR_MORE && in->len; *in = bytes_from(*in, 1))
		e = take_byte(f, in->at[0]);
	if (e != ERR_MORE) {
		go(f, DONE);
		f->stopped = e;
	}
	return e;
}

struct bytes first_bytes_host(const struct first_bytes *f)
{
	return bytes_of(f->authority, f->stopped ? 0 : f->host_bytes);
}
