/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <stdio.h>

#include "report/entry_json.h"
#include "print.h"
#include "reading.h"
#include "table.h"

static void print_json(const struct log_entry *entry, bool full)
{
	struct buf line = {0};

	put_entry_json(&line, entry, full);
	need(buf_put_u8(&line, '\n'));
	print_buf(&line);
	buf_done(&line);
}

static bool print_answered(void *context, struct log_entry *entry)
{
	(void)context;
	print_json(entry, true);
	return true;
}

static void print_table(const struct log *l)
{
	struct table t;

	if (l->entry_count == 0) {
		print_note("nothing recorded that fits");
		return;
	}
	table_fit(&t, l->entries, l->entry_count);
	table_print_head(&t);
	for (size_t i = 0; i < l->entry_count; i++)
		table_print_entry(&t, l->entries[i]);
}

/* With payloads: each entry is printed and forgotten as soon as it is whole, so that the payloads
 * of a long log never stand in memory together. */
static int print_full(struct reading *r, uint64_t limit)
{
	int status = EXIT_FINE;

	if (limit) {
		status = reading_newest(r, limit);
		if (!status && r->log.entry_count)
			r->options.filter.since_ns = r->log.entries[0]->time_ns;
		log_done(&r->log);
	}
	if (status)
		return status;
	r->options.with_headers = r->options.with_bodies = true;
	r->options.on_answered = print_answered;
	status = reading_newest(r, 0);
	for (size_t i = 0; i < r->log.entry_count && !status; i++)
		print_json(r->log.entries[i], true);
	return status;
}

int cmd_log(int argc, char **argv)
{
	struct filter_words words = {0};
	struct reading reading;
	const char *key = NULL, *directory = NULL;
	uint64_t limit = 0;
	bool json = false, full = false, all = false;
	const struct option options[] = {
		FILTER_OPTIONS(words),
		{"limit", 'n', OPTION_COUNT, &limit, "N", "only the newest N"},
		{"all", 0, OPTION_FLAG, &all, NULL,
		 "the start of each process, and who has read the log, too"},
		{"json", 0, OPTION_FLAG, &json, NULL, "one JSON object on each line"},
		{"full", 0, OPTION_FLAG, &full, NULL, "with --json: headers and bodies too"},
		{"key", 0, OPTION_TEXT, &key, "FILE", "the secret key to open the log with"},
		{"directory", 0, OPTION_TEXT, &directory, "DIR",
		 "the audit directory; default: the policy's"},
	};
	const struct args args = {
		.command = "log",
		.synopsis = "aigw log [OPTION]...",
		.summary = "Lists what was recorded, oldest first.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
	};
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	if (full && !json)
		return args_wrong("log", "--full goes with --json");
	struct log_filter filter;
	status = reading_filter("log", &words, &filter);
	if (!status)
		status = reading_open(&reading, key, directory);
	if (status)
		return status;
	reading.options.filter = filter;
	reading.options.filter.without_starts = !all && !json;
	reading.options.filter.without_accesses = !all && !json;
	status = full ? print_full(&reading, limit) : reading_newest(&reading, limit);
	if (!status && json && !full)
		for (size_t i = 0; i < reading.log.entry_count; i++)
			print_json(reading.log.entries[i], false);
	if (!status && !json)
		print_table(&reading.log);
	if (!status)
		status = reading_report(&reading);
	reading_done(&reading);
	return status;
}
