/* SPDX-License-Identifier: MIT
 *
 * The question for token counts: which requests get it and how they look then; and the answer
 * without the event that was asked for, in any split of its bytes.
 */
#include "llm/usage_ask.h"

#include <stdlib.h>

#include "tap.h"

/* ---- the question ---- */

static enum err ask(const char *request, struct buf *out)
{
	static struct http1_request q;
	size_t used;
	enum err e;

	http1_request_init(&q, 1u << 20);
	e = http1_request_feed(&q, tap_guarded(bytes_str(request)), &used);
	CHECK(e == OK || e == ERR_NOMEM);
	if (!e)
		e = usage_ask_splice(&q, http1_request_body(&q), out);
	http1_request_done(&q);
	return e;
}

/* A request with that body and those further fields. */
static const char *request_with(const char *fields, const char *body)
{
	static char text[4000];

	snprintf(text, sizeof text,
		 "POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n%s\r\n%s",
		 strlen(body), fields, body);
	return text;
}

static void check_asked(const char *fields, const char *body, const char *fields_after,
			const char *body_after)
{
	struct buf out = {0};

	CHECK_ERR(ask(request_with(fields, body), &out), OK);
	CHECK_BYTES(buf_view(&out), request_with(fields_after, body_after));
	buf_done(&out);
}

static void the_question_is_spliced_in_and_the_length_made_right(void)
{
	check_asked(
		"", "{\"model\":\"m\",\"stream\":true}", "",
		"{\"stream_options\":{\"include_usage\":true},\"model\":\"m\",\"stream\":true}");
	check_asked("", " { \"stream\" : true }\n", "",
		    " {\"stream_options\":{\"include_usage\":true}, \"stream\" : true }\n");
	check_asked("", "{\"stream\":true,\"stream_options\":{}}", "",
		    "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
	check_asked("", "{\"stream_options\":{ \"include_obfuscation\":false},\"stream\":true}", "",
		    "{\"stream_options\":{\"include_usage\":true, "
		    "\"include_obfuscation\":false},\"stream\":true}");
	/* deeper ones of the same name are none of ours */
	check_asked("", "{\"x\":{\"stream\":false,\"stream_options\":1},\"stream\":true}", "",
		    "{\"stream_options\":{\"include_usage\":true},\"x\":{\"stream\":false,"
		    "\"stream_options\":1},\"stream\":true}");
}

static void no_coding_is_offered_that_could_not_be_read(void)
{
	check_asked("ACCEPT-encoding:  gzip, br \r\nX: y\r\n", "{\"stream\":true,\"a\":1}",
		    "ACCEPT-encoding:  identity\r\nX: y\r\n",
		    "{\"stream_options\":{\"include_usage\":true},\"stream\":true,\"a\":1}");
	check_asked("Accept-Encoding: identity\r\n", "{\"stream\":true}",
		    "Accept-Encoding: identity\r\n",
		    "{\"stream_options\":{\"include_usage\":true},\"stream\":true}");
}

static void a_chunked_request_stays_one(void)
{
	struct buf out = {0};

	CHECK_ERR(ask("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		      "6\r\n{\"stre\r\n9;x=y\r\nam\":true}\r\n0\r\n\r\n",
		      &out),
		  OK);
	CHECK_BYTES(buf_view(&out),
		    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "37\r\n{\"stream_options\":{\"include_usage\":true},\"stream\":true}\r\n"
		    "0\r\n\r\n");
	buf_done(&out);
}

static void what_must_not_be_asked_is_not(void)
{
	static const char *const bodies[] = {
		"{\"model\":\"m\"}",
		"{\"stream\":false}",
		"{\"stream\":null}",
		"{\"stream\":true,\"stream\":true}",
		"{\"stream\":true,\"stream_options\":{\"include_usage\":false}}",
		"{\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
		"{\"stream\":true,\"stream_options\":{\"include_usage\":null}}",
		"{\"stream\":true,\"stream_options\":{\"include_\\u0075sage\":false}}",
		"{\"stream\":true,\"stream_options\":null}",
		"{\"stream\":true,\"stream_options\":{},\"stream_options\":{}}",
		"[{\"stream\":true}]",
		"{\"stream\":true}x",
		"{\"stream\":true",
		"",
	};
	static const char *const fields[] = {
		"Content-Encoding: gzip\r\n",      "Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==\r\n",
		"Content-Digest: sha-256=:x:\r\n", "Signature: x\r\n",
		"Expect: 100-continue\r\n",
	};
	struct buf out = {0};

	CHECK_ERR(buf_put_str(&out, "before"), OK);
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
		if (ask(request_with("", bodies[i]), &out) != ERR_UNSUPPORTED)
			tap_fail(__FILE__, __LINE__, "asked: %s", bodies[i]);
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (ask(request_with(fields[i], "{\"stream\":true}"), &out) != ERR_UNSUPPORTED)
			tap_fail(__FILE__, __LINE__, "asked: %s", fields[i]);
	CHECK_BYTES(buf_view(&out), "before");
	buf_done(&out);
}

static enum err ask_once(void)
{
	struct buf out = {0};
	enum err e = ask(request_with("Accept-Encoding: gzip\r\n", "{\"stream\":true}"), &out);

	CHECK(e == OK || out.len == 0);
	buf_done(&out);
	return e;
}

static void only_known_providers_are_asked(void)
{
	struct provider own = catalogue[0];

	CHECK(usage_ask_is_accepted(catalogue_find(BYTES("openai"))));
	CHECK(!usage_ask_is_accepted(catalogue_find(BYTES("anthropic"))));
	memcpy(own.name, "ward", sizeof "ward");
	CHECK(!usage_ask_is_accepted(&own));
	memcpy(own.name, "openai", sizeof "openai");
	own.dialect = DIALECT_anthropic;
	CHECK(!usage_ask_is_accepted(&own));
}

/* ---- the answer ---- */

#define EVENT_1 "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n"
#define EVENT_2 "data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":null}\n\n"
#define USAGE   "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n"
#define DONE    "data: [DONE]\n\n"
#define HEAD    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define NEXT    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* The body of the first response in `text`, its framing taken off; *ret_rest is behind it. */
struct decoded {
	struct buf body;
	bool ended;
};

static enum err decoded_head(void *context, const struct http1_response *r)
{
	return OK;
}

static enum err decoded_body(void *context, struct bytes piece)
{
	return buf_put(&((struct decoded *)context)->body, piece);
}

static enum err decoded_end(void *context, const struct http1_response *r)
{
	((struct decoded *)context)->ended = r->status >= 200;
	return r->status >= 200 ? ERR_END : OK;
}

static bool decoded_bodiless(void *context)
{
	return false;
}

static struct decoded decode(struct bytes text, struct bytes *ret_rest)
{
	struct decoded d = {0};
	struct http1_response r;
	const struct http1_listener listener = {decoded_head, decoded_body, decoded_end,
						decoded_bodiless, &d};

	http1_response_init(&r, &listener);
	(void)!http1_response_feed(&r, text);
	*ret_rest = bytes_from(text, text.len - (r.broken ? r.unread_bytes : 0));
	http1_response_done(&r);
	return d;
}

/* Feeds `answer` in pieces of `piece` bytes. */
static void drop(struct bytes answer, size_t piece, bool end, struct buf *out)
{
	static struct usage_drop d;

	usage_drop_begin(&d);
	for (size_t at = 0; at < answer.len; at += piece)
		CHECK_ERR(usage_drop_feed(&d, bytes_slice(answer, at, piece), out), OK);
	if (end)
		CHECK_ERR(usage_drop_end(&d, out), OK);
	usage_drop_done(&d);
}

/* The decoded body is `body` in any split; what follows the answer is untouched. */
static void check_drop(const char *answer, const char *body, const char *rest)
{
	struct bytes text = tap_guarded(bytes_str(answer)), got_rest;

	for (size_t piece = 1; piece <= text.len; piece++) {
		struct buf out = {0};
		drop(text, piece, false, &out);
		struct decoded d = decode(buf_view(&out), &got_rest);
		if (!bytes_equal(buf_view(&d.body), bytes_str(body)) || !d.ended ||
		    !bytes_equal(got_rest, bytes_str(rest)))
			tap_fail(__FILE__, __LINE__, "in pieces of %zu: %.*s", piece, (int)out.len,
				 (const char *)out.at);
		buf_done(&d.body);
		buf_done(&out);
	}
}

/* Every split gives exactly these bytes. */
static void check_same(const char *answer, const char *expected)
{
	struct bytes text = tap_guarded(bytes_str(answer));

	for (size_t piece = 1; piece <= text.len; piece++) {
		struct buf out = {0};
		drop(text, piece, true, &out);
		CHECK_BYTES(buf_view(&out), expected);
		buf_done(&out);
	}
}

/* `body` as chunks of `size` bytes, with head and end. */
static char *chunked(const char *body, size_t size)
{
	static char text[8000];
	size_t len = strlen(body);

	snprintf(text, sizeof text, "%s", CHUNKED);
	for (size_t at = 0; at < len; at += size) {
		size_t n = len - at < size ? len - at : size;
		snprintf(text + strlen(text), sizeof text - strlen(text), "%zX\r\n%.*s\r\n", n,
			 (int)n, body + at);
	}
	snprintf(text + strlen(text), sizeof text - strlen(text), "0\r\n\r\n");
	return text;
}

static void the_event_is_taken_out_of_chunks_of_any_size(void)
{
	static const size_t sizes[] = {1, 2, 7, 60, 61, 64, 100, 1000};

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		check_drop(chunked(EVENT_1 EVENT_2 USAGE DONE, sizes[i]), EVENT_1 EVENT_2 DONE, "");
}

static void the_next_answer_on_the_connection_is_untouched(void)
{
	char text[8000];

	snprintf(text, sizeof text, "%s%s", chunked(EVENT_1 USAGE DONE, 40), NEXT);
	check_drop(text, EVENT_1 DONE, NEXT);
}

static void interim_answers_pass(void)
{
	char text[8000];

	snprintf(text, sizeof text, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n%s",
		 chunked(EVENT_1 USAGE DONE, 40));
	check_drop(text, EVENT_1 DONE, "");
}

static void line_ends_of_every_kind_end_events(void)
{
	check_drop(chunked("data: 1\r\n\r\ndata: {\"usage\":{},\r\ndata: \"choices\": [ "
			   "]}\r\n\r\n" DONE,
			   9),
		   "data: 1\r\n\r\n" DONE, "");
	check_drop(chunked("data: 1\r\rdata: {\"usage\":{},\"choices\":[]}\r\rdata: 2\r\r", 9),
		   "data: 1\r\rdata: 2\r\r", "");
	check_drop(
		chunked(": c\n\n\n\nevent: x\nid: 7\ndata:{\"usage\":{},\"choices\":[\t]}\n\n", 9),
		": c\n\n\n\n", "");
}

static void events_that_only_resemble_it_stay(void)
{
	static const char body[] = "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n"
				   "data: {\"choices\":[],\"usage\":null}\n\n"
				   "data: {\"choices\":[1],\"usage\":{}}\n\n"
				   "data: {\"usage\":{}}\n\n"
				   "data: {\"choices\":[],\"usage\":{}}x\n\n"
				   "data: {\"choices\":{},\"usage\":{}}\n\n";

	check_drop(chunked(body, 30), body, "");
	/* the first is taken out; nobody asked for two */
	check_drop(chunked(USAGE USAGE, 30), USAGE, "");
}

static void a_body_until_the_end_of_the_connection_is_shortened(void)
{
	check_same(HEAD "\r\n" EVENT_1 USAGE DONE, HEAD "\r\n" EVENT_1 DONE);
	check_same(HEAD "\r\n" EVENT_1 "data: {\"choi", HEAD "\r\n" EVENT_1 "data: {\"choi");
}

static void a_promised_length_is_kept_by_a_comment(void)
{
	char text[600], expected[600];
	int len = (int)strlen(USAGE) - 2; /* without its line ends */

	snprintf(text, sizeof text, HEAD "Content-Length: %zu\r\n\r\n" USAGE DONE "123",
		 strlen(USAGE DONE));
	snprintf(expected, sizeof expected, HEAD "Content-Length: %zu\r\n\r\n:%*s\n\n" DONE "123",
		 strlen(USAGE DONE), len - 1, "");
	check_same(text, expected);
}

static void what_is_held_comes_out_when_the_connection_ends(void)
{
	char text[400];
	struct bytes rest;
	struct buf out = {0};

	snprintf(text, sizeof text, CHUNKED "%zx\r\n" EVENT_1 "data: {", strlen(EVENT_1) + 100);
	drop(bytes_str(text), 5, true, &out);
	struct decoded d = decode(buf_view(&out), &rest);
	CHECK_BYTES(buf_view(&d.body), EVENT_1 "data: {");
	CHECK(!d.ended);
	buf_done(&d.body);
	buf_done(&out);
}

static void answers_that_cannot_or_need_not_be_changed_pass_as_they_are(void)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 429 Too Many\r\nContent-Type: text/event-stream\r\n"
		"Content-Length: 49\r\n\r\n" USAGE,
		HEAD "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\x1f\x8b\x08"
		     "\r\n0\r\n\r\n",
		HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		HEAD "Trailer: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nwhatever",
		"garbage\nmore\n" USAGE,
		NEXT NEXT,
	};

	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
		check_same(answers[i], answers[i]);
}

static void an_event_that_is_too_long_is_not_held(void)
{
	struct usage_drop d = {0};
	struct buf out = {0}, event = {0};

	usage_drop_begin(&d);
	CHECK_ERR(usage_drop_feed(&d, BYTES(HEAD "\r\n"), &out), OK);
	buf_reset(&out);
	CHECK_ERR(buf_put_str(&event, "data: "), OK);
	while (event.len < USAGE_HELD_BYTES_MAX - 1)
		CHECK_ERR(buf_put_u8(&event, 'x'), OK);
	CHECK_ERR(usage_drop_feed(&d, buf_view(&event), &out), OK);
	CHECK_U64(out.len, 0);
	CHECK_ERR(usage_drop_feed(&d, BYTES("y"), &out), OK);
	CHECK_U64(out.len, USAGE_HELD_BYTES_MAX);
	CHECK_ERR(usage_drop_feed(&d, BYTES("z"), &out), OK);
	CHECK_U64(out.len, USAGE_HELD_BYTES_MAX + 1);
	/* still the same event, so this line of it is not taken for ours */
	CHECK_ERR(usage_drop_feed(&d, BYTES("\r\n" USAGE), &out), OK);
	CHECK(bytes_ends(buf_view(&out), BYTES("z\r\n" USAGE)));
	CHECK_ERR(usage_drop_feed(&d, BYTES(USAGE "x"), &out), OK);
	CHECK(bytes_ends(buf_view(&out), BYTES(USAGE)));
	CHECK(d.dropped && d.event.len == 1);
	usage_drop_done(&d);
	buf_done(&event);
	buf_done(&out);
}

static enum err drop_once(void)
{
	static struct usage_drop d;
	struct buf out = {0};
	enum err e;

	usage_drop_begin(&d);
	e = usage_drop_feed(&d, bytes_str(chunked(EVENT_1 USAGE DONE, 50)), &out);
	usage_drop_done(&d);
	buf_done(&out);
	return e;
}

static void each_failing_allocation_is_reported(void)
{
	tap_fail_each_allocation(ask_once);
	tap_fail_each_allocation(drop_once);
}

int main(void)
{
	RUN_TESTS(TEST(the_question_is_spliced_in_and_the_length_made_right),
		  TEST(no_coding_is_offered_that_could_not_be_read),
		  TEST(a_chunked_request_stays_one), TEST(what_must_not_be_asked_is_not),
		  TEST(only_known_providers_are_asked),
		  TEST(the_event_is_taken_out_of_chunks_of_any_size),
		  TEST(the_next_answer_on_the_connection_is_untouched), TEST(interim_answers_pass),
		  TEST(line_ends_of_every_kind_end_events), TEST(events_that_only_resemble_it_stay),
		  TEST(a_body_until_the_end_of_the_connection_is_shortened),
		  TEST(a_promised_length_is_kept_by_a_comment),
		  TEST(what_is_held_comes_out_when_the_connection_ends),
		  TEST(answers_that_cannot_or_need_not_be_changed_pass_as_they_are),
		  TEST(an_event_that_is_too_long_is_not_held),
		  TEST(each_failing_allocation_is_reported));
}
