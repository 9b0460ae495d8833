/* SPDX-License-Identifier: MIT */
#include "wire/json.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What may come next. ENDED and above are final: every further call gives the same error. */
enum state {
	WANT_VALUE,
	WANT_FIRST_ELEMENT, /* or the end of the array */
	WANT_KEY,
	WANT_FIRST_KEY, /* or the end of the object */
	WANT_COLON,
	WANT_SEPARATOR, /* or the end of the container; at depth 0 the end of the text */
	ENDED,
	FAILED_BAD,
	FAILED_LIMIT,
};

void json_init(struct json *j, struct bytes text, enum json_option options)
{
	memset(j, 0, sizeof *j);
	j->text = text;
	j->options = (uint8_t)options;
	j->state = WANT_VALUE;
}

#define COLD __attribute__((cold, noinline))

COLD static enum err fail(struct json *j, size_t at, enum err e, const char *problem)
{
	j->at = at;
	j->problem = problem;
	j->state = e == ERR_LIMIT ? FAILED_LIMIT : FAILED_BAD;
	return e;
}

COLD static enum err bad(struct json *j, size_t at, const char *problem)
{
	return fail(j, at, ERR_BAD, problem);
}

/* The comment whose slash is at j->at. A line comment ends before its line feed. */
COLD static enum err skip_comment(struct json *j)
{
	struct bytes rest = bytes_from(j->text, j->at);
	size_t len;

	if (bytes_starts(rest, BYTES("//"))) {
		len = bytes_find_byte(rest, '\n');
		if (len == SIZE_MAX)
			len = rest.len;
	} else if (bytes_starts(rest, BYTES("/*"))) {
		len = bytes_find(bytes_from(rest, 2), BYTES("*/"));
		if (len == SIZE_MAX)
			return bad(j, j->at, "the comment does not end");
		len += 4;
	} else {
		return bad(j, j->at, "a comment begins with // or /*");
	}
	if (!bytes_is_utf8(bytes_slice(rest, 0, len)))
		return bad(j, j->at, "the comment is not UTF-8");
	j->at += len;
	return OK;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lowest byte of a word comes first");

#ifdef __SSE2__
#define STEP 16

/* Of 16 bytes, those that are not plain in a string have all bits set. Compared as signed, what is
 * above 0x7F is below 0x20. */
static inline __m128i odd_bytes(const uint8_t *at)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
	__m128i odd = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));

	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
	return _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
}

/* The offset of the first of them, or STEP. */
static inline size_t plain_step(const uint8_t *at)
{
	unsigned odd = (unsigned)_mm_movemask_epi8(odd_bytes(at));

	return odd ? (size_t)__builtin_ctz(odd) : STEP;
}

/* The offset of the first of 16 bytes that is no white space, or STEP. */
static inline size_t space_step(const uint8_t *at)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at), space;
	unsigned rest;

	space = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(' ')),
			     _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')));
	space = _mm_or_si128(space, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r')));
	space = _mm_or_si128(space, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')));
	rest = (unsigned)_mm_movemask_epi8(space) ^ 0xFFFF;
	return rest ? (size_t)__builtin_ctz(rest) : STEP;
}

static inline bool is_plain_block(const uint8_t *at)
{
	__m128i one = _mm_or_si128(odd_bytes(at), odd_bytes(at + STEP));
	__m128i two = _mm_or_si128(odd_bytes(at + 2 * STEP), odd_bytes(at + 3 * STEP));

	return _mm_movemask_epi8(_mm_or_si128(one, two)) == 0;
}
#else
#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))
#define STEP             8

/* Of 8 bytes, the offset of the first that is not plain in a string, or STEP. Each test sets the
 * top bit of the bytes it means, and of others only above the first true hit, so the lowest bit set
 * is right. */
static inline size_t plain_step(const uint8_t *at)
{
	uint64_t word, quote, backslash, hit;

	memcpy(&word, at, sizeof word);
	quote = word ^ EACH_BYTE('"');
	backslash = word ^ EACH_BYTE('\\');
	hit = (quote - EACH_BYTE(1)) & ~quote;
	hit |= (backslash - EACH_BYTE(1)) & ~backslash;
	hit |= (word - EACH_BYTE(0x20)) | word;
	hit &= EACH_BYTE(0x80);
	return hit ? (size_t)__builtin_ctzll(hit) / 8 : STEP;
}

/* Of 8 bytes, the offset of the first that is no space; other white space ends the step too. */
static inline size_t space_step(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof word);
	word ^= EACH_BYTE(' ');
	return word ? (size_t)__builtin_ctzll(word) / 8 : STEP;
}

static inline bool is_plain_block(const uint8_t *at)
{
	return plain_step(at) == STEP && plain_step(at + STEP) == STEP &&
	       plain_step(at + 2 * STEP) == STEP && plain_step(at + 3 * STEP) == STEP;
}
#endif

#define BLOCK       (4 * STEP)
#define FIRST_STEPS 4 /* a string that is not over then is taken for a long one */

static inline bool is_space(uint8_t c)
{
	const uint64_t spaces = 1ull << ' ' | 1ull << '\n' | 1ull << '\r' | 1ull << '\t';

	return c <= ' ' && (spaces >> c & 1);
}

/* Where the white space at `at` ends. Mostly there is none, or one space, or a line's end and the
 * next one's indentation. */
static inline __attribute__((always_inline)) size_t after_space(const uint8_t *text, size_t at,
								size_t len)
{
	if (at >= len || text[at] > ' ')
		return at;
	if (len - at > 1 && text[at] == ' ' && text[at + 1] > ' ')
		return at + 1;
	for (;;) {
		while (len - at >= STEP) {
			size_t space = space_step(text + at);
			at += space;
			if (space < STEP)
				break;
		}
		if (at == len || !is_space(text[at]))
			return at;
		at++;
	}
}

/* The first byte from `at` on that is not plain in a string: quote, backslash, below 0x20, above
 * 0x7F; `len` when there is none. */
static inline size_t skip_plain(const uint8_t *text, size_t at, size_t len)
{
	for (unsigned steps = 0; len - at >= STEP; steps++) {
		size_t plain = plain_step(text + at);
		at += plain;
		if (plain < STEP)
			return at;
		while (steps == FIRST_STEPS && len - at >= BLOCK && is_plain_block(text + at))
			at += BLOCK;
	}
	while (at < len && text[at] >= 0x20 && text[at] < 0x80 && text[at] != '"' &&
	       text[at] != '\\')
		at++;
	return at;
}

static inline bool is_tail(uint8_t c)
{
	return (c & 0xC0) == 0x80;
}

/* The length of the well-formed multi-byte sequence at `at`, or 0 (RFC 3629 section 4). */
static inline size_t utf8_length(const uint8_t *at, size_t left)
{
	uint8_t c = at[0];

	if (c < 0xE0)
		return c >= 0xC2 && left >= 2 && is_tail(at[1]) ? 2 : 0;
	if (c < 0xF0) {
		if (left < 3 || !is_tail(at[1]) || !is_tail(at[2]))
			return 0;
		if ((c == 0xE0 && at[1] < 0xA0) || (c == 0xED && at[1] > 0x9F))
			return 0; /* overlong; surrogate */
		return 3;
	}
	if (c > 0xF4 || left < 4 || !is_tail(at[1]) || !is_tail(at[2]) || !is_tail(at[3]))
		return 0;
	if ((c == 0xF0 && at[1] < 0x90) || (c == 0xF4 && at[1] > 0x8F))
		return 0; /* overlong; above U+10FFFF */
	return 4;
}

static bool is_hex_digit(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* The length of the escape whose backslash is at `at`, or 0 when it is none. */
static inline size_t escape_length(struct bytes text, size_t at)
{
	if (text.len - at < 2)
		return 0;
	switch (text.at[at + 1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return 2;
	case 'u':
		for (size_t i = 2; i < 6; i++)
			if (text.len - at <= i || !is_hex_digit(text.at[at + i]))
				return 0;
		return 6;
	default:
		return 0;
	}
}

/* The token that has been read up to `end`. Its depth is the one before a container is opened or
 * after it is closed. */
static inline enum err give(struct json *j, enum json_kind kind, size_t start, size_t end,
			    struct json_token *ret_token)
{
	j->at = end;
	ret_token->kind = kind;
	ret_token->escaped = false;
	ret_token->depth = j->depth;
	ret_token->start = start;
	ret_token->end = end;
	ret_token->raw = bytes_of(j->text.at + start, end - start);
	return OK;
}

/* A string, up to its closing quote at `end`. */
static inline enum err give_string(struct json *j, enum json_kind kind, size_t start, size_t end,
				   struct json_token *ret_token)
{
	(void)give(j, kind, start, end + 1, ret_token);
	ret_token->raw = bytes_of(j->text.at + start + 1, end - start - 1);
	return OK;
}

/* The string whose opening quote is at `start`, read from `at` on: what comes before is plain. */
__attribute__((noinline)) static enum err scan_string(struct json *j, enum json_kind kind,
						      size_t start, size_t at,
						      struct json_token *ret_token)
{
	const uint8_t *text = j->text.at;
	size_t len = j->text.len, n;
	bool escaped = false;

	for (;;) {
		at = skip_plain(text, at, len);
		if (at == len)
			return bad(j, start, "the string does not end");
		if (text[at] == '"')
			break;
		if (text[at] == '\\') {
			n = escape_length(j->text, at);
			if (n == 0)
				return bad(j, at, "no such escape");
			escaped = true;
			at += n;
			continue;
		}
		if (text[at] < 0x20)
			return bad(j, at, "a control character in a string must be escaped");
		do {
			n = utf8_length(text + at, len - at);
			if (n == 0)
				return bad(j, at, "the string is not UTF-8");
			at += n;
		} while (at < len && text[at] >= 0x80);
	}
	(void)give_string(j, kind, start, at, ret_token);
	ret_token->escaped = escaped;
	return OK;
}

/* Most are short, and have nothing odd. */
static inline enum err scan_quoted(struct json *j, enum json_kind kind, size_t start,
				   struct json_token *ret_token)
{
	const uint8_t *text = j->text.at;
	size_t at = start + 1;

	if (j->text.len - at >= STEP) {
		size_t plain = plain_step(text + at);
		at += plain;
		if (plain < STEP && text[at] == '"')
			return give_string(j, kind, start, at, ret_token);
	}
	return scan_string(j, kind, start, at, ret_token);
}

/* A number or a word ends at white space, a comment, a comma or a bracket: "01" is not 0. */
static inline bool is_delimiter_at(const struct json *j, size_t at)
{
	uint8_t c;

	if (at >= j->text.len)
		return true;
	c = j->text.at[at];
	return c == ',' || is_space(c) || c == '}' || c == ']' ||
	       (c == '/' && (j->options & JSON_COMMENTS));
}

static inline bool is_digit_at(const struct json *j, size_t at)
{
	return at < j->text.len && (uint8_t)(j->text.at[at] - '0') <= 9;
}

/* One run of digits, at least one. False when there is none. */
static inline bool skip_digits(const struct json *j, size_t *at)
{
	size_t from = *at;

	while (is_digit_at(j, *at))
		++*at;
	return *at > from;
}

/* RFC 8259 section 6. */
__attribute__((noinline)) static enum err scan_number(struct json *j, size_t start,
						      struct json_token *ret_token)
{
	size_t at = start;

	if (j->text.at[at] == '-')
		at++;
	if (at < j->text.len && j->text.at[at] == '0')
		at++;
	else if (!skip_digits(j, &at))
		return bad(j, at, "a digit was expected");
	if (is_delimiter_at(j, at))
		return give(j, JSON_NUMBER, start, at, ret_token);
	if (j->text.at[at] == '.') {
		at++;
		if (!skip_digits(j, &at))
			return bad(j, at, "a digit was expected after the point");
	}
	if (at < j->text.len && (j->text.at[at] | 0x20) == 'e') {
		at++;
		if (at < j->text.len && (j->text.at[at] == '+' || j->text.at[at] == '-'))
			at++;
		if (!skip_digits(j, &at))
			return bad(j, at, "a digit was expected in the exponent");
	}
	if (!is_delimiter_at(j, at))
		return bad(j, at, "the number is malformed");
	return give(j, JSON_NUMBER, start, at, ret_token);
}

static inline enum err scan_word(struct json *j, size_t start, struct bytes word,
				 enum json_kind kind, struct json_token *ret_token)
{
	struct bytes here = bytes_slice(j->text, start, word.len);

	if (!bytes_equal(here, word) || !is_delimiter_at(j, start + word.len))
		return bad(j, start, "a value was expected");
	return give(j, kind, start, start + word.len, ret_token);
}

/* Any value that is no string, and no container. */
__attribute__((noinline)) static enum err scan_other(struct json *j, size_t start,
						     struct json_token *ret_token)
{
	switch (j->text.at[start]) {
	case 't':
		return scan_word(j, start, BYTES("true"), JSON_TRUE, ret_token);
	case 'f':
		return scan_word(j, start, BYTES("false"), JSON_FALSE, ret_token);
	case 'n':
		return scan_word(j, start, BYTES("null"), JSON_NULL, ret_token);
	default:
		return bad(j, start, "a value was expected");
	}
}

/* Is it an object that is open at this depth, which is not 0? */
static inline bool is_object_at(const struct json *j, uint32_t depth)
{
	return j->is_object[(depth - 1) / 8] >> ((depth - 1) % 8) & 1;
}

static inline enum err open_container(struct json *j, size_t start, bool object,
				      struct json_token *ret_token)
{
	uint8_t bit = (uint8_t)(1u << (j->depth % 8));

	if (j->depth == JSON_DEPTH_MAX)
		return fail(j, start, ERR_LIMIT, "nested too deeply");
	if (object)
		j->is_object[j->depth / 8] |= bit;
	else
		j->is_object[j->depth / 8] &= (uint8_t)~bit;
	(void)give(j, object ? JSON_OBJECT : JSON_ARRAY, start, start + 1, ret_token);
	j->depth++;
	j->in_object = object;
	j->state = object ? WANT_FIRST_KEY : WANT_FIRST_ELEMENT;
	return OK;
}

static inline enum err close_container(struct json *j, size_t start, struct json_token *ret_token)
{
	bool object = j->in_object;

	j->depth--;
	j->in_object = j->depth && is_object_at(j, j->depth);
	j->state = WANT_SEPARATOR;
	return give(j, object ? JSON_OBJECT_END : JSON_ARRAY_END, start, start + 1, ret_token);
}

static inline enum err scan_value(struct json *j, size_t start, struct json_token *ret_token)
{
	uint8_t c = j->text.at[start];

	if (c == '{' || c == '[')
		return open_container(j, start, c == '{', ret_token);
	j->state = WANT_SEPARATOR;
	if (c == '"')
		return scan_quoted(j, JSON_STRING, start, ret_token);
	if ((uint8_t)(c - '0') <= 9 || c == '-')
		return scan_number(j, start, ret_token);
	return scan_other(j, start, ret_token);
}

static inline enum err scan_key(struct json *j, size_t start, struct json_token *ret_token)
{
	if (j->text.at[start] != '"')
		return bad(j, start, "a name in quotes was expected");
	j->state = WANT_COLON;
	return scan_quoted(j, JSON_KEY, start, ret_token);
}

/* Neither a comma nor the container's end, where one of them has to be. */
COLD static enum err end_or_bad(struct json *j, size_t at)
{
	if (j->depth)
		return bad(j, at,
			   j->in_object ? "a comma or } was expected"
					: "a comma or ] was expected");
	if (at < j->text.len)
		return bad(j, at, "nothing may follow the value");
	j->at = at;
	j->state = ENDED;
	return ERR_END;
}

COLD static enum err text_ends(struct json *j, bool wants_key)
{
	return bad(j, j->text.len,
		   wants_key ? "a name in quotes was expected" : "a value was expected");
}

/* White space and comments from `at` on; j->at is where they end. */
COLD static enum err skip_comments(struct json *j, size_t at)
{
	enum err e = OK;

	j->at = after_space(j->text.at, at, j->text.len);
	while (!e && j->at < j->text.len && j->text.at[j->at] == '/') {
		e = skip_comment(j);
		if (!e)
			j->at = after_space(j->text.at, j->at, j->text.len);
	}
	return e;
}

/* There are two of it. The one without comments is short, and calls nothing before its end. */
static inline __attribute__((always_inline)) enum err next(struct json *j, bool comments,
							   struct json_token *ret_token)
{
	uint8_t state = j->state, c;
	bool wants_key;
	size_t at;
	enum err e = OK;

	if (state >= ENDED)
		return state == ENDED ? ERR_END : state == FAILED_LIMIT ? ERR_LIMIT : ERR_BAD;
	if (comments)
		e = skip_comments(j, j->at);
	if (e)
		return e;
	at = after_space(j->text.at, j->at, j->text.len);
	c = at < j->text.len ? j->text.at[at] : 0;
	wants_key = state == WANT_KEY;
	if (state == WANT_SEPARATOR || state == WANT_COLON) {
		if (state == WANT_SEPARATOR) {
			if (j->depth && c == (j->in_object ? '}' : ']'))
				return close_container(j, at, ret_token);
			if (!j->depth || c != ',')
				return end_or_bad(j, at);
			wants_key = j->in_object;
		} else if (c != ':') {
			return bad(j, at, "a colon was expected");
		}
		if (comments)
			e = skip_comments(j, at + 1);
		if (e)
			return e;
		at = after_space(j->text.at, comments ? j->at : at + 1, j->text.len);
	} else if (state == WANT_FIRST_KEY) {
		if (c == '}')
			return close_container(j, at, ret_token);
		wants_key = true;
	} else if (state == WANT_FIRST_ELEMENT && c == ']') {
		return close_container(j, at, ret_token);
	}
	if (at == j->text.len)
		return text_ends(j, wants_key);
	return wants_key ? scan_key(j, at, ret_token) : scan_value(j, at, ret_token);
}

COLD static enum err next_with_comments(struct json *j, struct json_token *ret_token)
{
	return next(j, true, ret_token);
}

enum err json_next(struct json *j, struct json_token *ret_token)
{
	if (j->options & JSON_COMMENTS)
		return next_with_comments(j, ret_token);
	return next(j, false, ret_token);
}

enum err json_skip(struct json *j, const struct json_token *token, size_t *ret_end)
{
	struct json_token t = *token;
	uint32_t depth;
	enum err e;

	if (t.kind == JSON_KEY) {
		e = json_next(j, &t);
		if (e)
			return e;
	}
	if (t.kind == JSON_OBJECT || t.kind == JSON_ARRAY) {
		depth = t.depth;
		if (j->depth <= depth)
			return ERR_STATE;
		do {
			e = json_next(j, &t);
			if (e)
				return e;
		} while (j->depth > depth);
	}
	*ret_end = t.end;
	return OK;
}

enum err json_check(struct bytes text, size_t *ret_at, const char **ret_problem)
{
	struct json j;
	struct json_token t;
	enum err e;

	json_init(&j, text, JSON_STRICT);
	do
		e = json_next(&j, &t);
	while (!e);
	if (e == ERR_END)
		return OK;
	if (ret_at)
		*ret_at = j.at;
	if (ret_problem)
		*ret_problem = j.problem;
	return e;
}
