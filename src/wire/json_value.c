/* SPDX-License-Identifier: MIT
 *
 * What tokens mean: text without escapes, numbers, the place a pointer names.
 */
#include "wire/json.h"

#include <string.h>

static const uint8_t replacement[3] = {0xEF, 0xBF, 0xBD}; /* U+FFFD */

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four hex digits at `at`, or -1. */
static int32_t hex4_value(struct bytes text, size_t at)
{
	int32_t value = 0;

	if (at > text.len || text.len - at < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		int digit = hex_value(text.at[at + i]);
		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static size_t utf8_encode(uint32_t c, uint8_t out[4])
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xC0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xE0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
		out[2] = (uint8_t)(0x80 | (c & 0x3F));
		return 3;
	}
	out[0] = (uint8_t)(0xF0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
	out[3] = (uint8_t)(0x80 | (c & 0x3F));
	return 4;
}

static bool is_between(int32_t v, int32_t low, int32_t high)
{
	return v >= low && v <= high;
}

/* Writes what the escape at *at means and moves *at past it (past both of a surrogate pair).
 * The scanner has checked the text; a token made otherwise cannot make this read past its end. */
static size_t unescape(struct bytes raw, size_t *at, uint8_t out[4])
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	uint8_t letter = raw.len - *at < 2 ? 0 : raw.at[*at + 1];
	const char *hit = letter ? strchr(from, letter) : NULL;
	int32_t high, low;

	if (hit) {
		*at += 2;
		out[0] = (uint8_t)to[hit - from];
		return 1;
	}
	high = letter == 'u' ? hex4_value(raw, *at + 2) : -1;
	if (high < 0) {
		*at = raw.len;
		memcpy(out, replacement, sizeof replacement);
		return sizeof replacement;
	}
	*at += 6;
	if (!is_between(high, 0xD800, 0xDFFF))
		return utf8_encode((uint32_t)high, out);
	low = bytes_starts(bytes_from(raw, *at), BYTES("\\u")) ? hex4_value(raw, *at + 2) : -1;
	if (high > 0xDBFF || !is_between(low, 0xDC00, 0xDFFF)) {
		memcpy(out, replacement, sizeof replacement);
		return sizeof replacement;
	}
	*at += 6;
	return utf8_encode(0x10000 + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00),
			   out);
}

static bool is_text(const struct json_token *token)
{
	return token->kind == JSON_KEY || token->kind == JSON_STRING;
}

/* The part of `raw` from `at` up to the next backslash or the end. */
static struct bytes plain_run(struct bytes raw, size_t at)
{
	struct bytes rest = bytes_from(raw, at);
	size_t len = bytes_find_byte(rest, '\\');

	return len == SIZE_MAX ? rest : bytes_slice(rest, 0, len);
}

bool json_token_is(const struct json_token *token, struct bytes text)
{
	struct bytes raw = token->raw, part;
	uint8_t meaning[4];
	size_t at = 0;

	if (!is_text(token))
		return false;
	if (!token->escaped)
		return bytes_equal(raw, text);
	while (at < raw.len) {
		if (raw.at[at] == '\\') {
			size_t n = unescape(raw, &at, meaning);
			part = bytes_of(meaning, n);
		} else {
			part = plain_run(raw, at);
			at += part.len;
		}
		if (!bytes_starts(text, part))
			return false;
		text = bytes_from(text, part.len);
	}
	return text.len == 0;
}

enum err json_put_unescaped(struct buf *out, const struct json_token *token)
{
	struct bytes raw = token->raw, part;
	size_t at = 0, len_before = out->len;
	uint8_t meaning[4];

	if (!is_text(token))
		return ERR_BAD;
	if (!token->escaped)
		return buf_put(out, raw);
	while (at < raw.len) {
		if (raw.at[at] == '\\') {
			size_t n = unescape(raw, &at, meaning);
			part = bytes_of(meaning, n);
		} else {
			part = plain_run(raw, at);
			at += part.len;
		}
		enum err e = buf_put(out, part);
		if (e) {
			out->len = len_before;
			return e;
		}
	}
	return OK;
}

/* The value of an exponent's digits, no more than what pushes any digit out of sight. */
static int64_t exponent_value(struct bytes digits)
{
	const int64_t far = INT64_C(1) << 56;
	bool negative = digits.len && digits.at[0] == '-';
	int64_t v = 0;

	if (digits.len && (digits.at[0] == '-' || digits.at[0] == '+'))
		digits = bytes_from(digits, 1);
	for (size_t i = 0; i < digits.len && v < far; i++)
		v = v * 10 + (digits.at[i] - '0');
	return negative ? -v : v;
}

enum err json_number_u64(const struct json_token *token, uint64_t *ret_value)
{
	struct bytes raw = token->raw, exponent;
	struct bytes mantissa, integer, digits[2];
	uint64_t v = 0;
	int64_t left; /* digits that stand before the decimal point once the exponent is applied */

	if (token->kind != JSON_NUMBER || raw.len == 0 || raw.at[0] == '-')
		return ERR_BAD;
	if (!bytes_parse_u64(raw, UINT64_MAX, ret_value))
		return OK; /* nothing but digits, as most are */
	size_t e_at = bytes_find_byte(raw, 'e');
	if (e_at == SIZE_MAX)
		e_at = bytes_find_byte(raw, 'E');
	mantissa = bytes_slice(raw, 0, e_at);
	exponent = e_at == SIZE_MAX ? BYTES_NONE : bytes_from(raw, e_at + 1);
	integer = bytes_cut(&mantissa, '.');
	digits[0] = integer;
	digits[1] = mantissa;
	left = (int64_t)integer.len + exponent_value(exponent);
	for (size_t part = 0; part < 2; part++) {
		for (size_t i = 0; i < digits[part].len; i++) {
			uint64_t d = (uint64_t)(digits[part].at[i] - '0');
			if (left-- <= 0 && d != 0)
				return ERR_BAD;
			if (left >= 0 &&
			    (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, d, &v)))
				return ERR_BAD;
		}
	}
	for (; left > 0 && v != 0; left--)
		if (__builtin_mul_overflow(v, 10, &v))
			return ERR_BAD;
	*ret_value = v;
	return OK;
}

/* One step of a pointer: the text between the slash at `slash` and the next one. */
static struct bytes step_name(const char *slash)
{
	return bytes_of(slash + 1, strcspn(slash + 1, "/"));
}

/* The array index a step means, or UINT64_MAX: no index (RFC 6901 section 4, no leading zeros). */
static uint64_t step_index(struct bytes name)
{
	uint64_t v = UINT64_MAX;

	if (name.len > 1 && name.at[0] == '0')
		return UINT64_MAX;
	return bytes_parse_u64(name, UINT64_MAX - 1, &v) ? UINT64_MAX : v;
}

/* The step before the one at `slash`; that of the first is itself. */
static const char *step_before(const char *pointer, const char *slash)
{
	size_t at = (size_t)(slash - pointer);

	while (at && pointer[--at] != '/')
		;
	return pointer + at;
}

/* Goes on until a value that the pointer's steps up to and including *slash name begins, and moves
 * *slash to the next one. Of two members with one name the first may lack what the second has, so a
 * container that ends without a match takes one step back instead of ending the search. */
static enum err find_step(struct json *j, const char *pointer, const char **slash, uint64_t *index,
			  struct json_token *ret_value)
{
	for (;;) {
		struct json_token t;
		struct bytes name = step_name(*slash);
		bool match;
		size_t end;
		enum err e = json_next(j, &t);
		if (e)
			return e == ERR_END ? ERR_MISSING : e;
		if (t.kind == JSON_OBJECT_END || t.kind == JSON_ARRAY_END) {
			if (*slash == pointer) {
				e = json_next(j, &t);
				return e == ERR_END ? ERR_MISSING : e;
			}
			*slash = step_before(pointer, *slash);
			*index = step_index(step_name(*slash)) + 1;
			continue;
		}
		if (t.kind == JSON_KEY) {
			match = json_token_is(&t, name);
			e = match ? json_next(j, &t) : OK;
		} else {
			match = (*index)++ == step_index(name);
		}
		if (!e && !match)
			e = json_skip(j, &t, &end);
		if (e)
			return e;
		if (match) {
			*slash += 1 + name.len;
			*ret_value = t;
			return OK;
		}
	}
}

enum err json_find(struct bytes text, const char *pointer, struct json_token *ret_value,
		   struct bytes *ret_raw)
{
	struct json j;
	struct json_token t;
	const char *slash = pointer;
	uint64_t index = 0;
	size_t end;
	enum err e;

	if (*pointer && *pointer != '/')
		return ERR_MISSING;
	json_init(&j, text, JSON_STRICT);
	e = json_next(&j, &t);
	while (!e && *slash) {
		if (t.kind == JSON_OBJECT || t.kind == JSON_ARRAY)
			index = 0;
		else if (slash == pointer)
			return json_next(&j, &t) == ERR_END ? ERR_MISSING : ERR_BAD;
		else
			slash = step_before(pointer, slash);
		e = find_step(&j, pointer, &slash, &index, &t);
	}
	if (!e)
		e = json_skip(&j, &t, &end);
	if (e)
		return e;
	*ret_value = t;
	if (ret_raw)
		*ret_raw = bytes_slice(text, t.start, end - t.start);
	return OK;
}

void json_position(struct bytes text, size_t at, uint32_t *ret_line, uint32_t *ret_column)
{
	struct bytes before = bytes_slice(text, 0, at);
	uint32_t line = 1;
	size_t column;

	for (;;) {
		size_t feed = bytes_find_byte(before, '\n');
		if (feed == SIZE_MAX)
			break;
		line++;
		before = bytes_from(before, feed + 1);
	}
	column = before.len + 1;
	*ret_line = line;
	*ret_column = column > UINT32_MAX ? UINT32_MAX : (uint32_t)column;
}
