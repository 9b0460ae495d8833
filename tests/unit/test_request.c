/* SPDX-License-Identifier: MIT
 *
 * Requests: which operation a path is, which model a body names, what is refused as ambiguous.
 */
#include "tap.h"

#include <stdlib.h>

#include "llm/catalogue.h"
#include "llm/request.h"
#include "wire/json.h"

/* As a server of one's own that speaks the dialect, wherever it has mounted the API. */
static enum err read_call(const struct dialect *d, const struct request_view *v, struct call *call,
			  struct fault *fault)
{
	struct provider own = {.name = "own", .dialect = dialect_number(d), .loose = true};

	return provider_read_call(&own, v, call, fault);
}

static enum err read_as(const struct dialect *d, const char *method, const char *path,
			struct bytes body, struct call *call, struct fault *fault)
{
	struct request_view v = {.method = bytes_str(method),
				 .path = tap_guarded(bytes_str(path)),
				 .content_type = BYTES("application/json"),
				 .body = tap_guarded(body)};

	return read_call(d, &v, call, fault);
}

static enum err read_chat(const char *body, struct call *call, struct fault *fault)
{
	return read_as(&dialect_openai, "POST", "/v1/chat/completions", bytes_str(body), call,
		       fault);
}

struct path_case {
	const struct dialect *dialect;
	const char *method, *path;
	enum operation expected;
};

static const struct path_case paths[] = {
	{&dialect_openai, "POST", "/v1/chat/completions", OP_CHAT},
	{&dialect_openai, "POST", "/chat/completions", OP_CHAT},
	{&dialect_openai, "POST", "/openai/v1/chat/completions", OP_CHAT},
	{&dialect_openai, "POST", "/a/b/c/d/e/chat/completions", OP_CHAT},
	{&dialect_openai, "POST", "/v1/chat/completions/", OP_CHAT},
	{&dialect_openai, "POST", "//v1//chat//completions//", OP_CHAT},
	{&dialect_openai, "POST", "/v1/chat/%63ompletions", OP_CHAT},
	{&dialect_openai, "POST", "/v1/chat%2Fcompletions", OP_CHAT},
	{&dialect_openai, "POST", "/v1/chat%2fcompletions%2F", OP_CHAT},
	{&dialect_openai, "POST", "/v1/responses", OP_CHAT},
	{&dialect_openai, "POST", "/v1/responses/compact", OP_CHAT},
	{&dialect_openai, "POST", "/v1/responses/input_tokens", OP_COUNT_TOKENS},
	{&dialect_openai, "POST", "/v1/responses/resp_1/cancel", OP_READ_RESPONSE},
	{&dialect_openai, "POST", "/v1/responses/resp_1", OP_READ_RESPONSE},
	{&dialect_openai, "GET", "/v1/responses/resp_1", OP_READ_RESPONSE},
	{&dialect_openai, "GET", "/v1/responses/resp_1/input_items", OP_READ_RESPONSE},
	{&dialect_openai, "DELETE", "/v1/responses/resp_1", OP_READ_RESPONSE},
	{&dialect_openai, "POST", "/v1/embeddings", OP_EMBEDDINGS},
	{&dialect_openai, "GET", "/v1/models", OP_LIST_MODELS},
	{&dialect_openai, "GET", "/api/v1/models/gpt-5", OP_LIST_MODELS},
	{&dialect_openai, "PUT", "/v1/chat/completions", OP_UNKNOWN},
	{&dialect_openai, "PUT", "/v1/responses/resp_1", OP_UNKNOWN},
	{&dialect_openai, "post", "/v1/chat/completions", OP_UNKNOWN},
	{&dialect_openai, "POST", "/v1/xembeddings", OP_UNKNOWN},
	{&dialect_openai, "POST", "/v1/chat/completionsx", OP_UNKNOWN},
	{&dialect_openai, "POST", "/v1/chat/completions%", OP_UNKNOWN},
	{&dialect_openai, "POST", "/v1/chat/completions%2", OP_UNKNOWN},
	{&dialect_openai, "POST", "/v1/chat/completions%zz", OP_UNKNOWN},
	{&dialect_openai, "POST", "chat/completions", OP_UNKNOWN},
	{&dialect_openai, "POST", "/v1/nobody/knows", OP_UNKNOWN},
	{&dialect_openai, "POST", "/v1/messages", OP_UNKNOWN},
	{&dialect_openai, "POST", "", OP_UNKNOWN},
	{&dialect_openai, "POST", "/", OP_UNKNOWN},
	{&dialect_openai, "OPTIONS", "*", OP_UNKNOWN},
	{&dialect_openai, "", "/v1/models", OP_UNKNOWN},
	{&dialect_anthropic, "POST", "/v1/messages", OP_CHAT},
	{&dialect_anthropic, "POST", "/anthropic/v1/messages", OP_CHAT},
	{&dialect_anthropic, "POST", "/v1/messages/count_tokens", OP_COUNT_TOKENS},
	{&dialect_anthropic, "GET", "/v1/models", OP_LIST_MODELS},
	{&dialect_anthropic, "GET", "/v1/models/claude-3", OP_LIST_MODELS},
	{&dialect_anthropic, "POST", "/messages", OP_UNKNOWN},
	{&dialect_anthropic, "POST", "/v1/messages/batches", OP_BATCHES},
	{&dialect_anthropic, "POST", "/v1/chat/completions", OP_UNKNOWN},
};

static void method_and_last_segments_give_the_operation(void)
{
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		const struct path_case *c = &paths[i];
		struct call call;
		struct fault fault;
		enum err e = read_as(c->dialect, c->method, c->path, BYTES("{\"model\":\"m\"}"),
				     &call, &fault);
		if (e || call.operation != c->expected)
			tap_fail(__FILE__, __LINE__, "%s %s %s gives %s %s, expected %s",
				 c->dialect->name, c->method, c->path, err_name(e),
				 e ? "" : operation_name(call.operation),
				 operation_name(c->expected));
		else
			CHECK_STR(call.model, "m");
	}
}

static void an_empty_request_is_unknown(void)
{
	struct request_view none = {0};
	struct call call;
	struct fault fault;

	CHECK_ERR(read_call(&dialect_openai, &none, &call, &fault), OK);
	CHECK(call.operation == OP_UNKNOWN && call.model_len == 0 && !call.stream);
}

static void operations_have_the_names_of_opentelemetry(void)
{
	CHECK_STR(operation_name(OP_CHAT), "chat");
	CHECK_STR(operation_name(OP_EMBEDDINGS), "embeddings");
	CHECK_STR(operation_name(OP_COUNT), "unknown");
	CHECK(operation_reads(OP_LIST_MODELS) && operation_reads(OP_READ_RESPONSE));
	CHECK(!operation_reads(OP_UNKNOWN) && !operation_reads(OP_CHAT));
	for (int op = 0; op < OP_COUNT; op++)
		CHECK(operation_find(bytes_str(operation_name(op))) == (enum operation)op);
	CHECK(operation_find(BYTES("Chat")) == OP_COUNT);
	CHECK_STR(usage_name(USAGE_CACHE_READ), "usage.cache_read.input_tokens");
	CHECK_STR(usage_name(USAGE_COUNT), "");
}

struct body_case {
	const char *body;
	const char *model; /* expected */
	bool stream;
};

static const struct body_case readable[] = {
	{"{\"model\":\"gpt-5\"}", "gpt-5", false},
	{" \r\n\t{ \"stream\" : true , \"model\" : \"gpt-5\" } \n", "gpt-5", true},
	{"{\"stream\":false,\"model\":\"gpt-5\",\"stream\":false}", "gpt-5", false},
	{"{\"stream\":null,\"model\":\"gpt-5\"}", "gpt-5", false},
	{"{\"model\":\"a\\u002fb\\\\c\"}", "a/b\\c", false},
	{"{\"model\":\"\\ud83d\\ude00\"}", "\xF0\x9F\x98\x80", false},
	{"{\"\\u006d\\u006F\\u0064el\":\"gpt-5\"}", "gpt-5", false},
	{"{\"model\":\"gpt-5\",\"model\":\"gpt-5\"}", "gpt-5", false},
	{"{\"model\":\"gpt-5\",\"\\u006dodel\":\"gpt\\u002d5\"}", "gpt-5", false},
	{"{\"messages\":[{\"model\":\"x\",\"Model\":1}],\"model\":\"gpt-5\"}", "gpt-5", false},
	{"{\"metadata\":{\"model\":\"x\",\"stream\":true},\"model\":\"gpt-5\"}", "gpt-5", false},
	{"{\"models\":[],\"mode\":1,\"modelx\":2,\"\":0,\"model\":\"gpt-5\"}", "gpt-5", false},
	{"{\"Stream\":1,\"model\":\"gpt-5\"}", "gpt-5", false},
};

static void a_readable_body_gives_model_and_stream(void)
{
	for (size_t i = 0; i < sizeof readable / sizeof readable[0]; i++) {
		struct call call;
		struct fault fault;
		CHECK_ERR(read_chat(readable[i].body, &call, &fault), OK);
		CHECK_STR(call.model, readable[i].model);
		CHECK_U64(call.model_len, strlen(readable[i].model));
		CHECK(call.stream == readable[i].stream);
	}
}

struct fault_case {
	const char *body;
	enum err expected;
	const char *code;
	size_t at;
};

static const struct fault_case faults[] = {
	{"", ERR_BAD, "malformed_request", 0},
	{" ", ERR_BAD, "malformed_request", 1},
	{"{", ERR_BAD, "malformed_request", 1},
	{"[]", ERR_BAD, "malformed_request", 0},
	{"\"model\"", ERR_BAD, "malformed_request", 0},
	{"null", ERR_BAD, "malformed_request", 0},
	{"{}", ERR_BAD, "malformed_request", SIZE_MAX},
	{"{\"messages\":[]}", ERR_BAD, "malformed_request", SIZE_MAX},
	{"{\"model\":\"m\"}x", ERR_BAD, "malformed_request", 13},
	{"{\"model\":\"m\"}{}", ERR_BAD, "malformed_request", 13},
	{"{\"model\":\"m\",}", ERR_BAD, "malformed_request", 13},
	{"{\"model\":\"m\",\"a\":[1,2}", ERR_BAD, "malformed_request", 21},
	{"{\"model\":\"m\",\"a\":NaN}", ERR_BAD, "malformed_request", 17},
	{"{\"model\":\"m\" /* c */}", ERR_BAD, "malformed_request", 13},
	{"\xEF\xBB\xBF{\"model\":\"m\"}", ERR_BAD, "malformed_request", 0},
	{"{\"model\":\"\xFF\"}", ERR_BAD, "malformed_request", 10},
	{"{\"model\":1}", ERR_BAD, "malformed_request", 9},
	{"{\"model\":null}", ERR_BAD, "malformed_request", 9},
	{"{\"model\":[\"m\"]}", ERR_BAD, "malformed_request", 9},
	{"{\"model\":\"\"}", ERR_BAD, "malformed_request", 9},
	{"{\"model\":\"a\\u0000b\"}", ERR_BAD, "malformed_request", 9},
	{"{\"model\":\"m\",\"stream\":1}", ERR_BAD, "malformed_request", 22},
	{"{\"model\":\"m\",\"stream\":\"true\"}", ERR_BAD, "malformed_request", 22},
	{"{\"model\":\"a\",\"model\":\"b\"}", ERR_AMBIGUOUS, "ambiguous_request", 13},
	{"{\"model\":\"a\",\"\\u006dodel\":\"b\"}", ERR_AMBIGUOUS, "ambiguous_request", 13},
	{"{\"\\u006dodel\":\"a\",\"model\":\"b\"}", ERR_AMBIGUOUS, "ambiguous_request", 18},
	{"{\"model\":\"a\",\"model\":null}", ERR_AMBIGUOUS, "ambiguous_request", 13},
	{"{\"Model\":\"a\"}", ERR_AMBIGUOUS, "ambiguous_request", 1},
	{"{\"model\":\"a\",\"MODEL\":\"a\"}", ERR_AMBIGUOUS, "ambiguous_request", 13},
	{"{\"model\":\"a\",\"\\u004dodel\":\"a\"}", ERR_AMBIGUOUS, "ambiguous_request", 13},
	{"{\"model\":\"a\",\"\\u004d\\u006f\\u0044\\u0065\\u006c\":\"a\"}", ERR_AMBIGUOUS,
	 "ambiguous_request", 13},
	{"{\"model\":\"a\",\"stream\":true,\"stream\":false}", ERR_AMBIGUOUS, "ambiguous_request",
	 27},
	{"{\"model\":\"a\",\"stream\":null,\"stream\":true}", ERR_AMBIGUOUS, "ambiguous_request",
	 27},
};

static void a_body_that_cannot_be_read_one_way_only_is_refused_with_its_place(void)
{
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		struct call call, untouched;
		struct fault fault = {0};
		memset(&call, 0x5A, sizeof call);
		untouched = call;
		enum err e = read_chat(faults[i].body, &call, &fault);
		if (e != faults[i].expected || fault.at != faults[i].at || !fault.code ||
		    strcmp(fault.code, faults[i].code) != 0)
			tap_fail(__FILE__, __LINE__, "%s gives %s %s at %zu", faults[i].body,
				 err_name(e), fault.code ? fault.code : "", fault.at);
		CHECK(fault.reason && fault.reason[0]);
		CHECK(memcmp(&call, &untouched, sizeof call) == 0);
	}
}

/* {"model":"<unit repeated n times>"} */
static struct buf body_with_model(const char *unit, size_t n)
{
	struct buf b = {0};

	CHECK_ERR(buf_put_str(&b, "{\"model\":\""), OK);
	while (n--)
		CHECK_ERR(buf_put_str(&b, unit), OK);
	CHECK_ERR(buf_put_str(&b, "\"}"), OK);
	return b;
}

static void a_model_name_has_at_most_256_bytes(void)
{
	static const struct {
		const char *unit;
		size_t n;
		enum err expected;
	} cases[] = {
		{"m", MODEL_BYTES_MAX, OK},
		{"m", MODEL_BYTES_MAX + 1, ERR_LIMIT},
		{"\\u006d", MODEL_BYTES_MAX, OK},
		{"\\u006d", MODEL_BYTES_MAX + 1, ERR_LIMIT},
		{"\\u00e9", MODEL_BYTES_MAX / 2, OK},
		{"\\u00e9", MODEL_BYTES_MAX / 2 + 1, ERR_LIMIT},
		{"m", 1 << 20, ERR_LIMIT},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf b = body_with_model(cases[i].unit, cases[i].n);
		struct call call;
		struct fault fault = {0};
		CHECK_ERR(read_as(&dialect_openai, "POST", "/v1/embeddings", buf_view(&b), &call,
				  &fault),
			  cases[i].expected);
		if (cases[i].expected == OK)
			CHECK_U64(call.model_len, MODEL_BYTES_MAX);
		else
			CHECK_STR(fault.code, "malformed_request");
		buf_done(&b);
	}
}

/* The model, then `depth` nested arrays (the object counts as one level). */
static enum err read_nested(size_t depth)
{
	struct buf b = {0};
	struct call call;
	struct fault fault = {0};
	enum err e;

	CHECK_ERR(buf_put_str(&b, "{\"model\":\"m\",\"a\":"), OK);
	for (size_t i = 0; i < depth; i++)
		CHECK_ERR(buf_put_u8(&b, '['), OK);
	for (size_t i = 0; i < depth; i++)
		CHECK_ERR(buf_put_u8(&b, ']'), OK);
	CHECK_ERR(buf_put_u8(&b, '}'), OK);
	e = read_as(&dialect_openai, "POST", "/v1/responses", buf_view(&b), &call, &fault);
	buf_done(&b);
	return e;
}

static void nesting_is_limited(void)
{
	CHECK_ERR(read_nested(JSON_DEPTH_MAX - 1), OK);
	CHECK_ERR(read_nested(JSON_DEPTH_MAX), ERR_LIMIT);
}

static void a_compressed_body_is_not_supported(void)
{
	static const char *const refused[] = {"gzip",           "br", "zstd", "deflate",
					      "identity, gzip", "x"};
	static const char *const fine[] = {"", " ", "identity", " Identity\t"};
	struct request_view v = {.method = BYTES("POST"),
				 .path = BYTES("/v1/chat/completions"),
				 .body = BYTES("{\"model\":\"m\"}")};
	struct call call;
	struct fault fault = {0};

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		v.content_encoding = bytes_str(refused[i]);
		CHECK_ERR(read_call(&dialect_openai, &v, &call, &fault), ERR_UNSUPPORTED);
		CHECK_STR(fault.code, "unsupported_content_encoding");
		v.path = BYTES("/v1/nobody/knows");
		CHECK_ERR(read_call(&dialect_openai, &v, &call, &fault), ERR_UNSUPPORTED);
		v.path = BYTES("/v1/chat/completions");
	}
	for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
		v.content_encoding = bytes_str(fine[i]);
		CHECK_ERR(read_call(&dialect_openai, &v, &call, &fault), OK);
	}
	v.content_encoding = BYTES("gzip");
	v.body = BYTES_NONE;
	v.method = BYTES("GET");
	v.path = BYTES("/v1/models");
	CHECK_ERR(read_call(&dialect_openai, &v, &call, &fault), OK);
}

static void an_operation_without_a_model_needs_no_body(void)
{
	struct call call;
	struct fault fault = {0};

	CHECK_ERR(read_as(&dialect_openai, "GET", "/v1/models", BYTES_NONE, &call, &fault), OK);
	CHECK(call.operation == OP_LIST_MODELS && call.model_len == 0);
	CHECK_ERR(read_as(&dialect_openai, "POST", "/v1/responses/r/cancel", BYTES("{}"), &call,
			  &fault),
		  OK);
	CHECK(call.operation == OP_READ_RESPONSE && call.model_len == 0);
	CHECK_ERR(read_as(&dialect_openai, "POST", "/v1/responses/r/cancel", BYTES("{"), &call,
			  &fault),
		  ERR_BAD);
}

static void a_stored_response_is_streamed_when_the_query_says_so(void)
{
	struct request_view v = {.method = BYTES("GET"), .path = BYTES("/v1/responses/r")};
	struct call call;
	struct fault fault;

	v.query = BYTES("starting_after=3&stream=true");
	CHECK_ERR(read_call(&dialect_openai, &v, &call, &fault), OK);
	CHECK(call.stream);
	v.query = BYTES("xstream=true&stream=false&stream=truex");
	CHECK_ERR(read_call(&dialect_openai, &v, &call, &fault), OK);
	CHECK(!call.stream);
}

struct unknown_case {
	const char *content_type, *body;
	enum err expected;
	const char *model;
};

static const struct unknown_case unknown[] = {
	{"application/json", "", OK, ""},
	{"application/json", "{\"model\":\"m\",\"prompt\":\"x\"}", OK, "m"},
	{"text/plain", " {\"model\":\"m\"}", OK, "m"},
	{"", "{\"model\":\"m\"}", OK, "m"},
	{"application/json", "{\"model\":{\"id\":1}}", OK, ""},
	{"application/json", "{\"model\":\"\"}", OK, ""},
	{"application/json", "{\"stream\":3}", OK, ""},
	{"application/json", "[1,2]", OK, ""},
	{"multipart/form-data; boundary=x", "--x\r\n\r\n{\"model\":", OK, ""},
	{"application/jsonl", "{\"model\":\"a\"}\n{\"model\":\"b\"}\n", OK, ""},
	{"application/octet-stream", "{\"model\":\"a\"\x01", OK, ""},
	{"application/json", "{\"model\":\"a\",NaN}", ERR_BAD, ""},
	{"Application/JSON ; charset=utf-8", "{\"model\":\"a\",NaN}", ERR_BAD, ""},
	{"application/json", "{\"model\":\"a\",\"model\":\"b\"}", ERR_AMBIGUOUS, ""},
	{"application/json", "{\"model\":1,\"model\":\"b\"}", ERR_AMBIGUOUS, ""},
	{"text/plain", "{\"model\":\"a\",\"MODEL\":\"b\"}", ERR_AMBIGUOUS, ""},
	{"application/json", "{\"model\":\"a\\u0000\"}", ERR_BAD, ""},
};

static void the_body_of_an_unknown_endpoint_is_read_for_its_model(void)
{
	for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
		struct request_view v = {.method = BYTES("POST"),
					 .path = BYTES("/v1/nobody/knows"),
					 .content_type = bytes_str(unknown[i].content_type),
					 .body = tap_guarded(bytes_str(unknown[i].body))};
		struct call call = {0};
		struct fault fault = {0};
		enum err e = read_call(&dialect_openai, &v, &call, &fault);
		if (e != unknown[i].expected)
			tap_fail(__FILE__, __LINE__, "%s gives %s", unknown[i].body, err_name(e));
		CHECK(call.operation == OP_UNKNOWN);
		CHECK_STR(call.model, unknown[i].model);
		CHECK(!e == !fault.code);
	}
}

static void every_cut_of_a_body_is_malformed(void)
{
	static const char body[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"\\u00fc\"}],"
				   "\"model\":\"gpt-5\",\"n\":1.5e3,\"stream\":true}";

	for (size_t n = 0; n < sizeof body - 1; n++) {
		struct call call;
		struct fault fault = {0};
		CHECK_ERR(read_as(&dialect_anthropic, "POST", "/v1/messages", bytes_of(body, n),
				  &call, &fault),
			  ERR_BAD);
	}
}

static void reading_a_request_allocates_nothing(void)
{
	struct request_view v = {.method = BYTES("POST"),
				 .path = BYTES("/v1/chat/completions"),
				 .body = BYTES("{\"\\u006dodel\":\"\\u006d\",\"stream\":true}")};
	struct call call;
	struct fault fault;

	tap_allocations();
	CHECK_ERR(read_call(&dialect_openai, &v, &call, &fault), OK);
	CHECK_U64(tap_allocations(), 0);
}

int main(void)
{
	RUN_TESTS(
		TEST(method_and_last_segments_give_the_operation),
		TEST(an_empty_request_is_unknown), TEST(operations_have_the_names_of_opentelemetry),
		TEST(a_readable_body_gives_model_and_stream),
		TEST(a_body_that_cannot_be_read_one_way_only_is_refused_with_its_place),
		TEST(a_model_name_has_at_most_256_bytes), TEST(nesting_is_limited),
		TEST(a_compressed_body_is_not_supported),
		TEST(an_operation_without_a_model_needs_no_body),
		TEST(a_stored_response_is_streamed_when_the_query_says_so),
		TEST(the_body_of_an_unknown_endpoint_is_read_for_its_model),
		TEST(every_cut_of_a_body_is_malformed), TEST(reading_a_request_allocates_nothing));
}
