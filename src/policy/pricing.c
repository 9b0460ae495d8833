/* SPDX-License-Identifier: MIT */
#include "policy/pricing.h"

#include <string.h>

#include "llm/price_list.h"

bool pricing_is_billed(enum operation operation)
{
	switch (operation) {
	case OP_LIST_MODELS:
	case OP_COUNT_TOKENS:
	case OP_READ_RESPONSE:
		return false;
	default:
		return true;
	}
}

/* ---- names ---- */

static bool is_digits(struct bytes text, uint64_t from, uint64_t to)
{
	uint64_t n;

	return bytes_parse_u64(text, to, &n) == OK && n >= from;
}

/* "2026-03-01" or "20260301" */
static bool is_date(struct bytes text)
{
	size_t dash = text.len == 10 ? 1 : 0;

	if (text.len != 8 && text.len != 10)
		return false;
	if (dash && (text.at[4] != '-' || text.at[7] != '-'))
		return false;
	return is_digits(bytes_slice(text, 0, 4), 2000, 2099) &&
	       is_digits(bytes_slice(text, 4 + dash, 2), 1, 12) &&
	       is_digits(bytes_slice(text, 6 + 2 * dash, 2), 1, 31);
}

static struct bytes without_date(struct bytes model)
{
	static const size_t lengths[] = {10, 8};

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		size_t len = lengths[i] + 1;
		if (model.len <= len)
			continue;
		uint8_t before = model.at[model.len - len];
		if ((before == '-' || before == '@') &&
		    is_date(bytes_from(model, model.len - lengths[i])))
			return bytes_slice(model, 0, model.len - len);
	}
	return model;
}

/* "ft:BASE:ORGANISATION:NAME:ID" */
static struct bytes without_owner(struct bytes model)
{
	struct bytes rest = model;

	if (!bytes_starts(model, BYTES("ft:")))
		return model;
	(void)bytes_cut(&rest, ':');
	return bytes_slice(model, 0, 3 + bytes_cut(&rest, ':').len);
}

/* ---- prices ---- */

static bool find_in_policy(const struct policy *policy, struct bytes name, struct price *ret_price)
{
	for (size_t i = 0; policy && i < policy->price_count; i++)
		if (pattern_matches(policy->prices[i].pattern, name)) {
			*ret_price = policy->prices[i].price;
			return true;
		}
	return false;
}

static bool find_exactly(const struct policy *policy, const char *provider, struct bytes model,
			 struct price *ret_price, struct pricing *p)
{
	struct bytes name;

	if (pattern_canonical_name(provider, model, p->name, &name) || name.len == 0)
		return false;
	p->name[name.len] = '\0';
	p->from_policy = find_in_policy(policy, name, ret_price);
	return p->from_policy || price_list_find(name, ret_price) == OK;
}

static bool find_model(const struct policy *policy, const char *provider, struct bytes model,
		       struct price *ret_price, struct pricing *p)
{
	struct bytes base = without_owner(model), family = without_date(base);

	return find_exactly(policy, provider, model, ret_price, p) ||
	       (base.len < model.len && find_exactly(policy, provider, base, ret_price, p)) ||
	       (family.len < base.len && find_exactly(policy, provider, family, ret_price, p));
}

/* Only what was found by the name in the answer is kept: then nothing else counts. */
static bool is_kept(const struct pricing_memo *m, const struct policy *policy,
		    const struct pricing_call *call)
{
	return m && m->known && m->policy == policy &&
	       strcmp(m->answered, call->answer->model) == 0 &&
	       strcmp(m->provider, call->provider) == 0;
}

static void keep(struct pricing_memo *m, const struct policy *policy,
		 const struct pricing_call *call, const struct price *price,
		 const struct pricing *found)
{
	size_t provider_bytes = strlen(call->provider);

	if (provider_bytes > PROVIDER_NAME_BYTES_MAX)
		return;
	m->policy = policy;
	memcpy(m->provider, call->provider, provider_bytes + 1);
	memcpy(m->answered, call->answer->model, sizeof m->answered);
	m->price = *price;
	m->from_policy = found->from_policy;
	m->name_bytes = strlen(found->name);
	memcpy(m->name, found->name, m->name_bytes + 1);
	m->known = true;
}

static bool find(const struct policy *policy, const struct pricing_call *call,
		 struct pricing_memo *memo, struct price *ret_price, struct pricing *p)
{
	struct bytes answered = bytes_str(call->answer->model);

	if (answered.len && find_model(policy, call->provider, answered, ret_price, p)) {
		if (memo)
			keep(memo, policy, call, ret_price, p);
		return true;
	}
	/* An empty one is found everywhere. */
	return bytes_find(call->asked, answered) != SIZE_MAX &&
	       find_model(policy, call->provider, call->asked, ret_price, p);
}

static enum err cost(const struct price *price, const struct pricing_call *call,
		     uint64_t *ret_picousd)
{
	enum price_plan plan;
	enum err e = price_plan_of(bytes_str(call->answer->service_tier), &plan);

	return e ? e : price_cost(price, plan, call->operation, &call->answer->usage, ret_picousd);
}

/* By what is kept. */
static enum err cost_again(const struct pricing_memo *m, const struct pricing_call *call,
			   struct pricing *ret_pricing)
{
	enum err e = cost(&m->price, call, &ret_pricing->picousd);

	if (e)
		return e;
	ret_pricing->from_policy = m->from_policy;
	memcpy(ret_pricing->name, m->name, m->name_bytes + 1);
	return OK;
}

enum err pricing_of(const struct policy *policy, const struct pricing_call *call,
		    struct pricing_memo *memo, struct pricing *ret_pricing)
{
	struct pricing found = {0};
	struct price price;
	enum err e;

	if (!pricing_is_billed(call->operation))
		return ERR_USAGE;
	if (!call->answer->has_usage)
		return ERR_MISSING;
	if (is_kept(memo, policy, call))
		return cost_again(memo, call, ret_pricing);
	if (!find(policy, call, memo, &price, &found))
		return ERR_MISSING;
	e = cost(&price, call, &found.picousd);
	if (e)
		return e;
	*ret_pricing = found;
	return OK;
}
