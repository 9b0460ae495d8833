/* SPDX-License-Identifier: MIT
 *
 * Which prices a call has: by which of its names, from the policy or the list, and when none.
 */
#include "policy/pricing.h"

#include <stdlib.h>

#include "llm/price_list.h"
#include "tap.h"

#define POLICY_WITH(prices)                                                                        \
	"{\"version\":1,\"audit\":{\"recipients\":[\"aigw1test\"]},\"environments\":{\"e\":{}},"   \
	"\"default_environment\":\"e\",\"providers\":{\"ward\":{\"dialect\":\"openai\","           \
	"\"hosts\":[\"ward.example\"]}},\"prices\":" prices "}"

static struct policy *policy_from(const char *text)
{
	struct policy *p = NULL;
	struct policy_problem problem = {0};

	if (policy_parse(bytes_str(text), &p, &problem)) {
		printf("Bail out! %u:%u: %s\n", problem.line, problem.column, problem.text);
		exit(1);
	}
	return p;
}

/* An answer of a million tokens in and a million out. */
static struct answer answered_by(const char *model)
{
	struct answer a = {.has_usage = true};

	a.usage.presence[USAGE_INPUT] = a.usage.presence[USAGE_OUTPUT] = PRESENT;
	a.usage.tokens[USAGE_INPUT] = a.usage.tokens[USAGE_OUTPUT] = 1000000;
	snprintf(a.model, sizeof a.model, "%s", model);
	return a;
}

/* `usd` is the cost as text; NULL: none. */
static void check(const struct policy *p, const char *provider, const char *asked,
		  const char *answered, const char *name, const char *usd)
{
	struct answer a = answered_by(answered);
	struct pricing_call call = {provider, bytes_str(asked), &a, OP_CHAT};
	struct pricing got = {0};
	struct buf text = {0};
	enum err e = pricing_of(p, &call, NULL, &got);

	if (!usd) {
		if (e != ERR_MISSING)
			tap_fail(__FILE__, __LINE__, "%s, %s: %s by %s", asked, answered,
				 err_name(e), got.name);
		return;
	}
	CHECK_ERR(e, OK);
	CHECK_STR(got.name, name);
	CHECK_ERR(price_put_usd(&text, got.picousd), OK);
	CHECK_BYTES(buf_view(&text), usd);
	buf_done(&text);
}

static void the_answers_name_comes_before_the_one_that_was_asked_for(void)
{
	check(NULL, "openai", "gpt-4o", "gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06", "12.5");
	/* the first snapshot cost more than what the name without a date stands for today */
	check(NULL, "openai", "gpt-4o", "gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13", "20");
	check(NULL, "openai", "my-deployment", "gpt-4o", "openai/gpt-4o", "12.5");
}

static void a_date_is_dropped_only_when_nobody_has_a_price_for_it(void)
{
	check(NULL, "openai", "gpt-4o", "gpt-4o-2031-12-31", "openai/gpt-4o", "12.5");
	check(NULL, "openai", "gpt-4o-20311231", "", "openai/gpt-4o", "12.5");
	check(NULL, "openai", "gpt-4o@20311231", "", "openai/gpt-4o", "12.5");
	check(NULL, "openai", "", "gpt-4o-2031-13-31", NULL, NULL);
	check(NULL, "openai", "", "gpt-4o-2031-12-32", NULL, NULL);
	check(NULL, "openai", "", "gpt-4o-2031-12-1", NULL, NULL);
	check(NULL, "openai", "", "gpt-4o2031-12-31", NULL, NULL);
	check(NULL, "openai", "", "-2031-12-31", NULL, NULL);
	check(NULL, "openai", "", "gpt-4o-preview-x", NULL, NULL);
}

static void a_fine_tuned_model_has_its_bases_price(void)
{
	check(NULL, "openai", "", "ft:gpt-4o-2024-08-06:org:name:id", "openai/ft:gpt-4o-2024-08-06",
	      "18.75");
	check(NULL, "openai", "", "ft:gpt-9:org:name:id", NULL, NULL);
	check(NULL, "openai", "", "ft:", NULL, NULL);
	check(NULL, "openai", "", "ft", NULL, NULL);
}

static void the_asked_name_counts_when_the_answer_says_none_or_less(void)
{
	check(NULL, "openai", "gpt-4o", "", "openai/gpt-4o", "12.5");
	check(NULL, "bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
	      "claude-sonnet-4-5-20250929", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
	      "31.35"); /* above 200k tokens */
	/* another model answered: what was asked for is not what is billed */
	check(NULL, "openai", "gpt-4o", "gpt-next", NULL, NULL);
	check(NULL, "openai", "", "", NULL, NULL);
}

static void names_are_compared_as_the_rules_about_models_do(void)
{
	check(NULL, "openai", " models/OpenAI/GPT-4o ", "", "openai/gpt-4o", "12.5");
	check(NULL, "openrouter", "openai/gpt-4o", "", "openrouter/openai/gpt-4o", "12.5");
	/* of another provider it is another price */
	check(NULL, "ward", "gpt-4o", "", NULL, NULL);
}

static void the_policys_prices_come_before_the_list(void)
{
	struct policy *p = policy_from(POLICY_WITH(
		"{\"openai/gpt-4o\":{\"input\":2,\"output\":\"0.5\",\"above\":{\"tokens\":1000000,"
		"\"input\":7},\"batch\":{\"input\":1}},"
		"\"ward/*\":{\"input\":0,\"output\":0},\"ward/late\":{\"input\":1,\"output\":1}}"));
	struct answer a = answered_by("gpt-4o");
	struct pricing_call call = {"openai", BYTES_NONE, &a, OP_CHAT};
	struct pricing got;

	check(p, "openai", "", "gpt-4o", "openai/gpt-4o", "2.5");
	check(p, "ward", "llama", "", "ward/llama", "0");
	check(p, "ward", "late", "", "ward/late", "0"); /* the first that matches */
	/* exact names before aliases: the list has that date, the policy the name without */
	check(p, "openai", "", "gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13", "20");
	check(p, "openai", "", "gpt-4o-2031-01-01", "openai/gpt-4o", "2.5");
	CHECK_ERR(pricing_of(p, &call, NULL, &got), OK);
	CHECK(got.from_policy);
	a.usage.tokens[USAGE_INPUT]++; /* over the limit there is no price for output */
	CHECK_ERR(pricing_of(p, &call, NULL, &got), ERR_MISSING);
	a.usage.tokens[USAGE_OUTPUT] = 0;
	CHECK_ERR(pricing_of(p, &call, NULL, &got), OK);
	CHECK_U64(got.picousd, 1000001 * UINT64_C(7000000));
	policy_free(p);
	CHECK_ERR(pricing_of(NULL, &call, NULL, &got), OK);
	CHECK(!got.from_policy);
}

static void what_is_not_billed_by_its_tokens_has_no_cost(void)
{
	static const enum operation free_of_charge[] = {OP_LIST_MODELS, OP_COUNT_TOKENS,
							OP_READ_RESPONSE};
	struct answer a = answered_by("gpt-4o");
	struct pricing got = {.picousd = 7};

	for (size_t i = 0; i < sizeof free_of_charge / sizeof free_of_charge[0]; i++) {
		struct pricing_call call = {"openai", BYTES_NONE, &a, free_of_charge[i]};
		CHECK_ERR(pricing_of(NULL, &call, NULL, &got), ERR_USAGE);
	}
	CHECK_U64(got.picousd, 7);
}

static void without_usage_or_with_an_unknown_tier_there_is_no_cost(void)
{
	struct answer a = answered_by("gpt-4o");
	struct pricing_call call = {"openai", BYTES_NONE, &a, OP_CHAT};
	struct pricing got = {.picousd = 7};

	a.has_usage = false;
	CHECK_ERR(pricing_of(NULL, &call, NULL, &got), ERR_MISSING);
	a.has_usage = true;
	snprintf(a.service_tier, sizeof a.service_tier, "scale");
	CHECK_ERR(pricing_of(NULL, &call, NULL, &got), ERR_UNSUPPORTED);
	CHECK_U64(got.picousd, 7);
	snprintf(a.service_tier, sizeof a.service_tier, "priority");
	CHECK_ERR(pricing_of(NULL, &call, NULL, &got), OK);
	CHECK_U64(got.picousd, UINT64_C(21250000000000));
}

/* With and without what was kept: the same. */
static void check_kept(const struct policy *p, struct pricing_memo *memo, const char *provider,
		       const char *asked, const char *answered)
{
	struct answer a = answered_by(answered);
	struct pricing_call call = {provider, bytes_str(asked), &a, OP_CHAT};
	struct pricing got = {0}, expected = {0};
	enum err e = pricing_of(p, &call, NULL, &expected);

	for (int i = 0; i < 2; i++) {
		memset(&got, 'x', sizeof got);
		CHECK_ERR(pricing_of(p, &call, memo, &got), e);
		if (e)
			continue;
		CHECK_U64(got.picousd, expected.picousd);
		CHECK(got.from_policy == expected.from_policy);
		CHECK_STR(got.name, expected.name);
	}
}

static void what_was_found_last_is_no_other_models(void)
{
	static const char *const models[] = {"gpt-4o", "gpt-4o-2024-05-13", "gpt-4o-2031-01-01",
					     "gpt-4",  "gpt-next",          "",
					     "GPT-4o", "models/gpt-4o"};
	static const char *const providers[] = {"openai", "openrouter", "ward", "open"};
	static const char *const asked[] = {"gpt-4o", "us.gpt-4o", ""};
	const size_t count = sizeof models / sizeof models[0];
	struct pricing_memo memo = {0};

	for (size_t i = 0; i < count * count; i++)
		for (size_t p = 0; p < sizeof providers / sizeof providers[0]; p++)
			for (size_t a = 0; a < sizeof asked / sizeof asked[0]; a++) {
				check_kept(NULL, &memo, "openai", asked[a], models[i / count]);
				check_kept(NULL, &memo, providers[p], asked[a], models[i % count]);
			}
}

static void what_was_found_last_is_used_again(void)
{
	struct answer a = answered_by("gpt-4o");
	struct pricing_call call = {"openai", BYTES_NONE, &a, OP_CHAT};
	struct pricing_memo memo = {0};
	struct pricing got;

	CHECK_ERR(pricing_of(NULL, &call, &memo, &got), OK);
	CHECK(memo.known);
	memo.price.picousd[PLAN_STANDARD][BUCKET_INPUT] = 1;
	memo.price.picousd[PLAN_STANDARD][BUCKET_OUTPUT] = 2;
	CHECK_ERR(pricing_of(NULL, &call, &memo, &got), OK);
	CHECK_U64(got.picousd, 3000000);
	/* the tier, the counts and the operation are this answer's own */
	snprintf(a.service_tier, sizeof a.service_tier, "scale");
	CHECK_ERR(pricing_of(NULL, &call, &memo, &got), ERR_UNSUPPORTED);
	a.has_usage = false;
	CHECK_ERR(pricing_of(NULL, &call, &memo, &got), ERR_MISSING);
	call.operation = OP_LIST_MODELS;
	CHECK_ERR(pricing_of(NULL, &call, &memo, &got), ERR_USAGE);
}

static void another_policy_has_other_prices(void)
{
	struct policy *one = policy_from(
		POLICY_WITH("{\"openai/gpt-4o\":{\"input\":2,\"output\":3}}"));
	struct policy *two = policy_from(
		POLICY_WITH("{\"openai/gpt-4o\":{\"input\":5,\"output\":3}}"));
	struct pricing_memo memo = {0};

	check_kept(one, &memo, "openai", "", "gpt-4o");
	check_kept(two, &memo, "openai", "", "gpt-4o");
	check_kept(NULL, &memo, "openai", "", "gpt-4o");
	check_kept(one, &memo, "openai", "", "gpt-4o");
	policy_free(one);
	policy_free(two);
}

static void the_longest_names_do_no_harm(void)
{
	char model[MODEL_BYTES_MAX + 1] = {0}, provider[65] = {0};
	struct pricing_memo memo = {0};

	memset(model, 'm', MODEL_BYTES_MAX);
	memset(provider, 'p', 63);
	check(NULL, provider, model, model, NULL, NULL);
	check_kept(NULL, &memo, provider, model, model);
	provider[63] = 'p'; /* longer than any can be */
	check(NULL, provider, model, model, NULL, NULL);
	check_kept(NULL, &memo, provider, model, model);
}

int main(void)
{
	RUN_TESTS(TEST(the_answers_name_comes_before_the_one_that_was_asked_for),
		  TEST(a_date_is_dropped_only_when_nobody_has_a_price_for_it),
		  TEST(a_fine_tuned_model_has_its_bases_price),
		  TEST(the_asked_name_counts_when_the_answer_says_none_or_less),
		  TEST(names_are_compared_as_the_rules_about_models_do),
		  TEST(the_policys_prices_come_before_the_list),
		  TEST(what_is_not_billed_by_its_tokens_has_no_cost),
		  TEST(without_usage_or_with_an_unknown_tier_there_is_no_cost),
		  TEST(what_was_found_last_is_no_other_models),
		  TEST(what_was_found_last_is_used_again), TEST(another_policy_has_other_prices),
		  TEST(the_longest_names_do_no_harm));
}
