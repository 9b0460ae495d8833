/* SPDX-License-Identifier: MIT
 *
 * json_array: takes one JSON array (RFC 8259) apart into its elements while it arrives, in any
 * split, as Gemini's streamGenerateContent sends it: "[{...},\n{...}]".
 *
 * Pure. Only as much of the grammar is looked at as is needed to find where an element ends: that
 * an element is JSON is for its reader to find out.
 */
#ifndef AIGW_WIRE_JSON_ARRAY_H
#define AIGW_WIRE_JSON_ARRAY_H

#include "base/bytes.h"

/* One element; beyond: ERR_LIMIT, following ends. */
#define JSON_ARRAY_ELEMENT_BYTES_MAX (4u << 20)

/* Zero-initialised is ready. */
struct json_array {
	struct buf element; /* the part of it that came in earlier pieces */
	bool given;         /* `element` was given out and is no longer needed */
	uint8_t state;
	bool in_string, escaped;
	uint32_t depth;  /* brackets open inside the element */
	enum err failed; /* ERR_BAD or ERR_LIMIT, from then on always */
};

void json_array_done(struct json_array *a);

/* Consumes from the front of *in until one element is complete: OK and its text in *ret_element
 * (call again with what is left), ERR_MORE when *in is used up, ERR_BAD (no array, or bytes behind
 * it), ERR_LIMIT, ERR_NOMEM (may be called again with what is left of *in). The element is a view
 * into what *in was, or into the parser, valid until the next call. */
MUST_USE enum err json_array_next(struct json_array *a, struct bytes *in,
				  struct bytes *ret_element);

/* The closing bracket was read. */
bool json_array_has_ended(const struct json_array *a);

#endif
