/* SPDX-License-Identifier: MIT */
#include "llm/conversation.h"

#include "llm/tools.h"
#include "websocket_kit.h"

struct kept {
	struct buf said[SPEAKER_COUNT];
	bool full; /* nothing more is taken */
};

static bool keep(void *context, enum speaker speaker, struct bytes text)
{
	struct kept *k = context;

	return !k->full && buf_put(&k->said[speaker], text) == OK;
}

static struct conversation *begin(struct kept *k)
{
	static const struct websocket_extensions none = {0};
	struct conversation *c = NULL;

	memset(k, 0, sizeof *k);
	CHECK_ERR(conversation_new(&dialect_openai, &none, keep, k, &c), OK);
	return c;
}

static void end(struct conversation *c, struct kept *k)
{
	conversation_free(c);
	buf_done(&k->said[0]);
	buf_done(&k->said[1]);
}

static void say(struct conversation *c, enum speaker who, uint8_t first, struct bytes data)
{
	struct buf frame = {0};

	kit_put_frame(&frame, who == SPEAKER_PROGRAM, first, data);
	for (size_t i = 0; i < frame.len;
	     i++) /* byte by byte: the parser's own test has the rest */
		conversation_feed(c, who, bytes_slice(buf_view(&frame), i, 1));
	buf_done(&frame);
}

static void say_text(struct conversation *c, enum speaker who, const char *text)
{
	say(c, who, KIT_TEXT, bytes_str(text));
}

static void close_it(struct conversation *c, enum speaker who, unsigned code)
{
	struct buf frame = {0};

	kit_put_close(&frame, who == SPEAKER_PROGRAM, code);
	conversation_feed(c, who, buf_view(&frame));
	buf_done(&frame);
}

#define DONE(input, output)                                                                        \
	"{\"type\":\"response.done\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\","    \
	"\"usage\":{\"input_tokens\":" #input ",\"output_tokens\":" #output "}}}"

static void both_sides_are_kept_a_message_a_line(void)
{
	struct kept k;
	struct conversation *c = begin(&k);

	say_text(c, SPEAKER_PROGRAM, "{\"type\":\"session.update\"}");
	say_text(c, SPEAKER_PROVIDER, "{\"type\":\"session.updated\"}");
	say(c, SPEAKER_PROVIDER, KIT_PING, BYTES("p"));
	say_text(c, SPEAKER_PROGRAM, "{\"type\":\"response.create\"}");
	say(c, SPEAKER_PROVIDER, KIT_BINARY, BYTES("{\"setupComplete\":{}}"));
	say_text(c, SPEAKER_PROVIDER, "");
	CHECK_BYTES(buf_view(&k.said[SPEAKER_PROGRAM]),
		    "{\"type\":\"session.update\"}\n{\"type\":\"response.create\"}\n");
	CHECK_BYTES(buf_view(&k.said[SPEAKER_PROVIDER]),
		    "{\"type\":\"session.updated\"}\n{\"setupComplete\":{}}\n\n");
	CHECK(c->messages[SPEAKER_PROGRAM] == 2 && c->messages[SPEAKER_PROVIDER] == 3);
	CHECK_U64(c->bytes[SPEAKER_PROGRAM], 6 + 25 + 6 + 26);
	CHECK(!c->problem && !conversation_has_closed(c) && !c->model_len);
	end(c, &k);
}

static void usage_adds_up_over_the_responses(void)
{
	struct kept k;
	struct conversation *c = begin(&k);

	say_text(c, SPEAKER_PROVIDER,
		 "{\"type\":\"response.created\",\"response\":{\"usage\":null}}");
	CHECK(!c->answer.has_usage);
	say_text(c, SPEAKER_PROVIDER, DONE(10, 3));
	say_text(c, SPEAKER_PROVIDER, "{\"type\":\"rate_limits.updated\",\"rate_limits\":[]}");
	say_text(c, SPEAKER_PROVIDER, "no JSON");
	say_text(c, SPEAKER_PROVIDER, DONE(20, 4));
	CHECK(c->answer.has_usage);
	CHECK_U64(c->answer.usage.tokens[USAGE_INPUT], 30);
	CHECK_U64(c->answer.usage.tokens[USAGE_OUTPUT], 7);
	CHECK(c->answer.usage.presence[USAGE_INPUT] == PRESENT);
	CHECK(c->answer.usage.presence[USAGE_REASONING] == ABSENT);
	CHECK_STR(c->answer.id, "resp_1");
	CHECK_STR(c->answer.finish_reason, "completed");
	CHECK(!c->answer.failed);
	/* what the program says is no usage */
	say_text(c, SPEAKER_PROGRAM, DONE(1000, 1000));
	CHECK_U64(c->answer.usage.tokens[USAGE_INPUT], 30);
	/* and a sum does not wrap */
	say_text(c, SPEAKER_PROVIDER, DONE(18446744073709551615, 0));
	CHECK_U64(c->answer.usage.tokens[USAGE_INPUT], UINT64_MAX);
	say_text(c, SPEAKER_PROVIDER, "{\"type\":\"error\",\"error\":{\"message\":\"no\"}}");
	CHECK(c->answer.failed);
	end(c, &k);
}

#define CALL(id, name)                                                                             \
	"{\"type\":\"function_call\",\"id\":\"item_" id "\",\"call_id\":\"" id                     \
	"\",\"name\":\"" name "\",\"arguments\":\"{\\\"a\\\":2}\"}"
#define CALLED(id, name) "{\"id\":\"" id "\",\"name\":\"" name "\",\"arguments\":\"{\\\"a\\\":2}\"}"

static void tool_calls_of_all_responses_are_one_list(void)
{
	struct kept k;
	struct buf tools = {0};
	struct conversation *c = begin(&k);

	c->answer.tool_calls = &tools;
	say_text(c, SPEAKER_PROVIDER,
		 "{\"type\":\"response.created\",\"response\":{\"output\":[" CALL("c0",
										  "half") "]}}");
	say_text(c, SPEAKER_PROVIDER,
		 "{\"type\":\"response.output_item.added\",\"item\":" CALL("c1", "sum") "}");
	say_text(c, SPEAKER_PROVIDER,
		 "{\"type\":\"response.output_item.done\",\"item\":" CALL("c1", "sum") "}");
	/* says c1 again; c2 nobody has told of; c is no beginning of another's id */
	say_text(c, SPEAKER_PROVIDER,
		 "{\"response\":{\"output\":[{\"type\":\"message\"}," CALL("c1", "sum") "," CALL(
			 "c2", "product") "," CALL("c", "c") "]},\"type\":\"response.done\"}");
	say_text(c, SPEAKER_PROVIDER, DONE(1, 1));
	say_text(c, SPEAKER_PROVIDER,
		 "{\"type\":\"response.done\",\"response\":{\"output\":[" CALL("c3", "last") "]}}");
	say_text(c, SPEAKER_PROGRAM,
		 "{\"type\":\"response.done\",\"response\":{\"output\":[" CALL("c4", "no") "]}}");
	CHECK_ERR(tools_end(&c->answer), OK);
	CHECK_BYTES(buf_view(&tools),
		    "[" CALLED("c1", "sum") "," CALLED("c2", "product") "," CALLED(
			    "c", "c") "," CALLED("c3", "last") "]");
	CHECK(!c->answer.tools_cut);
	end(c, &k);
	buf_done(&tools);
}

static void tool_calls_of_the_live_api_are_read(void)
{
	struct kept k;
	struct buf tools = {0};
	struct conversation *c = begin(&k);

	c->dialect = &dialect_google;
	c->answer.tool_calls = &tools;
	say_text(c, SPEAKER_PROVIDER,
		 "{\"toolCall\":{\"functionCalls\":[{\"id\":\"f1\",\"name\":\"sum\",\"args\":{"
		 "\"a\":2}},"
		 "{\"args\":{\"a\":2},\"name\":\"product\",\"id\":\"f2\"}]}}");
	CHECK_ERR(tools_end(&c->answer), OK);
	CHECK_BYTES(buf_view(&tools), "[" CALLED("f1", "sum") "," CALLED("f2", "product") "]");
	end(c, &k);
	buf_done(&tools);
}

static void the_model_may_be_named_on_the_way(void)
{
	static const struct {
		const char *text, *model;
	} cases[] = {
		{"{\"setup\":{\"model\":\"models/gemini-live\"}}", "models/gemini-live"},
		{"{\"type\":\"response.create\",\"model\":\"gpt-5\"}", "gpt-5"},
		{"{\"type\":\"response.create\",\"response\":{\"model\":\"gpt\\u002d5\"}}",
		 "gpt-5"},
		{"{\"type\":\"session.update\",\"session\":{\"model\":\"gpt-5\"}}", "gpt-5"},
		{"{\"model\":7}", ""},
		{"model", ""},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct kept k;
		struct conversation *c = begin(&k);
		say_text(c, SPEAKER_PROVIDER, "{\"model\":\"other\"}");
		say_text(c, SPEAKER_PROGRAM, cases[i].text);
		CHECK_BYTES(bytes_of(c->model, c->model_len), cases[i].model);
		end(c, &k);
	}
}

static void the_first_close_says_who_and_why(void)
{
	static const struct {
		enum speaker who;
		unsigned code, told;
		bool complete;
	} cases[] = {
		{SPEAKER_PROGRAM, 1000, 1000, true},   {SPEAKER_PROVIDER, 1000, 1000, true},
		{SPEAKER_PROGRAM, 1001, 1001, true},   {SPEAKER_PROGRAM, 0, 1005, true},
		{SPEAKER_PROVIDER, 1008, 1008, false}, {SPEAKER_PROVIDER, 1011, 1011, false},
		{SPEAKER_PROGRAM, 4000, 4000, false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct kept k;
		struct conversation *c = begin(&k);
		CHECK(!conversation_is_complete(c));
		close_it(c, cases[i].who, cases[i].code);
		CHECK(conversation_has_closed(c) && !conversation_is_over(c));
		close_it(c, cases[i].who, 1002); /* again: the first one counts */
		CHECK(!conversation_is_over(c));
		close_it(c, cases[i].who == SPEAKER_PROGRAM ? SPEAKER_PROVIDER : SPEAKER_PROGRAM,
			 1000);
		CHECK(conversation_is_over(c) && c->closed_by == cases[i].who);
		CHECK_U64(c->close_code, cases[i].told);
		CHECK(conversation_is_complete(c) == cases[i].complete);
		end(c, &k);
	}
}

static void what_cannot_be_decoded_ends_its_direction_only(void)
{
	struct kept k;
	struct conversation *c = begin(&k);

	conversation_feed(c, SPEAKER_PROGRAM, BYTES("GET / HTTP/1.1\r\n"));
	CHECK_STR(c->problem, "the WebSocket frames cannot be decoded");
	say_text(c, SPEAKER_PROGRAM, "not read");
	say_text(c, SPEAKER_PROVIDER, DONE(1, 1));
	CHECK_U64(c->messages[SPEAKER_PROGRAM], 0);
	CHECK_U64(k.said[SPEAKER_PROGRAM].len, 0);
	CHECK_U64(c->answer.usage.tokens[USAGE_INPUT], 1);
	CHECK_U64(c->bytes[SPEAKER_PROGRAM], 16 + 6 + 8); /* counted all the same */
	end(c, &k);
	c = begin(&k);
	conversation_feed(c, SPEAKER_PROVIDER, BYTES("\x81\x7F\0\0\0\0\x01\0\0\x01"));
	CHECK_STR(c->problem, "a WebSocket message is longer than is read");
	end(c, &k);
}

static void without_an_agreement_that_is_understood_nothing_is_read(void)
{
	struct kept k = {0};
	struct conversation *c = NULL;

	CHECK_ERR(conversation_new(&dialect_openai, NULL, keep, &k, &c), OK);
	CHECK(c->problem != NULL);
	say_text(c, SPEAKER_PROVIDER, DONE(1, 1));
	CHECK(c->messages[SPEAKER_PROVIDER] == 0 && k.said[SPEAKER_PROVIDER].len == 0);
	CHECK(c->bytes[SPEAKER_PROVIDER] > 0);
	end(c, &k);
}

static void bytes_that_are_no_text_are_not_kept(void)
{
	struct kept k;
	struct conversation *c = begin(&k);

	say(c, SPEAKER_PROGRAM, KIT_BINARY, BYTES("\xFF\xFE"));
	CHECK_U64(k.said[SPEAKER_PROGRAM].len, 0);
	CHECK_U64(c->messages[SPEAKER_PROGRAM], 1);
	CHECK_STR(c->problem, "a message that is no text was not recorded");
	/* but what calls itself a text is kept as it is, and so is a NUL */
	say(c, SPEAKER_PROGRAM, KIT_TEXT, BYTES("\xFF"));
	say(c, SPEAKER_PROGRAM, KIT_BINARY, BYTES("a\0b"));
	CHECK(bytes_equal(buf_view(&k.said[SPEAKER_PROGRAM]), BYTES("\xFF\na\0b\n")));
	end(c, &k);
}

static void so_much_text_is_recorded_of_one_connection(void)
{
	struct kept k;
	struct conversation *c = begin(&k);
	struct buf text = kit_filled(BYTES(""), WEBSOCKET_MESSAGE_BYTES_MAX - 1, BYTES(""));
	struct buf frame = {0};

	kit_put_frame(&frame, false, KIT_TEXT, buf_view(&text));
	/* each is a quarter of the limit, its line feed included */
	for (int i = 0; i < 4; i++)
		conversation_feed(c, SPEAKER_PROVIDER, buf_view(&frame));
	CHECK(!c->problem);
	CHECK_U64(k.said[SPEAKER_PROVIDER].len, CONVERSATION_TEXT_BYTES_MAX);
	say_text(c, SPEAKER_PROVIDER, "");
	CHECK_STR(c->problem, "more was said than is recorded of one connection");
	say_text(c, SPEAKER_PROVIDER, DONE(1, 2)); /* read all the same */
	CHECK_U64(c->answer.usage.tokens[USAGE_OUTPUT], 2);
	CHECK_U64(k.said[SPEAKER_PROVIDER].len, CONVERSATION_TEXT_BYTES_MAX);
	end(c, &k);
	buf_done(&text);
	buf_done(&frame);
}

static void a_message_that_nobody_keeps_is_noted(void)
{
	struct kept k;
	struct conversation *c = begin(&k);

	k.full = true;
	say_text(c, SPEAKER_PROVIDER, DONE(1, 2));
	CHECK_STR(c->problem, "no memory to record a message");
	CHECK_U64(c->answer.usage.tokens[USAGE_OUTPUT], 2);
	end(c, &k);
}

int main(void)
{
	RUN_TESTS(TEST(both_sides_are_kept_a_message_a_line),
		  TEST(usage_adds_up_over_the_responses),
		  TEST(tool_calls_of_all_responses_are_one_list),
		  TEST(tool_calls_of_the_live_api_are_read),
		  TEST(the_model_may_be_named_on_the_way), TEST(the_first_close_says_who_and_why),
		  TEST(what_cannot_be_decoded_ends_its_direction_only),
		  TEST(without_an_agreement_that_is_understood_nothing_is_read),
		  TEST(bytes_that_are_no_text_are_not_kept),
		  TEST(so_much_text_is_recorded_of_one_connection),
		  TEST(a_message_that_nobody_keeps_is_noted));
}
