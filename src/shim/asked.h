/* SPDX-License-Identifier: MIT
 *
 * asked: what the requests of a connection asked for, kept until their answers are there: an answer
 * is priced by it. Requests may be pipelined, so there can be several; answers come in order.
 *
 * A list of them is a struct buf of its owner (buf_done). Pure.
 */
#ifndef AIGW_SHIM_ASKED_H
#define AIGW_SHIM_ASKED_H

#include "audit/record.h"
#include "llm/catalogue.h"

#define ASKED_PROVIDER_BYTES_MAX 63

struct asked {
	enum operation operation;
	char provider[ASKED_PROVIDER_BYTES_MAX + 1]; /* its name in policies */
	char model[MODEL_BYTES_MAX + 1];             /* "" when none was named */
};

/* Appends the request `id`. A failure, ERR_NOMEM or ERR_LIMIT, leaves the list as it was: then
 * asked_take will not find it. */
MUST_USE enum err asked_put(struct buf *list, const char id[static ULID_CHARS],
			    const struct provider *provider, const struct call *call);

/* Takes the request `id` out, and those before it, which will get no answer any more. False when it
 * is not there; then nothing is changed. */
bool asked_take(struct buf *list, const char id[static ULID_CHARS], struct asked *ret_asked);

#endif
