/* SPDX-License-Identifier: MIT
 *
 * body_edit: a request with another body: a few bytes put in or replaced, its length (or its
 * chunks) made right, every other byte as the program wrote it. Knows JSON and HTTP, not why.
 *
 * Pure. Hazards: providers.md 4.9.
 */
#ifndef AIGW_LLM_BODY_EDIT_H
#define AIGW_LLM_BODY_EDIT_H

#include "wire/http1.h"

/* False when something in the head speaks of the body's exact bytes (a digest, a signature, AWS's
 * SigV4 among them, a coding, trailers), so that a changed one would be refused or be a lie.
 * `head_gone`: the head is on its way already, and the body may be framed anew. `q` is complete. */
bool body_edit_is_possible(const struct http1_request *q, bool head_gone);

/* Appends the whole request with `body` in place of its own. `limit_codings`: an Accept-Encoding
 * becomes "identity". ERR_NOMEM; *out is as before then. */
MUST_USE enum err body_edit_put(const struct http1_request *q, struct bytes body,
				bool limit_codings, struct buf *out);

/* True when limit_codings would change something. */
bool body_edit_limits_codings(const struct http1_request *q);

/* Appends one chunk's size line (RFC 9112 7.1). ERR_NOMEM. */
MUST_USE enum err body_edit_put_size(struct buf *out, size_t size);

/* How a member was found. */
enum body_edit_found { FOUND_SAME, FOUND_ABSENT, FOUND_OTHER };

/* Appends the JSON object `body` with the member at `path` ("store", "provider.zdr": names from the
 * outermost in) being `value` (JSON). FOUND_SAME: it is already, nothing was appended. Objects on
 * the way are made where they are absent or null. *ret_before: with FOUND_OTHER, what was there
 * (view into body). ERR_UNSUPPORTED: no object, a member on the way that stands twice or is none,
 * an object or array where the value should be; ERR_NOMEM. *out is as before then. */
MUST_USE enum err body_edit_set(struct bytes body, const char *path, struct bytes value,
				struct buf *out, enum body_edit_found *ret_found,
				struct bytes *ret_before);

#endif
