/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "day.h"
#include "print.h"
#include "reading.h"
#include "usage.h"

#define PPM_PER_PERCENT_SCALE 4 /* a percent is 10^4 millionths */
#define TOLERANCE_DEFAULT     "1"
#define TOLERANCE_PPM_MAX     1000000
#define DAY_NS                (UINT64_C(86400) * 1000000000)

/* What is being counted while the log is read. */
struct counting {
	struct tally tally;
	enum usage_by by;
	const struct tally *invoice_models; /* NULL: not against an invoice */
};

/* ---- by name ---- */

static void count_entry(struct counting *c, const struct log_entry *entry)
{
	struct counts counts = usage_counts(entry);
	struct buf name = {0};

	usage_put_name(&name, entry, c->by);
	need(tally_add(&c->tally, buf_view(&name), &counts));
	buf_done(&name);
}

/* ---- against an invoice ---- */

static void put_lower(struct buf *out, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t b = text.at[i];
		need(buf_put_u8(out, b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b));
	}
}

static bool has_name(const struct tally *sorted, struct bytes name)
{
	size_t from = 0, to = sorted->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int order = bytes_compare(name, tally_name(&sorted->rows[middle]));
		if (order == 0)
			return true;
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return false;
}

/* The model as the invoice calls it: as it answered, else as it was asked for; the former where the
 * invoice knows neither. */
static void put_invoice_model(struct buf *out, const struct log_entry *entry,
			      const struct tally *models)
{
	struct bytes asked = entry_text(entry, F_REQUEST_MODEL);
	struct bytes answered = entry_text(entry, F_RESPONSE_MODEL);
	struct buf lower_asked = {0}, lower = {0};

	put_lower(&lower_asked, asked);
	put_lower(&lower, answered.len ? answered : asked);
	bool by_asked = !has_name(models, buf_view(&lower)) &&
			has_name(models, buf_view(&lower_asked));
	struct bytes name = buf_view(by_asked ? &lower_asked : &lower);
	need(buf_put(out, name.len ? name : BYTES("-")));
	buf_done(&lower_asked);
	buf_done(&lower);
}

static void count_for_invoice(struct counting *c, const struct log_entry *entry)
{
	struct counts counts = usage_counts(entry);
	struct buf name = {0};

	if (!usage_is_billed(entry) || (counts.failed && !counts.priced))
		return;
	usage_put_name(&name, entry, BY_DAY);
	need(buf_put_u8(&name, ' '));
	put_invoice_model(&name, entry, c->invoice_models);
	need(tally_add(&c->tally, buf_view(&name), &counts));
	buf_done(&name);
}

/* ---- reading ---- */

static void count(struct counting *c, const struct log_entry *entry)
{
	if (c->invoice_models)
		count_for_invoice(c, entry);
	else
		count_entry(c, entry);
}

static bool count_answered(void *context, struct log_entry *entry)
{
	count(context, entry);
	return true;
}

struct request {
	const char *by, *invoice, *tolerance, *key, *directory;
	struct text_list maps;
	struct filter_words words;
	bool json, csv;
};

/* Each exchange is counted and forgotten as soon as it is whole. */
static int read_log(struct counting *c, const struct log_filter *filter, const struct request *r)
{
	struct reading reading;
	int status = reading_open(&reading, r->key, r->directory);

	if (status)
		return status;
	reading.options.filter = *filter;
	reading.options.filter.exchanges_only = true;
	reading.options.on_answered = count_answered;
	reading.options.context = c;
	status = reading_newest(&reading, 0);
	for (size_t i = 0; i < reading.log.entry_count && !status; i++)
		count(c, reading.log.entries[i]);
	tally_sort(&c->tally);
	if (!status)
		status = reading_report(&reading);
	reading_done(&reading);
	return status;
}

/* ---- the invoice ---- */

static int read_map(const char *text, struct invoice_map *ret_map)
{
	struct bytes rest = bytes_str(text), word = bytes_cut(&rest, '=');

	for (unsigned i = 0; i < INVOICE_COLUMNS && rest.len; i++) {
		enum invoice_column column = (enum invoice_column)i;
		if (bytes_equal(word, bytes_str(invoice_column_name(column)))) {
			*ret_map = (struct invoice_map){column, rest};
			return EXIT_FINE;
		}
	}
	return args_wrong("usage",
			  "--map is NAME=COLUMN, NAME one of date, model, input_tokens, "
			  "output_tokens, cost; not '%s'",
			  text);
}

static int load_invoice(const char *path, const struct text_list *words,
			struct invoice *ret_invoice)
{
	struct invoice_map maps[ARGS_LIST_MAX];
	struct buf text = {0};
	int status = EXIT_FINE;
	enum err e;

	for (size_t i = 0; i < words->count && !status; i++)
		status = read_map(words->at[i], &maps[i]);
	if (status)
		return status;
	e = sys_read_file(path, INVOICE_BYTES_MAX, &text);
	if (e)
		return print_problem(e, "%s", path);
	e = invoice_parse(buf_view(&text), maps, words->count, ret_invoice);
	buf_done(&text);
	if (!e)
		return EXIT_FINE;
	if (e == ERR_NOMEM)
		need(e);
	print_note("%s:%llu: %s", path, (unsigned long long)ret_invoice->line,
		   ret_invoice->problem);
	return EXIT_USAGE;
}

static void take_models(const struct invoice *invoice, struct tally *ret_models)
{
	static const struct counts none;

	for (size_t i = 0; i < invoice->rows.count; i++) {
		struct bytes name = tally_name(&invoice->rows.rows[i]);
		need(tally_add(ret_models, bytes_from(name, INVOICE_DAY_CHARS + 1), &none));
	}
	tally_sort(ret_models);
}

/* The days of the invoice, which is not empty. False: not days of this world. */
static bool days_of(const struct invoice *invoice, struct log_filter *filter)
{
	const struct tally *t = &invoice->rows;
	uint64_t last_ns;
	char first[32], last[32];

	snprintf(first, sizeof first, "%.*sT00:00Z", INVOICE_DAY_CHARS,
		 (const char *)t->rows[0].name);
	snprintf(last, sizeof last, "%.*sT00:00Z", INVOICE_DAY_CHARS,
		 (const char *)t->rows[t->count - 1].name);
	if (parse_time(first, sys_now_ns(), &filter->since_ns) ||
	    parse_time(last, sys_now_ns(), &last_ns) || last_ns > UINT64_MAX - DAY_NS)
		return false;
	filter->until_ns = last_ns + DAY_NS;
	return true;
}

static enum usage_format format_of(const struct request *r)
{
	return r->json ? USAGE_JSON : r->csv ? USAGE_CSV : USAGE_TABLE;
}

static int reconcile(const struct request *r, struct log_filter *filter)
{
	struct counting c = {.by = BY_DAY};
	struct invoice invoice = {0};
	struct tally models = {0};
	uint64_t tolerance_ppm;
	bool agrees = false;
	int status;

	if (!r->words.provider)
		return args_wrong("usage", "say whose invoice it is: --provider openai");
	if (r->words.since || r->words.until || r->by)
		return args_wrong("usage", "--reconcile goes by the days of the file, without "
					   "--since, --until and --by");
	if (invoice_parse_number(bytes_str(r->tolerance), PPM_PER_PERCENT_SCALE, false,
				 &tolerance_ppm) ||
	    tolerance_ppm > TOLERANCE_PPM_MAX)
		return args_wrong("usage", "--tolerance is percent from 0 to 100, not '%s'",
				  r->tolerance);
	status = load_invoice(r->invoice, &r->maps, &invoice);
	if (!status && invoice.rows.count == 0) {
		print_note("%s has no lines but the first", r->invoice);
		status = EXIT_USAGE;
	}
	if (!status && !days_of(&invoice, filter)) {
		print_note("%s: its days are out of range", r->invoice);
		status = EXIT_USAGE;
	}
	if (!status) {
		take_models(&invoice, &models);
		c.invoice_models = &models;
		status = read_log(&c, filter, r);
	}
	if (status <= EXIT_FINDING)
		agrees = c.invoice_models &&
			 reconcile_print(&c.tally, &invoice, tolerance_ppm, format_of(r));
	if (status == EXIT_FINE && !agrees)
		status = EXIT_FINDING;
	tally_done(&c.tally);
	tally_done(&models);
	invoice_done(&invoice);
	return status;
}

static int read_by(const char *word, enum usage_by *ret_by)
{
	const char *words[BY_COUNT];

	for (unsigned i = 0; i < BY_COUNT; i++) {
		words[i] = usage_by_word((enum usage_by)i);
		if (!word || strcmp(word, words[i]) == 0) {
			*ret_by = (enum usage_by)i;
			return EXIT_FINE;
		}
	}
	const char *near = args_near(word, words, BY_COUNT);
	return args_wrong("usage",
			  "--by is model, provider, environment, application, key, user, day or "
			  "host, not '%s'%s%s%s",
			  word, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int count_by_name(const struct request *r, const struct log_filter *filter)
{
	struct counting c = {.by = BY_MODEL};
	int status = read_by(r->by, &c.by);

	if (status)
		return status;
	if (r->maps.count)
		return args_wrong("usage", "--map goes with --reconcile");
	status = read_log(&c, filter, r);
	if (status <= EXIT_FINDING) {
		if (c.tally.count == 0 && !r->json && !r->csv)
			print_note("nothing recorded that fits");
		else
			usage_print(&c.tally, c.by, format_of(r));
	}
	tally_done(&c.tally);
	return status;
}

int cmd_usage(int argc, char **argv)
{
	struct request r = {.tolerance = TOLERANCE_DEFAULT};
	const struct option options[] = {
		{"by", 0, OPTION_TEXT, &r.by, "WORD",
		 "model (the default), provider, environment, application, key, user, day, host"},
		{"since", 0, OPTION_TEXT, &r.words.since, "TIME",
		 "from then on: 1h, 7d, 2026-11-24"},
		{"until", 0, OPTION_TEXT, &r.words.until, "TIME", "before then"},
		{"provider", 0, OPTION_TEXT, &r.words.provider, "PATTERN",
		 "openai, anthropic, ..."},
		{"model", 0, OPTION_TEXT, &r.words.model, "PATTERN", "gpt-5*, openai/*, ..."},
		{"env", 0, OPTION_TEXT, &r.words.environment, "PATTERN", "the environment"},
		{"app", 0, OPTION_TEXT, &r.words.application, "PATTERN", "the application"},
		{"reconcile", 0, OPTION_TEXT, &r.invoice, "FILE",
		 "compare with a provider's export (CSV), by day and model"},
		{"map", 0, OPTION_LIST, &r.maps, "NAME=COLUMN",
		 "which column of the export is date, model, input_tokens, output_tokens, cost"},
		{"tolerance", 0, OPTION_TEXT, &r.tolerance, "PERCENT",
		 "differences up to this are none (1)"},
		{"json", 0, OPTION_FLAG, &r.json, NULL, "one JSON object"},
		{"csv", 0, OPTION_FLAG, &r.csv, NULL, "comma-separated, with a line of names"},
		{"key", 0, OPTION_TEXT, &r.key, "FILE", "the secret key to open the log with"},
		{"directory", 0, OPTION_TEXT, &r.directory, "DIR",
		 "the audit directory; default: the policy's"},
	};
	const struct args args = {
		.command = "usage",
		.synopsis = "aigw usage [--by WORD] [OPTION]...\n"
			    "       aigw usage --reconcile FILE --provider NAME [OPTION]...",
		.summary = "Adds up requests, tokens and cost, or compares them with an invoice.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
	};
	struct log_filter filter;
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	if (r.json && r.csv)
		return args_wrong("usage", "--json and --csv exclude each other");
	status = reading_filter("usage", &r.words, &filter);
	if (status)
		return status;
	return r.invoice ? reconcile(&r, &filter) : count_by_name(&r, &filter);
}
