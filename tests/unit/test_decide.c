/* SPDX-License-Identifier: MIT
 *
 * The decision: a table of cases in tests/fixtures/policy/decisions.txt, what the reasons say, the
 * property that an inner scope never widens an outer one, and what it costs.
 */
#include "policy/decide.h"

#include <stdlib.h>
#include <time.h>

#include "policy/pattern.h"
#include "tap.h"

#define FIELDS 11

/* Of a call of which no more is known than that. */
static void decide_call(const struct policy *p, const struct process_facts *facts,
			const struct provider *provider, const struct call *call,
			struct decision *ret_decision)
{
	struct question q = {.facts = facts, .provider = provider, .call = call};

	decide(p, &q, ret_decision);
}

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

static struct policy *policy_file(const char *name)
{
	char path[200];

	snprintf(path, sizeof path, "tests/fixtures/policy/decide/%s.json", name);
	struct buf text = tap_file(path);
	if (buf_put_u8(&text, 0))
		exit(1);
	struct policy *p = policy_from((const char *)text.at);
	buf_done(&text);
	return p;
}

static const struct provider *provider_named(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->provider_count; i++)
		if (strcmp(p->providers[i].name, name) == 0)
			return &p->providers[i];
	return catalogue_find(bytes_str(name));
}

static struct call call_of(enum operation operation, const char *model)
{
	struct call call = {.operation = operation, .model_len = strlen(model)};

	memcpy(call.model, model, call.model_len);
	return call;
}

static enum operation operation_named(const char *name)
{
	for (int i = 0; i < OP_COUNT; i++)
		if (strcmp(operation_name((enum operation)i), name) == 0)
			return (enum operation)i;
	printf("Bail out! no operation %s\n", name);
	exit(1);
}

/* Cuts a line at its bars; "-" becomes "", "<sp>" a space. */
static bool cut_line(char *line, char *fields[FIELDS])
{
	size_t count = 0;

	for (char *part = strtok(line, "|"); part && count < FIELDS; part = strtok(NULL, "|")) {
		while (*part == ' ')
			part++;
		for (size_t n = strlen(part); n && part[n - 1] == ' '; n--)
			part[n - 1] = '\0';
		for (char *space; (space = strstr(part, "<sp>"));) {
			*space = ' ';
			memmove(space + 1, space + 4, strlen(space + 4) + 1);
		}
		if (strcmp(part, "-") == 0)
			*part = '\0';
		fields[count++] = part;
	}
	return count == FIELDS;
}

static void check_row(unsigned line, char *f[FIELDS])
{
	struct policy *p = policy_file(f[0]);
	struct process_facts facts = {.exe = tap_guarded(bytes_str(f[1])),
				      .user = bytes_str(f[2]),
				      .environment = bytes_str(f[3])};
	const struct provider *provider = provider_named(p, f[4]);
	struct call call = call_of(operation_named(f[5]), f[6]);
	struct decision d;

	if (!provider) {
		tap_fail("decisions.txt", (int)line, "no provider %s", f[4]);
		policy_free(p);
		return;
	}
	decide_call(p, &facts, provider, &call, &d);
	if (strcmp(action_name(d.action), f[7]) != 0 ||
	    !bytes_equal(d.environment, bytes_str(f[8])) ||
	    !bytes_equal(d.application, bytes_str(f[9])) || strcmp(d.rule, f[10]) != 0)
		tap_fail("decisions.txt", (int)line, "got %s | %.*s | %.*s | %s",
			 action_name(d.action), (int)d.environment.len,
			 (const char *)d.environment.at, (int)d.application.len,
			 d.application.at ? (const char *)d.application.at : "", d.rule);
	CHECK(d.reason[0] != '\0');
	if (d.action == ACTION_REFUSE) {
		CHECK_U64(d.status, 403);
		CHECK_STR(d.code, "policy_denied");
	} else {
		CHECK_U64(d.status, 0);
	}
	policy_free(p);
}

static void every_row_of_the_decision_table_holds(void)
{
	struct buf table = tap_file("tests/fixtures/policy/decisions.txt");
	struct bytes rest = buf_view(&table);
	unsigned line = 0, rows = 0;

	while (rest.len) {
		struct bytes one = bytes_cut(&rest, '\n');
		char copy[400], *fields[FIELDS];
		line++;
		if (one.len == 0 || one.at[0] == '#')
			continue;
		if (one.len >= sizeof copy) {
			tap_fail("decisions.txt", (int)line, "too long");
			continue;
		}
		memcpy(copy, one.at, one.len);
		copy[one.len] = '\0';
		if (cut_line(copy, fields))
			check_row(line, fields);
		else
			tap_fail("decisions.txt", (int)line, "not %d fields", FIELDS);
		rows++;
	}
	CHECK(rows >= 100);
	buf_done(&table);
}

static void check_reason(const char *policy, const char *environment, const char *provider,
			 enum operation operation, const char *model, const char *expected)
{
	struct policy *p = policy_file(policy);
	struct process_facts facts = {.environment = bytes_str(environment)};
	struct call call = call_of(operation, model);
	struct decision d;

	decide_call(p, &facts, provider_named(p, provider), &call, &d);
	CHECK_STR(d.reason, expected);
	policy_free(p);
}

static void a_reason_says_what_to_do(void)
{
	check_reason("clinic", "production", "openai", OP_CHAT, "gpt-4o",
		     "model \"gpt-4o\" of provider openai is not allowed in environment production "
		     "(allowed: openai/gpt-5*, anthropic/claude-*); ask for another model or have "
		     "environments.production.models.allow changed");
	check_reason(
		"clinic", "production", "openai", OP_CHAT, "gpt-5-nano",
		"model \"gpt-5-nano\" of provider openai is denied in environment production by "
		"the pattern \"openai/gpt-5-nano\"; ask for another model or have "
		"environments.production.models.deny changed");
	check_reason(
		"clinic", "development", "anthropic", OP_CHAT, "claude-preview",
		"model \"claude-preview\" of provider anthropic is denied in the organization by "
		"the pattern \"*-preview\"; ask for another model or have "
		"organization.models.deny changed");
	check_reason("clinic", "nothing", "openai", OP_CHAT, "gpt-5",
		     "model \"gpt-5\" of provider openai is not allowed in environment nothing (it "
		     "allows no model at all); ask for another model or have "
		     "environments.nothing.models.allow changed");
	check_reason("clinic", "nothing", "openai", OP_LIST_MODELS, "",
		     "environment nothing allows no model, so list_models of provider openai is "
		     "refused too; have environments.nothing.models.allow changed");
	check_reason("clinic", "production", "openai", OP_UNKNOWN, "",
		     "the endpoint is unknown here, so its model cannot be read, and the "
		     "organization does not allow every model of provider openai (denied: "
		     "*-preview); use a known endpoint or have organization.models.deny changed");
	check_reason(
		"own", "one", "openai", OP_CHAT, "",
		"the request names no model, and environment one does not allow every model of "
		"provider openai (allowed: ward-vllm/?*); name a model or have "
		"environments.one.models.allow changed");
	check_reason(
		"clinic", "production", "openai", OP_CHAT, "GPT-5",
		"model \"GPT-5\" of provider openai is allowed in environment production by the "
		"pattern \"openai/gpt-5*\"");
	check_reason(
		"clinic", "development", "openai", OP_CHAT, "gpt-5",
		"model \"gpt-5\" of provider openai is allowed in environment development, which "
		"restricts no model by name");
	check_reason("own", "star", "openai", OP_UNKNOWN, "",
		     "an unknown endpoint of provider openai is allowed in environment star");
}

static void a_long_allow_list_is_counted_instead_of_shown(void)
{
	struct policy *p = policy_from(
		"{\"version\":1,\"audit\":{\"recipients\":[\"aigw1test\"]},\"environments\":{\"e\":"
		"{\"models\":{\"allow\":[\"openai/"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
		"\"openai/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\",\"openai/"
		"ccccccccccccccccccccccccccccccccccccccccccccccccc\",\"openai/d\"]}}},"
		"\"default_environment\":\"e\"}");
	struct call call = call_of(OP_CHAT, "x");
	struct decision d;

	decide_call(p, NULL, catalogue_find(BYTES("openai")), &call, &d);
	CHECK_STR(d.reason,
		  "model \"x\" of provider openai is not allowed in environment e (allowed: "
		  "openai/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, "
		  "openai/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb and 2 more); "
		  "ask "
		  "for another model or have environments.e.models.allow changed");
	policy_free(p);
}

static void without_a_policy_every_call_is_refused_with_503(void)
{
	struct call call = call_of(OP_CHAT, "gpt-5");
	struct process_facts facts = {0};
	struct bytes environment = BYTES("x"), application = BYTES("x");
	struct decision d;

	decide_call(NULL, &facts, &catalogue[0], &call, &d);
	CHECK_U64(d.action, ACTION_REFUSE);
	CHECK_U64(d.status, 503);
	CHECK_STR(d.code, "no_policy");
	CHECK_U64(d.environment.len, 0);
	CHECK(strstr(d.reason, "aigw init") && strstr(d.reason, "aigw policy check"));
	decide_scope(NULL, &facts, NULL, &environment, &application);
	CHECK_U64(environment.len + application.len, 0);
}

static void what_cannot_happen_refuses_and_does_not_crash(void)
{
	struct policy *p = policy_file("own");
	struct call call = call_of(OP_CHAT, "gpt-5"), wild;
	struct decision d;

	decide_call(p, NULL, NULL, &call, &d);
	CHECK_U64(d.action, ACTION_REFUSE);
	CHECK_U64(d.status, 503);
	decide_call(p, NULL, NULL, NULL, &d);
	CHECK_U64(d.action, ACTION_REFUSE);
	decide_call(p, NULL, catalogue_find(BYTES("anthropic")), NULL, &d);
	CHECK_U64(d.action, ACTION_REFUSE);
	memset(&wild, 0xFF, sizeof wild);
	decide_call(p, NULL, catalogue_find(BYTES("openai")), &wild, &d);
	CHECK_U64(d.action, ACTION_REFUSE);
	CHECK(bytes_is_utf8(bytes_str(d.reason)));
	CHECK_STR(action_name((enum action)77), "refuse");
	policy_free(p);
}

static void a_model_name_of_the_greatest_length_is_decided(void)
{
	struct policy *p = policy_file("own");
	char model[MODEL_BYTES_MAX + 1], storage[PATTERN_BYTES_MAX];
	struct process_facts facts = {.environment = BYTES("star")};
	struct bytes name;
	struct call call;
	struct decision d;

	memset(model, 'm', MODEL_BYTES_MAX);
	model[MODEL_BYTES_MAX] = '\0';
	call = call_of(OP_CHAT, model);
	decide_call(p, &facts, provider_named(p, "ward-vllm"), &call, &d);
	CHECK_U64(d.action, ACTION_ALLOW);

	char provider[PROVIDER_NAME_BYTES_MAX + 2];
	memset(provider, 'p', sizeof provider);
	provider[PROVIDER_NAME_BYTES_MAX] = '\0';
	CHECK_ERR(
		pattern_canonical_name(provider, bytes_of(model, MODEL_BYTES_MAX), storage, &name),
		OK);
	CHECK_U64(name.len, PATTERN_BYTES_MAX);
	CHECK_ERR(pattern_canonical_name(provider, bytes_of("mmm", 3), storage, &name), OK);
	provider[PROVIDER_NAME_BYTES_MAX] = 'p';
	provider[PROVIDER_NAME_BYTES_MAX + 1] = '\0';
	CHECK_ERR(pattern_canonical_name(provider, bytes_of("mmm", 3), storage, &name), ERR_LIMIT);
	struct provider odd = {.dialect = DIALECT_openai};
	memcpy(odd.name, provider, sizeof provider);
	decide_call(p, &facts, &odd, &call, &d);
	CHECK_U64(d.action, ACTION_REFUSE);
	call.model_len = 0;
	decide_call(p, &facts, &odd, &call, &d);
	CHECK_U64(d.action, ACTION_REFUSE);
	policy_free(p);
}

static void a_reason_is_safe_to_print(void)
{
	struct policy *p = policy_file("own");
	struct call call = call_of(OP_CHAT, "a\x1b[31m\xc2\x9b\xff\xc3\xa4\n\"b");
	struct decision d;

	decide_call(p, NULL, catalogue_find(BYTES("openai")), &call, &d);
	CHECK(strstr(d.reason, "model \"a?[31m??\xc3\xa4?\"b\" of provider"));
	policy_free(p);
}

static void a_refusal_for_another_reason_copies_and_cuts_its_texts(void)
{
	struct decision d = {.environment = BYTES("production")};
	char rule[400], reason[900];

	decide_refuse(&d, 413, "request_too_large", "limits.body", "too large");
	CHECK_U64(d.action, ACTION_REFUSE);
	CHECK_U64(d.status, 413);
	CHECK_STR(d.code, "request_too_large");
	CHECK_STR(d.rule, "limits.body");
	CHECK_STR(d.reason, "too large");
	CHECK_BYTES(d.environment, "production");

	memset(rule, 'r', sizeof rule);
	rule[sizeof rule - 1] = '\0';
	for (size_t i = 0; i + 2 < sizeof reason; i += 2)
		memcpy(reason + i, "\xc3\xa4", 3);
	decide_refuse(&d, 400, "x", rule, reason);
	CHECK_U64(strlen(d.rule), RULE_BYTES_MAX - 1);
	CHECK(strlen(d.reason) >= REASON_BYTES_MAX - 3 && strlen(d.reason) < REASON_BYTES_MAX);
	CHECK(bytes_is_utf8(bytes_str(d.reason)));
	CHECK_STR(d.reason + strlen(d.reason) - 3, "...");
	/* exactly as long as fits: nothing is cut */
	rule[RULE_BYTES_MAX - 1] = '\0';
	decide_refuse(&d, 400, "x", rule, "");
	CHECK_STR(d.rule, rule);
	rule[RULE_BYTES_MAX - 1] = 'r';
	rule[RULE_BYTES_MAX] = '\0';
	decide_refuse(&d, 400, "x", rule, "");
	CHECK_STR(d.rule + RULE_BYTES_MAX - 4, "...");
}

/* Patterns against their definition, by trying names. */

static uint32_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % n;
}

/* Few letters, so that patterns and names meet often. */
static size_t random_text(char *to, size_t max, const char *letters)
{
	size_t len = random_below((uint32_t)max + 1);

	for (size_t i = 0; i < len; i++)
		to[i] = letters[random_below((uint32_t)strlen(letters))];
	to[len] = '\0';
	return len;
}

/* True when `pattern` matches "p/X" for all (or, else, for any) X over "abp/" of up to 5 bytes: as
 * many as the longest pattern tried has. */
static bool try_names(struct bytes pattern, bool all)
{
	static const char letters[] = "abp/";

	for (size_t len = 1; len <= 5; len++) {
		size_t count = 1;
		for (size_t i = 0; i < len; i++)
			count *= 4;
		for (size_t n = 0; n < count; n++) {
			char name[10] = "p/";
			size_t rest = n;
			for (size_t i = 0; i < len; i++, rest /= 4)
				name[2 + i] = letters[rest % 4];
			if (bytes_match(pattern, bytes_of(name, 2 + len), false) != all)
				return !all;
		}
	}
	return all;
}

static void covering_and_matching_agree_with_trying_all_names(void)
{
	unsigned covering = 0, matching = 0;

	random_state = 20261124;
	for (int i = 0; i < 10000; i++) {
		char text[8];
		size_t len = random_text(text, 5, "p/ab*?*");
		struct bytes pattern = tap_guarded(bytes_of(text, len));
		bool covers = pattern_covers(pattern, "p"), can = pattern_can_match(pattern, "p");
		if (covers != try_names(pattern, true))
			tap_fail(__FILE__, __LINE__, "pattern_covers(\"%s\") is wrong", text);
		if (can != try_names(pattern, false))
			tap_fail(__FILE__, __LINE__, "pattern_can_match(\"%s\") is wrong", text);
		covering += covers;
		matching += can;
	}
	CHECK(covering > 100 && matching > 1000 && matching < 9000);
}

static void a_pattern_match_is_what_bytes_match_says(void)
{
	unsigned matching = 0;

	random_state = 7;
	for (int i = 0; i < 100000; i++) {
		char a[12], b[12];
		size_t n = random_text(a, 8, "ab/*?"), m = random_text(b, 8, "ab/");
		struct bytes pattern = bytes_of(a, n), name = bytes_of(b, m);
		bool matches = pattern_matches(pattern, name);
		/* an empty name is no model: only the empty pattern, which no policy has, equals it
		 */
		if (m && matches != bytes_match(pattern, name, false))
			tap_fail(__FILE__, __LINE__, "\"%s\" and \"%s\"", a, b);
		matching += matches;
	}
	CHECK(matching > 1000);
}

/* The property: whatever the environment adds, the organization's refusals stand. */

static void random_list(char *to, size_t room, const char *key)
{
	static const char *const patterns[] = {
		"*",          "openai/*",      "anthropic/*", "openai/gpt-5*", "*-preview",
		"openai/gpt", "openai/?pt-?",  "*/gpt*",      "anthropic/c*",  "*mini*",
		"?*/?*",      "anthropic/*-5",
	};
	size_t count = random_below(4), at;

	at = (size_t)snprintf(to, room, "\"%s\": [", key);
	for (size_t i = 0; i < count; i++)
		at += (size_t)snprintf(
			to + at, room - at, "%s\"%s\"", i ? ", " : "",
			patterns[random_below(sizeof patterns / sizeof patterns[0])]);
	snprintf(to + at, room - at, "]");
}

static void random_rules(char *to, size_t room)
{
	char allow[200] = "", deny[200] = "";

	if (random_below(3))
		random_list(allow, sizeof allow, "allow");
	if (random_below(2))
		random_list(deny, sizeof deny, "deny");
	snprintf(to, room, "{\"models\": {%s%s%s}}", allow, *allow && *deny ? ", " : "", deny);
}

static void an_inner_scope_never_widens_an_outer_one(void)
{
	static const char *const models[] = {"",        "gpt-5", "gpt-5-preview", "gpt",
					     "o1-mini", "c-5",   "claude",        "GPT-5-MINI"};
	unsigned narrowed = 0, allowed = 0;

	random_state = 3;
	for (int i = 0; i < 3000; i++) {
		char organization[500], environment[500], text[1500];
		random_rules(organization, sizeof organization);
		random_rules(environment, sizeof environment);
		snprintf(text, sizeof text,
			 "{\"version\": 1, \"audit\": {\"recipients\": [\"aigw1test\"]}, "
			 "\"organization\": %s, \"environments\": {\"outer\": {}, \"inner\": %s}, "
			 "\"default_environment\": \"outer\", \"trust_environment\": true}",
			 organization, environment);
		struct policy *p = policy_from(text);
		struct process_facts outer = {.environment = BYTES("outer")};
		struct process_facts inner = {.environment = BYTES("inner")};
		for (int k = 0; k < 40; k++) {
			struct call call = call_of((enum operation)random_below(OP_COUNT),
						   models[random_below(8)]);
			const struct provider *provider = &catalogue[random_below(2)];
			struct decision by_outer, by_inner;
			decide_call(p, &outer, provider, &call, &by_outer);
			decide_call(p, &inner, provider, &call, &by_inner);
			if (by_inner.action == ACTION_ALLOW && by_outer.action != ACTION_ALLOW)
				tap_fail(__FILE__, __LINE__, "widened: %s, %s %s", text,
					 provider->name, call.model);
			narrowed += by_outer.action == ACTION_ALLOW &&
				    by_inner.action == ACTION_REFUSE;
			allowed += by_inner.action == ACTION_ALLOW;
		}
		policy_free(p);
	}
	CHECK(narrowed > 1000 && allowed > 1000);
}

/* 50 environments of 200 rules, with rules of all kinds, and 200 applications: built once, as text,
 * like a file of that size would be. */
static struct policy *large_policy(void)
{
	struct buf text = {0};
	enum err e = buf_put_str(&text, "{\"version\":1,\"audit\":{\"recipients\":[\"aigw1test\"]},"
					"\"environments\":{");

	for (uint64_t i = 0; i < 50 && !e; i++) {
		e = buf_put_str(&text, i ? ",\"e" : "\"e");
		e = e ? e : buf_put_decimal(&text, i);
		e = e ? e : buf_put_str(&text, "\":{\"models\":{\"allow\":[\"anthropic/x\"");
		for (uint64_t k = 1; k < 100 && !e; k++) {
			e = buf_put_str(&text, ",\"openai/gpt-5-model-number-");
			e = e ? e : buf_put_decimal(&text, k);
			e = e ? e : buf_put_str(&text, "\"");
		}
		e = e ? e : buf_put_str(&text, ",\"*\"],\"deny\":[\"*-preview\"");
		for (uint64_t k = 1; k < 100 && !e; k++) {
			e = buf_put_str(&text, k % 2 ? ",\"openai/gpt-5-old-" : ",\"anthropic/*-");
			e = e ? e : buf_put_decimal(&text, k);
			e = e ? e : buf_put_str(&text, "*\"");
		}
		e = e ? e
		      : buf_put_str(&text, "]},\"endpoints\":{\"deny\":[\"files\"]},"
					   "\"features\":{\"deny\":[\"mcp\"]},\"hosts\":{"
					   "\"deny\":[\"*.cn\"]},\"require\":[\"baa\"],"
					   "\"max_tokens\":9000,\"max_body_bytes\":90000}");
	}
	e = e ? e
	      : buf_put_str(&text, "},\"providers\":{\"openai\":{\"baa\":{\"reference\":"
				   "\"r\"}}},\"applications\":{");
	/* none of them is the one that calls */
	for (uint64_t i = 0; i < 200 && !e; i++) {
		e = buf_put_str(&text, i ? ",\"a" : "\"a");
		e = e ? e : buf_put_decimal(&text, i);
		e = e ? e
		      : buf_put_str(&text, "\":{\"environment\":\"e7\",\"match\":{\"exe\":"
					   "\"/opt/application-");
		e = e ? e : buf_put_decimal(&text, i);
		e = e ? e : buf_put_str(&text, "/*\",\"user\":\"nobody\"}}");
	}
	e = e ? e : buf_put_str(&text, "},\"default_environment\":\"e49\"}");
	e = e ? e : buf_put_u8(&text, 0);
	if (e)
		exit(1);
	struct policy *p = policy_from((const char *)text.at);
	buf_done(&text);
	return p;
}

/* Microseconds per decision, the best of several rounds: others may need the machine meanwhile. */
static double measure_us(const struct policy *p, const struct call *call, struct decision *ret_d)
{
	enum { ROUNDS = 30, CALLS = 500 };
	struct process_facts facts = {.exe = BYTES("/usr/bin/python3"), .user = BYTES("anna")};
	struct features features = {.bits = FEATURE_BIT(FEATURE_FUNCTIONS)};
	struct question q = {.facts = &facts,
			     .provider = &catalogue[0],
			     .call = call,
			     .features = &features,
			     .method = BYTES("POST"),
			     .path = BYTES("/v1/chat/completions"),
			     .host = BYTES("api.openai.com"),
			     .body_bytes = 1000,
			     .now_s = 1795000000};
	double best = 1e9;

	for (int i = 0; i < ROUNDS; i++) {
		struct timespec start, end;
		clock_gettime(CLOCK_MONOTONIC, &start);
		for (int k = 0; k < CALLS; k++)
			decide(p, &q, ret_d);
		clock_gettime(CLOCK_MONOTONIC, &end);
		double us = ((double)(end.tv_sec - start.tv_sec) * 1e9 +
			     (double)(end.tv_nsec - start.tv_nsec)) /
			    1e3 / CALLS;
		if (us < best)
			best = us;
	}
	return best;
}

/* The bound that is checked is ten times the goal of 5 us, for slow machines and sanitizers; what
 * was measured is printed. */
static void deciding_is_fast_and_allocates_nothing(void)
{
	const struct call calls[] = {call_of(OP_CHAT, "gpt-5-model-number-99-2026-08-01"),
				     call_of(OP_UNKNOWN, "")};
	struct policy *p = large_policy();
	struct decision d;

	for (int i = 0; i < 2; i++) {
		tap_allocations();
		double us = measure_us(p, &calls[i], &d);
		printf("# %s among 50 environments of 200 rules: %.2f us\n", action_name(d.action),
		       us);
		CHECK(us < 50);
		CHECK_U64(tap_allocations(), 0);
	}
	policy_free(p);
}

/* -- unknown endpoints --------------------------------------------------------------------- */

struct unknown_case {
	const char *organization, *environment, *provider; /* what they say; "": nothing */
	enum operation operation;
	bool refused;
	const char *rule;
};

static const struct unknown_case unknowns[] = {
	{"", "", "", OP_UNKNOWN, false, "environments.default.models"},
	{"allow", "", "", OP_UNKNOWN, false, "organization.unknown_endpoints"},
	{"", "allow", "", OP_UNKNOWN, false, "environments.default.unknown_endpoints"},
	{"", "", "allow", OP_UNKNOWN, false, "providers.openai.unknown_endpoints"},
	{"refuse", "", "", OP_UNKNOWN, true, "organization.unknown_endpoints"},
	{"", "refuse", "", OP_UNKNOWN, true, "environments.default.unknown_endpoints"},
	{"", "", "refuse", OP_UNKNOWN, true, "providers.openai.unknown_endpoints"},
	{"refuse", "allow", "allow", OP_UNKNOWN, true, "organization.unknown_endpoints"},
	{"allow", "refuse", "allow", OP_UNKNOWN, true, "environments.default.unknown_endpoints"},
	{"allow", "allow", "refuse", OP_UNKNOWN, true, "providers.openai.unknown_endpoints"},
	{"refuse", "refuse", "refuse", OP_CHAT, false, "environments.default.models"},
	{"refuse", "", "", OP_FILES, false, "environments.default.models"},
};

static void put_said(char *out, size_t cap, const char *word)
{
	snprintf(out, cap, word[0] ? "\"unknown_endpoints\": \"%s\"" : "", word);
}

static void an_unknown_endpoint_is_refused_when_one_scope_says_so(void)
{
	for (size_t i = 0; i < sizeof unknowns / sizeof unknowns[0]; i++) {
		const struct unknown_case *c = &unknowns[i];
		char said[3][64], text[640];
		struct policy *p = NULL;
		struct decision d;
		/* With a model and without: neither lifts the refusal. */
		struct call named = call_of(c->operation, "gpt-5"),
			    bare = call_of(c->operation, "");
		put_said(said[0], sizeof said[0], c->organization);
		put_said(said[1], sizeof said[1], c->environment);
		put_said(said[2], sizeof said[2], c->provider);
		snprintf(text, sizeof text,
			 "{\"version\":1,\"audit\":{\"recipients\":[\"aigw1x\"]},"
			 "\"organization\":{%s},\"environments\":{\"default\":{%s}},"
			 "\"providers\":{\"openai\":{%s}},\"default_environment\":\"default\"}",
			 said[0], said[1], said[2]);
		CHECK_ERR(policy_parse(bytes_str(text), &p, NULL), OK);
		decide_call(p, NULL, catalogue_find(BYTES("openai")), &named, &d);
		CHECK((d.action == ACTION_REFUSE) == c->refused);
		CHECK_STR(d.rule, c->rule);
		decide_call(p, NULL, catalogue_find(BYTES("openai")), &bare, &d);
		CHECK((d.action == ACTION_REFUSE) == c->refused);
		CHECK_STR(d.code, c->refused ? "unknown_endpoint" : "");
		/* another provider's entry is not this one's */
		decide_call(p, NULL, catalogue_find(BYTES("anthropic")), &named, &d);
		CHECK((d.action == ACTION_REFUSE) ==
		      (c->refused && strcmp(c->rule, "providers.openai.unknown_endpoints") != 0));
		policy_free(p);
	}
}

static void the_reason_for_an_unknown_endpoint_says_where_to_look(void)
{
	struct policy *p = NULL;
	struct call call = call_of(OP_UNKNOWN, "");
	struct decision d;

	CHECK_ERR(policy_parse(BYTES("{\"version\":1,\"audit\":{\"recipients\":[\"aigw1x\"]},"
				     "\"environments\":{\"e\":{\"unknown_endpoints\":\"refuse\"}},"
				     "\"default_environment\":\"e\"}"),
			       &p, NULL),
		  OK);
	decide_call(p, NULL, catalogue_find(BYTES("groq")), &call, &d);
	CHECK_STR(d.reason,
		  "the endpoint is none that is known of provider groq (\"aigw providers "
		  "groq\" lists them), and unknown endpoints are refused in environment e; "
		  "use a known endpoint or have environments.e.unknown_endpoints changed");
	policy_free(p);
}

int main(void)
{
	RUN_TESTS(TEST(every_row_of_the_decision_table_holds), TEST(a_reason_says_what_to_do),
		  TEST(a_long_allow_list_is_counted_instead_of_shown),
		  TEST(without_a_policy_every_call_is_refused_with_503),
		  TEST(what_cannot_happen_refuses_and_does_not_crash),
		  TEST(a_model_name_of_the_greatest_length_is_decided),
		  TEST(a_reason_is_safe_to_print),
		  TEST(a_refusal_for_another_reason_copies_and_cuts_its_texts),
		  TEST(covering_and_matching_agree_with_trying_all_names),
		  TEST(a_pattern_match_is_what_bytes_match_says),
		  TEST(an_inner_scope_never_widens_an_outer_one),
		  TEST(deciding_is_fast_and_allocates_nothing),
		  TEST(an_unknown_endpoint_is_refused_when_one_scope_says_so),
		  TEST(the_reason_for_an_unknown_endpoint_says_where_to_look));
}
