/* SPDX-License-Identifier: MIT
 *
 * request: what all dialects that name the model in a JSON body share: finding the operation by
 * method and path, and reading `model` and `stream` strictly, so that no server can understand
 * another model than the one that was decided on. For the dialects only.
 *
 * Pure, no allocation. One pass over the body, which is validated to its end.
 */
#ifndef AIGW_LLM_REQUEST_H
#define AIGW_LLM_REQUEST_H

#include "llm/dialect.h"

/* A method and the last segments of a path. `*` stands for exactly one segment. The path before
 * them may be anything: compatible servers mount the same API under /v1, /openai/v1, /api/v1. */
struct route {
	const char *method;
	const char *path; /* begins with '/': "/responses/<any>/cancel" is "/responses/" "*"
			     "/cancel" */
	enum operation operation;
};

/* Reads a request by the first route that fits. Runs of slashes count as one, one at the end does
 * not count, and percent-encoded bytes mean what they encode (RFC 3986 6.2.2), as routers do it.
 *
 * A body of a route's operation must be one strict JSON object (no body at all is fine when the
 * operation needs no model). `model` must be a string of 1 to MODEL_BYTES_MAX bytes without NUL,
 * `stream` a boolean or null; either may be repeated with the same value only, and a key that
 * differs from "model" in case only is refused, because some servers take it for the model.
 * Without a route the operation is OP_UNKNOWN, and a body that is not a JSON object is left alone
 * unless its type says application/json; the model rules hold there too, except that a model which
 * is not a string counts as none.
 *
 * OK; ERR_AMBIGUOUS ("ambiguous_request"), ERR_BAD, ERR_LIMIT ("malformed_request"),
 * ERR_UNSUPPORTED ("unsupported_content_encoding"), with *ret_fault. */
MUST_USE enum err request_read(const struct request_view *request, const struct route *routes,
			       size_t route_count, struct call *ret_call, struct fault *ret_fault);

#endif
