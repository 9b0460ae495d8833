/* SPDX-License-Identifier: MIT */
#include "policy/decide_part.h"

/* How much of a reason the list of allowed models may take; what follows it says what to do. */
#define ALLOWED_BYTES_MAX 150

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
	phrase_put_bytes(&p, s->rules->models.where);
	phrase_put(&p, list);
}

static void put_deny_rule(struct decision *d, const struct scope *s, size_t index)
{
	struct phrase p;

	phrase_init(&p, d->rule, sizeof d->rule);
	phrase_put_bytes(&p, s->rules->models.where);
	phrase_put(&p, ".deny[");
	phrase_put_decimal(&p, index);
	phrase_put(&p, "]");
}

/* "; DO or have WHERE.LIST changed" */
static void put_advice(struct phrase *p, const struct scope *s, const char *advice,
		       const char *list)
{
	phrase_put(p, "; ");
	phrase_put(p, advice);
	phrase_put(p, " or have ");
	phrase_put_bytes(p, s->rules->models.where);
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

static void refuse_denied(struct decision *d, const struct scope *s, const struct matter *m,
			  size_t index)
{
	struct phrase p;

	decide_set_refusal(d, 403, "policy_denied");
	put_deny_rule(d, s, index);
	phrase_init(&p, d->reason, sizeof d->reason);
	decide_put_model(&p, m);
	phrase_put(&p, " is denied in ");
	decide_put_scope(&p, s);
	phrase_put(&p, " by the pattern ");
	phrase_put_quoted(&p, s->rules->models.deny.at[index]);
	put_advice(&p, s, "ask for another model", ".deny");
}

static void refuse_not_allowed(struct decision *d, const struct scope *s, const struct matter *m)
{
	struct phrase p;

	decide_set_refusal(d, 403, "policy_denied");
	put_rule(d, s, ".allow");
	phrase_init(&p, d->reason, sizeof d->reason);
	decide_put_model(&p, m);
	phrase_put(&p, " is not allowed in ");
	decide_put_scope(&p, s);
	put_allowed(&p, &s->rules->models.allow);
	put_advice(&p, s, "ask for another model", ".allow");
}

static const char *why_model_is_unknown(const struct matter *m)
{
	if (m->operation == OP_UNKNOWN)
		return "the endpoint is unknown here, so its model cannot be read, and ";
	return "the request names no model, and ";
}

static const char *how_to_name_a_model(const struct matter *m)
{
	return m->operation == OP_UNKNOWN ? "use a known endpoint" : "name a model";
}

/* The call may use any model of the provider: only who may use all of them may make it. `denied`:
 * by the pattern `index`; else the allow list does not cover them. */
static void refuse_any_model(struct decision *d, const struct scope *s, const struct matter *m,
			     bool denied, size_t index)
{
	struct phrase p;

	decide_set_refusal(d, 403, "policy_denied");
	if (denied)
		put_deny_rule(d, s, index);
	else
		put_rule(d, s, ".allow");
	phrase_init(&p, d->reason, sizeof d->reason);
	phrase_put(&p, why_model_is_unknown(m));
	decide_put_scope(&p, s);
	phrase_put(&p, " does not allow every model of provider ");
	phrase_put(&p, m->provider->name);
	if (denied) {
		phrase_put(&p, " (denied: ");
		phrase_put_bytes(&p,
				 bytes_slice(s->rules->models.deny.at[index], 0, PHRASE_QUOTE_MAX));
		phrase_put(&p, ")");
	} else {
		put_allowed(&p, &s->rules->models.allow);
	}
	put_advice(&p, s, how_to_name_a_model(m), denied ? ".deny" : ".allow");
}

/* Reading what the provider keeps (its list of models, an earlier response) runs no model: it is
 * allowed wherever anything is. */
static bool refuses_reading(const struct matter *m, const struct scope *s, struct decision *d)
{
	struct phrase p;

	if (!s->rules->models.allow.given || s->rules->models.allow.count)
		return false;
	decide_set_refusal(d, 403, "policy_denied");
	put_rule(d, s, ".allow");
	phrase_init(&p, d->reason, sizeof d->reason);
	decide_put_scope(&p, s);
	phrase_put(&p, " allows no model, so ");
	phrase_put(&p, operation_name(m->operation));
	phrase_put(&p, " of provider ");
	phrase_put(&p, m->provider->name);
	phrase_put(&p, " is refused too; have ");
	phrase_put_bytes(&p, s->rules->models.where);
	phrase_put(&p, ".allow changed");
	return true;
}

bool decide_says_denied(const struct matter *m, const struct scope *s)
{
	return s->rules->models.deny.given;
}

bool decide_says_models(const struct matter *m, const struct scope *s)
{
	return s->rules->models.allow.given;
}

/* Deny wins over every allow, so it is asked first, in all scopes. */
bool decide_refuses_denied(const struct matter *m, const struct scope *s, struct decision *d)
{
	const struct patterns *deny = &s->rules->models.deny;
	size_t index;

	if (m->name.len) {
		if (!any_matches(deny, m->name, &index))
			return false;
		refuse_denied(d, s, m, index);
		return true;
	}
	if (operation_reads(m->operation) || !any_can_match(deny, m->provider->name, &index))
		return false;
	refuse_any_model(d, s, m, true, index);
	return true;
}

bool decide_refuses_models(const struct matter *m, const struct scope *s, struct decision *d)
{
	const struct patterns *allow = &s->rules->models.allow;
	size_t index;

	if (!allow->given)
		return false;
	if (m->name.len) {
		if (any_matches(allow, m->name, &index))
			return false;
		refuse_not_allowed(d, s, m);
		return true;
	}
	if (operation_reads(m->operation))
		return refuses_reading(m, s, d);
	if (any_covers(allow, m->provider->name))
		return false;
	refuse_any_model(d, s, m, false, 0);
	return true;
}

/* The innermost list that had to agree; without one the environment. */
static const struct scope *deciding_scope(const struct matter *m)
{
	const struct scope *decided = NULL, *environment = NULL;

	for (size_t i = 0; i < m->scope_count; i++) {
		const struct scope *s = &m->scopes[i];
		if (s->kind == SCOPE_ENVIRONMENT && !environment)
			environment = s;
		if (s->rules->models.allow.given && !s->observed)
			decided = s;
	}
	return decided ? decided : environment;
}

/* An unknown endpoint is allowed by the outermost scope that says so, if any does. */
static void put_unknown_rule(const struct matter *m, struct decision *d)
{
	struct phrase p;

	for (size_t i = 0; i < m->scope_count; i++) {
		const struct scope *s = &m->scopes[i];
		if (s->observed || s->rules->unknown_endpoints != UNKNOWN_ALLOW)
			continue;
		phrase_init(&p, d->rule, sizeof d->rule);
		phrase_put_bytes(&p, s->rules->where);
		phrase_put(&p, ".unknown_endpoints");
		return;
	}
}

void decide_allow_models(const struct matter *m, struct decision *d)
{
	const struct scope *decided = deciding_scope(m);
	struct scope within = {.kind = SCOPE_ENVIRONMENT, .name = m->environment->name};
	bool named = decided->rules->models.allow.given && !decided->observed;
	struct phrase p;
	size_t index = 0;

	put_rule(d, decided, named ? ".allow" : "");
	phrase_init(&p, d->reason, sizeof d->reason);
	if (!m->name.len) {
		phrase_put(&p, m->operation == OP_UNKNOWN ? "an unknown endpoint"
							  : operation_name(m->operation));
		phrase_put(&p, " of provider ");
		phrase_put(&p, m->provider->name);
	} else {
		decide_put_model(&p, m);
		phrase_put(&p, m->operation == OP_UNKNOWN ? ", at an unknown endpoint," : "");
	}
	phrase_put(&p, " is allowed in ");
	decide_put_scope(&p, decided->kind > SCOPE_ENVIRONMENT ? decided : &within);
	if (m->name.len && named && any_matches(&decided->rules->models.allow, m->name, &index)) {
		phrase_put(&p, " by the pattern ");
		phrase_put_quoted(&p, decided->rules->models.allow.at[index]);
	} else if (m->name.len) {
		phrase_put(&p, ", which restricts no model by name");
	}
	if (m->operation == OP_UNKNOWN)
		put_unknown_rule(m, d);
}
