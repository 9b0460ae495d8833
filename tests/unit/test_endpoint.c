/* SPDX-License-Identifier: MIT
 *
 * Endpoints of the catalogue: what a method and a path mean at each provider, where the model and
 * the stream stand, what is refused; refusals in every provider's shape.
 */
#include "tap.h"

#include "llm/catalogue.h"
#include "wire/json.h"

/* A request and what it must be read as. */
struct request_case {
	const char *provider, *request; /* "POST /path?query" */
	const char *body;
	const char *operation, *dialect, *model;
	bool stream;
};

#define ARN "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4"

static const struct request_case cases[] = {
	{"openai", "POST /v1/chat/completions", "{\"model\":\"gpt-5\",\"stream\":true}", "chat",
	 "openai", "gpt-5", true},
	{"openai", "POST /v1/completions", "{\"model\":\"babbage\"}", "text_completion", "openai",
	 "babbage", false},
	{"openai", "POST /v1/images/generations", "{\"prompt\":\"a cat\"}", "image_generation",
	 "openai", "", false},
	{"openai", "POST /v1/images/generations", "{\"model\":null}", "image_generation", "openai",
	 "", false},
	{"openai", "POST /v1/moderations", "{\"input\":\"x\"}", "moderation", "openai", "", false},
	{"openai", "POST /v1/fine_tuning/jobs", "{\"model\":\"gpt-4o\"}", "fine_tuning", "openai",
	 "gpt-4o", false},
	{"openai", "GET /v1/fine_tuning/jobs/ft-1/events", "", "fine_tuning", "openai", "", false},
	{"openai", "POST /v1/batches", "{\"input_file_id\":\"f\"}", "batches", "openai", "", false},
	{"openai", "POST /v1/files", "anything at all", "files", "openai", "", false},
	{"openai", "GET /v1/files/file-1/content", "", "files", "openai", "", false},
	{"openai", "GET /v1/realtime?model=gpt-realtime", "", "realtime", "openai", "gpt-realtime",
	 false},
	{"openai", "GET /v1/models/ft:gpt-4o:org::1", "", "list_models", "openai", "", false},
	{"openai", "DELETE /v1/models/ft:gpt-4o:org::1", "", "manage_models", "openai",
	 "ft:gpt-4o:org::1", false},
	{"openai", "POST /v1/threads/t-1/runs", "{\"assistant_id\":\"a\",\"stream\":true}",
	 "assistants", "openai", "", true},
	{"openai", "GET /v1/responses/r-1?stream=true", "", "read_response", "openai", "", true},
	{"openai", "POST /openai/v1/chat/completions", "{\"model\":\"m\"}", "unknown", "openai",
	 "m", false},
	{"openai", "POST /v1/nobody/knows", "", "unknown", "openai", "", false},
	{"openai", "POST /", "", "unknown", "openai", "", false},
	{"anthropic", "POST /v1/messages/count_tokens", "{\"model\":\"claude\"}", "count_tokens",
	 "anthropic", "claude", false},
	{"anthropic", "POST /v1/messages/batches", "{\"requests\":[]}", "batches", "anthropic", "",
	 false},
	{"anthropic", "GET /v1/messages/batches/b-1/results", "", "batches", "anthropic", "",
	 false},
	{"gemini", "POST /v1beta/models/gemini-2.5-pro:generateContent", "{\"contents\":[]}",
	 "generate_content", "google", "gemini-2.5-pro", false},
	{"gemini", "POST /v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse", "{}",
	 "generate_content", "google", "gemini-2.5-pro", true},
	{"gemini", "POST /v1beta/models/gemini%2D2.5-pro%3AstreamGenerateContent", "{}",
	 "generate_content", "google", "gemini-2.5-pro", true},
	{"gemini", "POST /v1/tunedModels/mine:generateContent", "{}", "generate_content", "google",
	 "mine", false},
	{"gemini", "POST /v1beta/models/e:batchEmbedContents",
	 "{\"requests\":[{\"model\":\"models/e\"}]}", "embeddings", "google", "e", false},
	{"gemini", "POST /v1beta/models/g:countTokens", "{\"model\":1}", "count_tokens", "google",
	 "g", false},
	{"gemini", "POST /v1beta/cachedContents", "{\"model\":\"models/g\"}", "cached_contents",
	 "google", "models/g", false},
	{"gemini", "POST /v1beta/interactions", "{\"agent\":\"deep-research\",\"stream\":true}",
	 "chat", "google", "deep-research", true},
	{"gemini", "POST /upload/v1beta/files", "bytes", "files", "google", "", false},
	{"gemini", "POST /v1beta/openai/chat/completions", "{\"model\":\"gemini-2.5-pro\"}", "chat",
	 "openai", "gemini-2.5-pro", false},
	{"gemini", "POST /v1beta/openai/nobody/knows", "", "unknown", "openai", "", false},
	{"gemini", "POST /v1beta/models/g:inventContent", "{}", "unknown", "google", "", false},
	{"vertex",
	 "POST /v1/projects/p/locations/us-central1/publishers/google/models/"
	 "gemini-2.5-pro:streamGenerateContent",
	 "{}", "generate_content", "google", "gemini-2.5-pro", true},
	{"vertex", "POST /v1/publishers/google/models/gemini-2.5-pro:generateContent", "{}",
	 "generate_content", "google", "gemini-2.5-pro", false},
	{"vertex",
	 "POST /v1/projects/p/locations/l/publishers/anthropic/models/claude-opus-4@1:rawPredict",
	 "{\"anthropic_version\":\"vertex-2023-10-16\"}", "chat", "anthropic", "claude-opus-4@1",
	 false},
	{"vertex",
	 "POST "
	 "/v1/projects/p/locations/l/publishers/anthropic/models/claude-opus-4:streamRawPredict",
	 "{\"stream\":true}", "chat", "anthropic", "claude-opus-4", true},
	{"vertex",
	 "POST /v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict",
	 "{\"model\":\"claude-opus-4\"}", "count_tokens", "anthropic", "claude-opus-4", false},
	{"vertex",
	 "POST /v1/projects/p/locations/l/publishers/mistralai/models/mistral-large:rawPredict",
	 "{\"model\":\"mistral-large\"}", "chat", "mistral", "mistral-large", false},
	{"vertex", "POST /v1beta1/projects/p/locations/l/endpoints/openapi/chat/completions",
	 "{\"model\":\"google/gemini\"}", "chat", "openai", "google/gemini", false},
	{"vertex", "POST /v1/projects/p/locations/l/endpoints/123:predict", "{}", "predict",
	 "google", "123", false},
	{"vertex", "GET /v1/projects/p/locations/l/datasets", "", "unknown", "google", "", false},
	{"bedrock", "POST /model/anthropic.claude-3-haiku-20240307-v1%3A0/converse", "{}", "chat",
	 "bedrock", "anthropic.claude-3-haiku-20240307-v1:0", false},
	{"bedrock", "POST /model/us.anthropic.claude-sonnet-4/converse-stream", "{}", "chat",
	 "bedrock", "us.anthropic.claude-sonnet-4", true},
	{"bedrock",
	 "POST /model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2F"
	 "us.anthropic.claude-sonnet-4/invoke",
	 "{\"anthropic_version\":\"bedrock-2023-05-31\"}", "predict", "bedrock", ARN, false},
	{"bedrock", "POST /model/" ARN "/invoke-with-response-stream", "{}", "predict", "bedrock",
	 ARN, true},
	{"bedrock", "POST /async-invoke", "{\"modelId\":\"amazon.nova-reel\"}", "batches",
	 "bedrock", "amazon.nova-reel", false},
	{"bedrock", "POST /openai/v1/responses", "{\"model\":\"openai.gpt-oss\"}", "chat", "openai",
	 "openai.gpt-oss", false},
	{"bedrock", "POST /anthropic/v1/messages", "{\"model\":\"anthropic.claude\"}", "chat",
	 "anthropic", "anthropic.claude", false},
	{"azure-openai",
	 "POST /openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21",
	 "{\"model\":\"another\",\"stream\":true}", "chat", "azure-openai", "my gpt", true},
	{"azure-openai", "POST /openai/deployments/whisper/audio/transcriptions", "--form",
	 "audio_transcription", "azure-openai", "whisper", false},
	{"azure-openai", "POST /openai/v1/chat/completions", "{\"model\":\"deployed\"}", "chat",
	 "openai", "deployed", false},
	{"azure-ai", "POST /anthropic/v1/messages", "{\"model\":\"claude\"}", "chat", "anthropic",
	 "claude", false},
	{"azure-ai", "POST /models/chat/completions?api-version=1", "{\"model\":\"phi-4\"}", "chat",
	 "openai", "phi-4", false},
	{"azure-serverless", "POST /v1/chat/completions", "{\"messages\":[]}", "chat", "openai", "",
	 false},
	{"cohere", "POST /v2/chat", "{\"model\":\"command-a\",\"stream\":true}", "chat", "cohere",
	 "command-a", true},
	{"cohere", "POST /v1/chat", "{\"message\":\"hi\"}", "chat", "cohere", "", false},
	{"cohere", "POST /v2/rerank", "{\"model\":\"rerank-v3.5\"}", "rerank", "cohere",
	 "rerank-v3.5", false},
	{"cohere", "POST /compatibility/v1/chat/completions", "{\"model\":\"command-a\"}", "chat",
	 "openai", "command-a", false},
	{"mistral", "POST /v1/fim/completions", "{\"model\":\"codestral\"}", "text_completion",
	 "mistral", "codestral", false},
	{"mistral", "POST /v1/agents/completions", "{\"agent_id\":\"ag-1\"}", "chat", "mistral",
	 "ag-1", false},
	{"groq", "POST /openai/v1/chat/completions", "{\"model\":\"llama\"}", "chat", "openai",
	 "llama", false},
	{"xai", "POST /v1/chat/completions", "{\"model\":\"grok-4\"}", "chat", "xai", "grok-4",
	 false},
	{"xai", "POST /v1/messages", "{\"model\":\"grok-4\"}", "chat", "anthropic", "grok-4",
	 false},
	{"deepseek", "POST /chat/completions", "{\"model\":\"deepseek-chat\"}", "chat", "openai",
	 "deepseek-chat", false},
	{"deepseek", "POST /anthropic/v1/messages", "{\"model\":\"deepseek-chat\"}", "chat",
	 "anthropic", "deepseek-chat", false},
	{"ollama-cloud", "POST /api/chat", "{\"model\":\"gpt-oss\"}", "chat", "ollama", "gpt-oss",
	 true},
	{"ollama-cloud", "POST /api/generate", "{\"model\":\"gpt-oss\",\"stream\":false}",
	 "text_completion", "ollama", "gpt-oss", false},
	{"ollama-cloud", "POST /api/chat", "{\"model\":\"gpt-oss\",\"stream\":null}", "chat",
	 "ollama", "gpt-oss", true},
	{"ollama-cloud", "POST /v1/chat/completions", "{\"model\":\"gpt-oss\"}", "chat", "openai",
	 "gpt-oss", false},
	{"huggingface", "POST /models/gpt2/gpt2-large", "{\"inputs\":\"x\"}", "predict",
	 "huggingface", "gpt2/gpt2-large", false},
	{"huggingface", "POST /v1/chat/completions", "{\"model\":\"meta/llama\"}", "chat", "openai",
	 "meta/llama", false},
	{"huggingface", "POST /", "{\"inputs\":\"x\"}", "predict", "huggingface", "", false},
	{"replicate", "POST /v1/models/meta/llama-3/predictions", "{\"input\":{}}", "predict",
	 "replicate", "meta/llama-3", false},
	{"replicate", "POST /v1/predictions", "{\"version\":\"5c7d5dc6\"}", "predict", "replicate",
	 "5c7d5dc6", false},
	{"replicate", "POST /v1/predictions/p/cancel", "", "read_response", "replicate", "", false},
	{"databricks", "POST /serving-endpoints/my-llm/invocations", "{\"messages\":[]}", "predict",
	 "openai", "my-llm", false},
	{"databricks", "GET /api/2.0/clusters/list", "", "unknown", "openai", "", false},
	{"cloudflare", "POST /client/v4/accounts/a/ai/run/@cf/meta/llama-3", "{}", "predict",
	 "openai", "@cf/meta/llama-3", false},
	{"cloudflare", "GET /client/v4/zones", "", "unknown", "openai", "", false},
	{"snowflake", "POST /api/v2/cortex/inference:complete", "{\"model\":\"claude\"}", "chat",
	 "openai", "claude", false},
	{"snowflake", "POST /queries/v1/query-request", "{}", "unknown", "openai", "", false},
	{"snowflake", "POST /x/../api/v2/./cortex/inference:complete", "{\"model\":\"claude\"}",
	 "chat", "openai", "claude", false},
	{"openai-chatgpt", "POST /backend-api/codex/responses", "{\"model\":\"gpt-5-codex\"}",
	 "chat", "openai", "gpt-5-codex", false},
	{"openai-chatgpt", "GET /backend-api/conversations", "", "unknown", "openai", "", false},
	{"watsonx", "POST /ml/v1/text/chat_stream?version=1", "{\"model_id\":\"ibm/granite\"}",
	 "chat", "openai", "ibm/granite", true},
	{"gemini-code-assist", "POST /v1internal:streamGenerateContent?alt=sse",
	 "{\"model\":\"gemini-2.5-pro\"}", "generate_content", "google", "gemini-2.5-pro", true},
};

static struct request_view view_of(const char *request, const char *body)
{
	struct request_view v = {.body = tap_guarded(bytes_str(body))};
	struct bytes rest = bytes_str(request);

	v.method = bytes_cut(&rest, ' ');
	v.path = bytes_cut(&rest, '?');
	v.query = rest;
	v.content_type = body[0] == '{' ? BYTES("application/json") : BYTES("x/y");
	return v;
}

static void each_providers_requests_are_read(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct request_case *c = &cases[i];
		const struct provider *p = catalogue_find(bytes_str(c->provider));
		struct request_view v = view_of(c->request, c->body);
		struct call call = {0};
		struct fault fault = {0};
		struct match m;
		CHECK(p != NULL);
		if (!p)
			continue;
		enum err e = provider_read_call(p, &v, &call, &fault);
		provider_match(p, v.method, v.path, &m);
		if (e || strcmp(operation_name(call.operation), c->operation) != 0 ||
		    strcmp(m.dialect->name, c->dialect) != 0 || strcmp(call.model, c->model) != 0 ||
		    call.stream != c->stream)
			tap_fail(__FILE__, __LINE__, "%s %s: %s (%s) %s %s \"%s\"%s", c->provider,
				 c->request, err_name(e), fault.reason ? fault.reason : "",
				 operation_name(call.operation), m.dialect->name, call.model,
				 call.stream ? " stream" : "");
	}
}

struct fault_case {
	const char *provider, *request, *body;
	enum err expected;
	const char *code;
};

static const struct fault_case faults[] = {
	{"azure-openai", "POST /openai/deployments/a/../b/chat/completions", "{}", ERR_AMBIGUOUS,
	 "ambiguous_request"},
	{"bedrock", "POST /model/a%2F..%2Fb/converse", "{}", ERR_AMBIGUOUS, "ambiguous_request"},
	{"bedrock", "POST /model/m/./converse", "{}", ERR_AMBIGUOUS, "ambiguous_request"},
	{"bedrock", "POST /model/a%00b/converse", "{}", ERR_BAD, "malformed_request"},
	{"bedrock", "POST /model/%FF/converse", "{}", ERR_BAD, "malformed_request"},
	{"bedrock", "POST /model/m/converse", "no json", ERR_BAD, "malformed_request"},
	{"gemini", "POST /v1beta/interactions", "{\"model\":\"a\",\"agent\":\"b\"}", ERR_AMBIGUOUS,
	 "ambiguous_request"},
	{"gemini", "POST /v1beta/interactions", "{}", ERR_BAD, "malformed_request"},
	{"gemini", "POST /v1beta/interactions", "{\"Agent\":\"b\"}", ERR_AMBIGUOUS,
	 "ambiguous_request"},
	{"openai", "GET /v1/realtime?model=a&model=b", "", ERR_AMBIGUOUS, "ambiguous_request"},
	{"openai", "GET /v1/realtime?Model=a", "", ERR_AMBIGUOUS, "ambiguous_request"},
	{"openai", "GET /v1/realtime?model=a%20b", "", ERR_AMBIGUOUS, "ambiguous_request"},
	{"openai", "POST /v1/images/generations", "{\"model\":1}", ERR_BAD, "malformed_request"},
	{"replicate", "POST /v1/predictions", "{\"input\":{}}", ERR_BAD, "malformed_request"},
};

static void what_could_be_read_in_two_ways_is_refused(void)
{
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		const struct fault_case *c = &faults[i];
		struct request_view v = view_of(c->request, c->body);
		struct call call;
		struct fault fault = {.code = ""};
		enum err e = provider_read_call(catalogue_find(bytes_str(c->provider)), &v, &call,
						&fault);
		if (e != c->expected || strcmp(fault.code, c->code) != 0)
			tap_fail(__FILE__, __LINE__, "%s %s gives %s %s", c->request, c->body,
				 err_name(e), fault.code);
	}
}

#define PART(head, content) "--B\r\nContent-Disposition: form-data; " head "\r\n\r\n" content "\r\n"
#define FILE_PART           PART("name=\"file\"; filename=\"a.mp3\"", "\x01\x02 model")
#define END                 "--B--\r\n"

struct form_case {
	const char *body;
	enum err expected;
	const char *model;
	bool stream;
};

static const struct form_case forms[] = {
	{FILE_PART PART("name=\"model\"", "whisper-1") END, OK, "whisper-1", false},
	{PART("name=model", "whisper-1") PART("name=\"stream\"", "true") FILE_PART END, OK,
	 "whisper-1", true},
	{PART("name=model", "a") PART("name=model", "a") END, OK, "a", false},
	{PART("name=model", "a") PART("name=model", "b") END, ERR_AMBIGUOUS, NULL, false},
	{PART("name=model", "a") PART("name=\"Model\"", "a") END, ERR_AMBIGUOUS, NULL, false},
	{PART("name=\"model[]\"", "a") END, ERR_AMBIGUOUS, NULL, false},
	{PART("name=model; filename=m", "a") END, ERR_AMBIGUOUS, NULL, false},
	{PART("name=model\r\nContent-Transfer-Encoding: base64", "YQ==") END, ERR_AMBIGUOUS, NULL,
	 false},
	{FILE_PART END, ERR_BAD, NULL, false},
	{PART("name=model", "") END, ERR_BAD, NULL, false},
	{PART("name=model", "\xFF") END, ERR_BAD, NULL, false},
	{PART("name=model", "a"), ERR_BAD, NULL, false},
	{"", ERR_BAD, NULL, false},
	{"{\"model\":\"whisper-1\"}", ERR_BAD, NULL, false},
};

static void the_model_field_of_a_form_counts(void)
{
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		struct request_view v = {
			.method = BYTES("POST"),
			.path = BYTES("/v1/audio/transcriptions"),
			.content_type = BYTES("multipart/form-data; boundary=B"),
			.body = tap_guarded(bytes_str(forms[i].body)),
		};
		struct call call = {0};
		struct fault fault = {0};
		enum err e = provider_read_call(catalogue_find(BYTES("openai")), &v, &call, &fault);
		if (e != forms[i].expected)
			tap_fail(__FILE__, __LINE__, "form %zu gives %s", i, err_name(e));
		CHECK(!e == !fault.code);
		if (e)
			continue;
		CHECK_STR(call.model, forms[i].model);
		CHECK(call.stream == forms[i].stream && call.operation == OP_TRANSCRIPTION);
	}
}

static void a_form_without_a_boundary_and_a_json_body_in_its_place(void)
{
	struct request_view v = {.method = BYTES("POST"),
				 .path = BYTES("/v1/audio/transcriptions"),
				 .content_type = BYTES("multipart/form-data"),
				 .body = BYTES("--B--")};
	struct call call = {0};
	struct fault fault = {0};

	CHECK_ERR(provider_read_call(catalogue_find(BYTES("openai")), &v, &call, &fault), ERR_BAD);
	v.content_type = BYTES("application/json");
	v.body = BYTES("{\"model\":\"whisper-1\"}");
	CHECK_ERR(provider_read_call(catalogue_find(BYTES("openai")), &v, &call, &fault), OK);
	CHECK_STR(call.model, "whisper-1");
}

/* A path that a pattern must match: one segment for *, a model, something behind. */
static void put_sample(struct buf *out, struct bytes pattern)
{
	while (pattern.len) {
		size_t used = 1;
		if (bytes_starts(pattern, BYTES("{model}"))) {
			CHECK_ERR(buf_put_str(out, "some/model"), OK);
			used = 7;
		} else if (bytes_starts(pattern, BYTES("**"))) {
			CHECK_ERR(buf_put_str(out, "more/of/it"), OK);
			used = 2;
		} else if (pattern.at[0] == '*') {
			CHECK_ERR(buf_put_str(out, "one"), OK);
		} else {
			CHECK_ERR(buf_put_u8(out, pattern.at[0]), OK);
		}
		pattern = bytes_from(pattern, used);
	}
}

static void check_reached(const struct provider *p, const char *base, const struct endpoint *e)
{
	struct bytes pattern = bytes_str(endpoint_match(e)), method = bytes_cut(&pattern, ' ');
	struct buf path = {0};
	struct match m;

	put_sample(&path, bytes_str(base));
	put_sample(&path, pattern);
	if (method.at[0] == '*')
		method = BYTES("PATCH");
	provider_match(p, method, buf_view(&path), &m);
	if (!m.endpoint)
		tap_fail(__FILE__, __LINE__, "%s: nothing fits %.*s", p->name, (int)path.len,
			 (const char *)path.at);
	else if (m.endpoint->model == MODEL_PATH)
		CHECK(m.model.len > 0);
	buf_done(&path);
}

static bool is_dropped(const struct provider *p, const struct endpoint *e)
{
	struct bytes rest = bytes_str(catalogue_text(p->dropped)), line;

	while (endpoint_next_line(&rest, &line))
		if (bytes_equal(line, bytes_str(endpoint_match(e))))
			return true;
	return false;
}

static void every_endpoint_of_the_catalogue_is_reached(void)
{
	size_t count = 0;

	for (size_t i = 0; i < catalogue_count; i++) {
		const struct provider *p = &catalogue[i];
		const struct endpoints own = provider_endpoints(p);
		for (size_t k = 0; k < own.count; k++, count++)
			check_reached(p, "", &own.at[k]);
		for (size_t n = 0; n < p->mount_count; n++) {
			const struct mount *mount = &provider_mounts(p)[n];
			const struct endpoints list = dialect_endpoints(dialect_of(mount->dialect));
			for (size_t k = 0; k < list.count; k++, count++)
				if (!is_dropped(p, &list.at[k]))
					check_reached(p, catalogue_text(mount->base), &list.at[k]);
		}
	}
	CHECK(count > 1000);
}

static void a_dropped_endpoint_is_unknown(void)
{
	struct match m;

	provider_match(catalogue_find(BYTES("databricks")), BYTES("GET"),
		       BYTES("/serving-endpoints/models"), &m);
	CHECK(!m.endpoint);
	provider_match(catalogue_find(BYTES("databricks")), BYTES("POST"),
		       BYTES("/serving-endpoints/chat/completions"), &m);
	CHECK(m.endpoint && m.endpoint->operation == OP_CHAT);
}

static void a_call_is_known_wherever_it_is_mounted_and_other_things_are_not(void)
{
	CHECK(catalogue_has_endpoint(BYTES("POST"), BYTES("/v1/chat/completions")));
	CHECK(catalogue_has_endpoint(BYTES("POST"), BYTES("/behind/a/proxy/v1/messages")));
	CHECK(catalogue_has_endpoint(BYTES("POST"),
				     BYTES("/v1beta/models/gemini-2.5-pro:generateContent")));
	CHECK(!catalogue_has_endpoint(BYTES("POST"), BYTES("/plain")));
	CHECK(!catalogue_has_endpoint(BYTES("GET"), BYTES("/v1/chat/messages/of/mine")));
	CHECK(!catalogue_has_endpoint(BYTES("GET"), BYTES("/")));
	CHECK(!catalogue_has_endpoint(BYTES_NONE, BYTES_NONE));
}

static void a_path_has_one_form_and_a_limit(void)
{
	static const struct {
		const char *path, *form;
	} paths[] = {{"/v1/x", "/v1/x"},
		     {"//v1///x//", "/v1/x"},
		     {"/%76%31%2Fx", "/v1/x"},
		     {"/a%2", "/a%2"},
		     {"/a%zz", "/a%zz"},
		     {"/%252F", "/%2F"},
		     {"/", ""},
		     {"", ""},
		     {"v1/x", ""},
		     {"/a/./b", "/a/b"},
		     {"/a/../b", "/b"},
		     {"/../../a", "/a"},
		     {"/a/b/..", "/a"},
		     {"/a/%2e%2E/b", "/b"},
		     {"/a%2F..%2Fb", "/b"},
		     {"/.", ""},
		     {"/..", ""},
		     {"/a/...", "/a/..."},
		     {"/.a/b..", "/.a/b.."},
		     {"..", ""},
		     {"/a//../b", "/b"}};
	struct endpoint_path p;
	struct buf longest = {0};

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		endpoint_path_set(&p, tap_guarded(bytes_str(paths[i].path)));
		CHECK_BYTES(bytes_of(p.at, p.len), paths[i].form);
	}
	for (size_t i = 0; i < ENDPOINT_PATH_MAX; i++)
		CHECK_ERR(buf_put_str(&longest, i ? "x" : "////"), OK);
	endpoint_path_set(&p, buf_view(&longest));
	CHECK_U64(p.len, ENDPOINT_PATH_MAX);
	CHECK_ERR(buf_put_u8(&longest, 'x'), OK);
	endpoint_path_set(&p, buf_view(&longest));
	CHECK_U64(p.len, 0);
	buf_done(&longest);
}

/* A path that is in its form already takes a shorter way than one that has anything encoded. */
static void a_path_means_the_same_with_a_letter_encoded(void)
{
	static const char *const paths[] = {"/v1/chat/completions", "/v1/x/", "/a.b/c..d/e.",
					    "/v1/a b/*/{model}",    "/x",     "/x?y"};
	struct endpoint_path plain, encoded;

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		struct bytes path = bytes_str(paths[i]);
		for (size_t at = 1; at < path.len; at++) {
			struct buf text = {0};
			if (path.at[at] == '/')
				continue;
			CHECK_ERR(buf_put(&text, bytes_slice(path, 0, at)), OK);
			CHECK_ERR(buf_put_u8(&text, '%'), OK);
			CHECK_ERR(buf_put_hex(&text, bytes_slice(path, at, 1)), OK);
			CHECK_ERR(buf_put(&text, bytes_from(path, at + 1)), OK);
			endpoint_path_set(&plain, tap_guarded(path));
			endpoint_path_set(&encoded, buf_view(&text));
			CHECK(plain.len && !plain.had_dots && !encoded.had_dots);
			CHECK(bytes_equal(bytes_of(plain.at, plain.len),
					  bytes_of(encoded.at, encoded.len)));
			buf_done(&text);
		}
	}
}

static void other_things_on_a_shared_host_are_told_apart(void)
{
	const struct provider *snowflake = catalogue_find(BYTES("snowflake"));
	const struct provider *openai = catalogue_find(BYTES("openai"));

	CHECK(provider_shares_host(snowflake, BYTES("me.snowflakecomputing.com"), 443));
	CHECK(!provider_shares_host(snowflake, BYTES("api.openai.com"), 443));
	CHECK(!provider_shares_host(openai, BYTES("api.openai.com"), 443));
}

/* -- refusals ------------------------------------------------------------------------------ */

struct shape_case {
	const char *provider;
	const char *body, *headers; /* parts that must be there */
};

static const struct shape_case shapes[] = {
	{"openai",
	 "{\"error\":{\"message\":\"M\",\"type\":\"invalid_request_error\",\"param\":\"model\","
	 "\"code\":\"policy_denied\"}}",
	 "\r\nx-request-id: ID\r\n"},
	{"azure-openai", "{\"error\":{\"code\":\"403\",\"message\":\"M\"}}",
	 "\r\napim-request-id: ID\r\n"},
	{"anthropic",
	 "{\"type\":\"error\",\"error\":{\"type\":\"permission_error\",\"message\":\"M\"},"
	 "\"request_id\":\"ID\"}",
	 "\r\nrequest-id: ID\r\n"},
	{"gemini",
	 "{\"error\":{\"code\":403,\"message\":\"M\",\"status\":\"PERMISSION_DENIED\",\"details\":["
	 "{"
	 "\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"POLICY_DENIED\","
	 "\"domain\":\"aigw\"}]}}",
	 "\r\nx-should-retry: false\r\n"},
	{"bedrock", "{\"message\":\"M\"}",
	 "\r\nx-amzn-errortype: AccessDeniedException\r\nx-amzn-requestid: ID\r\n"},
	{"cohere", "{\"message\":\"M\",\"id\":\"ID\"}", "\r\n"},
	{"mistral",
	 "{\"object\":\"error\",\"message\":\"M\",\"type\":\"invalid_request_error\",\"param\":"
	 "null,"
	 "\"code\":\"policy_denied\",\"raw_status_code\":403}",
	 "\r\n"},
	{"openrouter", "{\"error\":{\"code\":403,\"message\":\"M\",\"metadata\":{}}}", "\r\n"},
	{"perplexity", "{\"error\":{\"message\":\"M\",\"type\":\"policy_denied\",\"code\":403}}",
	 "\r\n"},
	{"ollama-cloud", "{\"error\":\"M\"}", "\r\n"},
	{"huggingface", "{\"error\":\"M\"}", "\r\n"},
	{"ai21", "{\"detail\":\"M\"}", "\r\n"},
	{"replicate", "{\"title\":\"Request refused\",\"detail\":\"M\",\"status\":403}", "\r\n"},
};

static void a_refusal_has_the_shape_of_its_provider(void)
{
	static const struct refusal refusal = {
		.status = 403,
		.code = "policy_denied",
		.message = {(const uint8_t *)"M", 1},
		.rule = {(const uint8_t *)"organization.models.deny", 24},
		.id = {(const uint8_t *)"ID", 2},
	};

	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
		const struct provider *p = catalogue_find(bytes_str(shapes[i].provider));
		struct buf out = {0};
		size_t end;
		CHECK_ERR(provider_put_refusal(p, provider_dialect(p), &refusal, &out), OK);
		end = bytes_find(buf_view(&out), BYTES("\r\n\r\n"));
		CHECK_BYTES(bytes_from(buf_view(&out), end + 4), shapes[i].body);
		CHECK(bytes_find(buf_view(&out), bytes_str(shapes[i].headers)) != SIZE_MAX);
		CHECK(bytes_starts(buf_view(&out), BYTES("HTTP/1.1 403 Forbidden\r\n")));
		buf_done(&out);
	}
}

static void geminis_array_stream_gets_the_error_in_an_array(void)
{
	struct refusal refusal = {.status = 429, .code = "c", .in_array = true};
	struct json_token status;

	for (size_t i = 0; i < error_shape_count; i++) {
		struct buf out = {0};
		CHECK_ERR(error_shapes[i].put(&refusal, &out), OK);
		CHECK((out.at[0] == '[') == error_shapes[i].in_array);
		CHECK_ERR(json_check(buf_view(&out), NULL, NULL), OK);
		if (error_shapes[i].in_array) {
			CHECK_ERR(json_find(buf_view(&out), "/0/error/status", &status, NULL), OK);
			CHECK(json_token_is(&status, BYTES("RESOURCE_EXHAUSTED")));
		}
		buf_done(&out);
	}
}

static void a_foreign_mount_is_refused_in_its_own_words(void)
{
	const struct provider *p = catalogue_find(BYTES("openrouter"));

	CHECK_STR(provider_refusal(p, &dialect_openai)->name, "openrouter");
	CHECK_STR(provider_refusal(p, &dialect_anthropic)->name, "anthropic");
	CHECK_STR(provider_request_id_header(p, &dialect_anthropic), "request-id");
	CHECK_STR(provider_refusal(NULL, &dialect_openai)->name, "openai");
}

int main(void)
{
	RUN_TESTS(TEST(each_providers_requests_are_read),
		  TEST(what_could_be_read_in_two_ways_is_refused),
		  TEST(the_model_field_of_a_form_counts),
		  TEST(a_form_without_a_boundary_and_a_json_body_in_its_place),
		  TEST(every_endpoint_of_the_catalogue_is_reached),
		  TEST(a_dropped_endpoint_is_unknown),
		  TEST(a_call_is_known_wherever_it_is_mounted_and_other_things_are_not),
		  TEST(a_path_has_one_form_and_a_limit),
		  TEST(a_path_means_the_same_with_a_letter_encoded),
		  TEST(other_things_on_a_shared_host_are_told_apart),
		  TEST(a_refusal_has_the_shape_of_its_provider),
		  TEST(geminis_array_stream_gets_the_error_in_an_array),
		  TEST(a_foreign_mount_is_refused_in_its_own_words));
}
