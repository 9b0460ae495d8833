/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/large.h"

#define BUF_FIRST_CAP 256
#define BUF_STEP      64

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

#ifdef __SSE2__
/* With ASCII letters in lower case. Compared as signed, what is above 0x7F is below 'A'. */
static inline __m128i lowered(__m128i bytes)
{
	__m128i upper = _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8('A' - 1)),
				      _mm_cmplt_epi8(bytes, _mm_set1_epi8('Z' + 1)));

	return _mm_or_si128(bytes, _mm_and_si128(upper, _mm_set1_epi8(0x20)));
}

static inline bool same_sixteen(__m128i a, __m128i b)
{
	return _mm_movemask_epi8(_mm_cmpeq_epi8(lowered(a), lowered(b))) == 0xFFFF;
}

static inline __m128i sixteen_at(const uint8_t *at)
{
	return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* The first eight and the last eight, which may be some of them again. */
static inline __m128i eight_and_eight(const uint8_t *at, size_t len)
{
	return _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(const void *)at),
				  _mm_loadl_epi64((const __m128i *)(const void *)(at + len - 8)));
}

static inline bool same_long(const uint8_t *a, const uint8_t *b, size_t len)
{
	if (len <= 16)
		return same_sixteen(eight_and_eight(a, len), eight_and_eight(b, len));
	for (size_t i = 0; len - i > 16; i += 16)
		if (!same_sixteen(sixteen_at(a + i), sixteen_at(b + i)))
			return false;
	return same_sixteen(sixteen_at(a + len - 16), sixteen_at(b + len - 16));
}
#else
#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Of eight bytes, the top bit of those that are ASCII letters in lower case. */
static uint64_t lower_letters(uint64_t word)
{
	uint64_t low = word & EACH_BYTE(0x7F);

	/* From 'a' on, and not behind 'z', and ASCII. */
	return ((low + EACH_BYTE(0x80 - 'a')) ^ (low + EACH_BYTE(0x7F - 'z'))) & ~word &
	       EACH_BYTE(0x80);
}

/* Eight bytes of each: the same, or letters that differ in case only. */
static bool same_eight(const uint8_t *a, const uint8_t *b)
{
	uint64_t one, two, differ;

	memcpy(&one, a, sizeof one);
	memcpy(&two, b, sizeof two);
	differ = one ^ two;
	if (!differ)
		return true;
	return !(differ & ~EACH_BYTE(0x20)) &&
	       !(differ << 2 & ~lower_letters(one | EACH_BYTE(0x20)));
}

/* Of at least eight bytes; the last eight again, rather than the rest one by one. */
static inline bool same_long(const uint8_t *a, const uint8_t *b, size_t len)
{
	for (size_t i = 0; len - i > 8; i += 8)
		if (!same_eight(a + i, b + i))
			return false;
	return same_eight(a + len - 8, b + len - 8);
}
#endif

bool bytes_same_nocase(const uint8_t *a, const uint8_t *b, size_t len)
{
	if (len >= 8)
		return same_long(a, b, len);
	for (size_t i = 0; i < len; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

void bytes_put_lower(uint8_t *to, struct bytes from)
{
	size_t i = 0;

#ifdef __SSE2__
	for (; from.len - i >= 16; i += 16)
		_mm_storeu_si128((__m128i *)(void *)(to + i), lowered(sixteen_at(from.at + i)));
	if (from.len - i >= 8) {
		__m128i eight = _mm_loadl_epi64((const __m128i *)(const void *)(from.at + i));
		_mm_storel_epi64((__m128i *)(void *)(to + i), lowered(eight));
		i += 8;
	}
#endif
	for (; i < from.len; i++)
		to[i] = lower(from.at[i]);
}

int bytes_compare(struct bytes a, struct bytes b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.at, b.at, n) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

#ifdef __SSE2__
#define FIND_SHORT_MAX 16 /* of longer needles memmem bounds the work that a hostile text makes */
#define STEP           16

/* Of the places `at` to `at` + 15, those where the needle's first byte stands and, `behind` bytes
 * later, its last. */
static inline __m128i candidates(const uint8_t *at, size_t behind, __m128i first, __m128i last)
{
	return _mm_and_si128(_mm_cmpeq_epi8(sixteen_at(at), first),
			     _mm_cmpeq_epi8(sixteen_at(at + behind), last));
}

/* `places`: how many there are where the needle may begin; at least STEP. */
static size_t find_short(struct bytes whole, struct bytes needle, size_t places)
{
	const __m128i first = _mm_set1_epi8((char)needle.at[0]);
	const __m128i last = _mm_set1_epi8((char)needle.at[needle.len - 1]);
	const size_t behind = needle.len - 1;

	for (size_t at = 0;; at += STEP) {
		const uint8_t *here = whole.at + at;
		/* Mostly there is none in two steps. */
		while (places - at >= 3 * STEP &&
		       !_mm_movemask_epi8(
			       _mm_or_si128(candidates(here, behind, first, last),
					    candidates(here + STEP, behind, first, last)))) {
			at += 2 * STEP;
			here += 2 * STEP;
		}
		if (at + STEP > places)
			at = places - STEP; /* the last ones, some of them again */
		for (unsigned hits = (unsigned)_mm_movemask_epi8(
			     candidates(whole.at + at, behind, first, last));
		     hits; hits &= hits - 1) {
			size_t hit = at + (size_t)__builtin_ctz(hits);
			if (memcmp(whole.at + hit, needle.at, needle.len) == 0)
				return hit;
		}
		if (at + STEP == places)
			return SIZE_MAX;
	}
}
#endif

size_t bytes_find(struct bytes whole, struct bytes needle)
{
	if (needle.len == 0)
		return 0;
	if (whole.len < needle.len)
		return SIZE_MAX;
#ifdef __SSE2__
	size_t places = whole.len - needle.len + 1;
	if (needle.len <= FIND_SHORT_MAX && places >= STEP)
		return find_short(whole, needle, places);
#endif
	const uint8_t *hit = memmem(whole.at, whole.len, needle.at, needle.len);
	return hit ? (size_t)(hit - whole.at) : SIZE_MAX;
}

struct bytes bytes_cut(struct bytes *rest, uint8_t sep)
{
	size_t at = bytes_find_byte(*rest, sep);
	struct bytes part = *rest;

	if (at == SIZE_MAX) {
		*rest = BYTES_NONE;
		return part;
	}
	part.len = at;
	*rest = bytes_from(*rest, at + 1);
	return part;
}

enum err bytes_parse_u64(struct bytes digits, uint64_t max, uint64_t *ret_value)
{
	uint64_t v = 0;

	if (digits.len == 0)
		return ERR_BAD;
	for (size_t i = 0; i < digits.len; i++) {
		uint64_t d = (uint64_t)digits.at[i] - '0';
		if (digits.at[i] < '0' || d > 9)
			return ERR_BAD;
		if (d > max || v > (max - d) / 10)
			return ERR_BAD;
		v = v * 10 + d;
	}
	*ret_value = v;
	return OK;
}

bool bytes_match(struct bytes pattern, struct bytes text, bool nocase)
{
	size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0;

	while (t < text.len) {
		if (p < pattern.len && pattern.at[p] == '*') {
			star = p++;
			star_text = t;
			continue;
		}
		bool same = p < pattern.len &&
			    (pattern.at[p] == '?' || pattern.at[p] == text.at[t] ||
			     (nocase && lower(pattern.at[p]) == lower(text.at[t])));
		if (same) {
			p++, t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++star_text;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.at[p] == '*')
		p++;
	return p == pattern.len;
}

/* Length of the well-formed UTF-8 sequence at `at` (1 to 4), or 0. RFC 3629 section 4. */
static size_t utf8_length(const uint8_t *at, size_t left)
{
	uint8_t c = at[0];
	size_t n;
	uint8_t low = 0x80, high = 0xBF;

	if (c < 0x80)
		return 1;
	if (c >= 0xC2 && c <= 0xDF) {
		n = 2;
	} else if (c >= 0xE0 && c <= 0xEF) {
		n = 3;
		if (c == 0xE0)
			low = 0xA0;
		if (c == 0xED)
			high = 0x9F;
	} else if (c >= 0xF0 && c <= 0xF4) {
		n = 4;
		if (c == 0xF0)
			low = 0x90;
		if (c == 0xF4)
			high = 0x8F;
	} else {
		return 0;
	}
	if (left < n || at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((at[i] & 0xC0) != 0x80)
			return 0;
	return n;
}

/* How many bytes at the front are ASCII, eight at a time: most of all text is. */
static size_t ascii_run(struct bytes b)
{
	size_t i = 0;
	uint64_t word;

	for (; b.len - i >= sizeof word; i += sizeof word) {
		memcpy(&word, b.at + i, sizeof word);
		if (word & UINT64_C(0x8080808080808080))
			break;
	}
	while (i < b.len && b.at[i] < 0x80)
		i++;
	return i;
}

bool bytes_is_utf8(struct bytes b)
{
	for (size_t i = 0; i < b.len;) {
		i += ascii_run(bytes_from(b, i));
		if (i == b.len)
			break;
		size_t n = utf8_length(b.at + i, b.len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

void wipe(void *at, size_t len)
{
	if (len)
		memset(at, 0, len);
	__asm__ __volatile__("" : : "r"(at) : "memory");
}

void buf_done(struct buf *b)
{
	if (b->at) {
		wipe(b->at, b->cap);
		large_give(b->at, b->cap);
	}
	b->at = NULL;
	b->len = b->cap = 0;
	b->failed = OK;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = OK;
}

enum err buf_grow(struct buf *b, size_t more)
{
	size_t max = b->max ? b->max : SIZE_MAX / 2;
	size_t cap = b->cap ? b->cap : BUF_FIRST_CAP;
	uint8_t *at;

	if (b->failed)
		return b->failed;
	if (more > max || b->len > max - more)
		return ERR_LIMIT;
	if (b->len + more <= b->cap)
		return OK;
	/* Twice as much, or what one large piece needs and no page more: all of it is wiped. */
	if (b->cap)
		cap *= 2;
	if (cap < b->len + more)
		cap = (b->len + more + BUF_STEP - 1) / BUF_STEP * BUF_STEP;
	/* Not realloc: the old copy may hold a secret, and realloc would leave it behind. */
	at = large_take(cap, &cap);
	if (!at)
		return ERR_NOMEM;
	if (b->len)
		memcpy(at, b->at, b->len);
	if (b->at) {
		wipe(b->at, b->len);
		large_give(b->at, b->cap);
	}
	b->at = at;
	b->cap = cap;
	return OK;
}

enum err buf_put(struct buf *b, struct bytes data)
{
	enum err e = buf_reserve(b, data.len);

	if (e)
		return e;
	if (data.len)
		memcpy(b->at + b->len, data.at, data.len);
	b->len += data.len;
	return OK;
}

static inline enum err put_little_endian(struct buf *b, uint64_t v, size_t width)
{
	uint8_t out[8];

	for (size_t i = 0; i < width; i++)
		out[i] = (uint8_t)(v >> (8 * i));
	return buf_put(b, bytes_of(out, width));
}

enum err buf_put_u8(struct buf *b, uint8_t v)
{
	return put_little_endian(b, v, 1);
}

enum err buf_put_u16(struct buf *b, uint16_t v)
{
	return put_little_endian(b, v, 2);
}

enum err buf_put_u32(struct buf *b, uint32_t v)
{
	return put_little_endian(b, v, 4);
}

enum err buf_put_u64(struct buf *b, uint64_t v)
{
	return put_little_endian(b, v, 8);
}

enum err buf_put_str(struct buf *b, const char *s)
{
	return buf_put(b, bytes_str(s));
}

enum err buf_put_decimal(struct buf *b, uint64_t v)
{
	uint8_t out[20];
	size_t at = sizeof out;

	do {
		out[--at] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v);
	return buf_put(b, bytes_of(out + at, sizeof out - at));
}

static const char hex_digits[] = "0123456789abcdef";

enum err buf_put_hex(struct buf *b, struct bytes data)
{
	enum err e = data.len > SIZE_MAX / 4 ? ERR_LIMIT : buf_reserve(b, data.len * 2);

	if (e)
		return e;
	for (size_t i = 0; i < data.len; i++) {
		b->at[b->len++] = (uint8_t)hex_digits[data.at[i] >> 4];
		b->at[b->len++] = (uint8_t)hex_digits[data.at[i] & 15];
	}
	return OK;
}

/* The escape of one byte below 0x20, a quote or a backslash. */
static enum err put_json_escape(struct buf *b, uint8_t c)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *hit = c ? strchr(from, c) : NULL;

	if (hit) {
		uint8_t two[2] = {'\\', (uint8_t)to[hit - from]};
		return buf_put(b, bytes_of(two, 2));
	}
	uint8_t six[6] = {
		'\\', 'u', '0', '0', (uint8_t)hex_digits[c >> 4], (uint8_t)hex_digits[c & 15]};
	return buf_put(b, bytes_of(six, 6));
}

enum err buf_put_json_string(struct buf *b, struct bytes text)
{
	size_t start = b->len, i = 0, run = 0;
	enum err e = buf_put_u8(b, '"');

	while (!e && i < text.len) {
		size_t n = utf8_length(text.at + i, text.len - i);
		uint8_t c = text.at[i];
		if (n && c >= 0x20 && c != '"' && c != '\\') {
			i += n;
			run += n;
			continue;
		}
		e = buf_put(b, bytes_slice(text, i - run, run));
		run = 0;
		if (!e)
			e = n ? put_json_escape(b, c) : buf_put(b, BYTES("\xEF\xBF\xBD"));
		i++;
	}
	if (!e)
		e = buf_put(b, bytes_slice(text, i - run, run));
	if (!e)
		e = buf_put_u8(b, '"');
	if (e)
		b->len = start;
	return e;
}

void buf_drop_front(struct buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->at, b->at + n, b->len - n);
	b->len -= n;
}

struct cursor cursor_over(struct bytes b)
{
	return (struct cursor){b.at, b.len ? b.at + b.len : b.at, false};
}

size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

struct bytes cursor_take(struct cursor *c, size_t len)
{
	if (c->bad || cursor_left(c) < len) {
		c->bad = true;
		return BYTES_NONE;
	}
	struct bytes got = {c->at, len};
	c->at += len;
	return got;
}

static uint64_t take_little_endian(struct cursor *c, size_t width)
{
	struct bytes got = cursor_take(c, width);
	uint64_t v = 0;

	for (size_t i = 0; i < got.len; i++)
		v |= (uint64_t)got.at[i] << (8 * i);
	return v;
}

uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)take_little_endian(c, 1);
}

uint16_t cursor_u16(struct cursor *c)
{
	return (uint16_t)take_little_endian(c, 2);
}

uint32_t cursor_u32(struct cursor *c)
{
	return (uint32_t)take_little_endian(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
	return take_little_endian(c, 8);
}
