/* SPDX-License-Identifier: MIT
 *
 * section_set: the object "set" of a scope: fields that are forced into request bodies, by
 * provider.
 */
#ifndef AIGW_POLICY_SECTION_SET_H
#define AIGW_POLICY_SECTION_SET_H

#include "policy/reader.h"

/* Into the member `set` of a struct scope_rules, and its set_count. */
reader_fn section_set_read;

#endif
