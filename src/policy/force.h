/* SPDX-License-Identifier: MIT
 *
 * force: the fields that a decision forces into a request's body: what the body becomes, what was
 * changed, and the receipt.
 *
 * Pure.
 */
#ifndef AIGW_POLICY_FORCE_H
#define AIGW_POLICY_FORCE_H

#include "policy/decide.h"
#include "wire/http1.h"

/* What became of it. Zero-initialised is nothing. */
struct force {
	bool changed;       /* the request goes out with `body` in place of its own */
	bool impossible;    /* not all of them could be forced, and none was */
	struct buf body;    /* when changed */
	struct buf changes; /* "/store: absent -> false", NUL-separated: what was or had to be
			       changed */
	enum receipt receipt;
};

/* Forces d->forced into the body of `q`, which is complete. `head_gone`: its head is on its way
 * already. ERR_NOMEM; *ret is impossible then. */
MUST_USE enum err force_fields(const struct http1_request *q, const struct decision *d,
			       bool head_gone, struct force *ret);

void force_done(struct force *f);

#endif
