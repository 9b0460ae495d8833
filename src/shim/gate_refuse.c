/* SPDX-License-Identifier: MIT */
#include "shim/gate_state.h"

#include <string.h>

#include "shim/explain.h"
#include "shim/quota.h"
#include "shim/wake.h"

/* Gemini's streams are one JSON array unless they are asked for as events. */
static bool asks_for_array(const struct gate *g)
{
	struct request_view view;

	if (!exchange_request(g->exchange)->head_bytes)
		return false;
	exchange_view(g->exchange, &view);
	return bytes_find(view.path, BYTES(":streamGenerateContent")) != SIZE_MAX &&
	       bytes_find(view.query, BYTES("alt=sse")) == SIZE_MAX;
}

static const char bare[] = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n"
			   "x-should-retry: false\r\nconnection: close\r\n\r\n";

struct bytes gate_refusal(const struct gate *g)
{
	return g->bare ? bytes_str(bare) : buf_view(&g->refusal);
}

static void put_refusal(struct gate *g, const struct decision *d)
{
	const struct http1_request *q = exchange_request(g->exchange);
	struct buf message = {0};
	struct refusal refusal = {
		.status = d->status,
		.code = d->code,
		.rule = bytes_str(d->rule),
		.id = bytes_str(g->id),
		.retry_after_s = g->retry_after_s,
		.head = q->method && strcmp(q->method, "HEAD") == 0,
		.in_array = asks_for_array(g),
	};
	enum err e = buf_put_str(&message, "aigw: ");

	if (!e)
		e = buf_put_str(&message, d->reason);
	refusal.message = buf_view(&message);
	if (!e)
		e = provider_put_refusal(g->provider, gate_dialect(g), &refusal, &g->refusal);
	g->bare = e != OK; /* an answer that needs no memory */
	buf_done(&message);
}

/* When earlier requests of the connection still await their answers, theirs come first. */
void gate_wake_if_due(struct gate *g)
{
	if (!g->refused || g->woken ||
	    (exchange_awaited(g->exchange) && !exchange_is_lost(g->exchange)))
		return;
	/* Where answers cannot be told apart, nothing of ours can stand behind them. */
	g->cut = g->cut || exchange_is_lost(g->exchange);
	g->woken = true;
	g->carrier.hush(g->session);
	gate_describe(g);
	if (!wake(g->link.fd, g->link.own_transport))
		g->carrier.say_goodbye(g->session);
}

void gate_refuse(struct gate *g, const struct call *call, const struct decision *d)
{
	g->usage_asked = g->key.replaced = false; /* nothing goes out */
	force_done(&g->force);
	gate_key_wipe(&g->key);
	quota_give_back(&g->tickets, g->id);
	gate_log_refused(g, call, d);
	if (g->head_released)
		exchange_withdraw(g->exchange);
	explain_refusal(bytes_str(gate_name(g)), d->rule, d->reason);
	put_refusal(g, d);
	__atomic_store_n(&g->refused, true, __ATOMIC_RELEASE);
	gate_wake_if_due(g);
}

void gate_refuse_for(struct gate *g, int status, const char *code, const char *rule,
		     const char *reason)
{
	struct decision d;

	gate_set_scope(g, &d);
	decide_refuse(&d, status, code, rule, reason);
	gate_refuse(g, NULL, &d);
}

void gate_refuse_nomem(struct gate *g)
{
	gate_refuse_for(g, 503, "internal_error", "aigw.memory", "no memory; try again");
}
