/* SPDX-License-Identifier: MIT
 *
 * reading: what log, show and tail have in common: the filter options, opening this user's log with
 * its keys, and telling what could not be read.
 */
#ifndef AIGW_TOOL_READING_H
#define AIGW_TOOL_READING_H

#include "args.h"
#include "log.h"
#include "setup.h"

/* What was given on the command line; NULL: not given. */
struct filter_words {
	const char *since, *until, *provider, *model, *decision, *environment, *application;
};

/* The rows of a command's option table that fill `w` (struct filter_words). */
#define FILTER_OPTIONS(w)                                                                          \
	{"since", 0, OPTION_TEXT, &(w).since, "TIME", "from then on: 1h, 7d, 2026-11-24"},         \
		{"until", 0, OPTION_TEXT, &(w).until, "TIME", "before then"},                      \
		{"provider", 0, OPTION_TEXT, &(w).provider, "PATTERN", "openai, anthropic, ..."},  \
		{"model", 0, OPTION_TEXT, &(w).model, "PATTERN", "gpt-5*, openai/*, ..."},         \
		{"decision", 0, OPTION_TEXT, &(w).decision, "WORD", "allow, rewrite or refuse"},   \
		{"env", 0, OPTION_TEXT, &(w).environment, "PATTERN", "the environment"},           \
	{                                                                                          \
		"app", 0, OPTION_TEXT, &(w).application, "PATTERN", "the application"              \
	}

/* Turns the words into a filter that borrows from them. 0, or the exit status after saying what is
 * wrong. */
int reading_filter(const char *command, const struct filter_words *words,
		   struct log_filter *ret_filter);

/* A log, its place and its keys. */
struct reading {
	struct buf directory, state; /* NUL-terminated */
	struct keyring keys;
	struct log_options options;
	struct log log;
};

/* Finds directory and keys; nothing is read yet. `key_file` NULL: this user's keys; `directory`
 * NULL: the one of the policy. That a collector's log is read is recorded in it first. 0, or the
 * exit status after saying what is wrong. */
int reading_open(struct reading *r, const char *key_file, const char *directory);
void reading_done(struct reading *r);

/* log_read_newest with the reading's options; says what is wrong. */
int reading_newest(struct reading *r, uint64_t limit);

/* Says on stderr what could not be read. The exit status: a finding when there was such. */
int reading_report(const struct reading *r);

#endif
