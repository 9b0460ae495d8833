/* SPDX-License-Identifier: MIT
 *
 * key_change: what was done with a key stands in the log too: a key_change record (see recording).
 */
#ifndef AIGW_TOOL_KEY_CHANGE_H
#define AIGW_TOOL_KEY_CHANGE_H

#include "audit/record.h"
#include "policy/load.h"

/* `about`: the field that names the key, with `name`. The change itself stands when this fails;
 * that is said. */
void key_change_record(const struct places *places, const char *action, enum field about,
		       const char *name);

#endif
