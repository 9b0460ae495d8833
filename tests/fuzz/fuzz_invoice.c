/* SPDX-License-Identifier: MIT
 *
 * Any text as a provider's CSV: records keep their promises, each cell that is written is read back
 * the same, and what comes of it as an invoice is sorted and complete or is refused with a line.
 */
#include <stdlib.h>
#include <string.h>

#include "aigw/csv.h"
#include "aigw/invoice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* A record written and read again; formulas come back with the apostrophe that disarms them. */
static void write_again(const struct csv *c)
{
	struct buf text = {0};
	struct csv again;

	for (size_t i = 0; i < c->count; i++) {
		must(!i || buf_put_u8(&text, ',') == OK);
		must(csv_put(&text, c->fields[i]) == OK);
	}
	csv_init(&again, buf_view(&text));
	if (text.len && csv_next(&again) == OK) {
		must(again.count == c->count);
		for (size_t i = 0; i < c->count; i++)
			must(bytes_ends(again.fields[i], c->fields[i]) &&
			     again.fields[i].len <= c->fields[i].len + 1);
	}
	csv_done(&again);
	buf_done(&text);
}

static void read_records(struct bytes text)
{
	struct csv c;
	uint64_t line = 0;
	enum err e;

	csv_init(&c, text);
	while ((e = csv_next(&c)) == OK) {
		must(c.count >= 1 && c.count <= CSV_FIELDS_MAX);
		must(c.line > line && c.line <= text.len + 1);
		line = c.line;
		write_again(&c);
	}
	must(e == ERR_END || (c.problem && csv_next(&c) == ERR_BAD));
	csv_done(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = bytes_of(data, size);
	struct invoice v;
	uint64_t lines = 0;
	enum err e = invoice_parse(text, NULL, 0, &v);

	must(!e || (v.problem[0] && v.line >= 1 && memchr(v.problem, 0, sizeof v.problem)));
	for (size_t i = 0; i < v.rows.count && !e; i++) {
		struct bytes name = tally_name(&v.rows.rows[i]);
		must(name.len > INVOICE_DAY_CHARS && name.at[4] == '-' && name.at[10] == ' ');
		must(i == 0 || bytes_compare(tally_name(&v.rows.rows[i - 1]), name) < 0);
		lines += v.rows.rows[i].counts.priced + v.rows.rows[i].counts.unpriced;
	}
	must(e || lines <= size);
	invoice_done(&v);
	read_records(text);
	return 0;
}
