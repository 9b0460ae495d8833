/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <stdio.h>
#include <string.h>

#include "entry_json.h"
#include "print.h"
#include "readable.h"
#include "reading.h"

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
static void narrow_to_prefix(struct log_filter *filter, const char *prefix)
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

/* Which record is meant: its id in ret_id. */
static int find_id(struct reading *r, const char *word, char ret_id[ULID_CHARS + 1])
{
	bool last = strcmp(word, "last") == 0;
	char prefix[ULID_CHARS + 1] = "";

	r->options.filter = (struct log_filter){.exchanges_only = last};
	if (!last && !read_prefix(word, prefix))
		return args_wrong("show",
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
	if (r->log.entry_count > 1)
		return say_ambiguous(&r->log, word);
	memcpy(ret_id, r->log.entries[0]->id, ULID_CHARS + 1);
	return EXIT_FINE;
}

static int print_raw(const struct log_entry *entry, bool response)
{
	const struct buf *body = response ? &entry->response_body : &entry->request_body;
	bool has_body = response ? entry->has_response_body : entry->has_request_body;
	enum field length = response ? F_RESPONSE_BODY_BYTES : F_REQUEST_BODY_BYTES;
	uint64_t on_wire;

	if (has_body) {
		fwrite(body->at, 1, body->len, stdout);
		return EXIT_FINE;
	}
	if (entry_find_u64(entry, length, &on_wire) == OK && on_wire == 0)
		return EXIT_FINE;
	print_note("no %s body is in this record", response ? "response" : "request");
	return EXIT_FINDING;
}

static void print_json(const struct log_entry *entry)
{
	struct buf line = {0}, pretty = {0};

	put_entry_json(&line, entry, true);
	need(put_pretty_json(&pretty, buf_view(&line)));
	need(buf_put_u8(&pretty, '\n'));
	print_buf(&pretty);
	buf_done(&line);
	buf_done(&pretty);
}

/* Reads that one record with its payloads and prints it. */
static int show(struct reading *r, const char *id, bool json, const char *raw)
{
	int status = EXIT_FINE;

	if (!r->options.with_bodies) {
		log_done(&r->log);
		r->options.filter = (struct log_filter){0};
		narrow_to_prefix(&r->options.filter, id);
		r->options.with_headers = r->options.with_bodies = true;
		r->options.only_id = id;
		status = reading_newest(r, 0);
	}
	if (status)
		return status;
	if (r->log.entry_count != 1) {
		print_note("the record %s is not there any more", id);
		return EXIT_FINDING;
	}
	if (raw)
		return print_raw(r->log.entries[0], strcmp(raw, "response") == 0);
	if (json)
		print_json(r->log.entries[0]);
	else
		readable_print(r->log.entries[0]);
	return EXIT_FINE;
}

int cmd_show(int argc, char **argv)
{
	const char *raw = NULL, *key = NULL, *directory = NULL;
	bool json = false;
	const struct option options[] = {
		{"json", 0, OPTION_FLAG, &json, NULL, "as one JSON object"},
		{"raw", 0, OPTION_TEXT, &raw, "request|response",
		 "the body alone, byte for byte as it was sent"},
		{"key", 0, OPTION_TEXT, &key, "FILE", "the secret key to open the log with"},
		{"directory", 0, OPTION_TEXT, &directory, "DIR",
		 "the audit directory; default: the policy's"},
	};
	const struct args args = {
		.command = "show",
		.synopsis = "aigw show [--json | --raw request|response] [--directory DIR] [--key "
			    "FILE] ID|last",
		.summary = "Shows one record in full. ID is what 'aigw log' shows or the beginning "
			   "of it.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
		.operands_max = 1,
	};
	struct reading reading;
	char id[ULID_CHARS + 1] = "";
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	if (operands == 0)
		return args_wrong("show", "which record? Give its id, or 'last'");
	if (raw && strcmp(raw, "request") != 0 && strcmp(raw, "response") != 0)
		return args_wrong("show", "--raw is request or response, not '%s'", raw);
	if (raw && json)
		return args_wrong("show", "--raw and --json exclude each other");
	status = reading_open(&reading, key, directory);
	if (status)
		return status;
	status = find_id(&reading, argv[1], id);
	if (!status)
		status = show(&reading, id, json, raw);
	reading_done(&reading);
	return status;
}
