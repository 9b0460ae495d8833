/* SPDX-License-Identifier: MIT
 *
 * error_shape: what an error of each API looks like, so that the SDK of a program that is refused
 * raises the exception that people know. Facts: the providers' SDKs, autumn 2026.
 *
 * Pure; allocates only in the caller's buffer.
 */
#ifndef AIGW_LLM_ERROR_SHAPE_H
#define AIGW_LLM_ERROR_SHAPE_H

#include "base/bytes.h"

/* A refusal as the provider's SDK expects it. */
struct refusal {
	int status;       /* HTTP status: 400 401 403 413 429 503 */
	const char *code; /* "policy_denied", "request_too_large" ... */
	struct bytes message;
	struct bytes rule;      /* the rule that decided */
	struct bytes id;        /* the record's ULID, 26 characters */
	uint64_t retry_after_s; /* 0: it is not said when to try again */
	bool head;              /* the request was HEAD: no body */
	bool in_array; /* Gemini's stream without alt=sse: one array, whose element the error is */
};

struct error_shape {
	const char *name; /* as in the catalogue: "openai" */
	/* Appends the JSON body, or nothing when it fails. */
	enum err (*put)(const struct refusal *refusal, struct buf *out);
	/* A header that names the error, and its value by status; NULL: there is none. */
	const char *type_header;
	const char *(*type)(int status);
	bool in_array; /* understands refusal.in_array */
};

extern const struct error_shape error_shapes[];
extern const size_t error_shape_count;

/* By its name in the catalogue; NULL when there is none. */
const struct error_shape *error_shape_find(struct bytes name);

/* Appends a complete HTTP/1.1 response: status line, the headers of every refusal
 * (x-aigw-decision, x-aigw-rule, x-should-retry: false, connection: close), the body. */
MUST_USE enum err error_shape_put_refusal(const struct error_shape *shape,
					  const char *request_id_header,
					  const struct refusal *refusal, struct buf *out);

#endif
