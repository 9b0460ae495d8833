/* SPDX-License-Identifier: MIT
 *
 * args: the options of one command as a table: parsing, `--help`, and a near match for what was
 * mistyped. GNU manners: `--name VALUE`, `--name=VALUE`, `-n VALUE`, `-nVALUE`, `--` ends options.
 *
 * Not here: what the options mean. Everything borrows from argv.
 */
#ifndef AIGW_TOOL_ARGS_H
#define AIGW_TOOL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGS_LIST_MAX 16
#define ARGS_PATH_MAX 1023 /* of an option that takes a FILE or DIR */

struct text_list {
	size_t count;
	const char *at[ARGS_LIST_MAX];
};

enum option_kind {
	OPTION_FLAG,  /* bool */
	OPTION_TEXT,  /* const char *; the last one counts */
	OPTION_LIST,  /* struct text_list; may be repeated */
	OPTION_COUNT, /* uint64_t */
};

struct option {
	const char *name; /* "since": --since; NULL when there is only a letter */
	char letter;      /* 'n': -n; 0 when there is only a name */
	enum option_kind kind;
	void *target;      /* of the type named at the kind */
	const char *value; /* "TIME": what the help calls the value; NULL for a flag */
	const char *help;
};

struct args {
	const char *command;  /* "log": for messages */
	const char *synopsis; /* "aigw log [--since TIME] ..." */
	const char *summary;  /* a sentence or two */
	const struct option *options;
	size_t option_count;
	size_t operands_max;
	bool stop_at_operand; /* the first operand ends the options (aigw run) */
	const char *notes;    /* printed at the end of the help; NULL when there are none */
};

/* Parses argv[1..argc). On true the operands are at argv[1], *ret_operands of them. On false
 * everything was said already (help, or what is wrong) and *ret_status is the exit status. */
bool args_parse(const struct args *args, int argc, char **argv, int *ret_operands, int *ret_status);

/* Says what is wrong on stderr, how to get help, and returns the exit status 2. */
int args_wrong(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The one of `names` that `word` was probably meant to be, or NULL. */
const char *args_near(const char *word, const char *const *names, size_t count);

#endif
