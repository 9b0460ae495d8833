/* SPDX-License-Identifier: MIT
 *
 * base64: decoding as strict as RFC 4648 section 4 allows: full groups with padding, no other
 * bytes, no bits left over.
 */
#ifndef AIGW_WIRE_BASE64_H
#define AIGW_WIRE_BASE64_H

#include "base/bytes.h"

/* Appends what `text` encodes. ERR_BAD (nothing is appended), ERR_NOMEM, ERR_LIMIT. */
MUST_USE enum err base64_put_decoded(struct buf *out, struct bytes text);

#endif
