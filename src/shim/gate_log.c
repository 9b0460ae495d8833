/* SPDX-License-Identifier: MIT */
#include "shim/gate_state.h"

#include <string.h>

#include "llm/body_edit.h"
#include "shim/gate_record.h"
#include "shim/journal.h"

static bool keeps_payloads(const struct rules *r)
{
	return r && r->policy && r->policy->audit.payloads == PAYLOADS_FULL;
}

static enum err write_record(struct gate *g, enum record_kind kind, enum err made)
{
	enum err e = journal_append(g->rules, kind, made, buf_view(&g->record));

	if (g->record.cap > GATE_IDLE_MAX)
		buf_done(&g->record);
	return e;
}

/* What is known of the connection stays as it is. */
static bool is_settled(const struct gate *g)
{
	return g->described && g->link.fd >= 0 && !g->link.plain && g->server_name[0];
}

static struct request_facts facts_of(struct gate *g, const struct call *call,
				     const struct decision *d)
{
	gate_describe(g);
	return (struct request_facts){
		.id = g->id,
		.self = journal_self(g->rules),
		.rules = g->rules,
		.provider = g->provider,
		.dialect = gate_dialect(g),
		.exchange = g->exchange,
		.call = call,
		.decision = d,
		.link = &g->link,
		.server_name = gate_name(g),
		.peer = g->peer.text,
		.connection = is_settled(g) ? &g->connection : NULL,
		.held_ns = sys_monotonic_ns() - g->started_ns,
		.with_body = keeps_payloads(g->rules),
		.changes = buf_view(&g->force.changes),
		.key = &g->key,
		.fingerprint = &g->fingerprint,
		.usage_asked = g->usage_asked,
		.codings_limited = g->usage_asked &&
				   body_edit_limits_codings(exchange_request(g->exchange)),
	};
}

void gate_set_scope(const struct gate *g, struct decision *d)
{
	memset(d, 0, sizeof *d);
	if (g->rules && g->rules->policy)
		decide_scope(g->rules->policy, &journal_self(g->rules)->facts,
			     gate_key_scope(&g->key), &d->environment, &d->application);
}

enum err gate_log_request(struct gate *g, const struct call *call, const struct decision *d,
			  enum coverage coverage)
{
	struct request_facts f = facts_of(g, call, d);

	f.coverage = coverage;
	return write_record(g, REC_REQUEST, gate_record_request(&f, &g->record));
}

void gate_log_refused(struct gate *g, const struct call *call, const struct decision *d)
{
	if (!g->rules)
		return;
	struct request_facts f = facts_of(g, call, d);
	f.outcome = "refused";
	(void)!write_record(g, REC_REQUEST, gate_record_request(&f, &g->record));
}

/* A request that was begun and will never be complete left nothing at the provider; it is told of
 * all the same. */
void gate_log_unfinished(struct gate *g)
{
	struct decision d;

	if (exchange_request(g->exchange)->raw.len == 0 ||
	    exchange_request(g->exchange)->complete || g->refused || g->head_released ||
	    g->opening || g->passes || !g->rules || !g->provider || gate_is_sniffing(g))
		return;
	memset(&d, 0, sizeof d);
	struct request_facts f = facts_of(g, NULL, &d);
	f.outcome = outcome_name(OUTCOME_ABORTED_BY_PROGRAM);
	f.coverage = COVERAGE_TRUNCATED;
	(void)!write_record(g, REC_REQUEST, gate_record_request(&f, &g->record));
}

void gate_log_part(struct gate *g)
{
	if (g->rules && keeps_payloads(g->rules) && exchange_oldest(g->exchange))
		(void)!write_record(g, REC_RESPONSE_PART,
				    gate_record_part(g->exchange, &g->record));
}

void gate_log_answer(struct gate *g, const struct asked *asked, enum outcome outcome)
{
	struct answer_facts facts = {.rules = g->rules,
				     .exchange = g->exchange,
				     .asked = asked,
				     .prices = &g->prices,
				     .outcome = outcome,
				     .with_body = keeps_payloads(g->rules)};

	if (g->rules)
		(void)!write_record(g, outcome == OUTCOME_COMPLETE ? REC_RESPONSE : REC_ABORTED,
				    gate_record_answer(&facts, &g->record));
}
