/* SPDX-License-Identifier: MIT
 *
 * Any text as a policy file: it is refused with a place inside of it, or what comes out keeps its
 * promises and can be decided by.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/decide.h"
#include "policy/pattern.h"
#include "policy/pricing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static bool is_environment(const struct policy *p, struct bytes name)
{
	for (size_t i = 0; i < p->environment_count; i++)
		if (bytes_equal(p->environments[i].name, name))
			return true;
	return false;
}

static void check_patterns(const struct policy *p, const struct patterns *list)
{
	for (size_t i = 0; i < list->count; i++) {
		bool can_match = false;
		require(list->at[i].len > 0 && list->at[i].len <= PATTERN_BYTES_MAX);
		for (size_t k = 0; k < catalogue_count; k++)
			can_match |= pattern_can_match(list->at[i], catalogue[k].name);
		for (size_t k = 0; k < p->provider_count; k++)
			can_match |= pattern_can_match(list->at[i], p->providers[k].name);
		require(can_match);
	}
}

static void check_price(const struct policy *p, const struct policy_price *own)
{
	const struct patterns one = {true, 1, &own->pattern};
	struct answer answer = {.has_usage = true, .model = "gpt-5"};
	struct pricing_call call = {"openai", BYTES_NONE, &answer, OP_CHAT};
	struct pricing found;

	check_patterns(p, &one);
	require(own->price.given[PLAN_STANDARD] & 1u << BUCKET_INPUT);
	require((own->price.above_tokens != 0) == (own->price.given[PLAN_ABOVE] != 0));
	for (unsigned b = 0; b < BUCKET_COUNT; b++)
		require(own->price.picousd[PLAN_STANDARD][b] <= PRICE_PICOUSD_MAX);
	answer.usage.presence[USAGE_INPUT] = answer.usage.presence[USAGE_OUTPUT] = PRESENT;
	answer.usage.tokens[USAGE_INPUT] = 3;
	require(pricing_of(p, &call, NULL, &found) ||
		found.picousd <= 3 * (uint64_t)PRICE_PICOUSD_MAX);
}

static void check_scope(const struct policy *p, const struct scope_rules *s)
{
	require(s->where.len > 0 && s->models.where.len > s->where.len);
	check_patterns(p, &s->models.allow);
	check_patterns(p, &s->models.deny);
	require(s->set_count <= POLICY_SET_MAX);
	for (size_t i = 0; i < s->set_count; i++)
		require(control_takes(s->set[i].control, s->set[i].value));
	require(!(s->features.allow_given || s->features.deny || s->max_tokens || s->require) ||
		p->wants_features);
	if (!s->watch)
		return;
	require(!s->watch->watch && !s->watch->set_count && !s->watch->mode);
	check_scope(p, s->watch);
}

static void check_application(const struct policy *p, const struct application *a)
{
	const struct program_match *m = &a->match;

	require(bytes_equal(p->environments[a->environment_at].name, a->environment));
	require(m->exe.len || m->exe_sha256.len || m->user.len || m->group.len || m->unit.len ||
		m->cgroup.len || m->parent_exe.len);
	require(!m->group.len || (p->wanted_facts & WANTS_GROUPS));
	require(!(m->unit.len || m->cgroup.len) || (p->wanted_facts & WANTS_CGROUP));
	require(!m->parent_exe.len || (p->wanted_facts & WANTS_PARENT));
	require(!m->exe_sha256.len || (p->wanted_facts & WANTS_EXE_SHA256));
	check_scope(p, &a->rules);
}

static void check_policy(const struct policy *p)
{
	require(p->version == 1);
	require(p->audit.recipient_count >= 1 && p->audit.recipient_count <= POLICY_RECIPIENTS_MAX);
	require(is_environment(p, p->default_environment));
	for (size_t i = 0; i < p->application_count; i++) {
		require(is_environment(p, p->applications[i].environment));
		check_application(p, &p->applications[i]);
	}
	for (size_t i = 0; i < p->price_count; i++)
		check_price(p, &p->prices[i]);
	check_scope(p, &p->organization);
	for (size_t i = 0; i < p->environment_count; i++)
		check_scope(p, &p->environments[i].rules);
	for (size_t i = 0; i < p->provider_count; i++) {
		const struct provider *own = &p->providers[i];
		require(own->name[0] && own->otel_name[0] && provider_dialect(own));
		for (size_t k = 0; k < own->host_count; k++) {
			const char *host = own->hosts[k].name;
			require(host[0] != '*' || host[1] == '.');
			if (host[0] != '*')
				require(policy_find_provider(p, bytes_str(host),
							     own->hosts[k].port) != NULL);
		}
	}
}

static void check_decision(const struct policy *p, const struct provider *provider,
			   enum operation operation, const char *model)
{
	struct process_facts facts = {.exe = BYTES("/opt/intake/bot"),
				      .user = BYTES("intake"),
				      .environment = BYTES("production")};
	struct call call = {.operation = operation, .model_len = strlen(model)};
	struct features features = {.bits = FEATURE_BIT(FEATURE_MCP) | FEATURE_BIT(FEATURE_IMAGES),
				    .has_max_tokens = true,
				    .max_tokens = 4096};
	struct question q = {.facts = &facts,
			     .provider = provider,
			     .call = &call,
			     .features = &features,
			     .method = BYTES("POST"),
			     .path = BYTES("/v1/responses"),
			     .host = BYTES("api.openai.com"),
			     .body_bytes = 1000,
			     .now_s = 1795000000};
	struct decision d;

	memcpy(call.model, model, call.model_len);
	decide(p, &q, &d);
	require(is_environment(p, d.environment));
	require(d.rule[0] && d.reason[0] && memchr(d.rule, 0, sizeof d.rule) &&
		memchr(d.reason, 0, sizeof d.reason));
	require((d.action == ACTION_ALLOW && d.status == 0) ||
		(d.action == ACTION_REFUSE && (d.status == 403 || d.status == 413) &&
		 !d.forced_count));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy *p = NULL;
	struct policy_problem problem = {0};
	enum err e = policy_parse(bytes_of(data, size), &p, &problem);

	if (e) {
		require(!p && problem.text[0]);
		require(memchr(problem.text, 0, sizeof problem.text) != NULL);
		require(bytes_is_utf8(bytes_str(problem.text)));
		require(problem.line >= 1 && problem.line <= size + 1);
		require(problem.column >= 1 && problem.column <= size + 1);
		return 0;
	}
	check_policy(p);
	for (int operation = 0; operation < OP_COUNT; operation++) {
		check_decision(p, &catalogue[0], (enum operation)operation, "gpt-5-preview");
		check_decision(p, &catalogue[0], (enum operation)operation, "");
		if (p->provider_count)
			check_decision(p, &p->providers[0], (enum operation)operation,
				       "models/Qwen/x");
	}
	policy_free(p);
	return 0;
}
