/* SPDX-License-Identifier: MIT */
#include "policy/phrase.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define DOTS "..."

void phrase_init(struct phrase *p, char *storage, size_t cap)
{
	*p = (struct phrase){storage, cap, 0, false};
	storage[0] = '\0';
}

/* The bytes of the character that `text` begins with, 0 when it is not well-formed UTF-8. */
static size_t character_length(struct bytes text)
{
	uint8_t c = text.at[0];
	size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

	if (n == 1)
		return 1;
	if (text.len < n || !bytes_is_utf8(bytes_of(text.at, n)))
		return 0;
	return n;
}

/* C0, DEL and C1 (U+0080 to U+009F): what a terminal may obey. */
static bool is_control(struct bytes text, size_t n)
{
	if (n == 1)
		return text.at[0] < 0x20 || text.at[0] == 0x7F;
	return n == 2 && text.at[0] == 0xC2 && text.at[1] < 0xA0;
}

/* Ends the phrase in dots, giving up as many characters as they need. */
static void cut(struct phrase *p)
{
	size_t room = sizeof DOTS - 1;
	size_t len = p->len;

	p->cut = true;
	while (len && len + room + 1 > p->cap) {
		len--;
		while (len && ((uint8_t)p->at[len] & 0xC0) == 0x80)
			len--;
	}
	memcpy(p->at + len, DOTS, sizeof DOTS);
	p->len = len + room;
}

#ifdef __SSE2__
#define STEP 16

/* How many of 16 bytes at the front stand for themselves. As signed, what is above 0x7F is below
 * 0x20. */
static inline size_t plain_step(const uint8_t *at)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
	__m128i odd = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)),
				   _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7F)));
	unsigned where = (unsigned)_mm_movemask_epi8(odd);

	return where ? (size_t)__builtin_ctz(where) : STEP;
}
#else
#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))
#define STEP             8

/* The same of 8. Each test sets the top bit of the bytes it means, and of others only above the
 * first true hit. */
static inline size_t plain_step(const uint8_t *at)
{
	uint64_t word, hit;

	memcpy(&word, at, sizeof word);
	hit = (word - EACH_BYTE(0x20)) | word | ((word & EACH_BYTE(0x7F)) + EACH_BYTE(1));
	hit &= EACH_BYTE(0x80);
	return hit ? (size_t)__builtin_ctzll(hit) / 8 : STEP;
}
#endif

/* How many bytes at the front stand for themselves: printable ASCII, which most of all text is. */
static size_t plain_run(struct bytes text)
{
	size_t i = 0;

	for (; text.len - i >= STEP; i += STEP) {
		size_t plain = plain_step(text.at + i);
		if (plain < STEP)
			return i + plain;
	}
	if (i && i < text.len) { /* the last ones, some of them again */
		i = text.len - STEP;
		return i + plain_step(text.at + i);
	}
	while (i < text.len && text.at[i] >= 0x20 && text.at[i] < 0x7F)
		i++;
	return i;
}

static void append(struct phrase *p, struct bytes text)
{
	memcpy(p->at + p->len, text.at, text.len);
	p->len += text.len;
	p->at[p->len] = '\0';
}

/* One character that is no printable ASCII; returns how many bytes of the text it took. */
static size_t put_odd(struct phrase *p, struct bytes text)
{
	size_t n = character_length(text), taken = n ? n : 1;
	struct bytes character = bytes_of(text.at, taken);

	if (n == 0 || is_control(text, n))
		character = BYTES("?");
	if (character.len >= p->cap - p->len)
		cut(p);
	else
		append(p, character);
	return taken;
}

void phrase_put_bytes(struct phrase *p, struct bytes text)
{
	while (text.len && !p->cut) {
		size_t run = plain_run(text), room = p->cap - p->len - 1;
		append(p, bytes_slice(text, 0, run < room ? run : room));
		if (run > room)
			cut(p);
		text = bytes_from(text, run);
		if (text.len && !p->cut)
			text = bytes_from(text, put_odd(p, text));
	}
}

void phrase_put(struct phrase *p, const char *text)
{
	phrase_put_bytes(p, bytes_str(text));
}

void phrase_put_quoted(struct phrase *p, struct bytes text)
{
	size_t len = text.len;

	if (len > PHRASE_QUOTE_MAX) {
		len = PHRASE_QUOTE_MAX - (sizeof DOTS - 1);
		while (len && (text.at[len] & 0xC0) == 0x80)
			len--;
	}
	phrase_put(p, "\"");
	phrase_put_bytes(p, bytes_of(text.at, len));
	phrase_put(p, len < text.len ? DOTS "\"" : "\"");
}

void phrase_put_decimal(struct phrase *p, uint64_t value)
{
	char digits[20];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	phrase_put_bytes(p, bytes_of(digits + at, sizeof digits - at));
}
