/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "llm/catalogue.h"

static const struct provider_host hosts[] = {
	{.name = "llm.ward.example", .port = 8443},
	{.name = "*.openai.azure.com"},
	{.name = "bedrock-runtime.*.amazonaws.com"},
	{.name = "*-aiplatform.googleapis.com", .port = 443},
	{.name = "10.0.0.7", .port = 11434},
	{.name = "[::1]", .port = 8000},
};

static const struct provider own = {
	.name = "own", .hosts = hosts, .host_count = sizeof hosts / sizeof hosts[0]};

struct host_case {
	const char *host;
	uint16_t port;
	bool expected;
};

static const struct host_case cases[] = {
	{"llm.ward.example", 8443, true},
	{"LLM.Ward.EXAMPLE", 8443, true},
	{"llm.ward.example.", 8443, true},
	{"llm.ward.example..", 8443, false},
	{"llm.ward.example", 0, true},
	{"llm.ward.example", 443, false},
	{"xllm.ward.example", 8443, false},
	{"llm.ward.example.evil.org", 8443, false},
	{"ward.example", 8443, false},
	{"llm.ward.exampl", 8443, false},
	{"", 0, false},
	{".", 0, false},
	{"team.openai.azure.com", 443, true},
	{"a.b.c.openai.azure.com", 1, true},
	{"openai.azure.com", 443, false},
	{".openai.azure.com", 443, false},
	{"a..openai.azure.com", 443, false},
	{"xopenai.azure.com", 443, false},
	{"team.openai.azure.com.evil.org", 443, false},
	{"team.openai.azure.com.openai.azure.com", 443, true},
	{"bedrock-runtime.us-east-1.amazonaws.com", 443, true},
	{"bedrock-runtime.us-gov.east.amazonaws.com", 443, true},
	{"bedrock-runtime.amazonaws.com", 443, false},
	{"xbedrock-runtime.us-east-1.amazonaws.com", 443, false},
	{"us-central1-aiplatform.googleapis.com", 443, true},
	{"-aiplatform.googleapis.com", 443, false},
	{"us-central1-aiplatform.googleapis.com", 8443, false},
	{"10.0.0.7", 11434, true},
	{"10.0.0.70", 11434, false},
	{"[::1]", 8000, true},
	{"[::1]", 8001, false},
	{"[::2]", 8000, false},
	{"::1", 8000, false},
};

static void a_host_belongs_to_a_provider_on_label_boundaries(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bytes host = tap_guarded(bytes_str(cases[i].host));
		if (provider_has_host(&own, host, cases[i].port) != cases[i].expected)
			tap_fail(__FILE__, __LINE__, "%s:%u must%s belong", cases[i].host,
				 cases[i].port, cases[i].expected ? "" : " not");
	}
}

static void several_stars_may_stand_in_a_name(void)
{
	static const struct provider_host starred[] = {{.name = "*.a.*.a.example"}};
	static const struct provider p = {.name = "p", .hosts = starred, .host_count = 1};

	CHECK(provider_has_host(&p, BYTES("x.a.y.a.example"), 0));
	CHECK(provider_has_host(&p, BYTES("x.a.a.a.a.a.example"), 0));
	CHECK(!provider_has_host(&p, BYTES("x.a.a.example"), 0));
	CHECK(!provider_has_host(&p, BYTES("a.y.a.example"), 0));
}

static void the_built_in_catalogue_knows_openai_and_anthropic(void)
{
	const struct provider *openai = catalogue_find(BYTES("openai"));
	const struct provider *anthropic = catalogue_find(BYTES("anthropic"));

	CHECK(openai && anthropic);
	if (!openai || !anthropic)
		return;
	CHECK_STR(openai->otel_name, "openai");
	CHECK(provider_dialect(openai) == &dialect_openai);
	CHECK(provider_has_host(openai, BYTES("api.openai.com"), 443));
	CHECK(provider_has_host(openai, BYTES("eu.api.openai.com"), 0));
	CHECK(!provider_has_host(openai, BYTES("openai.com"), 443));
	CHECK(!provider_has_host(openai, BYTES("x.api.openai.com"), 443));
	CHECK_STR(anthropic->otel_name, "anthropic");
	CHECK(provider_dialect(anthropic) == &dialect_anthropic);
	CHECK(provider_has_host(anthropic, BYTES("API.anthropic.com."), 443));
	CHECK(!provider_has_host(anthropic, BYTES("api.openai.com"), 443));
	CHECK(!catalogue_find(BYTES("OpenAI")));
	CHECK(!catalogue_find(BYTES_NONE));
}

static void every_entry_of_the_catalogue_is_complete_and_its_hosts_are_its_own(void)
{
	for (size_t i = 0; i < catalogue_count; i++) {
		const struct provider *p = &catalogue[i];
		CHECK(catalogue_find(bytes_str(p->name)) == p);
		CHECK(p->otel_name[0] && provider_dialect(p) && p->host_count > 0);
		for (size_t h = 0; h < p->host_count; h++)
			for (size_t k = 0; k < catalogue_count; k++)
				CHECK(provider_has_host(&catalogue[k],
							bytes_str(provider_hosts(p)[h].name),
							provider_hosts(p)[h].port) == (k == i));
	}
}

int main(void)
{
	RUN_TESTS(TEST(a_host_belongs_to_a_provider_on_label_boundaries),
		  TEST(several_stars_may_stand_in_a_name),
		  TEST(the_built_in_catalogue_knows_openai_and_anthropic),
		  TEST(every_entry_of_the_catalogue_is_complete_and_its_hosts_are_its_own));
}
