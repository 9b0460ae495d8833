/* SPDX-License-Identifier: MIT */
#include "policy/decide_part.h"

/* -- the key ------------------------------------------------------------------------------- */

static bool has_name(const struct patterns *list, struct bytes name)
{
	for (size_t i = 0; i < list->count; i++)
		if (bytes_equal(list->at[i], name))
			return true;
	return false;
}

static bool says_key(const struct matter *m, const struct scope *s)
{
	return s->kind == SCOPE_KEY;
}

static bool refuses_key(const struct matter *m, const struct scope *s, struct decision *d)
{
	const struct key_scope *key = m->question->key;
	struct bytes application = m->application ? m->application->name : BYTES_NONE;
	struct phrase p;

	if (s->kind != SCOPE_KEY)
		return false;
	if (key->providers.given && !has_name(&key->providers, bytes_str(m->provider->name))) {
		decide_begin(d, s, "policy_denied", ".providers", &p);
		phrase_put(&p, "the gateway key ");
		phrase_put_bytes(&p, key->name);
		phrase_put(&p, " is not for provider ");
		phrase_put(&p, m->provider->name);
		phrase_put(&p, "; use a key that is");
		return true;
	}
	if (key->applications.given && !has_name(&key->applications, application)) {
		decide_begin(d, s, "policy_denied", ".applications", &p);
		phrase_put(&p, "the gateway key ");
		phrase_put_bytes(&p, key->name);
		if (application.len) {
			phrase_put(&p, " is not for application ");
			phrase_put_bytes(&p, application);
		} else {
			phrase_put(&p, " is for listed applications, and this program is none");
		}
		phrase_put(&p, "; use a key that is for it");
		return true;
	}
	return false;
}

/* -- unknown endpoints --------------------------------------------------------------------- */

static bool says_unknown(const struct matter *m, const struct scope *s)
{
	return s->rules->unknown_endpoints != UNKNOWN_UNSAID;
}

static bool refuses_unknown(const struct matter *m, const struct scope *s, struct decision *d)
{
	struct phrase p;

	if (m->operation != OP_UNKNOWN || s->rules->unknown_endpoints != UNKNOWN_REFUSE)
		return false;
	decide_begin(d, s, "unknown_endpoint", ".unknown_endpoints", &p);
	phrase_put(&p, "the endpoint is none that is known of provider ");
	phrase_put(&p, m->provider->name);
	phrase_put(&p, " (\"aigw providers ");
	phrase_put(&p, m->provider->name);
	phrase_put(&p, "\" lists them), and unknown endpoints are refused ");
	if (s->kind == SCOPE_PROVIDER) {
		phrase_put(&p, "for this provider");
	} else {
		phrase_put(&p, "in ");
		decide_put_scope(&p, s);
	}
	decide_put_advice(&p, s, "use a known endpoint", ".unknown_endpoints");
	return true;
}

/* -- names out of a list: operations, features --------------------------------------------- */

static bool says_bits(const struct bit_rules *rules)
{
	return rules->allow_given || rules->deny;
}

/* Of `bits`, the lowest that the rules forbid; 64: none. *ret_denied: by the deny list. */
static unsigned first_forbidden(const struct bit_rules *rules, uint64_t bits, bool *ret_denied)
{
	uint64_t denied = bits & rules->deny,
		 missing = rules->allow_given ? bits & ~rules->allow : 0;
	uint64_t forbidden = denied ? denied : missing;

	*ret_denied = denied != 0;
	return forbidden ? (unsigned)__builtin_ctzll(forbidden) : 64;
}

static bool says_endpoints(const struct matter *m, const struct scope *s)
{
	return says_bits(&s->rules->endpoints);
}

static bool refuses_endpoints(const struct matter *m, const struct scope *s, struct decision *d)
{
	unsigned operation = (unsigned)m->operation < OP_COUNT ? m->operation : OP_UNKNOWN;
	bool denied;
	struct phrase p;

	if (first_forbidden(&s->rules->endpoints, (uint64_t)1 << operation, &denied) == 64)
		return false;
	decide_begin(d, s, "policy_denied", denied ? ".endpoints.deny" : ".endpoints.allow", &p);
	phrase_put(&p, "operation ");
	phrase_put(&p, operation_name((enum operation)operation));
	phrase_put(&p, " of provider ");
	phrase_put(&p, m->provider->name);
	phrase_put(&p, denied ? " is denied in " : " is not allowed in ");
	decide_put_scope(&p, s);
	decide_put_advice(&p, s, "use another endpoint",
			  denied ? ".endpoints.deny" : ".endpoints.allow");
	return true;
}

static bool says_features(const struct matter *m, const struct scope *s)
{
	return says_bits(&s->rules->features);
}

/* What is said on a WebSocket cannot be decided on. */
static bool refuse_unread(struct decision *d, const struct scope *s, const char *key)
{
	struct phrase p;

	decide_begin(d, s, "not_inspected", key, &p);
	phrase_put(&p, "what is said on a WebSocket is not decided on, and ");
	decide_put_scope(&p, s);
	phrase_put(&p, " has rules about it");
	decide_put_advice(&p, s, "use the HTTP API", key);
	return true;
}

static bool refuses_features(const struct matter *m, const struct scope *s, struct decision *d)
{
	const struct features *f = m->question->features;
	struct phrase p;
	unsigned feature;
	bool denied;

	if (!says_bits(&s->rules->features))
		return false;
	feature = first_forbidden(&s->rules->features, f ? f->bits : 0, &denied);
	if (feature == 64)
		return m->question->websocket && refuse_unread(d, s, ".features");
	decide_begin(d, s, "policy_denied", denied ? ".features.deny" : ".features.allow", &p);
	phrase_put(&p, "the request uses ");
	phrase_put(&p, feature_name((enum feature)feature));
	phrase_put(&p, denied ? ", which is denied in " : ", which is not allowed in ");
	decide_put_scope(&p, s);
	decide_put_advice(&p, s, "leave it out", denied ? ".features.deny" : ".features.allow");
	return true;
}

/* -- hosts --------------------------------------------------------------------------------- */

static bool any_host(const struct patterns *list, struct bytes host)
{
	for (size_t i = 0; i < list->count; i++)
		if (bytes_match(list->at[i], host, true))
			return true;
	return false;
}

static bool says_hosts(const struct matter *m, const struct scope *s)
{
	return s->rules->hosts.given || s->rules->denied_hosts.given;
}

static bool refuses_hosts(const struct matter *m, const struct scope *s, struct decision *d)
{
	struct bytes host = m->question->host;
	struct phrase p;
	bool denied;

	if (host.len && host.at[host.len - 1] == '.')
		host.len--;
	denied = any_host(&s->rules->denied_hosts, host);
	if (!denied && (!s->rules->hosts.given || any_host(&s->rules->hosts, host)))
		return false;
	decide_begin(d, s, "policy_denied", denied ? ".hosts.deny" : ".hosts.allow", &p);
	phrase_put(&p, "the host ");
	phrase_put_quoted(&p, host);
	phrase_put(&p, denied ? " is denied in " : " is not allowed in ");
	decide_put_scope(&p, s);
	decide_put_advice(&p, s, "use another host or region of the provider",
			  denied ? ".hosts.deny" : ".hosts.allow");
	return true;
}

/* -- sizes --------------------------------------------------------------------------------- */

static bool says_body(const struct matter *m, const struct scope *s)
{
	return s->rules->max_body_bytes > 0;
}

static bool refuses_body(const struct matter *m, const struct scope *s, struct decision *d)
{
	uint64_t bytes = m->question->body_bytes;
	struct phrase p;

	if (!s->rules->max_body_bytes || bytes <= s->rules->max_body_bytes)
		return false;
	decide_begin(d, s, "request_too_large", ".max_body_bytes", &p);
	d->status = 413;
	phrase_put(&p, "the request's body has ");
	phrase_put_decimal(&p, bytes);
	phrase_put(&p, " bytes, and ");
	decide_put_scope(&p, s);
	phrase_put(&p, " allows ");
	phrase_put_decimal(&p, s->rules->max_body_bytes);
	decide_put_advice(&p, s, "send less", ".max_body_bytes");
	return true;
}

static bool says_tokens(const struct matter *m, const struct scope *s)
{
	return s->rules->max_tokens > 0;
}

static bool refuses_tokens(const struct matter *m, const struct scope *s, struct decision *d)
{
	const struct features *f = m->question->features;
	struct phrase p;

	if (!s->rules->max_tokens)
		return false;
	if (!f || !f->has_max_tokens || f->max_tokens <= s->rules->max_tokens)
		return m->question->websocket && refuse_unread(d, s, ".max_tokens");
	decide_begin(d, s, "policy_denied", ".max_tokens", &p);
	phrase_put(&p, "the request asks for more than the ");
	phrase_put_decimal(&p, s->rules->max_tokens);
	phrase_put(&p, " tokens of answer that ");
	decide_put_scope(&p, s);
	phrase_put(&p, " allows");
	decide_put_advice(&p, s, "ask for less", ".max_tokens");
	return true;
}

/* -- forced fields ------------------------------------------------------------------------- */

/* Into what is said on a WebSocket nothing can be put. */
static bool is_out_of_reach(const struct matter *m, const struct forced *f)
{
	return m->question->websocket &&
	       control_applies(f->control, m->provider, BYTES("POST"), m->question->path);
}

static bool says_set(const struct matter *m, const struct scope *s)
{
	return s->rules->set_count > 0;
}

static bool refuses_set(const struct matter *m, const struct scope *s, struct decision *d)
{
	struct phrase p;

	for (size_t i = 0; i < s->rules->set_count && !s->rules->unalterable_tagged; i++) {
		if (!is_out_of_reach(m, &s->rules->set[i]))
			continue;
		decide_begin(d, s, "not_inspected", ".set", &p);
		phrase_put(&p, "what is said on a WebSocket is not altered, and ");
		decide_put_scope(&p, s);
		phrase_put(&p, " wants fields forced into it");
		decide_put_advice(&p, s, "use the HTTP API", ".set");
		return true;
	}
	return false;
}

const struct rule_kind decide_kinds[] = {
	{"key", says_key, refuses_key},
	{"unknown_endpoints", says_unknown, refuses_unknown},
	{"models.deny", decide_says_denied, decide_refuses_denied},
	{"models.allow", decide_says_models, decide_refuses_models},
	{"endpoints", says_endpoints, refuses_endpoints},
	{"hosts", says_hosts, refuses_hosts},
	{"require", decide_says_require, decide_refuses_require},
	{"features", says_features, refuses_features},
	{"set", says_set, refuses_set},
	{"max_body_bytes", says_body, refuses_body},
	{"max_tokens", says_tokens, refuses_tokens},
};
const size_t decide_kind_count = sizeof decide_kinds / sizeof decide_kinds[0];
