/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <stdio.h>
#include <string.h>

#include "report/entry_json.h"
#include "narrow.h"
#include "print.h"
#include "readable.h"
#include "reading.h"

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

/* Under a collector another user may have sent an answer with the same id: it is not this one's. */
static const struct log_entry *find_request(const struct log *l)
{
	for (size_t i = 0; i < l->entry_count; i++)
		if (!l->entries[i]->orphan)
			return l->entries[i];
	return l->entry_count ? l->entries[0] : NULL;
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
	const struct log_entry *entry = find_request(&r->log);
	if (!entry) {
		print_note("the record %s is not there any more", id);
		return EXIT_FINDING;
	}
	if (raw)
		return print_raw(entry, strcmp(raw, "response") == 0);
	if (json)
		print_json(entry);
	else
		readable_print(entry);
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
	status = narrow_find_id(&reading, "show", argv[1], id);
	if (!status)
		status = show(&reading, id, json, raw);
	reading_done(&reading);
	return status;
}
