/* SPDX-License-Identifier: MIT */
#include "policy/decide.h"

#include <string.h>

#include "policy/pattern.h"
#include "policy/phrase.h"

/* How much of a reason the list of allowed models may take; what follows it says what to do. */
#define ALLOWED_BYTES_MAX 150

const char *action_name(enum action a)
{
	static const char *const names[] = {"allow", "rewrite", "refuse"};

	return (unsigned)a < sizeof names / sizeof names[0] ? names[a] : "refuse";
}

static const struct environment *find_environment(const struct policy *p, struct bytes name)
{
	for (size_t i = 0; i < p->environment_count; i++)
		if (bytes_equal(p->environments[i].name, name))
			return &p->environments[i];
	return NULL;
}

static bool application_matches(const struct application *a, const struct process_facts *facts)
{
	if (a->exe.len && !(facts->exe.len && bytes_match(a->exe, facts->exe, false)))
		return false;
	if (a->user.len && !bytes_equal(a->user, facts->user))
		return false;
	return a->exe.len || a->user.len;
}

void decide_scope(const struct policy *p, const struct process_facts *facts,
		  struct bytes *ret_environment, struct bytes *ret_application)
{
	*ret_environment = *ret_application = BYTES_NONE;
	if (!p)
		return;
	*ret_environment = p->default_environment;
	if (!facts)
		return;
	for (size_t i = 0; i < p->application_count; i++) {
		const struct application *a = &p->applications[i];
		if (!application_matches(a, facts))
			continue;
		*ret_application = a->name;
		*ret_environment = a->environment;
		return;
	}
	if (!p->trust_environment || facts->environment.len == 0)
		return;
	const struct environment *named = find_environment(p, facts->environment);
	if (named)
		*ret_environment = named->name;
}

static void set_refusal(struct decision *d, int status, const char *code)
{
	d->action = ACTION_REFUSE;
	d->status = status;
	d->code = code;
}

void decide_refuse(struct decision *d, int status, const char *code, const char *rule,
		   const char *reason)
{
	struct phrase p;

	set_refusal(d, status, code);
	phrase_init(&p, d->rule, sizeof d->rule);
	phrase_put(&p, rule);
	phrase_init(&p, d->reason, sizeof d->reason);
	phrase_put(&p, reason);
}

/* What a call is about, in the words of the rules. */
struct question {
	const struct provider *provider;
	enum operation operation;
	struct bytes model; /* as the program wrote it; empty: none is named */
	struct bytes name;  /* "provider/model" for matching; empty likewise */
	enum unknown_endpoints unknown_endpoints; /* what the provider's entry says */
};

/* The scopes from the outermost inwards. */
struct scope {
	const struct model_rules *rules;
	struct bytes environment; /* empty: the organization */
	enum unknown_endpoints unknown_endpoints;
};

#define SCOPES 2

static bool any_matches(const struct patterns *list, struct bytes name, size_t *ret_index)
{
	for (size_t i = 0; i < list->count; i++)
		if (pattern_matches(list->at[i], name)) {
			*ret_index = i;
			return true;
		}
	return false;
}

static bool any_covers(const struct patterns *list, const char *provider)
{
	for (size_t i = 0; i < list->count; i++)
		if (pattern_covers(list->at[i], provider))
			return true;
	return false;
}

static bool any_can_match(const struct patterns *list, const char *provider, size_t *ret_index)
{
	for (size_t i = 0; i < list->count; i++)
		if (pattern_can_match(list->at[i], provider)) {
			*ret_index = i;
			return true;
		}
	return false;
}

static void put_rule(struct decision *d, const struct scope *s, const char *list)
{
	struct phrase p;

	phrase_init(&p, d->rule, sizeof d->rule);
	phrase_put_bytes(&p, s->rules->where);
	phrase_put(&p, list);
}

static void put_deny_rule(struct decision *d, const struct scope *s, size_t index)
{
	struct phrase p;

	phrase_init(&p, d->rule, sizeof d->rule);
	phrase_put_bytes(&p, s->rules->where);
	phrase_put(&p, ".deny[");
	phrase_put_decimal(&p, index);
	phrase_put(&p, "]");
}

static void put_scope(struct phrase *p, const struct scope *s)
{
	phrase_put(p, s->environment.len ? "environment " : "the organization");
	phrase_put_bytes(p, s->environment);
}

/* `model "gpt-5" of provider openai` */
static void put_model(struct phrase *p, const struct question *q)
{
	phrase_put(p, "model ");
	phrase_put_quoted(p, q->model);
	phrase_put(p, " of provider ");
	phrase_put(p, q->provider->name);
}

/* "; DO or have WHERE.LIST changed" */
static void put_advice(struct phrase *p, const struct scope *s, const char *advice,
		       const char *list)
{
	phrase_put(p, "; ");
	phrase_put(p, advice);
	phrase_put(p, " or have ");
	phrase_put_bytes(p, s->rules->where);
	phrase_put(p, list);
	phrase_put(p, " changed");
}

/* As many of the allowed patterns as fit, and how many there are besides. */
static void put_allowed(struct phrase *p, const struct patterns *allow)
{
	size_t end = p->len + ALLOWED_BYTES_MAX, shown = 0;

	if (allow->count == 0) {
		phrase_put(p, " (it allows no model at all)");
		return;
	}
	phrase_put(p, " (allowed: ");
	for (; shown < allow->count && p->len + allow->at[shown].len < end; shown++) {
		phrase_put(p, shown ? ", " : "");
		phrase_put_bytes(p, allow->at[shown]);
	}
	if (shown < allow->count) {
		phrase_put(p, shown ? " and " : "");
		phrase_put_decimal(p, allow->count - shown);
		phrase_put(p, shown ? " more" : " patterns");
	}
	phrase_put(p, ")");
}

static void refuse_denied(struct decision *d, const struct scope *s, const struct question *q,
			  size_t index)
{
	struct phrase p;

	set_refusal(d, 403, "policy_denied");
	put_deny_rule(d, s, index);
	phrase_init(&p, d->reason, sizeof d->reason);
	put_model(&p, q);
	phrase_put(&p, " is denied in ");
	put_scope(&p, s);
	phrase_put(&p, " by the pattern ");
	phrase_put_quoted(&p, s->rules->deny.at[index]);
	put_advice(&p, s, "ask for another model", ".deny");
}

static void refuse_not_allowed(struct decision *d, const struct scope *s, const struct question *q)
{
	struct phrase p;

	set_refusal(d, 403, "policy_denied");
	put_rule(d, s, ".allow");
	phrase_init(&p, d->reason, sizeof d->reason);
	put_model(&p, q);
	phrase_put(&p, " is not allowed in ");
	put_scope(&p, s);
	put_allowed(&p, &s->rules->allow);
	put_advice(&p, s, "ask for another model", ".allow");
}

/* -- unknown endpoints --------------------------------------------------------------------- */

/* "environments.production.unknown_endpoints"; `s` NULL: the provider's own. */
static void put_unknown_rule(struct phrase *p, const struct scope *s, const struct question *q)
{
	if (s) {
		struct bytes where = s->rules->where;
		size_t models = sizeof ".models" - 1;
		phrase_put_bytes(p, bytes_slice(where, 0, where.len - models));
	} else {
		phrase_put(p, "providers.");
		phrase_put(p, q->provider->name);
	}
	phrase_put(p, ".unknown_endpoints");
}

/* The outermost scope that says `what`, in *ret_scope (NULL: the provider). False: none does. */
static bool find_unknown(const struct scope scopes[SCOPES], const struct question *q,
			 enum unknown_endpoints what, const struct scope **ret_scope)
{
	for (size_t i = 0; i < SCOPES; i++)
		if (scopes[i].unknown_endpoints == what) {
			*ret_scope = &scopes[i];
			return true;
		}
	*ret_scope = NULL;
	return q->unknown_endpoints == what;
}

/* True: refused. */
static bool refuse_unknown(struct decision *d, const struct scope scopes[SCOPES],
			   const struct question *q)
{
	const struct scope *s;
	struct phrase p;

	if (q->operation != OP_UNKNOWN || !find_unknown(scopes, q, UNKNOWN_REFUSE, &s))
		return false;
	set_refusal(d, 403, "unknown_endpoint");
	phrase_init(&p, d->rule, sizeof d->rule);
	put_unknown_rule(&p, s, q);
	phrase_init(&p, d->reason, sizeof d->reason);
	phrase_put(&p, "the endpoint is none that is known of provider ");
	phrase_put(&p, q->provider->name);
	phrase_put(&p, " (\"aigw providers ");
	phrase_put(&p, q->provider->name);
	phrase_put(&p, "\" lists them), and unknown endpoints are refused ");
	phrase_put(&p, s ? "in " : "for this provider");
	if (s)
		put_scope(&p, s);
	phrase_put(&p, "; use a known endpoint or have ");
	put_unknown_rule(&p, s, q);
	phrase_put(&p, " changed");
	return true;
}

/* An unknown endpoint is allowed by the scope that says so, if any does. */
static void put_unknown_allowed(struct decision *d, const struct scope scopes[SCOPES],
				const struct question *q)
{
	const struct scope *s;
	struct phrase rule;

	if (q->operation != OP_UNKNOWN || !find_unknown(scopes, q, UNKNOWN_ALLOW, &s))
		return;
	phrase_init(&rule, d->rule, sizeof d->rule);
	put_unknown_rule(&rule, s, q);
}

/* The rule of an allowed call: the innermost list that had to agree. */
static void allow(struct decision *d, const struct scope scopes[SCOPES], const struct question *q)
{
	const struct scope *decided = &scopes[SCOPES - 1];
	struct phrase p;
	size_t index = 0;

	for (size_t i = 0; i < SCOPES; i++)
		if (scopes[i].rules->allow.given)
			decided = &scopes[i];
	d->action = ACTION_ALLOW;
	put_rule(d, decided, decided->rules->allow.given ? ".allow" : "");
	phrase_init(&p, d->reason, sizeof d->reason);
	if (!q->name.len) {
		phrase_put(&p, q->operation == OP_UNKNOWN ? "an unknown endpoint"
							  : operation_name(q->operation));
		phrase_put(&p, " of provider ");
		phrase_put(&p, q->provider->name);
	} else {
		put_model(&p, q);
		phrase_put(&p, q->operation == OP_UNKNOWN ? ", at an unknown endpoint," : "");
	}
	phrase_put(&p, " is allowed in ");
	put_scope(&p, &scopes[SCOPES - 1]);
	if (q->name.len && decided->rules->allow.given &&
	    any_matches(&decided->rules->allow, q->name, &index)) {
		phrase_put(&p, " by the pattern ");
		phrase_put_quoted(&p, decided->rules->allow.at[index]);
	} else if (q->name.len) {
		phrase_put(&p, ", which restricts no model by name");
	}
	put_unknown_allowed(d, scopes, q);
}

static void decide_model(struct decision *d, const struct scope scopes[SCOPES],
			 const struct question *q)
{
	size_t index;

	for (size_t i = 0; i < SCOPES; i++)
		if (any_matches(&scopes[i].rules->deny, q->name, &index)) {
			refuse_denied(d, &scopes[i], q, index);
			return;
		}
	for (size_t i = 0; i < SCOPES; i++)
		if (scopes[i].rules->allow.given &&
		    !any_matches(&scopes[i].rules->allow, q->name, &index)) {
			refuse_not_allowed(d, &scopes[i], q);
			return;
		}
	allow(d, scopes, q);
}

static const char *why_model_is_unknown(const struct question *q)
{
	if (q->operation == OP_UNKNOWN)
		return "the endpoint is unknown here, so its model cannot be read, and ";
	return "the request names no model, and ";
}

static const char *how_to_name_a_model(const struct question *q)
{
	return q->operation == OP_UNKNOWN ? "use a known endpoint" : "name a model";
}

/* The call may use any model of the provider: only who may use all of them may make it. */
static void decide_any_model(struct decision *d, const struct scope scopes[SCOPES],
			     const struct question *q)
{
	const char *provider = q->provider->name;
	const struct scope *s = NULL;
	struct phrase p;
	size_t index = 0;
	bool denied = false;

	for (size_t i = 0; i < SCOPES && !s; i++)
		if (any_can_match(&scopes[i].rules->deny, provider, &index)) {
			s = &scopes[i];
			denied = true;
		}
	for (size_t i = 0; i < SCOPES && !s; i++)
		if (scopes[i].rules->allow.given && !any_covers(&scopes[i].rules->allow, provider))
			s = &scopes[i];
	if (!s) {
		allow(d, scopes, q);
		return;
	}
	set_refusal(d, 403, "policy_denied");
	if (denied)
		put_deny_rule(d, s, index);
	else
		put_rule(d, s, ".allow");
	phrase_init(&p, d->reason, sizeof d->reason);
	phrase_put(&p, why_model_is_unknown(q));
	put_scope(&p, s);
	phrase_put(&p, " does not allow every model of provider ");
	phrase_put(&p, provider);
	if (denied) {
		phrase_put(&p, " (denied: ");
		phrase_put_bytes(&p, bytes_slice(s->rules->deny.at[index], 0, PHRASE_QUOTE_MAX));
		phrase_put(&p, ")");
	} else {
		put_allowed(&p, &s->rules->allow);
	}
	put_advice(&p, s, how_to_name_a_model(q), denied ? ".deny" : ".allow");
}

/* Reading what the provider keeps (its list of models, an earlier response) runs no model: it is
 * allowed wherever anything is. */
static void decide_reading(struct decision *d, const struct scope scopes[SCOPES],
			   const struct question *q)
{
	struct phrase p;

	for (size_t i = 0; i < SCOPES; i++) {
		const struct scope *s = &scopes[i];
		if (!s->rules->allow.given || s->rules->allow.count)
			continue;
		set_refusal(d, 403, "policy_denied");
		put_rule(d, s, ".allow");
		phrase_init(&p, d->reason, sizeof d->reason);
		put_scope(&p, s);
		phrase_put(&p, " allows no model, so ");
		phrase_put(&p, operation_name(q->operation));
		phrase_put(&p, " of provider ");
		phrase_put(&p, q->provider->name);
		phrase_put(&p, " is refused too; have ");
		phrase_put_bytes(&p, s->rules->where);
		phrase_put(&p, ".allow changed");
		return;
	}
	allow(d, scopes, q);
}

static struct bytes model_of(const struct call *call)
{
	size_t len = call->model_len < MODEL_BYTES_MAX ? call->model_len : MODEL_BYTES_MAX;

	return bytes_of(call->model, len);
}

/* What the policy says of unknown endpoints for a provider; its entry need not name a host. */
static enum unknown_endpoints said_of(const struct policy *p, const struct provider *provider)
{
	for (size_t i = 0; i < p->provider_count; i++)
		if (bytes_equal(bytes_str(p->providers[i].name), bytes_str(provider->name)))
			return p->providers[i].unknown_endpoints;
	return provider->unknown_endpoints;
}

void decide(const struct policy *p, const struct process_facts *facts,
	    const struct provider *provider, const struct call *call, struct decision *ret_decision)
{
	static const struct call no_call = {.operation = OP_UNKNOWN};
	struct decision *d = ret_decision;
	char name[PATTERN_BYTES_MAX];
	struct question q = {.provider = provider};

	*d = (struct decision){.code = ""};
	if (!p) {
		decide_refuse(
			d, 503, "no_policy", "no_policy",
			"there is no usable policy, so no call to a model provider is made; "
			"run \"aigw init\" to write one, or \"aigw policy check\" to see what "
			"is wrong with the one there is");
		return;
	}
	decide_scope(p, facts, &d->environment, &d->application);
	const struct environment *environment = find_environment(p, d->environment);
	if (!provider || !environment) {
		decide_refuse(d, 503, "no_policy", "no_policy",
			      "the provider or the environment of this call is not known; run "
			      "\"aigw policy check\"");
		return;
	}
	const struct scope scopes[SCOPES] = {
		{&p->organization, BYTES_NONE, p->organization_unknown_endpoints},
		{&environment->models, environment->name, environment->unknown_endpoints}};
	if (!call)
		call = &no_call;
	q.operation = call->operation;
	q.model = model_of(call);
	if (pattern_canonical_name(provider->name, q.model, name, &q.name)) {
		decide_refuse(d, 403, "policy_denied", "model",
			      "the names of provider and model are too long to be compared with "
			      "the policy; use a shorter name");
		return;
	}
	q.unknown_endpoints = said_of(p, provider);
	if (refuse_unknown(d, scopes, &q))
		return;
	if (q.name.len)
		decide_model(d, scopes, &q);
	else if (operation_reads(q.operation))
		decide_reading(d, scopes, &q);
	else
		decide_any_model(d, scopes, &q);
}
