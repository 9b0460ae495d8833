/* SPDX-License-Identifier: MIT */
#include "wire/base64.h"

static int value_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters, of which the last `padding` are '='. */
static bool decode_group(const uint8_t *in, size_t padding, uint8_t out[3])
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < 4 - padding ? value_of(in[i]) : 0;
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
	}
	out[0] = (uint8_t)(bits >> 16);
	out[1] = (uint8_t)(bits >> 8);
	out[2] = (uint8_t)bits;
	return (padding < 1 || out[2] == 0) && (padding < 2 || out[1] == 0);
}

enum err base64_put_decoded(struct buf *out, struct bytes text)
{
	size_t len_before = out->len, padding = 0;
	enum err e;

	if (text.len % 4)
		return ERR_BAD;
	if (text.len)
		padding = text.at[text.len - 1] != '=' ? 0 : text.at[text.len - 2] != '=' ? 1 : 2;
	e = buf_reserve(out, text.len / 4 * 3);
	for (size_t at = 0; !e && at < text.len; at += 4) {
		size_t missing = at + 4 == text.len ? padding : 0;
		uint8_t group[3];
		e = decode_group(text.at + at, missing, group)
			    ? buf_put(out, bytes_of(group, 3 - missing))
			    : ERR_BAD;
	}
	if (e)
		out->len = len_before;
	return e;
}
