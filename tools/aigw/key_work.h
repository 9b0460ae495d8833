/* SPDX-License-Identifier: MIT
 *
 * key_work: what the actions of `aigw key` share.
 */
#ifndef AIGW_TOOL_KEY_WORK_H
#define AIGW_TOOL_KEY_WORK_H

#include "args.h"
#include "key_edit.h"

#define KEY_COMMAND   "key"
#define KEY_SECOND_NS 1000000000u

struct key_wish {
	const char *environment, *name, *user, *exe, *expires, *at, *overlap, *file, *store;
	struct text_list providers, models, denied, applications, limits;
	bool json, remove;
};

/* What an action works with. */
struct key_work {
	const struct key_wish *w;
	const char *word; /* its operand, or NULL */
	struct places places;
	const char *directory, *state; /* where keys are, and where last uses are noted */
	struct key_edit edit;
	uint64_t now;
};

/* Is that a name at all, and of a provider that is known? Says what is wrong; an exit status. */
int key_check_name(const char *what, const char *name);
int key_check_provider(const struct key_work *k, const char *name);

/* `aigw key import`: a provider's key comes in, or goes. An exit status. */
int key_import(struct key_work *k);

#endif
