/* SPDX-License-Identifier: MIT
 *
 * key_print: gateway keys as people and programs read them. Never a key or a secret itself.
 */
#ifndef AIGW_TOOL_KEY_PRINT_H
#define AIGW_TOOL_KEY_PRINT_H

#include "key_edit.h"

/* `state`: where last uses are noted. */
void key_print_list(const struct key_edit *edit, const char *state, bool json);
void key_print_one(const struct key_entry *entry, const char *state, bool json);
/* The members of a key, for an object that is under way. */
struct json_object;
void key_put_members(struct json_object *o, const struct key_entry *entry, const char *state);

#endif
