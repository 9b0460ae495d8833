/* SPDX-License-Identifier: MIT
 *
 * request: what a request asks: reading model and stream strictly, wherever its endpoint has them,
 * so that no server can understand another model than the one that was decided on.
 *
 * Pure, no allocation. One pass over the body, which is validated to its end.
 */
#ifndef AIGW_LLM_REQUEST_H
#define AIGW_LLM_REQUEST_H

#include "llm/dialect.h"

/* Reads a request as one for `endpoint` (NULL: unknown) whose path has `path_model` where the model
 * stands (empty: nothing).
 *
 * A JSON body must be one strict object, unless the endpoint says any_body; no body at all is fine
 * when it needs no model. The model must be a string of 1 to MODEL_BYTES_MAX bytes of UTF-8 without
 * NUL, `stream` a boolean or null; either may be repeated with the same value only, and a key that
 * differs from the model's in case only is refused, because some servers take it for the model.
 * The same holds for the fields of a multipart form and the parameters of a query.
 * Without an endpoint the operation is OP_UNKNOWN, and a body that is not a JSON object is left
 * alone unless its type says application/json; the model rules hold there too, except that a model
 * which is not a string counts as none.
 *
 * OK; ERR_AMBIGUOUS ("ambiguous_request"), ERR_BAD, ERR_LIMIT ("malformed_request"),
 * ERR_UNSUPPORTED ("unsupported_content_encoding"), with *ret_fault. */
MUST_USE enum err request_read(const struct request_view *request, const struct endpoint *endpoint,
			       struct bytes path_model, struct call *ret_call,
			       struct fault *ret_fault);

#endif
