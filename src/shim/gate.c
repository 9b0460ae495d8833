/* SPDX-License-Identifier: MIT */
#include "shim/gate.h"

#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "llm/body_edit.h"
#include "llm/usage_ask.h"
#include "policy/force.h"
#include "policy/phrase.h"
#include "shim/asked.h"
#include "shim/explain.h"
#include "shim/fds.h"
#include "shim/gate_key.h"
#include "shim/gate_record.h"
#include "shim/journal.h"
#include "shim/notice.h"
#include "shim/peer.h"
#include "shim/quota.h"
#include "shim/rules.h"
#include "shim/wake.h"
#include "wire/http1.h"

#define HTTP_PORT          80
#define HTTPS_PORT         443
#define NAME_BYTES_MAX     256
#define SETTLE_FIRST_BYTES (8u << 10)
#define SETTLE_STEP_BYTES  (32u << 10)
#define RECORD_IDLE_MAX    (64u << 10) /* memory kept between two records */

struct gate {
	struct lock lock;
	pid_t pid; /* whose connection it is: a forked child has a copy of everything */
	struct carrier carrier;
	void *session;
	char server_name[NAME_BYTES_MAX];
	struct exchange *exchange;
	struct rules *rules; /* that the request under way is decided by */
	struct link_facts link;
	bool described, gone; /* gone: the library's session must not be asked any more */
	struct peer peer;
	/* the request under way */
	const struct provider *provider;
	const struct dialect *dialect; /* of its endpoint, or of where its path leads to */
	char host[NAME_BYTES_MAX];     /* without TLS: as the request names it; "" when not known */
	char id[ULID_CHARS + 1];
	uint64_t started_ns;
	bool host_settled, head_released;
	bool passes; /* it goes to something else that a shared host serves: none of our business */
	size_t released; /* bytes of it that have gone out */
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
	struct buf refusal;
	size_t served;
	struct buf record;
	struct buf asked;       /* by the requests whose answers are awaited */
	struct buf tickets;     /* for what they took of the limits */
	uint64_t retry_after_s; /* of the refusal */
	struct gate_key key;
	/* an answer whose usage we asked for */
	struct usage_drop drop;
	bool changing; /* drop is at work, or bytes of it wait here: the answer is not as it came */
	bool cut;      /* bytes were lost for want of memory: the connection ends */
	struct buf clean; /* for the program */
	size_t clean_served;
	/* of the request under way */
	bool usage_asked;
	struct force force; /* what was forced into its body */
};

static void on_part(void *context, struct exchange *x);
static void on_answer(void *context, struct exchange *x, enum outcome outcome);

enum err gate_new(const struct carrier *carrier, void *session, struct bytes server_name,
		  struct gate **ret_gate)
{
	struct gate *g = calloc(1, sizeof *g);
	struct exchange_listener listener = {on_part, on_answer, g};

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

/* A child that goes on with a connection of its parent's makes it its own; the lock may have been
 * held by a thread that does not exist here. */
static bool enter(struct gate *g)
{
	pid_t me = sys_process();

	if (g->pid != me) {
		lock_reset(&g->lock);
		g->pid = me;
	}
	return lock_take(&g->lock);
}

static bool is_sniffing(const struct gate *g)
{
	return g->server_name[0] == '\0';
}

/* Whom the connection, or without TLS the request, is meant for; "" when it does not say. */
static const char *name_of(const struct gate *g)
{
	return g->server_name[0] ? g->server_name : g->host;
}

static bool keeps_payloads(const struct rules *r)
{
	return r && r->policy && r->policy->audit.payloads == PAYLOADS_FULL;
}

static void describe(struct gate *g)
{
	if (g->gone || (g->described && g->link.fd >= 0))
		return;
	g->carrier.describe(g->session, &g->link);
	peer_of(g->link.fd, &g->peer);
	g->described = true;
}

static enum err write_record(struct gate *g, enum record_kind kind)
{
	enum err e = journal_append(g->rules, kind, buf_view(&g->record));

	if (g->record.cap > RECORD_IDLE_MAX)
		buf_done(&g->record);
	return e;
}

/* ---- refusing ---- */

static const struct dialect *dialect_of(const struct gate *g)
{
	return g->dialect ? g->dialect : g->provider ? g->provider->dialect : &dialect_openai;
}

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

static void put_refusal(struct gate *g, const struct decision *d)
{
	static const char bare[] = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n"
				   "x-should-retry: false\r\nconnection: close\r\n\r\n";
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
		e = provider_put_refusal(g->provider, dialect_of(g), &refusal, &g->refusal);
	if (e) {
		buf_reset(&g->refusal);
		/* Without memory for an answer, the end of the connection is the answer. */
		(void)!buf_put(&g->refusal, bytes_str(bare));
	}
	buf_done(&message);
}

/* When earlier requests of the connection still await their answers, theirs come first. */
static void wake_if_due(struct gate *g)
{
	if (!g->refused || g->woken || exchange_awaited(g->exchange))
		return;
	g->woken = true;
	g->carrier.hush(g->session);
	describe(g);
	if (!wake(g->link.fd, g->link.own_transport))
		g->carrier.say_goodbye(g->session);
}

static struct request_facts facts_of(struct gate *g, const struct call *call,
				     const struct decision *d)
{
	describe(g);
	return (struct request_facts){
		.id = g->id,
		.self = journal_self(g->rules),
		.rules = g->rules,
		.provider = g->provider,
		.dialect = dialect_of(g),
		.exchange = g->exchange,
		.call = call,
		.decision = d,
		.link = &g->link,
		.server_name = name_of(g),
		.peer = g->peer.text,
		.held_ns = sys_monotonic_ns() - g->started_ns,
		.with_body = keeps_payloads(g->rules),
		.changes = buf_view(&g->force.changes),
		.key = &g->key,
		.usage_asked = g->usage_asked,
		.codings_limited = g->usage_asked &&
				   body_edit_limits_codings(exchange_request(g->exchange)),
	};
}

/* Where a decision that is not made by the rules stands. */
static void set_scope(const struct gate *g, struct decision *d)
{
	memset(d, 0, sizeof *d);
	if (g->rules && g->rules->policy)
		decide_scope(g->rules->policy, &journal_self(g->rules)->facts,
			     gate_key_scope(&g->key), &d->environment, &d->application);
}

/* The decision is "no": it is recorded where that can be, answered, and nothing more goes out. */
static void refuse(struct gate *g, const struct call *call, const struct decision *d)
{
	g->usage_asked = g->key.replaced = false; /* nothing goes out */
	force_done(&g->force);
	gate_key_wipe(&g->key);
	quota_give_back(&g->tickets, g->id);
	if (g->rules) {
		struct request_facts f = facts_of(g, call, d);
		f.outcome = "refused";
		if (!gate_record_request(&f, &g->record))
			(void)!write_record(g, REC_REQUEST);
	}
	if (g->head_released)
		exchange_withdraw(g->exchange);
	explain_refusal(bytes_str(name_of(g)), d->rule, d->reason);
	put_refusal(g, d);
	__atomic_store_n(&g->refused, true, __ATOMIC_RELEASE);
	wake_if_due(g);
}

static void refuse_for(struct gate *g, int status, const char *code, const char *rule,
		       const char *reason)
{
	struct decision d;

	set_scope(g, &d);
	decide_refuse(&d, status, code, rule, reason);
	refuse(g, NULL, &d);
}

/* ---- deciding ---- */

static void begin_request(struct gate *g)
{
	uint8_t unique[10];

	g->started_ns = sys_monotonic_ns();
	g->host_settled = g->head_released = g->passes = g->usage_asked = false;
	g->released = 0;
	force_done(&g->force);
	g->retry_after_s = 0;
	g->dialect = NULL;
	sys_unique(unique);
	record_make_id(sys_now_ns() / 1000000u, unique, g->id);
	g->provider = NULL; /* it lived in the old rules */
	g->host[0] = '\0';
	rules_drop(g->rules);
	g->rules = rules_take();
}

static struct bytes without_final_dot(struct bytes host)
{
	if (host.len && host.at[host.len - 1] == '.')
		host.len--;
	return host;
}

/* Whose host is it? Without TLS, the address counts too: what stands in a Host field is anybody's
 * choice, and a policy may name its own servers by their addresses. */
static const struct provider *find_host(struct gate *g, struct bytes host, uint16_t port)
{
	const struct policy *policy = g->rules ? g->rules->policy : NULL;
	bool direct = !fds_is_proxied(g->link.fd);

	if (!g->link.plain)
		return policy_find_provider(policy, host, port ? port : HTTPS_PORT);
	if (host.len && host.len < sizeof g->host) {
		memcpy(g->host, host.at, host.len);
		g->host[host.len] = '\0';
	}
	if (!port)
		port = direct && g->peer.port ? g->peer.port : HTTP_PORT;
	return peer_find_provider(policy, host, port, direct ? &g->peer : NULL);
}

/* Of a request that cannot be parsed on a connection without a name: the provider that any of its
 * Host lines, or the address it goes to, names. NULL: none. */
static const struct provider *named_provider(struct gate *g)
{
	const struct policy *policy = g->rules ? g->rules->policy : NULL;
	struct bytes rest = buf_view(&exchange_request(g->exchange)->raw), name, value, host;
	const struct provider *found = NULL;
	uint16_t port = 0;

	describe(g);
	rest = bytes_slice(rest, 0, HTTP1_HEAD_BYTES_MAX);
	while (!found && http1_head_next(&rest, &name, &value)) {
		if (!bytes_equal_nocase(bytes_trim(name), BYTES("host")))
			continue;
		if (exchange_split_authority(value, &host, &port) == OK)
			found = find_host(g, host, port);
	}
	return found ? found : peer_find_provider(policy, BYTES_NONE, 0, &g->peer);
}

/* HOST_PASSES: this request is for something else that the provider's host serves. */
enum host_verdict { HOST_OURS, HOST_NOT_OURS, HOST_REFUSED, HOST_PASSES };

/* Which of the provider's endpoints is it? True: none, and the host serves other things too.
 * `host` is what the request says, `name` what the connection was made to. */
static bool settle_endpoint(struct gate *g, struct bytes name, struct bytes host, uint16_t port)
{
	const struct policy *policy = g->rules ? g->rules->policy : NULL;
	const struct provider *named;
	struct request_view view;
	struct match match;

	exchange_view(g->exchange, &view);
	provider_match(g->provider, view.method, view.path, &match);
	g->dialect = match.dialect;
	if (match.endpoint || !provider_shares_host(g->provider, name.len ? name : host, port))
		return false;
	/* Who names another provider within means that one. */
	named = host.len ? policy_find_provider(policy, host, port) : NULL;
	g->passes = !named || named == g->provider;
	return g->passes;
}

/* Once the head is complete: whose request is it? */
static enum host_verdict settle_host(struct gate *g)
{
	const struct policy *policy = g->rules ? g->rules->policy : NULL;
	struct bytes name = bytes_str(g->server_name), host = BYTES_NONE;
	uint16_t port = 0;
	enum err e;

	if (g->host_settled)
		return g->passes ? HOST_PASSES : HOST_OURS;
	g->host_settled = true;
	e = exchange_host(g->exchange, &host, &port);
	if (is_sniffing(g)) {
		g->provider = e ? named_provider(g) : find_host(g, host, port);
		if (!g->provider)
			return HOST_NOT_OURS;
		if (settle_endpoint(g, BYTES_NONE, host, port))
			return HOST_PASSES;
		if (!e)
			return HOST_OURS;
		refuse_for(
			g, 400, "ambiguous_request", "http.host",
			"the request does not say in one way which host it is for; send one Host "
			"field");
		return HOST_REFUSED;
	}
	g->provider = policy_find_provider(policy, name, port ? port : HTTPS_PORT);
	if (!g->provider)
		return HOST_NOT_OURS;
	if (settle_endpoint(g, name, host, port))
		return HOST_PASSES;
	if (e)
		refuse_for(
			g, 400, e == ERR_AMBIGUOUS ? "ambiguous_request" : "malformed_request",
			"http.host",
			e == ERR_AMBIGUOUS
				? "the request names one host in its target and another in its "
				  "Host field; send one of them"
				: "the request has no valid Host field, so nobody can tell whom it "
				  "is for; send one");
	else if (!bytes_equal_nocase(without_final_dot(host), without_final_dot(name)))
		refuse_for(g, 400, "host_mismatch", "http.host",
			   "the Host field names another server than the TLS connection was made "
			   "to (domain fronting); use the same name in both");
	return g->refused ? HOST_REFUSED : HOST_OURS;
}

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
static bool check_ground(struct gate *g)
{
	const struct http1_request *q = exchange_request(g->exchange);
	const struct rules *r = g->rules;

	describe(g);
	if (!r) {
		refuse_for(g, 503, "internal_error", "aigw.memory",
			   "no memory to look at the policy; try again");
	} else if (r->problem[0] && !(r->policy && r->policy->audit.on_failure == FAIL_ALLOW)) {
		refuse_for(g, 503, r->code, r->policy ? "audit.recipients" : "policy", r->problem);
	} else if (g->link.plain && r->policy && r->policy->transport.plaintext_refuse &&
		   !g->provider->plaintext) {
		refuse_for(
			g, 403, "policy_denied", "transport.plaintext",
			"the request would go out without TLS, for everybody on the way to read; "
			"use https://, or, for a server of your own, give its provider "
			"\"plaintext\": true in the policy");
	} else if (!g->link.plain && r->policy && g->link.version &&
		   g->link.version < (int)r->policy->transport.min_tls) {
		refuse_for(g, 403, "policy_denied", "transport.min_tls",
			   "the connection's TLS version is below what the policy allows; let the "
			   "program use a newer one");
	} else if (!g->link.plain && r->policy && r->policy->transport.verify_peer &&
		   !g->link.verified) {
		refuse_for(
			g, 403, "policy_denied", "transport.verify_peer",
			"the provider's certificate was not verified by the program; let it verify "
			"(no -k, no verify=False, the right CA file), or set "
			"transport.verify_peer to false");
	} else if ((q->upgrade && !exchange_asks_websocket(g->exchange) &&
		    !(g->link.plain && asks_for_h2c_only(q))) ||
		   (q->method && strcmp(q->method, "CONNECT") == 0)) {
		refuse_for(
			g, 403, "not_inspected", "http.upgrade",
			"the request asks for another protocol (h2c, CONNECT, or a WebSocket among "
			"others) that this version cannot inspect; use the HTTP API or a "
			"WebSocket");
	} else if (exchange_asks_websocket(g->exchange) && r->policy &&
		   r->policy->transport.websocket_refuse) {
		refuse_for(g, 403, "policy_denied", "transport.websocket",
			   "the policy refuses WebSocket connections to providers; use the HTTP "
			   "API, or have transport.websocket changed");
	}
	return !g->refused;
}

static enum err record_request(struct gate *g, const struct call *call, const struct decision *d,
			       enum coverage coverage)
{
	struct request_facts f = facts_of(g, call, d);
	enum err e;

	f.coverage = coverage;
	e = gate_record_request(&f, &g->record);
	return e ? e : write_record(g, REC_REQUEST);
}

/* True when the record was written, or the policy lets the request go without. */
static bool recorded(struct gate *g, const struct call *call, const struct decision *d,
		     enum coverage coverage)
{
	enum err e = record_request(g, call, d, coverage);
	struct buf why = {0};

	if (!e || g->rules->policy->audit.on_failure == FAIL_ALLOW)
		return true;
	if (journal_put_trouble(g->rules, &why) || buf_put_str(&why, " (") ||
	    buf_put_str(&why, err_text(e)) ||
	    buf_put_str(&why,
			"), and the policy says audit.on_failure: refuse; make it writable") ||
	    buf_put_u8(&why, '\0'))
		buf_reset(&why);
	refuse_for(g, 503, "audit_not_writable", "audit.on_failure",
		   why.len ? (const char *)why.at : "the audit log cannot be written");
	buf_done(&why);
	return false;
}

static bool await_answer(struct gate *g, const struct call *call)
{
	const struct http1_request *q = exchange_request(g->exchange);
	struct sent sent = {
		.dialect = dialect_of(g),
		.operation = call->operation,
		.head = strcmp(q->method, "HEAD") == 0,
		.websocket = exchange_asks_websocket(g->exchange),
		.names_model = call->model_len > 0,
		.started_ns = g->started_ns,
		.sent_ns = sys_monotonic_ns(),
	};

	memcpy(sent.id, g->id, sizeof sent.id);
	if (exchange_sent(g->exchange, &sent) == OK)
		return true;
	refuse_for(g, 400, "pipeline_too_deep", "http.pipelining",
		   "more requests were sent ahead of their answers than are followed; wait for "
		   "answers");
	return false;
}

/* The body that goes out. */
static struct bytes body_of(const struct gate *g)
{
	return g->force.changed ? buf_view(&g->force.body)
				: http1_request_body(exchange_request(g->exchange));
}

static enum err put_chunk(struct buf *out, struct bytes body)
{
	enum err e = body_edit_put_size(out, body.len);

	if (!e)
		e = buf_put(out, body);
	return e ? e : buf_put(out, BYTES("\r\n0\r\n\r\n"));
}

/* The body of a request whose head has gone out as chunked. */
static bool stage_body(struct gate *g)
{
	const struct http1_request *q = exchange_request(g->exchange);

	if (q->chunked && !g->force.changed) {
		g->out = bytes_from(buf_view(&q->raw), q->head_bytes);
		return true;
	}
	buf_reset(&g->staged);
	if (put_chunk(&g->staged, body_of(g))) {
		refuse_for(g, 503, "internal_error", "aigw.memory", "no memory; try again");
		return false;
	}
	g->out = buf_view(&g->staged);
	return true;
}

/* The whole request as it goes out. */
static bool stage_request(struct gate *g)
{
	const struct http1_request *q = exchange_request(g->exchange);

	g->out = buf_view(&q->raw);
	if (g->usage_asked) {
		g->out = buf_view(&g->staged);
	} else if (g->force.changed) {
		buf_reset(&g->staged);
		if (body_edit_put(q, body_of(g), false, &g->staged)) {
			g->out = BYTES_NONE;
			return false;
		}
		g->out = buf_view(&g->staged);
	}
	return true;
}

/* The provider's own key goes to nobody who is not known to be the provider, whatever the policy
 * lets a program send of its own. */
static bool may_have_secret(struct gate *g)
{
	if (!g->key.given || g->provider->plaintext || (!g->link.plain && g->link.verified))
		return true;
	refuse_for(g, 403, "policy_denied", "keys.transport",
		   g->link.plain ? "the provider's key would go out without TLS, for everybody on "
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
						   g->provider, dialect_of(g)};
	struct gate_key_fault fault;

	if (gate_key_read(&g->key, &question, head, &fault))
		return may_have_secret(g);
	refuse_for(g, fault.status, fault.code, fault.rule, fault.reason);
	return false;
}

/* The beginning of a request, with its whole head, is put on its way, with the provider's key in
 * the place of a gateway key. */
static void send_out(struct gate *g, struct bytes out)
{
	enum err e = gate_key_put(&g->key, out, g->sent_before, g->provider, dialect_of(g), &g->out,
				  &g->rest);

	if (!e)
		return;
	g->out = g->rest = BYTES_NONE;
	if (!g->head_released) /* else refuse does it */
		exchange_withdraw(g->exchange);
	if (e == ERR_STATE)
		refuse_for(g, 400, "key_sent", "keys",
			   "a part of the gateway key went out before it was known whom it is for; "
			   "write the request's first line at once, or send the key in a header");
	else
		refuse_for(g, 503, "internal_error", "aigw.memory", "no memory; try again");
}

/* Puts the question for token counts into g->staged, where the policy wants it and nothing speaks
 * against it. Answers that come before would have to be told from this one's, and a bare socket has
 * no way to say that more bytes wait than it holds: there it is not asked. */
static void ask_usage(struct gate *g, const struct request_view *view, const struct call *call)
{
	if (!g->rules->policy->usage_ask || g->link.plain || g->head_released || g->changing ||
	    exchange_awaited(g->exchange))
		return;
	if (call->operation != OP_CHAT || !call->stream ||
	    !bytes_equal(view->method, BYTES("POST")) ||
	    !bytes_ends(view->path, BYTES("/chat/completions")) ||
	    !usage_ask_is_accepted(g->provider))
		return;
	buf_reset(&g->staged);
	g->usage_asked = usage_ask_splice(exchange_request(g->exchange), body_of(g), &g->staged) ==
			 OK;
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
	refuse(g, call, d);
	return false;
}

static void ask(struct gate *g, const struct request_view *view, const struct call *call,
		struct decision *ret_decision)
{
	const struct policy *policy = g->rules->policy;
	struct features features;
	struct bytes host = bytes_str(name_of(g));
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
		.now_s = (int64_t)(sys_now_ns() / 1000000000u),
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

/* Takes what the request may use from the limits it is under; true: it may go. */
static bool within_limits(struct gate *g, const struct request_view *view, const struct call *call,
			  struct decision *d)
{
	const struct quota_call q = {g->id, g->rules, g->provider, call, view->body};
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
	refuse(g, call, d);
	return false;
}

/* The request is complete: decide, record, and put it on its way. */
static void handle_request(struct gate *g)
{
	struct request_view view;
	struct call call = {0};
	struct fault fault = {0};
	struct decision d;

	if (!check_ground(g) || !read_key(g))
		return;
	exchange_view(g->exchange, &view);
	enum err e = provider_read_call(g->provider, &view, &call, &fault);
	if (e) {
		int status = e == ERR_LIMIT ? 413 : e == ERR_NOMEM ? 503 : 400;
		refuse_for(g, status, fault.code ? fault.code : "malformed_request", "request",
			   fault.reason ? fault.reason : err_text(e));
		return;
	}
	/* A WebSocket is decided on when it is asked for; its messages then pass at once. */
	call.stream |= exchange_asks_websocket(g->exchange);
	ask(g, &view, &call, &d);
	if (d.action == ACTION_REFUSE) {
		refuse(g, &call, &d);
		return;
	}
	if (!force_into(g, &call, &d) || !within_limits(g, &view, &call, &d))
		return;
	ask_usage(g, &view, &call);
	if (g->usage_asked || g->key.given)
		d.action = ACTION_REWRITE;
	if (!recorded(g, &call, &d, COVERAGE_FULL))
		return;
	(void)!asked_put(&g->asked, g->id, g->provider, &call); /* without, there is no cost */
	if (g->head_released) {
		(void)stage_body(g);
		return;
	}
	/* Before its answer is awaited: there may be no memory for it. */
	if (!stage_request(g)) {
		refuse_for(g, 503, "internal_error", "aigw.memory", "no memory; try again");
		return;
	}
	if (!await_answer(g, &call)) {
		g->out = BYTES_NONE;
		return;
	}
	send_out(g, g->out);
	if (g->usage_asked) {
		usage_drop_begin(&g->drop);
		__atomic_store_n(&g->changing, true, __ATOMIC_RELEASE);
	}
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
	refuse_for(g, status, code, "http.request", why.len ? (const char *)why.at : err_text(e));
	buf_done(&why);
}

/* None of our business: what was held goes out as it came, with the rest of the program's write. */
static void open_up(struct gate *g, struct bytes rest)
{
	const struct http1_request *q = exchange_request(g->exchange);

	g->opening = true;
	buf_reset(&g->staged);
	if (buf_put(&g->staged, bytes_from(buf_view(&q->raw), g->released)) ||
	    buf_put(&g->staged, rest)) {
		g->opening = false;
		refuse_for(g, 503, "internal_error", "aigw.memory", "no memory; try again");
		return;
	}
	g->out = buf_view(&g->staged);
}

/* A request to something else that a shared host serves goes out as it comes: only where it ends is
 * followed, because the next one may be ours. What cannot be followed is let go, and the connection
 * with it. Returns how many of the program's bytes are taken. */
static size_t pass_along(struct gate *g, struct bytes data, size_t used, enum err e)
{
	const struct http1_request *q = exchange_request(g->exchange);
	struct sent silent = {.silent = true, .head = strcmp(q->method, "HEAD") == 0};

	if ((e && e != ERR_MORE) || q->upgrade || strcmp(q->method, "CONNECT") == 0 ||
	    (!g->released && exchange_sent(g->exchange, &silent))) {
		open_up(g, bytes_from(data, used));
		return data.len;
	}
	g->out = bytes_from(buf_view(&q->raw), g->released);
	g->released = q->raw.len;
	return used;
}

/* Not HTTP at all, to a host that serves other things too. */
static bool is_something_else(const struct gate *g)
{
	const struct policy *policy = g->rules ? g->rules->policy : NULL;
	struct bytes name = bytes_str(g->server_name);
	const struct provider *p = policy_find_provider(policy, name, 0);

	return p && provider_shares_host(p, name, 0);
}

/* The program waits for "100 Continue" before it sends the body (RFC 9110 10.1.1). The head goes
 * out with its length unsaid, so that the body can still be held back and judged. */
static void release_head(struct gate *g)
{
	const struct http1_request *q = exchange_request(g->exchange);
	struct decision d;
	struct call call = {.operation = OP_UNKNOWN};
	struct bytes raw = buf_view(&q->raw), line;
	enum err e;

	if (g->head_released || !check_ground(g) || !read_key(g))
		return;
	set_scope(g, &d);
	d.action = ACTION_ALLOW;
	static const char why[] =
		"the head was let out because the program waits for 100 Continue; "
		"the body had not been decided on";
	_Static_assert(sizeof why <= sizeof d.reason, "fits");
	memcpy(d.reason, why, sizeof why);
	if (!recorded(g, NULL, &d, COVERAGE_HEADERS_ONLY) || !await_answer(g, &call))
		return;
	g->head_released = true;
	buf_reset(&g->staged);
	if (q->chunked) {
		e = buf_put(&g->staged, bytes_slice(raw, 0, q->head_bytes));
	} else {
		/* The request line, and an empty line before it (RFC 9112 2.2). */
		line = bytes_from(raw, q->target.at);
		line = bytes_slice(raw, 0, q->target.at + bytes_find_byte(line, '\n') + 1);
		e = buf_put(&g->staged, line);
		for (size_t i = 0; !e && i < q->field_count; i++) {
			struct bytes name = http1_field_name(q, i);
			if (bytes_equal_nocase(name, BYTES("content-length")))
				continue;
			e = buf_put(&g->staged, name);
			if (!e)
				e = buf_put(&g->staged, BYTES(": "));
			if (!e)
				e = buf_put(&g->staged, http1_field_value(q, i));
			if (!e)
				e = buf_put(&g->staged, BYTES("\r\n"));
		}
		if (!e)
			e = buf_put(&g->staged, BYTES("Transfer-Encoding: chunked\r\n\r\n"));
	}
	if (e)
		refuse_for(g, 503, "internal_error", "aigw.memory", "no memory; try again");
	else
		send_out(g, buf_view(&g->staged));
}

/* ---- the program writes ---- */

/* The provider has the request now and takes its time: what the log left undone is done in small
 * steps, until the answer is there. */
static void use_the_wait(const struct gate *g)
{
	size_t step = SETTLE_FIRST_BYTES;

	while (journal_settle(step)) {
		step = SETTLE_STEP_BYTES;
		if (g->link.fd < 0 || sys_is_readable(g->link.fd))
			break;
	}
}

/* Hands `out` to the library. GATE_TAKEN: all of it. */
static enum gate_answer flush(struct gate *g)
{
	g->out = bytes_from(g->out, g->sent_before);
	g->sent_before = 0;
	while (g->out.len) {
		size_t done = 0;
		struct bytes out = g->out;
		lock_drop(&g->lock);
		enum carried carried = g->carrier.send(g->session, out, &done);
		bool again = lock_take(&g->lock);
		(void)again; /* fails only for a signal handler inside our own steps */
		switch (carried) {
		case CARRIED:
			g->out = g->rest;
			g->rest = BYTES_NONE;
			break;
		case CARRIED_PART:
			g->out = bytes_from(g->out, done);
			break;
		case BLOCKED:
			return GATE_BLOCKED;
		case BROKEN:
			g->out = g->rest = BYTES_NONE;
			gate_key_wipe(&g->key);
			if (exchange_request(g->exchange)->complete)
				quota_give_back(&g->tickets, g->id); /* it never left whole */
			exchange_end(g->exchange, OUTCOME_ABORTED_BY_PROVIDER, sys_monotonic_ns());
			return GATE_BROKEN;
		}
	}
	gate_key_wipe(&g->key);
	g->sent_before = g->beginning;
	g->beginning = 0;
	if (g->staged.cap > RECORD_IDLE_MAX)
		buf_done(&g->staged);
	if (exchange_request(g->exchange)->complete) {
		exchange_next_request(g->exchange);
		use_the_wait(g);
	}
	return g->opening ? GATE_OPENED : GATE_TAKEN;
}

/* A gateway key is on its way to somebody who is no provider, or to something else that a
 * provider's host serves: it is worth nothing there, and is nobody's business. */
static bool key_leaves(struct gate *g)
{
	const struct http1_request *q = exchange_request(g->exchange);

	if (!q->head_bytes || g->released ||
	    !gate_key_is_in(bytes_slice(buf_view(&q->raw), 0, q->head_bytes)))
		return false;
	g->passes = false;
	refuse_for(g, 403, "key_not_for_host", "keys.host",
		   "the request holds a gateway key and goes to a host or path that is no model "
		   "provider's; the key is good for providers alone, and may have to be revoked "
		   "(\"aigw key revoke\") if it has gone there before");
	return true;
}

/* The policy names this host with a port, and the connection went to another one, directly: that
 * is some other server under the same name. */
static bool is_elsewhere(const struct gate *g)
{
	return !is_sniffing(g) && g->peer.port && !fds_is_proxied(g->link.fd) &&
	       !policy_find_provider(g->rules ? g->rules->policy : NULL, bytes_str(g->server_name),
				     g->peer.port);
}

/* A connection without a name, and bytes that may be the beginning of a request, or of anything:
 * the program may now wait for an answer to them. They go out, and come along when the rest is
 * judged. */
static void let_beginning_out(struct gate *g)
{
	g->out = buf_view(&exchange_request(g->exchange)->raw);
	g->beginning = g->out.len;
}

/* Takes from the front of the program's bytes up to the end of a request. */
static size_t take(struct gate *g, struct bytes data)
{
	const struct http1_request *q = exchange_request(g->exchange);
	enum host_verdict host = HOST_OURS;
	size_t used;
	enum err e;

	if (q->raw.len == 0) {
		begin_request(g);
		describe(g);
		if (is_elsewhere(g)) {
			open_up(g, data);
			return data.len;
		}
	}
	e = exchange_feed_request(g->exchange, data, &used);
	if (q->head_bytes)
		host = settle_host(g);
	else if (is_sniffing(g) && e && e != ERR_MORE && !(g->provider = named_provider(g)))
		host = HOST_NOT_OURS; /* not HTTP, or nothing in it names a provider */
	else if (!is_sniffing(g) && e && e != ERR_MORE && is_something_else(g))
		host = HOST_NOT_OURS;
	if ((host == HOST_NOT_OURS || host == HOST_PASSES) && key_leaves(g))
		return used;
	if (host == HOST_NOT_OURS) {
		open_up(g, bytes_from(data, used));
		return data.len;
	}
	if (host == HOST_REFUSED)
		return used;
	if (host == HOST_PASSES)
		return pass_along(g, data, used, e);
	if (e == OK)
		handle_request(g);
	else if (e != ERR_MORE)
		handle_fault(g, e);
	else if (q->head_bytes && q->expects_continue)
		release_head(g);
	else if (is_sniffing(g) && !q->head_bytes && !http1_request_target(q).len)
		let_beginning_out(g);
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
	return flush(g);
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
	answer = flush(g);
	if (answer == GATE_TAKEN)
		g->consumed = 0;
	return answer;
}

static enum gate_answer write_held(struct gate *g, struct bytes data)
{
	enum gate_answer answer;
	size_t from = 0;

	if (g->out.len) {
		/* The program comes back after GATE_BLOCKED: with the same bytes, or more, or (it
		 * may, with partial writes) fewer. */
		from = g->consumed < data.len ? g->consumed : data.len;
		answer = flush(g);
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
	if (exchange_is_tunnel(g->exchange))
		return pass_through(g, data, from);
	while (from < data.len && !g->refused) {
		from += take(g, bytes_from(data, from));
		if (!g->out.len)
			continue;
		g->consumed = from;
		answer = flush(g);
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

	if (enter(g)) {
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

	if (!is_sniffing(g) || !enter(g))
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

/* ---- the program reads ---- */

/* Bytes of an answer that was changed. */
static size_t serve_clean(struct gate *g, uint8_t *out, size_t cap, bool peek)
{
	struct bytes left = bytes_slice(bytes_from(buf_view(&g->clean), g->clean_served), 0, cap);

	if (left.len)
		memcpy(out, left.at, left.len);
	if (peek)
		return left.len;
	g->clean_served += left.len;
	if (g->clean_served < g->clean.len)
		return left.len;
	g->clean_served = 0;
	buf_reset(&g->clean);
	if (g->drop.mode == DROP_OFF && !g->cut) {
		buf_done(&g->clean);
		usage_drop_done(&g->drop);
		__atomic_store_n(&g->changing, false, __ATOMIC_RELEASE);
	}
	return left.len;
}

static bool has_something_to_serve(struct gate *g)
{
	return __atomic_load_n(&g->refused, __ATOMIC_ACQUIRE) || gate_is_changing(g);
}

enum gate_serving gate_serve(struct gate *g, uint8_t *out, size_t cap, bool peek, size_t *ret_len)
{
	enum gate_serving serving = GATE_NOTHING;
	struct bytes left;

	if (!has_something_to_serve(g) || !enter(g))
		return GATE_NOTHING;
	left = bytes_slice(bytes_from(buf_view(&g->refusal), g->served), 0, cap);
	if (g->clean_served < g->clean.len) {
		*ret_len = serve_clean(g, out, cap, peek);
		serving = GATE_SERVED;
	} else if (g->cut) {
		*ret_len = 0;
		serving = GATE_END;
	} else if (g->refused && !exchange_awaited(g->exchange)) {
		serving = left.len ? GATE_SERVED : GATE_END;
		if (left.len)
			memcpy(out, left.at, left.len);
		if (!peek)
			g->served += left.len;
		*ret_len = left.len;
	}
	lock_drop(&g->lock);
	return serving;
}

size_t gate_pending(struct gate *g)
{
	size_t pending = 0;

	if (!has_something_to_serve(g) || !enter(g))
		return 0;
	pending = g->clean.len - g->clean_served;
	if (!pending && g->refused && !exchange_awaited(g->exchange))
		pending = g->refusal.len - g->served;
	lock_drop(&g->lock);
	return pending;
}

bool gate_is_changing(struct gate *g)
{
	return __atomic_load_n(&g->changing, __ATOMIC_ACQUIRE);
}

size_t gate_read(struct gate *g, uint8_t *data, size_t len, size_t cap)
{
	if (!enter(g))
		return len;
	exchange_feed_answer(g->exchange, bytes_of(data, len), sys_monotonic_ns());
	wake_if_due(g);
	if (g->changing) {
		g->cut = g->cut || usage_drop_feed(&g->drop, bytes_of(data, len), &g->clean);
		len = serve_clean(g, data, cap, false);
	}
	lock_drop(&g->lock);
	return len;
}

void gate_read_as_is(struct gate *g, struct bytes data)
{
	if (!enter(g))
		return;
	exchange_feed_answer(g->exchange, data, sys_monotonic_ns());
	wake_if_due(g);
	/* What is held would have to come before: it cannot, so there is an end. */
	if (g->changing) {
		g->cut = g->drop.event.len || g->clean_served < g->clean.len;
		g->drop.mode = DROP_OFF;
	}
	lock_drop(&g->lock);
}

bool gate_ended(struct gate *g)
{
	bool waits;

	if (!enter(g))
		return false;
	if (exchange_awaited(g->exchange))
		exchange_end(g->exchange, OUTCOME_ABORTED_BY_PROVIDER, sys_monotonic_ns());
	wake_if_due(g);
	if (g->changing)
		g->cut = usage_drop_end(&g->drop, &g->clean) || g->cut;
	waits = g->clean_served < g->clean.len;
	lock_drop(&g->lock);
	return waits;
}

/* ---- records of the answer ---- */

static void on_part(void *context, struct exchange *x)
{
	struct gate *g = context;

	if (g->rules && keeps_payloads(g->rules) && exchange_oldest(x) &&
	    !gate_record_part(x, &g->record))
		(void)!write_record(g, REC_RESPONSE_PART);
}

static void on_answer(void *context, struct exchange *x, enum outcome outcome)
{
	struct gate *g = context;
	const struct following *f = exchange_following(x);
	const struct sent *sent = exchange_oldest(x);
	struct asked asked;
	bool known = sent && asked_take(&g->asked, sent->id, &asked);

	/* A stream that runs until close says by its last event whether it was whole. */
	if (outcome == OUTCOME_COMPLETE && f->is_stream && !f->answer.terminated && !f->has_end &&
	    f->cut_by_close)
		outcome = OUTCOME_ABORTED_BY_PROVIDER;
	if (sent) {
		const struct quota_answer used = {sent->id, g->rules, f, known ? &asked : NULL,
						  outcome};
		quota_settle(&g->tickets, &used);
	}
	struct answer_facts facts = {.rules = g->rules,
				     .exchange = x,
				     .asked = known ? &asked : NULL,
				     .outcome = outcome,
				     .with_body = keeps_payloads(g->rules)};
	if (g->rules && !gate_record_answer(&facts, &g->record))
		(void)!write_record(g, outcome == OUTCOME_COMPLETE ? REC_RESPONSE : REC_ABORTED);
}

/* A request that was begun and will never be complete left nothing at the provider; it is told of
 * all the same. */
static void record_unfinished(struct gate *g)
{
	struct decision d;

	if (exchange_request(g->exchange)->raw.len == 0 || g->refused || g->head_released ||
	    g->opening || g->passes || !g->rules || !g->provider || is_sniffing(g))
		return;
	memset(&d, 0, sizeof d);
	struct request_facts f = facts_of(g, NULL, &d);
	f.outcome = outcome_name(OUTCOME_ABORTED_BY_PROGRAM);
	f.coverage = COVERAGE_TRUNCATED;
	if (!gate_record_request(&f, &g->record))
		(void)!write_record(g, REC_REQUEST);
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	g->gone = true;
	/* A child that frees its copy says nothing of the parent's connection. */
	if (g->pid == sys_process()) {
		exchange_end(g->exchange, OUTCOME_ABORTED_BY_PROGRAM, sys_monotonic_ns());
		record_unfinished(g);
	}
	quota_done(&g->tickets);
	exchange_free(g->exchange);
	rules_drop(g->rules);
	buf_done(&g->staged);
	buf_done(&g->refusal);
	buf_done(&g->record);
	buf_done(&g->asked);
	gate_key_done(&g->key);
	usage_drop_done(&g->drop);
	buf_done(&g->clean);
	force_done(&g->force);
	free(g);
}
