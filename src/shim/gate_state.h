/* SPDX-License-Identifier: MIT
 *
 * gate_state: one governed connection as the parts of the gate share it. Not for anybody else.
 *
 *   gate.c         the program writes: requests are held until they are complete; the whole way
 *   gate_read.c    the program reads: the answer is followed, or given in the provider's place
 *   gate_host.c    whose request is it?
 *   gate_decide.c  may it go, what has to be changed in it?
 *   gate_send.c    what goes out, and handing it to the library
 *   gate_refuse.c  the answer in the provider's place, and waking the program for it
 *   gate_log.c     its records
 *   gate_state.c   what all of them ask
 *
 * gate.c and gate_read.c call the others, which call those below them, never one above. All are
 * called with the gate's lock held.
 */
#ifndef AIGW_SHIM_GATE_STATE_H
#define AIGW_SHIM_GATE_STATE_H

#include "base/sys.h"
#include "llm/exchange.h"
#include "llm/usage_ask.h"
#include "policy/decide.h"
#include "policy/force.h"
#include "policy/pricing.h"
#include "shim/asked.h"
#include "shim/fingerprint.h"
#include "shim/gate.h"
#include "shim/gate_key.h"
#include "shim/peer.h"
#include "shim/rules.h"

#define GATE_NAME_BYTES_MAX 256
#define GATE_IDLE_MAX       (8u << 10) /* memory kept between two records or requests */

/* Whom the connection's own name means with a port, by the rules in force. */
struct named {
	bool known;
	uint16_t port;
	const struct provider *provider; /* NULL: nobody */
};

#define MATCHED_TARGET_MAX 128

/* What the last request was for, by the rules in force: a connection mostly asks for one thing.
 * Targets with a query are not kept, a key may stand there. */
struct matched {
	size_t target_bytes; /* 0: nothing is kept */
	const struct provider *provider;
	const char *method; /* the parser's own text */
	const struct dialect *dialect;
	const struct endpoint *endpoint;
	uint8_t target[MATCHED_TARGET_MAX];
};

enum { NAMED_BY_PEER, NAMED_BY_HOST, NAMED_COUNT }; /* where the port comes from */

struct gate {
	struct lock lock;
	pid_t pid; /* whose connection it is: a forked child has a copy of everything */
	struct carrier carrier;
	void *session;
	char server_name[GATE_NAME_BYTES_MAX];
	struct exchange *exchange;
	struct rules *rules;             /* that the request under way is decided by */
	struct named named[NAMED_COUNT]; /* by these rules, and forgotten with them */
	struct pricing_memo prices;      /* likewise */
	struct matched matched;          /* likewise */
	struct link_facts link;
	bool described, gone; /* gone: the library's session must not be asked any more */
	struct peer peer;
	/* the request under way */
	const struct provider *provider;
	const struct dialect *dialect;   /* of its endpoint, or of where its path leads to */
	const struct endpoint *endpoint; /* of its path, once host_settled; NULL: unknown */
	char host[GATE_NAME_BYTES_MAX];  /* without TLS: as the request names it; "" when not known
					  */
	char id[ULID_CHARS + 1];
	uint64_t started_ns;
	bool host_settled, head_released;
	bool passes; /* it goes to something else that a shared host serves: none of our business */
	bool leaving; /* it is complete, and the library has begun with it: the provider may get it
		       */
	size_t released; /* bytes of it that have gone out */
	bool broken;     /* the library has failed: what the program writes now goes nowhere, and
			    is no request */
	/* on the way out: stays put until the library has taken all of it */
	struct bytes out;
	struct bytes rest; /* what goes out behind it */
	struct buf staged;
	size_t consumed; /* bytes of the program's blocked write that were taken before it blocked
			  */
	size_t credit;   /* of them, those a shorter retry did not cover: they come again, and are
			    skipped */
	size_t sent_before; /* bytes of the next request that are not to go out again */
	size_t beginning;   /* of it, what is going out: see let_beginning_out */
	bool opening;       /* once `out` is gone, the connection is none of our business */
	/* a refusal */
	bool refused, woken;
	bool bare; /* there was no memory for it */
	struct buf refusal;
	size_t served;
	struct buf record;
	struct buf connection;  /* what all records have of it, once that is settled */
	struct buf asked;       /* by the requests whose answers are awaited */
	struct buf tickets;     /* for what they took of the limits */
	uint64_t retry_after_s; /* of the refusal */
	struct gate_key key;
	struct fingerprint fingerprint; /* of the last key */
	/* an answer whose usage we asked for */
	struct usage_drop drop;
	bool changing; /* drop is at work, or bytes of it wait here: the answer is not as it came */
	bool cut;      /* bytes were lost for want of memory, or no refusal can follow: the
			  connection ends */
	struct buf clean; /* for the program */
	size_t clean_served;
	/* of the request under way */
	bool usage_asked;
	struct force force; /* what was forced into its body */
};

/* ---- gate_state.c ---- */

/* False: this thread is inside already (a signal handler of the program's). */
bool gate_enter(struct gate *g);
bool gate_is_sniffing(const struct gate *g);
/* Whom the connection, or without TLS the request, is meant for; "" when it does not say. */
const char *gate_name(const struct gate *g);
/* That the request under way speaks; never NULL. */
const struct dialect *gate_dialect(const struct gate *g);
/* Asks the library about the connection, until its descriptor is known. */
void gate_describe(struct gate *g);

/* ---- gate_log.c ---- */

/* Where a decision that is not made by the rules stands; the rest of *d is zeroed. */
void gate_set_scope(const struct gate *g, struct decision *d);
/* The request under way; `call` is NULL when it could not be read. */
MUST_USE enum err gate_log_request(struct gate *g, const struct call *call,
				   const struct decision *d, enum coverage coverage);
/* The same of one that is refused, or will never be complete: where that can be recorded. */
void gate_log_refused(struct gate *g, const struct call *call, const struct decision *d);
void gate_log_unfinished(struct gate *g);
/* Of the answer under way: a part, and its end. `asked` may be NULL. */
void gate_log_part(struct gate *g);
void gate_log_answer(struct gate *g, const struct asked *asked, enum outcome outcome);

/* ---- gate_refuse.c ---- */

/* The decision is "no": it is recorded where that can be, answered, and nothing more goes out. */
void gate_refuse(struct gate *g, const struct call *call, const struct decision *d);
void gate_refuse_for(struct gate *g, int status, const char *code, const char *rule,
		     const char *reason);
/* What the program is to read then; borrowed. */
struct bytes gate_refusal(const struct gate *g);
/* 503: no memory. */
void gate_refuse_nomem(struct gate *g);
/* Wakes the program for a refusal, once no earlier answer is awaited. */
void gate_wake_if_due(struct gate *g);

/* ---- gate_host.c ---- */

/* HOST_PASSES: this request is for something else that the provider's host serves. */
enum host_verdict { HOST_OURS, HOST_NOT_OURS, HOST_REFUSED, HOST_PASSES };

/* The policy names this host with a port, and the connection went to another one, directly: that is
 * some other server under the same name. */
bool gate_is_elsewhere(struct gate *g);
/* Whose request is it? Known once its head is complete, or when `fed`, what the exchange said of
 * its bytes, is a fault; HOST_OURS until then. Sets g->provider and g->dialect. */
enum host_verdict gate_settle_host(struct gate *g, enum err fed);

/* ---- gate_decide.c ---- */

/* What must hold before a request is looked at, and what the keys in its head are worth. False: it
 * was refused. */
bool gate_check_ground(struct gate *g);
/* Reads and decides on the complete request, makes the body it is to have, and takes what it may
 * use from its limits. False: it was refused. */
bool gate_decide(struct gate *g, struct call *ret_call, struct decision *ret_decision);
/* Writes the request record. True when it was written, or the policy lets the request go without.
 */
bool gate_recorded(struct gate *g, const struct call *call, const struct decision *d,
		   enum coverage coverage);

/* ---- gate_send.c: what goes out is put into g->out, then flushed ---- */

/* The question for token counts, where it is due: before the request is recorded. */
void gate_ask_usage(struct gate *g, const struct call *call);
/* The whole request; only its head, as chunked; the body behind it. A failure is a refusal. */
void gate_put_request(struct gate *g, const struct call *call);
void gate_put_head(struct gate *g);
void gate_put_body(struct gate *g);
/* A connection without a name, and bytes that may be the beginning of a request, or of anything:
 * the program may now wait for an answer to them. They go out, and come along when the rest is
 * judged. */
void gate_put_beginning(struct gate *g);
/* None of our business: what was held goes out as it came, with the rest of the program's write. */
void gate_open_up(struct gate *g, struct bytes rest);
/* A request to something else that a shared host serves goes out as it comes: only where it ends is
 * followed, because the next one may be ours. What cannot be followed is let go, and the connection
 * with it. `fed`: what the exchange said of the bytes. Returns how many of `data` are taken. */
size_t gate_pass_along(struct gate *g, struct bytes data, size_t used, enum err fed);
/* Hands g->out to the library, the lock being dropped meanwhile. GATE_TAKEN: all of it. */
enum gate_answer gate_flush(struct gate *g);

/* ---- gate_read.c: what the exchange tells of answers ---- */

void gate_on_part(void *context, struct exchange *x);
void gate_on_answer(void *context, struct exchange *x, enum outcome outcome);

#endif
