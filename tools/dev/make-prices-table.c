/* SPDX-License-Identifier: MIT
 *
 * make-prices-table: turns policy/prices.json into the C file of constant tables that
 * llm/price_list.h declares.
 *
 *     make-prices-table policy/prices.json > build/price_table.c
 *
 * Nothing is written unless the whole file is right. All keys of the top are required, no other is
 * allowed; texts are printable ASCII without escapes:
 *
 *     version     1
 *     date        YYYY-MM of the list
 *     source      where the prices were read
 *     unit        "US dollars per million tokens"
 *     prices      "provider/model" (lower case, sorted, unique) -> object of
 *       input output cache_read cache_write cache_write_1h reasoning audio_input audio_output
 *                 decimal text, "1.25"; input is required
 *       above     the same keys, and "tokens": the prices of a request with more input than that
 *       batch priority flex   the same keys
 *
 * Exit status: 0 fine, 1 the file is wrong, 2 usage, 3 system.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/sys.h"
#include "llm/price_list.h"
#include "wire/json.h"

#define FILE_BYTES_MAX (4u << 20)
#define MODELS_MAX     8192
#define ROWS_MAX       UINT16_MAX
#define NAME_BYTES_MAX (63 + 1 + MODEL_BYTES_MAX)

static const char *path;
static struct buf text;
static struct json json;
static struct bytes names[MODELS_MAX], date;
static struct price prices[MODELS_MAX];
static size_t count;

/* Reports what is wrong at a place of the file, quotes the bad value, and ends. */
_Noreturn static void stop(const struct json_token *t, const char *what)
{
	uint32_t line, column;

	json_position(buf_view(&text), t->start, &line, &column);
	fprintf(stderr, "%s:%u:%u: \"%.*s\": %s\n", path, line, column,
		(int)(t->raw.len > 300 ? 300 : t->raw.len), (const char *)t->raw.at, what);
	exit(1);
}

static struct json_token next(void)
{
	struct json_token t = {.start = json.at};

	if (json_next(&json, &t))
		stop(&t, json.problem ? json.problem : "the file ends too early");
	return t;
}

static struct json_token next_of(enum json_kind kind, const char *what)
{
	struct json_token t = next();

	if (t.kind != kind)
		stop(&t, what);
	return t;
}

static void check_ascii(const struct json_token *t)
{
	if (t->escaped || t->raw.len == 0)
		stop(t, "must be a text that is not empty and has no escapes");
	for (size_t i = 0; i < t->raw.len; i++)
		if (t->raw.at[i] < 0x20 || t->raw.at[i] > 0x7E)
			stop(t, "must be printable ASCII");
}

/* Trigraphs would be read by -std=c11 in a literal. */
static void check_name(const struct json_token *t)
{
	check_ascii(t);
	if (t->raw.len > NAME_BYTES_MAX || bytes_find_byte(t->raw, '/') == SIZE_MAX)
		stop(t, "must be \"provider/model\"");
	for (size_t i = 0; i < t->raw.len; i++)
		if ((t->raw.at[i] >= 'A' && t->raw.at[i] <= 'Z') || t->raw.at[i] == '?')
			stop(t, "must be lower case, without ?");
	if (count && bytes_compare(names[count - 1], t->raw) >= 0)
		stop(t, "names are sorted, and each stands once");
}

/* One "input": "1.25" of a plan; false: the key is no bucket. */
static bool read_bucket(struct price *price, enum price_plan plan, const struct json_token *key)
{
	uint32_t picousd;

	for (unsigned b = 0; b < BUCKET_COUNT; b++) {
		if (!json_token_is(key, bytes_str(price_bucket_name((enum price_bucket)b))))
			continue;
		struct json_token t = next_of(JSON_STRING, "a price in quotes was expected");
		if (price_parse(t.raw, &picousd))
			stop(&t, "must be dollars per million tokens, at most 6 decimals");
		if (price->given[plan] >> b & 1)
			stop(key, "this key stands here twice");
		price_set(price, plan, (enum price_bucket)b, picousd);
		return true;
	}
	return false;
}

static void read_plan(struct price *price, enum price_plan plan, const struct json_token *plan_key)
{
	struct json_token key;
	uint64_t tokens;

	if (price->given[plan])
		stop(plan_key, "this key stands here twice");
	next_of(JSON_OBJECT, "an object in { } was expected");
	for (key = next(); key.kind != JSON_OBJECT_END; key = next()) {
		if (plan == PLAN_ABOVE && json_token_is(&key, BYTES("tokens"))) {
			struct json_token t = next_of(JSON_NUMBER, "a number was expected");
			if (json_number_u64(&t, &tokens) || tokens == 0 || tokens > UINT32_MAX)
				stop(&t, "must be a number of tokens");
			price->above_tokens = (uint32_t)tokens;
		} else if (!read_bucket(price, plan, &key)) {
			stop(&key, "unknown key");
		}
	}
	if (!price->given[plan] || (plan == PLAN_ABOVE && !price->above_tokens))
		stop(plan_key, "prices or \"tokens\" are missing in it");
}

static void read_model(struct price *price, const struct json_token *name)
{
	struct json_token key;

	next_of(JSON_OBJECT, "an object in { } was expected");
	for (key = next(); key.kind != JSON_OBJECT_END; key = next()) {
		unsigned plan = PLAN_ABOVE;
		if (read_bucket(price, PLAN_STANDARD, &key))
			continue;
		while (plan < PLAN_COUNT &&
		       !json_token_is(&key, bytes_str(price_plan_name((enum price_plan)plan))))
			plan++;
		if (plan == PLAN_COUNT)
			stop(&key, "unknown key");
		read_plan(price, (enum price_plan)plan, &key);
	}
	if (!(price->given[PLAN_STANDARD] >> BUCKET_INPUT & 1))
		stop(name, "has no price for \"input\"");
}

static void read_prices(void)
{
	struct json_token key;

	next_of(JSON_OBJECT, "an object in { } was expected");
	for (key = next(); key.kind != JSON_OBJECT_END; key = next()) {
		if (count == MODELS_MAX)
			stop(&key, "too many models");
		check_name(&key);
		names[count] = key.raw;
		read_model(&prices[count++], &key);
	}
	if (count == 0)
		stop(&key, "name at least one model");
}

static void check_date(const struct json_token *t)
{
	uint64_t year, month;

	if (t->raw.len != 7 || t->raw.at[4] != '-' ||
	    bytes_parse_u64(bytes_slice(t->raw, 0, 4), 9999, &year) ||
	    bytes_parse_u64(bytes_from(t->raw, 5), 12, &month) || month == 0)
		stop(t, "a date is year and month: \"2026-08\"");
	date = t->raw;
}

static void check_top(size_t key, const struct json_token *t)
{
	static const char *const exact[] = {"1", NULL, NULL, "US dollars per million tokens"};

	check_ascii(t);
	if (exact[key] && !bytes_equal(t->raw, bytes_str(exact[key])))
		stop(t, key ? "this unit is not known" : "version 1 was expected");
	if (key == 1)
		check_date(t);
}

static void read_file(void)
{
	static const char *const keys[] = {"version", "date", "source", "unit", "prices"};
	const size_t last = sizeof keys / sizeof keys[0] - 1;
	bool given[sizeof keys / sizeof keys[0]] = {false};
	struct json_token key, value;

	json_init(&json, buf_view(&text), JSON_STRICT);
	next_of(JSON_OBJECT, "an object in { } was expected");
	for (key = next(); key.kind != JSON_OBJECT_END; key = next()) {
		size_t k = 0;
		while (k <= last && !json_token_is(&key, bytes_str(keys[k])))
			k++;
		if (k > last || given[k])
			stop(&key, k > last ? "unknown key" : "this key stands here twice");
		given[k] = true;
		if (k == last) {
			read_prices();
			continue;
		}
		value = next_of(k ? JSON_STRING : JSON_NUMBER, "another kind of value is expected");
		check_top(k, &value);
	}
	for (size_t k = 0; k <= last; k++)
		if (!given[k])
			stop(&key, keys[k]);
	if (json_next(&json, &value) != ERR_END)
		stop(&key, "something stands behind the end");
}

/* -- output -------------------------------------------------------------------------------- */

static void print_rows(const struct price *p)
{
	for (unsigned plan = 0; plan < PLAN_COUNT; plan++)
		for (unsigned b = 0; b < BUCKET_COUNT; b++)
			if (p->given[plan] >> b & 1)
				printf("\t{%u, %u, %uu},\n", plan, b, p->picousd[plan][b]);
}

static unsigned row_count(const struct price *p)
{
	unsigned rows = 0;

	for (unsigned plan = 0; plan < PLAN_COUNT; plan++)
		rows += (unsigned)__builtin_popcount(p->given[plan]);
	return rows;
}

static void print_tables(void)
{
	size_t at = 0, rows = 0;

	printf("/* Made by tools/dev/make-prices-table from policy/prices.json; do not edit. */\n"
	       "#include \"llm/price_list.h\"\n\nconst char price_list_date[] = \"%.*s\";\n"
	       "const size_t price_list_count = %zu;\n\nconst char price_list_names[] =\n",
	       (int)date.len, (const char *)date.at, count);
	for (size_t i = 0; i < count; i++)
		printf("\t\"%.*s\\0\"\n", (int)names[i].len, (const char *)names[i].at);
	printf("\t;\n\nconst struct price_row price_list_rows[] = {\n");
	for (size_t i = 0; i < count; i++)
		print_rows(&prices[i]);
	printf("};\n\nconst struct price_entry price_list_entries[] = {\n");
	for (size_t i = 0; i < count; i++) {
		printf("\t{%zu, %zu, %u, %u},\n", at, rows, row_count(&prices[i]),
		       prices[i].above_tokens);
		at += names[i].len + 1;
		rows += row_count(&prices[i]);
	}
	printf("};\n");
	if (rows > ROWS_MAX) {
		fprintf(stderr, "%s: more than %u prices\n", path, (unsigned)ROWS_MAX);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	enum err e;

	if (argc != 2) {
		fprintf(stderr, "usage: make-prices-table policy/prices.json > price_table.c\n");
		return 2;
	}
	path = argv[1];
	e = sys_read_file(path, FILE_BYTES_MAX, &text);
	if (e) {
		fprintf(stderr, "%s: cannot be read: %s\n", path, err_text(e));
		return 3;
	}
	read_file();
	print_tables();
	buf_done(&text);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "make-prices-table: the output cannot be written\n");
		return 3;
	}
	return 0;
}
