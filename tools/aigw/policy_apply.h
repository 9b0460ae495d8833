/* SPDX-License-Identifier: MIT
 *
 * policy_apply: puts a policy in force (aigw policy apply), says what that would change (diff), and
 * what was changed before (log).
 */
#ifndef AIGW_TOOL_POLICY_APPLY_H
#define AIGW_TOOL_POLICY_APPLY_H

#include <stdbool.h>

#include "policy/load.h"

/* The file at `from`, which was checked, becomes the policy that counts, and the audit log says so.
 * Problems are said on stderr; the result is an exit status. */
int policy_apply(const struct places *places, const char *from, bool json);

/* What differs between the policy that counts and the file at `to`: member by member; the order and
 * comments are not told. 0: nothing, 1: something. */
int policy_diff(const struct places *places, const char *to, bool json);

/* The changes of the policy that the log tells of, the oldest first. `since` NULL: all. */
int policy_log(const char *since, bool json);

#endif
