/* SPDX-License-Identifier: MIT */
#include "signed.h"

#include <string.h>

enum err signed_put(struct buf *out, struct bytes label, struct bytes statement,
		    const struct signer *signer)
{
	uint8_t signature[SEAL_SIGNATURE_BYTES];
	char name[SIGNER_CHARS_MAX];
	enum err e = buf_put_str(out, "{\"statement\":");

	if (!e)
		e = buf_put(out, statement);
	if (!e && signer) {
		e = seal_sign(signer, label, statement, signature);
		seal_put_signer_public(signer->public_key, name);
		if (!e)
			e = buf_put_str(out, ",\"signer\":\"");
		if (!e)
			e = buf_put_str(out, name);
		if (!e)
			e = buf_put_str(out, "\",\"signature\":\"");
		if (!e)
			e = buf_put_hex(out, bytes_of(signature, sizeof signature));
		if (!e)
			e = buf_put_u8(out, '"');
	}
	return e ? e : buf_put_str(out, "}\n");
}

enum err signed_parse(struct bytes text, struct bytes label, struct signed_text *ret_text)
{
	struct signed_text t = {0};
	struct json_token token;
	struct bytes signer;
	uint8_t signature[SEAL_SIGNATURE_BYTES];
	enum err e = text.len > SIGNED_BYTES_MAX ? ERR_LIMIT : json_check(text, NULL, NULL);

	if (!e)
		e = json_find(text, "/statement", &token, &t.statement);
	if (e)
		return e == ERR_LIMIT ? e : ERR_BAD;
	if (token.kind != JSON_OBJECT)
		return ERR_BAD;
	e = signed_find_text(text, "/signer", &signer);
	if (e == ERR_MISSING) {
		*ret_text = t;
		return OK;
	}
	if (e || seal_parse_signer_public(signer, t.signer) ||
	    signed_find_hex(text, "/signature", signature, sizeof signature))
		return ERR_BAD;
	t.has_signer = true;
	e = seal_check_signature(t.signer, label, t.statement, signature);
	if (e && e != ERR_SEAL)
		return e;
	t.signature_right = e == OK;
	*ret_text = t;
	return OK;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool signed_parse_hex(struct bytes text, uint8_t *ret_bytes, size_t len)
{
	if (text.len != 2 * len)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (hex_digit(text.at[i]) < 0)
			return false;
	for (size_t i = 0; i < len; i++)
		ret_bytes[i] = (uint8_t)(hex_digit(text.at[2 * i]) << 4 |
					 hex_digit(text.at[2 * i + 1]));
	return true;
}

static int base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum err signed_put_unbase64(struct buf *out, struct bytes text)
{
	size_t padding = 0;
	enum err e;

	while (padding < 2 && padding < text.len && text.at[text.len - 1 - padding] == '=')
		padding++;
	if (text.len % 4)
		return ERR_BAD;
	e = buf_reserve(out, text.len / 4 * 3);
	if (e)
		return e;
	for (size_t i = 0; i < text.len; i += 4) {
		size_t digits = i + 4 == text.len ? 4 - padding : 4;
		uint32_t v = 0;
		for (size_t k = 0; k < 4; k++) {
			int d = k < digits ? base64_digit(text.at[i + k]) : 0;
			if (d < 0)
				return ERR_BAD;
			v = v << 6 | (uint32_t)d;
		}
		/* Bits that no byte takes are zero: one text for one meaning. */
		if ((digits == 3 && v & 0xFF) || (digits == 2 && v & 0xFFFF))
			return ERR_BAD;
		for (size_t k = 0; k + 1 < digits; k++)
			out->at[out->len++] = (uint8_t)(v >> (16 - 8 * k));
	}
	return OK;
}

enum err signed_find_text(struct bytes json, const char *pointer, struct bytes *ret_text)
{
	struct json_token token;
	enum err e = json_find(json, pointer, &token, NULL);

	if (e)
		return e;
	if (token.kind != JSON_STRING || token.escaped)
		return ERR_BAD;
	*ret_text = token.raw;
	return OK;
}

enum err signed_find_u64(struct bytes json, const char *pointer, uint64_t *ret_value)
{
	struct json_token token;
	enum err e = json_find(json, pointer, &token, NULL);

	if (e)
		return e;
	return token.kind == JSON_NUMBER ? bytes_parse_u64(token.raw, UINT64_MAX, ret_value)
					 : ERR_BAD;
}

enum err signed_find_hex(struct bytes json, const char *pointer, uint8_t *ret_bytes, size_t len)
{
	struct bytes text;
	enum err e = signed_find_text(json, pointer, &text);

	if (e)
		return e;
	return signed_parse_hex(text, ret_bytes, len) ? OK : ERR_BAD;
}

enum err signed_find_base64(struct bytes json, const char *pointer, struct buf *ret_bytes)
{
	struct bytes text;
	enum err e = signed_find_text(json, pointer, &text);

	buf_reset(ret_bytes);
	return e ? e : signed_put_unbase64(ret_bytes, text);
}

enum err signed_find_items(struct bytes json, const char *pointer, struct signed_items *ret_items)
{
	struct json_token token;
	struct bytes raw;
	enum err e = json_find(json, pointer, &token, &raw);

	if (e)
		return e;
	if (token.kind != JSON_ARRAY)
		return ERR_BAD;
	ret_items->array = raw;
	json_init(&ret_items->scan, raw, JSON_STRICT);
	return json_next(&ret_items->scan, &token);
}

bool signed_next_item(struct signed_items *items, struct bytes *ret_item)
{
	struct json_token token;
	size_t end;

	if (json_next(&items->scan, &token) || token.kind == JSON_ARRAY_END)
		return false;
	if (token.kind != JSON_OBJECT && token.kind != JSON_ARRAY)
		end = token.end;
	else if (json_skip(&items->scan, &token, &end))
		return false;
	*ret_item = bytes_slice(items->array, token.start, end - token.start);
	return true;
}
