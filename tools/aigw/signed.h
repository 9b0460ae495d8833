/* SPDX-License-Identifier: MIT
 *
 * signed: a JSON document that somebody vouches for:
 *
 *     {"statement": ANY JSON, "signer": "aigw-sign1...", "signature": "128 hex digits"}
 *
 * The signature (Ed25519) covers a label and the bytes of the statement exactly as they stand in
 * the file: a reformatted file does not check. Without `signer` nobody vouches. Also the plain
 * codings that such documents need. Pure.
 */
#ifndef AIGW_TOOL_SIGNED_H
#define AIGW_TOOL_SIGNED_H

#include "audit/seal.h"
#include "wire/json.h"

#define SIGNED_BYTES_MAX (512u << 20)

struct signed_text {
	struct bytes statement;
	bool has_signer;
	uint8_t signer[SEAL_KEY_BYTES];
	bool signature_right; /* with has_signer */
};

/* Appends the document and a line end. `signer` NULL: nobody vouches. ERR_NOMEM. */
MUST_USE enum err signed_put(struct buf *out, struct bytes label, struct bytes statement,
			     const struct signer *signer);
/* ERR_BAD: not such a document; ERR_LIMIT; ERR_NOMEM. A wrong signature is OK, and told. */
MUST_USE enum err signed_parse(struct bytes text, struct bytes label, struct signed_text *ret_text);

/* Exactly `len` bytes from hexadecimal digits of either case. */
bool signed_parse_hex(struct bytes text, uint8_t *ret_bytes, size_t len);
/* Appends what base 64 (RFC 4648 4, with padding) means. ERR_BAD, ERR_NOMEM. */
MUST_USE enum err signed_put_unbase64(struct buf *out, struct bytes text);

/* Members of JSON text by pointer (json_find); all answer ERR_MISSING, ERR_BAD for another type.
 * The string is the raw text between the quotes and may not have escapes. */
MUST_USE enum err signed_find_text(struct bytes json, const char *pointer, struct bytes *ret_text);
MUST_USE enum err signed_find_u64(struct bytes json, const char *pointer, uint64_t *ret_value);
MUST_USE enum err signed_find_hex(struct bytes json, const char *pointer, uint8_t *ret_bytes,
				  size_t len);
MUST_USE enum err signed_find_base64(struct bytes json, const char *pointer, struct buf *ret_bytes);

/* The elements of a JSON array, one after the other. */
struct signed_items {
	struct json scan;
	struct bytes array;
};
/* ERR_MISSING, ERR_BAD: no array there. */
MUST_USE enum err signed_find_items(struct bytes json, const char *pointer,
				    struct signed_items *ret_items);
/* False at the end. */
bool signed_next_item(struct signed_items *items, struct bytes *ret_item);

#endif
