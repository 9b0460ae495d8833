/* SPDX-License-Identifier: MIT */
#include "llm/framing.h"

#include "eventstream_kit.h"

static void a_media_type_names_a_framing(void)
{
	static const struct {
		const char *type;
		enum framing_kind kind;
	} cases[] = {
		{"text/event-stream", FRAMING_SSE},
		{"Text/Event-Stream; charset=utf-8", FRAMING_SSE},
		{"application/json", FRAMING_JSON},
		{"application/json;charset=UTF-8", FRAMING_JSON},
		{"application/x-ndjson", FRAMING_NDJSON},
		{"application/ndjson", FRAMING_NDJSON},
		{"application/jsonl", FRAMING_NDJSON},
		{"application/stream+json", FRAMING_NDJSON},
		{" application/vnd.amazon.eventstream ", FRAMING_EVENTSTREAM},
		{"application/jsonp", FRAMING_NONE},
		{"text/plain", FRAMING_NONE},
		{"audio/mpeg", FRAMING_NONE},
		{"", FRAMING_NONE},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (framing_of(tap_guarded(bytes_str(cases[i].type))) != cases[i].kind)
			tap_fail(__FILE__, __LINE__, "\"%s\"", cases[i].type);
}

static void json_is_an_array_or_a_whole_by_its_first_byte(void)
{
	static const struct {
		const char *text;
		bool settled;
		enum framing_kind kind;
	} cases[] = {
		{"", false, FRAMING_JSON},       {" \t\r\n", false, FRAMING_JSON},
		{"[", true, FRAMING_JSON_ARRAY}, {"\n [1", true, FRAMING_JSON_ARRAY},
		{"{}", true, FRAMING_WHOLE},     {" {[", true, FRAMING_WHOLE},
		{"x[", true, FRAMING_WHOLE},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct framing f;
		framing_init(&f, FRAMING_JSON);
		CHECK(!framing_is_stream(&f));
		CHECK(framing_settle(&f, bytes_str(cases[i].text)) == cases[i].settled);
		CHECK(f.kind == cases[i].kind);
		CHECK(framing_is_stream(&f) == (cases[i].kind == FRAMING_JSON_ARRAY));
		framing_done(&f);
	}
	struct framing sse;
	framing_init(&sse, FRAMING_SSE);
	CHECK(framing_settle(&sse, BYTES_NONE) && framing_is_stream(&sse));
	framing_done(&sse);
}

/* "name|data;", "!" in front of a failure; behind the last one how it ended. */
static void follow(enum framing_kind kind, struct bytes body, size_t step, struct buf *ret_items)
{
	struct framing f;
	struct framing_event event;
	enum err e = ERR_MORE;

	framing_init(&f, kind);
	for (size_t at = 0; at < body.len && e == ERR_MORE; at += step) {
		struct bytes in = bytes_slice(body, at, step);
		while (!(e = framing_next(&f, &in, &event))) {
			kit_put(ret_items, event.failed ? BYTES("!") : BYTES(""));
			kit_put(ret_items, event.event.name);
			kit_put(ret_items, BYTES("|"));
			kit_put_item(ret_items, event.event.data);
		}
	}
	if (e == ERR_MORE)
		while (!(e = framing_end(&f, &event))) {
			kit_put(ret_items, BYTES("|"));
			kit_put_item(ret_items, event.event.data);
		}
	kit_put(ret_items, bytes_str(e == ERR_END    ? "end"
				     : e == ERR_MORE ? "cut"
						     : framing_problem(&f, e)));
	kit_put(ret_items, framing_has_ended(&f) ? BYTES("!") : BYTES(""));
	framing_done(&f);
}

static void check(enum framing_kind kind, struct bytes body, const char *items)
{
	for (size_t step = 1; step <= body.len; step++) {
		struct buf found = {0};
		follow(kind, body, step, &found);
		CHECK_BYTES(buf_view(&found), items);
		buf_done(&found);
	}
}

static void every_framing_gives_events(void)
{
	struct buf stream = {0};

	check(FRAMING_SSE, BYTES("event: a\ndata: {}\n\ndata: x\n\n"), "a|{};|x;end");
	check(FRAMING_SSE, BYTES("data: {}\n\ndata: x"),
	      "|{};end"); /* not given out, as SSE says */
	check(FRAMING_NDJSON, BYTES("{\"a\":1}\n{\"b\":2}\n"), "|{\"a\":1};|{\"b\":2};end");
	check(FRAMING_NDJSON, BYTES("{\"a\":1}\r\n{\"b\":2}"), "|{\"a\":1};|{\"b\":2};end");
	check(FRAMING_JSON_ARRAY, BYTES("[{\"a\":1},\n2]\n"), "|{\"a\":1};|2;end!");
	check(FRAMING_JSON_ARRAY, BYTES("[{\"a\":1},"), "|{\"a\":1};cut");
	check(FRAMING_JSON_ARRAY, BYTES("[1]]"), "|1;the answer's JSON array is malformed");
	kit_put_event(&stream, "event", ":event-type", "chunk", BYTES("{}"));
	kit_put_event(&stream, "exception", ":exception-type", "throttlingException",
		      BYTES("{\"message\":\"slow\"}"));
	kit_put_event(&stream, "error", ":error-code", "InternalError", BYTES(""));
	check(FRAMING_EVENTSTREAM, buf_view(&stream),
	      "chunk|{};!throttlingException|{\"message\":\"slow\"};!|;end");
	check(FRAMING_EVENTSTREAM, bytes_slice(buf_view(&stream), 0, stream.len - 1),
	      "chunk|{};!throttlingException|{\"message\":\"slow\"};cut");
	stream.at[stream.len - 1] ^= 1;
	check(FRAMING_EVENTSTREAM, buf_view(&stream),
	      "chunk|{};!throttlingException|{\"message\":\"slow\"};a message of the answer's "
	      "event "
	      "stream has a wrong checksum, or is malformed");
	buf_done(&stream);
}

static void what_is_no_stream_has_no_events(void)
{
	struct framing f;
	struct framing_event event;
	struct bytes in = BYTES("{}");

	framing_init(&f, FRAMING_WHOLE);
	CHECK_ERR(framing_next(&f, &in, &event), ERR_STATE);
	CHECK_ERR(framing_end(&f, &event), ERR_END);
	CHECK(!framing_has_ended(&f));
	framing_done(&f);
}

int main(void)
{
	RUN_TESTS(TEST(a_media_type_names_a_framing),
		  TEST(json_is_an_array_or_a_whole_by_its_first_byte),
		  TEST(every_framing_gives_events), TEST(what_is_no_stream_has_no_events));
}
