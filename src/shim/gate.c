/* SPDX-License-Identifier: MIT */
#include "shim/gate.h"

#include <stdlib.h>
#include <string.h>

#include "shim/gate_state.h"
#include "shim/quota.h"
#include "wire/http1.h"

enum err gate_new(const struct carrier *carrier, void *session, struct bytes server_name,
		  struct gate **ret_gate)
{
	struct gate *g = calloc(1, sizeof *g);
	struct exchange_listener listener = {gate_on_part, gate_on_answer, g};

	if (!g)
		return ERR_NOMEM;
	if (server_name.len >= sizeof g->server_name || exchange_new(&listener, &g->exchange)) {
		free(g);
		return server_name.len >= sizeof g->server_name ? ERR_LIMIT : ERR_NOMEM;
	}
	g->carrier = *carrier;
	g->session = session;
	g->pid = sys_process();
	g->link.fd = -1;
	if (server_name.len)
		memcpy(g->server_name, server_name.at, server_name.len);
	*ret_gate = g;
	return OK;
}

/* What is remembered of the old rules lived in them. They are let go last: the new ones cannot
 * stand in their place then, and be taken for them. */
static void renew_rules(struct gate *g)
{
	struct rules *fresh = rules_take();

	g->provider = NULL;
	if (fresh != g->rules) {
		memset(g->named, 0, sizeof g->named);
		g->prices.known = false;
		g->matched.target_bytes = 0;
	}
	rules_drop(g->rules);
	g->rules = fresh;
}

static void begin_request(struct gate *g)
{
	uint8_t unique[10];

	g->started_ns = sys_monotonic_ns();
	g->host_settled = g->head_released = g->passes = g->usage_asked = g->leaving = false;
	g->released = 0;
	force_done(&g->force);
	g->retry_after_s = 0;
	g->dialect = NULL;
	sys_unique(unique);
	record_make_id(sys_now_ns() / 1000000u, unique, g->id);
	g->host[0] = '\0';
	gate_key_begin(&g->key);
	renew_rules(g);
}

/* The request is complete: decide, record, and put it on its way. */
static void handle_request(struct gate *g)
{
	struct call call = {0};
	struct decision d;

	if (!gate_check_ground(g))
		return;
	if (!gate_decide(g, &call, &d))
		return;
	gate_ask_usage(g, &call);
	if (g->usage_asked || g->key.given)
		d.action = ACTION_REWRITE;
	if (!gate_recorded(g, &call, &d, COVERAGE_FULL))
		return;
	(void)!asked_put(&g->asked, g->id, g->provider, &call); /* without, there is no cost */
	if (g->head_released)
		gate_put_body(g);
	else
		gate_put_request(g, &call);
}

/* The bytes are no request that can be decided on. */
static void handle_fault(struct gate *g, enum err e)
{
	const struct http1_request *q = exchange_request(g->exchange);
	struct buf why = {0};
	int status = e == ERR_LIMIT ? 413 : e == ERR_NOMEM ? 503 : 400;
	const char *code = e == ERR_LIMIT       ? "request_too_large"
			   : e == ERR_NOMEM     ? "internal_error"
			   : e == ERR_AMBIGUOUS ? "ambiguous_request"
						: "malformed_request";

	if (!g->provider)
		g->provider = policy_find_provider(g->rules ? g->rules->policy : NULL,
						   bytes_str(g->server_name), 0);
	if (buf_put_str(&why, "the request cannot be inspected: ") ||
	    buf_put_str(&why, q->problem ? q->problem : err_text(e)) || buf_put_u8(&why, '\0'))
		buf_reset(&why);
	gate_refuse_for(g, status, code, "http.request",
			why.len ? (const char *)why.at : err_text(e));
	buf_done(&why);
}

/* The program waits for "100 Continue" before it sends the body (RFC 9110 10.1.1). The head goes
 * out with its length unsaid, so that the body can still be held back and judged. */
static void release_head(struct gate *g)
{
	static const char why[] =
		"the head was let out because the program waits for 100 Continue; "
		"the body had not been decided on";
	struct decision d;

	if (g->head_released || !gate_check_ground(g))
		return;
	gate_set_scope(g, &d);
	d.action = ACTION_ALLOW;
	_Static_assert(sizeof why <= sizeof d.reason, "fits");
	memcpy(d.reason, why, sizeof why);
	if (gate_recorded(g, NULL, &d, COVERAGE_HEADERS_ONLY))
		gate_put_head(g);
}

/* Takes from the front of the program's bytes up to the end of a request. */
static size_t take(struct gate *g, struct bytes data)
{
	const struct http1_request *q = exchange_request(g->exchange);
	enum host_verdict host;
	size_t used;
	enum err e;

	if (q->raw.len == 0) {
		begin_request(g);
		gate_describe(g);
		if (gate_is_elsewhere(g)) {
			gate_open_up(g, data);
			return data.len;
		}
	}
	e = exchange_feed_request(g->exchange, data, &used);
	host = gate_settle_host(g, e);
	if (host == HOST_NOT_OURS) {
		gate_open_up(g, bytes_from(data, used));
		return data.len;
	}
	if (host == HOST_REFUSED)
		return used;
	if (host == HOST_PASSES)
		return gate_pass_along(g, data, used, e);
	if (e == OK)
		handle_request(g);
	else if (e != ERR_MORE)
		handle_fault(g, e);
	else if (q->head_bytes && q->expects_continue)
		release_head(g);
	else if (gate_is_sniffing(g) && !q->head_bytes && !http1_request_target(q).len)
		gate_put_beginning(g);
	return used;
}

/* The rest of a write on a connection that is none of our business any more. */
static enum gate_answer pass_on(struct gate *g, struct bytes rest)
{
	if (g->credit)
		return GATE_TAKEN; /* bytes that have gone out are still to be told of */
	if (rest.len == 0)
		return GATE_OPENED;
	buf_reset(&g->staged);
	if (buf_put(&g->staged, rest))
		return GATE_BROKEN;
	g->out = buf_view(&g->staged);
	return gate_flush(g);
}

/* The program speaks on a WebSocket: its bytes are read on the side and go out as they are. */
static enum gate_answer pass_through(struct gate *g, struct bytes data, size_t from)
{
	struct bytes rest = bytes_from(data, from);
	enum gate_answer answer;

	if (rest.len == 0)
		return GATE_TAKEN;
	buf_reset(&g->staged);
	if (buf_put(&g->staged, rest))
		return GATE_BROKEN;
	exchange_feed_tunnel(g->exchange, rest, sys_monotonic_ns());
	g->out = buf_view(&g->staged);
	g->consumed = data.len;
	answer = gate_flush(g);
	if (answer == GATE_TAKEN)
		g->consumed = 0;
	return answer;
}

static enum gate_answer write_held(struct gate *g, struct bytes data)
{
	enum gate_answer answer;
	size_t from = 0;

	if (g->broken)
		return GATE_BROKEN;
	if (g->out.len) {
		/* The program comes back after GATE_BLOCKED: with the same bytes, or more, or (it
		 * may, with partial writes) fewer. */
		from = g->consumed < data.len ? g->consumed : data.len;
		answer = gate_flush(g);
		if (answer == GATE_BLOCKED || answer == GATE_BROKEN)
			return answer;
		g->credit = g->consumed - from;
		g->consumed = 0;
	} else if (g->credit) {
		from = g->credit < data.len ? g->credit : data.len;
		g->credit -= from;
	}
	if (g->opening) {
		answer = pass_on(g, bytes_from(data, from));
		g->consumed = data.len;
		return answer;
	}
	if (exchange_is_tunnel(g->exchange) && !g->refused)
		return pass_through(g, data, from);
	while (from < data.len && !g->refused) {
		from += take(g, bytes_from(data, from));
		if (!g->out.len)
			continue;
		g->consumed = from;
		answer = gate_flush(g);
		if (answer != GATE_TAKEN)
			return answer;
		g->consumed = 0;
	}
	return GATE_TAKEN;
}

void gate_skip(struct gate *g, size_t len)
{
	g->sent_before = len;
}

enum gate_answer gate_write(struct gate *g, struct bytes data)
{
	enum gate_answer answer = GATE_BROKEN;

	if (gate_enter(g)) {
		answer = write_held(g, data);
		lock_drop(&g->lock);
	}
	return answer;
}

bool gate_disowns(struct gate *g, struct bytes first)
{
	struct http1_request request;
	bool disowned;
	size_t used;

	if (!gate_is_sniffing(g) || !gate_enter(g))
		return false;
	disowned = !exchange_request(g->exchange)->raw.len && !g->out.len && !g->refused &&
		   !g->opening;
	lock_drop(&g->lock);
	http1_request_init(&request, EXCHANGE_BODY_BYTES_MAX);
	/* Once a target is on its way it is HTTP, be it malformed. */
	disowned = http1_request_feed(&request, first, &used) != ERR_NOMEM && disowned &&
		   !http1_request_target(&request).len;
	http1_request_done(&request);
	return disowned;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	g->gone = true;
	/* A child that frees its copy says nothing of the parent's connection. */
	if (g->pid == sys_process()) {
		exchange_end(g->exchange, OUTCOME_ABORTED_BY_PROGRAM, sys_monotonic_ns());
		gate_log_unfinished(g);
	}
	quota_done(&g->tickets);
	exchange_free(g->exchange);
	rules_drop(g->rules);
	buf_done(&g->staged);
	buf_done(&g->refusal);
	buf_done(&g->record);
	buf_done(&g->connection);
	buf_done(&g->asked);
	gate_key_done(&g->key);
	fingerprint_wipe(&g->fingerprint);
	usage_drop_done(&g->drop);
	buf_done(&g->clean);
	force_done(&g->force);
	free(g);
}
