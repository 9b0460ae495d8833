/* SPDX-License-Identifier: MIT
 *
 * dialect: one API family's ways: which path is which operation, where the model stands, how an
 * answer and its stream are read, how its errors look. One constant table per dialect
 * (dialect_<name>.c); everything else is a call through it.
 *
 * Pure. Views given in are borrowed for the call only.
 */
#ifndef AIGW_LLM_DIALECT_H
#define AIGW_LLM_DIALECT_H

#include "llm/call.h"

/* A complete request as the exchange hands it over. `body` has transfer codings removed. */
struct request_view {
	struct bytes method; /* "POST" */
	struct bytes path;   /* of the target, without query and fragment: "/v1/chat/completions" */
	struct bytes query;  /* without '?'; empty when none */
	struct bytes content_type;     /* empty when none */
	struct bytes content_encoding; /* empty when none */
	struct bytes body;
};

/* Why a request could not be read, for the refusal. Constant strings. */
struct fault {
	const char *code;   /* "ambiguous_request", "malformed_request" ... */
	const char *reason; /* a sentence that says what to do */
	size_t at;          /* byte offset in the body, SIZE_MAX when it has no place */
};

/* A refusal as the provider's SDK expects it. */
struct refusal {
	int status;       /* HTTP status: 400 401 403 413 429 503 */
	const char *code; /* "policy_denied", "request_too_large" ... */
	struct bytes message;
	struct bytes rule; /* the rule that decided */
	struct bytes id;   /* the record's ULID, 26 characters */
	bool head;         /* the request was HEAD: no body */
};

struct sse_event;

struct dialect {
	const char *name; /* as in the policy: "openai" */
	/* Fills *ret_call. OK; ERR_AMBIGUOUS, ERR_BAD, ERR_UNSUPPORTED, ERR_LIMIT with *ret_fault.
	 * An unknown path is OK with OP_UNKNOWN (and the model, when the body is JSON that names
	 * one). */
	enum err (*read_call)(const struct request_view *request, struct call *ret_call,
			      struct fault *ret_fault);
	/* One event of a stream; updates *answer, appends the assistant's words to *text unless it
	 * is NULL. An event that is not understood is not an error. Never fails but for
	 * ERR_NOMEM/LIMIT. */
	enum err (*read_event)(const struct sse_event *event, struct answer *answer,
			       struct buf *text);
	/* A whole answer body, JSON. As read_event. */
	enum err (*read_body)(struct bytes body, struct answer *answer, struct buf *text);
	/* Appends the JSON body of a refusal. */
	enum err (*put_error)(const struct refusal *refusal, struct buf *out);
	/* The provider's own name for the request id header: "x-request-id". */
	const char *request_id_header;
};

extern const struct dialect dialect_openai;
extern const struct dialect dialect_anthropic;

/* By its name in the policy; NULL when there is none. */
const struct dialect *dialect_find(struct bytes name);
/* "openai, anthropic": for error messages. */
const char *dialect_names(void);

/* Appends a complete HTTP/1.1 response: status line, the headers of design.md section 5
 * (x-aigw-decision, x-aigw-rule, x-should-retry: false, connection: close), the body. */
MUST_USE enum err dialect_put_refusal(const struct dialect *d, const struct refusal *refusal,
				      struct buf *out);

#endif
