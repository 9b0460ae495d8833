/* SPDX-License-Identifier: MIT
 *
 * sections: what a policy file consists of: one table per kind of object, and the checks that
 * need to know what a policy means. Used by policy_parse only.
 */
#ifndef AIGW_POLICY_SECTIONS_H
#define AIGW_POLICY_SECTIONS_H

#include "policy/reader.h"

/* Reads the outermost value of r->text into r->policy. On an error, *r->problem is filled. */
MUST_USE enum err sections_read(struct reader *r, const struct value *v);

#endif
