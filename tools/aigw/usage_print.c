/* SPDX-License-Identifier: MIT */
#include "usage.h"

#include "csv.h"
#include "grid.h"
#include "llm/price.h"

#define PICOUSD_PER_MICRO UINT64_C(1000000)
#define MICRO_PER_USD     UINT64_C(1000000)

/* The numbers of a row, in the order they are printed. */
static const struct {
	const char *title, *name;
	size_t at;
	bool in_table;
} columns[] = {
#define COLUMN(title, field, in_table)                                                             \
	{                                                                                          \
		title, #field, offsetof(struct counts, field), in_table                            \
	}
	COLUMN("REQUESTS", requests, true),
	COLUMN("REFUSED", refused, true),
	COLUMN("FAILED", failed, true),
	COLUMN("INPUT", input_tokens, true),
	COLUMN("CACHED", cache_read_tokens, true),
	COLUMN("", cache_write_tokens, false),
	COLUMN("OUTPUT", output_tokens, true),
	COLUMN("REASONING", reasoning_tokens, true),
#undef COLUMN
};

#define COLUMN_COUNT  (sizeof columns / sizeof columns[0])
#define TABLE_COLUMNS 10 /* the name, seven of these, cost, unpriced */

static uint64_t value_of(const struct counts *c, size_t column)
{
	return *(const uint64_t *)(const void *)((const char *)c + columns[column].at);
}

void usage_put_cost(struct buf *out, uint64_t picousd)
{
	uint64_t micro = picousd / PICOUSD_PER_MICRO +
			 (picousd % PICOUSD_PER_MICRO >= PICOUSD_PER_MICRO / 2);
	char fraction[16];

	put_grouped(out, micro / MICRO_PER_USD);
	snprintf(fraction, sizeof fraction, ".%06u", (unsigned)(micro % MICRO_PER_USD));
	need(buf_put_str(out, fraction));
}

void usage_put_known_cost(struct buf *out, const struct counts *c, const char *none)
{
	if (c->priced)
		need(price_put_usd(out, c->cost_picousd));
	else
		need(buf_put_str(out, none));
}

static void put_sum(struct grid *g, enum colour in, struct buf *cell)
{
	grid_put(g, in, buf_view(cell));
	buf_done(cell);
}

static void put_table_row(struct grid *g, struct bytes name, const struct counts *c, enum colour in)
{
	struct buf cell = {0};

	grid_put(g, in, name);
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		if (!columns[i].in_table)
			continue;
		put_grouped(&cell, value_of(c, i));
		put_sum(g, in, &cell);
	}
	if (c->priced)
		usage_put_cost(&cell, c->cost_picousd);
	else
		need(buf_put_str(&cell, "-"));
	put_sum(g, in, &cell);
	put_grouped(&cell, c->unpriced);
	put_sum(g, c->unpriced && in == PLAIN ? YELLOW : in, &cell);
}

static void print_table(const struct tally *t, const struct counts *total, enum usage_by by)
{
	const char *titles[TABLE_COLUMNS] = {usage_by_title(by)};
	struct grid g = {.columns = TABLE_COLUMNS, .titles = titles, .numbers = true};
	size_t at = 1;

	for (size_t i = 0; i < COLUMN_COUNT; i++)
		if (columns[i].in_table)
			titles[at++] = columns[i].title;
	titles[at++] = "COST USD";
	titles[at] = "UNPRICED";
	for (size_t i = 0; i < t->count; i++)
		put_table_row(&g, tally_name(&t->rows[i]), &t->rows[i].counts, PLAIN);
	put_table_row(&g, BYTES("total"), total, BOLD);
	grid_print(&g, "");
}

static void put_counts(struct json_object *o, const struct counts *c)
{
	struct buf cost = {0};

	for (size_t i = 0; i < COLUMN_COUNT; i++)
		object_number(o, columns[i].name, value_of(c, i));
	usage_put_known_cost(&cost, c, "null");
	object_key(o, BYTES("cost_usd"));
	need(buf_put(o->out, buf_view(&cost)));
	object_number(o, "unpriced", c->unpriced);
	buf_done(&cost);
}

static void print_json(const struct tally *t, const struct counts *total, enum usage_by by)
{
	struct buf text = {0};
	struct json_object o = object_begin(&text);

	object_text(&o, "by", bytes_str(usage_by_word(by)));
	object_key(&o, BYTES("rows"));
	need(buf_put_u8(&text, '['));
	for (size_t i = 0; i < t->count; i++) {
		need(buf_put_str(&text, i ? "," : ""));
		struct json_object row = object_begin(&text);
		object_text(&row, "name", tally_name(&t->rows[i]));
		put_counts(&row, &t->rows[i].counts);
		object_end(&row);
	}
	need(buf_put_u8(&text, ']'));
	object_key(&o, BYTES("total"));
	struct json_object all = object_begin(&text);
	put_counts(&all, total);
	object_end(&all);
	object_end(&o);
	need(buf_put_u8(&text, '\n'));
	print_buf(&text);
	buf_done(&text);
}

void usage_put_csv_name(struct buf *out, struct bytes name)
{
	struct buf visible = {0};

	put_visible(&visible, name);
	need(csv_put(out, buf_view(&visible)));
	buf_done(&visible);
}

static void print_csv(const struct tally *t, enum usage_by by)
{
	struct buf text = {0};

	need(buf_put_str(&text, usage_by_word(by)));
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		need(buf_put_u8(&text, ','));
		need(buf_put_str(&text, columns[i].name));
	}
	need(buf_put_str(&text, ",cost_usd,unpriced\n"));
	for (size_t r = 0; r < t->count; r++) {
		const struct counts *c = &t->rows[r].counts;
		usage_put_csv_name(&text, tally_name(&t->rows[r]));
		for (size_t i = 0; i < COLUMN_COUNT; i++) {
			need(buf_put_u8(&text, ','));
			need(buf_put_decimal(&text, value_of(c, i)));
		}
		need(buf_put_u8(&text, ','));
		usage_put_known_cost(&text, c, "");
		need(buf_put_u8(&text, ','));
		need(buf_put_decimal(&text, c->unpriced));
		need(buf_put_u8(&text, '\n'));
	}
	print_buf(&text);
	buf_done(&text);
}

void usage_print(const struct tally *t, enum usage_by by, enum usage_format format)
{
	struct counts total = {0};

	for (size_t i = 0; i < t->count; i++)
		counts_add(&total, &t->rows[i].counts);
	if (format == USAGE_JSON)
		print_json(t, &total, by);
	else if (format == USAGE_CSV)
		print_csv(t, by);
	else
		print_table(t, &total, by);
}
