/* SPDX-License-Identifier: MIT
 *
 * bytes: a view (struct bytes, borrows), an owner (struct buf, owns heap memory) and a checked
 * cursor for little-endian formats (struct cursor). All of the project's parsing and formatting
 * stands on these three.
 *
 * Not here: I/O, locale, stdio. No function keeps a pointer it was given, except that a view
 * borrows what it views. Not synchronised: one thread at a time per object.
 */
#ifndef AIGW_BASE_BYTES_H
#define AIGW_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

/* A view of `len` bytes at `at`; `at` may be NULL when len is 0. Never NUL-terminated. */
struct bytes {
	const uint8_t *at;
	size_t len;
};

/* A view of a string literal, or of any char array without its last (NUL) byte. */
#define BYTES(literal) ((struct bytes){(const uint8_t *)("" literal), sizeof(literal) - 1})
#define BYTES_NONE     ((struct bytes){0})

/* The smallest of these are defined here: a call costs more than what they do. */

static inline struct bytes bytes_of(const void *at, size_t len)
{
	return (struct bytes){at, len};
}

#ifdef __clang_analyzer__
/* Seen from inside, an empty view has no address, which callers know and the analyzer tells of
 * each. */
struct bytes bytes_str(const char *nul_terminated);
struct bytes bytes_from(struct bytes whole, size_t from);
struct bytes bytes_slice(struct bytes whole, size_t from, size_t len);
#else
/* NULL gives an empty view. */
static inline struct bytes bytes_str(const char *nul_terminated)
{
	return bytes_of(nul_terminated, nul_terminated ? strlen(nul_terminated) : 0);
}

/* Everything from `from` on; empty when `from` is past the end. */
static inline struct bytes bytes_from(struct bytes whole, size_t from)
{
	return from < whole.len ? bytes_of(whole.at + from, whole.len - from) : BYTES_NONE;
}

/* The part [from, from+len), clamped to what exists. */
static inline struct bytes bytes_slice(struct bytes whole, size_t from, size_t len)
{
	struct bytes rest = bytes_from(whole, from);

	if (rest.len > len)
		rest.len = len;
	return rest;
}
#endif

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* bytes_equal_nocase of two that are of that length, which is not 0. */
bool bytes_same_nocase(const uint8_t *a, const uint8_t *b, size_t len);

/* ASCII letters compare without case; other bytes exactly. Most that are of one length differ in
 * the first byte, whatever its case. */
static inline bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || (((a.at[0] ^ b.at[0]) & ~0x20) == 0 &&
						 bytes_same_nocase(a.at, b.at, a.len)));
}

/* Copies with ASCII letters in lower case; `to` has room for all of it and does not overlap. */
void bytes_put_lower(uint8_t *to, struct bytes from);

/* Memory order, shorter first on a common prefix: <0, 0, >0. */
int bytes_compare(struct bytes a, struct bytes b);
static inline bool bytes_starts(struct bytes whole, struct bytes prefix)
{
	return whole.len >= prefix.len && bytes_equal(bytes_of(whole.at, prefix.len), prefix);
}

static inline bool bytes_ends(struct bytes whole, struct bytes suffix)
{
	return whole.len >= suffix.len &&
	       bytes_equal(bytes_from(whole, whole.len - suffix.len), suffix);
}

/* The offset of the first `needle` in `whole`, or SIZE_MAX. An empty needle is found at 0. */
size_t bytes_find(struct bytes whole, struct bytes needle);

/* The offset of the first `byte`, or SIZE_MAX. */
static inline size_t bytes_find_byte(struct bytes whole, uint8_t byte)
{
	const uint8_t *hit = whole.len ? memchr(whole.at, byte, whole.len) : NULL;

	return hit ? (size_t)(hit - whole.at) : SIZE_MAX;
}

/* Without spaces and tabs at either end (HTTP optional white space, RFC 9110 5.6.3). */
static inline struct bytes bytes_trim(struct bytes b)
{
	while (b.len && (b.at[0] == ' ' || b.at[0] == '\t'))
		b.at++, b.len--;
	while (b.len && (b.at[b.len - 1] == ' ' || b.at[b.len - 1] == '\t'))
		b.len--;
	return b;
}

/* Cuts the part before `sep` off `*rest` and returns it; the whole rest when there is no `sep`. */
struct bytes bytes_cut(struct bytes *rest, uint8_t sep);
/* Decimal digits only, at least one, value <= max: ERR_BAD otherwise. */
MUST_USE enum err bytes_parse_u64(struct bytes digits, uint64_t max, uint64_t *ret_value);
/* Shell-like match of all of `text`: `*` any run, `?` any one byte; ASCII case is ignored when
 * `nocase`. Linear in text*pattern at worst, no recursion. */
bool bytes_match(struct bytes pattern, struct bytes text, bool nocase);
/* True when every byte sequence is well-formed UTF-8 (RFC 3629; no surrogates, no overlongs). */
bool bytes_is_utf8(struct bytes b);

/* A growing byte array. Zero-initialised is a valid empty buffer without limit.
 * `max`: the largest len allowed, 0 for none (still bounded by SIZE_MAX/2). */
struct buf {
	uint8_t *at;
	size_t len, cap, max;
	enum err failed; /* set by who puts without asking each time: nothing more goes in
			    (report/text) */
};

/* Frees the memory, which is wiped first (a buffer may have held a secret); safe on {0}. */
void buf_done(struct buf *b);
/* Forgets the content and what failed, keeps the memory (not wiped). */
void buf_reset(struct buf *b);
/* Room for `more` bytes behind len. ERR_NOMEM, ERR_LIMIT (over max), or what failed before. */
MUST_USE enum err buf_grow(struct buf *b, size_t more); /* for buf_reserve: when it has to */
static inline enum err buf_reserve(struct buf *b, size_t more)
{
	bool fits = !b->failed && more <= b->cap - b->len && (!b->max || b->len + more <= b->max);

	return fits ? OK : buf_grow(b, more);
}

MUST_USE enum err buf_put(struct buf *b, struct bytes data);
MUST_USE enum err buf_put_u8(struct buf *b, uint8_t v);
MUST_USE enum err buf_put_u16(struct buf *b, uint16_t v); /* little-endian */
MUST_USE enum err buf_put_u32(struct buf *b, uint32_t v); /* little-endian */
MUST_USE enum err buf_put_u64(struct buf *b, uint64_t v); /* little-endian */
MUST_USE enum err buf_put_str(struct buf *b, const char *nul_terminated);
MUST_USE enum err buf_put_decimal(struct buf *b, uint64_t v);
MUST_USE enum err buf_put_hex(struct buf *b, struct bytes data); /* lower case */
/* A JSON string with its quotes (RFC 8259 7). Bytes that are not UTF-8 become U+FFFD. */
MUST_USE enum err buf_put_json_string(struct buf *b, struct bytes text);
/* Removes the first n bytes (n <= len) by moving the rest down. */
void buf_drop_front(struct buf *b, size_t n);
static inline struct bytes buf_view(const struct buf *b)
{
	return bytes_of(b->at, b->len);
}

/* A reader over a view. The first read past the end sets `bad` and yields zeros from then on. */
struct cursor {
	const uint8_t *at, *end;
	bool bad;
};

struct cursor cursor_over(struct bytes b);
size_t cursor_left(const struct cursor *c);
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c); /* little-endian */
uint32_t cursor_u32(struct cursor *c); /* little-endian */
uint64_t cursor_u64(struct cursor *c); /* little-endian */
struct bytes cursor_take(struct cursor *c, size_t len);

/* Overwrites memory in a way the compiler may not remove. */
void wipe(void *at, size_t len);

#endif
