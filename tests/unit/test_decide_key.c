/* SPDX-License-Identifier: MIT
 *
 * The scope of a gateway key: it chooses the environment, narrows what that allows, and never
 * widens it; and what counts as managed.
 */
#include "policy/decide.h"

#include <stdlib.h>

#include "tap.h"

static struct policy *policy;

static struct patterns list_of(const struct bytes *at, size_t count)
{
	return (struct patterns){true, count, at};
}

static const struct bytes mini[] = {{(const uint8_t *)"openai/*-mini", 13}},
			  everything[] = {{(const uint8_t *)"*", 1}},
			  openai[] = {{(const uint8_t *)"openai", 6}},
			  intake[] = {{(const uint8_t *)"intake", 6}};

static struct key_scope key_for(const char *environment)
{
	return (struct key_scope){.name = BYTES("k"),
				  .environment = bytes_str(environment),
				  .models.where = BYTES("keys.k.models")};
}

static struct decision ask(const struct key_scope *key, const char *exe, const char *provider,
			   enum operation operation, const char *model)
{
	struct process_facts facts = {.exe = bytes_str(exe), .user = BYTES("u")};
	struct call call = {.operation = operation, .model_len = strlen(model)};
	struct question q = {.facts = &facts,
			     .key = key,
			     .provider = catalogue_find(bytes_str(provider)),
			     .call = &call};
	struct decision d;

	memcpy(call.model, model, call.model_len);
	decide(policy, &q, &d);
	return d;
}

#define EXPECT(key, exe, provider, op, model, what, by)                                            \
	do {                                                                                       \
		struct decision d_ = ask(key, exe, provider, op, model);                           \
		CHECK_U64(d_.action, what);                                                        \
		if (by[0])                                                                         \
			CHECK_STR(d_.rule, by);                                                    \
	} while (0)

static void the_key_chooses_the_environment(void)
{
	struct key_scope wide = key_for("wide"), gone = key_for("gone");
	struct decision d = ask(&wide, "/opt/intake", "openai", OP_CHAT, "gpt-4o");

	CHECK_U64(d.action, ACTION_ALLOW);
	CHECK_BYTES(d.environment, "wide");
	CHECK_BYTES(d.application, ""); /* that one is of another environment */
	EXPECT(NULL, "/opt/intake", "openai", OP_CHAT, "gpt-4o", ACTION_REFUSE,
	       "environments.narrow.models.allow");
	EXPECT(&gone, "/opt/intake", "openai", OP_CHAT, "gpt-5", ACTION_REFUSE,
	       "keys.k.environment");
}

static void the_key_narrows(void)
{
	struct key_scope k = key_for("wide");

	k.models.allow = list_of(mini, 1);
	EXPECT(&k, "", "openai", OP_CHAT, "gpt-5-mini", ACTION_ALLOW, "");
	EXPECT(&k, "", "openai", OP_CHAT, "gpt-5", ACTION_REFUSE, "keys.k.models.allow");
	EXPECT(&k, "", "openai", OP_LIST_MODELS, "", ACTION_ALLOW, "");
	EXPECT(&k, "", "openai", OP_CHAT, "", ACTION_REFUSE, "keys.k.models.allow");
	k.models.deny = list_of(mini, 1);
	EXPECT(&k, "", "openai", OP_CHAT, "gpt-5-mini", ACTION_REFUSE, "keys.k.models.deny[0]");
	k.models.allow = list_of(everything, 1);
	EXPECT(&k, "", "openai", OP_CHAT, "", ACTION_REFUSE, "keys.k.models.deny[0]");
	k = key_for("wide");
	k.models.allow = list_of(NULL, 0);
	EXPECT(&k, "", "openai", OP_LIST_MODELS, "", ACTION_REFUSE, "keys.k.models.allow");
	k = key_for("wide");
	k.providers = list_of(openai, 1);
	EXPECT(&k, "", "openai", OP_CHAT, "gpt-5", ACTION_ALLOW, "");
	EXPECT(&k, "", "anthropic", OP_CHAT, "claude", ACTION_REFUSE, "keys.k.providers");
	k = key_for("narrow");
	k.applications = list_of(intake, 1);
	EXPECT(&k, "/opt/intake", "openai", OP_CHAT, "gpt-5", ACTION_ALLOW, "");
	EXPECT(&k, "/opt/other", "openai", OP_CHAT, "gpt-5", ACTION_REFUSE, "keys.k.applications");
}

static void the_key_never_widens(void)
{
	struct key_scope k = key_for("narrow");

	k.models.allow = list_of(everything, 1);
	EXPECT(&k, "", "openai", OP_CHAT, "gpt-4o", ACTION_REFUSE,
	       "environments.narrow.models.allow");
	EXPECT(&k, "", "openai", OP_CHAT, "gpt-5", ACTION_ALLOW, "");
}

static struct decision ask_managed(const struct key_scope *key, bool raw_key)
{
	struct call call = {.operation = OP_LIST_MODELS};
	struct process_facts facts = {.exe = BYTES("/opt/clinic"), .user = BYTES("u")};
	struct question q = {.facts = &facts,
			     .key = key,
			     .raw_key = raw_key,
			     .provider = catalogue_find(BYTES("openai")),
			     .call = &call};
	struct decision d;

	decide(policy, &q, &d);
	return d;
}

static void managed_is_a_gateway_key_and_nothing_beside(void)
{
	struct key_scope k = key_for("managed");
	struct decision d = ask_managed(NULL, false);

	CHECK_U64(d.action, ACTION_REFUSE);
	CHECK_U64(d.status, 403);
	CHECK_STR(d.code, "managed_key_required");
	CHECK_STR(d.rule, "environments.managed.require");
	CHECK(strstr(d.reason, "no gateway key") != NULL);
	d = ask_managed(NULL, true);
	CHECK_STR(d.code, "managed_key_required");
	CHECK(strstr(d.reason, "of the provider's own") != NULL);
	d = ask_managed(&k, true);
	CHECK_STR(d.code, "managed_key_required");
	d = ask_managed(&k, false);
	CHECK_U64(d.action, ACTION_ALLOW);
}

/* All scopes that have some, the outermost first, and the key's own at the end. */
static void limits_of_the_key_count_with_all_others(void)
{
	static const char *const wheres[] = {"organization", "environments.narrow",
					     "applications.intake", "keys.k"};
	struct key_scope k = key_for("narrow");
	struct decision d;

	k.where = BYTES("keys.k");
	d = ask(&k, "/opt/intake", "openai", OP_CHAT, "gpt-5");
	CHECK_U64(d.limited_count, 3);
	limit_give(&k.limits, LIMIT_USD_PER_MONTH, 7);
	d = ask(&k, "/opt/intake", "openai", OP_CHAT, "gpt-5");
	CHECK_U64(d.limited_count, LIMITED_MAX);
	for (size_t i = 0; i < LIMITED_MAX; i++)
		CHECK_BYTES(d.limited[i].where, wheres[i]);
	CHECK(d.limited[3].values == &k.limits && !d.limited[3].observed);
	d = ask(&k, "/opt/intake", "openai", OP_CHAT, "gpt-4o"); /* refused: nothing is counted */
	CHECK_U64(d.limited_count, 0);
	k.environment = BYTES("wide");
	d = ask(&k, "/opt/intake", "openai", OP_CHAT, "gpt-4o");
	CHECK_U64(d.limited_count, 2);
	CHECK_BYTES(d.limited[1].where, "keys.k");
}

int main(void)
{
	struct policy_problem problem = {0};

	if (policy_parse(BYTES("{\"version\":1,\"audit\":{\"recipients\":[\"aigw1x\"]},"
			       "\"organization\":{\"limits\":{\"tokens_per_day\":1}},"
			       "\"environments\":{\"wide\":{},\"narrow\":{\"models\":{\"allow\":"
			       "[\"openai/gpt-5*\"]},\"limits\":{\"tokens_per_day\":2}},"
			       "\"managed\":{\"require\":[\"managed_key\"]}},"
			       "\"applications\":{\"intake\":{\"environment\":\"narrow\","
			       "\"match\":{\"exe\":\"/opt/intake\"},"
			       "\"limits\":{\"tokens_per_day\":3}},\"clinic\":{"
			       "\"environment\":\"managed\",\"match\":{\"exe\":\"/opt/clinic\"}}},"
			       "\"default_environment\":\"wide\"}"),
			 &policy, &problem)) {
		printf("Bail out! %s\n", problem.text);
		return 1;
	}
	RUN_TESTS(TEST(the_key_chooses_the_environment), TEST(the_key_narrows),
		  TEST(the_key_never_widens), TEST(managed_is_a_gateway_key_and_nothing_beside),
		  TEST(limits_of_the_key_count_with_all_others));
}
