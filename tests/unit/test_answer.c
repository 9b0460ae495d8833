/* SPDX-License-Identifier: MIT
 *
 * Answers of every dialect: model, usage, text, tool calls and end, from whole bodies, from
 * server-sent events in any split, and from lines of JSON. What test_dialect has of OpenAI and
 * Anthropic is not said again.
 */
#include "tap.h"

#include "llm/dialect.h"
#include "llm/tools.h"
#include "wire/json.h"
#include "wire/sse.h"

#define FIXTURES "tests/fixtures/dialect/"
#define NONE     (-1) /* the count is absent */
#define COUNTS   (USAGE_CACHE_CREATION_1H + 1)

/* What an answer must say; a text that is NULL: "". */
struct expected {
	const struct dialect *dialect;
	const char *file;
	const char *text, *id, *model, *finish, *tools;
	bool terminated, failed;
	long long counts[COUNTS]; /* input, output, cache read, cache creation, reasoning, cache
				     creation for an hour; others: NONE */
};

#define NO_USAGE                                                                                   \
	{                                                                                          \
		NONE, NONE, NONE, NONE, NONE, NONE                                                 \
	}
#define WEATHER(id)                                                                                \
	"{\"id\":\"" id "\",\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":\\\"Ulm\\\"}\"}"
#define V1_TOOLS                                                                                   \
	"{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":\\\"Ulm\\\"}\"},"                     \
	"{\"name\":\"time\",\"arguments\":\"{}\"}"
#define TIME(id) "{\"id\":\"" id "\",\"name\":\"time\",\"arguments\":\"{}\"}"

static const struct expected answers[] = {
	/* candidates and thoughts are the output, prompt and tools the input */
	{&dialect_google,
	 "google_body.json",
	 "Guten Tag",
	 "resp-1",
	 "gemini-2.5-pro",
	 "STOP",
	 "[{\"id\":\"fc_1\",\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":\\\"Ulm "
	 "\\\\\\\"old\\\\\\\"\\\"}\"}]",
	 true,
	 false,
	 {107, 53, 64, NONE, 33, NONE}},
	{&dialect_google,
	 "google_stream.sse",
	 "Guten Tag",
	 "resp-2",
	 "gemini-2.5-flash",
	 "STOP",
	 "[{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":\\\"Ulm\\\"}\"},"
	 "{\"name\":\"time\",\"arguments\":\"\"}]",
	 true,
	 false,
	 {10, 45, NONE, NONE, 40, NONE}},
	{&dialect_google,
	 "google_array.json",
	 "Guten Tag",
	 "resp-2",
	 "gemini-2.5-flash",
	 "STOP",
	 NULL,
	 true,
	 false,
	 {10, 5, NONE, NONE, NONE, NONE}},
	{&dialect_google,
	 "google_blocked.json",
	 NULL,
	 NULL,
	 "gemini-2.5-flash",
	 "SAFETY",
	 NULL,
	 true,
	 false,
	 {12, NONE, NONE, NONE, NONE, NONE}},
	{&dialect_google, "google_error.json", NULL, NULL, NULL, NULL, NULL, false, true, NO_USAGE},
	{&dialect_google, "google_stream_error.sse", "Half", NULL, "gemini-2.5-flash", NULL, NULL,
	 false, true, NO_USAGE},
	{&dialect_google,
	 "google_code_assist.sse",
	 "Hi",
	 "resp-3",
	 "gemini-2.5-pro",
	 "STOP",
	 NULL,
	 true,
	 false,
	 {4, 1, NONE, NONE, NONE, NONE}},
	{&dialect_google,
	 "google_interaction.json",
	 "Hello",
	 "int_1",
	 "gemini-2.5-flash",
	 "completed",
	 NULL,
	 true,
	 false,
	 {13, 13, 0, NONE, 9, NONE}},
	{&dialect_google,
	 "google_interaction_stream.sse",
	 "Hello",
	 "int_2",
	 "gemini-2.5-flash",
	 "completed",
	 NULL,
	 true,
	 false,
	 {11, 13, NONE, NONE, 9, NONE}},
	/* inputTokens is without the cache */
	{&dialect_bedrock,
	 "bedrock_converse.json",
	 "Hello",
	 NULL,
	 NULL,
	 "tool_use",
	 "[" WEATHER("tooluse_1") "," TIME("tooluse_2") "]",
	 false,
	 false,
	 {125, 9, 100, 20, NONE, NONE}},
	{&dialect_bedrock,
	 "bedrock_converse_stream.sse",
	 "Hello",
	 NULL,
	 NULL,
	 "tool_use",
	 "[" WEATHER("tooluse_1") "]",
	 true,
	 false,
	 {5, 9, 0, 0, NONE, NONE}},
	{&dialect_bedrock, "bedrock_exception.sse", "Half", NULL, NULL, NULL, NULL, false, true,
	 NO_USAGE},
	{&dialect_bedrock, "bedrock_error.json", NULL, NULL, NULL, NULL, NULL, false, true,
	 NO_USAGE},
	/* the vendor's own counts, then Bedrock's */
	{&dialect_bedrock,
	 "bedrock_invoke_claude.sse",
	 "Hello",
	 "msg_bdrk_1",
	 "claude-sonnet-4-5",
	 "tool_use",
	 "[" WEATHER("toolu_1") "]",
	 true,
	 false,
	 {100, 12, 90, 2, NONE, NONE}},
	{&dialect_bedrock,
	 "bedrock_invoke_llama.sse",
	 "Hello",
	 NULL,
	 NULL,
	 "stop",
	 NULL,
	 true,
	 false,
	 {7, 2, NONE, NONE, NONE, NONE}},
	{&dialect_bedrock,
	 "bedrock_invoke_titan.sse",
	 "Hello",
	 NULL,
	 NULL,
	 "FINISH",
	 NULL,
	 true,
	 false,
	 {6, 3, NONE, NONE, NONE, NONE}},
	{&dialect_bedrock,
	 "bedrock_invoke_metrics.sse",
	 NULL,
	 NULL,
	 NULL,
	 NULL,
	 NULL,
	 true,
	 false,
	 {4, 2, NONE, NONE, NONE, NONE}},
	{&dialect_bedrock, "bedrock_invoke_bad_base64.sse", NULL, NULL, NULL, NULL, NULL, false,
	 false, NO_USAGE},
	{&dialect_bedrock,
	 "anthropic_body.json",
	 "Hello, you.",
	 "msg_01XFDUDYJgAACzvnptvVoYEL",
	 "claude-sonnet-4-5-20250929",
	 "end_turn",
	 NULL,
	 false,
	 false,
	 {2095, 503, 0, -2, NONE, NONE}},
	/* what the model saw, not what is billed */
	{&dialect_cohere,
	 "cohere_v2_body.json",
	 "Hello you",
	 "c14c80c3",
	 NULL,
	 "COMPLETE",
	 NULL,
	 false,
	 false,
	 {69, 3, 16, NONE, NONE, NONE}},
	{&dialect_cohere,
	 "cohere_v2_stream.sse",
	 "Hello",
	 "29f14a5a",
	 NULL,
	 "COMPLETE",
	 NULL,
	 true,
	 false,
	 {69, 1, NONE, NONE, NONE, NONE}},
	{&dialect_cohere, "cohere_v2_stream_error.sse", NULL, NULL, NULL, "ERROR", NULL, true, true,
	 NO_USAGE},
	{&dialect_cohere,
	 "cohere_v1_body.json",
	 "Hello",
	 "g-1",
	 NULL,
	 "COMPLETE",
	 NULL,
	 false,
	 false,
	 {66, 2, NONE, NONE, NONE, NONE}},
	{&dialect_cohere,
	 "cohere_v1_stream.lines",
	 "Hello",
	 "g-2",
	 NULL,
	 "COMPLETE",
	 NULL,
	 true,
	 false,
	 {5, 2, NONE, NONE, NONE, NONE}},
	{&dialect_cohere,
	 "cohere_v2_tools.json",
	 NULL,
	 "c-7",
	 NULL,
	 "TOOL_CALL",
	 "[" WEATHER("call_1") "," TIME("call_2") "]",
	 false,
	 false,
	 {69, 30, NONE, NONE, NONE, NONE}},
	{&dialect_cohere,
	 "cohere_v2_tools_stream.sse",
	 NULL,
	 "c-8",
	 NULL,
	 "TOOL_CALL",
	 "[" WEATHER("call_1") "," TIME("call_2") "]",
	 true,
	 false,
	 {69, 30, NONE, NONE, NONE, NONE}},
	{&dialect_cohere,
	 "cohere_v1_tools.json",
	 NULL,
	 "g-3",
	 NULL,
	 "COMPLETE",
	 "[" V1_TOOLS "]",
	 false,
	 false,
	 {66, 2, NONE, NONE, NONE, NONE}},
	{&dialect_cohere,
	 "cohere_v1_tools_stream.lines",
	 NULL,
	 "g-4",
	 NULL,
	 "COMPLETE",
	 "[" V1_TOOLS "]",
	 true,
	 false,
	 {5, 2, NONE, NONE, NONE, NONE}},
	{&dialect_cohere,
	 "cohere_embed.json",
	 NULL,
	 "e-1",
	 NULL,
	 NULL,
	 NULL,
	 false,
	 false,
	 {3, NONE, NONE, NONE, NONE, NONE}},
	{&dialect_ollama,
	 "ollama_chat.json",
	 NULL,
	 NULL,
	 "llama3.2",
	 "stop",
	 "[{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":\\\"Ulm\\\"}\"}," TIME("call_2") "]",
	 true,
	 false,
	 {26, 0, NONE, NONE, NONE, NONE}},
	{&dialect_ollama,
	 "ollama_chat_stream.lines",
	 "Hello",
	 NULL,
	 "llama3.2",
	 "length",
	 NULL,
	 true,
	 false,
	 {26, 298, NONE, NONE, NONE, NONE}},
	{&dialect_ollama,
	 "ollama_generate_stream.lines",
	 "Hello",
	 NULL,
	 "llama3.2",
	 "stop",
	 NULL,
	 true,
	 false,
	 {NONE, 2, NONE, NONE, NONE, NONE}},
	{&dialect_ollama, "ollama_error.lines", "Half", NULL, "llama3.2", NULL, NULL, false, true,
	 NO_USAGE},
	{&dialect_huggingface,
	 "huggingface_body.json",
	 "Hello",
	 NULL,
	 NULL,
	 "length",
	 NULL,
	 false,
	 false,
	 {NONE, 20, NONE, NONE, NONE, NONE}},
	{&dialect_huggingface,
	 "huggingface_stream.sse",
	 "Hello",
	 NULL,
	 NULL,
	 "eos_token",
	 NULL,
	 true,
	 false,
	 {9, 3, NONE, NONE, NONE, NONE}},
	{&dialect_huggingface,
	 "huggingface_chat.json",
	 "Hello",
	 "x",
	 "m",
	 "stop",
	 NULL,
	 false,
	 false,
	 {1, 2, NONE, NONE, NONE, NONE}},
	{&dialect_replicate,
	 "replicate_body.json",
	 "Hello",
	 "p-1",
	 "meta/meta-llama-3-8b-instruct",
	 "succeeded",
	 NULL,
	 false,
	 false,
	 {18, 2, NONE, NONE, NONE, NONE}},
	{&dialect_replicate, "replicate_stream.sse", "Hello", NULL, NULL, NULL, NULL, true, false,
	 NO_USAGE},
	{&dialect_replicate, "replicate_failed.json", NULL, "p-2", "m/n", "failed", NULL, false,
	 true, NO_USAGE},
	/* reasoning stands beside the completion's tokens */
	{&dialect_xai,
	 "xai_body.json",
	 "Hello",
	 "x-1",
	 "grok-4",
	 "stop",
	 NULL,
	 false,
	 false,
	 {32, 103, 6, NONE, 94, NONE}},
	{&dialect_xai,
	 "xai_stream.sse",
	 "Hello",
	 "x-2",
	 "grok-4",
	 "stop",
	 NULL,
	 true,
	 false,
	 {32, 103, NONE, NONE, 94, NONE}},
	{&dialect_mistral,
	 "mistral_stream.sse",
	 "Hello",
	 "m-1",
	 "magistral-medium",
	 "tool_calls",
	 "[{\"id\":\"D681PevKs\",\"name\":\"weather\",\"arguments\":\"{\\\"city\\\": "
	 "\\\"Ulm\\\"}\"}]",
	 true,
	 false,
	 {100, 20, 64, NONE, NONE, NONE}},
	{&dialect_azure_openai, "azure_chat_stream.sse", "Hi",
	 "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "gpt-35-turbo", "stop", NULL, true, false,
	 NO_USAGE},
	{&dialect_openai, "openai_chat_tools.json", NULL, "c-1", "gpt-5", "tool_calls",
	 "[" WEATHER("call_1") "," TIME("call_2") "]", false, false, NO_USAGE},
	{&dialect_openai, "openai_chat_tools_stream.sse", NULL, "c-2", "gpt-5", "tool_calls",
	 "[" WEATHER("call_1") "," TIME("call_2") "]", true, false, NO_USAGE},
	{&dialect_openai, "openai_responses_tools.json", "Hi", "r-1", "gpt-5", "completed",
	 "[" WEATHER("call_1") ",{\"id\":\"call_2\",\"name\":\"shell\",\"arguments\":\"ls\"}]",
	 false, false, NO_USAGE},
	{&dialect_openai, "openai_responses_tools_stream.sse", NULL, "r-2", "gpt-5", "completed",
	 "[" WEATHER("call_1") "]", true, false, NO_USAGE},
	{&dialect_openai,
	 "openai_transcription.json",
	 "Hello there.",
	 NULL,
	 NULL,
	 NULL,
	 NULL,
	 false,
	 false,
	 {14, 5, NONE, NONE, NONE, NONE}},
	{&dialect_openai,
	 "openai_transcription_stream.sse",
	 "Hello there.",
	 NULL,
	 NULL,
	 NULL,
	 NULL,
	 true,
	 false,
	 {14, 5, NONE, NONE, NONE, NONE}},
	{&dialect_anthropic,
	 "anthropic_tools.json",
	 "Let me look.",
	 "msg_2",
	 "claude-sonnet-4-5",
	 "tool_use",
	 "[" WEATHER("toolu_1") "]",
	 false,
	 false,
	 {1, 2, NONE, NONE, NONE, NONE}},
	{&dialect_anthropic,
	 "anthropic_stream.sse",
	 "Guten Tag",
	 "msg_01XFDUDYJgAACzvnptvVoYEL",
	 "claude-sonnet-4-5-20250929",
	 "tool_use",
	 "[{\"id\":\"toolu_01\",\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":\"}]",
	 true,
	 false,
	 {2615, 89, 2500, 100, 33, 0}},
};

#define ANSWER_COUNT (sizeof answers / sizeof answers[0])

static enum err read_sse(const struct dialect *d, struct bytes stream, size_t piece,
			 struct answer *answer, struct buf *text)
{
	struct sse sse = {0};
	struct sse_event event;
	enum err e = OK;

	for (size_t at = 0; at < stream.len && !e; at += piece) {
		struct bytes in = bytes_slice(stream, at, piece);
		while (!(e = sse_next(&sse, &in, &event))) {
			e = d->read_event(&event, answer, text);
			if (e)
				break;
		}
		if (e == ERR_MORE)
			e = OK;
	}
	sse_done(&sse);
	return e;
}

static enum err read_lines(const struct dialect *d, struct bytes lines, struct answer *answer,
			   struct buf *text)
{
	while (lines.len) {
		struct sse_event event = {.data = bytes_cut(&lines, '\n')};
		enum err e = d->read_event(&event, answer, text);
		if (e)
			return e;
	}
	return OK;
}

static enum err read_answer(const struct expected *x, struct bytes content, size_t piece,
			    struct answer *answer, struct buf *text)
{
	struct bytes file = bytes_str(x->file);
	enum err e = bytes_ends(file, BYTES(".sse"))
			     ? read_sse(x->dialect, content, piece, answer, text)
		     : bytes_ends(file, BYTES(".lines"))
			     ? read_lines(x->dialect, content, answer, text)
			     : x->dialect->read_body(content, answer, text);

	return e ? e : tools_end(answer);
}

static struct buf fixture(const char *file)
{
	char path[256];

	snprintf(path, sizeof path, FIXTURES "%s", file);
	return tap_file(path);
}

static void check_answer(const struct expected *x, const struct answer *a)
{
	bool counted = false;

	CHECK_STR(a->id, x->id ? x->id : "");
	CHECK_STR(a->model, x->model ? x->model : "");
	CHECK_STR(a->finish_reason, x->finish ? x->finish : "");
	if (a->terminated != x->terminated || a->failed != x->failed)
		tap_fail(__FILE__, __LINE__, "%s: terminated %d, failed %d", x->file, a->terminated,
			 a->failed);
	for (int i = 0; i < USAGE_COUNT; i++) {
		const struct usage *u = &a->usage;
		long long got = u->presence[i] == ABSENT    ? NONE
				: u->presence[i] == IS_NULL ? -2
							    : (long long)u->tokens[i];
		counted = counted || got != NONE;
		long long expected = i < COUNTS ? x->counts[i] : NONE;
		if (got != expected)
			tap_fail(__FILE__, __LINE__, "%s: %s is %lld, expected %lld", x->file,
				 usage_name((enum usage_kind)i), got, expected);
	}
	if (a->has_usage != counted)
		tap_fail(__FILE__, __LINE__, "%s: has_usage is %d", x->file, a->has_usage);
}

static void model_usage_text_and_tools_are_read_in_any_split(void)
{
	static const size_t pieces[] = {1 << 20, 1, 7};

	for (size_t i = 0; i < ANSWER_COUNT; i++) {
		const struct expected *x = &answers[i];
		struct buf content = fixture(x->file);
		for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
			struct buf text = {0}, tools = {0};
			struct answer a = {.tool_calls = &tools};
			CHECK_ERR(read_answer(x, tap_guarded(buf_view(&content)), pieces[p], &a,
					      &text),
				  OK);
			CHECK_BYTES(buf_view(&text), x->text ? x->text : "");
			CHECK_BYTES(buf_view(&tools), x->tools ? x->tools : "");
			CHECK(tools.len == 0 || !json_check(buf_view(&tools), NULL, NULL));
			check_answer(x, &a);
			buf_done(&text);
			buf_done(&tools);
		}
		buf_done(&content);
	}
}

static void without_buffers_the_rest_is_read_the_same(void)
{
	for (size_t i = 0; i < ANSWER_COUNT; i++) {
		struct buf content = fixture(answers[i].file);
		struct answer a = {0};
		CHECK_ERR(read_answer(&answers[i], buf_view(&content), 1000, &a, NULL), OK);
		check_answer(&answers[i], &a);
		buf_done(&content);
	}
}

static void a_body_that_is_cut_leaves_no_trace(void)
{
	for (size_t i = 0; i < ANSWER_COUNT; i++) {
		const struct expected *x = &answers[i];
		struct buf content = fixture(x->file);
		struct bytes body = buf_view(&content);
		while (body.len && body.at[body.len - 1] == '\n')
			body.len--;
		for (size_t n = 0; bytes_ends(bytes_str(x->file), BYTES(".json")) && n < body.len;
		     n++) {
			struct buf text = {0}, tools = {0};
			struct answer a = {.tool_calls = &tools}, before = a;
			CHECK_ERR(
				x->dialect->read_body(tap_guarded(bytes_of(body.at, n)), &a, &text),
				OK);
			if (memcmp(&a, &before, sizeof a) != 0 || text.len || tools.len)
				tap_fail(__FILE__, __LINE__, "%s cut at %zu", x->file, n);
			buf_done(&text);
			buf_done(&tools);
		}
		buf_done(&content);
	}
}

/* Whatever the limit: valid JSON within it, marked as cut when something is missing. */
static void tool_calls_stop_at_the_limit_of_their_buffer(void)
{
	for (size_t i = 0; i < ANSWER_COUNT; i++) {
		const struct expected *x = &answers[i];
		struct buf content = fixture(x->file);
		size_t whole = x->tools ? strlen(x->tools) : 0;
		for (size_t max = 1; max <= whole + 1; max++) {
			struct buf tools = {.max = max};
			struct answer a = {.tool_calls = &tools};
			CHECK_ERR(read_answer(x, buf_view(&content), 1 << 20, &a, NULL), OK);
			if (tools.len > max || a.tools_cut != (max < whole) ||
			    (tools.len && json_check(buf_view(&tools), NULL, NULL)))
				tap_fail(__FILE__, __LINE__, "%s with %zu bytes of %zu: %.*s",
					 x->file, max, whole, (int)tools.len,
					 (const char *)tools.at);
			buf_done(&tools);
		}
		buf_done(&content);
	}
}

static const struct expected *under_test;
static struct buf under_test_content;

static enum err read_under_test(void)
{
	struct buf text = {0}, tools = {0};
	struct answer a = {.tool_calls = &tools};
	enum err e = read_answer(under_test, buf_view(&under_test_content), 1 << 20, &a, &text);

	buf_done(&text);
	buf_done(&tools);
	return e;
}

static void reading_survives_each_failed_allocation(void)
{
	for (size_t i = 0; i < ANSWER_COUNT; i++) {
		under_test = &answers[i];
		under_test_content = fixture(under_test->file);
		tap_fail_each_allocation(read_under_test);
		buf_done(&under_test_content);
	}
}

static void sums_stop_at_the_largest_number(void)
{
	struct answer a = {0};

	CHECK_ERR(dialect_google.read_body(
			  BYTES("{\"usageMetadata\":{\"promptTokenCount\":18446744073709551615,"
				"\"toolUsePromptTokenCount\":1}}"),
			  &a, NULL),
		  OK);
	CHECK(a.usage.tokens[USAGE_INPUT] == UINT64_MAX);
}

static void only_thoughts_are_output_too(void)
{
	struct answer a = {0};

	CHECK_ERR(dialect_google.read_body(BYTES("{\"usageMetadata\":{\"thoughtsTokenCount\":5}}"),
					   &a, NULL),
		  OK);
	CHECK_U64(a.usage.tokens[USAGE_OUTPUT], 5);
	CHECK(a.usage.presence[USAGE_INPUT] == ABSENT);
}

/* Audio is priced by itself: wherever it is told, in either order, summed over the lists of one
 * text and replaced by the next. */
static void the_audio_of_gemini_is_counted(void)
{
	static const struct {
		const char *json;
		long long input, output;
	} cases[] = {
		{"{\"usageMetadata\":{\"promptTokensDetails\":[{\"modality\":\"TEXT\","
		 "\"tokenCount\":5},"
		 "{\"modality\":\"AUDIO\",\"tokenCount\":95}]}}",
		 95, NONE},
		{"{\"usageMetadata\":{\"promptTokensDetails\":[{\"tokenCount\":95,\"modality\":"
		 "\"AUDIO\"},"
		 "{\"tokenCount\":5,\"modality\":\"TEXT\"}],\"candidatesTokensDetails\":"
		 "[{\"tokenCount\":7,\"modality\":\"AUDIO\"}]}}",
		 95, 7},
		{"{\"response\":{\"usageMetadata\":{\"toolUsePromptTokensDetails\":"
		 "[{\"modality\":\"AUDIO\",\"tokenCount\":3}],\"promptTokensDetails\":"
		 "[{\"modality\":\"AUDIO\",\"tokenCount\":4}],\"cacheTokensDetails\":"
		 "[{\"modality\":\"AUDIO\",\"tokenCount\":100}]}}}",
		 7, NONE},
		{"{\"usageMetadata\":{\"responseTokensDetails\":"
		 "[{\"modality\":\"AUDIO\",\"tokenCount\":18446744073709551615},"
		 "{\"modality\":\"AUDIO\",\"tokenCount\":1}]}}",
		 NONE, -2},
		{"{\"usage\":{\"input_tokens_by_modality\":[{\"modality\":\"audio\",\"tokens\":6},"
		 "{\"modality\":\"text\",\"tokens\":2}],\"output_tokens_by_modality\":"
		 "[{\"tokens\":8,\"modality\":\"audio\"}]}}",
		 6, 8},
		/* what is no count, or not audio, counts for nothing */
		{"{\"usageMetadata\":{\"promptTokensDetails\":[{\"modality\":\"AUDIO\"},"
		 "{\"modality\":\"VIDEO\",\"tokenCount\":9},{\"modality\":\"AUDIO\",\"tokenCount\":"
		 "-1},"
		 "{\"modality\":[\"AUDIO\"],\"tokenCount\":9},{\"modality\":\"AUDIOS\","
		 "\"tokenCount\":9},"
		 "{\"tokenCount\":9}],\"candidatesTokensDetails\":\"AUDIO\"}}",
		 NONE, NONE},
		{"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"AUDIO\"}]}}]}", NONE, NONE},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct answer a = {.usage.tokens[USAGE_INPUT_AUDIO] = 1};
		const long long expected[] = {cases[i].input, cases[i].output};
		CHECK_ERR(dialect_google.read_body(bytes_str(cases[i].json), &a, NULL), OK);
		for (size_t k = 0; k < 2; k++) {
			size_t kind = k ? USAGE_OUTPUT_AUDIO : USAGE_INPUT_AUDIO;
			CHECK((a.usage.presence[kind] == PRESENT) == (expected[k] != NONE));
			if (expected[k] != NONE)
				CHECK_U64(a.usage.tokens[kind],
					  expected[k] == -2 ? UINT64_MAX : (uint64_t)expected[k]);
		}
		/* a second event tells it anew, and does not add */
		CHECK_ERR(dialect_google.read_body(bytes_str(cases[i].json), &a, NULL), OK);
		if (cases[i].input != NONE)
			CHECK_U64(a.usage.tokens[USAGE_INPUT_AUDIO], (uint64_t)cases[i].input);
	}
}

int main(void)
{
	RUN_TESTS(TEST(model_usage_text_and_tools_are_read_in_any_split),
		  TEST(without_buffers_the_rest_is_read_the_same),
		  TEST(a_body_that_is_cut_leaves_no_trace),
		  TEST(tool_calls_stop_at_the_limit_of_their_buffer),
		  TEST(reading_survives_each_failed_allocation),
		  TEST(sums_stop_at_the_largest_number), TEST(only_thoughts_are_output_too),
		  TEST(the_audio_of_gemini_is_counted));
}
