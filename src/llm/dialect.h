/* SPDX-License-Identifier: MIT
 *
 * dialect: one API family's ways: how an answer and its stream are read (dialect_<name>.c), and the
 * facts of it in the catalogue: its endpoints, how its errors look, where its keys stand.
 *
 * Pure. Views given in are borrowed for the call only.
 */
#ifndef AIGW_LLM_DIALECT_H
#define AIGW_LLM_DIALECT_H

#include "llm/call.h"
#include "llm/endpoint.h"
#include "llm/error_shape.h"

/* A complete request as the exchange hands it over. `body` has transfer codings removed. */
struct request_view {
	struct bytes method; /* "POST" */
	struct bytes path;   /* of the target, without query and fragment: "/v1/chat/completions" */
	struct bytes query;  /* without '?'; empty when none */
	struct bytes content_type;     /* empty when none */
	struct bytes content_encoding; /* empty when none */
	struct bytes accept;           /* empty when none */
	struct bytes body;
};

/* Why a request could not be read, for the refusal. Constant strings. */
struct fault {
	const char *code;   /* "ambiguous_request", "malformed_request" ... */
	const char *reason; /* a sentence that says what to do */
	size_t at;          /* byte offset in the body, SIZE_MAX when it has no place */
};

struct sse_event;

/* What policy/providers.json says of a dialect; made by tools/dev/make-catalogue. No addresses: see
 * llm/catalogue.h. */
struct dialect_facts {
	uint16_t first_endpoint, endpoint_count; /* dialect_endpoints */
	uint16_t request_id_header;              /* a text: "x-request-id" */
	uint16_t credentials; /* a text: "header authorization bearer" ...; one a line */
	uint8_t refusal;      /* the number of an error shape, counted from 1 */
};

struct dialect {
	const char *name; /* as in the policy: "openai" */
	const struct dialect_facts *facts;
	/* One event of a stream; updates *answer, appends the assistant's words to *text unless it
	 * is NULL. What is no server-sent event arrives as one too: a line of JSON and an element
	 * of an array without a name, a message of an AWS event stream under its `:event-type` (or
	 * `:exception-type`). An event that is not understood is not an error. Never fails but for
	 * ERR_NOMEM. */
	enum err (*read_event)(const struct sse_event *event, struct answer *answer,
			       struct buf *text);
	/* A whole answer body, JSON. As read_event. */
	enum err (*read_body)(struct bytes body, struct answer *answer, struct buf *text);
};

#define DIALECT(id, text)                                                                          \
	extern const struct dialect dialect_##id;                                                  \
	extern const struct dialect_facts dialect_facts_##id;
#include "llm/dialect.def"
#undef DIALECT

/* Constant tables have a number instead of an address, which would have to be relocated in each
 * process that starts. */
enum dialect_number {
	DIALECT_NONE,
#define DIALECT(id, text) DIALECT_##id,
#include "llm/dialect.def"
#undef DIALECT
};

/* Those of all dialects and providers. */
extern const struct endpoint catalogue_endpoints[];

static inline struct endpoints dialect_endpoints(const struct dialect *d)
{
	return (struct endpoints){catalogue_endpoints + d->facts->first_endpoint,
				  d->facts->endpoint_count};
}

/* NULL for DIALECT_NONE. */
const struct dialect *dialect_of(unsigned number);
enum dialect_number dialect_number(const struct dialect *d);

/* The dialects one after the other; NULL at the end. */
const struct dialect *dialect_at(size_t i);
/* By its name in the policy; NULL when there is none. */
const struct dialect *dialect_find(struct bytes name);
/* "openai, anthropic, ...": for error messages. */
const char *dialect_names(void);

/* Appends a complete refusal in the dialect's own shape: see error_shape_put_refusal. */
MUST_USE enum err dialect_put_refusal(const struct dialect *d, const struct refusal *refusal,
				      struct buf *out);

#endif
