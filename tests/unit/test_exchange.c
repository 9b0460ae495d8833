/* SPDX-License-Identifier: MIT */
#include "llm/exchange.h"

#include <stdlib.h>
#include <zlib.h>

#include "tap.h"

#define HEAD   "HTTP/1.1 200 OK\r\n"
#define JSON   "Content-Type: application/json\r\n"
#define EVENTS "Content-Type: text/event-stream; charset=utf-8\r\n"
#define BODY                                                                                       \
	"{\"id\":\"chatcmpl-1\",\"model\":\"gpt-4o-2024\",\"choices\":[{\"index\":0,"              \
	"\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}"
#define STREAM                                                                                     \
	"data: {\"id\":\"chatcmpl-2\",\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{"  \
	"\"content\":\"hi\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},"                 \
	"\"finish_reason\":\"length\"}]}\n\ndata: {\"choices\":[],\"usage\":{"                     \
	"\"prompt_tokens\":5,\"completion_tokens\":6}}\n\n"
#define STREAM_END   "data: [DONE]\n\n"
#define TELLINGS_MAX 40

/* What was told of one answer. */
struct telling {
	char id[EXCHANGE_ID_CHARS + 1];
	enum outcome outcome;
	enum coverage coverage;
	int status;
	bool has_head, is_stream, cut_by_close;
	struct answer answer;
	uint64_t body_bytes, first_byte_ns, now_ns;
	size_t parts;
};

/* The program and the provider at the ends of one exchange. */
struct talk {
	struct exchange *x;
	struct telling told[TELLINGS_MAX];
	size_t count, parts;
	struct buf body; /* parts and rest of the last answer told */
	struct buf body_under_way;
	bool part_is_full;
	bool is_quiet; /* keeps no bodies: for failing allocations */
};

static void on_part(void *context, struct exchange *x)
{
	struct talk *t = context;
	const struct following *f = exchange_following(x);

	CHECK(exchange_oldest(x) != NULL);
	CHECK_U64(f->piece.len, EXCHANGE_PART_BYTES);
	t->parts++;
	if (!t->is_quiet)
		CHECK_ERR(buf_put(&t->body_under_way, buf_view(&f->piece)), OK);
}

static void on_answer(void *context, struct exchange *x, enum outcome outcome)
{
	struct talk *t = context;
	const struct following *f = exchange_following(x);
	struct telling *told = &t->told[t->count++];

	CHECK(t->count < TELLINGS_MAX && f->piece.len < EXCHANGE_PART_BYTES);
	*told = (struct telling){
		.outcome = outcome,
		.coverage = f->coverage,
		.status = f->status,
		.has_head = f->has_head,
		.is_stream = f->is_stream,
		.cut_by_close = f->cut_by_close,
		.answer = f->answer,
		.body_bytes = f->body_bytes,
		.first_byte_ns = f->first_byte_ns,
		.now_ns = exchange_now_ns(x),
		.parts = t->parts,
	};
	memcpy(told->id, exchange_oldest(x)->id, sizeof told->id);
	t->parts = 0;
	if (t->is_quiet)
		return;
	CHECK_ERR(buf_put(&t->body_under_way, buf_view(&f->piece)), OK);
	CHECK_U64(t->body_under_way.len, f->body_bytes);
	buf_reset(&t->body);
	CHECK_ERR(buf_put(&t->body, buf_view(&t->body_under_way)), OK);
	buf_reset(&t->body_under_way);
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
	buf_done(&t->body_under_way);
}

/* The program's bytes up to the end of a request. */
static enum err ask(struct talk *t, struct bytes text)
{
	size_t used;
	enum err e = exchange_feed_request(t->x, text, &used);

	CHECK(e || used == text.len);
	return e;
}

static enum err send_as(struct talk *t, const char *id, const struct dialect *dialect, bool head)
{
	struct sent sent = {.dialect = dialect, .operation = OP_CHAT, .head = head};

	memcpy(sent.id, id, strlen(id));
	return exchange_sent(t->x, &sent);
}

static void ask_and_send(struct talk *t, const char *id)
{
	CHECK_ERR(ask(t, BYTES("POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
			       "Content-Length: 2\r\n\r\n{}")),
		  OK);
	CHECK_ERR(send_as(t, id, &dialect_openai, false), OK);
	exchange_next_request(t->x);
}

/* The provider's bytes in pieces of `step`, each gone afterwards; the clock is at `now_ns`. */
static void reply(struct talk *t, struct bytes text, size_t step, uint64_t now_ns)
{
	for (size_t at = 0; at < text.len; at += step) {
		struct bytes piece = bytes_slice(text, at, step);
		uint8_t *copy = malloc(piece.len);
		memcpy(copy, piece.at, piece.len);
		exchange_feed_answer(t->x, bytes_of(copy, piece.len), now_ns);
		free(copy);
	}
}

static struct buf zipped(struct bytes text)
{
	struct buf b = {0};
	z_stream z = {0};

	CHECK(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
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

/* An answer with Content-Length. */
static struct buf answer_of(const char *fields, struct bytes body)
{
	struct buf b = {0};

	CHECK_ERR(buf_put_str(&b, HEAD), OK);
	CHECK_ERR(buf_put_str(&b, fields), OK);
	CHECK_ERR(buf_put_str(&b, "Content-Length: "), OK);
	CHECK_ERR(buf_put_decimal(&b, body.len), OK);
	CHECK_ERR(buf_put_str(&b, "\r\n\r\n"), OK);
	CHECK_ERR(buf_put(&b, body), OK);
	return b;
}

/* An answer in chunks of `step` bytes (below 16). */
static struct buf chunked_answer_of(const char *fields, struct bytes body, size_t step)
{
	struct buf b = {0};

	CHECK_ERR(buf_put_str(&b, HEAD), OK);
	CHECK_ERR(buf_put_str(&b, fields), OK);
	CHECK_ERR(buf_put_str(&b, "Transfer-Encoding: chunked\r\n\r\n"), OK);
	for (size_t at = 0; at < body.len; at += step) {
		struct bytes piece = bytes_slice(body, at, step);
		CHECK_ERR(buf_put_u8(&b, (uint8_t) "0123456789abcdef"[piece.len]), OK);
		CHECK_ERR(buf_put_str(&b, "\r\n"), OK);
		CHECK_ERR(buf_put(&b, piece), OK);
		CHECK_ERR(buf_put_str(&b, "\r\n"), OK);
	}
	CHECK_ERR(buf_put_str(&b, "0\r\n\r\n"), OK);
	return b;
}

static void check_usage(const struct telling *told, uint64_t input, uint64_t output)
{
	const struct usage *u = &told->answer.usage;

	CHECK(told->answer.has_usage);
	CHECK(u->presence[USAGE_INPUT] == PRESENT && u->presence[USAGE_OUTPUT] == PRESENT);
	CHECK_U64(u->tokens[USAGE_INPUT], input);
	CHECK_U64(u->tokens[USAGE_OUTPUT], output);
}

/* ---- answers ---- */

static void a_json_answer_is_read_in_every_split(void)
{
	struct buf zip = zipped(BYTES(BODY));
	struct buf answers[4] = {
		answer_of(JSON, BYTES(BODY)),
		chunked_answer_of(JSON, BYTES(BODY), 7),
		answer_of(JSON "Content-Encoding: gzip\r\n", buf_view(&zip)),
		chunked_answer_of(JSON "content-encoding: GZIP\r\n", buf_view(&zip), 15),
	};

	for (size_t i = 0; i < 4; i++) {
		for (size_t step = 1; step <= answers[i].len; step += step < 20 ? 1 : 97) {
			struct talk t;
			talk_begin(&t);
			ask_and_send(&t, "A");
			reply(&t, buf_view(&answers[i]), step, 5);
			CHECK_U64(t.count, 1);
			CHECK_U64(exchange_awaited(t.x), 0);
			CHECK_STR(t.told[0].id, "A");
			CHECK(t.told[0].outcome == OUTCOME_COMPLETE);
			CHECK(t.told[0].coverage == COVERAGE_FULL && !t.told[0].is_stream);
			CHECK_U64((uint64_t)t.told[0].status, 200);
			CHECK_STR(t.told[0].answer.id, "chatcmpl-1");
			CHECK_STR(t.told[0].answer.model, "gpt-4o-2024");
			CHECK_STR(t.told[0].answer.finish_reason, "stop");
			check_usage(&t.told[0], 3, 4);
			/* the record has the bytes as they were on the wire */
			CHECK(bytes_equal(buf_view(&t.body), i < 2 ? BYTES(BODY) : buf_view(&zip)));
			talk_end(&t);
		}
		buf_done(&answers[i]);
	}
	buf_done(&zip);
}

static void a_stream_is_read_in_every_split(void)
{
	struct buf zip = zipped(BYTES(STREAM STREAM_END));
	struct buf answers[3] = {
		chunked_answer_of(EVENTS, BYTES(STREAM STREAM_END), 13),
		chunked_answer_of(EVENTS "Content-Encoding: gzip\r\n", buf_view(&zip), 9),
		answer_of(EVENTS, BYTES(STREAM STREAM_END)),
	};

	for (size_t i = 0; i < 3; i++) {
		for (size_t step = 1; step <= answers[i].len; step += step < 20 ? 1 : 97) {
			struct talk t;
			talk_begin(&t);
			ask_and_send(&t, "S");
			reply(&t, buf_view(&answers[i]), step, 5);
			CHECK_U64(t.count, 1);
			CHECK(t.told[0].is_stream && t.told[0].answer.terminated);
			CHECK(t.told[0].outcome == OUTCOME_COMPLETE && !t.told[0].cut_by_close);
			CHECK(t.told[0].coverage == COVERAGE_FULL);
			CHECK_STR(t.told[0].answer.id, "chatcmpl-2");
			CHECK_STR(t.told[0].answer.finish_reason, "length");
			check_usage(&t.told[0], 5, 6);
			talk_end(&t);
		}
		buf_done(&answers[i]);
	}
	buf_done(&zip);
}

static void usage_is_known_while_a_stream_is_under_way(void)
{
	struct talk t;

	talk_begin(&t);
	ask_and_send(&t, "S");
	reply(&t, BYTES(HEAD EVENTS "\r\n" STREAM), 10, 5);
	CHECK_U64(exchange_following(t.x)->answer.usage.tokens[USAGE_INPUT], 5);
	CHECK(!exchange_following(t.x)->answer.terminated);
	talk_end(&t);
}

static void an_answer_in_an_unknown_coding_is_kept_but_not_read(void)
{
	static const char *const codings[] = {"gzip, br", "compress", "zip"};

	for (size_t i = 0; i < 3; i++) {
		struct buf fields = {0};
		struct talk t;
		CHECK_ERR(buf_put_str(&fields, JSON "Content-Encoding: "), OK);
		CHECK_ERR(buf_put_str(&fields, codings[i]), OK);
		CHECK_ERR(buf_put(&fields, BYTES("\r\n\0")), OK);
		struct buf answer = answer_of((const char *)fields.at, BYTES(BODY));
		talk_begin(&t);
		ask_and_send(&t, "A");
		reply(&t, buf_view(&answer), 9, 5);
		CHECK_U64(t.count, 1);
		CHECK(t.told[0].coverage == COVERAGE_HEADERS_ONLY && !t.told[0].answer.has_usage);
		CHECK(t.told[0].outcome == OUTCOME_COMPLETE);
		CHECK_BYTES(buf_view(&t.body), BODY);
		talk_end(&t);
		buf_done(&fields);
		buf_done(&answer);
	}
}

static void a_body_that_its_coding_does_not_fit_is_truncated(void)
{
	struct buf zip = zipped(BYTES(BODY));
	struct buf answers[2] = {
		answer_of(JSON "Content-Encoding: gzip\r\n", BYTES(BODY)),
		answer_of(JSON "Content-Encoding: gzip\r\n",
			  bytes_slice(buf_view(&zip), 0, zip.len - 1)),
	};

	for (size_t i = 0; i < 2; i++) {
		struct talk t;
		talk_begin(&t);
		ask_and_send(&t, "A");
		reply(&t, buf_view(&answers[i]), 9, 5);
		CHECK_U64(t.count, 1);
		CHECK(t.told[0].coverage == COVERAGE_TRUNCATED);
		CHECK(t.told[0].outcome == OUTCOME_COMPLETE);
		talk_end(&t);
		buf_done(&answers[i]);
	}
	buf_done(&zip);
}

static void other_media_types_are_kept_without_being_read(void)
{
	struct buf answer = answer_of("Content-Type: text/html\r\n", BYTES(BODY));
	struct talk t;

	talk_begin(&t);
	ask_and_send(&t, "A");
	reply(&t, buf_view(&answer), 9, 5);
	CHECK(t.count == 1 && t.told[0].coverage == COVERAGE_FULL && !t.told[0].answer.has_usage);
	CHECK_BYTES(buf_view(&t.body), BODY);
	talk_end(&t);
	buf_done(&answer);
}

static struct buf spaces(const char *text, size_t len)
{
	struct buf b = {0};

	CHECK_ERR(buf_reserve(&b, len), OK);
	memset(b.at, ' ', len);
	memcpy(b.at, text, strlen(text));
	b.len = len;
	return b;
}

static void a_json_answer_is_read_up_to_the_limit(void)
{
	for (size_t extra = 0; extra < 2; extra++) {
		struct buf body = spaces(BODY, EXCHANGE_JSON_BYTES_MAX + extra);
		struct buf answer = answer_of(JSON, buf_view(&body));
		struct talk t;
		talk_begin(&t);
		ask_and_send(&t, "A");
		reply(&t, buf_view(&answer), 1u << 20, 5);
		CHECK_U64(t.count, 1);
		CHECK(t.told[0].coverage == (extra ? COVERAGE_TRUNCATED : COVERAGE_FULL));
		CHECK(t.told[0].answer.has_usage == !extra);
		CHECK_U64(t.told[0].body_bytes, body.len);
		CHECK_U64(t.told[0].parts, EXCHANGE_JSON_BYTES_MAX / EXCHANGE_PART_BYTES);
		CHECK(bytes_equal(buf_view(&t.body), buf_view(&body)));
		talk_end(&t);
		buf_done(&answer);
		buf_done(&body);
	}
}

static void a_long_answer_is_told_in_parts(void)
{
	static const struct {
		size_t len, parts;
	} cases[] = {
		{0, 0},
		{EXCHANGE_PART_BYTES - 1, 0},
		{EXCHANGE_PART_BYTES, 1},
		{EXCHANGE_PART_BYTES + 1, 1},
		{2 * EXCHANGE_PART_BYTES - 1, 1},
		{2 * EXCHANGE_PART_BYTES, 2},
		{3 * EXCHANGE_PART_BYTES + 7, 3},
	};
	static const size_t steps[] = {SIZE_MAX / 2, 1000, EXCHANGE_PART_BYTES};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf body = spaces("", cases[i].len ? cases[i].len : 1);
		body.len = cases[i].len;
		struct buf answer = answer_of("", buf_view(&body));
		for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
			struct talk t;
			talk_begin(&t);
			ask_and_send(&t, "A");
			reply(&t, buf_view(&answer), steps[k], 5);
			CHECK_U64(t.count, 1);
			CHECK_U64(t.told[0].parts, cases[i].parts);
			CHECK(bytes_equal(buf_view(&t.body), buf_view(&body)));
			talk_end(&t);
		}
		buf_done(&answer);
		buf_done(&body);
	}
}

/* ---- which answer is whose ---- */

static void answers_belong_to_requests_in_order(void)
{
	struct talk t;
	static const char answers[] = "HTTP/1.1 100 Continue\r\n\r\n" HEAD
				      "Content-Length: 1\r\n\r\na"
				      "HTTP/1.1 429 Too Many\r\nContent-Length: 2\r\n\r\nbb" HEAD
				      "Content-Length: 0\r\n\r\n";

	for (size_t step = 1; step <= sizeof answers; step++) {
		talk_begin(&t);
		ask_and_send(&t, "1");
		ask_and_send(&t, "2");
		ask_and_send(&t, "3");
		CHECK_U64(exchange_awaited(t.x), 3);
		CHECK_STR(exchange_oldest(t.x)->id, "1");
		reply(&t, bytes_str(answers), step, 77);
		CHECK_U64(t.count, 3);
		for (size_t i = 0; i < 3; i++) {
			char id[2] = {(char)('1' + i), '\0'};
			CHECK_STR(t.told[i].id, id);
			CHECK_U64((uint64_t)t.told[i].status, i == 1 ? 429 : 200);
			CHECK_U64(t.told[i].body_bytes, i == 2 ? 0 : i + 1);
			CHECK_U64(t.told[i].first_byte_ns, 77);
			CHECK_U64(t.told[i].now_ns, 77);
		}
		CHECK(exchange_oldest(t.x) == NULL);
		talk_end(&t);
	}
}

static void the_first_byte_has_its_own_time(void)
{
	struct talk t;

	talk_begin(&t);
	ask_and_send(&t, "A");
	reply(&t, BYTES("HTTP/1.1 2"), 20, 100);
	reply(&t, BYTES("00 OK\r\nContent-Length: 1\r\n\r\n"), 100, 200);
	reply(&t, BYTES("x"), 1, 300);
	CHECK_U64(t.told[0].first_byte_ns, 100);
	CHECK_U64(t.told[0].now_ns, 300);
	CHECK_U64(exchange_following(t.x)->first_byte_ns, 0);
	talk_end(&t);
}

static void a_pipeline_may_be_as_deep_as_the_limit(void)
{
	struct talk t;

	talk_begin(&t);
	for (int i = 0; i < EXCHANGE_PIPELINE_MAX; i++)
		CHECK_ERR(send_as(&t, "A", &dialect_openai, false), OK);
	CHECK_ERR(send_as(&t, "B", &dialect_openai, false), ERR_LIMIT);
	CHECK_U64(exchange_awaited(t.x), EXCHANGE_PIPELINE_MAX);
	reply(&t, BYTES(HEAD "Content-Length: 0\r\n\r\n"), 100, 5); /* there is room again */
	CHECK_ERR(send_as(&t, "B", &dialect_openai, false), OK);
	CHECK_ERR(send_as(&t, "C", &dialect_openai, false), ERR_LIMIT);
	exchange_end(t.x, OUTCOME_ABORTED_BY_PROGRAM, 6);
	CHECK_U64(t.count, EXCHANGE_PIPELINE_MAX + 1);
	CHECK_STR(t.told[EXCHANGE_PIPELINE_MAX].id, "B");
	talk_end(&t);
}

static void an_answer_to_head_has_no_body(void)
{
	struct talk t;

	talk_begin(&t);
	CHECK_ERR(send_as(&t, "H", &dialect_openai, true), OK);
	CHECK_ERR(send_as(&t, "G", &dialect_openai, false), OK);
	reply(&t, BYTES(HEAD "Content-Length: 9\r\n\r\n" HEAD "Content-Length: 1\r\n\r\nx"), 7, 5);
	CHECK_U64(t.count, 2);
	CHECK_U64(t.told[0].body_bytes, 0);
	CHECK_U64(t.told[1].body_bytes, 1);
	talk_end(&t);
}

static void an_answer_nobody_asked_for_is_not_told(void)
{
	struct talk t;
	struct buf body = spaces("", 2 * EXCHANGE_PART_BYTES);
	struct buf answer = answer_of(JSON, buf_view(&body));

	talk_begin(&t);
	reply(&t, buf_view(&answer), 5000, 5);
	CHECK(t.count == 0 && t.parts == 0);
	ask_and_send(&t, "A");
	reply(&t, BYTES(HEAD "Content-Length: 1\r\n\r\nx"), 3, 9);
	CHECK_U64(t.count, 1);
	CHECK_U64(t.told[0].body_bytes, 1);
	CHECK_U64(t.told[0].first_byte_ns, 9);
	talk_end(&t);
	buf_done(&body);
	buf_done(&answer);
}

static void a_withdrawn_request_awaits_no_answer(void)
{
	struct talk t;

	talk_begin(&t);
	exchange_withdraw(t.x); /* nothing there: nothing happens */
	ask_and_send(&t, "1");
	ask_and_send(&t, "2");
	reply(&t, BYTES(HEAD "Content-Length: 3\r\n\r\nx"), 7, 5);
	exchange_withdraw(t.x);
	CHECK_U64(exchange_awaited(t.x), 1);
	CHECK_STR(exchange_oldest(t.x)->id, "1");
	reply(&t, BYTES("yz"), 1, 6);
	CHECK_U64(t.count, 1);
	CHECK_BYTES(buf_view(&t.body), "xyz");
	/* also when its answer has begun */
	ask_and_send(&t, "3");
	reply(&t, BYTES("HTTP/1.1 413 X\r\nContent-Length: 3\r\n\r\nx"), 50, 7);
	exchange_withdraw(t.x);
	reply(&t, BYTES("yz"), 1, 8);
	exchange_end(t.x, OUTCOME_ABORTED_BY_PROVIDER, 9);
	CHECK_U64(t.count, 1);
	talk_end(&t);
}

/* ---- ends ---- */

static void every_awaited_answer_is_told_when_the_connection_ends(void)
{
	static const enum outcome who[] = {OUTCOME_ABORTED_BY_PROGRAM, OUTCOME_ABORTED_BY_PROVIDER};

	for (size_t i = 0; i < 2; i++) {
		struct talk t;
		talk_begin(&t);
		ask_and_send(&t, "1");
		ask_and_send(&t, "2");
		reply(&t, BYTES(HEAD JSON "Content-Length: 9\r\n\r\n{\"id"), 10, 5);
		exchange_end(t.x, who[i], 44);
		CHECK_U64(t.count, 2);
		CHECK(t.told[0].outcome == who[i] && t.told[1].outcome == who[i]);
		CHECK(t.told[0].has_head && !t.told[1].has_head);
		CHECK_U64((uint64_t)t.told[1].status, 0);
		CHECK_U64(t.told[0].body_bytes, 4);
		CHECK_U64(t.told[1].now_ns, 44);
		CHECK_U64(exchange_awaited(t.x), 0);
		exchange_end(t.x, who[i], 45); /* nothing is told twice */
		CHECK_U64(t.count, 2);
		talk_end(&t);
	}
}

static void a_body_until_close_is_whole_when_the_provider_closes(void)
{
	static const struct {
		const char *answer;
		enum outcome who, told;
		bool terminated;
	} cases[] = {
		{HEAD EVENTS "\r\n" STREAM STREAM_END, OUTCOME_ABORTED_BY_PROVIDER,
		 OUTCOME_COMPLETE, true},
		/* cut: whoever reads this sees that the stream did not say its own end */
		{HEAD EVENTS "\r\n" STREAM, OUTCOME_ABORTED_BY_PROVIDER, OUTCOME_COMPLETE, false},
		{HEAD EVENTS "\r\n" STREAM STREAM_END, OUTCOME_ABORTED_BY_PROGRAM,
		 OUTCOME_ABORTED_BY_PROGRAM, true},
		{"HTTP/1.0 200 OK\r\n" EVENTS "\r\n" STREAM, OUTCOME_ABORTED_BY_PROVIDER,
		 OUTCOME_COMPLETE, false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct talk t;
		talk_begin(&t);
		ask_and_send(&t, "A");
		ask_and_send(&t, "B");
		reply(&t, bytes_str(cases[i].answer), 11, 5);
		CHECK_U64(t.count, 0);
		exchange_end(t.x, cases[i].who, 6);
		CHECK_U64(t.count, 2);
		CHECK(t.told[0].outcome == cases[i].told && t.told[1].outcome == cases[i].who);
		CHECK(t.told[0].cut_by_close && !t.told[1].cut_by_close);
		CHECK(t.told[0].answer.terminated == cases[i].terminated);
		check_usage(&t.told[0], 5, 6);
		talk_end(&t);
	}
}

static void another_protocol_is_not_followed(void)
{
	struct talk t;

	talk_begin(&t);
	ask_and_send(&t, "A");
	reply(&t,
	      BYTES("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
		    "Upgrade: websocket\r\n\r\n\x81\x05hello"),
	      6, 5);
	CHECK(exchange_upgraded(t.x));
	CHECK_U64(t.count, 1);
	CHECK(t.told[0].coverage == COVERAGE_HEADERS_ONLY && t.told[0].status == 101);
	CHECK_U64(t.told[0].body_bytes, 0);
	reply(&t, BYTES(HEAD "Content-Length: 0\r\n\r\n"), 6, 6);
	exchange_end(t.x, OUTCOME_ABORTED_BY_PROVIDER, 7);
	CHECK_U64(t.count, 1);
	talk_end(&t);
}

static void what_is_not_http_is_kept_once_and_marked(void)
{
	static const struct {
		const char *answer, *kept;
	} cases[] = {
		{"\x16\x03\x01 what", "\x16\x03\x01 what"},
		{HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n!!more", "abc!!more"},
		{HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc!!more", "abc!!more"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t step = 1; step < 99; step += 97) {
			struct talk t;
			talk_begin(&t);
			ask_and_send(&t, "A");
			reply(&t, bytes_str(cases[i].answer), step, 5);
			CHECK_U64(t.count, 0);
			exchange_end(t.x, OUTCOME_ABORTED_BY_PROVIDER, 6);
			CHECK(t.count == 1 && t.told[0].outcome == OUTCOME_ABORTED_BY_PROVIDER);
			CHECK(t.told[0].coverage == COVERAGE_TRUNCATED);
			CHECK_BYTES(buf_view(&t.body), cases[i].kept);
			talk_end(&t);
		}
	}
}

static void garbage_after_one_answer_is_the_next_ones(void)
{
	struct talk t;

	talk_begin(&t);
	ask_and_send(&t, "A");
	ask_and_send(&t, "B");
	reply(&t, BYTES(HEAD "Content-Length: 3\r\n\r\nabc\x01garbage"), 200, 5);
	CHECK_U64(t.count, 1);
	CHECK(t.told[0].coverage == COVERAGE_FULL);
	CHECK_BYTES(buf_view(&t.body), "abc");
	exchange_end(t.x, OUTCOME_ABORTED_BY_PROVIDER, 6);
	CHECK(t.count == 2 && t.told[1].coverage == COVERAGE_TRUNCATED && !t.told[1].has_head);
	CHECK_BYTES(buf_view(&t.body), "\x01garbage");
	talk_end(&t);
}

/* ---- requests ---- */

static void a_target_is_split_for_a_dialect(void)
{
	static const struct {
		const char *target, *path, *query;
	} cases[] = {
		{"/v1/models", "/v1/models", ""},
		{"/v1/models?a=b", "/v1/models", "a=b"},
		{"/v1?a?b", "/v1", "a?b"},
		{"/v1?", "/v1", ""},
		{"/v1#x", "/v1", ""},
		{"/v1?a#x?y", "/v1", "a"},
		{"/v1#x?y", "/v1", ""},
		{"/http://x/y", "/http://x/y", ""},
		{"http://a/v1/models?b#c", "/v1/models", "b"},
		{"https://a:443/v1", "/v1", ""},
		{"https://a", "", ""},
		{"https://a?b", "", "b"},
		{"*", "*", ""},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf text = {0};
		struct request_view view;
		struct talk t;
		CHECK_ERR(buf_put_str(&text, "POST "), OK);
		CHECK_ERR(buf_put_str(&text, cases[i].target), OK);
		CHECK_ERR(buf_put_str(&text,
				      " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json"
				      "\r\ncontent-encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
			  OK);
		talk_begin(&t);
		CHECK_ERR(ask(&t, buf_view(&text)), OK);
		exchange_view(t.x, &view);
		CHECK_BYTES(view.method, "POST");
		CHECK_BYTES(view.path, cases[i].path);
		CHECK_BYTES(view.query, cases[i].query);
		CHECK_BYTES(view.content_type, "application/json");
		CHECK_BYTES(view.content_encoding, "gzip");
		CHECK_BYTES(view.body, "{}");
		talk_end(&t);
		buf_done(&text);
	}
}

static void the_host_of_a_request_is_found(void)
{
	static const struct {
		const char *target, *field; /* NULL: no Host */
		enum err expected;
		const char *host;
		uint16_t port;
	} cases[] = {
		{"/", "api.openai.com", OK, "api.openai.com", 0},
		{"/", "API.OpenAI.com:443", OK, "API.OpenAI.com", 443},
		{"/", " \tapi.openai.com ", OK, "api.openai.com", 0},
		{"/", "a:65535", OK, "a", 65535},
		{"/", "a:00443", OK, "a", 443},
		{"/", "a:", OK, "a", 0}, /* RFC 3986 3.2.3 */
		{"/", "[::1]", OK, "[::1]", 0},
		{"/", "[::1]:8443", OK, "[::1]", 8443},
		{"/", "[2001:db8::1]:", OK, "[2001:db8::1]", 0},
		{"/", NULL, ERR_BAD, "", 0},
		{"/", "", ERR_BAD, "", 0},
		{"/", ":443", ERR_BAD, "", 0},
		{"/", "a:65536", ERR_BAD, "", 0},
		{"/", "a:99999999999999999999", ERR_BAD, "", 0},
		{"/", "a:-1", ERR_BAD, "", 0},
		{"/", "a: 443", ERR_BAD, "", 0},
		{"/", "a:443:443", ERR_BAD, "", 0},
		{"/", "::1", ERR_BAD, "", 0},
		{"/", "[::1", ERR_BAD, "", 0},
		{"/", "user@a", ERR_BAD, "", 0},
		{"/", "user:pass@a", ERR_BAD, "", 0},
		/* the target's authority and the field must say the same */
		{"http://a/x", "a", OK, "a", 0},
		{"http://A:80/x", "a:80", OK, "a", 80},
		{"https://[::1]:8443/", "[::1]:8443", OK, "[::1]", 8443},
		{"http://a", "a", OK, "a", 0},
		{"http://a?x", "a", OK, "a", 0},
		{"http://b/x", "a", ERR_AMBIGUOUS, "", 0},
		{"http://a:81/x", "a:80", ERR_AMBIGUOUS, "", 0},
		{"http://a:80/x", "a", ERR_AMBIGUOUS, "", 0},
		{"http://u@a/x", "a", ERR_BAD, "", 0},
		{"http://a:x/", "a", ERR_BAD, "", 0},
		{"http://a/x", NULL, ERR_BAD, "", 0},
		{"/http://b/x", "a", OK, "a", 0},
		{"/?u=http://b/x", "a", OK, "a", 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bytes host = BYTES("before");
		struct buf text = {0};
		uint16_t port = 0;
		struct talk t;
		CHECK_ERR(buf_put_str(&text, "GET "), OK);
		CHECK_ERR(buf_put_str(&text, cases[i].target), OK);
		CHECK_ERR(buf_put_str(&text, " HTTP/1.1\r\n"), OK);
		if (cases[i].field) {
			CHECK_ERR(buf_put_str(&text, "Host:"), OK);
			CHECK_ERR(buf_put_str(&text, cases[i].field), OK);
			CHECK_ERR(buf_put_str(&text, "\r\n"), OK);
		}
		CHECK_ERR(buf_put_str(&text, "\r\n"), OK);
		talk_begin(&t);
		enum err e = ask(&t, buf_view(&text));
		if (!e)
			e = exchange_host(t.x, &host, &port);
		if (e != cases[i].expected)
			tap_fail(__FILE__, __LINE__, "%s at %s: %s, not %s", cases[i].target,
				 cases[i].field ? cases[i].field : "none", err_name(e),
				 err_name(cases[i].expected));
		CHECK_BYTES(host, cases[i].expected ? "before" : cases[i].host);
		CHECK_U64(port, cases[i].port);
		talk_end(&t);
		buf_done(&text);
	}
}

static void a_request_body_may_be_as_long_as_the_limit(void)
{
	for (size_t extra = 0; extra < 2; extra++) {
		struct buf text = {0};
		struct talk t;
		talk_begin(&t);
		CHECK_ERR(buf_put_str(&text, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "), OK);
		CHECK_ERR(buf_put_decimal(&text, EXCHANGE_BODY_BYTES_MAX + extra), OK);
		CHECK_ERR(buf_put_str(&text, "\r\n\r\n"), OK);
		CHECK_ERR(ask(&t, buf_view(&text)), extra ? ERR_LIMIT : ERR_MORE);
		CHECK((exchange_request(t.x)->problem != NULL) == (extra == 1));
		talk_end(&t);
		buf_done(&text);
	}
}

/* ---- memory ---- */

static struct buf hard_answer;

/* An exchange may fail to begin; after that, want of memory is never the program's trouble: the
 * answer is told all the same, with less coverage. */
static enum err talk_with_failures(void)
{
	struct talk t = {.is_quiet = true};
	struct exchange_listener listener = {on_part, on_answer, &t};
	enum err e = exchange_new(&listener, &t.x);

	if (e)
		return e;
	CHECK_ERR(send_as(&t, "A", &dialect_openai, false), OK);
	exchange_feed_answer(t.x, buf_view(&hard_answer), 5);
	exchange_end(t.x, OUTCOME_ABORTED_BY_PROVIDER, 6);
	CHECK_U64(t.count, 1);
	CHECK_STR(t.told[0].id, "A");
	bool is_whole = t.told[0].coverage == COVERAGE_FULL && t.told[0].answer.has_usage;
	CHECK(is_whole || t.told[0].coverage == COVERAGE_TRUNCATED);
	exchange_free(t.x);
	return is_whole ? OK : ERR_NOMEM;
}

static void a_failed_allocation_costs_coverage_only(void)
{
	struct buf body = spaces(BODY, EXCHANGE_PART_BYTES + 500);
	struct buf zip = zipped(buf_view(&body));

	hard_answer = answer_of(JSON, buf_view(&body));
	tap_fail_each_allocation(talk_with_failures);
	buf_done(&hard_answer);
	hard_answer = answer_of(JSON "Content-Encoding: gzip\r\n", buf_view(&zip));
	tap_fail_each_allocation(talk_with_failures);
	buf_done(&hard_answer);
	hard_answer = chunked_answer_of(EVENTS, BYTES(STREAM STREAM_END), 15);
	tap_fail_each_allocation(talk_with_failures);
	buf_done(&hard_answer);
	buf_done(&zip);
	buf_done(&body);
}

static void an_exchange_may_be_freed_at_any_time(void)
{
	struct buf zip = zipped(BYTES(STREAM));
	struct buf answer = chunked_answer_of(EVENTS "Content-Encoding: gzip\r\n", buf_view(&zip),
					      9);

	exchange_free(NULL);
	for (size_t len = 0; len < answer.len; len += 5) {
		struct talk t;
		talk_begin(&t);
		ask_and_send(&t, "A");
		CHECK_ERR(ask(&t, BYTES("POST / HTTP/1.1\r\nHo")), ERR_MORE);
		reply(&t, bytes_slice(buf_view(&answer), 0, len), 50, 5);
		talk_end(&t);
		CHECK_U64(t.count, 0);
	}
	buf_done(&zip);
	buf_done(&answer);
}

#define TOOLS                                                                                      \
	"{\"choices\":[{\"index\":0,\"message\":{\"tool_calls\":[{\"id\":\"c\",\"function\":{"     \
	"\"name\":\"n\",\"arguments\":\"{}\"}}]}}]}"

static struct buf calls_told; /* of the last answer */

static void keep_calls(void *context, struct exchange *x)
{
	const struct buf *calls = &exchange_following(x)->tool_calls;

	buf_reset(&calls_told);
	CHECK_ERR(buf_put(&calls_told, buf_view(calls)), OK);
}

static void keep_calls_of_answer(void *context, struct exchange *x, enum outcome outcome)
{
	keep_calls(context, x);
}

static void tool_calls_are_whole_when_the_answer_is_told(void)
{
	struct exchange_listener listener = {keep_calls, keep_calls_of_answer, NULL};
	struct talk t = {0};
	char head[128];

	CHECK_ERR(exchange_new(&listener, &t.x), OK);
	snprintf(head, sizeof head, HEAD JSON "Content-Length: %zu\r\n\r\n", sizeof TOOLS - 1);
	ask_and_send(&t, "01A");
	reply(&t, bytes_str(head), 1000, 1);
	reply(&t, BYTES(TOOLS), 7, 2);
	CHECK_BYTES(buf_view(&calls_told), "[{\"id\":\"c\",\"name\":\"n\",\"arguments\":\"{}\"}]");
	/* the next answer begins with none */
	ask_and_send(&t, "01B");
	reply(&t, BYTES(HEAD JSON "Content-Length: 2\r\n\r\n{}"), 1000, 3);
	CHECK_U64(calls_told.len, 0);
	exchange_free(t.x);
	buf_done(&calls_told);
}

static void nothing_is_told_of_a_silent_request_and_the_next_answer_is_its_own(void)
{
	struct sent silent = {.silent = true};
	struct talk t;
	struct buf big = {0};

	talk_begin(&t);
	CHECK_ERR(ask(&t, BYTES("GET /other HTTP/1.1\r\nHost: h\r\n\r\n")), OK);
	CHECK_ERR(exchange_sent(t.x, &silent), OK);
	exchange_next_request(t.x);
	ask_and_send(&t, "01C");
	CHECK_U64(exchange_awaited(t.x), 2);
	CHECK_ERR(buf_put_str(&big, HEAD JSON "Content-Length: 200000\r\n\r\n"), OK);
	for (size_t i = 0; i < 200000; i++)
		CHECK_ERR(buf_put_u8(&big, 'x'), OK);
	reply(&t, buf_view(&big), 50000, 1);
	CHECK_U64(exchange_awaited(t.x), 1);
	CHECK_U64(t.count + t.parts, 0);
	reply(&t, BYTES(HEAD JSON "Content-Length: 2\r\n\r\n{}"), 1000, 2);
	CHECK_U64(t.count, 1);
	CHECK_STR(t.told[0].id, "01C");
	CHECK_U64(t.told[0].body_bytes, 2);
	/* nor when the connection ends first */
	CHECK_ERR(ask(&t, BYTES("GET /other HTTP/1.1\r\nHost: h\r\n\r\n")), OK);
	CHECK_ERR(exchange_sent(t.x, &silent), OK);
	exchange_end(t.x, OUTCOME_ABORTED_BY_PROVIDER, 3);
	CHECK_U64(t.count, 1);
	buf_done(&big);
	talk_end(&t);
}

static void coverage_and_outcome_have_names(void)
{
	CHECK_STR(coverage_name(COVERAGE_FULL), "full");
	CHECK_STR(coverage_name(COVERAGE_TRUNCATED), "truncated");
	CHECK_STR(coverage_name(COVERAGE_HEADERS_ONLY), "headers_only");
	CHECK_STR(outcome_name(OUTCOME_COMPLETE), "complete");
	CHECK_STR(outcome_name(OUTCOME_ABORTED_BY_PROGRAM), "aborted_by_program");
	CHECK_STR(outcome_name(OUTCOME_ABORTED_BY_PROVIDER), "aborted_by_provider");
}

int main(void)
{
	RUN_TESTS(TEST(a_json_answer_is_read_in_every_split), TEST(a_stream_is_read_in_every_split),
		  TEST(usage_is_known_while_a_stream_is_under_way),
		  TEST(an_answer_in_an_unknown_coding_is_kept_but_not_read),
		  TEST(a_body_that_its_coding_does_not_fit_is_truncated),
		  TEST(other_media_types_are_kept_without_being_read),
		  TEST(a_json_answer_is_read_up_to_the_limit), TEST(a_long_answer_is_told_in_parts),
		  TEST(answers_belong_to_requests_in_order), TEST(the_first_byte_has_its_own_time),
		  TEST(a_pipeline_may_be_as_deep_as_the_limit), TEST(an_answer_to_head_has_no_body),
		  TEST(an_answer_nobody_asked_for_is_not_told),
		  TEST(a_withdrawn_request_awaits_no_answer),
		  TEST(every_awaited_answer_is_told_when_the_connection_ends),
		  TEST(a_body_until_close_is_whole_when_the_provider_closes),
		  TEST(another_protocol_is_not_followed),
		  TEST(what_is_not_http_is_kept_once_and_marked),
		  TEST(garbage_after_one_answer_is_the_next_ones),
		  TEST(a_target_is_split_for_a_dialect), TEST(the_host_of_a_request_is_found),
		  TEST(a_request_body_may_be_as_long_as_the_limit),
		  TEST(a_failed_allocation_costs_coverage_only),
		  TEST(an_exchange_may_be_freed_at_any_time),
		  TEST(tool_calls_are_whole_when_the_answer_is_told),
		  TEST(nothing_is_told_of_a_silent_request_and_the_next_answer_is_its_own),
		  TEST(coverage_and_outcome_have_names));
}
