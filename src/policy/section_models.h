/* SPDX-License-Identifier: MIT
 *
 * section_models: the object {"allow": [...], "deny": [...]} of a scope, and the check that each of
 * its patterns can match something. Needs the policy's providers to have been read.
 */
#ifndef AIGW_POLICY_SECTION_MODELS_H
#define AIGW_POLICY_SECTION_MODELS_H

#include "policy/reader.h"

/* Into a struct model_rules. */
reader_fn section_models_read;

/* Fills rules->where from r->path, also for a scope that says nothing of models. ERR_NOMEM. */
MUST_USE enum err section_models_place(struct reader *r, struct model_rules *rules);

/* As a key or a string of the text at byte `start`: makes the pattern lower case and checks that
 * it can match something. ERR_BAD, ERR_LIMIT. */
MUST_USE enum err section_models_check(struct reader *r, size_t start, struct bytes pattern);

#endif
