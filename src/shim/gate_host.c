/* SPDX-License-Identifier: MIT */
#include "shim/gate_state.h"

#include <string.h>

#include "shim/fds.h"
#include "wire/http1.h"

#define HTTP_PORT  80
#define HTTPS_PORT 443

static struct bytes without_final_dot(struct bytes host)
{
	if (host.len && host.at[host.len - 1] == '.')
		host.len--;
	return host;
}

/* Whom the name that the TLS connection was made to means. The same for every request of the
 * connection, as long as the rules and the port are. */
static const struct provider *find_named(struct gate *g, unsigned by, uint16_t port)
{
	struct named *n = &g->named[by];

	if (!n->known || n->port != port) {
		n->provider = policy_find_provider(g->rules ? g->rules->policy : NULL,
						   bytes_str(g->server_name), port);
		n->port = port;
		n->known = true;
	}
	return n->provider;
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

	gate_describe(g);
	rest = bytes_slice(rest, 0, HTTP1_HEAD_BYTES_MAX);
	while (!found && http1_head_next(&rest, &name, &value)) {
		if (!bytes_equal_nocase(bytes_trim(name), BYTES("host")))
			continue;
		if (exchange_split_authority(value, &host, &port) == OK)
			found = find_host(g, host, port);
	}
	return found ? found : peer_find_provider(policy, BYTES_NONE, 0, &g->peer);
}

/* Which endpoint the request is for, or none, and the dialect. */
static void match_endpoint(struct gate *g)
{
	const char *method = exchange_request(g->exchange)->method;
	struct bytes target = http1_request_target(exchange_request(g->exchange));
	struct matched *m = &g->matched;
	struct match match;

	if (!m->target_bytes || m->provider != g->provider || m->method != method ||
	    !bytes_equal(bytes_of(m->target, m->target_bytes), target)) {
		provider_match(g->provider, bytes_str(method), exchange_path(g->exchange), &match);
		m->provider = g->provider;
		m->method = method;
		m->dialect = match.dialect;
		m->endpoint = match.endpoint;
		m->target_bytes = 0;
		if (target.len && target.len <= sizeof m->target && target.at[0] == '/' &&
		    bytes_find_byte(target, '?') == SIZE_MAX) {
			memcpy(m->target, target.at, target.len);
			m->target_bytes = target.len;
		}
	}
	g->dialect = m->dialect;
	g->endpoint = m->endpoint;
}

/* Which of the provider's endpoints is it? True: none, and the host serves other things too.
 * `host` is what the request says, `name` what the connection was made to. */
static bool settle_endpoint(struct gate *g, struct bytes name, struct bytes host, uint16_t port)
{
	const struct policy *policy = g->rules ? g->rules->policy : NULL;
	const struct provider *named;

	match_endpoint(g);
	if (g->endpoint || !provider_shares_host(g->provider, name.len ? name : host, port))
		return false;
	/* Who names another provider within means that one. */
	named = host.len ? policy_find_provider(policy, host, port) : NULL;
	g->passes = !named || named == g->provider;
	return g->passes;
}

/* It is for none of the providers; unless the policy, which may name more, cannot be read now. */
static enum host_verdict nobodys(struct gate *g)
{
	struct request_view view;

	if (!rules_are_unknown(g->rules))
		return HOST_NOT_OURS;
	exchange_view(g->exchange, &view);
	if (!catalogue_has_endpoint(view.method, view.path))
		return HOST_NOT_OURS;
	gate_refuse_for(g, 503, "broken_policy", "policy",
			g->rules ? g->rules->problem
				 : "no memory to look at the policy; try again");
	return HOST_REFUSED;
}

/* Once the head is complete. */
static enum host_verdict settle_head(struct gate *g)
{
	struct bytes name = bytes_str(g->server_name), host = BYTES_NONE;
	uint16_t port = 0;
	enum err e;

	if (g->host_settled)
		return g->passes ? HOST_PASSES : HOST_OURS;
	g->host_settled = true;
	e = exchange_host(g->exchange, &host, &port);
	if (gate_is_sniffing(g)) {
		g->provider = e ? named_provider(g) : find_host(g, host, port);
		if (!g->provider)
			return nobodys(g);
		if (settle_endpoint(g, BYTES_NONE, host, port))
			return HOST_PASSES;
		if (!e)
			return HOST_OURS;
		gate_refuse_for(
			g, 400, "ambiguous_request", "http.host",
			"the request does not say in one way which host it is for; send one Host "
			"field");
		return HOST_REFUSED;
	}
	g->provider = find_named(g, NAMED_BY_HOST, port ? port : HTTPS_PORT);
	if (!g->provider)
		return HOST_NOT_OURS;
	if (settle_endpoint(g, name, host, port))
		return HOST_PASSES;
	if (e)
		gate_refuse_for(
			g, 400, e == ERR_AMBIGUOUS ? "ambiguous_request" : "malformed_request",
			"http.host",
			e == ERR_AMBIGUOUS
				? "the request names one host in its target and another in its "
				  "Host field; send one of them"
				: "the request has no valid Host field, so nobody can tell whom it "
				  "is for; send one");
	else if (!bytes_equal_nocase(without_final_dot(host), without_final_dot(name)))
		gate_refuse_for(
			g, 400, "host_mismatch", "http.host",
			"the Host field names another server than the TLS connection was made "
			"to (domain fronting); use the same name in both");
	return g->refused ? HOST_REFUSED : HOST_OURS;
}

/* Not HTTP at all, to a host that serves other things too. */
static bool is_something_else(const struct gate *g)
{
	const struct policy *policy = g->rules ? g->rules->policy : NULL;
	struct bytes name = bytes_str(g->server_name);
	const struct provider *p = policy_find_provider(policy, name, 0);

	return p && provider_shares_host(p, name, 0);
}

bool gate_is_elsewhere(struct gate *g)
{
	return !gate_is_sniffing(g) && g->peer.port && !fds_is_proxied(g->link.fd) &&
	       !find_named(g, NAMED_BY_PEER, g->peer.port);
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
	gate_refuse_for(
		g, 403, "key_not_for_host", "keys.host",
		"the request holds a gateway key and goes to a host or path that is no model "
		"provider's; the key is good for providers alone, and may have to be revoked "
		"(\"aigw key revoke\") if it has gone there before");
	return true;
}

enum host_verdict gate_settle_host(struct gate *g, enum err fed)
{
	enum host_verdict verdict = HOST_OURS;

	if (exchange_request(g->exchange)->head_bytes) {
		verdict = settle_head(g);
	} else if (fed == ERR_NOMEM) {
		gate_refuse_nomem(g); /* it may be anybody's */
		verdict = HOST_REFUSED;
	} else if (fed && fed != ERR_MORE) {
		if (gate_is_sniffing(g)) {
			g->provider = named_provider(g);
			verdict = g->provider ? HOST_OURS : HOST_NOT_OURS;
		} else if (is_something_else(g)) {
			verdict = HOST_NOT_OURS;
		}
	}
	if ((verdict == HOST_NOT_OURS || verdict == HOST_PASSES) && key_leaves(g))
		verdict = HOST_REFUSED;
	return verdict;
}
