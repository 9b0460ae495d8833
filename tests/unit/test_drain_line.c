/* SPDX-License-Identifier: MIT */
#include "drain/line.h"

#include <stdlib.h>

#include "tap.h"

#define MS 1000000ull

static const struct line_rules rules = {.batch_events = 8,
					.batch_bytes = 1000,
					.batch_wait_ms = 50,
					.retry_first_ms = 100,
					.retry_max_ms = 5000,
					.dead_letter_after = 2};

struct ends {
	char delivered[400], dead[400];
};

static void on_end(void *context, struct line_event *e, enum line_end how)
{
	struct ends *ends = context;
	char *list = how == LINE_DELIVERED ? ends->delivered : ends->dead;

	strncat(list, (const char *)e->event.id.at, e->event.id.len);
	free(e);
}

/* An event for each letter of `ids`. */
static void put(struct line *l, const char *ids, uint64_t now_ns)
{
	for (; *ids; ids++) {
		struct sink_event event = {.id = bytes_of(ids, 1), .json = BYTES("{}")};
		struct line_event *e = line_event_new(&event);
		e->queued_ns = now_ns;
		line_put(l, e);
	}
}

static struct line_tally answer(struct line *l, enum sink_result result, uint8_t *results,
				uint64_t now_ns, struct ends *ends)
{
	struct sink_answer a = {.result = result, .results = results};

	return line_answer(l, &rules, &a, now_ns, UINT64_MAX, on_end, ends);
}

static void a_batch_is_due_when_full_or_when_it_has_waited(void)
{
	struct line l = {0};

	CHECK_U64(line_due(&l, &rules, true), UINT64_MAX);
	put(&l, "abc", 1000 * MS);
	CHECK_U64(line_due(&l, &rules, false), 1050 * MS);
	CHECK_U64(line_due(&l, &rules, true), 0);
	put(&l, "defghijk", 1000 * MS);
	CHECK_U64(line_due(&l, &rules, false), 0);
	CHECK_U64(line_take(&l, &rules), 8);
	CHECK_U64(line_due(&l, &rules, true), UINT64_MAX);
	line_done(&l);
}

static void a_batch_ends_at_its_bytes_but_has_one_event_at_least(void)
{
	char text[1200] = "";
	struct line l = {0};
	struct sink_event event = {.id = BYTES("x"), .json = bytes_of(text, 600)};

	memset(text, 'j', sizeof text);
	line_put(&l, line_event_new(&event));
	line_put(&l, line_event_new(&event));
	CHECK_U64(line_take(&l, &rules), 1);
	CHECK_U64(line_due(&l, &rules, false), UINT64_MAX);
	line_done(&l);
	event.json.len = sizeof text;
	line_put(&l, line_event_new(&event));
	CHECK_U64(line_take(&l, &rules), 1);
	line_done(&l);
}

static void what_failed_is_sent_again_in_the_same_order_after_a_pause(void)
{
	struct ends ends = {0};
	struct line l = {0};
	struct line_tally t;

	put(&l, "abcd", 0);
	CHECK_U64(line_take(&l, &rules), 4);
	put(&l, "ef", 0);
	t = answer(&l, SINK_RETRY, NULL, 1000 * MS, &ends);
	CHECK_U64(t.again, 4);
	CHECK(!t.progressed);
	CHECK(line_due(&l, &rules, true) > 1000 * MS);
	CHECK(line_due(&l, &rules, true) <= 1100 * MS);
	CHECK_U64(line_take(&l, &rules), 6);
	t = answer(&l, SINK_DELIVERED, NULL, 2000 * MS, &ends);
	CHECK(t.progressed && t.delivered == 6);
	CHECK_STR(ends.delivered, "abcdef");
	CHECK(!l.first && !l.last && !l.count && !l.bytes && !l.failures);
	line_done(&l);
}

static void what_was_refused_is_halved_until_the_one_is_found(void)
{
	struct ends ends = {0};
	struct line l = {0};
	int tries = 0;

	put(&l, "abcdXefghijklmnopqr", 0);
	while (l.count && tries++ < 100) {
		size_t n = line_take(&l, &rules);
		const struct line_event *e = l.first;
		bool bad = false;
		for (size_t i = 0; i < n; i++, e = e->next)
			bad |= e->event.id.at[0] == 'X';
		answer(&l, bad ? SINK_REFUSED : SINK_DELIVERED, NULL, 0, &ends);
	}
	CHECK_STR(ends.delivered, "abcdefghijklmnopqr");
	CHECK_STR(ends.dead, "X");
	CHECK(tries < 14);
	line_done(&l);
}

static void each_event_of_a_partly_taken_batch_goes_its_own_way(void)
{
	uint8_t results[] = {SINK_DELIVERED, SINK_REFUSED, SINK_RETRY, SINK_DELIVERED};
	struct ends ends = {0};
	struct line l = {0};
	struct line_tally t;

	put(&l, "abcd", 0);
	CHECK_U64(line_take(&l, &rules), 4);
	t = answer(&l, SINK_PARTLY, results, 0, &ends);
	CHECK_STR(ends.delivered, "ad");
	CHECK_U64(t.refused, 1);
	CHECK_U64(t.again, 2);
	put(&l, "e", 0);
	CHECK_U64(line_take(&l, &rules), 3);
	results[0] = SINK_REFUSED; /* b, for the second time */
	results[1] = results[2] = SINK_DELIVERED;
	t = answer(&l, SINK_PARTLY, results, 0, &ends);
	CHECK_U64(t.dead, 1);
	CHECK_STR(ends.dead, "b");
	CHECK_STR(ends.delivered, "adce");
	CHECK(!l.last && !l.count);
	line_done(&l);
}

static void one_at_the_end_that_leaves_does_not_lose_what_comes(void)
{
	uint8_t results[] = {SINK_RETRY, SINK_DELIVERED};
	struct ends ends = {0};
	struct line l = {0};

	put(&l, "ab", 0);
	CHECK_U64(line_take(&l, &rules), 2);
	answer(&l, SINK_PARTLY, results, 0, &ends);
	put(&l, "c", 0);
	CHECK_U64(line_take(&l, &rules), 2);
	answer(&l, SINK_DELIVERED, NULL, 0, &ends);
	CHECK_STR(ends.delivered, "bac");
	line_done(&l);
}

static void a_wrong_configuration_never_makes_a_dead_letter(void)
{
	struct ends ends = {0};
	struct line l = {0};

	put(&l, "a", 0);
	for (int i = 0; i < 50; i++) {
		CHECK_U64(line_take(&l, &rules), 1);
		CHECK_U64(answer(&l, i & 1 ? SINK_WRONG : SINK_RETRY, NULL, 0, &ends).again, 1);
	}
	CHECK_STR(ends.dead, "");
	line_done(&l);
}

static void pauses_grow_to_a_bound_and_are_spread_over_all_of_it(void)
{
	CHECK_U64(line_pause_ms(&rules, 1, 0, 0), 0);
	CHECK_U64(line_pause_ms(&rules, 1, 0, 100), 100);
	CHECK_U64(line_pause_ms(&rules, 1, 0, 101), 0);
	CHECK_U64(line_pause_ms(&rules, 3, 0, 400), 400);
	CHECK_U64(line_pause_ms(&rules, 7, 0, 5000), 5000);
	CHECK_U64(line_pause_ms(&rules, 7, 0, 5001), 0);
	CHECK(line_pause_ms(&rules, UINT32_MAX, 0, UINT64_MAX) <= 5000);
	CHECK_U64(line_pause_ms(&rules, 1, 7000, 50), 7000);
	CHECK_U64(line_pause_ms(&rules, 1, UINT32_MAX, 0), LINE_RETRY_AFTER_MAX_MS);
}

static void an_event_is_a_copy_of_its_own(void)
{
	char text[] = "abc";
	struct sink_event event = {.id = bytes_of(text, 3), .model = bytes_of(text + 1, 2)};
	struct line_event *e = line_event_new(&event);

	memset(text, 'x', 3);
	CHECK_BYTES(e->event.id, "abc");
	CHECK_BYTES(e->event.model, "bc");
	CHECK_BYTES(e->event.json, "");
	CHECK_U64(e->bytes, 5);
	free(e);
	tap_fail_allocation(1);
	CHECK(line_event_new(&event) == NULL);
	tap_fail_allocation(0);
}

int main(void)
{
	RUN_TESTS(TEST(a_batch_is_due_when_full_or_when_it_has_waited),
		  TEST(a_batch_ends_at_its_bytes_but_has_one_event_at_least),
		  TEST(what_failed_is_sent_again_in_the_same_order_after_a_pause),
		  TEST(what_was_refused_is_halved_until_the_one_is_found),
		  TEST(each_event_of_a_partly_taken_batch_goes_its_own_way),
		  TEST(one_at_the_end_that_leaves_does_not_lose_what_comes),
		  TEST(a_wrong_configuration_never_makes_a_dead_letter),
		  TEST(pauses_grow_to_a_bound_and_are_spread_over_all_of_it),
		  TEST(an_event_is_a_copy_of_its_own));
}
