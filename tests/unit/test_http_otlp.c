/* SPDX-License-Identifier: MIT
 *
 * OTLP in JSON: many messages as one request, what a receiver says of it, and the metrics.
 */
#include "drain/http/otlp_body.h"
#include "drain/http/otlp_metrics.h"
#include "tap.h"
#include "wire/json.h"

#define HEAD(resource)                                                                             \
	"{\"resourceLogs\":[{\"resource\":" resource ",\"scopeLogs\":[{\"scope\":{\"name\":"       \
	"\"aigw\"},\"logRecords\":["
#define TAIL            "]}]}]}"
#define ATTRIBUTE(k, v) "{\"key\":\"" k "\",\"value\":{" v "}}"
#define TEXT(k, v)      ATTRIBUTE(k, "\"stringValue\":\"" v "\"")
#define INT(k, v)       ATTRIBUTE(k, "\"intValue\":\"" v "\"")

static struct sink_event event_of(const char *otlp)
{
	return (struct sink_event){.kind = REC_REQUEST,
				   .time_ns = 1700000000000000000,
				   .host = BYTES("h1"),
				   .otlp = bytes_str(otlp)};
}

/* -- logs ----------------------------------------------------------------------------------------
 */

static void messages_of_one_resource_share_it(void)
{
	struct sink_event events[] = {
		event_of(HEAD("{\"a\":1}") "{\"n\":1}" TAIL),
		event_of(HEAD("{\"a\":1}") "{\"n\":2}" TAIL),
		event_of(HEAD("{\"a\":2}") "{\"n\":3},{\"n\":4}" TAIL),
		event_of(HEAD("{\"a\":1}") "{\"n\":5}" TAIL),
	};
	struct buf out = {0};
	size_t bad = 99;

	CHECK_ERR(otlp_put_logs(&out, events, 4, &bad), OK);
	CHECK_BYTES(buf_view(&out),
		    "{\"resourceLogs\":["
		    "{\"resource\":{\"a\":1},\"scopeLogs\":[{\"scope\":{\"name\":\"aigw\"},"
		    "\"logRecords\":[{\"n\":1},{\"n\":2}]}]},"
		    "{\"resource\":{\"a\":2},\"scopeLogs\":[{\"scope\":{\"name\":\"aigw\"},"
		    "\"logRecords\":[{\"n\":3},{\"n\":4}]}]},"
		    "{\"resource\":{\"a\":1},\"scopeLogs\":[{\"scope\":{\"name\":\"aigw\"},"
		    "\"logRecords\":[{\"n\":5}]}]}]}");
	CHECK_U64(bad, 99);
	buf_reset(&out);
	CHECK_ERR(otlp_put_logs(&out, events, 1, &bad), OK);
	CHECK_BYTES(buf_view(&out), events[0].otlp.at ? HEAD("{\"a\":1}") "{\"n\":1}" TAIL : "");
	buf_done(&out);
}

static void another_message_is_named(void)
{
	static const char *const bad_ones[] = {
		"",
		"{}",
		"[]",
		"{\"resourceLogs\":[]}",
		"{\"resourceLogs\":[{\"resource\":{}}]}",
		"{\"resourceLogs\":[{\"resource\":{},\"scopeLogs\":[{\"scope\":{},\"logRecords\":[]"
		"}]}]}",
		"{\"resourceLogs\":[{\"resource\":{},\"scopeLogs\":[{\"scope\":{},\"logRecords\":["
		"1]}]}]}",
		"{\"resourceLogs\":[{\"resource\":{},\"scopeLogs\":[{\"logRecords\":[{}]}]}]}",
		HEAD("{}") "{}" TAIL " x",
		HEAD("{}") "{}"
			   "]}]},{\"resource\":{},\"scopeLogs\":[]}]}",
		HEAD("{}") "{}",
	};

	for (size_t i = 0; i < sizeof bad_ones / sizeof bad_ones[0]; i++) {
		struct sink_event events[] = {event_of(HEAD("{}") "{}" TAIL),
					      event_of(bad_ones[i])};
		struct buf out = {0};
		size_t bad = 99;
		events[1].otlp = tap_guarded(events[1].otlp);
		CHECK_ERR(otlp_put_logs(&out, events, 2, &bad), ERR_BAD);
		CHECK_U64(bad, 1);
		buf_done(&out);
	}
}

static void a_partial_success_is_understood(void)
{
	static const struct {
		const char *answer;
		uint64_t rejected;
		const char *why;
	} cases[] = {
		{"{}", 0, ""},
		{"", 0, ""},
		{"{\"partialSuccess\":{}}", 0, ""},
		{"{\"partialSuccess\":{\"rejectedLogRecords\":\"0\",\"errorMessage\":\"old\"}}", 0,
		 "old"},
		{"{\"partialSuccess\":{\"rejectedLogRecords\":\"3\",\"errorMessage\":\"too "
		 "long\"}}",
		 3, "too long"},
		{"{\"partialSuccess\":{\"rejectedLogRecords\":3}}", 3, ""},
		{"{\"partialSuccess\":{\"rejectedDataPoints\":\"2\"}}", 2, ""},
		{"{\"partialSuccess\":{\"rejectedLogRecords\":\"-3\"}}", 0, ""},
		{"{\"partialSuccess\":{\"rejectedLogRecords\":\"x\",\"errorMessage\":7}}", 0, ""},
		{"{\"partialSuccess\":[", 0, ""},
		{"\x08\x03", 0, ""}, /* protobuf to JSON */
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bytes why;
		CHECK_U64(otlp_rejected(tap_guarded(bytes_str(cases[i].answer)), &why),
			  cases[i].rejected);
		CHECK_BYTES(why, cases[i].why);
	}
}

/* -- metrics --------------------------------------------------------------------------------------
 */

#define CALL(more)                                                                                 \
	HEAD("{}")                                                                                 \
	"{\"attributes\":[" TEXT("gen_ai.operation.name", "chat") "," TEXT(                        \
		"gen_ai.provider.name", "openai") "," TEXT("gen_ai.request.model", "gpt-5") more   \
		"],\"body\":{}}" TAIL

#define CHAT_GPT_5                                                                                 \
	TEXT("gen_ai.operation.name", "chat")                                                      \
	"," TEXT("gen_ai.provider.name", "openai") "," TEXT("gen_ai.request.model", "gpt-5")

static void check_metrics(struct metrics *m, const char *expected)
{
	struct buf out = {0};

	CHECK_ERR(metrics_put(&out, m), OK);
	CHECK_BYTES(buf_view(&out), expected);
	CHECK_ERR(json_check(buf_view(&out), NULL, NULL), OK);
	buf_done(&out);
}

static void tokens_and_durations_are_histograms(void)
{
	struct metrics m = {0};
	struct sink_event a = event_of(CALL("," INT("gen_ai.usage.input_tokens", "16") "," INT(
				  "aigw.timing.total_us",
				  "20000") "," INT("http.response.status_code",
						   "200") "," TEXT("aigw.outcome", "complete"))),
			  b = event_of(CALL("," INT("gen_ai.usage.input_tokens", "17")));

	b.time_ns += 5;
	CHECK_ERR(metrics_add(&m, &a), OK);
	CHECK_ERR(metrics_add(&m, &b), OK);
	CHECK_U64(m.count, 2);
	check_metrics(
		&m,
		"{\"resourceMetrics\":[{\"resource\":{\"attributes\":[" TEXT(
			"service.name",
			"aigw") "," TEXT("host.name",
					 "h1") "]},"
					       "\"scopeMetrics\":[{\"scope\":{\"name\":\"aigw\","
					       "\"version\":\"" AIGW_VERSION
					       "\"},\"metrics\":[{\"name\":\"gen_ai.client.token."
					       "usage\",\"description\":"
					       "\"Number of input and output tokens "
					       "used.\",\"unit\":\"{token}\",\"histogram\":{"
					       "\"aggregationTemporality\":1,\"dataPoints\":[{"
					       "\"attributes\":[" CHAT_GPT_5
					       "," TEXT("gen_ai.token.type",
							"input") "],"
								 "\"startTimeUnixNano\":"
								 "\"1700000000000000000\","
								 "\"timeUnixNano\":"
								 "\"1700000000000000005\","
								 "\"count\":\"2\",\"sum\":33,"
								 "\"bucketCounts\":[\"0\","
								 "\"0\",\"1\",\"1\",\"0\",\"0\","
								 "\"0\",\"0\",\"0\",\"0\",\"0\","
								 "\"0\",\"0\",\"0\","
								 "\"0\"],\"explicitBounds\":[1,4,"
								 "16,64,256,1024,4096,16384,65536,"
								 "262144,1048576,"
								 "4194304,16777216,67108864],"
								 "\"min\":16,\"max\":17}]}},"
								 "{\"name\":\"gen_ai.client."
								 "operation.duration\","
								 "\"description\":"
								 "\"GenAI operation "
								 "duration.\",\"unit\":\"s\","
								 "\"histogram\":{"
								 "\"aggregationTemporality\":1,"
								 "\"dataPoints\":[{\"attributes\":"
								 "[" CHAT_GPT_5 "],"
								 "\"startTimeUnixNano\":"
								 "\"1700000000000000000\","
								 "\"timeUnixNano\":"
								 "\"1700000000000000001\","
								 "\"count\":\"1\",\"sum\":0.020000,"
								 "\"bucketCounts\":[\"0\","
								 "\"1\",\"0\",\"0\",\"0\",\"0\","
								 "\"0\",\"0\",\"0\",\"0\",\"0\","
								 "\"0\",\"0\",\"0\","
								 "\"0\"],\"explicitBounds\":[0.01,"
								 "0.02,0.04,0.08,0.16,0.32,0.64,1."
								 "28,2.56,5.12,"
								 "10.24,20.48,40.96,81.92],\"min\":"
								 "0.020000,\"max\":0.020000}]}}]}]}"
								 "]}");
	metrics_clear(&m);
	CHECK_U64(m.count, 0);
	check_metrics(&m, "{\"resourceMetrics\":[]}");
}

static const char *error_type_of(const char *otlp)
{
	static char found[64];
	struct metrics m = {0};
	struct sink_event e = event_of(otlp);
	static const char mark[] = "\"error.type\",\"value\":{\"stringValue\":\"";

	CHECK_ERR(metrics_add(&m, &e), OK);
	CHECK_U64(m.count, 1);
	struct bytes attributes = buf_view(&m.series[0].attributes);
	size_t at = bytes_find(attributes, bytes_str(mark));
	found[0] = 0;
	if (at != SIZE_MAX) {
		attributes = bytes_from(attributes, at + sizeof mark - 1);
		struct bytes value = bytes_cut(&attributes, '"');
		memcpy(found, value.at, value.len);
		found[value.len] = 0;
	}
	metrics_clear(&m);
	return found;
}

static void an_operation_that_failed_says_how(void)
{
#define TIMED "," INT("aigw.timing.total_us", "1") ","
	CHECK_STR(error_type_of(CALL(TIMED INT("http.response.status_code", "429"))), "429");
	CHECK_STR(error_type_of(CALL(TIMED INT("http.response.status_code", "399"))), "");
	CHECK_STR(error_type_of(CALL(TIMED TEXT("aigw.outcome", "aborted_by_provider"))),
		  "aborted_by_provider");
	CHECK_STR(error_type_of(CALL(TIMED TEXT("aigw.outcome", "complete"))), "");
}

static void what_is_no_call_is_not_counted(void)
{
	static const char call[] = CALL("," INT("gen_ai.usage.input_tokens", "16"));
	struct sink_event events[6];
	struct metrics m = {0};

	for (size_t i = 0; i < 6; i++)
		events[i] = event_of(call);
	events[0].kind = REC_NOTICE;
	events[1].is_heartbeat = true;
	events[2].is_refusal = true;
	events[3].otlp = BYTES("nonsense");
	events[4] = event_of(CALL("," INT("gen_ai.usage.input_tokens", "many")));
	events[5] = event_of(CALL(",{\"key\":\"gen_ai.usage.input_tokens\"},7"));
	for (size_t i = 0; i < 6; i++)
		CHECK_ERR(metrics_add(&m, &events[i]), OK);
	CHECK_U64(m.count, 0);
	metrics_clear(&m);
}

static void too_many_combinations_are_counted_as_one(void)
{
	struct metrics m = {0};
	char otlp[600];

	for (unsigned i = 0; i < METRICS_SERIES_MAX + 5; i++) {
		snprintf(otlp, sizeof otlp,
			 HEAD("{}") "{\"attributes\":[" TEXT("gen_ai.request.model", "m%u") "," INT(
				 "gen_ai.usage.output_tokens", "1") "]}" TAIL,
			 i);
		struct sink_event e = event_of(otlp);
		CHECK_ERR(metrics_add(&m, &e), OK);
	}
	CHECK_U64(m.count, METRICS_SERIES_MAX + 1);
	CHECK_U64(m.series[METRICS_SERIES_MAX].count, 5);
	CHECK_BYTES(buf_view(&m.series[METRICS_SERIES_MAX].attributes),
		    "{\"key\":\"otel.metric.overflow\",\"value\":{\"boolValue\":true}}");
	metrics_clear(&m);
}

static enum err count_and_put(void)
{
	struct metrics m = {0};
	struct buf out = {0};
	struct sink_event e = event_of(
		CALL("," INT("gen_ai.usage.input_tokens", "16") TIMED TEXT("x", "y")));
	enum err err = metrics_add(&m, &e);

	if (!err)
		err = metrics_put(&out, &m);
	metrics_clear(&m);
	buf_done(&out);
	return err;
}

static void counting_survives_failing_allocations(void)
{
	tap_fail_each_allocation(count_and_put);
}

int main(void)
{
	RUN_TESTS(TEST(messages_of_one_resource_share_it), TEST(another_message_is_named),
		  TEST(a_partial_success_is_understood), TEST(tokens_and_durations_are_histograms),
		  TEST(an_operation_that_failed_says_how), TEST(what_is_no_call_is_not_counted),
		  TEST(too_many_combinations_are_counted_as_one),
		  TEST(counting_survives_failing_allocations));
}
