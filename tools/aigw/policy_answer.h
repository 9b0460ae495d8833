/* SPDX-License-Identifier: MIT
 *
 * policy_answer: what the policy says of a call that is not made, as people and programs read it.
 */
#ifndef AIGW_TOOL_POLICY_ANSWER_H
#define AIGW_TOOL_POLICY_ANSWER_H

#include "grid.h"
#include "keys/key_entry.h"

struct policy_answer {
	/* borrowed */
	const struct provider *provider;
	const struct call *call;
	const struct key_entry *key; /* NULL: none, or not known */
	const struct decision *decision;
	const struct buf *changes; /* of the request's body, NUL-separated */
	/* private: the rules that were asked, for either reader */
	struct grid grid;
	struct buf looks;
};

/* A look_fn; `context` is the answer. */
void policy_answer_tell(void *context, const struct look *look);
void policy_answer_print(struct policy_answer *a, bool json);
void policy_answer_done(struct policy_answer *a);

#endif
