/* SPDX-License-Identifier: MIT */
#include "llm/credential.h"

#include <string.h>

#define KEY_BYTES_MIN 8 /* a shorter rest is not taken for a key, and gives no prefix away */

#define HEADER_BYTES_MAX 25

/* Shorter ones first, see headers_of_length. Arrays rather than pointers: these would have to be
 * relocated in each process. */
static const struct {
	uint8_t len;
	char name[HEADER_BYTES_MAX + 1];
} headers[] = {
	{6, "apikey"},
	{6, "cookie"},
	{7, "api-key"},
	{9, "x-api-key"},
	{10, "auth-token"},
	{10, "set-cookie"},
	{11, "x-api-token"},
	{12, "x-auth-token"},
	{13, "authorization"},
	{13, "helicone-auth"},
	{14, "x-goog-api-key"},
	{16, "www-authenticate"},
	{17, "x-portkey-api-key"},
	{19, "proxy-authorization"},
	{20, "cf-aig-authorization"},
	{20, "x-amz-security-token"},
	{25, "ocp-apim-subscription-key"},
};

static struct bytes known_header(size_t i)
{
	return bytes_of(headers[i].name, headers[i].len);
}

/* Those of each length: from one place of the table up to the one before the next. */
static const uint8_t headers_of_length[HEADER_BYTES_MAX + 2] = {
	[7] = 2,   [8] = 3,   [9] = 3,   [10] = 4,  [11] = 6,  [12] = 7,  [13] = 8,
	[14] = 10, [15] = 11, [16] = 11, [17] = 12, [18] = 13, [19] = 13, [20] = 14,
	[21] = 16, [22] = 16, [23] = 16, [24] = 16, [25] = 16, [26] = 17,
};

static const char parameters[][20] = {"key",    "api_key",         "api-key",
				      "apikey", "access_token",    "token",
				      "sig",    "x-amz-signature", "subscription-key"};

/* How keys of providers begin, and the gateway's own. */
static const char beginnings[][20] = {"sk-",  "sk_", "aigw-", "AIza",  "ya29.",           "gsk_",
				      "xai-", "hf_", "r8_",   "pplx-", "AIGW-SECRET-KEY-"};

#define REDACTED BYTES("redacted")

bool credential_is_header(struct bytes name)
{
	if (name.len > HEADER_BYTES_MAX)
		return false;
	for (size_t i = headers_of_length[name.len]; i < headers_of_length[name.len + 1]; i++)
		if (bytes_equal_nocase(name, known_header(i)))
			return true;
	return false;
}

static bool is_key_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '_' || c == '.';
}

/* Length of the key that begins here, 0 when none does. */
static size_t key_at(struct bytes text)
{
	size_t len = 0;

	for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
		struct bytes b = bytes_str(beginnings[i]);
		if (!bytes_starts(text, b))
			continue;
		for (len = b.len; len < text.len && is_key_byte(text.at[len]); len++)
			;
		return len - b.len >= KEY_BYTES_MIN ? len : 0;
	}
	return 0;
}

/* Browsers cannot set headers on a WebSocket: there the key comes as a subprotocol,
 * "openai-insecure-api-key.sk-...". Where the key begins in one of the list's elements, or
 * SIZE_MAX.
 */
static size_t key_in_protocol(struct bytes protocol)
{
	static const char marks[][16] = {"api-key.", "apikey.", "token.", "bearer.",
					 "authorization."};
	size_t start = SIZE_MAX;

	for (size_t at = 0; at < protocol.len && start == SIZE_MAX; at++) {
		struct bytes rest = bytes_from(protocol, at);
		for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
			struct bytes mark = bytes_str(marks[i]);
			if (rest.len > mark.len &&
			    bytes_equal_nocase(bytes_slice(rest, 0, mark.len), mark))
				start = at + mark.len;
		}
		if (start == SIZE_MAX && key_at(rest))
			start = at;
	}
	return start;
}

static bool is_protocols(struct bytes name)
{
	return bytes_equal_nocase(name, BYTES("sec-websocket-protocol"));
}

static struct bytes key_of_protocols(struct bytes value)
{
	while (value.len) {
		struct bytes protocol = bytes_trim(bytes_cut(&value, ','));
		size_t key = key_in_protocol(protocol);
		if (key != SIZE_MAX)
			return bytes_from(protocol, key);
	}
	return BYTES_NONE;
}

static enum err put_protocols(struct buf *out, struct bytes value)
{
	enum err e = OK;

	for (bool first = true; !e && value.len; first = false) {
		struct bytes protocol = bytes_trim(bytes_cut(&value, ','));
		size_t key = key_in_protocol(protocol);
		if (!first)
			e = buf_put(out, BYTES(", "));
		if (!e)
			e = buf_put(out, bytes_slice(protocol, 0, key));
		if (!e && key != SIZE_MAX)
			e = buf_put(out, REDACTED);
	}
	return e;
}

struct bytes credential_of_header(struct bytes name, struct bytes value)
{
	static const char schemes[][8] = {"bearer ", "key ", "token "};

	if (is_protocols(name))
		return key_of_protocols(value);
	if (!credential_is_header(name) || bytes_equal_nocase(name, BYTES("cookie")) ||
	    bytes_equal_nocase(name, BYTES("set-cookie")) ||
	    bytes_equal_nocase(name, BYTES("www-authenticate")))
		return BYTES_NONE;
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		struct bytes scheme = bytes_str(schemes[i]);
		if (bytes_equal_nocase(bytes_slice(value, 0, scheme.len), scheme))
			return bytes_trim(bytes_from(value, scheme.len));
	}
	return bytes_trim(value);
}

struct bytes credential_prefix(struct bytes key)
{
	size_t end = 0, words = 0, word = 0;

	for (size_t i = 0; i < key.len && i < CREDENTIAL_PREFIX_MAX && words < 2; i++) {
		uint8_t c = key.at[i];
		if (c == '-' || c == '_') {
			if (word == 0)
				break;
			end = i;
			words++;
			word = 0;
		} else if (c >= 'a' && c <= 'z' && word < 6) {
			word++;
		} else {
			break;
		}
	}
	return key.len - end > 2 * KEY_BYTES_MIN ? bytes_slice(key, 0, end) : BYTES_NONE;
}

/* There is room for it. */
static void append(struct buf *out, struct bytes data)
{
	if (data.len)
		memcpy(out->at + out->len, data.at, data.len);
	out->len += data.len;
}

enum err credential_put_header(struct buf *out, struct bytes name, struct bytes value)
{
	enum err e = buf_reserve(out, name.len + value.len + REDACTED.len + sizeof ": \r\n");

	if (e)
		return e;
	append(out, name);
	append(out, BYTES(": "));
	if (is_protocols(name)) {
		e = put_protocols(out, value);
		return e ? e : buf_put(out, BYTES("\r\n"));
	}
	append(out, credential_is_header(name) ? REDACTED : value);
	append(out, BYTES("\r\n"));
	return OK;
}

static int digit_of(uint8_t c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

struct bytes credential_decode(struct bytes text, uint8_t *room, size_t room_bytes)
{
	size_t len = 0;

	if (bytes_find_byte(text, '%') == SIZE_MAX)
		return text;
	for (size_t i = 0; i < text.len; i++) {
		bool encodes = text.at[i] == '%' && text.len - i > 2 &&
			       digit_of(text.at[i + 1]) >= 0 && digit_of(text.at[i + 2]) >= 0;
		if (len == room_bytes)
			return text;
		room[len++] = encodes ? (uint8_t)(digit_of(text.at[i + 1]) << 4 |
						  digit_of(text.at[i + 2]))
				      : text.at[i];
		i += encodes ? 2 : 0;
	}
	return bytes_of(room, len);
}

bool credential_is_parameter(struct bytes written)
{
	uint8_t room[CREDENTIAL_NAME_BYTES_MAX];
	struct bytes name = credential_decode(written, room, sizeof room);

	for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++)
		if (bytes_equal_nocase(name, bytes_str(parameters[i])))
			return true;
	return credential_is_header(name);
}

/* The part before the query; of an absolute form without "user:password@". */
static enum err put_path(struct buf *out, struct bytes path)
{
	size_t scheme = bytes_find(path, BYTES("://")), at;
	struct bytes authority;
	enum err e;

	if (scheme == SIZE_MAX)
		return buf_put(out, path);
	authority = bytes_from(path, scheme + 3);
	authority = bytes_slice(authority, 0, bytes_find_byte(authority, '/'));
	for (at = authority.len; at && authority.at[at - 1] != '@'; at--)
		;
	if (at == 0)
		return buf_put(out, path);
	e = buf_put(out, bytes_slice(path, 0, scheme + 3));
	if (!e)
		e = buf_put(out, REDACTED);
	if (!e)
		e = buf_put(out, bytes_from(path, scheme + 3 + at - 1));
	return e;
}

enum err credential_put_target(struct buf *out, struct bytes target)
{
	struct bytes rest = target, path = bytes_cut(&rest, '?');
	bool more = path.len < target.len;
	enum err e = put_path(out, path);
	uint8_t before = '?';

	while (!e && more) {
		struct bytes whole = bytes_slice(rest, 0, bytes_find_byte(rest, '&'));
		struct bytes value = whole, name = bytes_cut(&value, '=');
		more = whole.len < rest.len;
		rest = bytes_from(rest, whole.len + 1);
		e = buf_put_u8(out, before);
		before = '&';
		if (!e && value.len && credential_is_parameter(name)) {
			e = buf_put(out, name);
			if (!e)
				e = buf_put(out, BYTES("="));
			if (!e)
				e = buf_put(out, REDACTED);
		} else if (!e) {
			e = buf_put(out, whole);
		}
	}
	return e;
}

/* "API_KEY" is "api-key" here: an environment variable or an option bears the same names. */
static bool is_name(struct bytes text, struct bytes name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = text.at[i] == '_' ? '-' : text.at[i];
		if (!bytes_equal_nocase(bytes_of(&c, 1), bytes_slice(name, i, 1)))
			return false;
	}
	return true;
}

/* Length of the name of a key-bearing header and what stands between it and its value, at this
 * place of the text; 0 when there is none: "name:", "name=", "\"name\":", and "name\0" of an option
 * whose value is the next argument. It may begin within a word, as in -HAuthorization:. */
static size_t header_at(struct bytes text, bool in_option)
{
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
		struct bytes name = known_header(i);
		size_t end = name.len;
		if (text.len <= end || !is_name(text, name))
			continue;
		if (text.at[end] == '"' || text.at[end] == '\'')
			end++;
		if (end < text.len && (text.at[end] == ':' || text.at[end] == '=' ||
				       (in_option && text.at[end] == '\0')))
			return end + 1;
	}
	return 0;
}

enum err credential_put_text(struct buf *out, struct bytes text)
{
	enum err e = OK;
	size_t i = 0, argument = 0; /* where the argument under way begins */

	while (!e && i < text.len) {
		struct bytes rest = bytes_from(text, i);
		bool begins = i == 0 || !is_key_byte(text.at[i - 1]);
		size_t header = header_at(rest, text.at[argument] == '-');
		size_t key = begins && !header ? key_at(rest) : 0;
		if (header) {
			bool is_next = rest.at[header - 1] == '\0';
			e = buf_put(out, bytes_slice(rest, 0, header));
			if (!e && !is_next)
				e = buf_put_u8(out, ' ');
			if (!e)
				e = buf_put(out, REDACTED);
			rest = bytes_from(rest, header);
			i += header + bytes_slice(rest, 0, bytes_find_byte(rest, '\0')).len;
		} else if (key) {
			e = buf_put(out, REDACTED);
			i += key;
		} else {
			if (text.at[i] == '\0')
				argument = i + 1 < text.len ? i + 1 : i;
			e = buf_put_u8(out, text.at[i++]);
		}
	}
	return e;
}
