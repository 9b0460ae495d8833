/* SPDX-License-Identifier: MIT
 *
 * recipients: adds to and removes from audit.recipients in the text of a policy, and leaves every
 * other byte of it alone, comments included. Pure.
 */
#ifndef AIGW_TOOL_RECIPIENTS_H
#define AIGW_TOOL_RECIPIENTS_H

#include "base/bytes.h"

/* Appends the text with `recipient` at the end of the list. ERR_MISSING: the policy has no
 * audit.recipients; ERR_STATE: it is in there already; ERR_BAD: not a policy's JSON; ERR_NOMEM. */
MUST_USE enum err recipients_add(struct bytes text, struct bytes recipient, struct buf *ret_text);
/* ... without it; ERR_MISSING: it is not in there. Comments between it and its neighbour go too. */
MUST_USE enum err recipients_remove(struct bytes text, struct bytes recipient,
				    struct buf *ret_text);

#endif
