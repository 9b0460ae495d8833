/* SPDX-License-Identifier: MIT
 *
 * drain_forget: what is kept of a sink that the policy no longer names. Until it is forgotten, a
 * sink that was required holds retention back: that must not end because a name was mistyped.
 */
#ifndef AIGW_TOOL_DRAIN_FORGET_H
#define AIGW_TOOL_DRAIN_FORGET_H

/* Removes the files of the sink `name` in `directory` and says what that means. An exit status. */
int drain_forget(const char *directory, const char *name);

#endif
