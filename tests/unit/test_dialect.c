/* SPDX-License-Identifier: MIT
 *
 * Answers: usage, text, ids and ends read from recorded shapes of bodies and streams; refusals:
 * the exact bytes.
 */
#include "tap.h"

#include "llm/dialect.h"
#include "wire/json.h"
#include "wire/sse.h"

#define FIXTURES "tests/fixtures/dialect/"

/* What an answer must say; counts: -1 absent, -2 null. */
struct expected {
	const struct dialect *dialect;
	const char *file;
	const char *text, *id, *model, *finish;
	bool has_usage, terminated, failed;
	long long input, output, cache_read, cache_creation, reasoning;
};

#define NO_USAGE  false
#define HAS_USAGE true

static const struct expected answers[] = {
	{&dialect_openai, "openai_chat_body.json", "Hello! How can I assist you today?",
	 "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT", "gpt-5-2026-03-01", "stop", HAS_USAGE, false,
	 false, 19, 10, 0, 7, -2},
	{&dialect_openai, "openai_chat_stream_usage.sse", "Grüße aus \"Ulm\"\n😀",
	 "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "gpt-5-2026-03-01", "stop", HAS_USAGE, true,
	 false, 1117, 146, 1024, -1, 128},
	{&dialect_openai, "openai_chat_stream_no_usage.sse", "One two",
	 "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "gpt-5-2026-03-01", "length", NO_USAGE, true,
	 false, -1, -1, -1, -1, -1},
	{&dialect_openai, "openai_chat_stream_error.sse", "Half",
	 "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "gpt-5-2026-03-01", "", NO_USAGE, false, true,
	 -1, -1, -1, -1, -1},
	{&dialect_openai, "openai_chat_stream_two_choices.sse", "first choice",
	 "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "gpt-5-2026-03-01", "stop", NO_USAGE, true,
	 false, -1, -1, -1, -1, -1},
	{&dialect_openai, "azure_chat_stream.sse", "Hi", "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
	 "gpt-35-turbo", "stop", NO_USAGE, true, false, -1, -1, -1, -1, -1},
	{&dialect_openai, "groq_chat_stream.sse", "Hi", "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
	 "gpt-5-2026-03-01", "stop", HAS_USAGE, true, false, 30, 5, -1, -1, -1},
	{&dialect_openai, "openai_embeddings_body.json", "", "", "text-embedding-3-small", "",
	 HAS_USAGE, false, false, 8, -1, -1, -1, -1},
	{&dialect_openai, "openai_error_body.json", "", "", "", "", NO_USAGE, false, true, -1, -1,
	 -1, -1, -1},
	{&dialect_openai, "openai_responses_body.json", "Hi there! Bye.",
	 "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b", "gpt-5.1", "completed", HAS_USAGE,
	 false, false, 37, 11, 3, 4, 5},
	{&dialect_openai, "openai_responses_stream.sse", "Hi there!",
	 "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b", "gpt-5.1", "completed", HAS_USAGE,
	 true, false, 37, 11, 3, 4, 5},
	{&dialect_openai, "openai_responses_stream_incomplete.sse", "Hi",
	 "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b", "gpt-5.1", "max_output_tokens",
	 HAS_USAGE, true, false, 37, 11, 3, 4, 5},
	{&dialect_openai, "openai_responses_stream_failed.sse", "",
	 "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b", "gpt-5.1", "failed", NO_USAGE,
	 true, true, -1, -1, -1, -1, -1},
	{&dialect_openai, "openai_responses_stream_error.sse", "",
	 "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b", "gpt-5.1", "", NO_USAGE, false,
	 true, -1, -1, -1, -1, -1},
	{&dialect_anthropic, "anthropic_body.json", "Hello, you.", "msg_01XFDUDYJgAACzvnptvVoYEL",
	 "claude-sonnet-4-5-20250929", "end_turn", HAS_USAGE, false, false, 2095, 503, 0, -2, -1},
	/* 15 + 2500 + 100: the last message_delta restates the parts */
	{&dialect_anthropic, "anthropic_stream.sse", "Guten Tag", "msg_01XFDUDYJgAACzvnptvVoYEL",
	 "claude-sonnet-4-5-20250929", "tool_use", HAS_USAGE, true, false, 2615, 89, 2500, 100, 33},
	{&dialect_anthropic, "anthropic_stream_error.sse", "Half", "msg_01XFDUDYJgAACzvnptvVoYEL",
	 "claude-sonnet-4-5-20250929", "", HAS_USAGE, false, true, 25, 1, -1, -1, -1},
	{&dialect_anthropic, "anthropic_error_body.json", "", "", "", "", NO_USAGE, false, true, -1,
	 -1, -1, -1, -1},
};

#define ANSWER_COUNT (sizeof answers / sizeof answers[0])

/* Follows a stream that arrives in pieces of `piece` bytes. */
static enum err follow(const struct dialect *d, struct bytes stream, size_t piece,
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

static enum err read_answer(const struct dialect *d, const char *file, struct bytes content,
			    size_t piece, struct answer *answer, struct buf *text)
{
	return bytes_ends(bytes_str(file), BYTES(".sse")) ? follow(d, content, piece, answer, text)
							  : d->read_body(content, answer, text);
}

static void check_count(const char *file, const struct usage *u, enum usage_kind kind,
			long long expected)
{
	long long got = u->presence[kind] == ABSENT    ? -1
			: u->presence[kind] == IS_NULL ? -2
						       : (long long)u->tokens[kind];

	if (got != expected)
		tap_fail(__FILE__, __LINE__, "%s: %s is %lld, expected %lld", file,
			 usage_name(kind), got, expected);
}

static void check_answer(const struct expected *x, const struct answer *a)
{
	CHECK_STR(a->id, x->id);
	CHECK_STR(a->model, x->model);
	CHECK_STR(a->finish_reason, x->finish);
	if (a->has_usage != x->has_usage || a->terminated != x->terminated ||
	    a->failed != x->failed)
		tap_fail(__FILE__, __LINE__, "%s: has_usage %d, terminated %d, failed %d", x->file,
			 a->has_usage, a->terminated, a->failed);
	check_count(x->file, &a->usage, USAGE_INPUT, x->input);
	check_count(x->file, &a->usage, USAGE_OUTPUT, x->output);
	check_count(x->file, &a->usage, USAGE_CACHE_READ, x->cache_read);
	check_count(x->file, &a->usage, USAGE_CACHE_CREATION, x->cache_creation);
	check_count(x->file, &a->usage, USAGE_REASONING, x->reasoning);
}

static struct buf fixture(const char *file)
{
	char path[256];

	snprintf(path, sizeof path, FIXTURES "%s", file);
	return tap_file(path);
}

static void answers_are_read_from_bodies_and_streams_in_any_split(void)
{
	static const size_t pieces[] = {1 << 20, 1, 7};

	for (size_t i = 0; i < ANSWER_COUNT; i++) {
		const struct expected *x = &answers[i];
		struct buf content = fixture(x->file);
		for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
			struct answer a = {0};
			struct buf text = {0};
			CHECK_ERR(read_answer(x->dialect, x->file, tap_guarded(buf_view(&content)),
					      pieces[p], &a, &text),
				  OK);
			CHECK_BYTES(buf_view(&text), x->text);
			check_answer(x, &a);
			buf_done(&text);
		}
		buf_done(&content);
	}
}

static void without_a_text_buffer_the_rest_is_read_the_same(void)
{
	for (size_t i = 0; i < ANSWER_COUNT; i++) {
		struct buf content = fixture(answers[i].file);
		struct answer a = {0};
		CHECK_ERR(read_answer(answers[i].dialect, answers[i].file, buf_view(&content), 1000,
				      &a, NULL),
			  OK);
		check_answer(&answers[i], &a);
		buf_done(&content);
	}
}

static void the_order_of_members_does_not_matter(void)
{
	struct answer a = {0};
	struct buf text = {0};
	struct sse_event late = {.data = BYTES("{\"delta\":\"x\",\"type\":\"response.output_text."
					       "delta\"}")};
	struct sse_event named = {.name = BYTES("response.output_text.delta"),
				  .data = BYTES("{\"delta\":\"y\"}")};
	struct sse_event other = {.name = BYTES("response.refusal.delta"),
				  .data = BYTES("{\"delta\":\"z\"}")};
	struct sse_event text_first = {.data = BYTES("{\"delta\":{\"text\":\"v\",\"type\":"
						     "\"text_delta\"}}")};

	CHECK_ERR(dialect_openai.read_event(&late, &a, &text), OK);
	CHECK_ERR(dialect_openai.read_event(&named, &a, &text), OK);
	CHECK_ERR(dialect_openai.read_event(&other, &a, &text), OK);
	CHECK_BYTES(buf_view(&text), "xy");
	CHECK_ERR(dialect_openai.read_body(BYTES("{\"choices\":[{\"finish_reason\":\"length\","
						 "\"message\":{\"content\":\"no\"},\"index\":1},"
						 "{\"finish_reason\":\"stop\",\"message\":"
						 "{\"content\":\"!\"},\"index\":0}]}"),
					   &a, &text),
		  OK);
	CHECK_BYTES(buf_view(&text), "xy!");
	CHECK_STR(a.finish_reason, "stop");
	CHECK_ERR(dialect_openai.read_body(BYTES("{\"output\":[{\"content\":[{\"text\":\"no\","
						 "\"type\":\"reasoning_text\"},{\"text\":\"?\","
						 "\"type\":\"output_text\"}]}]}"),
					   &a, &text),
		  OK);
	CHECK_ERR(dialect_anthropic.read_event(&text_first, &a, &text), OK);
	CHECK_BYTES(buf_view(&text), "xy!?v");
	buf_done(&text);
}

static void absent_null_and_zero_are_three_things(void)
{
	struct answer a = {0};

	CHECK_ERR(dialect_openai.read_body(BYTES("{\"usage\":null}"), &a, NULL), OK);
	CHECK(!a.has_usage && a.usage.presence[USAGE_INPUT] == ABSENT);
	CHECK_ERR(dialect_openai.read_body(
			  BYTES("{\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":null}}"), &a,
			  NULL),
		  OK);
	CHECK(a.has_usage);
	check_count("zero", &a.usage, USAGE_INPUT, 0);
	check_count("null", &a.usage, USAGE_OUTPUT, -2);
	check_count("absent", &a.usage, USAGE_CACHE_READ, -1);
	/* a later number replaces, a later null does not */
	CHECK_ERR(dialect_openai.read_body(
			  BYTES("{\"usage\":{\"prompt_tokens\":null,\"completion_tokens\":3.0}}"),
			  &a, NULL),
		  OK);
	check_count("zero", &a.usage, USAGE_INPUT, 0);
	check_count("three", &a.usage, USAGE_OUTPUT, 3);
}

static void counts_that_are_none_are_passed_over(void)
{
	static const char *const odd[] = {"-1", "1.5", "\"7\"", "true", "[1]", "{}", "1e30"};

	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		struct answer a = {0};
		char body[128];
		snprintf(body, sizeof body, "{\"usage\":{\"input_tokens\":%s,\"output_tokens\":2}}",
			 odd[i]);
		CHECK_ERR(dialect_openai.read_body(bytes_str(body), &a, NULL), OK);
		check_count(odd[i], &a.usage, USAGE_INPUT, -1);
		check_count(odd[i], &a.usage, USAGE_OUTPUT, 2);
		memset(&a, 0, sizeof a);
		CHECK_ERR(dialect_anthropic.read_body(bytes_str(body), &a, NULL), OK);
		check_count(odd[i], &a.usage, USAGE_INPUT, -1);
		check_count(odd[i], &a.usage, USAGE_OUTPUT, 2);
	}
}

static void anthropic_input_is_the_sum_of_parts_from_different_events(void)
{
	struct answer a = {0};
	struct sse_event start = {
		.data = BYTES("{\"message\":{\"usage\":{\"input_tokens\":10,"
			      "\"cache_read_input_tokens\":100,\"output_tokens\":1}}}")};
	struct sse_event delta = {
		.data = BYTES("{\"usage\":{\"cache_creation_input_tokens\":1000}}")};
	struct sse_event huge = {
		.data = BYTES("{\"usage\":{\"input_tokens\":18446744073709551615}}")};

	CHECK_ERR(dialect_anthropic.read_event(&start, &a, NULL), OK);
	check_count("start", &a.usage, USAGE_INPUT, 110);
	CHECK_ERR(dialect_anthropic.read_event(&delta, &a, NULL), OK);
	check_count("delta", &a.usage, USAGE_INPUT, 1110);
	check_count("delta", &a.usage, USAGE_CACHE_READ, 100);
	CHECK_ERR(dialect_anthropic.read_event(&huge, &a, NULL), OK);
	CHECK(a.usage.tokens[USAGE_INPUT] == UINT64_MAX);
}

static void what_has_a_price_of_its_own_is_counted_and_the_service_tier_kept(void)
{
	static const char chat[] =
		"{\"service_tier\":\"flex\",\"usage\":{\"prompt_tokens\":50,"
		"\"completion_tokens\":40,\"prompt_tokens_details\":{\"audio_tokens\":30},"
		"\"completion_tokens_details\":{\"audio_tokens\":20}}}";
	static const char message[] =
		"{\"usage\":{\"input_tokens\":1,\"cache_creation_input_tokens\":30,"
		"\"cache_creation\":{\"ephemeral_5m_input_tokens\":10,"
		"\"ephemeral_1h_input_tokens\":20},\"output_tokens\":2,"
		"\"service_tier\":\"batch\"}}";
	struct answer a = {0}, in_stream = {0};
	struct sse_event completed = {
		.name = BYTES("response.completed"),
		.data = BYTES("{\"response\":{\"service_tier\":\"priority\"}}")};
	struct sse_event long_tier = {
		.data = BYTES("{\"service_tier\":\"0123456789012345678901234567890x\"}")};

	CHECK_ERR(dialect_openai.read_body(bytes_str(chat), &a, NULL), OK);
	check_count("chat", &a.usage, USAGE_INPUT_AUDIO, 30);
	check_count("chat", &a.usage, USAGE_OUTPUT_AUDIO, 20);
	check_count("chat", &a.usage, USAGE_CACHE_CREATION_1H, -1);
	CHECK_STR(a.service_tier, "flex");
	CHECK_ERR(dialect_openai.read_event(&long_tier, &a, NULL), OK);
	CHECK_STR(a.service_tier, "flex");
	CHECK_ERR(dialect_openai.read_event(&completed, &in_stream, NULL), OK);
	CHECK_STR(in_stream.service_tier, "priority");
	memset(&a, 0, sizeof a);
	CHECK_ERR(dialect_anthropic.read_body(bytes_str(message), &a, NULL), OK);
	check_count("message", &a.usage, USAGE_INPUT, 31);
	check_count("message", &a.usage, USAGE_CACHE_CREATION, 30);
	check_count("message", &a.usage, USAGE_CACHE_CREATION_1H, 20);
	CHECK_STR(a.service_tier, "batch");
}

static void realtime_says_its_details_under_names_of_its_own(void)
{
	struct answer a = {0};
	struct sse_event done = {
		.name = BYTES("response.done"),
		.data = BYTES(
			"{\"type\":\"response.done\",\"response\":{\"id\":\"resp_1\","
			"\"status\":\"completed\",\"usage\":{\"input_tokens\":127,"
			"\"output_tokens\":148,\"input_token_details\":{\"cached_tokens\":64,"
			"\"audio_tokens\":8},\"output_token_details\":{\"audio_tokens\":112}}}}")};

	CHECK_ERR(dialect_openai.read_event(&done, &a, NULL), OK);
	check_count("realtime", &a.usage, USAGE_INPUT, 127);
	check_count("realtime", &a.usage, USAGE_OUTPUT, 148);
	check_count("realtime", &a.usage, USAGE_CACHE_READ, 64);
	check_count("realtime", &a.usage, USAGE_INPUT_AUDIO, 8);
	check_count("realtime", &a.usage, USAGE_OUTPUT_AUDIO, 112);
	CHECK(a.terminated && a.has_usage);
}

/* Where the words are not wanted, an event with nothing else is passed over: the answer is the
 * same. */
static void events_with_news_are_read_also_without_the_words(void)
{
#define CHUNK(more)                                                                                \
	"{\"id\":\"c1\",\"model\":\"gpt-5\",\"service_tier\":\"default\",\"choices\":[{" more
	static const char *const events[] = {
		CHUNK("\"delta\":{\"content\":\"a\"},\"finish_reason\":null}],\"usage\":null}"),
		CHUNK("\"delta\":{\"content\":\"say \\\"usage\\\"\"},\"finish_reason\":null}]}"),
		CHUNK("\"delta\":{\"content\":\"b\"},\"finish_reason\" : null}]}"),
		CHUNK("\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"function\":{"
		      "\"name\":"
		      "\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":null}]}"),
		CHUNK("\"delta\":{},\"finish_reason\" : \"stop\"}]}"),
		"{\"id\":\"c1\",\"model\":\"gpt-5-2\",\"choices\":[]}",
		"{\"id\":\"c1\",\"model\":\"gpt-5-2\",\"service_tier\":\"flex\",\"choices\":[]}",
		"{\"id\":\"c1\",\"model\":\"gpt-5-2\",\"choices\":[],\"usage\" "
		":\n{\"prompt_tokens\":3}}",
		"{\"id\":\"c1\",\"model\":\"gpt-5-2\",\"choices\":[],\"\\u0075sage\":{\"completion_"
		"tokens\":4}}",
		"{\"id\":\"c1\",\"model\":\"gpt-5-2\",\"error\":{\"message\":\"x\"}}",
	};
#undef CHUNK
	struct buf text = {0}, tools = {0}, tools_too = {0};
	struct answer with = {.tool_calls = &tools}, without = {.tool_calls = &tools_too};

	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
		struct sse_event event = {.data = tap_guarded(bytes_str(events[i]))};
		CHECK_ERR(dialect_openai.read_event(&event, &with, &text), OK);
		CHECK_ERR(dialect_openai.read_event(&event, &without, NULL), OK);
		without.tool_calls = with.tool_calls;
		if (memcmp(&with, &without, sizeof with) != 0)
			tap_fail(__FILE__, __LINE__, "after event %zu they differ", i);
		without.tool_calls = &tools_too;
	}
	CHECK_STR(with.finish_reason, "stop");
	CHECK_STR(with.model, "gpt-5-2");
	CHECK_STR(with.service_tier, "flex");
	CHECK(with.failed);
	check_count("events", &with.usage, USAGE_INPUT, 3);
	check_count("events", &with.usage, USAGE_OUTPUT, 4);
	CHECK(tools.len && bytes_equal(buf_view(&tools), buf_view(&tools_too)));
	buf_done(&text);
	buf_done(&tools);
	buf_done(&tools_too);
}

static void a_text_that_is_not_json_leaves_no_trace(void)
{
	static const char body[] =
		"{\"id\":\"i\",\"error\":{},\"choices\":[{\"delta\":{\"content\":\"words\"},"
		"\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1},"
		"\"content\":[{\"type\":\"text\",\"text\":\"words\"}]}";
	const struct dialect *both[] = {&dialect_openai, &dialect_anthropic};

	for (size_t n = 0; n < sizeof body - 1; n++) {
		for (size_t d = 0; d < 2; d++) {
			struct answer a = {0}, before = {0};
			struct buf text = {0};
			struct sse_event event = {.data = tap_guarded(bytes_of(body, n))};
			CHECK_ERR(both[d]->read_event(&event, &a, &text), OK);
			CHECK(memcmp(&a, &before, sizeof a) == 0);
			CHECK_U64(text.len, 0);
			buf_done(&text);
		}
	}
}

static void strings_that_do_not_fit_are_left_out_whole(void)
{
	char body[512], id[RESPONSE_ID_BYTES_MAX + 2];
	struct answer a = {0};

	memset(id, 'i', sizeof id);
	id[RESPONSE_ID_BYTES_MAX] = '\0';
	snprintf(body, sizeof body, "{\"id\":\"%s\"}", id);
	CHECK_ERR(dialect_openai.read_body(bytes_str(body), &a, NULL), OK);
	CHECK_STR(a.id, id);
	id[RESPONSE_ID_BYTES_MAX] = 'i';
	id[RESPONSE_ID_BYTES_MAX + 1] = '\0';
	memset(&a, 0, sizeof a);
	snprintf(body, sizeof body, "{\"id\":\"%s\",\"model\":\"a\\u0000b\"}", id);
	CHECK_ERR(dialect_openai.read_body(bytes_str(body), &a, NULL), OK);
	CHECK_STR(a.id, "");
	CHECK_STR(a.model, "");
	CHECK_ERR(dialect_openai.read_body(BYTES("{\"model\":\"m\"}"), &a, NULL), OK);
	CHECK_ERR(dialect_openai.read_body(BYTES("{\"model\":\"\"}"), &a, NULL), OK);
	CHECK_STR(a.model, "m");
}

static void text_stops_at_the_limit_of_its_buffer(void)
{
	static const struct {
		size_t max;
		const char *text;
	} cases[] = {{11, "Hell\xC3\xB6 you."},
		     {10, "Hell\xC3\xB6 you"},
		     {6, "Hell\xC3\xB6"},
		     {5, "Hell"},
		     {4, "Hell"},
		     {1, "H"}};
	const struct bytes body = BYTES(
		"{\"content\":[{\"type\":\"text\",\"text\":\"Hell\\u00f6\"},"
		"{\"type\":\"text\",\"text\":\" you\"},{\"type\":\"text\",\"text\":\".\"}]}");

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct answer a = {0};
		struct buf text = {.max = cases[i].max};
		CHECK_ERR(dialect_anthropic.read_body(body, &a, &text), OK);
		CHECK_BYTES(buf_view(&text), cases[i].text);
		CHECK(a.text_cut == (i > 0));
		buf_done(&text);
	}
}

static void what_a_passed_over_choice_filled_does_not_count_as_cut(void)
{
	struct answer a = {0};
	struct buf text = {.max = 4};

	CHECK_ERR(
		dialect_openai.read_body(BYTES("{\"choices\":[{\"text\":\"too long\",\"index\":1},"
					       "{\"text\":\"fits\",\"index\":0}]}"),
					 &a, &text),
		OK);
	CHECK_BYTES(buf_view(&text), "fits");
	CHECK(!a.text_cut);
	buf_done(&text);
}

static enum err read_text_body(void)
{
	struct answer a = {0};
	struct buf text = {.max = 300};
	struct buf body = {0};
	enum err e;

	for (size_t i = 0; i < 400; i++)
		if (buf_put_u8(&body, 'x')) {
			buf_done(&body);
			return ERR_NOMEM;
		}
	memcpy(body.at, "{\"choices\":[{\"message\":{\"content\":\"\\u0041", 41);
	memcpy(body.at + 395, "\"}}]}", 5);
	e = dialect_openai.read_body(buf_view(&body), &a, &text);
	if (e)
		CHECK_U64(text.len, 0);
	else
		CHECK(text.len == 300 && a.text_cut);
	buf_done(&text);
	buf_done(&body);
	return e;
}

static void reading_survives_each_failed_allocation(void)
{
	tap_fail_each_allocation(read_text_body);
}

/* -- refusals ------------------------------------------------------------------------------ */

static const struct refusal denied = {
	.status = 403,
	.code = "policy_denied",
	.message = {(const uint8_t *)"Model \"gpt-4\" is not allowed.\n", 30},
	.rule = {(const uint8_t *)"environments.production.models.allow", 36},
	.id = {(const uint8_t *)"01KAVZ3V9Q4R8S2T6W0X1Y2Z3A", 26},
};

static void check_refusal(const struct dialect *d, const struct refusal *refusal,
			  const char *expected)
{
	struct buf out = {0};

	CHECK_ERR(dialect_put_refusal(d, refusal, &out), OK);
	CHECK_BYTES(buf_view(&out), expected);
	buf_done(&out);
}

#define OPENAI_BODY                                                                                \
	"{\"error\":{\"message\":\"Model \\\"gpt-4\\\" is not allowed.\\n\","                      \
	"\"type\":\"invalid_request_error\",\"param\":\"model\",\"code\":\"policy_denied\"}}"
#define OPENAI_HEAD                                                                                \
	"HTTP/1.1 403 Forbidden\r\n"                                                               \
	"content-type: application/json\r\n"                                                       \
	"content-length: 127\r\n"                                                                  \
	"connection: close\r\n"                                                                    \
	"x-aigw-decision: 01KAVZ3V9Q4R8S2T6W0X1Y2Z3A\r\n"                                          \
	"x-aigw-rule: environments.production.models.allow\r\n"                                    \
	"x-should-retry: false\r\n"                                                                \
	"x-request-id: 01KAVZ3V9Q4R8S2T6W0X1Y2Z3A\r\n\r\n"

static void an_openai_refusal_has_exactly_these_bytes(void)
{
	_Static_assert(sizeof OPENAI_BODY - 1 == 127, "content-length");
	check_refusal(&dialect_openai, &denied, OPENAI_HEAD OPENAI_BODY);
}

static void a_refusal_of_head_has_the_length_but_no_body(void)
{
	struct refusal head = denied;

	head.head = true;
	check_refusal(&dialect_openai, &head, OPENAI_HEAD);
}

#define ANTHROPIC_BODY                                                                             \
	"{\"type\":\"error\",\"error\":{\"type\":\"permission_error\","                            \
	"\"message\":\"Model \\\"gpt-4\\\" is not allowed.\\n\"},"                                 \
	"\"request_id\":\"01KAVZ3V9Q4R8S2T6W0X1Y2Z3A\"}"

static void an_anthropic_refusal_has_exactly_these_bytes(void)
{
	_Static_assert(sizeof ANTHROPIC_BODY - 1 == 140, "content-length");
	check_refusal(&dialect_anthropic, &denied,
		      "HTTP/1.1 403 Forbidden\r\n"
		      "content-type: application/json\r\n"
		      "content-length: 140\r\n"
		      "connection: close\r\n"
		      "x-aigw-decision: 01KAVZ3V9Q4R8S2T6W0X1Y2Z3A\r\n"
		      "x-aigw-rule: environments.production.models.allow\r\n"
		      "x-should-retry: false\r\n"
		      "request-id: 01KAVZ3V9Q4R8S2T6W0X1Y2Z3A\r\n\r\n" ANTHROPIC_BODY);
}

static void the_status_gives_the_line_and_anthropics_error_type(void)
{
	static const struct {
		int status;
		const char *line, *type;
	} cases[] = {
		{400, "HTTP/1.1 400 Bad Request\r\n", "\"type\":\"invalid_request_error\""},
		{401, "HTTP/1.1 401 Unauthorized\r\n", "\"type\":\"authentication_error\""},
		{403, "HTTP/1.1 403 Forbidden\r\n", "\"type\":\"permission_error\""},
		{413, "HTTP/1.1 413 Content Too Large\r\n", "\"type\":\"request_too_large\""},
		{429, "HTTP/1.1 429 Too Many Requests\r\n", "\"type\":\"rate_limit_error\""},
		{503, "HTTP/1.1 503 Service Unavailable\r\n", "\"type\":\"api_error\""},
		{12345, "HTTP/1.1 503 Service Unavailable\r\n", "\"type\":\"api_error\""},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct refusal r = denied;
		struct buf out = {0};
		r.status = cases[i].status;
		CHECK_ERR(dialect_put_refusal(&dialect_anthropic, &r, &out), OK);
		CHECK(bytes_starts(buf_view(&out), bytes_str(cases[i].line)));
		CHECK(bytes_find(buf_view(&out), bytes_str(cases[i].type)) != SIZE_MAX);
		buf_done(&out);
	}
}

static void a_limit_is_refused_in_the_providers_words(void)
{
	static const struct {
		const char *shape, *code, *body;
		uint64_t retry_after_s;
		const char *header; /* NULL: there is none */
	} cases[] = {
		{"openai", "insufficient_quota", "\"type\":\"insufficient_quota\"", 86400,
		 "\r\nretry-after: 86400\r\n"},
		{"openai", "rate_limit_exceeded", "\"type\":\"requests\"", 1,
		 "\r\nretry-after: 1\r\n"},
		{"openai", "rate_limit_exceeded", "\"type\":\"requests\"", 0, NULL},
		{"google", "rate_limit_exceeded", "\"reason\":\"RATE_LIMIT_EXCEEDED\"", 0, NULL},
		{"google", "insufficient_quota", "\"status\":\"RESOURCE_EXHAUSTED\"", 0, NULL},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct refusal r = denied;
		struct buf out = {0};
		r.status = 429;
		r.code = cases[i].code;
		r.retry_after_s = cases[i].retry_after_s;
		CHECK_ERR(error_shape_put_refusal(error_shape_find(bytes_str(cases[i].shape)),
						  "request-id", &r, &out),
			  OK);
		CHECK(bytes_find(buf_view(&out), bytes_str(cases[i].body)) != SIZE_MAX);
		CHECK((bytes_find(buf_view(&out), BYTES("retry-after")) != SIZE_MAX) ==
		      (cases[i].header != NULL));
		CHECK(bytes_find(buf_view(&out), bytes_str(cases[i].header)) != SIZE_MAX);
		buf_done(&out);
	}
}

static void param_is_model_only_when_a_model_rule_decided(void)
{
	static const struct {
		const char *rule, *param;
	} cases[] = {
		{"organization.models.deny", "\"param\":\"model\""},
		{"models", "\"param\":\"model\""},
		{"environments.mymodels.limits", "\"param\":null"},
		{"audit.on_failure", "\"param\":null"},
		{"", "\"param\":null"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct refusal r = denied;
		struct buf out = {0};
		r.rule = bytes_str(cases[i].rule);
		CHECK_ERR(error_shape_find(BYTES("openai"))->put(&r, &out), OK);
		CHECK(bytes_find(buf_view(&out), bytes_str(cases[i].param)) != SIZE_MAX);
		buf_done(&out);
	}
}

static void hostile_texts_cannot_leave_their_places(void)
{
	struct refusal r = denied;

	r.rule = BYTES("a\r\nset-cookie: x\0y\x7F\xC3\xA9");
	r.id = BYTES("i\"\n\x01");
	r.message = BYTES("</script>\x00\"\\\xFF\xC3\xA9");
	check_refusal(&dialect_anthropic, &r,
		      "HTTP/1.1 403 Forbidden\r\n"
		      "content-type: application/json\r\n"
		      "content-length: 116\r\n"
		      "connection: close\r\n"
		      "x-aigw-decision: i\"??\r\n"
		      "x-aigw-rule: a??set-cookie: x?y???\r\n"
		      "x-should-retry: false\r\n"
		      "request-id: i\"??\r\n\r\n"
		      "{\"type\":\"error\",\"error\":{\"type\":\"permission_error\",\"message\":"
		      "\"</script>\\u0000\\\"\\\\\xEF\xBF\xBD\xC3\xA9\"},\"request_id\":"
		      "\"i\\\"\\n\\u0001\"}");
}

static enum err put_both(void)
{
	struct buf out = {0};
	enum err e = buf_put_str(&out, "before");

	if (!e)
		e = dialect_put_refusal(&dialect_openai, &denied, &out);
	if (!e)
		e = dialect_put_refusal(&dialect_anthropic, &denied, &out);
	if (e && out.len)
		CHECK(bytes_ends(buf_view(&out), BYTES("before")) ||
		      bytes_ends(buf_view(&out), BYTES(OPENAI_BODY)));
	buf_done(&out);
	return e;
}

static void a_refusal_is_written_whole_or_not_at_all(void)
{
	tap_fail_each_allocation(put_both);
	for (size_t max = 1; max < sizeof OPENAI_HEAD OPENAI_BODY - 1; max++) {
		struct buf out = {.max = max};
		CHECK_ERR(dialect_put_refusal(&dialect_openai, &denied, &out), ERR_LIMIT);
		CHECK_U64(out.len, 0);
		buf_done(&out);
	}
}

static void dialects_are_found_by_every_name_that_is_told(void)
{
	struct bytes names = bytes_str(dialect_names());
	size_t count = 0;

	while (names.len) {
		struct bytes name = bytes_trim(bytes_cut(&names, ','));
		const struct dialect *d = dialect_find(name);
		CHECK(d && bytes_equal(bytes_str(d->name), name));
		count++;
	}
	CHECK_U64(count, 11);
	CHECK(dialect_at(10) && !dialect_at(11));
	CHECK(!dialect_find(BYTES("OpenAI")));
	CHECK(!dialect_find(BYTES_NONE));
}

int main(void)
{
	RUN_TESTS(TEST(answers_are_read_from_bodies_and_streams_in_any_split),
		  TEST(without_a_text_buffer_the_rest_is_read_the_same),
		  TEST(the_order_of_members_does_not_matter),
		  TEST(absent_null_and_zero_are_three_things),
		  TEST(counts_that_are_none_are_passed_over),
		  TEST(anthropic_input_is_the_sum_of_parts_from_different_events),
		  TEST(what_has_a_price_of_its_own_is_counted_and_the_service_tier_kept),
		  TEST(realtime_says_its_details_under_names_of_its_own),
		  TEST(events_with_news_are_read_also_without_the_words),
		  TEST(a_text_that_is_not_json_leaves_no_trace),
		  TEST(strings_that_do_not_fit_are_left_out_whole),
		  TEST(text_stops_at_the_limit_of_its_buffer),
		  TEST(what_a_passed_over_choice_filled_does_not_count_as_cut),
		  TEST(reading_survives_each_failed_allocation),
		  TEST(an_openai_refusal_has_exactly_these_bytes),
		  TEST(a_refusal_of_head_has_the_length_but_no_body),
		  TEST(an_anthropic_refusal_has_exactly_these_bytes),
		  TEST(the_status_gives_the_line_and_anthropics_error_type),
		  TEST(a_limit_is_refused_in_the_providers_words),
		  TEST(param_is_model_only_when_a_model_rule_decided),
		  TEST(hostile_texts_cannot_leave_their_places),
		  TEST(a_refusal_is_written_whole_or_not_at_all),
		  TEST(dialects_are_found_by_every_name_that_is_told));
}
