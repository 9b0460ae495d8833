/* SPDX-License-Identifier: MIT */
#include "policy/decide.h"

#include <stddef.h>
#include <string.h>

#include "policy/decide_part.h"

#define OBSERVED "only observed, not refused: "

const char *action_name(enum action a)
{
	static const char names[][8] = {"allow", "rewrite", "refuse"};

	return (unsigned)a < sizeof names / sizeof names[0] ? names[a] : "refuse";
}

const char *receipt_name(enum receipt r)
{
	static const char names[][12] = {"",        "no_control", "refused",
					 "already", "forced",     "not_forced"};

	return (unsigned)r < sizeof names / sizeof names[0] ? names[r] : "";
}

/* -- which scopes -------------------------------------------------------------------------- */

static const struct environment *find_environment(const struct policy *p, struct bytes name)
{
	for (size_t i = 0; i < p->environment_count; i++)
		if (bytes_equal(p->environments[i].name, name))
			return &p->environments[i];
	return NULL;
}

/* The first application that means this program. With a key that is for one environment, only its
 * applications. */
static const struct application *find_application(const struct policy *p,
						  const struct process_facts *facts,
						  const struct environment *of_key)
{
	for (size_t i = 0; facts && i < p->application_count; i++) {
		const struct application *a = &p->applications[i];
		if (of_key && &p->environments[a->environment_at] != of_key)
			continue;
		if (process_matches(&a->match, facts))
			return a;
	}
	return NULL;
}

/* NULL only when the key names an environment that there is not. */
static const struct environment *choose(const struct policy *p, const struct process_facts *facts,
					const struct key_scope *key,
					const struct application **ret_application)
{
	const struct environment *named = NULL;

	*ret_application = NULL;
	if (key && key->environment.len) {
		named = find_environment(p, key->environment);
		if (named)
			*ret_application = find_application(p, facts, named);
		return named;
	}
	*ret_application = find_application(p, facts, NULL);
	if (*ret_application)
		return &p->environments[(*ret_application)->environment_at];
	if (p->trust_environment && facts && facts->environment.len)
		named = find_environment(p, facts->environment);
	return named ? named : find_environment(p, p->default_environment);
}

void decide_scope(const struct policy *p, const struct process_facts *facts,
		  const struct key_scope *key, struct bytes *ret_environment,
		  struct bytes *ret_application)
{
	const struct application *application;

	*ret_environment = *ret_application = BYTES_NONE;
	if (!p)
		return;
	const struct environment *environment = choose(p, facts, key, &application);
	if (environment)
		*ret_environment = environment->name;
	if (application)
		*ret_application = application->name;
}

static enum mode add_scope(struct matter *m, enum scope_kind kind, struct bytes name,
			   const struct scope_rules *rules, enum mode outer)
{
	enum mode mode = rules->mode == MODE_UNSAID ? outer : rules->mode;

	m->scopes[m->scope_count++] = (struct scope){kind, name, rules, mode == MODE_OBSERVE};
	if (rules->watch)
		m->scopes[m->scope_count++] = (struct scope){kind, name, rules->watch, true};
	return mode;
}

/* "keys.intake" and the like. */
static struct bytes put_where(char storage[WHERE_BYTES_MAX], const char *before, struct bytes name,
			      const char *after)
{
	struct phrase p;

	phrase_init(&p, storage, WHERE_BYTES_MAX);
	phrase_put(&p, before);
	phrase_put_bytes(&p, name);
	phrase_put(&p, after);
	return bytes_of(storage, p.len);
}

static void add_key(struct matter *m, const struct key_scope *key)
{
	m->of_key = (struct scope_rules){
		.where = put_where(m->key_where, "keys.", key->name, ""),
		.models = key->models,
	};
	if (!m->of_key.models.where.len)
		m->of_key.models.where = put_where(m->models_where, "keys.", key->name, ".models");
	m->scopes[m->scope_count++] = (struct scope){SCOPE_KEY, key->name, &m->of_key, false};
}

/* What the policy says of unknown endpoints for a provider; its entry need not name a host. */
static void add_provider(struct matter *m)
{
	const struct policy *p = m->policy;
	struct bytes name = bytes_str(m->provider->name);
	enum unknown_endpoints said = m->provider->unknown_endpoints;

	for (size_t i = 0; i < p->provider_count; i++)
		if (bytes_equal(bytes_str(p->providers[i].name), name))
			said = p->providers[i].unknown_endpoints;
	if (said == UNKNOWN_UNSAID)
		return;
	m->of_provider = (struct scope_rules){
		.where = put_where(m->provider_where, "providers.", name, ""),
		.unknown_endpoints = said,
	};
	m->scopes[m->scope_count++] = (struct scope){SCOPE_PROVIDER, name, &m->of_provider, false};
}

static void add_scopes(struct matter *m)
{
	const struct policy *p = m->policy;
	enum mode mode = add_scope(m, SCOPE_ORGANIZATION, BYTES_NONE, &p->organization, p->mode);

	mode = add_scope(m, SCOPE_ENVIRONMENT, m->environment->name, &m->environment->rules, mode);
	if (m->application)
		(void)add_scope(m, SCOPE_APPLICATION, m->application->name, &m->application->rules,
				mode);
	if (m->question->key)
		add_key(m, m->question->key);
	add_provider(m);
}

/* -- wording ------------------------------------------------------------------------------- */

void decide_set_refusal(struct decision *d, int status, const char *code)
{
	d->action = ACTION_REFUSE;
	d->status = status;
	d->code = code;
}

void decide_refuse(struct decision *d, int status, const char *code, const char *rule,
		   const char *reason)
{
	struct phrase p;

	decide_set_refusal(d, status, code);
	phrase_init(&p, d->rule, sizeof d->rule);
	phrase_put(&p, rule);
	phrase_init(&p, d->reason, sizeof d->reason);
	phrase_put(&p, reason);
}

void decide_begin(struct decision *d, const struct scope *s, const char *code, const char *key,
		  struct phrase *ret_reason)
{
	struct phrase rule;

	decide_set_refusal(d, 403, code);
	phrase_init(&rule, d->rule, sizeof d->rule);
	phrase_put_bytes(&rule, s->rules->where);
	phrase_put(&rule, key);
	phrase_init(ret_reason, d->reason, sizeof d->reason);
}

void decide_put_scope(struct phrase *p, const struct scope *s)
{
	static const char kinds[][20] = {
		[SCOPE_ORGANIZATION] = "the organization",
		[SCOPE_ENVIRONMENT] = "environment ",
		[SCOPE_APPLICATION] = "application ",
		[SCOPE_KEY] = "key ",
		[SCOPE_PROVIDER] = "provider ",
	};

	phrase_put(p, kinds[s->kind]);
	phrase_put_bytes(p, s->name);
}

void decide_put_advice(struct phrase *p, const struct scope *s, const char *advice, const char *key)
{
	phrase_put(p, "; ");
	phrase_put(p, advice);
	phrase_put(p, " or have ");
	phrase_put_bytes(p, s->rules->where);
	phrase_put(p, key);
	phrase_put(p, " changed");
}

void decide_put_model(struct phrase *p, const struct matter *m)
{
	phrase_put(p, "model ");
	phrase_put_quoted(p, m->model);
	phrase_put(p, " of provider ");
	phrase_put(p, m->provider->name);
}

/* -- asking the rules ---------------------------------------------------------------------- */

static void tell(look_fn *look, void *context, const struct rule_kind *kind, const struct scope *s,
		 const struct decision *found)
{
	const struct look l = {
		.kind = kind->name,
		.where = s->rules->where,
		.refuses = found != NULL,
		.observed = s->observed,
		.rule = found ? found->rule : "",
		.reason = found ? found->reason : "",
	};

	look(context, &l);
}

void decide_observe(struct decision *d, const struct decision *found)
{
	struct phrase p;

	if (d->observed)
		return;
	d->observed = true;
	d->code = found->code;
	memcpy(d->rule, found->rule, sizeof d->rule);
	phrase_init(&p, d->reason, sizeof d->reason);
	phrase_put(&p, OBSERVED);
	phrase_put(&p, found->reason);
}

/* Nothing is decided, and nothing said. The room for texts is large, and is left as it is. */
static void clear(struct decision *d)
{
	size_t behind = offsetof(struct decision, reason) + sizeof d->reason;

	memset(d, 0, offsetof(struct decision, rule));
	d->rule[0] = d->reason[0] = '\0';
	memset((uint8_t *)d + behind, 0, sizeof *d - behind);
	d->code = "";
}

/* The first refusal, if any. With `look` all rules are asked. */
static void ask_rules(const struct matter *m, look_fn *look, void *context, struct decision *d)
{
	struct decision found;
	bool refused = false;

	clear(&found);

	for (size_t k = 0; k < decide_kind_count; k++) {
		const struct rule_kind *kind = &decide_kinds[k];
		for (size_t i = 0; i < m->scope_count; i++) {
			const struct scope *s = &m->scopes[i];
			bool refuses = kind->refuses(m, s, &found);
			if (look && (refuses || kind->says(m, s)))
				tell(look, context, kind, s, refuses ? &found : NULL);
			if (!refuses || refused)
				continue;
			if (s->observed) {
				decide_observe(d, &found);
				continue;
			}
			found.environment = d->environment;
			found.application = d->application;
			*d = found;
			refused = true;
			if (!look)
				return;
		}
	}
}

/* Its environment does not exist. */
static void refuse_homeless(struct decision *d, const struct key_scope *key)
{
	char rule[RULE_BYTES_MAX];
	struct phrase p;

	phrase_init(&p, rule, sizeof rule);
	phrase_put(&p, "keys.");
	phrase_put_bytes(&p, key->name);
	phrase_put(&p, ".environment");
	decide_refuse(d, 403, "policy_denied", rule,
		      "the gateway key is for an environment that the policy does not have; use "
		      "a key of one that exists");
}

/* True: the matter can be put to the rules. */
static bool set_matter(const struct policy *p, const struct question *q, struct matter *m,
		       struct decision *d)
{
	static const struct call no_call = {.operation = OP_UNKNOWN};
	const struct call *call = q->call ? q->call : &no_call;
	size_t model_len = call->model_len < MODEL_BYTES_MAX ? call->model_len : MODEL_BYTES_MAX;

	m->environment = choose(p, q->facts, q->key, &m->application);
	if (m->environment)
		d->environment = m->environment->name;
	if (m->application)
		d->application = m->application->name;
	if (!m->environment && q->key) {
		refuse_homeless(d, q->key);
		return false;
	}
	if (!q->provider || !m->environment) {
		decide_refuse(d, 503, "no_policy", "no_policy",
			      "the provider or the environment of this call is not known; run "
			      "\"aigw policy check\"");
		return false;
	}
	m->policy = p;
	m->question = q;
	m->provider = q->provider;
	m->operation = call->operation;
	m->model = bytes_of(call->model, model_len);
	if (pattern_canonical_name(q->provider->name, m->model, m->storage, &m->name)) {
		decide_refuse(d, 403, "policy_denied", "model",
			      "the names of provider and model are too long to be compared with "
			      "the policy; use a shorter name");
		return false;
	}
	return true;
}

static void put_limited(const struct matter *m, struct decision *d)
{
	const struct key_scope *key = m->question->key;

	for (size_t i = 0; i < m->scope_count; i++) {
		const struct scope *s = &m->scopes[i];
		if (s->rules->limits.given && d->limited_count < LIMITED_MAX)
			d->limited[d->limited_count++] = (struct limited){
				s->rules->where, &s->rules->limits, s->observed};
	}
	/* Not those of m->of_key, which ends with the matter. */
	if (key && key->limits.given && d->limited_count < LIMITED_MAX)
		d->limited[d->limited_count++] = (struct limited){key->where, &key->limits, false};
}

void decide_explain(const struct policy *p, const struct question *q, look_fn *look, void *context,
		    struct decision *ret_decision)
{
	struct decision *d = ret_decision;
	struct matter m;

	clear(d);
	if (!p) {
		decide_refuse(
			d, 503, "no_policy", "no_policy",
			"there is no usable policy, so no call to a model provider is made; "
			"run \"aigw init\" to write one, or \"aigw policy check\" to see what "
			"is wrong with the one there is");
		return;
	}
	m.scope_count = 0;
	if (!set_matter(p, q, &m, d))
		return;
	add_scopes(&m);
	ask_rules(&m, look, context, d);
	if (d->action != ACTION_REFUSE && !d->observed)
		decide_allow_models(&m, d);
	decide_settle_agreements(&m, d);
	if (d->action != ACTION_REFUSE)
		put_limited(&m, d);
}

void decide(const struct policy *p, const struct question *q, struct decision *ret_decision)
{
	decide_explain(p, q, NULL, NULL, ret_decision);
}
