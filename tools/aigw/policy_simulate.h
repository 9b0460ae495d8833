/* SPDX-License-Identifier: MIT
 *
 * policy_simulate: puts the requests that the log tells of to a draft of a policy, and says what
 * would be different (aigw policy simulate).
 */
#ifndef AIGW_TOOL_POLICY_SIMULATE_H
#define AIGW_TOOL_POLICY_SIMULATE_H

#include "policy/load.h"

/* `since` NULL: all that the log has. `store`: where gateway keys are, NULL for where the draft has
 * them. Problems are said on stderr; the result is an exit status: 0
 * nothing would be different, 1 something would. */
int policy_simulate(const struct places *places, const char *draft_path, const char *since,
		    const char *store, bool json);

#endif
