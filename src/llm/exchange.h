/* SPDX-License-Identifier: MIT
 *
 * exchange: one connection's conversation with a provider, without I/O: bytes of the program go in
 * until a request is complete (and is decided on by the caller), bytes of the provider are followed
 * until their answer is complete. Requests may be pipelined; answers come in order (RFC 9112 9.3).
 *
 * Pure: time comes in as a parameter. The exchange owns its buffers; views out of it live until the
 * next call that changes it. One thread at a time.
 */
#ifndef AIGW_LLM_EXCHANGE_H
#define AIGW_LLM_EXCHANGE_H

#include "llm/conversation.h"
#include "llm/dialect.h"
#include "wire/http1.h"

#define EXCHANGE_BODY_BYTES_MAX  (32u << 20) /* longest request body that is held */
#define EXCHANGE_PIPELINE_MAX    32          /* requests sent and not yet answered */
#define EXCHANGE_PART_BYTES      (64u << 10) /* an answer longer than this is recorded in parts */
#define EXCHANGE_JSON_BYTES_MAX  (16u << 20) /* a JSON answer is read for usage up to this */
#define EXCHANGE_TOOLS_BYTES_MAX (64u << 10) /* the tool calls of an answer, as JSON */
#define EXCHANGE_ID_CHARS        26

enum coverage {
	COVERAGE_FULL,
	COVERAGE_TRUNCATED,
	COVERAGE_HEADERS_ONLY,
	COVERAGE_CONNECTION_ONLY
};
enum outcome { OUTCOME_COMPLETE, OUTCOME_ABORTED_BY_PROGRAM, OUTCOME_ABORTED_BY_PROVIDER };

const char *coverage_name(enum coverage c);
const char *outcome_name(enum outcome o);

/* A request that went out and whose answer is awaited. */
struct sent {
	char id[EXCHANGE_ID_CHARS + 1];
	const struct dialect *dialect;
	enum operation operation;
	bool head;           /* the method was HEAD */
	bool silent;         /* none of our business: passes, and nothing is told of its answer */
	bool websocket;      /* it asked for a WebSocket: exchange_asks_websocket */
	bool names_model;    /* it named one: what a WebSocket's messages say is another matter */
	uint64_t started_ns; /* monotonic: the program's first byte */
	uint64_t sent_ns;    /* monotonic: handed to the TLS library */
};

/* What is known of the answer under way (to the oldest request sent). */
struct following {
	int status;
	bool has_head;
	bool is_stream;    /* its body is events: llm/framing */
	bool has_end;      /* the stream's framing says where it ends, and did */
	bool cut_by_close; /* the body had no end of its own: the connection's was taken for it */
	enum coverage coverage;
	const char *problem; /* why coverage is not full, constant; NULL: nothing to say */
	struct buf head;     /* "name: value\r\n" lines */
	struct buf piece;    /* body bytes not yet handed to on_part, as on the wire */
	struct buf asked;    /* of a WebSocket: what the program said, as piece is the provider's */
	uint64_t body_bytes; /* of the body so far, as on the wire */
	uint64_t first_byte_ns;                  /* monotonic; 0: nothing yet */
	struct answer answer;                    /* filled at the end, or on the way for a stream */
	const struct conversation *conversation; /* NULL: no WebSocket */
	struct buf tool_calls; /* where answer.tool_calls leads to: whole at the end */
};

struct exchange;

/* Told while an answer is followed. `x->sent[0]` is the request it belongs to. */
struct exchange_listener {
	/* EXCHANGE_PART_BYTES are in x->following.piece (of a WebSocket: in piece or in asked, as
	 * text, a message a line; less when a turn is over); both are emptied afterwards. */
	void (*on_part)(void *context, struct exchange *x);
	/* The answer is complete or will never be; the rest of the body is in following.piece. */
	void (*on_answer)(void *context, struct exchange *x, enum outcome outcome);
	void *context;
};

MUST_USE enum err exchange_new(const struct exchange_listener *listener,
			       struct exchange **ret_exchange);
void exchange_free(struct exchange *x); /* NULL is fine; tells nobody: see exchange_abort */

/* ---- the program's side ---- */

/* As http1_request_feed, on the request being collected. */
MUST_USE enum err exchange_feed_request(struct exchange *x, struct bytes in, size_t *ret_used);
/* The request being collected, also after an error. */
const struct http1_request *exchange_request(const struct exchange *x);
/* The path of its target; once its head is complete. */
struct bytes exchange_path(const struct exchange *x);
/* Splits the complete request for a dialect. Views live as long as the request. */
void exchange_view(const struct exchange *x, struct request_view *ret_view);
/* The host the request is for, without its port: the target's authority (absolute form) or Host.
 * *ret_port is 0 when none is written. ERR_BAD: none or malformed; ERR_AMBIGUOUS: both, different.
 */
MUST_USE enum err exchange_host(const struct exchange *x, struct bytes *ret_host,
				uint16_t *ret_port);
/* "name", "name:443", "[::1]:8443" (RFC 9110 4.2.2) taken apart; port 0 when none is written.
 * ERR_BAD. */
MUST_USE enum err exchange_split_authority(struct bytes authority, struct bytes *ret_host,
					   uint16_t *ret_port);
/* The request goes out: its answer is awaited. ERR_LIMIT: too many are. */
MUST_USE enum err exchange_sent(struct exchange *x, const struct sent *sent);
/* The newest of the awaited answers will never come: its request was refused after its head had
 * gone out. */
void exchange_withdraw(struct exchange *x);
/* Forgets the collected request; the next one begins. */
void exchange_next_request(struct exchange *x);

/* ---- the provider's side ---- */

/* Follows bytes that the program reads. Never fails as far as the program is concerned. */
void exchange_feed_answer(struct exchange *x, struct bytes in, uint64_t now_ns);
/* The connection ended (close_notify, end of file or error). Completes a body that ran until
 * close; every other awaited answer is told as aborted by `who`. */
void exchange_end(struct exchange *x, enum outcome who, uint64_t now_ns);

size_t exchange_awaited(const struct exchange *x); /* requests without a complete answer */
/* Of them nobody can tell any more where their answers end. */
bool exchange_is_lost(const struct exchange *x);
const struct sent *exchange_oldest(const struct exchange *x); /* NULL when none is awaited */
const struct following *exchange_following(const struct exchange *x);
uint64_t exchange_now_ns(const struct exchange *x); /* of the call under way */
/* The answer switched protocols (101): it is HTTP no longer. */
bool exchange_upgraded(const struct exchange *x);

/* ---- WebSocket ---- */

/* The complete request asks for a WebSocket and for nothing else (RFC 6455 4.1). */
bool exchange_asks_websocket(const struct exchange *x);
/* The provider agreed to the WebSocket that was asked for: what the program sends goes out as it
 * is, and to exchange_feed_tunnel. True until the connection is gone, also after its answer was
 * told (when both sides have closed, or the connection has ended). */
bool exchange_is_tunnel(const struct exchange *x);
/* Follows bytes that the program sends through a tunnel. Never fails as far as it is concerned. */
void exchange_feed_tunnel(struct exchange *x, struct bytes in, uint64_t now_ns);

#endif
