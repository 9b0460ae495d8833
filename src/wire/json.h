/* SPDX-License-Identifier: MIT
 *
 * json: a strict pull scanner for JSON text (RFC 8259) that says at which byte every token stands,
 * so that a decision can point into the request and a rewrite can change just those bytes.
 *
 * Pure: no I/O, no allocation (except json_put_unescaped, into the caller's buffer), no globals.
 * Tokens are views into the text and live as long as it does. Strict means: valid UTF-8, no
 * trailing commas, no leading zeros, no control characters in strings, exactly one value.
 * With JSON_COMMENTS, line and block comments count as white space (the policy file has them).
 * Not here: number conversion beyond json_number_u64, duplicate-key policy (the caller sees every
 * key), building trees.
 */
#ifndef AIGW_WIRE_JSON_H
#define AIGW_WIRE_JSON_H

#include "base/bytes.h"

#define JSON_DEPTH_MAX 512 /* deeper nesting is ERR_LIMIT; longest seen in practice: below 40 */

enum json_kind {
	JSON_OBJECT, /* { */
	JSON_OBJECT_END,
	JSON_ARRAY, /* [ */
	JSON_ARRAY_END,
	JSON_KEY, /* a member's name; its value is the next token */
	JSON_STRING,
	JSON_NUMBER,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
};

struct json_token {
	enum json_kind kind;
	bool escaped;     /* KEY, STRING: raw has backslashes, use json_put_unescaped */
	uint32_t depth;   /* containers open around this token; a container and its end agree */
	size_t start;     /* byte offset of the token's first byte in the text (a string's quote) */
	size_t end;       /* one past its last byte */
	struct bytes raw; /* the token's bytes; strings and keys without their quotes */
};

enum json_option { JSON_STRICT = 0, JSON_COMMENTS = 1 };

struct json {
	struct bytes text;
	size_t at;           /* where scanning goes on; after ERR_BAD: where it went wrong */
	const char *problem; /* after ERR_BAD/ERR_LIMIT: what was expected, for people */
	uint32_t depth;
	uint8_t state;
	uint8_t options;
	bool in_object;                              /* the innermost open container is one */
	uint8_t is_object[(JSON_DEPTH_MAX + 7) / 8]; /* one bit per open container */
};

/* Starts a scan of `text`, which must outlive the scanner. */
void json_init(struct json *j, struct bytes text, enum json_option options);

/* The next token. OK; ERR_END after the one value and only white space; ERR_BAD; ERR_LIMIT
 * (nesting). After an error every further call gives the same error. */
MUST_USE enum err json_next(struct json *j, struct json_token *ret_token);

/* Passes over the rest of the value that `token` begins (a scalar: nothing to do; a KEY: its
 * value). On OK, *ret_end is one past the value's last byte. ERR_STATE when the scan has left that
 * value already; else the errors of json_next. */
MUST_USE enum err json_skip(struct json *j, const struct json_token *token, size_t *ret_end);

/* OK when `text` is exactly one valid JSON value. *ret_at and *ret_problem (either may be NULL)
 * tell where and why not. */
MUST_USE enum err json_check(struct bytes text, size_t *ret_at, const char **ret_problem);

/* True when the string or key token means exactly `text`, escapes resolved. No allocation. */
bool json_token_is(const struct json_token *token, struct bytes text);

/* Appends the meaning of a string or key token as UTF-8. A lone surrogate escape becomes U+FFFD. */
MUST_USE enum err json_put_unescaped(struct buf *out, const struct json_token *token);

/* A number token that is a non-negative integer that fits (also "12.0" and "1e3"): OK;
 * ERR_BAD otherwise (negative, fraction, too large). Cohere writes token counts as floats. */
MUST_USE enum err json_number_u64(const struct json_token *token, uint64_t *ret_value);

/* Finds a value by JSON pointer (RFC 6901, without ~ escapes; "" is the whole text; array elements
 * by index, e.g. "/choices/0/message"). The first match in text order; OK, ERR_MISSING, ERR_BAD,
 * ERR_LIMIT. On OK *ret_value is the value's first token and *ret_raw (may be NULL) all its bytes,
 * which are well-formed. The text after the match is not looked at; ERR_MISSING means that the
 * whole text was, and is well-formed. */
MUST_USE enum err json_find(struct bytes text, const char *pointer, struct json_token *ret_value,
			    struct bytes *ret_raw);

/* Line and column (both from 1, columns in bytes) of a byte offset. */
void json_position(struct bytes text, size_t at, uint32_t *ret_line, uint32_t *ret_column);

#endif
