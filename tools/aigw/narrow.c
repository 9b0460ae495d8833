/* SPDX-License-Identifier: MIT */
#include "narrow.h"

#include <stdio.h>
#include <string.h>

#include "aigw.h"
#include "print.h"

#define PREFIX_CHARS_MIN 4
#define ULID_TIME_CHARS  10
#define DAY_NS           (UINT64_C(86400) * 1000000000)
#define FAR_MS           (UINT64_C(1) << 43) /* the year 2248; beyond, times do not fit into ns */
#define AMBIGUOUS_SHOWN  10

/* Upper case, as ULIDs are written. False when no id can begin like this. */
static bool read_prefix(const char *word, char ret_prefix[ULID_CHARS + 1])
{
	size_t len = strlen(word);

	if (len < PREFIX_CHARS_MIN || len > ULID_CHARS)
		return false;
	for (size_t i = 0; i <= len; i++) {
		char c = word[i];
		if (c >= 'a' && c <= 'z')
			c = (char)(c - 32);
		if (c && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z'))
			return false;
		ret_prefix[i] = c;
	}
	return true;
}

/* The milliseconds of a ULID whose time begins with `prefix` and goes on with `fill`. */
static uint64_t prefix_ms(const char *prefix, char fill)
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	size_t len = strlen(prefix);
	uint64_t ms = 0;

	for (size_t i = 0; i < ULID_TIME_CHARS; i++) {
		const char *digit = strchr(digits, i < len ? prefix[i] : fill);
		ms = ms << 5 | (digit ? (uint64_t)(digit - digits) : 0);
	}
	return ms;
}

/* An id says when it was made: only days near that are read. A day is left on either side, for a
 * request is recorded when it is whole, which may be later. */
void narrow_to_prefix(struct log_filter *filter, const char *prefix)
{
	uint64_t from_ms = prefix_ms(prefix, '0'), to_ms = prefix_ms(prefix, 'Z');

	filter->id_prefix = bytes_str(prefix);
	if (from_ms < FAR_MS && from_ms * 1000000 > DAY_NS)
		filter->since_ns = from_ms * 1000000 - DAY_NS;
	if (to_ms < FAR_MS)
		filter->until_ns = (to_ms + 1) * 1000000 + DAY_NS;
}

static int say_ambiguous(const struct log *l, const char *word)
{
	print_note("'%s' begins the id of %zu records:", word, l->entry_count);
	for (size_t i = 0; i < l->entry_count && i < AMBIGUOUS_SHOWN; i++)
		fprintf(stderr, "  %s\n", l->entries[i]->id);
	if (l->entry_count > AMBIGUOUS_SHOWN)
		fputs("  ...\n", stderr);
	return EXIT_USAGE;
}

int narrow_find_id(struct reading *r, const char *command, const char *word,
		   char ret_id[ULID_CHARS + 1])
{
	bool last = strcmp(word, "last") == 0;
	char prefix[ULID_CHARS + 1] = "";

	r->options.filter = (struct log_filter){.exchanges_only = last};
	if (!last && !read_prefix(word, prefix))
		return args_wrong(command,
				  "'%s' is no id; give one of 'aigw log', at least its first %d "
				  "characters, or 'last'",
				  word, PREFIX_CHARS_MIN);
	if (!last)
		narrow_to_prefix(&r->options.filter, prefix);
	/* A whole id is one record: its payloads are read along. */
	r->options.with_headers = r->options.with_bodies = strlen(prefix) == ULID_CHARS;
	int status = reading_newest(r, last ? 1 : 0);
	if (status)
		return status;
	if (r->log.entry_count == 0) {
		if (last)
			print_note("nothing is recorded yet");
		else
			print_note("no record has the id '%s'", word);
		status = reading_report(r);
		return status ? status : EXIT_FINDING;
	}
	for (size_t i = 1; i < r->log.entry_count; i++)
		if (strcmp(r->log.entries[i]->id, r->log.entries[0]->id) != 0)
			return say_ambiguous(&r->log, word);
	memcpy(ret_id, r->log.entries[0]->id, ULID_CHARS + 1);
	return EXIT_FINE;
}
