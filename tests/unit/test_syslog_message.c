/* SPDX-License-Identifier: MIT */
#include "drain/syslog/message.h"

#include <stdlib.h>

#include "tap.h"
#include "wire/json.h"

#define BOM     "\xef\xbb\xbf"
#define TIME_NS 1795479123123456789u /* 2026-11-24T00:12:03.123456789Z */
#define HEADER  "<134>1 2026-11-24T00:12:03.123456Z ward-3 aigw 4711 exchange "

static const struct message_style local0 = {.facility = 16};

static struct sink_event exchange(const char *json)
{
	return (struct sink_event){
		.id = BYTES("01K"),
		.process = BYTES("4711"),
		.time_ns = TIME_NS,
		.kind = REC_REQUEST,
		.host = BYTES("ward-3"),
		.json = bytes_str(json),
	};
}

static void check_message(const struct message_style *style, const struct sink_event *event,
			  const char *expected)
{
	struct buf out = {0};

	CHECK_ERR(message_put(&out, style, event), OK);
	CHECK_BYTES(buf_view(&out), expected);
	buf_done(&out);
}

static void an_exchange_is_one_message(void)
{
	struct sink_event e = exchange("{\"id\":\"01K\",\"who\":\"J\xc3\xb6rg\"}");

	check_message(&local0, &e,
		      HEADER "[aigw@32473 id=\"01K\"] " BOM
			     "{\"id\":\"01K\",\"who\":\"J\xc3\xb6rg\"}");
}

static void labels_are_structured_data(void)
{
	struct sink_event e = exchange("{}");
	struct message_style style = {.facility = 23, .app_name = BYTES("gate")};

	e.environment = BYTES("production");
	e.application = BYTES("intake-bot");
	e.provider = BYTES("openai");
	e.model = BYTES("gpt-5");
	e.is_refusal = true;
	check_message(&style, &e,
		      "<188>1 2026-11-24T00:12:03.123456Z ward-3 gate 4711 exchange [aigw@32473 "
		      "id=\"01K\" environment=\"production\" application=\"intake-bot\" "
		      "provider=\"openai\" model=\"gpt-5\" refused=\"true\"] " BOM "{}");
}

static void what_is_not_known_is_a_dash(void)
{
	struct sink_event e = {.json = BYTES("{}")};
	struct message_style kernel = {0};

	check_message(&kernel, &e, "<6>1 - - aigw - - [aigw@32473] " BOM "{}");
	e.time_ns = UINT64_MAX; /* the year 2554 */
	check_message(&kernel, &e,
		      "<6>1 2554-07-21T23:34:33.709551Z - aigw - - [aigw@32473] " BOM "{}");
}

static void how_grave_it_is_goes_by_the_kind(void)
{
	static const struct {
		struct sink_event event;
		enum message_severity severity;
	} cases[] = {
		{{.kind = REC_REQUEST}, SEVERITY_INFO},
		{{.kind = REC_REQUEST, .is_refusal = true}, SEVERITY_WARNING},
		{{.kind = REC_REFUSED_CONNECTION}, SEVERITY_WARNING},
		{{.kind = REC_GAP}, SEVERITY_ERROR},
		{{.kind = REC_NOTICE, .json = BYTES("{\"problem\":\"behind\"}")}, SEVERITY_ERROR},
		{{.kind = REC_NOTICE, .json = BYTES("no json")}, SEVERITY_ERROR},
		{{.kind = REC_NOTICE, .json = BYTES("{\"agreement\":\"baa\"}")}, SEVERITY_WARNING},
		{{.kind = REC_NOTICE, .is_heartbeat = true}, SEVERITY_DEBUG},
		{{.kind = REC_POLICY_CHANGE}, SEVERITY_INFO},
		{{.kind = REC_LIMIT}, SEVERITY_INFO},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		CHECK_U64(message_severity(&cases[i].event), cases[i].severity);
}

static void kinds_have_their_names(void)
{
	struct sink_event e = exchange("{}");

	e.kind = REC_REFUSED_CONNECTION;
	check_message(&local0, &e,
		      "<132>1 2026-11-24T00:12:03.123456Z ward-3 aigw 4711 refused_connection "
		      "[aigw@32473 id=\"01K\"] " BOM "{}");
	e.kind = REC_NOTICE;
	e.is_heartbeat = true;
	check_message(&local0, &e,
		      "<135>1 2026-11-24T00:12:03.123456Z ward-3 aigw 4711 heartbeat "
		      "[aigw@32473 id=\"01K\"] " BOM "{}");
}

static void fields_of_the_header_are_printable_ascii(void)
{
	struct sink_event e = exchange("{}");
	struct message_style style = {.app_name = BYTES("a b\tc]")};

	e.host = BYTES("w\xc3\xa4rd 3\n<14>1\x7f");
	e.process = BYTES("1\0002\xff");
	check_message(&style, &e,
		      "<6>1 2026-11-24T00:12:03.123456Z w__rd_3_<14>1_ a_b_c] 1_2_ exchange "
		      "[aigw@32473 id=\"01K\"] " BOM "{}");
}

static void values_are_escaped(void)
{
	struct sink_event e = exchange("{}");

	e.model = BYTES("a\"b\\c]d\n\x01\x7f"
			"e\xc3\xb6\xff\xc3");
	check_message(&local0, &e,
		      HEADER "[aigw@32473 id=\"01K\" model=\"a\\\"b\\\\c\\]d???e\xc3\xb6"
			     "\xef\xbf\xbd\xef\xbf\xbd\"] " BOM "{}");
}

/* The length of a field of the header, or of a value of structured data, that began as n letters.
 */
static size_t found_length(struct sink_event e, const char *app_name, const char *before,
			   const char *behind)
{
	struct message_style style = {.app_name = bytes_str(app_name)};
	struct buf out = {0};

	CHECK_ERR(message_put(&out, &style, &e), OK);
	struct bytes rest = bytes_from(buf_view(&out),
				       bytes_find(buf_view(&out), bytes_str(before)));
	rest = bytes_from(rest, strlen(before));
	size_t n = bytes_find(rest, bytes_str(behind));
	buf_done(&out);
	return n;
}

static void everything_ends_at_its_limit(void)
{
	char text[300] = {0};
	struct bytes longest;

	memset(text, 'x', sizeof text - 1);
	longest = bytes_str(text);
	for (size_t more = 0; more < 2; more++) {
		struct sink_event e = {.host = {longest.at, MESSAGE_HOST_MAX + more}};
		CHECK_U64(found_length(e, "", "1 - ", " aigw"), MESSAGE_HOST_MAX);
		e = (struct sink_event){.process = {longest.at, MESSAGE_PROCID_MAX + more}};
		CHECK_U64(found_length(e, "", "aigw ", " - "), MESSAGE_PROCID_MAX);
		e = (struct sink_event){.model = {longest.at, MESSAGE_VALUE_MAX + more}};
		CHECK_U64(found_length(e, "", "model=\"", "\"]"), MESSAGE_VALUE_MAX);
	}
	CHECK_U64(found_length((struct sink_event){0}, text, "1 - - ", " - "),
		  MESSAGE_APP_NAME_MAX);
	/* a character that would be cut is left out: */
	memcpy(text + MESSAGE_VALUE_MAX - 1, "\xc3\xb6", 2);
	struct sink_event e = {.model = {longest.at, MESSAGE_VALUE_MAX + 1}};
	CHECK_U64(found_length(e, "", "model=\"", "\"]"), MESSAGE_VALUE_MAX - 1);
}

static void what_is_no_utf8_has_no_mark_of_it(void)
{
	struct sink_event e = exchange("{\"a\":\"\xff\"}");

	check_message(&local0, &e, HEADER "[aigw@32473 id=\"01K\"] {\"a\":\"\xff\"}");
	e = exchange(BOM "\xff"); /* nor one that it had */
	check_message(&local0, &e, HEADER "[aigw@32473 id=\"01K\"] \xff");
}

static void no_message_has_a_line_in_it(void)
{
	struct sink_event e = exchange("");

	e.json = BYTES("{}\n<8>1\r\0x");
	check_message(&local0, &e, HEADER "[aigw@32473 id=\"01K\"] " BOM "{} <8>1  x");
}

/* ---- messages that have to be short ---- */

#define LONG                                                                                       \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
#define SHORT_MEMBERS "\"id\":\"01K\",\"n\":12,\"ok\":true,\"cost\":null"
#define HTTP          ",\"http\":{\"status\":200,\"path\":\"/v1/chat/completions\"}"
#define REQUEST       ",\"request\":{\"body\":\"" LONG "\"}"
#define RESPONSE      ",\"response\":{\"body\":\"" LONG "\"}"
#define EXCHANGE      "{" SHORT_MEMBERS HTTP REQUEST RESPONSE "}"

static size_t length_of(const struct sink_event *e)
{
	struct buf out = {0};

	CHECK_ERR(message_put(&out, &local0, e), OK);
	size_t n = out.len;
	buf_done(&out);
	return n;
}

static void the_limit_is_that_of_the_whole_message(void)
{
	struct sink_event e = exchange(EXCHANGE);
	struct message_style style = {.facility = 16, .bytes_max = length_of(&e)};
	char expected[1024];

	snprintf(expected, sizeof expected, HEADER "[aigw@32473 id=\"01K\"] " BOM "%s", EXCHANGE);
	check_message(&style, &e, expected);
	style.bytes_max--;
	check_message(&style, &e,
		      HEADER "[aigw@32473 id=\"01K\" shortened=\"payload\"] " BOM
			     "{" SHORT_MEMBERS HTTP ",\"payload_omitted\":true}");
}

static void what_is_still_too_long_keeps_short_members_only(void)
{
	struct sink_event e = exchange(EXCHANGE);
	struct message_style style = {.facility = 16};
	struct buf out = {0};

	style.bytes_max = length_of(&e) - 1;
	CHECK_ERR(message_put(&out, &style, &e), OK);
	style.bytes_max = out.len - 1;
	buf_done(&out);
	check_message(&style, &e,
		      HEADER "[aigw@32473 id=\"01K\" shortened=\"members\"] " BOM "{" SHORT_MEMBERS
			     ",\"payload_omitted\":true,\"members_omitted\":true}");
}

static void the_least_is_the_id(void)
{
	static const char least[] = HEADER "[aigw@32473 id=\"01K\" shortened=\"json\"]";
	struct sink_event e = exchange(EXCHANGE);
	struct message_style style = {.facility = 16, .bytes_max = sizeof least - 1};
	struct buf out = {0};

	e.model = BYTES("not in it");
	check_message(&style, &e, least);
	style.bytes_max--;
	CHECK_ERR(buf_put_str(&out, "before"), OK);
	CHECK_ERR(message_put(&out, &style, &e), ERR_LIMIT);
	CHECK_BYTES(buf_view(&out), "before");
	buf_done(&out);
}

static void what_is_no_object_is_not_cut_either(void)
{
	static const char *const texts[] = {"[\"" LONG "\"]", "{\"a\":\"" LONG,
					    "\"" LONG "\"",   "{\"a\":\"" LONG "\"} x",
					    "{]}" LONG,       LONG};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct sink_event e = exchange(texts[i]);
		struct message_style style = {.facility = 16, .bytes_max = length_of(&e) - 1};
		check_message(&style, &e, HEADER "[aigw@32473 id=\"01K\" shortened=\"json\"]");
	}
}

static void an_object_may_be_empty_then(void)
{
	struct sink_event e = exchange("{\"request\":{\"body\":\"" LONG LONG "\"}}");
	struct message_style style = {.facility = 16, .bytes_max = length_of(&e) - 1};

	check_message(&style, &e,
		      HEADER "[aigw@32473 id=\"01K\" shortened=\"payload\"] " BOM
			     "{\"payload_omitted\":true}");
}

static void what_was_left_out_before_is_said_once(void)
{
	struct sink_event e = exchange("{\"a\":[\"" LONG "\"],\"b\":2,\"payload_omitted\":true}");
	struct message_style style = {.facility = 16, .bytes_max = length_of(&e) - 1};

	check_message(&style, &e,
		      HEADER "[aigw@32473 id=\"01K\" shortened=\"members\"] " BOM
			     "{\"b\":2,\"payload_omitted\":true,\"members_omitted\":true}");
}

static enum err put_with_failing_memory(void)
{
	struct message_style style = {.facility = 16, .bytes_max = 300};
	struct sink_event e = exchange(EXCHANGE);
	struct buf out = {0};
	enum err put = message_put(&out, &style, &e);

	if (put)
		CHECK_U64(out.len, 0);
	buf_done(&out);
	return put;
}

static void without_memory_there_is_no_half_message(void)
{
	tap_fail_each_allocation(put_with_failing_memory);
}

int main(void)
{
	RUN_TESTS(TEST(an_exchange_is_one_message), TEST(labels_are_structured_data),
		  TEST(what_is_not_known_is_a_dash), TEST(how_grave_it_is_goes_by_the_kind),
		  TEST(kinds_have_their_names), TEST(fields_of_the_header_are_printable_ascii),
		  TEST(values_are_escaped), TEST(everything_ends_at_its_limit),
		  TEST(what_is_no_utf8_has_no_mark_of_it), TEST(no_message_has_a_line_in_it),
		  TEST(the_limit_is_that_of_the_whole_message),
		  TEST(what_is_still_too_long_keeps_short_members_only), TEST(the_least_is_the_id),
		  TEST(what_is_no_object_is_not_cut_either), TEST(an_object_may_be_empty_then),
		  TEST(what_was_left_out_before_is_said_once),
		  TEST(without_memory_there_is_no_half_message));
}
