/* SPDX-License-Identifier: MIT */
#include "args.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aigw.h"
#include "base/bytes.h"

#define WORD_MAX    32 /* longer words have no near match */
#define OPTIONS_MAX 24

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Edit distance (insert, remove, replace: 1 each; neighbours swapped: 1). */
static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	size_t row[3][WORD_MAX + 1];

	for (size_t j = 0; j <= lb; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			now[j] = min3(last[j] + 1, now[j - 1] + 1,
				      last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
	}
	return row[la % 3][lb];
}

const char *args_near(const char *word, const char *const *names, size_t count)
{
	const char *best = NULL;
	size_t len = strlen(word), best_distance = len < 4 ? 2 : 3;

	if (len == 0 || len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t d = strlen(names[i]) > WORD_MAX ? SIZE_MAX : distance(word, names[i]);
		if (len >= 3 && strncmp(names[i], word, len) == 0)
			d = 1;
		if (d < best_distance) {
			best = names[i];
			best_distance = d;
		}
	}
	return best;
}

static void help_hint(const char *command)
{
	if (command)
		fprintf(stderr, "Try 'aigw %s --help'.\n", command);
	else
		fputs("Try 'aigw help'.\n", stderr);
}

int args_wrong(const char *command, const char *format, ...)
{
	va_list list;

	fprintf(stderr, command ? "aigw %s: " : "aigw: ", command);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	help_hint(command);
	return EXIT_USAGE;
}

static void print_help(const struct args *args)
{
	printf("Usage: %s\n\n%s\n", args->synopsis, args->summary);
	printf("\nOptions:\n");
	for (size_t i = 0; i < args->option_count; i++) {
		const struct option *o = &args->options[i];
		char left[64] = "", letter[8] = "    ";
		if (o->letter)
			snprintf(letter, sizeof letter, o->name ? "-%c, " : "-%c", o->letter);
		snprintf(left, sizeof left, "%s%s%s%s%s", letter, o->name ? "--" : "",
			 o->name ? o->name : "", o->value ? " " : "", o->value ? o->value : "");
		printf("  %-28s %s\n", left, o->help);
	}
	printf("  %-28s %s\n", "    --help", "show this text");
	if (args->notes)
		printf("\n%s\n", args->notes);
	printf("\nThe manual: man aigw-%s\n", args->command);
}

static int unknown_option(const struct args *args, const char *word)
{
	const char *names[OPTIONS_MAX + 1];
	size_t count = 0;
	char name[WORD_MAX + 1];
	size_t len = strcspn(word + 2, "=");

	for (size_t i = 0; i < args->option_count && count < OPTIONS_MAX; i++)
		if (args->options[i].name)
			names[count++] = args->options[i].name;
	names[count++] = "help";
	snprintf(name, sizeof name, "%.*s", (int)(len < WORD_MAX ? len : WORD_MAX), word + 2);
	const char *near = args_near(name, names, count);
	if (near)
		return args_wrong(args->command, "unknown option '%s'; did you mean '--%s'?", word,
				  near);
	return args_wrong(args->command, "unknown option '%s'", word);
}

/* Cut to what there is room for, a path would be that of another file. */
static bool is_long_path(const struct option *o, const char *value)
{
	return (strcmp(o->value, "FILE") == 0 || strcmp(o->value, "DIR") == 0) &&
	       strlen(value) > ARGS_PATH_MAX;
}

/* Stores one option's value. 0, or the exit status after saying what is wrong. */
static int store(const struct args *args, const struct option *o, const char *value)
{
	char name[40];

	if (o->name)
		snprintf(name, sizeof name, "--%s", o->name);
	else
		snprintf(name, sizeof name, "-%c", o->letter);
	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)o->target = true;
		return 0;
	case OPTION_TEXT:
		if (is_long_path(o, value))
			return args_wrong(args->command, "%s: a path of more than %d characters",
					  name, ARGS_PATH_MAX);
		*(const char **)o->target = value;
		return 0;
	case OPTION_LIST: {
		struct text_list *list = o->target;
		if (list->count == ARGS_LIST_MAX)
			return args_wrong(args->command, "%s: at most %d of them", name,
					  ARGS_LIST_MAX);
		list->at[list->count++] = value;
		return 0;
	}
	case OPTION_COUNT:
		if (bytes_parse_u64(bytes_str(value), UINT32_MAX, o->target) != OK)
			return args_wrong(args->command, "%s takes a number, not '%s'", name,
					  value);
		return 0;
	}
	return 0;
}

static const struct option *find_name(const struct args *args, const char *name, size_t len)
{
	for (size_t i = 0; i < args->option_count; i++) {
		const char *n = args->options[i].name;
		if (n && strlen(n) == len && strncmp(n, name, len) == 0)
			return &args->options[i];
	}
	return NULL;
}

static const struct option *find_letter(const struct args *args, char letter)
{
	for (size_t i = 0; i < args->option_count; i++)
		if (args->options[i].letter && args->options[i].letter == letter)
			return &args->options[i];
	return NULL;
}

/* --name, --name=VALUE, --name VALUE. *at is moved past what was used. */
static int take_long(const struct args *args, int argc, char **argv, int *at)
{
	const char *word = argv[*at], *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;
	const struct option *o = find_name(args, word + 2, len);

	if (!o)
		return unknown_option(args, word);
	(*at)++;
	if (o->kind == OPTION_FLAG) {
		if (equals)
			return args_wrong(args->command, "--%s takes no value", o->name);
		return store(args, o, NULL);
	}
	if (equals)
		return store(args, o, equals + 1);
	if (*at == argc)
		return args_wrong(args->command, "--%s needs a value: %s", o->name, o->value);
	return store(args, o, argv[(*at)++]);
}

/* -x, -xy (flags), -n VALUE, -nVALUE. */
static int take_letters(const struct args *args, int argc, char **argv, int *at)
{
	const char *word = argv[(*at)++];

	for (const char *c = word + 1; *c; c++) {
		const struct option *o = find_letter(args, *c);
		if (!o)
			return args_wrong(args->command, "unknown option '-%c'", *c);
		if (o->kind == OPTION_FLAG) {
			int status = store(args, o, NULL);
			if (status)
				return status;
			continue;
		}
		if (c[1])
			return store(args, o, c + 1);
		if (*at == argc)
			return args_wrong(args->command, "-%c needs a value: %s", *c, o->value);
		return store(args, o, argv[(*at)++]);
	}
	return 0;
}

bool args_parse(const struct args *args, int argc, char **argv, int *ret_operands, int *ret_status)
{
	int at = 1, operands = 0, status = 0;
	bool options = true;

	while (at < argc && !status) {
		char *word = argv[at];
		if (options && strcmp(word, "--") == 0) {
			options = false;
			at++;
		} else if (options && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
			print_help(args);
			*ret_status = EXIT_FINE;
			return false;
		} else if (options && word[0] == '-' && word[1] == '-') {
			status = take_long(args, argc, argv, &at);
		} else if (options && word[0] == '-' && word[1]) {
			status = take_letters(args, argc, argv, &at);
		} else {
			/* Kept in place at the front: at is never behind the operands found. */
			argv[++operands] = word;
			at++;
			if (args->stop_at_operand)
				options = false;
		}
	}
	if (!status && (size_t)operands > args->operands_max)
		status = args_wrong(args->command, "unexpected '%s'", argv[args->operands_max + 1]);
	*ret_status = status;
	*ret_operands = operands;
	return status == 0;
}
