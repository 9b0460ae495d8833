/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "print.h"
#include "reading.h"
#include "report/words.h"

#define CONTEXT_BYTES 60 /* of a long line, on either side of the match */

struct search {
	regex_t regex;
	struct bytes fixed; /* -F: this text */
	bool is_fixed, nocase, ids_only, json;
	uint64_t found;
	bool told; /* of the entry at hand, with -l */
};

struct place {
	const struct log_entry *entry;
	const char *field;
	uint64_t line; /* from 1 */
};

/* ---- finding ---- */

static bool find_fixed(const struct search *s, struct bytes text, size_t *ret_at)
{
	size_t at = s->nocase ? 0 : bytes_find(text, s->fixed);

	if (!s->nocase) {
		*ret_at = at;
		return at != SIZE_MAX;
	}
	for (; at + s->fixed.len <= text.len; at++) {
		if (bytes_equal_nocase(bytes_slice(text, at, s->fixed.len), s->fixed)) {
			*ret_at = at;
			return true;
		}
	}
	return false;
}

/* The first match at or behind `from`. */
static bool find(const struct search *s, struct bytes line, size_t from, size_t *ret_at,
		 size_t *ret_len)
{
	regmatch_t match = {.rm_so = (regoff_t)from, .rm_eo = (regoff_t)line.len};

	if (s->is_fixed) {
		if (!find_fixed(s, bytes_from(line, from), ret_at))
			return false;
		*ret_at += from;
		*ret_len = s->fixed.len;
		return true;
	}
	/* REG_STARTEND: the text is no string, it may hold NULs. */
	if (regexec(&s->regex, line.at ? (const char *)line.at : "", 1, &match,
		    REG_STARTEND | (from ? REG_NOTBOL : 0)))
		return false;
	*ret_at = (size_t)match.rm_so;
	*ret_len = (size_t)(match.rm_eo - match.rm_so);
	return true;
}

/* ---- telling ---- */

/* Not in the middle of a UTF-8 character. */
static size_t to_character(struct bytes line, size_t at)
{
	while (at > 0 && at < line.len && (line.at[at] & 0xC0) == 0x80)
		at--;
	return at;
}

static void print_person(const struct search *s, const struct place *p, struct bytes line,
			 size_t from, size_t to)
{
	size_t at, len, done = from;

	printf("%s%s%s %s:%llu: %s", colour(stdout, CYAN), p->entry->id[0] ? p->entry->id : "-",
	       colour(stdout, PLAIN), p->field, (unsigned long long)p->line, from ? "..." : "");
	while (done < to && find(s, line, done, &at, &len) && at < to) {
		if (at + len > to)
			len = to - at;
		print_text(stdout, bytes_slice(line, done, at - done));
		fputs(colour(stdout, RED), stdout);
		print_text(stdout, bytes_slice(line, at, len));
		fputs(colour(stdout, PLAIN), stdout);
		done = at + len;
		if (len == 0)
			break;
	}
	print_text(stdout, bytes_slice(line, done, to - done));
	puts(to < line.len ? "..." : "");
}

static void print_json(const struct place *p, struct bytes line, size_t from, size_t to, size_t at,
		       size_t len)
{
	struct buf out = {0}, time = {0};
	struct json_object o = object_begin(&out);

	object_text(&o, "id", bytes_str(p->entry->id));
	text_put_time_utc(&time, p->entry->time_ns);
	need(time.failed);
	object_text(&o, "time", buf_view(&time));
	object_text(&o, "field", bytes_str(p->field));
	object_number(&o, "line", p->line);
	object_number(&o, "column", at + 1);
	object_text(&o, "match", bytes_slice(line, at, len));
	object_text(&o, "text", bytes_slice(line, from, to - from));
	object_end(&o);
	need(buf_put_u8(&out, '\n'));
	print_buf(&out);
	buf_done(&out);
	buf_done(&time);
}

/* A line with a match: whole when it is short, else what is round each match. */
static void search_line(struct search *s, const struct place *p, struct bytes line)
{
	size_t at, len, done = 0;

	while (done <= line.len && find(s, line, done, &at, &len)) {
		bool whole = line.len <= 4 * (size_t)CONTEXT_BYTES;
		size_t from = whole || at < CONTEXT_BYTES ? 0 : at - CONTEXT_BYTES;
		size_t to = whole || line.len - at - len < CONTEXT_BYTES ? line.len
									 : at + len + CONTEXT_BYTES;
		from = to_character(line, from < done ? done : from);
		to = to_character(line, to);
		s->found++;
		if (s->ids_only) {
			s->told = true;
			return;
		}
		if (s->json)
			print_json(p, line, from, to, at, len);
		else
			print_person(s, p, line, from, to);
		/* Always forward: a match may be empty. */
		done = to > at ? to : at + 1;
		if (to == line.len)
			return;
	}
}

static void search_text(struct search *s, const struct log_entry *entry, const char *field,
			struct bytes text)
{
	struct place p = {.entry = entry, .field = field};

	while (text.len && !s->told) {
		struct bytes line = bytes_cut(&text, '\n');
		if (line.len && line.at[line.len - 1] == '\r')
			line.len--;
		p.line++;
		search_line(s, &p, line);
	}
}

static void search_body(struct search *s, const struct log_entry *entry, bool response)
{
	const struct buf *body = response ? &entry->response_body : &entry->request_body;
	struct bytes headers = entry_text(entry, response ? F_RESPONSE_HEADERS : F_REQUEST_HEADERS);
	struct buf plain = {0};

	search_text(s, entry, response ? "response.headers" : "request.headers", headers);
	(void)words_decode(headers, buf_view(body), &plain); /* cut short: what could be had */
	search_text(s, entry, response ? "response.body" : "request.body", buf_view(&plain));
	buf_done(&plain);
}

/* A stream's words are cut into events: they are searched put together too, when the body itself
 * has no match. */
static void search_words(struct search *s, const struct log_entry *entry, uint64_t found_before)
{
	struct buf text = {0};

	if (s->found != found_before)
		return;
	words_assemble(entry, &text);
	search_text(s, entry, "response.text", buf_view(&text));
	buf_done(&text);
}

static bool search_entry(void *context, struct log_entry *entry)
{
	struct search *s = context;
	uint64_t found;

	s->told = false;
	search_body(s, entry, false);
	found = s->found;
	search_body(s, entry, true);
	if (!s->told)
		search_words(s, entry, found);
	if (s->told && entry->id[0])
		puts(entry->id);
	return true;
}

/* ---- the command ---- */

static int prepare(struct search *s, const char *pattern)
{
	char problem[200];

	s->fixed = bytes_str(pattern);
	if (s->fixed.len == 0)
		return args_wrong("grep", "the pattern is empty");
	if (s->is_fixed)
		return EXIT_FINE;
	int e = regcomp(&s->regex, pattern, REG_EXTENDED | (s->nocase ? REG_ICASE : 0));
	if (e == 0)
		return EXIT_FINE;
	regerror(e, &s->regex, problem, sizeof problem);
	return args_wrong("grep", "'%s' is no regular expression: %s", pattern, problem);
}

static int search_log(struct reading *r, struct search *s)
{
	int status;

	r->options.with_headers = r->options.with_bodies = true;
	r->options.on_answered = search_entry;
	r->options.context = s;
	status = reading_newest(r, 0);
	for (size_t i = 0; !status && i < r->log.entry_count; i++)
		search_entry(s, r->log.entries[i]);
	if (!status)
		status = reading_report(r);
	return status ? status : s->found ? EXIT_FINE : EXIT_FINDING;
}

int cmd_grep(int argc, char **argv)
{
	struct filter_words words = {0};
	struct search search = {.found = 0};
	struct reading reading;
	struct log_filter filter;
	const char *key = NULL, *directory = NULL;
	const struct option options[] = {
		{"ignore-case", 'i', OPTION_FLAG, &search.nocase, NULL,
		 "ASCII letters of any case"},
		{"fixed-strings", 'F', OPTION_FLAG, &search.is_fixed, NULL,
		 "PATTERN is text, not an expression"},
		{"ids", 'l', OPTION_FLAG, &search.ids_only, NULL, "only the ids, each once"},
		{"json", 0, OPTION_FLAG, &search.json, NULL, "one JSON object for each match"},
		FILTER_OPTIONS(words),
		{"key", 0, OPTION_TEXT, &key, "FILE", "the secret key to open the log with"},
		{"directory", 0, OPTION_TEXT, &directory, "DIR",
		 "the audit directory; default: the policy's"},
	};
	const struct args args = {
		.command = "grep",
		.synopsis = "aigw grep [OPTION]... PATTERN",
		.summary =
			"Searches headers and bodies of what was recorded (content codings taken "
			"off, the\n"
			"words of a stream put together) for an extended regular expression.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
		.operands_max = 1,
		.notes = "Exit status: 0 found, 1 not found or something could not be read.",
	};
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	if (operands == 0)
		return args_wrong("grep", "which pattern?");
	if (search.json && search.ids_only)
		return args_wrong("grep", "--json and -l exclude each other");
	status = prepare(&search, argv[1]);
	if (!status)
		status = reading_filter("grep", &words, &filter);
	if (!status)
		status = reading_open(&reading, key, directory);
	if (status)
		return status;
	reading.options.filter = filter;
	reading.options.filter.without_starts = true;
	status = search_log(&reading, &search);
	reading_done(&reading);
	if (!search.is_fixed)
		regfree(&search.regex);
	return status;
}
