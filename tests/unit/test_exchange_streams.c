/* SPDX-License-Identifier: MIT
 *
 * The exchange with answers framed in other ways than server-sent events, with decompression bombs,
 * and with WebSockets. The rest of it: test_exchange.c.
 */
#include "llm/exchange.h"

#include <zlib.h>

#include "eventstream_kit.h"
#include "wire/coding.h"
#include "websocket_kit.h"

#define HEAD  "HTTP/1.1 200 OK\r\n"
#define USAGE "{\"id\":\"c-1\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}"

/* What was told of the one answer. */
struct talk {
	struct exchange *x;
	size_t count, parts;
	enum outcome outcome;
	enum coverage coverage;
	bool is_stream, has_end;
	struct answer answer;
	char problem[128];
	uint64_t body_bytes, asked_bytes;
	unsigned close_code;
	struct buf body, asked;
};

static void take_kept(struct talk *t)
{
	kit_put(&t->body, buf_view(&exchange_following(t->x)->piece));
	kit_put(&t->asked, buf_view(&exchange_following(t->x)->asked));
}

static void on_part(void *context, struct exchange *x)
{
	struct talk *t = context;

	CHECK(exchange_oldest(x) != NULL);
	t->parts++;
	take_kept(t);
}

static void on_answer(void *context, struct exchange *x, enum outcome outcome)
{
	struct talk *t = context;
	const struct following *f = exchange_following(x);

	t->count++;
	t->outcome = outcome;
	t->coverage = f->coverage;
	t->is_stream = f->is_stream;
	t->has_end = f->has_end;
	t->answer = f->answer;
	t->body_bytes = f->body_bytes;
	if (f->problem)
		strncpy(t->problem, f->problem, sizeof t->problem - 1);
	if (f->conversation) {
		t->asked_bytes = f->conversation->bytes[SPEAKER_PROGRAM];
		t->close_code = f->conversation->close_code;
	}
	take_kept(t);
}

static void talk_begin(struct talk *t)
{
	struct exchange_listener listener = {on_part, on_answer, t};

	memset(t, 0, sizeof *t);
	CHECK_ERR(exchange_new(&listener, &t->x), OK);
}

static void talk_end(struct talk *t)
{
	exchange_free(t->x);
	buf_done(&t->body);
	buf_done(&t->asked);
}

static void send_request(struct talk *t, bool websocket)
{
	struct sent sent = {.id = "A", .dialect = &dialect_openai, .websocket = websocket};

	CHECK_ERR(exchange_sent(t->x, &sent), OK);
}

static void feed(struct talk *t, struct bytes text, size_t step)
{
	for (size_t at = 0; at < text.len; at += step) {
		struct bytes piece = bytes_slice(text, at, step);
		uint8_t *copy = malloc(piece.len);
		memcpy(copy, piece.at, piece.len);
		exchange_feed_answer(t->x, bytes_of(copy, piece.len), 5);
		free(copy);
	}
}

/* An answer of that type, with these further fields, whole. */
static struct buf answer_of(const char *type, const char *fields, struct bytes body)
{
	struct buf b = {0};

	CHECK_ERR(buf_put_str(&b, HEAD "Content-Type: "), OK);
	CHECK_ERR(buf_put_str(&b, type), OK);
	CHECK_ERR(buf_put_str(&b, "\r\nContent-Length: "), OK);
	CHECK_ERR(buf_put_decimal(&b, body.len), OK);
	CHECK_ERR(buf_put_str(&b, "\r\n"), OK);
	CHECK_ERR(buf_put_str(&b, fields), OK);
	CHECK_ERR(buf_put_str(&b, "\r\n"), OK);
	kit_put(&b, body);
	return b;
}

/* ---- framings ---- */

struct expected {
	enum outcome outcome;
	enum coverage coverage;
	bool is_stream, usage, failed;
	const char *problem;
};

static void check_answer(const char *type, struct bytes body, const struct expected *expected)
{
	struct buf answer = answer_of(type, "", body);

	for (size_t step = 1; step <= answer.len; step += step < 24 ? 1 : 131) {
		struct talk t;
		talk_begin(&t);
		send_request(&t, false);
		feed(&t, buf_view(&answer), step);
		CHECK_U64(t.count, 1);
		if (t.outcome != expected->outcome || t.coverage != expected->coverage ||
		    t.is_stream != expected->is_stream || t.answer.has_usage != expected->usage ||
		    t.answer.failed != expected->failed)
			tap_fail(__FILE__, __LINE__, "%s in steps of %zu: %s, %s, %d %d %d", type,
				 step, outcome_name(t.outcome), coverage_name(t.coverage),
				 t.is_stream, t.answer.has_usage, t.answer.failed);
		CHECK_STR(t.problem, expected->problem ? expected->problem : "");
		if (expected->usage)
			CHECK_U64(t.answer.usage.tokens[USAGE_OUTPUT], 4);
		/* whatever it is: the record has the wire's bytes */
		CHECK(bytes_equal(buf_view(&t.body), body));
		talk_end(&t);
	}
	buf_done(&answer);
}

static const struct expected whole = {OUTCOME_COMPLETE, COVERAGE_FULL, false, true, false, NULL};
static const struct expected stream = {OUTCOME_COMPLETE, COVERAGE_FULL, true, true, false, NULL};

static void json_lines_are_read(void)
{
	static const struct expected empty = {
		OUTCOME_COMPLETE, COVERAGE_FULL, true, false, false, NULL};

	check_answer("application/x-ndjson", BYTES("{\"a\":1}\n" USAGE "\n"), &stream);
	check_answer("application/jsonl", BYTES("{\"a\":1}\r\n\r\n" USAGE), &stream);
	check_answer("application/stream+json; charset=utf-8", BYTES(USAGE "\nno JSON\n"), &stream);
	check_answer("application/x-ndjson", BYTES("\n"), &empty);
}

static void a_json_array_is_read_in_pieces_and_json_as_a_whole(void)
{
	static const struct expected cut = {
		OUTCOME_ABORTED_BY_PROVIDER, COVERAGE_FULL, true, true, false, NULL};
	static const struct expected bad = {OUTCOME_COMPLETE,
					    COVERAGE_TRUNCATED,
					    true,
					    true,
					    false,
					    "the answer's JSON array is malformed"};
	static const struct expected failed = {
		OUTCOME_COMPLETE, COVERAGE_FULL, true, true, true, NULL};

	check_answer("application/json", BYTES(USAGE), &whole);
	check_answer("application/json", BYTES(" \n\t" USAGE "\n"), &whole);
	check_answer("application/json", BYTES("[{\"a\":1},\n" USAGE "]\n"), &stream);
	check_answer("application/json", BYTES("  \r\n[" USAGE "]"), &stream);
	check_answer("application/json", BYTES("[" USAGE ","), &cut);
	check_answer("application/json", BYTES("[" USAGE "}"), &bad);
	check_answer("application/json", BYTES("[" USAGE ",{\"error\":{\"code\":429}}]"), &failed);
}

static void an_event_stream_is_read_and_its_failures_are_failures(void)
{
	static const struct expected failed = {
		OUTCOME_COMPLETE, COVERAGE_FULL, true, true, true, NULL};
	static const struct expected cut = {
		OUTCOME_ABORTED_BY_PROVIDER, COVERAGE_FULL, true, false, false, NULL};
	static const struct expected bad = {
		OUTCOME_COMPLETE,
		COVERAGE_TRUNCATED,
		true,
		false,
		false,
		"a message of the answer's event stream has a wrong checksum, or is malformed"};
	const char *type = "application/vnd.amazon.eventstream";
	struct buf body = {0};

	kit_put_event(&body, "event", ":event-type", "messageStart", BYTES("{}"));
	size_t first = body.len;
	kit_put_event(&body, "event", ":event-type", "metadata", BYTES(USAGE));
	check_answer(type, buf_view(&body), &stream);
	check_answer(type, bytes_slice(buf_view(&body), 0, body.len - 1), &cut);
	body.at[body.len - 10] ^= 1;
	check_answer(type, buf_view(&body), &bad);
	body.at[body.len - 10] ^= 1;
	kit_put_event(&body, "exception", ":exception-type", "modelStreamErrorException",
		      BYTES("{\"message\":\"no\"}"));
	check_answer(type, buf_view(&body), &failed);
	body.len = first;
	buf_done(&body);
}

/* A body that the connection's end completes: an array says itself that it is whole. */
static void an_array_until_close_ends_where_it_says(void)
{
	static const struct {
		struct bytes body;
		enum outcome outcome;
		bool has_end;
	} cases[] = {
		{BYTES(HEAD "Content-Type: application/json\r\n\r\n[" USAGE "]"), OUTCOME_COMPLETE,
		 true},
		{BYTES(HEAD "Content-Type: application/json\r\n\r\n[" USAGE),
		 OUTCOME_ABORTED_BY_PROVIDER, false},
	};

	for (size_t i = 0; i < 2; i++) {
		struct talk t;
		talk_begin(&t);
		send_request(&t, false);
		feed(&t, cases[i].body, 7);
		CHECK_U64(t.count, 0);
		exchange_end(t.x, OUTCOME_ABORTED_BY_PROVIDER, 6);
		CHECK(t.count == 1 && t.outcome == cases[i].outcome);
		CHECK(t.has_end == cases[i].has_end && t.answer.has_usage);
		talk_end(&t);
	}
}

static void each_answer_of_a_connection_has_its_own_framing(void)
{
	static const struct {
		const char *type;
		struct bytes body;
		bool is_stream;
	} answers[] = {
		{"application/json", BYTES("[" USAGE "]"), true},
		{"application/json", BYTES(USAGE), false},
		{"application/x-ndjson", BYTES(USAGE), true},
		{"text/event-stream", BYTES("data: " USAGE "\n\n"), true},
		{"text/plain", BYTES("[]"), false},
	};
	struct talk t;

	talk_begin(&t);
	for (size_t i = 0; i < 5; i++)
		send_request(&t, false);
	for (size_t i = 0; i < 5; i++) {
		struct buf answer = answer_of(answers[i].type, "", answers[i].body);
		feed(&t, buf_view(&answer), 5);
		CHECK_U64(t.count, i + 1);
		CHECK(t.is_stream == answers[i].is_stream && t.answer.has_usage == (i < 4));
		CHECK(t.coverage == COVERAGE_FULL && t.outcome == OUTCOME_COMPLETE);
		buf_done(&answer);
	}
	talk_end(&t);
}

/* ---- bombs ---- */

/* An event stream: comments up to `len` bytes, then the usage. */
static struct buf padded_stream(size_t len)
{
	struct buf b = {0};
	size_t end = sizeof("data: " USAGE "\n\n") - 1;

	CHECK_ERR(buf_reserve(&b, len), OK);
	while (b.len < len - end) {
		size_t line = len - end - b.len < 4096 ? len - end - b.len : 4096;
		memset(b.at + b.len, ':', line);
		b.len += line;
		b.at[b.len - 1] = '\n';
	}
	CHECK_ERR(buf_put_str(&b, "data: " USAGE "\n\n"), OK);
	return b;
}

static struct buf zipped(struct bytes text, int level)
{
	struct buf b = {0};
	z_stream z = {0};

	CHECK(deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	CHECK_ERR(buf_reserve(&b, deflateBound(&z, text.len)), OK);
	z.next_in = (uint8_t *)(uintptr_t)text.at;
	z.avail_in = (unsigned)text.len;
	z.next_out = b.at;
	z.avail_out = (unsigned)b.cap;
	CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
	b.len = z.total_out;
	deflateEnd(&z);
	return b;
}

/* However it expands, the wire's bytes are in the record, and the answer is told as complete. */
static void check_bomb(size_t len, bool is_read)
{
	struct buf plain = padded_stream(len), zip = zipped(buf_view(&plain), 1);
	struct buf answer = answer_of("text/event-stream", "Content-Encoding: gzip\r\n",
				      buf_view(&zip));
	struct talk t;

	talk_begin(&t);
	send_request(&t, false);
	feed(&t, buf_view(&answer), 16384);
	CHECK(t.count == 1 && t.outcome == OUTCOME_COMPLETE);
	CHECK(t.answer.has_usage == is_read);
	CHECK(t.coverage == (is_read ? COVERAGE_FULL : COVERAGE_TRUNCATED));
	CHECK_STR(t.problem,
		  is_read ? "" : "the answer's content coding expands to more than is read");
	CHECK(bytes_equal(buf_view(&t.body), buf_view(&zip)));
	/* the connection goes on */
	send_request(&t, false);
	feed(&t, BYTES(HEAD "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"), 9);
	CHECK(t.count == 2 && t.coverage == COVERAGE_FULL);
	talk_end(&t);
	buf_done(&answer);
	buf_done(&plain);
	buf_done(&zip);
}

static void a_bomb_ends_the_reading_and_nothing_else(void)
{
	check_bomb(CODING_OUTPUT_BYTES_MAX, true);
	check_bomb(CODING_OUTPUT_BYTES_MAX + 1, false);
}

/* More than a thousandfold, in a few bytes. */
static void a_steep_bomb_is_found_at_once(void)
{
	struct buf plain = kit_filled(BYTES("data: "), 40u << 20, BYTES("\n\n"));
	struct buf zip = zipped(buf_view(&plain), 9);
	struct buf answer = answer_of("text/event-stream", "Content-Encoding: gzip\r\n",
				      buf_view(&zip));
	struct talk t;

	talk_begin(&t);
	send_request(&t, false);
	feed(&t, buf_view(&answer), 100);
	CHECK(t.count == 1 && t.outcome == OUTCOME_COMPLETE && t.coverage == COVERAGE_TRUNCATED);
	CHECK(t.problem[0] && bytes_equal(buf_view(&t.body), buf_view(&zip)));
	talk_end(&t);
	buf_done(&answer);
	buf_done(&plain);
	buf_done(&zip);
}

/* ---- WebSocket ---- */

#define UPGRADED "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
#define DONE                                                                                       \
	"{\"type\":\"response.done\",\"response\":{\"usage\":{\"input_tokens\":3,"                 \
	"\"output_tokens\":4}}}"
#define ASK(fields)                                                                                \
	"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"       \
	"Sec-WebSocket-Version: 13\r\n" fields "\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static void only_a_plain_request_asks_for_a_websocket(void)
{
	static const struct {
		const char *request;
		bool asks;
	} cases[] = {
		{ASK("Upgrade: websocket\r\n" KEY), true},
		{ASK("upgrade: WebSocket\r\n" KEY), true},
		{ASK("Upgrade: websocket\r\n"), false}, /* without a key no server agrees */
		{ASK("Upgrade: websocket\r\n" KEY KEY), false},
		{ASK("Upgrade: h2c\r\n" KEY), false},
		{ASK("Upgrade: websocket, h2c\r\n" KEY), false},
		{ASK("Upgrade: websocket\r\nUpgrade: h2c\r\n" KEY), false},
		{ASK("Upgrade: websocket\r\nExpect: 100-continue\r\n" KEY), false},
		{ASK(KEY), false},
		{"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n" KEY "\r\n", false},
		{"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" KEY
		 "Content-Length: 0\r\n\r\n",
		 false},
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct talk t;
		size_t used;
		talk_begin(&t);
		(void)!exchange_feed_request(t.x, bytes_str(cases[i].request), &used);
		if (exchange_asks_websocket(t.x) != cases[i].asks)
			tap_fail(__FILE__, __LINE__, "%s", cases[i].request);
		talk_end(&t);
	}
}

/* Both sides in pieces of `step`. */
static void converse(struct talk *t, const char *fields, struct bytes program,
		     struct bytes provider, size_t step)
{
	struct buf head = {0};

	talk_begin(t);
	send_request(t, true);
	CHECK(!exchange_is_tunnel(t->x));
	CHECK_ERR(buf_put_str(&head, UPGRADED), OK);
	CHECK_ERR(buf_put_str(&head, fields), OK);
	CHECK_ERR(buf_put_str(&head, "\r\n"), OK);
	/* the first frame may come in one piece with the head */
	kit_put(&head, bytes_slice(provider, 0, 3));
	feed(t, buf_view(&head), step);
	CHECK(exchange_is_tunnel(t->x) && exchange_upgraded(t->x));
	for (size_t at = 0; at < program.len; at += step)
		exchange_feed_tunnel(t->x, bytes_slice(program, at, step), 6);
	feed(t, bytes_from(provider, 3), step);
	buf_done(&head);
}

static void a_conversation_is_recorded_in_every_split(void)
{
	struct buf program = {0}, provider = {0};

	kit_put_frame(&program, true, KIT_TEXT, BYTES("{\"type\":\"response.create\"}"));
	kit_put_frame(&program, true, KIT_PING, BYTES("x"));
	kit_put_close(&program, true, 1000);
	kit_put_frame(&provider, false, KIT_TEXT, BYTES("{\"type\":\"session.created\"}"));
	kit_put_frame(&provider, false, KIT_TEXT, BYTES(DONE));
	kit_put_frame(&provider, false, KIT_TEXT, BYTES(DONE));
	size_t before_close = provider.len;
	kit_put_close(&provider, false, 1000);
	for (size_t step = 1; step < 90; step++) {
		struct talk t;
		converse(&t, "", buf_view(&program),
			 bytes_slice(buf_view(&provider), 0, before_close), step);
		CHECK_U64(t.count, 0); /* only one side is done */
		/* but after the turns all was handed on */
		CHECK(t.parts >= 1 && exchange_following(t.x)->piece.len == 0);
		CHECK_U64(exchange_following(t.x)->asked.len, 0);
		CHECK_U64(exchange_awaited(t.x), 1);
		feed(&t, bytes_from(buf_view(&provider), before_close), step);
		CHECK_U64(t.count, 1);
		CHECK_U64(exchange_awaited(t.x), 0);
		CHECK(t.outcome == OUTCOME_COMPLETE && t.coverage == COVERAGE_FULL && t.is_stream);
		CHECK_U64(t.close_code, 1000);
		CHECK_U64(t.answer.usage.tokens[USAGE_INPUT], 6);
		CHECK_BYTES(buf_view(&t.asked), "{\"type\":\"response.create\"}\n");
		CHECK_BYTES(buf_view(&t.body),
			    "{\"type\":\"session.created\"}\n" DONE "\n" DONE "\n");
		CHECK_U64(t.body_bytes, provider.len);
		CHECK_U64(t.asked_bytes, program.len);
		/* the connection lives on for a moment, and is told of once */
		exchange_feed_tunnel(t.x, BYTES("more"), 7);
		feed(&t, BYTES("more"), 2);
		exchange_end(t.x, OUTCOME_ABORTED_BY_PROVIDER, 8);
		CHECK(t.count == 1 && exchange_is_tunnel(t.x));
		talk_end(&t);
	}
	buf_done(&program);
	buf_done(&provider);
}

static void a_conversation_ends_as_it_was_closed(void)
{
	static const struct {
		unsigned program, provider; /* codes; 0: says nothing */
		enum outcome who, told;
	} cases[] = {
		{0, 0, OUTCOME_ABORTED_BY_PROGRAM, OUTCOME_ABORTED_BY_PROGRAM},
		{0, 0, OUTCOME_ABORTED_BY_PROVIDER, OUTCOME_ABORTED_BY_PROVIDER},
		{1000, 0, OUTCOME_ABORTED_BY_PROVIDER, OUTCOME_COMPLETE},
		{0, 1001, OUTCOME_ABORTED_BY_PROGRAM, OUTCOME_COMPLETE},
		{0, 1008, OUTCOME_ABORTED_BY_PROGRAM, OUTCOME_ABORTED_BY_PROVIDER},
		{1011, 0, OUTCOME_ABORTED_BY_PROVIDER, OUTCOME_ABORTED_BY_PROGRAM},
		{1000, 1000, OUTCOME_ABORTED_BY_PROGRAM, OUTCOME_COMPLETE},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf program = {0}, provider = {0};
		struct talk t;
		kit_put_frame(&provider, false, KIT_TEXT, BYTES(DONE));
		if (cases[i].program)
			kit_put_close(&program, true, cases[i].program);
		if (cases[i].provider)
			kit_put_close(&provider, false, cases[i].provider);
		converse(&t, "", buf_view(&program), buf_view(&provider), 50);
		exchange_end(t.x, cases[i].who, 9);
		CHECK_U64(t.count, 1);
		CHECK(t.outcome == cases[i].told && t.answer.has_usage);
		talk_end(&t);
		buf_done(&program);
		buf_done(&provider);
	}
}

static void a_compressed_conversation_is_read(void)
{
	static const struct {
		const char *fields;
		enum coverage coverage;
		const char *said;
	} cases[] = {
		{"Sec-WebSocket-Extensions: permessage-deflate\r\n", COVERAGE_FULL,
		 "Hello\nHello\n"},
		{"Sec-WebSocket-Extensions: permessage-deflate;\r\n"
		 "sec-websocket-extensions:\r\n",
		 COVERAGE_FULL, "Hello\nHello\n"},
		/* the second message refers to a window that is said not to be kept */
		{"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n",
		 COVERAGE_TRUNCATED, "Hello\n"},
		{"Sec-WebSocket-Extensions: permessage-bzip2\r\n", COVERAGE_HEADERS_ONLY, ""},
		{"", COVERAGE_HEADERS_ONLY, ""}, /* not agreed on: no frame can be read */
	};
	struct bytes frames = BYTES(
		"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00");

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct talk t;
		converse(&t, cases[i].fields, BYTES_NONE, frames, 7);
		exchange_end(t.x, OUTCOME_ABORTED_BY_PROGRAM, 9);
		CHECK(t.count == 1 && t.coverage == cases[i].coverage);
		CHECK_BYTES(buf_view(&t.body), cases[i].said);
		CHECK((t.coverage == COVERAGE_FULL) == !t.problem[0]);
		talk_end(&t);
	}
}

static void a_long_conversation_is_told_in_parts(void)
{
	struct buf text = kit_filled(BYTES(""), EXCHANGE_PART_BYTES - 1, BYTES(""));
	struct buf program = {0}, provider = {0};
	struct talk t;

	kit_put_frame(&program, true, KIT_TEXT, BYTES("ask"));
	kit_put_frame(&program, true, KIT_TEXT, buf_view(&text));
	kit_put_frame(&provider, false, KIT_TEXT, buf_view(&text));
	kit_put_frame(&provider, false, KIT_TEXT, BYTES("end"));
	converse(&t, "", buf_view(&program), buf_view(&provider), 1000);
	/* the program's became full, then the provider's; what the other had went with it */
	CHECK_U64(t.parts, 2);
	CHECK_U64(exchange_following(t.x)->piece.len, 4);
	CHECK_U64(exchange_following(t.x)->asked.len, 0);
	exchange_end(t.x, OUTCOME_ABORTED_BY_PROGRAM, 9);
	CHECK_U64(t.asked.len, 4 + EXCHANGE_PART_BYTES);
	CHECK_U64(t.body.len, EXCHANGE_PART_BYTES + 4);
	CHECK(bytes_ends(buf_view(&t.body), BYTES("x\nend\n")));
	talk_end(&t);
	buf_done(&text);
	buf_done(&program);
	buf_done(&provider);
}

/* Not asked for, not agreed to, or agreed to something else. */
static void other_answers_make_no_tunnel(void)
{
	static const struct {
		bool websocket;
		const char *answer;
		enum coverage coverage;
	} cases[] = {
		{false, UPGRADED "\r\n\x81\x05hello", COVERAGE_HEADERS_ONLY},
		{true,
		 "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		 COVERAGE_HEADERS_ONLY},
		{true, "HTTP/1.1 101 Switching Protocols\r\n\r\n", COVERAGE_HEADERS_ONLY},
		{true, HEAD "Content-Length: 2\r\n\r\nno", COVERAGE_FULL},
		{true, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", COVERAGE_FULL},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct talk t;
		talk_begin(&t);
		send_request(&t, cases[i].websocket);
		feed(&t, bytes_str(cases[i].answer), 11);
		CHECK(t.count == 1 && !exchange_is_tunnel(t.x));
		CHECK(t.outcome == OUTCOME_COMPLETE && t.coverage == cases[i].coverage);
		talk_end(&t);
	}
}

static struct buf hard_provider;

static enum err converse_with_failures(void)
{
	struct talk t = {0};
	struct exchange_listener listener = {on_part, on_answer, &t};
	struct sent sent = {.id = "A", .dialect = &dialect_openai, .websocket = true};
	enum err e = exchange_new(&listener, &t.x);

	if (e)
		return e;
	/* the listener's own buffers do not count */
	if (buf_reserve(&t.body, 4096) || buf_reserve(&t.asked, 4096)) {
		talk_end(&t);
		return ERR_NOMEM;
	}
	CHECK_ERR(exchange_sent(t.x, &sent), OK);
	exchange_feed_answer(t.x, buf_view(&hard_provider), 5);
	CHECK(exchange_is_tunnel(t.x) || t.count == 0);
	exchange_feed_tunnel(t.x, BYTES("\x81\x82\0\0\0\0hi"), 6);
	exchange_end(t.x, OUTCOME_ABORTED_BY_PROVIDER, 7);
	CHECK_U64(t.count, 1);
	bool is_whole = t.coverage == COVERAGE_FULL && t.answer.has_usage && t.asked.len == 3;
	CHECK(is_whole || t.coverage != COVERAGE_FULL);
	talk_end(&t);
	return is_whole ? OK : ERR_NOMEM;
}

static void a_failed_allocation_costs_coverage_only(void)
{
	CHECK_ERR(buf_put_str(&hard_provider,
			      UPGRADED "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
		  OK);
	kit_put(&hard_provider, BYTES("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"));
	kit_put_frame(&hard_provider, false, KIT_TEXT, BYTES(DONE));
	tap_fail_each_allocation(converse_with_failures);
	buf_done(&hard_provider);
}

int main(void)
{
	RUN_TESTS(
		TEST(json_lines_are_read), TEST(a_json_array_is_read_in_pieces_and_json_as_a_whole),
		TEST(an_event_stream_is_read_and_its_failures_are_failures),
		TEST(an_array_until_close_ends_where_it_says),
		TEST(each_answer_of_a_connection_has_its_own_framing),
		TEST(a_bomb_ends_the_reading_and_nothing_else), TEST(a_steep_bomb_is_found_at_once),
		TEST(only_a_plain_request_asks_for_a_websocket),
		TEST(a_conversation_is_recorded_in_every_split),
		TEST(a_conversation_ends_as_it_was_closed), TEST(a_compressed_conversation_is_read),
		TEST(a_long_conversation_is_told_in_parts), TEST(other_answers_make_no_tunnel),
		TEST(a_failed_allocation_costs_coverage_only));
}
