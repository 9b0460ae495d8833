/* SPDX-License-Identifier: MIT
 *
 * Any words as a command line, NUL-separated: it is refused with status 2, or helped with 0, or
 * what was taken is what stands in it. A word is also tried as a time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aigw/args.h"
#include "aigw/print.h"

#define WORDS_MAX 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct taken {
	bool flag;
	const char *text;
	struct text_list list;
	uint64_t count;
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* The rest of a word, or a whole one. */
static bool is_of(const char *text, char *const *words, int count)
{
	for (int i = 0; i < count; i++)
		if (text >= words[i] && text <= words[i] + strlen(words[i]))
			return true;
	return false;
}

static void check_taken(const struct taken *t, char *const *words, int count)
{
	must(!t->text || is_of(t->text, words, count));
	must(t->list.count <= ARGS_LIST_MAX);
	for (size_t i = 0; i < t->list.count; i++)
		must(is_of(t->list.at[i], words, count));
}

static void try_words(char *const *all, int count, bool stop)
{
	struct taken t = {0};
	const struct option options[] = {
		{"json", 'j', OPTION_FLAG, &t.flag, NULL, "for programs"},
		{"since", 's', OPTION_TEXT, &t.text, "TIME", "from then on"},
		{"header", 0, OPTION_LIST, &t.list, "NAME", "may be repeated"},
		{"limit", 'n', OPTION_COUNT, &t.count, "N", "only so many"},
		{NULL, 'x', OPTION_FLAG, &t.flag, NULL, "only a letter"},
	};
	const struct args args = {.command = "log",
				  .synopsis = "aigw log",
				  .summary = "A summary.",
				  .options = options,
				  .option_count = sizeof options / sizeof options[0],
				  .operands_max = 3,
				  .stop_at_operand = stop};
	char *words[WORDS_MAX + 2];
	int operands = -1, status = -1;

	memcpy(words, all, sizeof words);
	if (!args_parse(&args, count, words, &operands, &status)) {
		must(status == 0 || status == 2);
		return;
	}
	must(operands >= 0 && operands < count && (stop || operands <= (int)args.operands_max));
	for (int i = 1; i <= operands; i++)
		must(is_of(words[i], all, count));
	check_taken(&t, all, count);
}

static void check_time(const char *text)
{
	const uint64_t now = 1795000000000000000u;
	uint64_t then = 0, again;

	if (parse_time(text, now, &then) == OK)
		must(parse_time(text, now, &again) == OK && again == then);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"observe", "policy", "providers"};
	static FILE *nowhere;
	FILE *out = stdout, *err = stderr;
	char program[] = "aigw", *words[WORDS_MAX + 2] = {program}, *text = malloc(size + 1);
	const char *near;
	int count = 1;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	must(text && nowhere);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	for (size_t at = 0; at < size && count <= WORDS_MAX; at += strlen(text + at) + 1)
		words[count++] = text + at;
	stdout = stderr = nowhere;
	try_words(words, count, false);
	try_words(words, count, true);
	stdout = out;
	stderr = err;
	near = args_near(text, names, 3);
	must(!near || near == names[0] || near == names[1] || near == names[2]);
	check_time(text);
	free(text);
	return 0;
}
