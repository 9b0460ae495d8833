/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <signal.h>
#include <stdio.h>

#include "base/sys.h"
#include "report/entry_json.h"
#include "print.h"
#include "reading.h"
#include "table.h"
#include "watch.h"

#define LINES_DEFAULT 10
#define COST_FACTOR   5 /* the rest between two looks is at least so many times a look's cost */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

static void print_entry(const struct table *t, const struct log_entry *entry, bool json)
{
	struct buf line = {0};

	if (!json) {
		table_print_entry(t, entry);
		return;
	}
	put_entry_json(&line, entry, false);
	need(buf_put_u8(&line, '\n'));
	print_buf(&line);
	buf_done(&line);
}

/* Prints what is over and was not told; an exchange under way is told when it ends. */
static void print_ended(struct log *l, const struct table *t, bool json)
{
	for (size_t i = 0; i < l->entry_count; i++) {
		struct log_entry *entry = l->entries[i];
		if (!entry->answered && log_process_runs(entry->process))
			continue;
		print_entry(t, entry, json);
		entry->told = true;
	}
	log_forget_told(l);
	fflush(stdout);
}

static void catch_interrupts(void)
{
	struct sigaction action = {.sa_handler = on_interrupt};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* Until interrupted or nobody reads any more. A log that does not exist yet may begin to. */
static int follow(struct reading *r, const struct table *t, bool json)
{
	struct watch w;
	int status = EXIT_FINE;

	watch_open(&w, r->options.directory);
	while (!interrupted && !status && !ferror(stdout)) {
		uint64_t start_ns = sys_monotonic_ns();
		enum err e = log_read(&r->log);
		if (e && e != ERR_MISSING)
			status = print_problem(e, "%s", r->options.directory);
		print_ended(&r->log, t, json);
		if (!status)
			watch_wait(&w, (sys_monotonic_ns() - start_ns) * COST_FACTOR);
	}
	watch_close(&w);
	return status;
}

/* The newest `count` entries are told, all older ones are known and will not be. */
static int start(struct reading *r, uint64_t count, bool following)
{
	enum err e = log_read_newest(&r->log, &r->options, count ? count : 1);

	if (e == ERR_MISSING && following)
		return EXIT_FINE;
	if (e == ERR_MISSING) {
		print_note("%s: no log there; 'aigw run -- PROGRAM' makes one",
			   r->options.directory);
		return EXIT_SYSTEM;
	}
	if (e)
		return print_problem(e, "%s", r->options.directory);
	for (size_t i = 0; count == 0 && i < r->log.entry_count; i++) {
		struct log_entry *entry = r->log.entries[i];
		entry->told = entry->answered || !log_process_runs(entry->process);
	}
	log_forget_told(&r->log);
	return EXIT_FINE;
}

int cmd_tail(int argc, char **argv)
{
	uint64_t count = LINES_DEFAULT;
	bool following = false, json = false;
	const char *key = NULL, *directory = NULL;
	const struct option options[] = {
		{"follow", 'f', OPTION_FLAG, &following, NULL,
		 "go on with what is recorded, until Ctrl-C"},
		{"lines", 'n', OPTION_COUNT, &count, "N", "begin with the newest N (10)"},
		{"json", 0, OPTION_FLAG, &json, NULL, "one JSON object on each line"},
		{"key", 0, OPTION_TEXT, &key, "FILE", "the secret key to open the log with"},
		{"directory", 0, OPTION_TEXT, &directory, "DIR",
		 "the audit directory; default: the policy's"},
	};
	const struct args args = {
		.command = "tail",
		.synopsis = "aigw tail [-f] [-n N] [--json] [--key FILE]",
		.summary = "Shows the newest records. With -f it goes on, across processes and "
			   "files; an\n"
			   "exchange is shown when it has ended.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
	};
	struct reading reading;
	struct table table;
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	status = reading_open(&reading, key, directory);
	if (status)
		return status;
	reading.options.filter.without_accesses = true; /* this one is one */
	reading.options.keep_running = reading.options.following = following;
	if (following)
		catch_interrupts();
	status = start(&reading, count, following);
	if (!status && following) {
		table_fixed(&table);
	} else if (!status) {
		table_fit(&table, reading.log.entries, reading.log.entry_count);
	}
	if (!status && !json && (following || reading.log.entry_count))
		table_print_head(&table);
	if (!status && following) {
		fflush(stdout);
		status = follow(&reading, &table, json);
	}
	for (size_t i = 0; !status && !following && i < reading.log.entry_count; i++)
		print_entry(&table, reading.log.entries[i], json);
	if (!status && !interrupted)
		status = reading_report(&reading);
	reading_done(&reading);
	return status;
}
