/* SPDX-License-Identifier: MIT
 *
 * What a request uses besides the model, in the words of every dialect; and that the catalogue's
 * words for what lies outside of agreements are understood.
 */
#include "llm/feature.h"

#include <stdlib.h>

#include "llm/catalogue.h"
#include "llm/control.h"
#include "tap.h"

struct feature_case {
	const char *body;
	const char *expected; /* names in the order of feature.def, separated by a space */
};

static const struct feature_case cases[] = {
	{"", ""},
	{"[]", ""},
	{"{}", ""},
	{"{\"model\":\"gpt-5\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", ""},
	/* OpenAI: tools by their type */
	{"{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}", "functions"},
	{"{\"tools\":[{\"type\":\"custom\",\"name\":\"f\"}]}", "functions"},
	{"{\"tools\":[{\"type\":\"web_search\"}]}", "web_search"},
	{"{\"tools\":[{\"type\":\"web_search_preview\"}]}", "web_search"},
	{"{\"tools\":[{\"type\":\"web_search_preview_2025_03_11\"}]}", "web_search"},
	{"{\"tools\":[{\"type\":\"web_search\",\"external_web_access\":false}]}",
	 "web_search_cached"},
	{"{\"tools\":[{\"external_web_access\":false,\"type\":\"web_search\"}]}",
	 "web_search_cached"},
	{"{\"tools\":[{\"type\":\"web_search\",\"external_web_access\":true}]}", "web_search"},
	{"{\"tools\":[{\"type\":\"web_search\",\"external_web_access\":false,"
	 "\"external_web_access\":true}]}",
	 "web_search"},
	{"{\"tools\":[{\"type\":\"web_search_preview\",\"external_web_access\":false}]}",
	 "web_search"},
	{"{\"tools\":[{\"type\":\"mcp\",\"server_url\":\"https://x\"}]}", "mcp"},
	{"{\"tools\":[{\"type\":\"file_search\",\"vector_store_ids\":[\"v\"]}]}", "file_search"},
	{"{\"tools\":[{\"type\":\"code_interpreter\",\"container\":{\"type\":\"auto\"}}]}",
	 "code_execution"},
	{"{\"tools\":[{\"type\":\"computer_use_preview\"}]}", "computer_use"},
	{"{\"tools\":[{\"type\":\"image_generation\"}]}", "image_generation"},
	{"{\"tools\":[{\"type\":\"local_shell\"}]}", "functions"},
	{"{\"tools\":[{\"type\":\"teleport_20290101\"}]}", "other_tools"},
	{"{\"tools\":[{\"type\":\"m\\u0063p\"}]}", "mcp"},
	{"{\"t\\u006fols\":[{\"ty\\u0070e\":\"mcp\"}]}", "mcp"},
	/* both of two count: nobody knows which the server takes */
	{"{\"tools\":[{\"type\":\"mcp\",\"type\":\"function\"}]}", "functions mcp"},
	{"{\"tools\":[{\"type\":\"mcp\"}],\"tools\":[]}", "mcp"},
	{"{\"functions\":[{\"name\":\"f\"}]}", "functions"},
	{"{\"web_search_options\":{\"search_context_size\":\"low\"}}", "web_search"},
	{"{\"web_search_options\":{}}", ""},
	{"{\"background\":true}", "background"},
	{"{\"background\":false}", ""},
	{"{\"background\":null}", ""},
	{"{\"background\":false,\"background\":true}", "background"},
	{"{\"previous_response_id\":\"resp_1\"}", "references"},
	{"{\"conversation\":{\"id\":\"c\"}}", "references"},
	{"{\"prompt\":{\"id\":\"pmpt_1\"}}", "references"},
	{"{\"prompt\":\"words\"}", ""},
	{"{\"input\":[{\"type\":\"item_reference\",\"id\":\"x\"}]}", "references"},
	{"{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\","
	 "\"image_url\":\"data:\"}]}]}",
	 "images"},
	{"{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_file\","
	 "\"file_id\":\"file-1\"}]}]}",
	 "file_references documents"},
	{"{\"messages\":[{\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\"}}]}]}",
	 "images"},
	{"{\"messages\":[{\"content\":[{\"type\":\"input_audio\",\"input_audio\":{}}]}]}", "audio"},
	/* Anthropic */
	{"{\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}]}", "functions"},
	{"{\"tools\":[{\"type\":\"bash_20250124\",\"name\":\"bash\"}]}", "functions"},
	{"{\"tools\":[{\"type\":\"text_editor_20250728\"}]}", "functions"},
	{"{\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}]}", "web_search"},
	{"{\"tools\":[{\"type\":\"web_fetch_20250910\"}]}", "web_fetch"},
	{"{\"tools\":[{\"type\":\"code_execution_20250825\"}]}", "code_execution"},
	{"{\"tools\":[{\"type\":\"computer_20250124\"}]}", "computer_use"},
	{"{\"tools\":[{\"type\":\"tool_search_tool_regex_20251119\"}]}", "tool_search"},
	{"{\"tools\":[{\"type\":\"mcp_toolset\"}]}", "mcp"},
	{"{\"mcp_servers\":[{\"url\":\"https://x\"}]}", "mcp"},
	{"{\"mcp_servers\":[]}", ""},
	{"{\"container\":\"c_1\"}", "container"},
	{"{\"context_management\":{\"edits\":[]}}", "context_management"},
	{"{\"diagnostics\":{\"x\":1}}", "diagnostics"},
	{"{\"messages\":[{\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\","
	 "\"media_type\":\"image/png\"}}]}]}",
	 "images"},
	{"{\"messages\":[{\"content\":[{\"type\":\"document\",\"source\":{\"type\":\"url\"}}]}]}",
	 "documents"},
	{"{\"messages\":[{\"content\":[{\"type\":\"container_upload\",\"file_id\":\"f\"}]}]}",
	 "file_references"},
	/* what a program may choose freely is none: arguments, schemas */
	{"{\"messages\":[{\"content\":[{\"type\":\"tool_use\",\"input\":{\"type\":\"image\","
	 "\"file_id\":\"x\"}}]}]}",
	 ""},
	{"{\"tools\":[{\"type\":\"function\",\"function\":{\"parameters\":{\"properties\":{"
	 "\"type\":\"image\",\"file_id\":{}}}}}]}",
	 "functions"},
	{"{\"messages\":[{\"role\":\"user\",\"content\":\"{\\\"type\\\":\\\"image\\\"}\"}]}", ""},
	{"{\"metadata\":{\"background\":true,\"tools\":[{\"type\":\"mcp\"}]}}", ""},
	/* Gemini */
	{"{\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\"}]}]}", "functions"},
	{"{\"tools\":[{\"google_search\":{}}]}", "web_search"},
	{"{\"tools\":[{\"googleSearch\":{}},{\"urlContext\":{}},{\"codeExecution\":{}}]}",
	 "web_search web_fetch code_execution"},
	{"{\"tools\":[{\"googleMaps\":{}}]}", "maps"},
	{"{\"tools\":[{\"somethingNew\":{}}]}", "other_tools"},
	{"{\"cachedContent\":\"cachedContents/1\"}", "cached_content"},
	{"{\"contents\":[{\"parts\":[{\"inlineData\":{\"mimeType\":\"image/png\","
	 "\"data\":\"\"}}]}]}",
	 "images"},
	{"{\"contents\":[{\"parts\":[{\"inline_data\":{\"mime_type\":\"application/pdf\"}}]}]}",
	 "documents"},
	{"{\"contents\":[{\"parts\":[{\"fileData\":{\"fileUri\":\"https://x\"}}]}]}",
	 "file_references"},
	{"{\"contents\":[{\"parts\":[{\"functionCall\":{\"args\":{\"mimeType\":\"image/x\"}}}]}]}",
	 ""},
	/* Bedrock, Cohere, Ollama, OpenRouter, xAI */
	{"{\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"f\"}}]}}", "functions"},
	{"{\"toolConfig\":{\"tools\":[{\"systemTool\":{\"name\":\"nova_grounding\"}}]}}",
	 "other_tools"},
	{"{\"toolConfig\":{\"tools\":[{\"toolSpec\":{}},{\"cachePoint\":{}}]}}", "functions"},
	{"{\"messages\":[{\"content\":[{\"image\":{\"format\":\"png\"}}]}]}", "images"},
	{"{\"messages\":[{\"content\":[{\"video\":{\"source\":{\"s3Location\":{\"uri\":\"x\"}}}}]}]"
	 "}",
	 "file_references video"},
	{"{\"connectors\":[{\"id\":\"web-search\"}]}", "web_search"},
	{"{\"documents\":[{\"text\":\"x\"}]}", "documents"},
	{"{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"images\":[\"aGk=\"]}]}", "images"},
	{"{\"plugins\":[{\"id\":\"web\",\"max_results\":3}]}", "web_search"},
	{"{\"plugins\":[{\"id\":\"file-parser\"}]}", "other_tools"},
	{"{\"search_parameters\":{\"mode\":\"auto\"}}", "web_search"},
	/* broken in the middle: what stands before it counts */
	{"{\"background\":true,\"tools\":[{\"type\":\"mcp\"", "mcp background"},
};

static void put_names(uint64_t bits, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (int i = 0; i < FEATURE_COUNT; i++)
		if (bits & FEATURE_BIT(i))
			len += (size_t)snprintf(out + len, cap - len, "%s%s", len ? " " : "",
						feature_name((enum feature)i));
}

static void what_a_request_uses_is_seen_in_every_dialect(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct features f;
		char names[400];
		features_read(tap_guarded(bytes_str(cases[i].body)), &f);
		put_names(f.bits, names, sizeof names);
		if (strcmp(names, cases[i].expected) != 0)
			tap_fail(__FILE__, __LINE__, "%s: \"%s\", not \"%s\"", cases[i].body, names,
				 cases[i].expected);
	}
}

static void the_greatest_limit_of_the_answer_counts(void)
{
	static const struct {
		const char *body;
		bool given;
		uint64_t tokens;
	} limits[] = {
		{"{}", false, 0},
		{"{\"max_tokens\":100}", true, 100},
		{"{\"max_completion_tokens\":7,\"max_tokens\":100}", true, 100},
		{"{\"max_tokens\":100,\"max_tokens\":5}", true, 100},
		{"{\"max_output_tokens\":3}", true, 3},
		{"{\"max_tokens\":null}", false, 0},
		{"{\"max_tokens\":1e3}", true, 1000},
		{"{\"max_tokens\":-1}", true, UINT64_MAX},
		{"{\"max_tokens\":1.5}", true, UINT64_MAX},
		{"{\"generationConfig\":{\"maxOutputTokens\":8}}", true, 8},
		{"{\"inferenceConfig\":{\"maxTokens\":9}}", true, 9},
		{"{\"options\":{\"num_predict\":-1}}", true, UINT64_MAX},
		{"{\"textGenerationConfig\":{\"maxTokenCount\":4}}", true, 4},
		{"{\"messages\":[{\"max_tokens\":4}]}", false, 0},
	};

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		struct features f;
		features_read(tap_guarded(bytes_str(limits[i].body)), &f);
		CHECK(f.has_max_tokens == limits[i].given);
		CHECK_U64(f.max_tokens, limits[i].tokens);
	}
}

static void the_words_of_the_catalogue_are_understood(void)
{
	unsigned paths = 0, words = 0;

	for (size_t i = 0; i < catalogue_count; i++) {
		struct bytes rest = bytes_str(catalogue_text(catalogue[i].outside)), line;
		while (endpoint_next_line(&rest, &line)) {
			paths += line.at[0] == '/';
			words += line.at[0] != '/';
			if (line.at[0] != '/' && feature_find(line) == FEATURE_COUNT)
				tap_fail(__FILE__, __LINE__, "%s: \"%.*s\" is no feature",
					 catalogue[i].name, (int)line.len, (const char *)line.at);
		}
	}
	CHECK(paths > 5 && words > 10);
	CHECK(feature_find(BYTES("nothing")) == FEATURE_COUNT);
	CHECK(feature_find(BYTES("")) == FEATURE_COUNT);
	for (int i = 0; i < FEATURE_COUNT; i++)
		CHECK(feature_find(bytes_str(feature_name((enum feature)i))) == (enum feature)i);
	CHECK_STR(feature_name(FEATURE_COUNT), "unknown");
}

static void every_control_is_of_a_provider_of_the_catalogue(void)
{
	const struct control *c;
	unsigned count = 0;

	for (size_t i = 0; (c = control_at(i)); i++, count++) {
		const struct provider *p = catalogue_find(bytes_str(c->provider));
		struct bytes path = bytes_str(c->path);
		unsigned depth = 0;
		CHECK(p != NULL);
		CHECK(control_takes(c, bytes_str(c->safe)));
		CHECK(!control_takes(c, BYTES("")) && !control_takes(c, BYTES("fals")));
		CHECK(control_find(bytes_str(c->provider), bytes_str(c->path)) == c);
		for (; path.len; depth++)
			bytes_cut(&path, '.');
		CHECK(depth >= 1 && depth <= CONTROL_DEPTH_MAX);
	}
	CHECK(count > 5);
	CHECK(control_find(BYTES("openai"), BYTES("stor")) == NULL);
	CHECK(control_find(BYTES("anthropic"), BYTES("store")) == NULL);
}

static void a_control_is_for_some_requests_only(void)
{
	const struct control *store = control_find(BYTES("openai"), BYTES("store"));
	const struct provider *openai = catalogue_find(BYTES("openai")),
			      *groq = catalogue_find(BYTES("groq"));

	CHECK(control_applies(store, openai, BYTES("POST"), BYTES("/v1/chat/completions")));
	CHECK(control_applies(store, openai, BYTES("POST"), BYTES("/v1/responses/")));
	CHECK(!control_applies(store, openai, BYTES("POST"), BYTES("/v1/embeddings")));
	CHECK(!control_applies(store, openai, BYTES("POST"), BYTES("/v1/responses/resp_1")));
	CHECK(!control_applies(store, openai, BYTES("GET"), BYTES("/v1/responses")));
	CHECK(!control_applies(store, groq, BYTES("POST"), BYTES("/v1/chat/completions")));
	CHECK(!control_applies(store, openai, BYTES("POST"), BYTES("")));
	CHECK(control_exists(openai, BYTES("POST"), BYTES("/v1/responses")));
	CHECK(!control_exists(catalogue_find(BYTES("anthropic")), BYTES("POST"),
			      BYTES("/v1/messages")));
}

int main(void)
{
	RUN_TESTS(TEST(what_a_request_uses_is_seen_in_every_dialect),
		  TEST(the_greatest_limit_of_the_answer_counts),
		  TEST(the_words_of_the_catalogue_are_understood),
		  TEST(every_control_is_of_a_provider_of_the_catalogue),
		  TEST(a_control_is_for_some_requests_only));
}
