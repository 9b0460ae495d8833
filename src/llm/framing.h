/* SPDX-License-Identifier: MIT
 *
 * framing: how the events of an answer are written one behind the other, by its media type, and
 * taking them apart as the body arrives. A dialect reads each as a struct sse_event, whatever it
 * was written as.
 *
 * Pure. Here the body has no content coding any more.
 */
#ifndef AIGW_LLM_FRAMING_H
#define AIGW_LLM_FRAMING_H

#include "wire/eventstream.h"
#include "wire/json_array.h"
#include "wire/ndjson.h"
#include "wire/sse.h"

enum framing_kind {
	FRAMING_NONE,        /* nothing that is read */
	FRAMING_JSON,        /* JSON: whole, or an array of events; see framing_settle */
	FRAMING_WHOLE,       /* one JSON text, to be read at its end */
	FRAMING_JSON_ARRAY,  /* Gemini without alt=sse */
	FRAMING_SSE,         /* text/event-stream */
	FRAMING_NDJSON,      /* Ollama, Cohere's first version */
	FRAMING_EVENTSTREAM, /* Bedrock */
};

struct framing {
	enum framing_kind kind;
	union {
		struct sse sse;
		struct ndjson ndjson;
		struct json_array array;
		struct eventstream eventstream;
	};
};

struct framing_event {
	struct sse_event event; /* name: of an eventstream message its type; data: the payload */
	bool failed;            /* the framing itself says that this is an error */
};

/* The kind that a Content-Type value names; its parameters do not count. */
enum framing_kind framing_of(struct bytes content_type);

/* *f is zero or done. */
void framing_init(struct framing *f, enum framing_kind kind);
void framing_done(struct framing *f);

/* FRAMING_JSON: the first byte that is not white space says which of the two it is. True when it is
 * settled, for any kind. */
bool framing_settle(struct framing *f, struct bytes text);

/* The kind is one that events come from. */
bool framing_is_stream(const struct framing *f);

/* The next event from the front of *in: OK (call again with what is left), ERR_MORE, ERR_BAD (not
 * what it says it is), ERR_LIMIT, ERR_NOMEM. Views are valid until the next call and as long as
 * what *in was. Only for streams. */
MUST_USE enum err framing_next(struct framing *f, struct bytes *in,
			       struct framing_event *ret_event);

/* The body has ended. OK: there is a last event, whose end was the body's (call again). ERR_END: it
 * ended where it may. ERR_MORE: it was cut off. */
MUST_USE enum err framing_end(struct framing *f, struct framing_event *ret_event);

/* The body says by itself where it ends, and that was read. */
bool framing_has_ended(const struct framing *f);

/* What a failed framing_next means to a person. Constant. */
const char *framing_problem(const struct framing *f, enum err e);

#endif
