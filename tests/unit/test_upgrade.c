/* SPDX-License-Identifier: MIT */
#include "llm/upgrade.h"

#include "tap.h"

#define X16  "xxxxxxxxxxxxxxxx"
#define X256 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16

static const struct {
	const char *query, *model; /* model "": none */
	enum err expected;
	const char *code;
} cases[] = {
	{"", "", OK, NULL},
	{"model=gpt-realtime", "gpt-realtime", OK, NULL},
	{"a=b&model=gpt-realtime&c", "gpt-realtime", OK, NULL},
	{"model=gpt%2Drealtime", "gpt-realtime", OK, NULL},
	{"%6dodel=gpt-realtime", "gpt-realtime", OK, NULL},
	{"model=a+b%20c", "a b c", OK, NULL},
	{"model=100%", "100%", OK, NULL},
	{"model=%zz%4", "%zz%4", OK, NULL},
	{"model=a=b", "a=b", OK, NULL},
	{"model=a&model=a", "a", OK, NULL},
	{"model=a&model=%61", "a", OK, NULL},
	{"Model=a&models=b&xmodel=c&mode=d", "", OK, NULL},
	{"key=model", "", OK, NULL},
	{"model=" X256, X256, OK, NULL},
	{"model=" X256 "x", NULL, ERR_LIMIT, "malformed_request"},
	{"model=", NULL, ERR_BAD, "malformed_request"},
	{"model", NULL, ERR_BAD, "malformed_request"},
	{"model=a%00b", NULL, ERR_BAD, "malformed_request"},
	{"model=a&model=b", NULL, ERR_AMBIGUOUS, "ambiguous_request"},
	{"model=a&model=", NULL, ERR_BAD, "malformed_request"},
};

static void the_model_stands_in_the_query(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct request_view view = {.method = BYTES("GET"),
					    .path = BYTES("/v1/realtime"),
					    .query = tap_guarded(bytes_str(cases[i].query))};
		struct call call = {0};
		struct fault fault = {0};
		enum err e = upgrade_read_call(catalogue_find(BYTES("openai")), &view, &call,
					       &fault);
		if (e != cases[i].expected)
			tap_fail(__FILE__, __LINE__, "\"%s\": %s", cases[i].query, err_name(e));
		if (e) {
			CHECK_STR(fault.code, cases[i].code);
			CHECK(fault.reason && call.model_len == 0 && !call.stream);
			continue;
		}
		CHECK_BYTES(bytes_of(call.model, call.model_len), cases[i].model);
		CHECK_STR(call.model, cases[i].model);
		CHECK(call.stream && call.operation == OP_REALTIME);
	}
}

/* A model in the path is not contradicted. */
static void what_the_path_says_counts_too(void)
{
	const struct provider *p = catalogue_find(BYTES("bedrock"));
	struct request_view view = {.method = BYTES("POST"),
				    .path = BYTES("/model/a/invoke-with-bidirectional-stream")};
	struct call call = {0};
	struct fault fault = {0};

	CHECK_ERR(upgrade_read_call(p, &view, &call, &fault), OK);
	CHECK_STR(call.model, "a");
	view.query = BYTES("model=a");
	CHECK_ERR(upgrade_read_call(p, &view, &call, &fault), OK);
	view.query = BYTES("model=b");
	CHECK_ERR(upgrade_read_call(p, &view, &call, &fault), ERR_AMBIGUOUS);
}

/* What is unknown stays so: that is a decision of its own. */
static void an_unknown_path_is_unknown(void)
{
	struct request_view view = {.method = BYTES("GET"), .path = BYTES("/v1/other/ws")};
	struct call call = {0};
	struct fault fault = {0};

	CHECK_ERR(upgrade_read_call(catalogue_find(BYTES("openai")), &view, &call, &fault), OK);
	CHECK(call.operation == OP_UNKNOWN && call.stream);
}

int main(void)
{
	RUN_TESTS(TEST(the_model_stands_in_the_query), TEST(what_the_path_says_counts_too),
		  TEST(an_unknown_path_is_unknown));
}
