/* SPDX-License-Identifier: MIT */
#include "usage.h"

#include "grid.h"
#include "llm/price.h"

#define PARTS_PER_WHOLE 1000000u

/* What is compared, as far as the invoice has it. */
static const struct {
	enum invoice_column column;
	const char *name, *titles[3];
	size_t at;
} compared[] = {
	{INVOICE_INPUT,
	 "input_tokens",
	 {"INPUT", "THEIRS", "DIFF"},
	 offsetof(struct counts, input_tokens)},
	{INVOICE_OUTPUT,
	 "output_tokens",
	 {"OUTPUT", "THEIRS", "DIFF"},
	 offsetof(struct counts, output_tokens)},
	{INVOICE_COST,
	 "cost_usd",
	 {"COST USD", "THEIRS", "DIFF"},
	 offsetof(struct counts, cost_picousd)},
};

#define COMPARED_COUNT (sizeof compared / sizeof compared[0])

/* One day and model on both sides; NULL where a side has none. */
struct pair {
	struct bytes name;
	const struct counts *ours, *theirs;
};

struct report {
	const struct invoice *invoice;
	uint64_t tolerance_ppm;
	bool agrees;
};

static const struct counts nothing;

static uint64_t value_of(const struct counts *c, size_t i)
{
	c = c ? c : &nothing;
	return *(const uint64_t *)(const void *)((const char *)c + compared[i].at);
}

static bool within(uint64_t ours, uint64_t theirs, uint64_t tolerance_ppm)
{
	uint64_t difference = ours > theirs ? ours - theirs : theirs - ours;

	return (unsigned __int128)difference * PARTS_PER_WHOLE <=
	       (unsigned __int128)theirs * tolerance_ppm;
}

/* "agrees", or what is wrong with a pair. */
static const char *verdict(const struct report *r, const struct pair *p)
{
	if (!p->ours)
		return "only theirs";
	for (size_t i = 0; i < COMPARED_COUNT; i++) {
		if (!r->invoice->has[compared[i].column])
			continue;
		if (compared[i].column == INVOICE_COST && p->ours->unpriced)
			return "cost unknown";
		if (!within(value_of(p->ours, i), value_of(p->theirs, i), r->tolerance_ppm))
			return p->theirs ? "differs" : "only ours";
	}
	return "agrees";
}

/* Both sides are sorted: the next name of either, and what each has of it. */
static bool next_pair(const struct tally *ours, const struct tally *theirs, size_t *o, size_t *t,
		      struct pair *ret_pair)
{
	int order = *o == ours->count ? 1 : *t == theirs->count ? -1 : 0;

	if (*o == ours->count && *t == theirs->count)
		return false;
	if (order == 0)
		order = bytes_compare(tally_name(&ours->rows[*o]), tally_name(&theirs->rows[*t]));
	ret_pair->name = tally_name(order <= 0 ? &ours->rows[*o] : &theirs->rows[*t]);
	ret_pair->ours = order <= 0 ? &ours->rows[*o].counts : NULL;
	ret_pair->theirs = order >= 0 ? &theirs->rows[*t].counts : NULL;
	*o += order <= 0;
	*t += order >= 0;
	return true;
}

static void put_value(struct buf *out, size_t i, uint64_t value, bool exact)
{
	if (compared[i].column != INVOICE_COST)
		exact ? need(buf_put_decimal(out, value)) : put_grouped(out, value);
	else if (exact)
		need(price_put_usd(out, value));
	else
		usage_put_cost(out, value);
}

/* A cost that is not known is no 0; one that is known in part is no difference to anything. */
static void put_ours(struct buf *out, size_t i, const struct counts *ours, bool exact,
		     const char *none)
{
	if (compared[i].column == INVOICE_COST && ours && ours->unpriced && !ours->priced)
		need(buf_put_str(out, none));
	else
		put_value(out, i, value_of(ours, i), exact);
}

static void put_difference(struct buf *out, size_t i, const struct pair *p, bool exact,
			   const char *none)
{
	uint64_t a = value_of(p->ours, i), b = value_of(p->theirs, i);

	if (compared[i].column == INVOICE_COST && p->ours && p->ours->unpriced) {
		need(buf_put_str(out, none));
		return;
	}
	need(buf_put_str(out, a < b ? "-" : !exact && a > b ? "+" : ""));
	put_value(out, i, a < b ? b - a : a - b, exact);
}

/* ---- the table ---- */

static void put_sum(struct grid *g, enum colour in, struct buf *cell)
{
	grid_put(g, in, buf_view(cell));
	buf_done(cell);
}

static void put_table_row(struct grid *g, const struct report *r, const struct pair *p)
{
	const char *said = verdict(r, p);
	enum colour in = bytes_equal(bytes_str(said), BYTES("agrees")) ? GREEN : RED;
	struct buf cell = {0};

	grid_put(g, PLAIN, p->name);
	for (size_t i = 0; i < COMPARED_COUNT; i++) {
		if (!r->invoice->has[compared[i].column])
			continue;
		put_ours(&cell, i, p->ours, false, "-");
		put_sum(g, PLAIN, &cell);
		put_value(&cell, i, value_of(p->theirs, i), false);
		put_sum(g, PLAIN, &cell);
		put_difference(&cell, i, p, false, "-");
		put_sum(g, PLAIN, &cell);
	}
	grid_put_str(g, in, said);
}

/* ---- for machines ---- */

static void put_side(struct json_object *o, const char *key, const struct report *r,
		     const struct counts *c)
{
	object_key(o, bytes_str(key));
	if (!c) {
		need(buf_put_str(o->out, "null"));
		return;
	}
	struct json_object side = object_begin(o->out);
	for (size_t i = 0; i < COMPARED_COUNT; i++) {
		if (!r->invoice->has[compared[i].column])
			continue;
		object_key(&side, bytes_str(compared[i].name));
		put_ours(o->out, i, c, true, "null");
	}
	object_end(&side);
}

static void put_json_row(struct buf *out, const struct report *r, const struct pair *p)
{
	struct json_object o = object_begin(out);

	object_text(&o, "day", bytes_slice(p->name, 0, INVOICE_DAY_CHARS));
	object_text(&o, "model", bytes_from(p->name, INVOICE_DAY_CHARS + 1));
	put_side(&o, "ours", r, p->ours);
	put_side(&o, "theirs", r, p->theirs);
	object_key(&o, BYTES("difference"));
	struct json_object difference = object_begin(out);
	for (size_t i = 0; i < COMPARED_COUNT; i++) {
		if (!r->invoice->has[compared[i].column])
			continue;
		object_key(&difference, bytes_str(compared[i].name));
		put_difference(out, i, p, true, "null");
	}
	object_end(&difference);
	object_number(&o, "unpriced", p->ours ? p->ours->unpriced : 0);
	object_text(&o, "verdict", bytes_str(verdict(r, p)));
	object_end(&o);
}

static void put_csv_row(struct buf *out, const struct report *r, const struct pair *p)
{
	usage_put_csv_name(out, bytes_slice(p->name, 0, INVOICE_DAY_CHARS));
	need(buf_put_u8(out, ','));
	usage_put_csv_name(out, bytes_from(p->name, INVOICE_DAY_CHARS + 1));
	for (size_t i = 0; i < COMPARED_COUNT; i++) {
		if (!r->invoice->has[compared[i].column])
			continue;
		need(buf_put_u8(out, ','));
		put_ours(out, i, p->ours, true, "");
		need(buf_put_u8(out, ','));
		put_value(out, i, value_of(p->theirs, i), true);
		need(buf_put_u8(out, ','));
		put_difference(out, i, p, true, "");
	}
	need(buf_put_u8(out, ','));
	need(buf_put_str(out, verdict(r, p)));
	need(buf_put_u8(out, '\n'));
}

static void put_csv_head(struct buf *out, const struct report *r)
{
	need(buf_put_str(out, "day,model"));
	for (size_t i = 0; i < COMPARED_COUNT; i++) {
		static const char *const sides[] = {",ours_", ",theirs_", ",difference_"};
		if (!r->invoice->has[compared[i].column])
			continue;
		for (size_t k = 0; k < 3; k++) {
			need(buf_put_str(out, sides[k]));
			need(buf_put_str(out, compared[i].name));
		}
	}
	need(buf_put_str(out, ",verdict\n"));
}

static void print_lines(const struct tally *ours, struct report *r, enum usage_format format)
{
	struct buf out = {0};
	struct pair p;
	size_t o = 0, t = 0;
	bool first = true;

	if (format == USAGE_JSON)
		need(buf_put_str(&out, "{\"rows\":["));
	else
		put_csv_head(&out, r);
	for (; next_pair(ours, &r->invoice->rows, &o, &t, &p); first = false) {
		if (format == USAGE_JSON) {
			need(buf_put_str(&out, first ? "" : ","));
			put_json_row(&out, r, &p);
		} else {
			put_csv_row(&out, r, &p);
		}
	}
	if (format == USAGE_JSON) {
		need(buf_put_str(&out, "],\"agrees\":"));
		need(buf_put_str(&out, r->agrees ? "true}\n" : "false}\n"));
	}
	print_buf(&out);
	buf_done(&out);
}

static void print_table(const struct tally *ours, struct report *r)
{
	const char *titles[2 + 3 * COMPARED_COUNT] = {"DAY (UTC)  MODEL"};
	struct grid g = {.columns = 1, .titles = titles, .numbers = true};
	struct pair p;
	size_t o = 0, t = 0;

	for (size_t i = 0; i < COMPARED_COUNT; i++)
		for (size_t k = 0; k < 3 && r->invoice->has[compared[i].column]; k++)
			titles[g.columns++] = compared[i].titles[k];
	titles[g.columns++] = "VERDICT";
	while (next_pair(ours, &r->invoice->rows, &o, &t, &p))
		put_table_row(&g, r, &p);
	grid_print(&g, "");
}

bool reconcile_print(const struct tally *ours, const struct invoice *theirs, uint64_t tolerance_ppm,
		     enum usage_format format)
{
	struct report r = {theirs, tolerance_ppm, true};
	struct pair p;
	size_t o = 0, t = 0;

	while (next_pair(ours, &theirs->rows, &o, &t, &p))
		r.agrees &= bytes_equal(bytes_str(verdict(&r, &p)), BYTES("agrees"));
	if (format == USAGE_TABLE)
		print_table(ours, &r);
	else
		print_lines(ours, &r, format);
	return r.agrees;
}
