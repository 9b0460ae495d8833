/* SPDX-License-Identifier: MIT
 *
 * What the feeder says to a sender and hears from it; both are checked as if they came from
 * outside.
 */
#include "drain/batch.h"

#include <stdlib.h>

#include "tap.h"

static const struct sink_event full = {
	.id = {(const uint8_t *)"id1", 3},
	.process = {(const uint8_t *)"p", 1},
	.time_ns = UINT64_C(0x0102030405060708),
	.kind = REC_REQUEST,
	.is_heartbeat = true,
	.is_refusal = true,
	.host = {(const uint8_t *)"h", 1},
	.environment = {(const uint8_t *)"e", 1},
	.application = {(const uint8_t *)"a", 1},
	.provider = {(const uint8_t *)"openai", 6},
	.model = {(const uint8_t *)"m", 1},
	.json = {(const uint8_t *)"{}", 2},
	.otlp = {(const uint8_t *)"o", 1},
	.path = {(const uint8_t *)"/s", 2},
};

static void make(struct buf *out, const struct sink_event *events, size_t count)
{
	CHECK_ERR(batch_begin(out), OK);
	for (size_t i = 0; i < count; i++)
		CHECK_ERR(batch_put(out, &events[i]), OK);
	batch_end(out);
}

static void events_come_back_in_their_order(void)
{
	struct sink_event in[2] = {full, {.id = BYTES("id2")}}, *out = NULL;
	struct buf message = {0};
	size_t count = 0, bytes = 0;

	make(&message, in, 2);
	CHECK_ERR(batch_length(message.at, &bytes), OK);
	CHECK_U64(bytes, message.len);
	CHECK_ERR(batch_parse(tap_guarded(buf_view(&message)), &out, &count), OK);
	CHECK_U64(count, 2);
	if (count == 2) {
		CHECK_BYTES(out[0].id, "id1");
		CHECK_BYTES(out[0].process, "p");
		CHECK_U64(out[0].time_ns, full.time_ns);
		CHECK(out[0].kind == REC_REQUEST && out[0].is_heartbeat && out[0].is_refusal);
		CHECK_BYTES(out[0].host, "h");
		CHECK_BYTES(out[0].environment, "e");
		CHECK_BYTES(out[0].application, "a");
		CHECK_BYTES(out[0].provider, "openai");
		CHECK_BYTES(out[0].model, "m");
		CHECK_BYTES(out[0].json, "{}");
		CHECK_BYTES(out[0].otlp, "o");
		CHECK_BYTES(out[0].path, "/s");
		CHECK_BYTES(out[1].id, "id2");
		CHECK(out[1].json.len == 0 && !out[1].is_heartbeat && !out[1].is_refusal);
	}
	free(out);
	buf_done(&message);
}

static void a_message_stands_as_documented(void)
{
	static const uint8_t expected[] = {
		'A', 'G', 'B', '1', 64, 0, 0, 0, 52, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, 2, 2,
		0,   0,   0,   0,   0,  0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0,   0,   0,   0,   0,  0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	struct sink_event in = {.time_ns = full.time_ns, .kind = REC_REQUEST, .is_refusal = true};
	struct buf message = {0};

	make(&message, &in, 1);
	CHECK(bytes_equal(buf_view(&message), bytes_of(expected, sizeof expected)));
	buf_done(&message);
}

static void every_message_cut_short_is_malformed(void)
{
	struct sink_event *out = NULL;
	struct buf message = {0};
	size_t count;

	make(&message, &full, 1);
	for (size_t n = 0; n < message.len; n++) {
		CHECK_ERR(batch_parse(tap_guarded(bytes_slice(buf_view(&message), 0, n)), &out,
				      &count),
			  ERR_BAD);
		if (n < BATCH_HEAD_BYTES)
			continue;
		/* the same with a head that says so */
		struct buf shorter = {0};
		CHECK_ERR(buf_put(&shorter, bytes_slice(buf_view(&message), 0, n)), OK);
		batch_end(&shorter);
		CHECK_ERR(batch_parse(tap_guarded(buf_view(&shorter)), &out, &count), ERR_BAD);
		buf_done(&shorter);
	}
	CHECK(out == NULL);
	buf_done(&message);
}

static void what_is_not_as_documented_is_malformed(void)
{
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {
		{0, 'X'}, /* the magic */
		{4, 1},   /* the length, too small */
		{21, 4},  /* a flag that there is not */
		{22, 1},  /* what must be zero */
		{8, 53},  /* an event longer than the rest */
		{8, 51},  /* shorter than what is in it */
	};
	struct sink_event in = {.kind = REC_REQUEST}, *out = NULL;
	struct buf message = {0};
	size_t count;

	make(&message, &in, 1);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t before = message.at[cases[i].at];
		message.at[cases[i].at] = cases[i].value;
		enum err e = batch_parse(tap_guarded(buf_view(&message)), &out, &count);
		if (e != ERR_BAD)
			tap_fail(__FILE__, __LINE__, "case %zu: %s", i, err_name(e));
		message.at[cases[i].at] = before;
	}
	CHECK_ERR(batch_begin(&message), OK); /* no event at all */
	batch_end(&message);
	CHECK_ERR(batch_parse(buf_view(&message), &out, &count), ERR_BAD);
	CHECK(out == NULL);
	buf_done(&message);
}

static void more_events_than_allowed_are_refused(void)
{
	struct sink_event none = {.kind = REC_REQUEST}, *out = NULL;
	struct buf message = {0};
	size_t count = 0;

	CHECK_ERR(batch_begin(&message), OK);
	for (size_t i = 0; i < BATCH_EVENTS_MAX; i++)
		if (batch_put(&message, &none))
			tap_fail(__FILE__, __LINE__, "event %zu", i);
	batch_end(&message);
	CHECK_ERR(batch_parse(buf_view(&message), &out, &count), OK);
	CHECK_U64(count, BATCH_EVENTS_MAX);
	free(out);
	out = NULL;
	CHECK_ERR(batch_put(&message, &none), OK);
	batch_end(&message);
	CHECK_ERR(batch_parse(buf_view(&message), &out, &count), ERR_LIMIT);
	CHECK(out == NULL);
	buf_done(&message);
}

static void an_event_that_does_not_fit_leaves_the_batch_as_it_was(void)
{
	struct buf message = {0};
	struct sink_event large = full;
	size_t before;

	make(&message, &full, 1);
	before = message.len;
	large.json = bytes_of("", BATCH_MESSAGE_MAX - message.len); /* never read */
	CHECK_ERR(batch_put(&message, &large), ERR_LIMIT);
	large.json.len = SIZE_MAX;
	CHECK_ERR(batch_put(&message, &large), ERR_LIMIT);
	CHECK_U64(message.len, before);
	message.max = before + 5;
	CHECK_ERR(batch_put(&message, &full), ERR_LIMIT);
	CHECK_U64(message.len, before);
	buf_done(&message);
}

static void a_length_over_the_limit_is_refused(void)
{
	uint8_t head[BATCH_HEAD_BYTES] = {'A', 'G', 'B', '1'};
	size_t bytes = 7;

	for (unsigned i = 0; i < 4; i++)
		head[4 + i] = (uint8_t)(BATCH_MESSAGE_MAX >> 8 * i);
	CHECK_ERR(batch_length(head, &bytes), OK);
	CHECK_U64(bytes, BATCH_MESSAGE_MAX);
	head[4]++;
	CHECK_ERR(batch_length(head, &bytes), ERR_LIMIT);
	head[2] = 'A'; /* an answer's is smaller */
	for (unsigned i = 0; i < 4; i++)
		head[4 + i] = (uint8_t)((BATCH_ANSWER_MAX + 1) >> 8 * i);
	CHECK_ERR(batch_length(head, &bytes), ERR_LIMIT);
	head[4]--;
	CHECK_ERR(batch_length(head, &bytes), OK);
	head[0] = 'X';
	CHECK_ERR(batch_length(head, &bytes), ERR_BAD);
}

/* ---- answers ---- */

static void an_answer_comes_back_with_a_result_for_each_event(void)
{
	static const enum sink_result all[] = {SINK_DELIVERED, SINK_RETRY, SINK_REFUSED,
					       SINK_WRONG};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		uint8_t got[3] = {9, 9, 9};
		struct sink_answer in = {.retry_after_ms = 70000, .text = "said so"},
				   out = {.results = got};
		struct buf message = {0};

		in.result = all[i];
		CHECK_ERR(batch_put_answer(&message, &in, 3), OK);
		CHECK_ERR(batch_parse_answer(tap_guarded(buf_view(&message)), 3, &out), OK);
		CHECK(out.result == all[i] && out.results == got);
		CHECK(got[0] == all[i] && got[1] == all[i] && got[2] == all[i]);
		CHECK_U64(out.retry_after_ms, 70000);
		CHECK_STR(out.text, "said so");
		buf_done(&message);
	}
}

static void a_part_has_its_own_results(void)
{
	uint8_t said[3] = {SINK_DELIVERED, SINK_REFUSED, SINK_RETRY}, got[3] = {0};
	struct sink_answer in = {.result = SINK_PARTLY, .results = said}, out = {.results = got};
	struct buf message = {0};

	CHECK_ERR(batch_put_answer(&message, &in, 3), OK);
	CHECK_ERR(batch_parse_answer(tap_guarded(buf_view(&message)), 3, &out), OK);
	CHECK(memcmp(said, got, 3) == 0);
	CHECK_ERR(batch_parse_answer(buf_view(&message), 2, &out), ERR_BAD);
	for (size_t n = 0; n < message.len; n++) {
		CHECK_ERR(batch_parse_answer(tap_guarded(bytes_slice(buf_view(&message), 0, n)), 3,
					     &out),
			  ERR_BAD);
	}
	message.at[message.len - 1] = SINK_PARTLY;
	CHECK_ERR(batch_parse_answer(buf_view(&message), 3, &out), ERR_BAD);
	message.at[message.len - 1] = SINK_WRONG + 1;
	CHECK_ERR(batch_parse_answer(buf_view(&message), 3, &out), ERR_BAD);
	message.at[message.len - 1] = SINK_WRONG;
	CHECK_ERR(batch_parse_answer(buf_view(&message), 3, &out), OK);
	message.at[8] = SINK_WRONG + 1;
	CHECK_ERR(batch_parse_answer(buf_view(&message), 3, &out), ERR_BAD);
	buf_done(&message);
}

/* A sender that was taken over must not write on the operator's terminal. */
static void the_text_of_an_answer_is_made_harmless(void)
{
	struct sink_answer in = {.text = "a\x1b[31m\nb\xff"}, out = {0};
	struct buf message = {0};
	uint8_t got[1];

	out.results = got;
	CHECK_ERR(batch_put_answer(&message, &in, 1), OK);
	CHECK_ERR(batch_parse_answer(buf_view(&message), 1, &out), OK);
	CHECK_STR(out.text, "a?[31m?b?");
	buf_done(&message);
}

static void the_longest_text_fits_and_no_longer_one(void)
{
	struct sink_answer in = {0}, out = {0};
	struct buf message = {0};
	uint8_t got[1];

	out.results = got;
	memset(in.text, 'x', SINK_ANSWER_MAX - 1);
	CHECK_ERR(batch_put_answer(&message, &in, 1), OK);
	CHECK_ERR(batch_parse_answer(buf_view(&message), 1, &out), OK);
	CHECK_U64(strlen(out.text), SINK_ANSWER_MAX - 1);
	in.text[SINK_ANSWER_MAX - 1] = 'x'; /* without an end */
	CHECK_ERR(batch_put_answer(&message, &in, 1), OK);
	CHECK_ERR(batch_parse_answer(buf_view(&message), 1, &out), ERR_BAD);
	CHECK_ERR(batch_put_answer(&message, &in, BATCH_EVENTS_MAX + 1), ERR_LIMIT);
	buf_done(&message);
}

static enum err make_and_parse(void)
{
	struct sink_answer in = {.result = SINK_RETRY}, answer = {0};
	struct buf message = {0};
	struct sink_event *out = NULL;
	uint8_t got[1];
	size_t count;
	enum err e = batch_begin(&message);

	answer.results = got;
	if (!e)
		e = batch_put(&message, &full);
	if (!e) {
		batch_end(&message);
		e = batch_parse(buf_view(&message), &out, &count);
	}
	free(out);
	if (!e)
		e = batch_put_answer(&message, &in, 1);
	if (!e)
		e = batch_parse_answer(buf_view(&message), 1, &answer);
	buf_done(&message);
	return e;
}

static void every_failing_allocation_is_noticed(void)
{
	tap_fail_each_allocation(make_and_parse);
}

int main(void)
{
	RUN_TESTS(TEST(events_come_back_in_their_order), TEST(a_message_stands_as_documented),
		  TEST(every_message_cut_short_is_malformed),
		  TEST(what_is_not_as_documented_is_malformed),
		  TEST(more_events_than_allowed_are_refused),
		  TEST(an_event_that_does_not_fit_leaves_the_batch_as_it_was),
		  TEST(a_length_over_the_limit_is_refused),
		  TEST(an_answer_comes_back_with_a_result_for_each_event),
		  TEST(a_part_has_its_own_results), TEST(the_text_of_an_answer_is_made_harmless),
		  TEST(the_longest_text_fits_and_no_longer_one),
		  TEST(every_failing_allocation_is_noticed));
}
