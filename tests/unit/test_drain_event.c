/* SPDX-License-Identifier: MIT */
#include "drain/event.h"

#include <stdlib.h>

#include "tap.h"
#include "wire/json.h"

/* ---- chosen fields ---- */

static void check_chosen(const char *json, const char *const *paths, const char *expected)
{
	struct bytes chosen[8];
	struct buf out = {0};
	size_t count = 0;

	for (; paths[count]; count++)
		chosen[count] = bytes_str(paths[count]);
	CHECK_ERR(event_choose(&out, tap_guarded(bytes_str(json)), chosen, count), OK);
	CHECK_BYTES(buf_view(&out), expected);
	CHECK_ERR(json_check(buf_view(&out), NULL, NULL), OK);
	buf_done(&out);
}

#define PATHS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void chosen_fields_are_named_by_paths_with_wildcards(void)
{
	static const char json[] =
		"{\"event_id\":\"E\",\"id\":\"I\",\"type\":\"exchange\",\"time\":\"T\",\"host\":"
		"\"h\",\"gen_ai\":{\"request\":{\"model\":\"m\"},\"usage\":{\"input_tokens\":1,"
		"\"output_tokens\":2}},\"list\":[{\"a\":1},2],\"cost\":null}";
#define ALWAYS "{\"event_id\":\"E\",\"id\":\"I\",\"type\":\"exchange\",\"time\":\"T\""

	check_chosen(json, PATHS("nothing"), ALWAYS "}");
	check_chosen(json, PATHS("host"), ALWAYS ",\"host\":\"h\"}");
	check_chosen(json, PATHS("gen_ai.usage.*"),
		     ALWAYS ",\"gen_ai\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}");
	check_chosen(json, PATHS("gen_ai.request.model", "cost"),
		     ALWAYS ",\"gen_ai\":{\"request\":{\"model\":\"m\"}},\"cost\":null}");
	check_chosen(json, PATHS("gen_ai"),
		     ALWAYS ",\"gen_ai\":{\"request\":{\"model\":\"m\"},\"usage\":{"
			    "\"input_tokens\":1,\"output_tokens\":2}}}");
	check_chosen(json, PATHS("*.output_tokens", "list"),
		     ALWAYS ",\"gen_ai\":{\"usage\":{\"output_tokens\":2}},"
			    "\"list\":[{\"a\":1},2]}");
	check_chosen("{\"a\\u0062\":1}", PATHS("ab"), "{\"a\\u0062\":1}");
	check_chosen("{}", PATHS("*"), "{}");
}

static void what_is_no_object_has_no_fields(void)
{
	static const char *const bad[] = {
		"", "[]", "1", "{", "{\"a\":}", "{\"a\":{\"b\":1}", "{\"a\":[}"};
	struct bytes chosen = BYTES("x");
	struct buf out = {0};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		buf_reset(&out);
		CHECK_ERR(event_choose(&out, tap_guarded(bytes_str(bad[i])), &chosen, 1), ERR_BAD);
	}
	buf_done(&out);
}

static void deep_objects_come_whole_or_not_at_all(void)
{
	char json[400] = "";
	struct bytes chosen = BYTES("a.*");
	struct buf out = {0};

	for (int i = 0; i < 40; i++)
		strcat(json, "{\"a\":");
	strcat(json, "1");
	for (int i = 0; i < 40; i++)
		strcat(json, "}");
	CHECK_ERR(event_choose(&out, bytes_str(json), &chosen, 1), OK);
	CHECK_BYTES(buf_view(&out), json);
	chosen = BYTES("*.b");
	buf_reset(&out);
	CHECK_ERR(event_choose(&out, bytes_str(json), &chosen, 1), OK);
	CHECK_BYTES(buf_view(&out), "{}");
	buf_done(&out);
}

/* ---- an exchange ---- */

static struct log_process process = {.gone = true};

static struct log_entry exchange(size_t body)
{
	struct log_entry e = {.kind = REC_REQUEST,
			      .id = "01JD0000000000000000000000",
			      .time_ns = 1764500000000000000ull,
			      .process = &process,
			      .answered = true,
			      .has_request_body = true};
	uint8_t *text = malloc(body + 1);

	memset(text, 'x', body + 1);
	CHECK(!record_put(&e.fields, F_PROVIDER, BYTES("openai")) &&
	      !record_put(&e.fields, F_REQUEST_MODEL, BYTES("gpt-5")) &&
	      !record_put(&e.fields, F_ENVIRONMENT, BYTES("prod")) &&
	      !record_put(&e.fields, F_ACTION, BYTES("refuse")) &&
	      !record_put_u64(&e.fields, F_TOTAL_US, 5000000) &&
	      !buf_put(&e.request_body, bytes_of(text, body)));
	free(text);
	return e;
}

static void done(struct log_entry *e)
{
	buf_done(&e->fields);
	buf_done(&e->request_body);
}

static struct patterns only(struct bytes *pattern)
{
	return (struct patterns){.given = true, .count = 1, .at = pattern};
}

static void a_filter_lets_through_what_matches_all_of_it(void)
{
	struct log_entry e = exchange(0), notice = {.kind = REC_NOTICE, .process = &process};
	struct bytes openai = BYTES("OpenAI"), model = BYTES("openai/gpt-*"), other = BYTES("x*");
	struct drain_filter f = {.kinds = 0};

	CHECK(event_passes(&f, &e) && event_passes(&f, &notice));
	f.kinds = 1u << REC_REQUEST;
	CHECK(event_passes(&f, &e) && !event_passes(&f, &notice));
	f.kinds = 0;
	f.providers = only(&openai);
	CHECK(event_passes(&f, &e) && !event_passes(&f, &notice));
	f.models = only(&model);
	CHECK(event_passes(&f, &e));
	f.models = only(&other);
	CHECK(!event_passes(&f, &e));
	f.models = (struct patterns){.given = false};
	f.environments = only(&other);
	CHECK(!event_passes(&f, &e));
	f.environments = (struct patterns){.given = true}; /* none at all */
	CHECK(!event_passes(&f, &e));
	done(&e);
}

static struct line_event *make(struct event_maker *m, struct log_entry *e, bool has, bool left_out)
{
	const struct source_item item = {.ticket = 7,
					 .kind = SOURCE_ENTRY,
					 .id = BYTES("01JD@1000"),
					 .process = BYTES("b-1-2"),
					 .time_ns = e->time_ns,
					 .entry = e,
					 .sequence = 3,
					 .offset = 99};
	struct line_event *made = NULL;

	CHECK_ERR(event_make(m, &item, has, left_out, &made), OK);
	return made;
}

static bool has(const struct line_event *e, const char *text)
{
	return bytes_find(e->event.json, bytes_str(text)) != SIZE_MAX;
}

static void an_event_says_what_it_is_and_who_sent_it(void)
{
	struct drain config = {.fields = DRAIN_FULL, .event_bytes_max = 4096};
	struct event_maker m = {.config = &config};
	struct log_entry e = exchange(10);
	struct line_event *made = make(&m, &e, true, false);

	CHECK(bytes_starts(made->event.json, BYTES("{\"event_id\":\"01JD@1000\",\"id\":")));
	CHECK_ERR(json_check(made->event.json, NULL, NULL), OK);
	CHECK(has(made, "xxxxxxxxxx") && !has(made, "payload_omitted"));
	CHECK_BYTES(made->event.provider, "openai");
	CHECK_BYTES(made->event.model, "gpt-5");
	CHECK_BYTES(made->event.otlp, "");
	CHECK(made->event.is_refusal && made->event.kind == REC_REQUEST);
	CHECK_U64(made->ticket, 7);
	CHECK_U64(made->ready_ns, e.time_ns + 5000000000ull);
	free(made);
	config.type = DRAIN_OTLP;
	made = make(&m, &e, true, false);
	CHECK_ERR(json_check(made->event.otlp, NULL, NULL), OK);
	CHECK(made->event.otlp.len > 0);
	free(made);
	done(&e);
	event_maker_done(&m);
}

static void what_is_too_large_goes_without_payloads_and_says_so(void)
{
	struct drain config = {.fields = DRAIN_FULL, .event_bytes_max = 4096};
	struct event_maker m = {.config = &config};
	struct log_entry e = exchange(5000);
	struct line_event *made = make(&m, &e, true, false);

	CHECK(has(made, "\"payload_omitted\":true}") && !has(made, "xxx"));
	CHECK_ERR(json_check(made->event.json, NULL, NULL), OK);
	free(made);
	made = make(&m, &e, false, true); /* not even read */
	CHECK(has(made, "\"payload_omitted\":true}"));
	free(made);
	config.fields = DRAIN_METADATA;
	made = make(&m, &e, false, false);
	CHECK(!has(made, "payload_omitted") && !has(made, "xxx"));
	free(made);
	done(&e);
	event_maker_done(&m);
}

static void payloads_are_read_only_for_who_gets_them(void)
{
	struct bytes usage = BYTES("gen_ai.request.model"), body = BYTES("request.body"),
		     all = BYTES("*");
	struct drain config = {.fields = DRAIN_FULL};

	CHECK(event_wants_payloads(&config));
	config.fields = DRAIN_METADATA;
	CHECK(!event_wants_payloads(&config));
	config.fields = DRAIN_CHOSEN;
	config.chosen_count = 1;
	config.chosen = &usage;
	CHECK(!event_wants_payloads(&config));
	config.chosen = &body;
	CHECK(event_wants_payloads(&config));
	config.chosen = &all;
	CHECK(event_wants_payloads(&config));
}

static void a_segment_is_told_of_by_a_manifest(void)
{
	struct drain config = {.type = DRAIN_S3, .event_bytes_max = 4096};
	struct event_maker m = {.config = &config};
	const struct source_item item = {.kind = SOURCE_SEGMENT,
					 .id = BYTES("aa-77"),
					 .path = "/var/log/aigw/2026-11-24/h-1-00.aigw",
					 .records = 4,
					 .bytes = 77,
					 .ended = true};
	struct line_event *made = NULL;

	CHECK_ERR(event_make(&m, &item, false, false, &made), OK);
	CHECK_BYTES(made->event.path, "/var/log/aigw/2026-11-24/h-1-00.aigw");
	CHECK(has(made, "\"file\":\"2026-11-24/h-1-00.aigw\"") && has(made, "\"bytes\":77"));
	CHECK_ERR(json_check(made->event.json, NULL, NULL), OK);
	free(made);
	event_maker_done(&m);
}

static void a_sign_of_life_is_an_event(void)
{
	struct drain config = {.name = BYTES("siem"), .type = DRAIN_OTLP};
	struct event_maker m = {.config = &config};
	const struct event_pulse p = {.host = BYTES("ward-3"), .time_ns = 1000, .delivered = 5};
	struct line_event *made = NULL;

	CHECK_ERR(event_make_pulse(&m, &p, &made), OK);
	CHECK(made->event.is_heartbeat && made->ticket == 0);
	CHECK_BYTES(made->event.id, "heartbeat-siem-1000");
	CHECK(has(made, "\"type\":\"heartbeat\"") && has(made, "\"delivered\":5"));
	CHECK_ERR(json_check(made->event.json, NULL, NULL), OK);
	CHECK_ERR(json_check(made->event.otlp, NULL, NULL), OK);
	free(made);
	event_maker_done(&m);
}

int main(void)
{
	RUN_TESTS(TEST(chosen_fields_are_named_by_paths_with_wildcards),
		  TEST(what_is_no_object_has_no_fields),
		  TEST(deep_objects_come_whole_or_not_at_all),
		  TEST(a_filter_lets_through_what_matches_all_of_it),
		  TEST(an_event_says_what_it_is_and_who_sent_it),
		  TEST(what_is_too_large_goes_without_payloads_and_says_so),
		  TEST(payloads_are_read_only_for_who_gets_them),
		  TEST(a_segment_is_told_of_by_a_manifest), TEST(a_sign_of_life_is_an_event));
}
