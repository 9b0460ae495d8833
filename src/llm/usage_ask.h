/* SPDX-License-Identifier: MIT
 *
 * usage_ask: asks an OpenAI chat stream for its token counts where the program did not, and keeps
 * from the program what it did not ask for.
 *
 * Asking is a splice: `"stream_options":{"include_usage":true}` goes into the request's body; its
 * Content-Length (or its chunks) are made right, a coding that the program would accept is not
 * offered (what cannot be read cannot be taken out again), and every other byte stays as it is.
 *
 * The answer then has one event more, without choices and with the counts. It is taken out as a
 * whole:
 *   - of a chunked body (what OpenAI sends) and of one that ends with the connection nothing is
 * left of it; a chunked body gets chunks of our own, valid after every step;
 *   - of a body whose length was promised, its bytes become a comment line of the same length,
 * which readers of server-sent events pass over (WHATWG HTML 9.2). An event that has arrived in
 * part is held until it is whole, at most USAGE_HELD_BYTES_MAX of it: nobody can read half an
 * event. All else passes as it comes.
 *
 * Pure. Facts: providers.md 4.2 and 4.9 (5).
 */
#ifndef AIGW_LLM_USAGE_ASK_H
#define AIGW_LLM_USAGE_ASK_H

#include "llm/catalogue.h"
#include "wire/http1.h"

#define USAGE_HELD_BYTES_MAX (32u << 10) /* a longer event is none that we asked for */

/* Is it known that this provider takes include_usage? Others may refuse the request for it. */
bool usage_ask_is_accepted(const struct provider *provider);

/* Appends the complete request with the question in `body`, which is its own or what it became
 * (llm/body_edit). ERR_UNSUPPORTED: it cannot or must not be
 * asked (no stream, asked or declined already, a body that is coded, signed or digested, trailers);
 * ERR_NOMEM. In both cases *out is as before. `q` is complete; its operation is the caller's to
 * know: POST to .../chat/completions. */
MUST_USE enum err usage_ask_splice(const struct http1_request *q, struct bytes body,
				   struct buf *out);

enum usage_drop_mode {
	DROP_OFF,     /* passes all bytes */
	DROP_HEAD,    /* before or in the answer's head */
	DROP_CHUNKED, /* in a body, by its framing */
	DROP_CLOSE,
	DROP_LENGTH
};

/* The answer to a request that was asked like that. Zero-initialised is off. */
struct usage_drop {
	enum usage_drop_mode mode;
	struct http1_response response;
	bool head_done, ended;
	struct buf event; /* the event under way, its line ends too */
	struct buf ready; /* body bytes that can go out at the end of this step */
	bool passing;     /* the event under way is too long to be ours */
	bool line_empty, after_cr;
	bool after_event_cr; /* the last byte, a \r, ended an event: a \n would belong to it */
	bool last_dropped;   /* that event was taken out */
	bool dropped;        /* the event was there, and was taken out */
	enum err failed;
};

/* For the next answer on the connection. The struct must stay where it is. */
void usage_drop_begin(struct usage_drop *d);
void usage_drop_done(struct usage_drop *d);

/* Takes the provider's bytes and appends to *out what the program is to have. ERR_NOMEM: bytes are
 * lost, the connection must end. */
MUST_USE enum err usage_drop_feed(struct usage_drop *d, struct bytes in, struct buf *out);
/* The connection ended: what is held comes out. ERR_NOMEM. */
MUST_USE enum err usage_drop_end(struct usage_drop *d, struct buf *out);

#endif
