/* SPDX-License-Identifier: MIT
 *
 * policy_edit: changes the policy that counts, in one step: the new text is checked, written
 * beside, synced and renamed, so that no program ever meets half of it. Two edits at once wait for
 * each other.
 */
#ifndef AIGW_TOOL_POLICY_EDIT_H
#define AIGW_TOOL_POLICY_EDIT_H

#include "policy/load.h"

/* Appends the new text to *ret_text. What it returns other than OK ends the edit. */
typedef enum err policy_change(struct bytes text, struct bytes word, struct buf *ret_text);

/* Applies `change` to the file at `path`, with its owner and mode kept. OK; the error of `change`;
 * ERR_LIMIT: another edit does not end; else an error that was said already (*ret_status is the
 * exit status to return; 0 when nothing was said). */
MUST_USE enum err policy_edit(const char *path, policy_change *change, struct bytes word,
			      int *ret_status);

/* Puts `text` there as it is, whatever stood there before, also nothing; owner and mode of a file
 * that was there are kept, a new one is 0600. The text must be a policy that load_policy takes. OK;
 * else an error that was said already, with *ret_status. */
MUST_USE enum err policy_install(const char *path, struct bytes text, int *ret_status);

#endif
