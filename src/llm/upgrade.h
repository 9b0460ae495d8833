/* SPDX-License-Identifier: MIT
 *
 * upgrade: what a request for a WebSocket asks of a model. It has no body: the model stands in the
 * address (OpenAI's realtime: /v1/realtime?model=...), or is only named in a message later.
 *
 * Pure.
 */
#ifndef AIGW_LLM_UPGRADE_H
#define AIGW_LLM_UPGRADE_H

#include "llm/catalogue.h"

/* Fills *ret_call as provider_read_call does, and the model from the query when that finds none: no
 * model is no error. The errors of provider_read_call, and ERR_AMBIGUOUS (two models), ERR_BAD, ERR_LIMIT for the query, with
 * *ret_fault. */
MUST_USE enum err upgrade_read_call(const struct provider *p, const struct request_view *request,
				    struct call *ret_call, struct fault *ret_fault);

#endif
