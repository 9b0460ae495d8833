/* SPDX-License-Identifier: MIT
 *
 * gate_record: what the gate knows, as records. Credentials are replaced here, before anything is
 * sealed.
 */
#ifndef AIGW_SHIM_GATE_RECORD_H
#define AIGW_SHIM_GATE_RECORD_H

#include "llm/exchange.h"
#include "policy/decide.h"
#include "policy/pricing.h"
#include "shim/asked.h"
#include "shim/fingerprint.h"
#include "shim/gate.h"
#include "shim/gate_key.h"
#include "shim/rules.h"
#include "shim/self.h"

/* Of what is not inspectable as HTTP, this much is recorded. */
#define RECORD_UNREADABLE_BYTES_MAX (64u << 10)

/* Everything a request record is made from. Borrowed. */
struct request_facts {
	const char *id;
	const struct self *self;
	const struct rules *rules;
	const struct provider *provider; /* NULL: not known */
	const struct dialect *dialect;   /* that the request speaks; NULL only without provider */
	const struct exchange *exchange;
	const struct call *call; /* NULL: could not be read */
	const struct decision *decision;
	const struct link_facts *link;
	const char *server_name, *peer; /* "" when not known */
	struct buf *connection;         /* what the record has of these three, or nothing yet; NULL:
					   they may still change */
	const char *outcome;            /* NULL: open */
	enum coverage coverage;
	uint64_t held_ns;
	bool with_body;
	struct bytes changes; /* to its body, for the record; NUL-separated */
	const struct gate_key *key;
	struct fingerprint *fingerprint; /* of the connection's last key */
	bool usage_asked;     /* the request goes out with the question for token counts */
	bool codings_limited; /* and with no offer of content codings */
};

/* Everything a response record is made from. Borrowed. */
struct answer_facts {
	const struct rules *rules;
	const struct exchange *exchange; /* the answer is that of its oldest request */
	const struct asked *asked;       /* NULL: not known, so there is no cost */
	struct pricing_memo *prices;     /* of the connection, by its rules */
	enum outcome outcome;
	bool with_body;
};

MUST_USE enum err gate_record_request(const struct request_facts *f, struct buf *ret_record);
MUST_USE enum err gate_record_part(const struct exchange *x, struct buf *ret_record);
MUST_USE enum err gate_record_answer(const struct answer_facts *f, struct buf *ret_record);

#endif
