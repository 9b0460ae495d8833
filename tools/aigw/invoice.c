/* SPDX-License-Identifier: MIT */
#include "invoice.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "csv.h"
#include "llm/call.h"

#define NAME_BYTES_MAX  64                     /* of a column; longer ones are none of ours */
#define SECONDS_MAX     UINT64_C(253402300799) /* the year 9999 */
#define EXPONENT_MAX    30
#define USD_DECIMALS    12
#define QUOTE_BYTES_MAX 40

/* Ranks of a column: the lowest that is there counts; equal ranks are added up. */
static const struct known {
	const char *header;
	enum invoice_column column;
	unsigned rank;
} known[] = {
	{"date", INVOICE_DATE, 1},
	{"usage_date_utc", INVOICE_DATE, 2},
	{"day", INVOICE_DATE, 3},
	{"start_time_iso", INVOICE_DATE, 4},
	{"start_time", INVOICE_DATE, 5},
	{"timestamp", INVOICE_DATE, 6},
	{"model", INVOICE_MODEL, 1},
	{"model_version", INVOICE_MODEL, 2},
	{"model_name", INVOICE_MODEL, 3},
	{"snapshot_id", INVOICE_MODEL, 4},
	{"input_tokens", INVOICE_INPUT, 1},
	{"prompt_tokens", INVOICE_INPUT, 2},
	{"n_context_tokens_total", INVOICE_INPUT, 3},
	{"usage_input_tokens_no_cache", INVOICE_INPUT, 4},
	{"usage_input_tokens_cache_write_5m", INVOICE_INPUT, 4},
	{"usage_input_tokens_cache_write_1h", INVOICE_INPUT, 4},
	{"usage_input_tokens_cache_read", INVOICE_INPUT, 4},
	{"uncached_input_tokens", INVOICE_INPUT, 5},
	{"cache_creation_5m_input_tokens", INVOICE_INPUT, 5},
	{"cache_creation_1h_input_tokens", INVOICE_INPUT, 5},
	{"cache_read_input_tokens", INVOICE_INPUT, 5},
	{"output_tokens", INVOICE_OUTPUT, 1},
	{"completion_tokens", INVOICE_OUTPUT, 2},
	{"usage_output_tokens", INVOICE_OUTPUT, 3},
	{"n_generated_tokens_total", INVOICE_OUTPUT, 4},
	{"cost", INVOICE_COST, 1},
	{"cost_usd", INVOICE_COST, 2},
	{"amount_usd", INVOICE_COST, 3},
	{"amount_value", INVOICE_COST, 4},
	{"amount", INVOICE_COST, 5},
};

const char *invoice_column_name(enum invoice_column column)
{
	static const char *const names[] = {"date", "model", "input_tokens", "output_tokens",
					    "cost"};

	return (unsigned)column < INVOICE_COLUMNS ? names[column] : "";
}

/* ---- problems ---- */

static enum err problem(struct invoice *v, uint64_t line, enum err e, const char *what,
			struct bytes quoted)
{
	char quote[QUOTE_BYTES_MAX + 1];
	size_t len = quoted.len < QUOTE_BYTES_MAX ? quoted.len : QUOTE_BYTES_MAX;

	for (size_t i = 0; i < len; i++)
		quote[i] = (char)(quoted.at[i] > 0x1F && quoted.at[i] < 0x7F ? quoted.at[i] : '?');
	quote[len] = '\0';
	v->line = line;
	snprintf(v->problem, sizeof v->problem, "%s%s%s%s%s", what, quoted.at ? ", not '" : "",
		 quoted.at ? quote : "", quoted.len > len ? "..." : "", quoted.at ? "'" : "");
	return e;
}

/* ---- numbers and days ---- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* "e-05", or nothing. */
static enum err take_exponent(struct bytes text, int *ret_exponent)
{
	bool negative = false;
	uint64_t n = 0;

	*ret_exponent = 0;
	if (text.len == 0)
		return OK;
	if (text.at[0] != 'e' && text.at[0] != 'E')
		return ERR_BAD;
	text = bytes_from(text, 1);
	if (text.len && (text.at[0] == '-' || text.at[0] == '+')) {
		negative = text.at[0] == '-';
		text = bytes_from(text, 1);
	}
	if (bytes_parse_u64(text, EXPONENT_MAX, &n))
		return ERR_BAD;
	*ret_exponent = negative ? -(int)n : (int)n;
	return OK;
}

/* value * 10^places; places may be negative. */
static enum err shift(uint64_t value, int places, bool cut, uint64_t *ret_value)
{
	for (; places > 0 && value; places--)
		if (__builtin_mul_overflow(value, UINT64_C(10), &value))
			return ERR_LIMIT;
	for (; places < 0; places++) {
		if (value % 10 && !cut)
			return ERR_BAD;
		value /= 10;
	}
	*ret_value = value;
	return OK;
}

/* The digits of a number, its point left out. */
struct digits {
	uint64_t value;
	size_t count;
	int behind; /* digits of `value` behind the point */
	int lost;   /* place behind the point of the first digit but 0 that did not fit; 0: none */
};

/* Returns where the digits end. ERR_LIMIT: one in front of the point does not fit. */
static enum err take_digits(struct bytes text, struct digits *d, size_t *ret_at)
{
	bool behind_point = false, full = false;
	int place = 0;
	size_t at = 0;

	for (; at < text.len && (is_digit(text.at[at]) || (text.at[at] == '.' && !behind_point));
	     at++) {
		uint64_t digit = (uint64_t)text.at[at] - '0';
		if (text.at[at] == '.') {
			behind_point = true;
			continue;
		}
		d->count++;
		place += behind_point && place < INT16_MAX;
		full = full || d->value > (UINT64_MAX - digit) / 10;
		if (full && !behind_point)
			return ERR_LIMIT;
		if (full) {
			d->lost = d->lost || digit == 0 ? d->lost : place;
			continue;
		}
		d->value = d->value * 10 + digit;
		d->behind = place;
	}
	*ret_at = at;
	return OK;
}

enum err invoice_parse_number(struct bytes text, unsigned scale, bool cut, uint64_t *ret_value)
{
	struct digits d = {0};
	int exponent;
	size_t at;
	enum err e = take_digits(text, &d, &at);

	if (e)
		return e;
	if (d.count == 0 || take_exponent(bytes_from(text, at), &exponent))
		return ERR_BAD;
	if (d.lost && (!cut || d.lost <= (int)scale + exponent))
		return cut ? ERR_LIMIT : ERR_BAD;
	return shift(d.value, (int)scale + exponent - d.behind, cut, ret_value);
}

static bool is_day(struct bytes text)
{
	static const char shape[] = "0000-00-00";
	uint64_t month, day;

	if (text.len < INVOICE_DAY_CHARS)
		return false;
	for (size_t i = 0; i < INVOICE_DAY_CHARS; i++)
		if (shape[i] == '-' ? text.at[i] != '-' : !is_digit(text.at[i]))
			return false;
	return bytes_parse_u64(bytes_slice(text, 5, 2), 12, &month) == OK && month > 0 &&
	       bytes_parse_u64(bytes_slice(text, 8, 2), 31, &day) == OK && day > 0 &&
	       (text.len == INVOICE_DAY_CHARS || !is_digit(text.at[INVOICE_DAY_CHARS]));
}

/* False: it is no date. */
static bool read_day(struct bytes text, char ret_day[INVOICE_DAY_CHARS + 1])
{
	uint64_t seconds;
	struct tm tm;
	time_t when;

	if (is_day(text)) {
		memcpy(ret_day, text.at, INVOICE_DAY_CHARS);
		ret_day[INVOICE_DAY_CHARS] = '\0';
		return true;
	}
	if (bytes_parse_u64(text, SECONDS_MAX, &seconds))
		return false;
	when = (time_t)seconds;
	return gmtime_r(&when, &tm) &&
	       strftime(ret_day, INVOICE_DAY_CHARS + 1, "%Y-%m-%d", &tm) == INVOICE_DAY_CHARS;
}

/* ---- the columns ---- */

/* Which column each field of a line is: INVOICE_COLUMNS when it is none. */
struct layout {
	enum invoice_column of[CSV_FIELDS_MAX];
	size_t count;
};

static uint8_t plain(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint8_t)(c + 32);
	return c == ' ' ? '_' : c;
}

static bool same_name(struct bytes header, struct bytes name)
{
	header = bytes_trim(header);
	if (header.len != name.len)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (plain(header.at[i]) != plain(name.at[i]))
			return false;
	return true;
}

/* The rank of a header as that column; 0: a person says so; NO_RANK: it is not. */
#define NO_RANK 99u

static unsigned rank_of(struct bytes header, enum invoice_column column,
			const struct invoice_map *maps, size_t map_count)
{
	bool mapped = false;

	for (size_t i = 0; i < map_count; i++) {
		mapped |= maps[i].column == column;
		if (maps[i].column == column && same_name(header, maps[i].header))
			return 0;
	}
	for (size_t i = 0; !mapped && i < sizeof known / sizeof known[0]; i++)
		if (known[i].column == column && same_name(header, bytes_str(known[i].header)))
			return known[i].rank;
	return NO_RANK;
}

static enum err find_column(struct invoice *v, const struct csv *c, enum invoice_column column,
			    const struct invoice_map *maps, size_t map_count, struct layout *layout)
{
	unsigned best = NO_RANK, rank;

	for (size_t i = 0; i < c->count; i++) {
		rank = rank_of(c->fields[i], column, maps, map_count);
		best = rank < best ? rank : best;
	}
	for (size_t i = 0; best != NO_RANK && i < c->count; i++) {
		if (rank_of(c->fields[i], column, maps, map_count) != best)
			continue;
		for (size_t k = 0; k < i; k++)
			if (same_name(c->fields[i], c->fields[k]))
				return problem(v, c->line, ERR_BAD,
					       "each column name must stand once", c->fields[i]);
		if (v->has[column] && (column == INVOICE_DATE || column == INVOICE_MODEL))
			return problem(v, c->line, ERR_BAD,
				       "one column can be the date, and one the model",
				       c->fields[i]);
		layout->of[i] = column;
		v->has[column] = true;
	}
	return OK;
}

static enum err read_header(struct invoice *v, const struct csv *c, const struct invoice_map *maps,
			    size_t map_count, struct layout *layout)
{
	enum err e = OK;

	layout->count = c->count;
	for (size_t i = 0; i < c->count; i++)
		layout->of[i] = INVOICE_COLUMNS;
	for (unsigned column = 0; column < INVOICE_COLUMNS && !e; column++)
		e = find_column(v, c, (enum invoice_column)column, maps, map_count, layout);
	if (e)
		return e;
	for (size_t m = 0; m < map_count; m++) {
		bool there = false;
		for (size_t i = 0; i < c->count; i++)
			there |= same_name(c->fields[i], maps[m].header);
		if (!there)
			return problem(v, c->line, ERR_BAD, "--map must name a column of the file",
				       maps[m].header);
	}
	if (!v->has[INVOICE_DATE] || !v->has[INVOICE_MODEL])
		return problem(v, c->line, ERR_BAD,
			       v->has[INVOICE_DATE] ? "no column is known as the model; say which: "
						      "--map model=COLUMN"
						    : "no column is known as the date; say which: "
						      "--map date=COLUMN",
			       BYTES_NONE);
	if (!v->has[INVOICE_INPUT] && !v->has[INVOICE_OUTPUT] && !v->has[INVOICE_COST])
		return problem(v, c->line, ERR_BAD,
			       "no column is known as input_tokens, output_tokens or cost; say "
			       "which: --map cost=COLUMN",
			       BYTES_NONE);
	return OK;
}

/* ---- the lines ---- */

static enum err add_number(struct invoice *v, const struct csv *c, struct bytes cell,
			   enum invoice_column column, struct counts *counts)
{
	bool is_cost = column == INVOICE_COST;
	uint64_t *sum = column == INVOICE_INPUT    ? &counts->input_tokens
			: column == INVOICE_OUTPUT ? &counts->output_tokens
						   : &counts->cost_picousd;
	uint64_t n;
	enum err e;

	if (is_cost && bytes_starts(cell, BYTES("$")))
		cell = bytes_from(cell, 1);
	if (cell.len == 0)
		return OK;
	e = invoice_parse_number(cell, is_cost ? USD_DECIMALS : 0, is_cost, &n);
	if (!e && __builtin_add_overflow(*sum, n, sum))
		e = ERR_LIMIT;
	if (e == ERR_LIMIT)
		return problem(v, c->line, e, "a number is too large", cell);
	return e ? problem(v, c->line, e,
			   is_cost ? "a cost is US dollars without a sign"
				   : "a number of tokens is a whole number without a sign",
			   cell)
		 : OK;
}

struct named {
	size_t len;
	uint8_t text[INVOICE_DAY_CHARS + 1 + MODEL_BYTES_MAX];
};

static enum err put_model(struct invoice *v, const struct csv *c, struct bytes model,
			  struct named *name)
{
	if (model.len > MODEL_BYTES_MAX)
		return problem(v, c->line, ERR_LIMIT, "a model's name has at most 256 bytes",
			       model);
	name->text[INVOICE_DAY_CHARS] = ' ';
	name->len = INVOICE_DAY_CHARS + 1 + model.len;
	for (size_t i = 0; i < model.len; i++) {
		uint8_t b = model.at[i];
		name->text[INVOICE_DAY_CHARS + 1 + i] = b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32)
									     : b;
	}
	return OK;
}

static enum err read_line(struct invoice *v, const struct csv *c, const struct layout *layout)
{
	struct counts counts = {.priced = 1};
	struct named name = {0};
	char day[INVOICE_DAY_CHARS + 1];
	enum err e = OK;

	if (c->count != layout->count)
		return problem(v, c->line, ERR_BAD,
			       "this line has not as many fields as the first one has names",
			       BYTES_NONE);
	for (size_t i = 0; i < c->count && !e; i++) {
		struct bytes cell = bytes_trim(c->fields[i]);
		switch (layout->of[i]) {
		case INVOICE_DATE:
			if (!read_day(cell, day))
				return problem(v, c->line, ERR_BAD,
					       "a date is YYYY-MM-DD or seconds since 1970", cell);
			memcpy(name.text, day, INVOICE_DAY_CHARS);
			break;
		case INVOICE_MODEL:
			e = put_model(v, c, cell, &name);
			break;
		case INVOICE_COLUMNS:
			break;
		default:
			e = add_number(v, c, cell, layout->of[i], &counts);
		}
	}
	return e ? e : tally_add(&v->rows, bytes_of(name.text, name.len), &counts);
}

enum err invoice_parse(struct bytes text, const struct invoice_map *maps, size_t map_count,
		       struct invoice *ret_invoice)
{
	struct invoice *v = ret_invoice;
	struct layout layout = {.count = 0};
	struct csv csv;
	uint64_t lines = 0;
	enum err e;

	*v = (struct invoice){.line = 1};
	csv_init(&csv, text);
	e = csv_next(&csv);
	if (e == ERR_END)
		e = problem(v, 1, ERR_BAD, "the file is empty", BYTES_NONE);
	else if (!e)
		e = read_header(v, &csv, maps, map_count, &layout);
	while (!e && !(e = csv_next(&csv))) {
		e = read_line(v, &csv, &layout);
		if (!e && ++lines > INVOICE_LINES_MAX)
			e = problem(v, csv.line, ERR_LIMIT, "the file has over a million lines",
				    BYTES_NONE);
	}
	if (csv.problem)
		problem(v, csv.line, e, csv.problem, BYTES_NONE);
	csv_done(&csv);
	if (e != ERR_END)
		return e;
	tally_sort(&v->rows);
	return OK;
}

void invoice_done(struct invoice *invoice)
{
	tally_done(&invoice->rows);
}
