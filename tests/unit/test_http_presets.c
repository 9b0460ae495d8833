/* SPDX-License-Identifier: MIT
 *
 * What goes to each receiver of the https sink, byte for byte, and what its answers mean.
 */
#include "drain/http/preset.h"

#include "drain/http/event_text.h"
#include "tap.h"
#include "wire/json.h"

#define EVENTS_MAX 4

static const struct sink_event exchange = {
	.id = {(const uint8_t *)"01AAA", 5},
	.process = {(const uint8_t *)"p", 1},
	.time_ns = 1700000000123456789,
	.kind = REC_REQUEST,
	.host = {(const uint8_t *)"h1", 2},
	.environment = {(const uint8_t *)"prod", 4},
	.application = {(const uint8_t *)"shop", 4},
	.provider = {(const uint8_t *)"openai", 6},
	.model = {(const uint8_t *)"gpt-5", 5},
	.json = {(const uint8_t *)"{\"id\":\"01AAA\"}", 14},
};

static const struct sink_event notice = {
	.id = {(const uint8_t *)"01BBB", 5},
	.time_ns = 1700000001007000000,
	.kind = REC_NOTICE,
	.is_refusal = true,
	.host = {(const uint8_t *)"h1", 2},
	.json = {(const uint8_t *)"{\"a\":\"\\\"\"}", 10},
};

static void check_body(enum drain_preset id, const struct preset_request *request,
		       const char *expected)
{
	struct buf out = {0};

	CHECK_ERR(preset_find(id)->put(&out, request), OK);
	CHECK_BYTES(buf_view(&out), expected);
	buf_done(&out);
}

static struct preset_request both(void)
{
	static struct sink_event events[2];

	events[0] = exchange;
	events[1] = notice;
	return (struct preset_request){.events = events, .count = 2, .index = BYTES("audit")};
}

/* -- bodies --------------------------------------------------------------------------------------
 */

static void without_a_preset_events_are_an_array_or_lines(void)
{
	struct preset_request request = both();

	check_body(PRESET_NONE, &request, "[{\"id\":\"01AAA\"},{\"a\":\"\\\"\"}]");
	request.format = DRAIN_NDJSON;
	check_body(PRESET_NONE, &request, "{\"id\":\"01AAA\"}\n{\"a\":\"\\\"\"}\n");
	check_body(PRESET_SUMOLOGIC, &request, "{\"id\":\"01AAA\"}\n{\"a\":\"\\\"\"}\n");
}

static void datadog_gets_its_reserved_attributes(void)
{
	struct preset_request request = both();

	check_body(
		PRESET_DATADOG, &request,
		"[{\"ddsource\":\"aigw\",\"service\":\"shop\",\"hostname\":\"h1\",\"ddtags\":"
		"\"env:prod,provider:openai,model:gpt-5\",\"status\":\"info\",\"timestamp\":"
		"1700000000123,\"message\":\"exchange with openai gpt-5\",\"aigw\":{\"id\":"
		"\"01AAA\"}},{\"ddsource\":\"aigw\",\"service\":\"aigw\",\"hostname\":\"h1\","
		"\"status\":\"warn\",\"timestamp\":1700000001007,\"message\":\"notice, refused\","
		"\"aigw\":{\"a\":\"\\\"\"}}]");
}

static void splunk_gets_objects_with_metadata(void)
{
	struct preset_request request = both();

	check_body(PRESET_SPLUNK, &request,
		   "{\"time\":1700000000.123,\"host\":\"h1\",\"source\":\"aigw\",\"sourcetype\":"
		   "\"aigw:json\",\"index\":\"audit\",\"event\":{\"id\":\"01AAA\"},\"fields\":{"
		   "\"id\":\"01AAA\",\"environment\":\"prod\",\"application\":\"shop\","
		   "\"provider\":\"openai\",\"model\":\"gpt-5\"}}\n"
		   "{\"time\":1700000001.007,\"host\":\"h1\",\"source\":\"aigw\",\"sourcetype\":"
		   "\"aigw:json\",\"index\":\"audit\",\"event\":{\"a\":\"\\\"\"},\"fields\":{"
		   "\"id\":\"01BBB\"}}\n");
}

static void bulk_creates_documents_by_the_events_ids(void)
{
	static const char expected[] =
		"{\"create\":{\"_index\":\"audit\",\"_id\":\"01AAA\"}}\n"
		"{\"@timestamp\":\"2023-11-14T22:13:20.123456Z\",\"id\":\"01AAA\"}\n"
		"{\"create\":{\"_index\":\"audit\",\"_id\":\"01BBB\"}}\n"
		"{\"@timestamp\":\"2023-11-14T22:13:21.007000Z\",\"a\":\"\\\"\"}\n";
	struct preset_request request = both();

	check_body(PRESET_ELASTICSEARCH, &request, expected);
	check_body(PRESET_OPENSEARCH, &request, expected);
}

static void loki_gets_streams_of_few_labels(void)
{
	struct sink_event events[3] = {exchange, notice, exchange};
	struct preset_request request = {.events = events, .count = 3};

	events[2].model = BYTES("another model is no other stream");
	events[2].time_ns++;
	check_body(PRESET_LOKI, &request,
		   "{\"streams\":[{\"stream\":{\"job\":\"aigw\",\"type\":\"exchange\",\"host\":"
		   "\"h1\",\"environment\":\"prod\",\"provider\":\"openai\"},\"values\":[["
		   "\"1700000000123456789\",\"{\\\"id\\\":\\\"01AAA\\\"}\"],["
		   "\"1700000000123456790\",\"{\\\"id\\\":\\\"01AAA\\\"}\"]]},{\"stream\":{\"job\":"
		   "\"aigw\",\"type\":\"notice\",\"host\":\"h1\"},\"values\":[["
		   "\"1700000001007000000\",\"{\\\"a\\\":\\\"\\\\\\\"\\\"}\"]]}]}");
}

static void a_label_is_cut_between_characters(void)
{
	struct sink_event event = exchange;
	struct preset_request request = {.events = &event, .count = 1};
	char host[2100];
	struct buf out = {0};

	memset(host, 'x', sizeof host);
	memcpy(host + 2047, "\xc3\xa4", 2); /* bytes 2048 and 2049 */
	event.host = bytes_of(host, sizeof host);
	CHECK_ERR(preset_put_loki(&out, &request), OK);
	CHECK(json_check(buf_view(&out), NULL, NULL) == OK);
	CHECK(bytes_find(buf_view(&out), BYTES("x\",\"environment\"")) != SIZE_MAX);
	CHECK(bytes_find(buf_view(&out), BYTES("\xef\xbf\xbd")) == SIZE_MAX);
	buf_done(&out);
}

static void mezmo_gets_lines_with_the_event_as_meta(void)
{
	struct preset_request request = both();

	check_body(PRESET_MEZMO, &request,
		   "{\"lines\":[{\"timestamp\":1700000000123,\"line\":\"exchange with openai "
		   "gpt-5\",\"app\":\"shop\",\"level\":\"INFO\",\"env\":\"prod\",\"meta\":{\"id\":"
		   "\"01AAA\"}},{\"timestamp\":1700000001007,\"line\":\"notice, refused\",\"app\":"
		   "\"aigw\",\"level\":\"WARN\",\"meta\":{\"a\":\"\\\"\"}}]}");
}

static void better_stack_gets_time_and_message_in_front(void)
{
	struct preset_request request = both();

	check_body(PRESET_BETTERSTACK, &request,
		   "{\"dt\":\"2023-11-14T22:13:20.123456Z\",\"level\":\"info\",\"message\":"
		   "\"exchange with openai gpt-5\",\"id\":\"01AAA\"}\n"
		   "{\"dt\":\"2023-11-14T22:13:21.007000Z\",\"level\":\"warn\",\"message\":"
		   "\"notice, refused\",\"a\":\"\\\"\"}\n");
}

static void langfuse_gets_a_trace_and_a_generation(void)
{
	struct sink_event event = exchange;
	struct preset_request request = {.events = &event, .count = 1};

	event.environment = BYTES("Prod EU");
	event.json = BYTES(
		"{\"id\":\"01AAA\",\"process\":{\"user\":\"ann\"},\"gen_ai\":{\"operation.name\":"
		"\"chat\",\"request.model\":\"gpt-5\",\"response.model\":\"gpt-5-2025\","
		"\"usage.input_tokens\":100,\"usage.output_tokens\":30,"
		"\"usage.cache_read.input_tokens\":40,\"usage.reasoning.output_tokens\":10},"
		"\"cost\":"
		"{\"usd\":0.0125},\"http\":{\"status\":200},\"timing\":{\"first_byte_us\":500000,"
		"\"total_us\":2000000},\"outcome\":\"complete\",\"request\":{\"headers\":{\"x\":"
		"\"y\"},\"body\":\"{\\\"q\\\":1}\",\"body_bytes\":7},\"response\":{\"headers\":{},"
		"\"body\":\"data: x\",\"body_bytes\":9,\"text\":\"four\"}}");
	check_body(
		PRESET_LANGFUSE, &request,
		"{\"batch\":[{\"id\":\"01AAA-trace\",\"type\":\"trace-create\",\"timestamp\":"
		"\"2023-11-14T22:13:20.123456Z\",\"body\":{\"id\":\"01AAA\",\"timestamp\":"
		"\"2023-11-14T22:13:20.123456Z\",\"name\":\"chat gpt-5\",\"userId\":\"ann\","
		"\"environment\":\"prod-eu\",\"metadata\":{\"id\":\"01AAA\",\"process\":{\"user\":"
		"\"ann\"},\"gen_ai\":{\"operation.name\":\"chat\",\"request.model\":\"gpt-5\","
		"\"response.model\":\"gpt-5-2025\",\"usage.input_tokens\":100,"
		"\"usage.output_tokens\":30,\"usage.cache_read.input_tokens\":40,"
		"\"usage.reasoning.output_tokens\":10},\"cost\":{\"usd\":0.0125},\"http\":{"
		"\"status\":"
		"200},\"timing\":{\"first_byte_us\":500000,\"total_us\":2000000},\"outcome\":"
		"\"complete\",\"request\":{\"body_bytes\":7},\"response\":{\"body_bytes\":9}}}},"
		"{\"id\":\"01AAA-generation\",\"type\":\"generation-create\",\"timestamp\":"
		"\"2023-11-14T22:13:20.123456Z\",\"body\":{\"id\":\"01AAA-generation\",\"traceId\":"
		"\"01AAA\",\"name\":\"chat gpt-5\",\"startTime\":\"2023-11-14T22:13:20.123456Z\","
		"\"completionStartTime\":\"2023-11-14T22:13:20.623456Z\",\"endTime\":"
		"\"2023-11-14T22:13:22.123456Z\",\"model\":\"gpt-5-2025\",\"usageDetails\":{"
		"\"input\":60,\"input_cached_tokens\":40,\"output\":20,\"output_reasoning_tokens\":"
		"10,\"total\":130},\"costDetails\":{\"total\":0.0125},\"level\":\"DEFAULT\","
		"\"environment\":\"prod-eu\",\"input\":{\"q\":1},\"output\":\"four\"}}]}");
}

static void langfuse_gets_a_trace_alone_for_what_is_no_exchange(void)
{
	struct sink_event event = notice;
	struct preset_request request = {.events = &event, .count = 1};

	event.environment = BYTES("langfuse-internal"); /* a name that it keeps for itself */
	check_body(PRESET_LANGFUSE, &request,
		   "{\"batch\":[{\"id\":\"01BBB-trace\",\"type\":\"trace-create\",\"timestamp\":"
		   "\"2023-11-14T22:13:21.007000Z\",\"body\":{\"id\":\"01BBB\",\"timestamp\":"
		   "\"2023-11-14T22:13:21.007000Z\",\"name\":\"aigw notice\",\"metadata\":{\"a\":"
		   "\"\\\"\"}}}]}");
}

static void every_body_survives_failing_allocations(void)
{
	for (unsigned id = PRESET_NONE; id <= PRESET_LANGFUSE; id++) {
		struct preset_request request = both();
		enum err e = ERR_NOMEM;
		for (unsigned long n = 1; e == ERR_NOMEM && n < 1000; n++) {
			struct buf out = {0};
			tap_fail_allocation(n);
			e = preset_find((enum drain_preset)id)->put(&out, &request);
			tap_fail_allocation(0);
			CHECK(e == OK || e == ERR_NOMEM);
			buf_done(&out);
		}
		CHECK_ERR(e, OK);
	}
}

/* -- how many at once ----------------------------------------------------------------------------
 */

static void a_request_takes_what_its_receiver_allows(void)
{
	static struct sink_event events[1200];

	for (size_t i = 0; i < 1200; i++)
		events[i] = exchange;
	CHECK_U64(preset_take(preset_find(PRESET_NONE), events, 1200), 1200);
	CHECK_U64(preset_take(preset_find(PRESET_DATADOG), events, 1200), 1000);
	CHECK_U64(preset_take(preset_find(PRESET_DATADOG), events, 3), 3);
	events[5].host = BYTES("h2");
	CHECK_U64(preset_take(preset_find(PRESET_MEZMO), events, 1200), 5);
	CHECK_U64(preset_take(preset_find(PRESET_SPLUNK), events, 1200), 1200);
	for (size_t i = 0; i < 1200; i++)
		events[i].json.len = 9488; /* and 512: a hundred are a million */
	CHECK_U64(preset_take(preset_find(PRESET_SPLUNK), events, 1200), 100);
	events[0].json.len = 20000000;
	CHECK_U64(preset_take(preset_find(PRESET_SPLUNK), events, 1200), 1);
}

/* -- answers -------------------------------------------------------------------------------------
 */

/* d, r, R, w: what became of each; "=x" all the same. */
static void check_answer(enum drain_preset id, const struct preset_request *request,
			 unsigned status, const char *body, bool expected_read,
			 const char *expected)
{
	uint8_t results[EVENTS_MAX] = {0xff, 0xff, 0xff, 0xff};
	char got[EVENTS_MAX + 2] = {0};
	struct preset_verdict verdict = {
		.result = sink_result_of_status(status), .results = results, .text = ""};
	bool is_read = preset_find(id)->read(request, status, tap_guarded(bytes_str(body)),
					     &verdict);

	CHECK(is_read == expected_read);
	if (!is_read || !expected_read)
		return;
	if (verdict.result == SINK_PARTLY)
		for (size_t i = 0; i < request->count; i++)
			got[i] = results[i] < 3 ? "drR"[results[i]] : '?';
	else
		memcpy(got, (const char[3]){'=', "drR?w"[verdict.result], 0}, 3);
	if (strcmp(got, expected) != 0)
		tap_fail(__FILE__, __LINE__, "%s means %s, expected %s", body, got, expected);
}

static void bulk_answers_are_read_item_by_item(void)
{
	static const struct {
		const char *body, *results;
	} cases[] = {
		{"{\"errors\":false,\"items\":[{\"create\":{\"status\":201}},{\"create\":{"
		 "\"status\":201}}]}",
		 "=d"},
		/* there already: a second delivery */
		{"{\"errors\":true,\"items\":[{\"create\":{\"status\":409,\"error\":{\"type\":"
		 "\"version_conflict_engine_exception\"}}},{\"create\":{\"status\":201}}]}",
		 "=d"},
		{"{\"errors\":true,\"items\":[{\"create\":{\"status\":201}},{\"create\":{"
		 "\"status\":400,\"error\":{\"type\":\"mapper_parsing_exception\"}}}]}",
		 "dR"},
		{"{\"errors\":true,\"items\":[{\"create\":{\"status\":429,\"error\":{\"type\":"
		 "\"es_rejected_execution_exception\"}}},{\"create\":{\"status\":201}}]}",
		 "rd"},
		{"{\"items\":[{\"create\":{\"status\":503}},{\"create\":{\"status\":403}}]}", "=r"},
		/* hostile, or cut off */
		{"{\"items\":[{\"create\":{\"status\":201}}]}", "dr"},
		{"{\"items\":[{\"create\":{\"status\":201}},", "=r"},
		{"{\"items\":[]}", "=r"},
		{"{\"items\":[1,2]}", "=r"},
		{"{\"items\":{}}", "=r"},
		{"{\"items\":[{\"create\":{\"status\":201}},{\"create\":{\"status\":201}},{"
		 "\"create\":{\"status\":400}}]}",
		 "=d"},
		{"{\"items\":[{\"index\":{\"status\":201}},{\"create\":{\"status\":\"201\"}}]}",
		 "=r"},
		{"{\"items\":[{\"create\":{\"status\":-1}},{\"create\":{\"status\":"
		 "99999999999999999999}}]}",
		 "=r"},
		{"{\"errors\":false}", "=r"},
		{"", "=r"},
		{"[]", "=r"},
		{"\xff", "=r"},
	};
	struct preset_request request = both();

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		check_answer(PRESET_ELASTICSEARCH, &request, 200, cases[i].body, true,
			     cases[i].results);
	check_answer(PRESET_OPENSEARCH, &request, 413, "", false, "");
	check_answer(PRESET_OPENSEARCH, &request, 503, "{\"items\":[]}", false, "");
}

static void bulk_answers_name_the_error_and_nothing_of_the_event(void)
{
	struct preset_request request = both();
	uint8_t results[2];
	struct preset_verdict verdict = {.results = results, .text = ""};

	CHECK(preset_read_bulk(
		&request, 200,
		BYTES("{\"items\":[{\"create\":{\"status\":400,\"error\":{\"type\":"
		      "\"mapper_parsing_exception\",\"reason\":\"Preview of value: 'secret'\"}}},"
		      "{\"create\":{\"status\":201}}]}"),
		&verdict));
	CHECK_STR(verdict.text, "for some: ");
	CHECK_BYTES(verdict.detail, "mapper_parsing_exception");
}

static void splunk_names_the_event_that_it_cannot_read(void)
{
	struct preset_request request = both();

	check_answer(PRESET_SPLUNK, &request, 400,
		     "{\"text\":\"Invalid data format\",\"code\":6,\"invalid-event-number\":1}",
		     true, "rR");
	check_answer(PRESET_SPLUNK, &request, 400, "{\"text\":\"Incorrect index\",\"code\":7}",
		     true, "=w");
	check_answer(PRESET_SPLUNK, &request, 400, "{\"code\":6,\"invalid-event-number\":2}", false,
		     "");
	check_answer(PRESET_SPLUNK, &request, 400, "{\"code\":6}", false, "");
	check_answer(PRESET_SPLUNK, &request, 400, "{\"code\":\"7\"}", false, "");
	check_answer(PRESET_SPLUNK, &request, 200, "{\"text\":\"Success\",\"code\":0}", false, "");
	check_answer(PRESET_SPLUNK, &request, 503, "{\"text\":\"Server is busy\",\"code\":9}",
		     false, "");
}

static void langfuse_answers_for_each_envelope(void)
{
#define OK_OF(id)    "{\"id\":\"" id "\",\"status\":201}"
#define ERROR_OF(id) "{\"id\":\"" id "\",\"status\":400,\"message\":\"Invalid request data\"}"
	static const struct {
		const char *body, *results;
	} cases[] = {
		{"{\"successes\":[" OK_OF("01AAA-trace") "," OK_OF("01AAA-generation") "," OK_OF(
			 "01BBB-trace") "],\"errors\":[]}",
		 "=d"},
		{"{\"successes\":[" OK_OF("01BBB-trace") "," OK_OF(
			 "01AAA-trace") "],\"errors\":[" ERROR_OF("01AAA-generation") "]}",
		 "Rd"},
		{"{\"successes\":[" OK_OF("01AAA-trace") "," OK_OF(
			 "01BBB-trace") "],\"errors\":[]}",
		 "rd"},
		{"{\"successes\":[" OK_OF("01AAA-trace") "," OK_OF(
			 "01AAA-generation") "],"
					     "\"errors\":[{\"id\":\"01BBB-trace\",\"status\":500}]"
					     "}",
		 "dr"},
		{"{\"successes\":[{\"id\":\"01BBB\\u002dtrace\",\"status\":201}]}", "rd"},
		{"{\"successes\":[" OK_OF("-trace") "," OK_OF("other-trace") "," OK_OF("") "]}",
		 "=r"},
		{"{\"successes\":[1,2],\"errors\":7}", "=r"},
		{"{\"successes\":[{\"id\":7,\"status\":201}]}", "=r"},
		{"{\"errors\":[{\"id\":\"01AAA-trace\"}]}", "=r"},
		{"", "=r"},
		{"nonsense", "=r"},
	};
	struct preset_request request = both();

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		check_answer(PRESET_LANGFUSE, &request, 207, cases[i].body, true, cases[i].results);
	check_answer(PRESET_LANGFUSE, &request, 401, "", false, "");
}

static void ids_that_were_never_sent_do_not_take_for_ever(void)
{
	static struct sink_event events[EVENTS_MAX];
	struct preset_request request = {.events = events, .count = EVENTS_MAX};
	uint8_t results[EVENTS_MAX];
	struct preset_verdict verdict = {.results = results, .text = ""};
	struct buf body = {0};

	for (size_t i = 0; i < EVENTS_MAX; i++)
		events[i] = notice;
	CHECK_ERR(buf_put_str(&body, "{\"successes\":["), OK);
	for (size_t i = 0; i < 200; i++)
		CHECK_ERR(buf_put_str(&body, OK_OF("other-trace") ","), OK);
	CHECK_ERR(buf_put_str(&body, OK_OF("01BBB-trace") "]}"), OK);
	CHECK(preset_read_langfuse(&request, 207, buf_view(&body), &verdict));
	CHECK_U64(verdict.result, SINK_RETRY);
	buf_done(&body);
}

/* -- an event's text ------------------------------------------------------------------------------
 */

static void a_stripped_event_keeps_lengths_and_says_so(void)
{
	static const struct {
		const char *json, *stripped;
	} cases[] = {
		{"{\"id\":\"1\",\"request\":{\"headers\":{\"a\":1},\"body\":\"x\",\"body_bytes\":1}"
		 ","
		 "\"response\":{\"body\":null,\"text\":\"y\",\"tool_calls\":[{}]},\"z\":[1]}",
		 "{\"id\":\"1\",\"request\":{\"body_bytes\":1},\"response\":{},\"z\":[1],"
		 "\"payload_omitted\":true}"},
		{"{}", "{\"payload_omitted\":true}"},
		{"{\"payload_omitted\":true,\"a\":1}", "{\"a\":1,\"payload_omitted\":true}"},
		{"{\"request\":5}", "{\"request\":5,\"payload_omitted\":true}"},
		{" {\"a\" : {\"request\":{\"body\":1}}}",
		 "{\"a\":{\"request\":{\"body\":1}},\"payload_omitted\":true}"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf out = {0};
		CHECK_ERR(event_put_stripped(&out, tap_guarded(bytes_str(cases[i].json)), true),
			  OK);
		CHECK_BYTES(buf_view(&out), cases[i].stripped);
		buf_done(&out);
	}
	static const char *const bad[] = {"", "[]", "{", "{\"a\":}", "{\"request\":{\"a\":1}"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct buf out = {0};
		CHECK_ERR(event_put_stripped(&out, bytes_str(bad[i]), true), ERR_BAD);
		CHECK_U64(out.len, 0);
		buf_done(&out);
	}
}

static void members_are_put_in_front(void)
{
	struct buf members = {0}, out = {0};

	CHECK_ERR(buf_put_str(&members, "\"a\":1"), OK);
	CHECK_ERR(event_put_with(&out, &members, BYTES("{\"b\":2}")), OK);
	CHECK_ERR(event_put_with(&out, &members, BYTES("{}")), OK);
	CHECK_ERR(event_put_with(&out, &members, BYTES("{ }")), OK);
	CHECK_ERR(event_put_with(&out, &members, BYTES("[1]")), OK);
	CHECK_ERR(event_put_with(&out, &members, BYTES("")), OK);
	CHECK_BYTES(buf_view(&out),
		    "{\"a\":1,\"b\":2}{\"a\":1}{\"a\":1 }{\"a\":1,\"event\":\"[1]\"}"
		    "{\"a\":1,\"event\":null}");
	buf_done(&members);
	buf_done(&out);
}

static void times_are_dates_of_the_calendar(void)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000000Z"},
		{951782399999999999, "2000-02-28T23:59:59.999999Z"},
		{951782400000000000, "2000-02-29T00:00:00.000000Z"},
		{1798761600000001000, "2027-01-01T00:00:00.000001Z"},
		{UINT64_MAX, "2554-07-21T23:34:33.709551Z"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf out = {0};
		CHECK_ERR(event_put_time(&out, cases[i].ns), OK);
		CHECK_BYTES(buf_view(&out), cases[i].text);
		buf_done(&out);
	}
}

static void hostile_words_stay_within_their_strings(void)
{
	struct sink_event event = exchange;
	struct preset_request request = {.events = &event, .count = 1, .index = BYTES("a\"},{")};

	event.model = BYTES("gpt\"},\n\\");
	event.provider = BYTES("\xff\"");
	event.host = BYTES("h\",\"x\":\"");
	event.id = BYTES("\"}}\n");
	for (unsigned id = PRESET_NONE; id <= PRESET_LANGFUSE; id++) {
		const struct preset *preset = preset_find((enum drain_preset)id);
		struct buf out = {0};
		CHECK_ERR(preset->put(&out, &request), OK);
		struct bytes rest = buf_view(&out);
		bool in_lines = id == PRESET_SPLUNK || id == PRESET_ELASTICSEARCH ||
				id == PRESET_OPENSEARCH || id == PRESET_SUMOLOGIC ||
				id == PRESET_BETTERSTACK;
		while (rest.len) {
			struct bytes text = in_lines ? bytes_cut(&rest, '\n') : rest;
			CHECK_ERR(json_check(text, NULL, NULL), OK);
			if (!in_lines)
				break;
		}
		buf_done(&out);
	}
}

int main(void)
{
	RUN_TESTS(TEST(without_a_preset_events_are_an_array_or_lines),
		  TEST(datadog_gets_its_reserved_attributes),
		  TEST(splunk_gets_objects_with_metadata),
		  TEST(bulk_creates_documents_by_the_events_ids),
		  TEST(loki_gets_streams_of_few_labels), TEST(a_label_is_cut_between_characters),
		  TEST(mezmo_gets_lines_with_the_event_as_meta),
		  TEST(better_stack_gets_time_and_message_in_front),
		  TEST(langfuse_gets_a_trace_and_a_generation),
		  TEST(langfuse_gets_a_trace_alone_for_what_is_no_exchange),
		  TEST(every_body_survives_failing_allocations),
		  TEST(a_request_takes_what_its_receiver_allows),
		  TEST(bulk_answers_are_read_item_by_item),
		  TEST(bulk_answers_name_the_error_and_nothing_of_the_event),
		  TEST(splunk_names_the_event_that_it_cannot_read),
		  TEST(langfuse_answers_for_each_envelope),
		  TEST(ids_that_were_never_sent_do_not_take_for_ever),
		  TEST(a_stripped_event_keeps_lengths_and_says_so), TEST(members_are_put_in_front),
		  TEST(times_are_dates_of_the_calendar),
		  TEST(hostile_words_stay_within_their_strings));
}
