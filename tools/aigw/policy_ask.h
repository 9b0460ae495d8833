/* SPDX-License-Identifier: MIT
 *
 * policy_ask: what the policy says of a call that is not made: one described by options (aigw
 * policy explain), or a whole request in a file (aigw policy test).
 */
#ifndef AIGW_TOOL_POLICY_ASK_H
#define AIGW_TOOL_POLICY_ASK_H

#include "args.h"
#include "policy/load.h"

/* The options of the two; NULL: not given. */
struct policy_ask {
	const char *program, *sha256, *user, *cgroup, *parent, *environment; /* of the process */
	struct text_list groups;
	const char *provider, *model, *operation, *path, *host; /* of the call */
	struct text_list features;
	uint64_t max_tokens, body_bytes;
	bool websocket;
	const char *key, *store; /* a gateway key's name, and where keys are */
	const char *day;         /* "2027-01-31"; today */
	bool json;
};

/* By the policy file at `policy_path`, with the gateway keys of the places. Problems are said on
 * stderr; the result is an exit status: 0 the call is allowed, 1 refused. */
int policy_explain(const struct places *places, const char *policy_path,
		   const struct policy_ask *ask);
int policy_test(const struct places *places, const char *policy_path, const char *request_path,
		const struct policy_ask *ask);

#endif
