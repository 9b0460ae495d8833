/* SPDX-License-Identifier: MIT
 *
 * quota: the policy's limits, enforced: a call that was allowed takes what it may use from every
 * scope it is in (limits/store), and gives back what it did not use once its answer is there.
 *
 * What is taken is an estimate (llm/estimate), priced like the answer will be (policy/pricing). A
 * model without a price counts as QUOTA_ASSUMED_INPUT and _OUTPUT picodollars a token: dear rather
 * than cheap. What counts in the end:
 *
 *   the provider's own counts, when the answer is whole;
 *   nothing but the request, when the provider refused it (status 400 and above) and counted
 *   nothing;
 *   what was estimated, or the provider's counts if they are more, when the answer broke off, or
 * the connection did while the request went out, and when the answer says nothing of what it used;
 *   nothing at all, when the request never left.
 *
 * Alerts (50, 80, 100 % of a budget) are records of their own. Thread-safe.
 */
#ifndef AIGW_SHIM_QUOTA_H
#define AIGW_SHIM_QUOTA_H

#include "llm/exchange.h"
#include "policy/decide.h"
#include "shim/asked.h"
#include "shim/rules.h"

#define QUOTA_ASSUMED_INPUT  UINT32_C(5000000)  /* 5 US dollars per million tokens */
#define QUOTA_ASSUMED_OUTPUT UINT32_C(25000000) /* 25 */

/* A call that was allowed. Borrowed. */
struct quota_call {
	const char *id;
	struct rules *rules;
	const struct provider *provider;
	const struct call *call;
	struct bytes body;
};

/* Takes what `q` may use and remembers it in *tickets under its id. `d` is the call's decision; OK
 * leaves it alone, but for what scopes that only observe would have refused. ERR_LIMIT: a limit is
 * met, and *d is a refusal that says which (429), and *ret_retry_after_s when it is worth trying
 * again (0: never). All else: the limits cannot be kept, and *d is a refusal that says so (503),
 * for the caller to use or not; nothing was taken. */
MUST_USE enum err quota_take(struct buf *tickets, const struct quota_call *q, struct decision *d,
			     uint64_t *ret_retry_after_s);

/* The call goes although the limits could not be kept: its decision says so. */
void quota_put_unkept(struct decision *d, enum err e);

/* The answer is there, or will never be. */
struct quota_answer {
	const char *id;
	struct rules *rules;
	const struct following *following;
	const struct asked *asked; /* NULL: not known, then what was estimated counts */
	enum outcome outcome;
};
void quota_settle(struct buf *tickets, const struct quota_answer *a);

/* This process, a forked child, goes on with the connection that they are of: they are its own to
 * settle, and what is under way is under way here. */
void quota_adopt(struct buf *tickets);

/* The request will not go out: all of it is given back. Nothing happens when nothing was taken. */
void quota_give_back(struct buf *tickets, const char *id);
/* The same for all that are left; frees the list. */
void quota_done(struct buf *tickets);

void quota_before_fork(void);
void quota_after_fork(void);
void quota_in_child(void);

#endif
