/* SPDX-License-Identifier: MIT */
#include "shim/gate_state.h"

#include <string.h>

#include "llm/request.h"
#include "policy/phrase.h"
#include "shim/journal.h"
#include "shim/notice.h"
#include "shim/quota.h"
#include "wire/http1.h"

/* Java asks every plain server for h2c. The request is an HTTP/1.1 one all the same; if the server
 * says 101, what the program sends next is no HTTP/1.1 and is refused. */
static bool asks_for_h2c_only(const struct http1_request *q)
{
	bool asks = false;

	for (size_t i = 0; i < q->field_count; i++) {
		if (!bytes_equal_nocase(http1_field_name(q, i), BYTES("upgrade")))
			continue;
		if (!bytes_equal_nocase(http1_field_value(q, i), BYTES("h2c")))
			return false;
		asks = true;
	}
	return asks;
}

/* What must hold before a request is even looked at. */
static bool check_link(struct gate *g)
{
	const struct http1_request *q = exchange_request(g->exchange);
	const struct rules *r = g->rules;

	gate_describe(g);
	if (!r) {
		gate_refuse_for(g, 503, "internal_error", "aigw.memory",
				"no memory to look at the policy; try again");
	} else if (r->problem[0] && !(r->policy && r->policy->audit.on_failure == FAIL_ALLOW)) {
		gate_refuse_for(g, 503, r->code, r->policy ? "audit.recipients" : "policy",
				r->problem);
	} else if (g->link.plain && r->policy && r->policy->transport.plaintext_refuse &&
		   !g->provider->plaintext) {
		gate_refuse_for(
			g, 403, "policy_denied", "transport.plaintext",
			"the request would go out without TLS, for everybody on the way to read; "
			"use https://, or, for a server of your own, give its provider "
			"\"plaintext\": true in the policy");
	} else if (!g->link.plain && r->policy && g->link.version &&
		   g->link.version < (int)r->policy->transport.min_tls) {
		gate_refuse_for(
			g, 403, "policy_denied", "transport.min_tls",
			"the connection's TLS version is below what the policy allows; let the "
			"program use a newer one");
	} else if (!g->link.plain && r->policy && r->policy->transport.verify_peer &&
		   !g->link.verified) {
		gate_refuse_for(
			g, 403, "policy_denied", "transport.verify_peer",
			"the provider's certificate was not verified by the program; let it verify "
			"(no -k, no verify=False, the right CA file), or set "
			"transport.verify_peer to false");
	} else if ((q->upgrade && !exchange_asks_websocket(g->exchange) &&
		    !(g->link.plain && asks_for_h2c_only(q))) ||
		   (q->method && strcmp(q->method, "CONNECT") == 0)) {
		gate_refuse_for(
			g, 403, "not_inspected", "http.upgrade",
			"the request asks for another protocol (h2c, CONNECT, or a WebSocket among "
			"others) that this version cannot inspect; use the HTTP API or a "
			"WebSocket");
	} else if (exchange_asks_websocket(g->exchange) && r->policy &&
		   r->policy->transport.websocket_refuse) {
		gate_refuse_for(
			g, 403, "policy_denied", "transport.websocket",
			"the policy refuses WebSocket connections to providers; use the HTTP "
			"API, or have transport.websocket changed");
	}
	return !g->refused;
}

/* The provider's own key goes to nobody who is not known to be the provider, whatever the policy
 * lets a program send of its own. */
static bool may_have_secret(struct gate *g)
{
	if (!g->key.given || g->provider->plaintext || (!g->link.plain && g->link.verified))
		return true;
	gate_refuse_for(g, 403, "policy_denied", "keys.transport",
			g->link.plain
				? "the provider's key would go out without TLS, for everybody on "
				  "the way to read; use https://"
				: "the provider's key would go to a server whose certificate the "
				  "program did not verify; let it verify (no -k, no verify=False, "
				  "the right CA file)");
	return false;
}

/* Which keys the request holds, and what they are worth. False: it was refused. */
static bool read_key(struct gate *g)
{
	const struct http1_request *q = exchange_request(g->exchange);
	struct bytes head = bytes_slice(buf_view(&q->raw), 0, q->head_bytes);
	const struct gate_key_question question = {g->rules, &journal_self(g->rules)->facts,
						   g->provider, gate_dialect(g)};
	struct gate_key_fault fault;

	if (gate_key_read(&g->key, &question, head, &fault))
		return may_have_secret(g);
	gate_refuse_for(g, fault.status, fault.code, fault.rule, fault.reason);
	return false;
}

static void ask(struct gate *g, const struct request_view *view, const struct call *call,
		struct decision *ret_decision)
{
	const struct policy *policy = g->rules->policy;
	struct features features;
	struct bytes host = bytes_str(gate_name(g));
	struct question q = {
		.facts = &journal_self(g->rules)->facts,
		.key = gate_key_scope(&g->key),
		.raw_key = g->key.raw,
		.provider = g->provider,
		.call = call,
		.method = view->method,
		.path = view->path,
		.websocket = exchange_asks_websocket(g->exchange),
		.body_bytes = view->body.len,
		.now_s = sys_now_s(),
	};
	uint16_t port;

	if (!host.len && exchange_host(g->exchange, &host, &port))
		host = BYTES_NONE;
	q.host = host;
	if (policy && policy->wants_features) {
		features_read(view->body, &features);
		q.features = &features;
	}
	decide(policy, &q, ret_decision);
	notice_ending(g->rules, g->provider, ret_decision, q.now_s);
}

/* What the policy forces into the body. False: it cannot be, and that was refused. */
static bool force_into(struct gate *g, const struct call *call, struct decision *d)
{
	const struct http1_request *q = exchange_request(g->exchange);
	enum err e;

	if (d->forced_count == 0)
		return true;
	e = force_fields(q, d, g->head_released, &g->force);
	d->receipt = g->force.receipt;
	if (g->force.changed)
		d->action = ACTION_REWRITE;
	if (d->receipt != RECEIPT_REFUSED && !e)
		return true;
	const struct forced *field = d->forced[0];
	char rule[RULE_BYTES_MAX];
	struct phrase p;
	phrase_init(&p, rule, sizeof rule);
	phrase_put_bytes(&p, field->where);
	decide_refuse(d, e ? 503 : 403, e ? "internal_error" : "unalterable", rule,
		      "the policy forces fields into this request, and that cannot be done: it is "
		      "signed (SigV4) or digested, or the place is taken by something else; send "
		      "the fields yourself, use another way to sign in, or have \"unalterable\": "
		      "\"tag\" put into the policy");
	d->receipt = RECEIPT_REFUSED;
	gate_refuse(g, call, d);
	return false;
}

/* Takes what the request may use from the limits it is under; true: it may go. */
static bool within_limits(struct gate *g, const struct request_view *view, const struct call *call,
			  struct decision *d)
{
	const struct quota_call q = {g->id, g->rules, g->provider, call, view->body};

	if (!d->limited_count)
		return true;
	struct decision met = *d;
	enum err e = quota_take(&g->tickets, &q, &met, &g->retry_after_s);
	if (!e) {
		*d = met; /* it may tell of a limit that is only observed */
		return true;
	}
	if (e != ERR_LIMIT && g->rules->policy->audit.on_failure == FAIL_ALLOW) {
		quota_put_unkept(d, e);
		return true;
	}
	*d = met;
	gate_refuse(g, call, d);
	return false;
}

bool gate_check_ground(struct gate *g)
{
	return check_link(g) && read_key(g);
}

/* Where the model stands in the path, that is taken apart once more. */
static enum err read_call(const struct gate *g, const struct request_view *view,
			  struct call *ret_call, struct fault *ret_fault)
{
	if (g->endpoint && g->endpoint->model == MODEL_PATH)
		return provider_read_call(g->provider, view, ret_call, ret_fault);
	return request_read(view, g->endpoint, BYTES_NONE, ret_call, ret_fault);
}

bool gate_decide(struct gate *g, struct call *ret_call, struct decision *ret_decision)
{
	struct request_view view;
	struct fault fault = {0};

	exchange_view(g->exchange, &view);
	enum err e = read_call(g, &view, ret_call, &fault);
	if (e) {
		int status = e == ERR_LIMIT ? 413 : e == ERR_NOMEM ? 503 : 400;
		gate_refuse_for(g, status, fault.code ? fault.code : "malformed_request", "request",
				fault.reason ? fault.reason : err_text(e));
		return false;
	}
	/* A WebSocket is decided on when it is asked for; its messages then pass at once. */
	ret_call->stream |= exchange_asks_websocket(g->exchange);
	ask(g, &view, ret_call, ret_decision);
	if (ret_decision->action == ACTION_REFUSE) {
		gate_refuse(g, ret_call, ret_decision);
		return false;
	}
	return force_into(g, ret_call, ret_decision) &&
	       within_limits(g, &view, ret_call, ret_decision);
}

bool gate_recorded(struct gate *g, const struct call *call, const struct decision *d,
		   enum coverage coverage)
{
	enum err e = gate_log_request(g, call, d, coverage);
	struct buf why = {0};

	if (!e || g->rules->policy->audit.on_failure == FAIL_ALLOW)
		return true;
	if (journal_put_trouble(g->rules, &why) || buf_put_str(&why, " (") ||
	    buf_put_str(&why, err_text(e)) ||
	    buf_put_str(&why,
			"), and the policy says audit.on_failure: refuse; make it writable") ||
	    buf_put_u8(&why, '\0'))
		buf_reset(&why);
	gate_refuse_for(g, 503, "audit_not_writable", "audit.on_failure",
			why.len ? (const char *)why.at : "the audit log cannot be written");
	buf_done(&why);
	return false;
}
