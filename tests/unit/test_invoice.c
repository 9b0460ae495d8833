/* SPDX-License-Identifier: MIT
 *
 * Sums by name, and a provider's invoice: which column is what, days, numbers, what is refused.
 */
#include "aigw/invoice.h"

#include <stdlib.h>

#include "tap.h"

/* ---- sums ---- */

static void names_come_together_in_order(void)
{
	struct tally t = {0};
	struct counts one = {.requests = 1, .priced = 1, .cost_picousd = 10};
	char name[16];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "n%03d", 999 - i % 300);
		CHECK_ERR(tally_add(&t, bytes_str(name), &one), OK);
	}
	tally_sort(&t);
	CHECK_U64(t.count, 300);
	CHECK(t.cap <= 1024);
	CHECK_BYTES(tally_name(&t.rows[0]), "n700");
	CHECK_U64(t.rows[0].counts.requests, 3);
	CHECK_U64(t.rows[299].counts.requests, 4);
	CHECK_U64(t.rows[299].counts.cost_picousd, 40);
	tally_done(&t);
	tally_sort(&t);
	CHECK_U64(t.count, 0);
}

static void sums_stop_at_the_end_and_money_that_does_not_fit_is_unpriced(void)
{
	struct counts sum = {.input_tokens = UINT64_MAX - 1, .cost_picousd = 5, .priced = 1};
	struct counts more = {.input_tokens = 2, .cost_picousd = UINT64_MAX - 4, .priced = 3};

	counts_add(&sum, &more);
	CHECK_U64(sum.input_tokens, UINT64_MAX);
	CHECK_U64(sum.cost_picousd, 5);
	CHECK_U64(sum.priced, 1);
	CHECK_U64(sum.unpriced, 3);
	more.cost_picousd = UINT64_MAX - 5;
	counts_add(&sum, &more);
	CHECK_U64(sum.cost_picousd, UINT64_MAX);
	CHECK_U64(sum.priced, 4);
}

/* ---- numbers ---- */

static void numbers_are_read_exactly(void)
{
	static const struct {
		const char *text;
		unsigned scale;
		bool cut;
		enum err e;
		uint64_t value;
	} cases[] = {
		{"0", 0, false, OK, 0},
		{"18446744073709551615", 0, false, OK, UINT64_MAX},
		{"18446744073709551616", 0, false, ERR_LIMIT, 0},
		{"12.0", 0, false, OK, 12},
		{"12.5", 0, false, ERR_BAD, 0},
		{"1e3", 0, false, OK, 1000},
		{"1.5E+1", 0, false, OK, 15},
		{"1e-1", 0, false, ERR_BAD, 0},
		{"0.06", 12, true, OK, 60000000000},
		{"1.2e-05", 12, true, OK, 12000000},
		{"0.0000000000019", 12, true, OK, 1},
		{"0.00312000000000000000000000000001", 12, true, OK, 3120000000},
		{"18446744.073709551615", 12, true, OK, UINT64_MAX},
		{"18446744.073709551616", 12, true, ERR_LIMIT, 0},
		{"1e30", 12, true, ERR_LIMIT, 0},
		{"0e30", 12, true, OK, 0},
		{"1e31", 0, true, ERR_BAD, 0},
		{"", 0, true, ERR_BAD, 0},
		{".", 0, true, ERR_BAD, 0},
		{"-1", 0, true, ERR_BAD, 0},
		{"1e", 0, true, ERR_BAD, 0},
		{"1.2.3", 0, true, ERR_BAD, 0},
		{"1,000", 0, true, ERR_BAD, 0},
		{"0x10", 0, true, ERR_BAD, 0},
		{"1 ", 0, true, ERR_BAD, 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t value = 0;
		enum err e = invoice_parse_number(tap_guarded(bytes_str(cases[i].text)),
						  cases[i].scale, cases[i].cut, &value);
		if (e != cases[i].e || value != cases[i].value)
			tap_fail(__FILE__, __LINE__, "%s gives %s, %llu", cases[i].text,
				 err_name(e), (unsigned long long)value);
	}
}

/* ---- invoices ---- */

/* Rows as "name input output cost;". */
static void check(const char *text, const struct invoice_map *maps, size_t map_count,
		  const char *expected)
{
	struct invoice v;
	char got[1000] = "";
	enum err e = invoice_parse(tap_guarded(bytes_str(text)), maps, map_count, &v);

	if (e)
		snprintf(got, sizeof got, "%llu: %s", (unsigned long long)v.line, v.problem);
	for (size_t i = 0; i < v.rows.count && !e; i++) {
		const struct counts *c = &v.rows.rows[i].counts;
		size_t len = strlen(got);
		snprintf(got + len, sizeof got - len, "%.*s %llu %llu %llu;",
			 (int)v.rows.rows[i].name_len, (const char *)v.rows.rows[i].name,
			 (unsigned long long)c->input_tokens, (unsigned long long)c->output_tokens,
			 (unsigned long long)c->cost_picousd);
	}
	CHECK_STR(got, expected);
	invoice_done(&v);
}

static void the_plain_form_is_summed_by_day_and_model(void)
{
	check("date,model,input_tokens,output_tokens,cost\n"
	      "2026-11-24,gpt-5,10,1,0.5\n2026-11-25,gpt-5,1,1,1e-12\n2026-11-24,GPT-5,5,2,$0.25\n"
	      "2026-11-24,a,0,0,\n",
	      NULL, 0,
	      "2026-11-24 a 0 0 0;2026-11-24 gpt-5 15 3 750000000000;2026-11-25 gpt-5 1 1 1;");
}

static void columns_are_found_by_the_names_that_exports_have(void)
{
	check("usage_date_utc,model_version,api_key,usage_input_tokens_no_cache,"
	      "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,"
	      "usage_input_tokens_cache_read,usage_output_tokens\n"
	      "2026-11-24,claude-sonnet-5,k,1,20,300,4000,7\n",
	      NULL, 0, "2026-11-24 claude-sonnet-5 4321 7 0;");
	check("start_time,start_time_iso,model,input_tokens,input_cached_tokens,output_tokens\n"
	      "0,2026-11-24T00:00:00Z,gpt-5,10,4,1\n",
	      NULL, 0, "2026-11-24 gpt-5 10 1 0;");
	check("start_time,model,input_tokens\n1795478400,gpt-5,10\n", NULL, 0,
	      "2026-11-24 gpt-5 10 0 0;");
	check("Date, Model ,Input Tokens\n2026-11-24,m,1\n", NULL, 0, "2026-11-24 m 1 0 0;");
}

static void a_person_can_say_which_column_is_what(void)
{
	const struct invoice_map maps[] = {{INVOICE_DATE, BYTES("Tag")},
					   {INVOICE_MODEL, BYTES("Modell")},
					   {INVOICE_INPUT, BYTES("ein")},
					   {INVOICE_INPUT, BYTES("ein gelesen")},
					   {INVOICE_COST, BYTES("input_tokens")}};

	check("tag,modell,ein,ein gelesen,input_tokens\n2026-11-24,m,1,2,3\n", maps, 5,
	      "2026-11-24 m 3 0 3000000000000;");
	check("tag,modell,ein,input_tokens\n2026-11-24,m,1,3\n", maps, 5,
	      "1: --map must name a column of the file, not 'ein gelesen'");
}

static void what_is_wrong_is_said_with_its_line(void)
{
	check("", NULL, 0, "1: the file is empty");
	check("date,input_tokens\n", NULL, 0,
	      "1: no column is known as the model; say which: --map model=COLUMN");
	check("model,cost\n", NULL, 0,
	      "1: no column is known as the date; say which: --map date=COLUMN");
	check("date,model\n", NULL, 0,
	      "1: no column is known as input_tokens, output_tokens or cost; say which: --map "
	      "cost=COLUMN");
	check("date,model,cost,cost\n", NULL, 0, "1: each column name must stand once, not 'cost'");
	check("date,model,cost\n2026-11-24,m\n", NULL, 0,
	      "2: this line has not as many fields as the first one has names");
	check("date,model,cost\n\n24.11.2026,m,1\n", NULL, 0,
	      "3: a date is YYYY-MM-DD or seconds since 1970, not '24.11.2026'");
	check("date,model,cost\n2026-13-01,m,1\n", NULL, 0,
	      "2: a date is YYYY-MM-DD or seconds since 1970, not '2026-13-01'");
	check("date,model,cost\n,m,1\n", NULL, 0,
	      "2: a date is YYYY-MM-DD or seconds since 1970, not ''");
	check("date,model,cost\n2026-11-24,m,-1\n", NULL, 0,
	      "2: a cost is US dollars without a sign, not '-1'");
	check("date,model,input_tokens\n2026-11-24,m,1.5\n", NULL, 0,
	      "2: a number of tokens is a whole number without a sign, not '1.5'");
	check("date,model,input_tokens\n2026-11-24,m,99999999999999999999\n", NULL, 0,
	      "2: a number is too large, not '99999999999999999999'");
	check("date,model,cost\n2026-11-24,m,\033[31mx\n", NULL, 0,
	      "2: a cost is US dollars without a sign, not '?[31mx'");
	check("date,model,cost\n2026-11-24,\"m,1\n", NULL, 0, "2: a quote is not closed");
}

static void a_models_name_has_a_limit(void)
{
	char text[400] = "date,model,cost\n2026-11-24,";
	struct invoice v;
	size_t len = strlen(text);

	memset(text + len, 'm', 256);
	memcpy(text + len + 256, ",1\n", 4);
	CHECK_ERR(invoice_parse(bytes_str(text), NULL, 0, &v), OK);
	invoice_done(&v);
	memcpy(text + len + 256, "m,1\n", 5);
	CHECK_ERR(invoice_parse(bytes_str(text), NULL, 0, &v), ERR_LIMIT);
	invoice_done(&v);
}

static enum err parse_all(void)
{
	struct invoice v;
	enum err e = invoice_parse(BYTES("date,model,cost\n2026-11-24,m,1\n2026-11-24,n,1\n"), NULL,
				   0, &v);

	invoice_done(&v);
	return e;
}

static void each_failing_allocation_is_reported(void)
{
	tap_fail_each_allocation(parse_all);
}

int main(void)
{
	RUN_TESTS(TEST(names_come_together_in_order),
		  TEST(sums_stop_at_the_end_and_money_that_does_not_fit_is_unpriced),
		  TEST(numbers_are_read_exactly), TEST(the_plain_form_is_summed_by_day_and_model),
		  TEST(columns_are_found_by_the_names_that_exports_have),
		  TEST(a_person_can_say_which_column_is_what),
		  TEST(what_is_wrong_is_said_with_its_line), TEST(a_models_name_has_a_limit),
		  TEST(each_failing_allocation_is_reported));
}
