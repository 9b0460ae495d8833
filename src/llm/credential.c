/* SPDX-License-Identifier: MIT */
#include "llm/credential.h"

#define KEY_BYTES_MIN 8 /* a shorter rest is not taken for a key, and gives no prefix away */

static const char *const headers[] = {
	"authorization",    "proxy-authorization", "www-authenticate",     "x-api-key",
	"api-key",          "apikey",              "x-goog-api-key",       "x-api-token",
	"x-auth-token",     "auth-token",          "cookie",               "set-cookie",
	"x-portkey-api-key", "helicone-auth",      "x-amz-security-token", "cf-aig-authorization",
};

static const char *const parameters[] = {"key",   "api_key",      "api-key",
					 "apikey", "access_token", "token",
					 "sig",    "x-amz-signature", "x-amz-security-token"};

/* How keys of providers begin, and the gateway's own. */
static const char *const beginnings[] = {"sk-", "sk_", "aigw-", "AIza", "ya29.", "gsk_",
					 "xai-", "hf_", "r8_", "pplx-", "AIGW-SECRET-KEY-"};

#define REDACTED BYTES("redacted")

bool credential_is_header(struct bytes name)
{
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
		if (bytes_equal_nocase(name, bytes_str(headers[i])))
			return true;
	return false;
}

struct bytes credential_of_header(struct bytes name, struct bytes value)
{
	static const char *const schemes[] = {"bearer ", "key ", "token "};

	if (!credential_is_header(name) || bytes_ends(name, BYTES("ookie")) ||
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

enum err credential_put_header(struct buf *out, struct bytes name, struct bytes value)
{
	enum err e = buf_put(out, name);

	if (!e)
		e = buf_put(out, BYTES(": "));
	if (!e)
		e = buf_put(out, credential_is_header(name) ? REDACTED : value);
	if (!e)
		e = buf_put(out, BYTES("\r\n"));
	return e;
}

static bool is_parameter(struct bytes name)
{
	for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++)
		if (bytes_equal_nocase(name, bytes_str(parameters[i])))
			return true;
	return false;
}

enum err credential_put_target(struct buf *out, struct bytes target)
{
	struct bytes rest = target, path = bytes_cut(&rest, '?');
	enum err e = buf_put(out, path);
	uint8_t before = '?';

	while (!e && rest.len) {
		struct bytes value = bytes_cut(&rest, '&'), whole = value;
		struct bytes name = bytes_cut(&value, '=');
		e = buf_put_u8(out, before);
		before = '&';
		if (!e && value.len && is_parameter(name)) {
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

/* Length of "name:" or "name=" of a key-bearing header at this place, 0 when there is none. */
static size_t header_at(struct bytes text)
{
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
		struct bytes name = bytes_str(headers[i]);
		if (text.len > name.len && (text.at[name.len] == ':' || text.at[name.len] == '=') &&
		    bytes_equal_nocase(bytes_slice(text, 0, name.len), name))
			return name.len + 1;
	}
	return 0;
}

enum err credential_put_text(struct buf *out, struct bytes text)
{
	enum err e = OK;
	size_t i = 0;

	while (!e && i < text.len) {
		struct bytes rest = bytes_from(text, i);
		bool begins = i == 0 || !is_key_byte(text.at[i - 1]);
		size_t header = begins ? header_at(rest) : 0, key = begins ? key_at(rest) : 0;
		if (header) {
			size_t end = bytes_find_byte(rest, '\0');
			e = buf_put(out, bytes_slice(rest, 0, header));
			if (!e)
				e = buf_put(out, BYTES(" redacted"));
			i += end == SIZE_MAX ? rest.len : end;
		} else if (key) {
			e = buf_put(out, REDACTED);
			i += key;
		} else {
			e = buf_put_u8(out, text.at[i++]);
		}
	}
	return e;
}
