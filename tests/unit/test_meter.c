/* SPDX-License-Identifier: MIT
 *
 * The arithmetic of limits: rates, budgets, windows, settling, alerts. Time is a number here.
 */
#include "limits/meter.h"

#include <stdlib.h>

#include "tap.h"

#define SECOND UINT64_C(1000000000)
#define DAY    (86400 * SECOND)
/* 2026-11-24, noon UTC: day 20781. */
#define NOON (UINT64_C(20781) * DAY + DAY / 2)

static struct limit_values one(enum limit_kind kind, uint64_t value)
{
	struct limit_values v = {0};

	v.given = 1u << kind;
	v.value[kind] = value;
	return v;
}

static struct meter fresh(uint64_t now_ns)
{
	struct meter a;

	meter_open(&a, "environments.production");
	meter_roll(&a, now_ns);
	return a;
}

static bool take(struct meter *a, const struct limit_values *v, struct limits_amounts wanted,
		 uint64_t now_ns, struct meter_refusal *r)
{
	meter_roll(a, now_ns);
	if (!meter_allows(a, v, &wanted, now_ns, r))
		return false;
	meter_charge(a, v, &wanted, now_ns);
	return true;
}

static const struct limits_amounts request = {1, 0, 0};

static void a_quiet_program_may_send_a_minutes_worth_at_once(void)
{
	struct limit_values v = one(LIMIT_REQUESTS_PER_MINUTE, 5);
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};

	for (int i = 0; i < 5; i++)
		CHECK(take(&a, &v, request, NOON, &r));
	CHECK(!take(&a, &v, request, NOON, &r));
	CHECK(r.kind == LIMIT_REQUESTS_PER_MINUTE);
	CHECK_U64(r.limit, 5);
	CHECK_U64(r.used, 5);
	CHECK_U64(r.resets_ns, NOON + 12 * SECOND); /* one of five flows back in a fifth */
	CHECK(!take(&a, &v, request, NOON + 12 * SECOND - 1, &r));
	CHECK(take(&a, &v, request, NOON + 12 * SECOND, &r));
	CHECK(!take(&a, &v, request, NOON + 12 * SECOND, &r));
}

static void a_rate_is_kept_over_a_long_time(void)
{
	struct limit_values v = one(LIMIT_REQUESTS_PER_MINUTE, 7);
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};
	unsigned passed = 0;

	for (uint64_t t = 0; t < 600; t++)
		passed += take(&a, &v, request, NOON + t * SECOND, &r);
	CHECK(passed >= 7 * 10 && passed <= 7 * 10 + 7);
}

static void a_call_larger_than_a_minute_goes_when_nothing_is_used_and_is_waited_for(void)
{
	struct limit_values v = one(LIMIT_TOKENS_PER_MINUTE, 1000);
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};
	const struct limits_amounts large = {1, 3000, 0}, small = {1, 1, 0};

	CHECK(take(&a, &v, small, NOON, &r));
	CHECK(!take(&a, &v, large, NOON, &r));
	CHECK(take(&a, &v, large, NOON + SECOND, &r));
	CHECK(!take(&a, &v, small, NOON + 120 * SECOND, &r));
	CHECK(take(&a, &v, small, NOON + 122 * SECOND, &r));
}

static void a_debt_is_an_hour_at_most(void)
{
	struct limit_values v = one(LIMIT_TOKENS_PER_MINUTE, 1);
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};
	const struct limits_amounts huge = {1, UINT64_MAX, UINT64_MAX}, small = {1, 1, 0};

	CHECK(take(&a, &v, huge, NOON, &r));
	CHECK(!take(&a, &v, small, NOON + 58 * 60 * SECOND, &r));
	CHECK(take(&a, &v, small, NOON + METER_DEBT_NS, &r));
}

static void a_limit_of_zero_allows_nothing_and_one_not_given_everything(void)
{
	struct limit_values none = {0};
	const struct limits_amounts wanted = {1, 1, 1};

	for (int kind = 0; kind < LIMIT_COUNT; kind++) {
		struct limit_values v = one((enum limit_kind)kind, 0);
		struct meter a = fresh(NOON);
		struct meter_refusal r = {0};
		CHECK(!take(&a, &v, wanted, NOON, &r));
		CHECK(r.kind == (enum limit_kind)kind);
		/* nor what needs nothing of it: a list of models, a model that costs nothing */
		CHECK(!take(&a, &v, request, NOON, &r));
		CHECK(r.kind == (enum limit_kind)kind && r.limit == 0);
		CHECK(take(&a, &none, wanted, NOON, &r));
	}
}

static void a_budget_is_used_up_to_its_last_token_and_not_beyond(void)
{
	struct limit_values v = one(LIMIT_TOKENS_PER_DAY, 1000);
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};

	CHECK(take(&a, &v, (struct limits_amounts){1, 600, 0}, NOON, &r));
	CHECK(!take(&a, &v, (struct limits_amounts){1, 401, 0}, NOON, &r));
	CHECK_U64(r.used, 600);
	CHECK_U64(r.wanted, 401);
	CHECK_U64(r.resets_ns, NOON + DAY / 2);
	CHECK(take(&a, &v, (struct limits_amounts){1, 400, 0}, NOON, &r));
	CHECK(take(&a, &v, (struct limits_amounts){1, 0, 0}, NOON, &r)); /* takes nothing of it */
	CHECK(!take(&a, &v, (struct limits_amounts){1, 1, 0}, NOON, &r));
	CHECK(take(&a, &v, (struct limits_amounts){1, 1000, 0}, NOON + DAY / 2, &r));
}

static void months_end_when_the_calendar_says(void)
{
	static const struct {
		uint64_t day;
		unsigned year, month, last; /* days until the next month begins */
	} rows[] = {
		{0, 1970, 1, 31},     {58, 1970, 2, 1},     {11016, 2000, 2, 1},
		{11017, 2000, 3, 31}, {20781, 2026, 11, 7}, {20788, 2026, 12, 31},
		{20818, 2026, 12, 1}, {20819, 2027, 1, 31}, {47540, 2100, 2, 1},
		{47541, 2100, 3, 31},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct meter a = fresh(rows[i].day * DAY + 5);
		CHECK_U64(a.month, rows[i].year * 12 + rows[i].month - 1);
		CHECK_U64(meter_resets_ns(&a, LIMIT_USD_PER_MONTH, rows[i].day * DAY + 5),
			  (rows[i].day + rows[i].last) * DAY);
	}
}

static void a_month_goes_on_when_a_day_ends(void)
{
	struct limit_values v = one(LIMIT_USD_PER_MONTH, 100);
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};
	const struct limits_amounts wanted = {1, 0, 60};

	CHECK(take(&a, &v, wanted, NOON, &r));
	CHECK(!take(&a, &v, wanted, NOON + DAY, &r));
	CHECK_U64(a.spent[LIMIT_USD_PER_MONTH - LIMIT_TOKENS_PER_DAY], 60);
	CHECK_U64(a.spent[LIMIT_USD_PER_DAY - LIMIT_TOKENS_PER_DAY], 0);
	CHECK(take(&a, &v, wanted, NOON + 7 * DAY, &r)); /* 1 December */
}

static void a_process_that_is_late_at_midnight_does_not_begin_the_day_again(void)
{
	struct limit_values v = one(LIMIT_TOKENS_PER_DAY, 100);
	uint64_t midnight = NOON + DAY / 2;
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};
	const struct limits_amounts wanted = {1, 60, 0};

	CHECK(take(&a, &v, wanted, midnight, &r));
	CHECK(!take(&a, &v, wanted, midnight - 1, &r));
	CHECK(!take(&a, &v, wanted, midnight, &r));
}

static struct meter_windows windows_of(const struct meter *a)
{
	return (struct meter_windows){a->day, a->month};
}

static void what_was_used_replaces_what_was_taken(void)
{
	struct limit_values v = one(LIMIT_TOKENS_PER_DAY, 1000);
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};
	const struct limits_amounts wanted = {1, 900, 9}, less = {1, 100, 1}, more = {1, 1500, 2};

	CHECK(take(&a, &v, wanted, NOON, &r));
	meter_settle(&a, &v, &wanted, &less, windows_of(&a), NOON);
	CHECK_U64(meter_used(&a, &v, LIMIT_TOKENS_PER_DAY, NOON), 100);
	CHECK(take(&a, &v, wanted, NOON, &r));
	meter_settle(&a, &v, &wanted, &more, windows_of(&a), NOON);
	CHECK_U64(meter_used(&a, &v, LIMIT_TOKENS_PER_DAY, NOON), 1600);
	CHECK_U64(a.spent[LIMIT_USD_PER_MONTH - LIMIT_TOKENS_PER_DAY], 3);
	CHECK(!take(&a, &v, less, NOON, &r));
}

static void a_rates_refund_can_be_used_again(void)
{
	struct limit_values v = one(LIMIT_TOKENS_PER_MINUTE, 1000);
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};
	const struct limits_amounts wanted = {1, 1000, 0}, used = {1, 10, 0};

	CHECK(take(&a, &v, wanted, NOON, &r));
	CHECK(!take(&a, &v, used, NOON, &r));
	meter_settle(&a, &v, &wanted, &used, windows_of(&a), NOON);
	CHECK_U64(meter_used(&a, &v, LIMIT_TOKENS_PER_MINUTE, NOON), 10);
	CHECK(take(&a, &v, (struct limits_amounts){1, 990, 0}, NOON, &r));
	CHECK(!take(&a, &v, used, NOON, &r));
}

/* Whatever is estimated, no more than the rate allows comes to be used. */
static void estimates_do_not_stretch_a_rate(void)
{
	struct limit_values v = one(LIMIT_TOKENS_PER_MINUTE, 600);
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};
	uint64_t sum = 0, seconds = 3600;

	srand(7);
	for (uint64_t t = 0; t < seconds; t++) {
		const struct limits_amounts wanted = {1, (uint64_t)(rand() % 200), 0},
					    used = {1, (uint64_t)(rand() % 100), 0};
		if (!take(&a, &v, wanted, NOON + t * SECOND, &r))
			continue;
		meter_settle(&a, &v, &wanted, &used, windows_of(&a), NOON + t * SECOND);
		sum += used.tokens;
	}
	CHECK(sum <= 10 * seconds + 600 + 200);
	CHECK(sum >= 9 * seconds);
}

static void what_ends_after_its_day_does_not_touch_the_next(void)
{
	struct limit_values v = one(LIMIT_TOKENS_PER_DAY, 1000);
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};
	const struct limits_amounts wanted = {1, 900, 0}, used = {1, 950, 0};
	struct meter_windows then;

	CHECK(take(&a, &v, wanted, NOON, &r));
	then = windows_of(&a);
	CHECK(take(&a, &v, (struct limits_amounts){1, 5, 0}, NOON + DAY, &r));
	meter_settle(&a, &v, &wanted, &used, then, NOON + DAY);
	CHECK_U64(meter_used(&a, &v, LIMIT_TOKENS_PER_DAY, NOON + DAY), 5);
	CHECK_U64(a.spent[LIMIT_TOKENS_PER_MONTH - LIMIT_TOKENS_PER_DAY], 955);
}

static void the_limit_that_holds_longest_is_named(void)
{
	struct limit_values v = one(LIMIT_REQUESTS_PER_MINUTE, 1);
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};
	const struct limits_amounts wanted = {1, 60, 0};

	v.given |= 1u << LIMIT_TOKENS_PER_MONTH | 1u << LIMIT_TOKENS_PER_DAY;
	v.value[LIMIT_TOKENS_PER_MONTH] = v.value[LIMIT_TOKENS_PER_DAY] = 100;
	CHECK(take(&a, &v, wanted, NOON, &r));
	CHECK(!take(&a, &v, wanted, NOON, &r));
	CHECK(r.kind == LIMIT_TOKENS_PER_MONTH);
	limit_give(&v, LIMIT_TOKENS_PER_MINUTE, 0); /* for ever */
	CHECK(!take(&a, &v, wanted, NOON, &r));
	CHECK(r.kind == LIMIT_TOKENS_PER_MINUTE);
}

static void alerts_are_told_once_a_window(void)
{
	struct limit_values v = one(LIMIT_TOKENS_PER_DAY, 100);
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};
	enum limit_kind kind = LIMIT_COUNT;
	static const struct {
		uint64_t more;
		unsigned percent;
	} rows[] = {{49, 0}, {1, 50}, {29, 0}, {1, 80}, {20, 100}};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		CHECK(take(&a, &v, (struct limits_amounts){1, rows[i].more, 0}, NOON, &r));
		CHECK_U64(meter_next_alert(&a, &v, &kind), rows[i].percent);
		CHECK_U64(meter_next_alert(&a, &v, &kind), 0);
	}
	CHECK(kind == LIMIT_TOKENS_PER_DAY);
	CHECK(!meter_tell_refusal(&a, LIMIT_TOKENS_PER_DAY));
	meter_roll(&a, NOON + DAY);
	CHECK(take(&a, &v, (struct limits_amounts){1, 100, 0}, NOON + DAY, &r));
	CHECK_U64(meter_next_alert(&a, &v, &kind), 100); /* the lower ones are told with it */
	CHECK_U64(meter_next_alert(&a, &v, &kind), 0);
}

static void a_refusal_is_the_last_alert(void)
{
	struct limit_values v = one(LIMIT_USD_PER_DAY, 100);
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};
	enum limit_kind kind;

	CHECK(take(&a, &v, (struct limits_amounts){1, 0, 95}, NOON, &r));
	CHECK_U64(meter_next_alert(&a, &v, &kind), 80);
	CHECK(meter_tell_refusal(&a, LIMIT_USD_PER_DAY));
	CHECK(!meter_tell_refusal(&a, LIMIT_USD_PER_DAY));
	CHECK(!meter_tell_refusal(&a, LIMIT_REQUESTS_PER_MINUTE));
}

static void a_record_with_any_bit_changed_is_not_taken_for_one(void)
{
	struct meter a = fresh(NOON);

	CHECK(!meter_is_sealed(&a));
	meter_seal(&a);
	CHECK(meter_is_sealed(&a));
	for (size_t bit = 0; bit < sizeof a * 8; bit++) {
		struct meter b = a;
		((uint8_t *)&b)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (meter_is_sealed(&b))
			tap_fail(__FILE__, __LINE__, "bit %zu", bit);
	}
}

static void a_time_far_ahead_is_bounded(void)
{
	struct limit_values v = one(LIMIT_REQUESTS_PER_MINUTE, 60);
	struct meter a = fresh(NOON);
	struct meter_refusal r = {0};

	a.arrival_ns[LIMIT_REQUESTS_PER_MINUTE] = UINT64_MAX;
	CHECK(!take(&a, &v, request, NOON, &r));
	CHECK(r.resets_ns <= NOON + METER_DEBT_NS);
	a.spent[0] = UINT64_MAX;
	v = one(LIMIT_TOKENS_PER_DAY, UINT64_MAX);
	meter_charge(&a, &v, &(struct limits_amounts){UINT64_MAX, UINT64_MAX, UINT64_MAX},
		     UINT64_MAX);
	CHECK_U64(a.spent[0], UINT64_MAX);
}

static void names_and_shapes_agree(void)
{
	CHECK_STR(limit_name(LIMIT_USD_PER_MONTH), "usd_per_month");
	CHECK_STR(limit_name(LIMIT_COUNT), "");
	CHECK(limit_shape(LIMIT_CONCURRENT_REQUESTS) == LIMIT_HELD);
	for (int kind = 0; kind < LIMIT_COUNT; kind++)
		CHECK((limit_shape((enum limit_kind)kind) == LIMIT_BUDGET) ==
		      (kind >= LIMIT_TOKENS_PER_DAY && kind <= LIMIT_USD_PER_MONTH));
}

int main(void)
{
	RUN_TESTS(TEST(a_quiet_program_may_send_a_minutes_worth_at_once),
		  TEST(a_rate_is_kept_over_a_long_time),
		  TEST(a_call_larger_than_a_minute_goes_when_nothing_is_used_and_is_waited_for),
		  TEST(a_debt_is_an_hour_at_most),
		  TEST(a_limit_of_zero_allows_nothing_and_one_not_given_everything),
		  TEST(a_budget_is_used_up_to_its_last_token_and_not_beyond),
		  TEST(months_end_when_the_calendar_says), TEST(a_month_goes_on_when_a_day_ends),
		  TEST(a_process_that_is_late_at_midnight_does_not_begin_the_day_again),
		  TEST(what_was_used_replaces_what_was_taken),
		  TEST(a_rates_refund_can_be_used_again), TEST(estimates_do_not_stretch_a_rate),
		  TEST(what_ends_after_its_day_does_not_touch_the_next),
		  TEST(the_limit_that_holds_longest_is_named), TEST(alerts_are_told_once_a_window),
		  TEST(a_refusal_is_the_last_alert),
		  TEST(a_record_with_any_bit_changed_is_not_taken_for_one),
		  TEST(a_time_far_ahead_is_bounded), TEST(names_and_shapes_agree));
}
