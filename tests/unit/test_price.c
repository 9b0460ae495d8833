/* SPDX-License-Identifier: MIT
 *
 * What an answer costs: each part of a bill by itself, the limits of length, what is not known, and
 * money as text. Also that the built-in list is sorted and found.
 */
#include "llm/price.h"

#include "llm/price_list.h"
#include "tap.h"

/* A price of its own for each bucket: 1 to 8. */
static struct price priced(void)
{
	struct price p = {0};

	for (unsigned b = 0; b < BUCKET_COUNT; b++)
		price_set(&p, PLAN_STANDARD, (enum price_bucket)b, b + 1);
	return p;
}

static struct usage used(uint64_t input, uint64_t output)
{
	struct usage u = {0};

	u.presence[USAGE_INPUT] = u.presence[USAGE_OUTPUT] = PRESENT;
	u.tokens[USAGE_INPUT] = input;
	u.tokens[USAGE_OUTPUT] = output;
	return u;
}

static void part(struct usage *u, enum usage_kind kind, uint64_t tokens)
{
	u->presence[kind] = PRESENT;
	u->tokens[kind] = tokens;
}

static uint64_t cost(const struct price *p, enum price_plan plan, const struct usage *u)
{
	uint64_t picousd = UINT64_MAX;

	CHECK_ERR(price_cost(p, plan, OP_CHAT, u, &picousd), OK);
	return picousd;
}

static void check_no_cost(const struct price *p, enum price_plan plan, const struct usage *u,
			  enum err expected)
{
	uint64_t picousd = 77;

	CHECK_ERR(price_cost(p, plan, OP_CHAT, u, &picousd), expected);
	CHECK_U64(picousd, 77);
}

static void each_token_is_in_one_bucket_and_each_bucket_has_its_price(void)
{
	static const struct {
		enum usage_kind kind;
		enum price_bucket whole, bucket;
	} cases[] = {
		{USAGE_CACHE_READ, BUCKET_INPUT, BUCKET_CACHE_READ},
		{USAGE_CACHE_CREATION, BUCKET_INPUT, BUCKET_CACHE_WRITE},
		{USAGE_INPUT_AUDIO, BUCKET_INPUT, BUCKET_AUDIO_INPUT},
		{USAGE_REASONING, BUCKET_OUTPUT, BUCKET_REASONING},
		{USAGE_OUTPUT_AUDIO, BUCKET_OUTPUT, BUCKET_AUDIO_OUTPUT},
	};
	struct price p = priced();
	const uint32_t *each = p.picousd[PLAN_STANDARD];
	struct usage u = used(1000, 100);

	CHECK_U64(cost(&p, PLAN_STANDARD, &u),
		  1000 * each[BUCKET_INPUT] + 100 * each[BUCKET_OUTPUT]);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		u = used(1000, 100);
		part(&u, cases[i].kind, 30);
		CHECK_U64(cost(&p, PLAN_STANDARD, &u),
			  1000 * each[BUCKET_INPUT] + 100 * each[BUCKET_OUTPUT] -
				  30 * each[cases[i].whole] + 30 * each[cases[i].bucket]);
	}
}

static void a_cache_write_for_an_hour_is_part_of_all_cache_writes(void)
{
	struct price p = priced();
	const uint32_t *each = p.picousd[PLAN_STANDARD];
	struct usage u = used(1000, 0);

	part(&u, USAGE_CACHE_CREATION, 300);
	part(&u, USAGE_CACHE_CREATION_1H, 100);
	CHECK_U64(cost(&p, PLAN_STANDARD, &u), 700 * each[BUCKET_INPUT] +
						       200 * each[BUCKET_CACHE_WRITE] +
						       100 * each[BUCKET_CACHE_WRITE_1H]);
	part(&u, USAGE_CACHE_CREATION_1H, 301);
	check_no_cost(&p, PLAN_STANDARD, &u, ERR_BAD);
}

static void reasoning_without_a_price_of_its_own_is_output(void)
{
	struct price p = priced();
	struct usage u = used(0, 100);

	part(&u, USAGE_REASONING, 40);
	p.given[PLAN_STANDARD] &= (uint8_t) ~(1u << BUCKET_REASONING);
	CHECK_U64(cost(&p, PLAN_STANDARD, &u), 100 * p.picousd[PLAN_STANDARD][BUCKET_OUTPUT]);
}

static void a_bucket_without_a_price_has_no_cost_unless_it_is_empty(void)
{
	static const enum usage_kind kinds[] = {USAGE_CACHE_READ, USAGE_CACHE_CREATION,
						USAGE_INPUT_AUDIO, USAGE_OUTPUT_AUDIO};
	struct price p = {0};

	price_set(&p, PLAN_STANDARD, BUCKET_INPUT, 3);
	price_set(&p, PLAN_STANDARD, BUCKET_OUTPUT, 5);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct usage u = used(10, 10);
		part(&u, kinds[i], 0);
		CHECK_U64(cost(&p, PLAN_STANDARD, &u), 80);
		part(&u, kinds[i], 1);
		check_no_cost(&p, PLAN_STANDARD, &u, ERR_MISSING);
	}
}

static void a_price_of_0_is_a_cost_of_0(void)
{
	struct price p = {0};
	struct usage u = used(10, 0);

	price_set(&p, PLAN_STANDARD, BUCKET_INPUT, 0);
	CHECK_U64(cost(&p, PLAN_STANDARD, &u), 0);
	u = used(10, 1);
	check_no_cost(&p, PLAN_STANDARD, &u, ERR_MISSING);
}

static void input_and_output_must_be_known(void)
{
	struct price p = priced();
	struct usage u = used(10, 10);
	uint64_t picousd;

	u.presence[USAGE_OUTPUT] = ABSENT;
	check_no_cost(&p, PLAN_STANDARD, &u, ERR_MISSING);
	/* embeddings have none */
	CHECK_ERR(price_cost(&p, PLAN_STANDARD, OP_EMBEDDINGS, &u, &picousd), OK);
	CHECK_U64(picousd, 10 * p.picousd[PLAN_STANDARD][BUCKET_INPUT]);
	u.presence[USAGE_OUTPUT] = IS_NULL;
	check_no_cost(&p, PLAN_STANDARD, &u, ERR_MISSING);
	u = used(10, 10);
	u.presence[USAGE_INPUT] = IS_NULL;
	check_no_cost(&p, PLAN_STANDARD, &u, ERR_MISSING);
	/* a detail given as null is none */
	u = used(10, 0);
	part(&u, USAGE_CACHE_READ, 5);
	u.presence[USAGE_CACHE_READ] = IS_NULL;
	CHECK_U64(cost(&p, PLAN_STANDARD, &u), 10 * p.picousd[PLAN_STANDARD][BUCKET_INPUT]);
}

static void parts_over_the_whole_have_no_cost(void)
{
	struct price p = priced();
	struct usage u = used(10, 10);

	part(&u, USAGE_CACHE_READ, 6);
	part(&u, USAGE_CACHE_CREATION, 4);
	CHECK_U64(cost(&p, PLAN_STANDARD, &u), 6 * 2 + 4 * 3 + 10 * 6);
	part(&u, USAGE_CACHE_CREATION, 5);
	check_no_cost(&p, PLAN_STANDARD, &u, ERR_BAD);
	u = used(10, 10);
	part(&u, USAGE_REASONING, 11);
	check_no_cost(&p, PLAN_STANDARD, &u, ERR_BAD);
	part(&u, USAGE_REASONING, UINT64_MAX);
	part(&u, USAGE_OUTPUT_AUDIO, 2);
	check_no_cost(&p, PLAN_STANDARD, &u, ERR_BAD);
}

static void cached_audio_has_no_cost(void)
{
	struct price p = priced();
	struct usage u = used(10, 0);

	part(&u, USAGE_CACHE_READ, 1);
	part(&u, USAGE_INPUT_AUDIO, 1);
	check_no_cost(&p, PLAN_STANDARD, &u, ERR_AMBIGUOUS);
}

static void a_request_over_the_limit_of_length_has_other_prices_as_a_whole(void)
{
	static const uint32_t limits[] = {128000, 200000, 272000};

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		struct price p = priced();
		struct usage at = used(limits[i], 10), past = used(limits[i] + 1, 10);
		p.above_tokens = limits[i];
		price_set(&p, PLAN_ABOVE, BUCKET_INPUT, 100);
		price_set(&p, PLAN_ABOVE, BUCKET_OUTPUT, 1000);
		CHECK_U64(cost(&p, PLAN_STANDARD, &at), limits[i] * UINT64_C(1) + 10 * 6);
		CHECK_U64(cost(&p, PLAN_STANDARD, &past),
			  (limits[i] + 1) * UINT64_C(100) + 10 * 1000);
		/* cached tokens count for the length, and have no price above it here */
		part(&past, USAGE_CACHE_READ, limits[i]);
		check_no_cost(&p, PLAN_STANDARD, &past, ERR_MISSING);
		price_set(&p, PLAN_ABOVE, BUCKET_CACHE_READ, 7);
		CHECK_U64(cost(&p, PLAN_STANDARD, &past), 100 + limits[i] * UINT64_C(7) + 10000);
	}
}

static void batch_priority_and_flex_have_their_own_prices_or_none(void)
{
	static const enum price_plan plans[] = {PLAN_BATCH, PLAN_PRIORITY, PLAN_FLEX};

	for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
		struct price p = priced();
		struct usage u = used(10, 10);
		check_no_cost(&p, plans[i], &u, ERR_MISSING);
		price_set(&p, plans[i], BUCKET_INPUT, 50);
		price_set(&p, plans[i], BUCKET_OUTPUT, 70);
		CHECK_U64(cost(&p, plans[i], &u), 10 * 50 + 10 * 70);
		p.above_tokens = 9; /* what is both has no price */
		check_no_cost(&p, plans[i], &u, ERR_MISSING);
	}
}

static void sums_that_do_not_fit_have_no_cost(void)
{
	struct price p = {0};
	struct usage u = used(UINT64_MAX, 0);

	price_set(&p, PLAN_STANDARD, BUCKET_INPUT, 1);
	price_set(&p, PLAN_STANDARD, BUCKET_OUTPUT, 1);
	CHECK_U64(cost(&p, PLAN_STANDARD, &u), UINT64_MAX);
	u = used(UINT64_MAX, 1); /* the sum */
	check_no_cost(&p, PLAN_STANDARD, &u, ERR_LIMIT);
	price_set(&p, PLAN_STANDARD, BUCKET_INPUT, 2);
	u = used(UINT64_MAX / 2 + 1, 0); /* the product */
	check_no_cost(&p, PLAN_STANDARD, &u, ERR_LIMIT);
}

static void service_tiers_that_no_list_has_are_told_apart(void)
{
	enum price_plan plan = PLAN_COUNT;

	CHECK_ERR(price_plan_of(BYTES(""), &plan), OK);
	CHECK(plan == PLAN_STANDARD);
	CHECK_ERR(price_plan_of(BYTES("default"), &plan), OK);
	CHECK(plan == PLAN_STANDARD);
	CHECK_ERR(price_plan_of(BYTES("priority"), &plan), OK);
	CHECK(plan == PLAN_PRIORITY);
	CHECK_ERR(price_plan_of(BYTES("flex"), &plan), OK);
	CHECK(plan == PLAN_FLEX);
	CHECK_ERR(price_plan_of(BYTES("batch"), &plan), OK);
	CHECK(plan == PLAN_BATCH);
	CHECK_ERR(price_plan_of(BYTES("scale"), &plan), ERR_UNSUPPORTED);
	CHECK_ERR(price_plan_of(BYTES("Default"), &plan), ERR_UNSUPPORTED);
	CHECK(plan == PLAN_BATCH);
}

static void a_price_is_decimal_text_and_exact(void)
{
	static const struct {
		const char *text;
		enum err e;
		uint32_t picousd;
	} cases[] = {
		{"1.25", OK, 1250000},
		{"0", OK, 0},
		{"0.000001", OK, 1},
		{"150", OK, 150000000},
		{"0.546875", OK, 546875},
		{"4000", OK, 4000000000},
		{"4000.0", OK, 4000000000},
		{"007", OK, 7000000},
		{"4000.000001", ERR_LIMIT, 0},
		{"4001", ERR_LIMIT, 0},
		{"99999999999999999999", ERR_BAD, 0},
		{"18446744073709551615", ERR_LIMIT, 0},
		{"0.0000001", ERR_BAD, 0},
		{"", ERR_BAD, 0},
		{".5", ERR_BAD, 0},
		{"5.", ERR_BAD, 0},
		{"-1", ERR_BAD, 0},
		{"+1", ERR_BAD, 0},
		{"1e3", ERR_BAD, 0},
		{"1,5", ERR_BAD, 0},
		{" 1", ERR_BAD, 0},
		{"1.2.3", ERR_BAD, 0},
		{"1.-5", ERR_BAD, 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint32_t picousd = 0;
		enum err e = price_parse(tap_guarded(bytes_str(cases[i].text)), &picousd);
		if (e != cases[i].e || picousd != cases[i].picousd)
			tap_fail(__FILE__, __LINE__, "%s gives %s and %u", cases[i].text,
				 err_name(e), picousd);
	}
}

static void an_amount_is_written_exactly(void)
{
	static const struct {
		uint64_t picousd;
		const char *text;
	} cases[] = {
		{0, "0"},
		{1, "0.000000000001"},
		{3120000000, "0.00312"},
		{1000000000000, "1"},
		{12500000000000, "12.5"},
		{UINT64_MAX, "18446744.073709551615"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf out = {0};
		CHECK_ERR(price_put_usd(&out, cases[i].picousd), OK);
		CHECK_BYTES(buf_view(&out), cases[i].text);
		buf_done(&out);
	}
}

static void the_built_in_list_is_sorted_and_every_name_in_it_is_found(void)
{
	struct bytes before = BYTES_NONE;
	struct price p;

	CHECK(price_list_count > 1000);
	for (size_t i = 0; i < price_list_count; i++) {
		struct bytes name = bytes_str(price_list_names + price_list_entries[i].name_at);
		CHECK(bytes_compare(before, name) < 0);
		CHECK_ERR(price_list_find(tap_guarded(name), &p), OK);
		CHECK(p.given[PLAN_STANDARD] & 1u << BUCKET_INPUT);
		CHECK((p.above_tokens != 0) == (p.given[PLAN_ABOVE] != 0));
		before = name;
	}
	CHECK_ERR(price_list_find(BYTES(""), &p), ERR_MISSING);
	CHECK_ERR(price_list_find(BYTES("openai/gpt-4"), &p), OK);
	CHECK_ERR(price_list_find(BYTES("openai/gpt-"), &p), ERR_MISSING);
	CHECK_ERR(price_list_find(BYTES("openai/gpt-4 "), &p), ERR_MISSING);
	CHECK_ERR(price_list_find(BYTES("~"), &p), ERR_MISSING);
}

/* Of the list of 2026-08; to be changed with it. */
static void prices_of_the_list_are_those_that_were_published(void)
{
	struct price p;
	struct usage u = used(1000000, 1000000);

	CHECK_STR(price_list_date, "2026-08");
	CHECK_ERR(price_list_find(BYTES("openai/gpt-4o"), &p), OK);
	CHECK_U64(cost(&p, PLAN_STANDARD, &u), 12500000000000); /* $2.50 + $10 */
	CHECK_U64(cost(&p, PLAN_BATCH, &u), 6250000000000);
	CHECK_U64(cost(&p, PLAN_PRIORITY, &u), 21250000000000);
	CHECK_ERR(price_list_find(BYTES("anthropic/claude-sonnet-4-5-20250929"), &p), OK);
	CHECK_U64(p.above_tokens, 200000);
	CHECK_U64(p.picousd[PLAN_STANDARD][BUCKET_CACHE_WRITE_1H], 6000000);
	CHECK_U64(cost(&p, PLAN_STANDARD, &u), 28500000000000); /* $6 + $22.50 */
}

int main(void)
{
	RUN_TESTS(TEST(each_token_is_in_one_bucket_and_each_bucket_has_its_price),
		  TEST(a_cache_write_for_an_hour_is_part_of_all_cache_writes),
		  TEST(reasoning_without_a_price_of_its_own_is_output),
		  TEST(a_bucket_without_a_price_has_no_cost_unless_it_is_empty),
		  TEST(a_price_of_0_is_a_cost_of_0), TEST(input_and_output_must_be_known),
		  TEST(parts_over_the_whole_have_no_cost), TEST(cached_audio_has_no_cost),
		  TEST(a_request_over_the_limit_of_length_has_other_prices_as_a_whole),
		  TEST(batch_priority_and_flex_have_their_own_prices_or_none),
		  TEST(sums_that_do_not_fit_have_no_cost),
		  TEST(service_tiers_that_no_list_has_are_told_apart),
		  TEST(a_price_is_decimal_text_and_exact), TEST(an_amount_is_written_exactly),
		  TEST(the_built_in_list_is_sorted_and_every_name_in_it_is_found),
		  TEST(prices_of_the_list_are_those_that_were_published));
}
