/* SPDX-License-Identifier: MIT */
#include "readable.h"

#include <string.h>

#include "llm/price.h"
#include "print.h"
#include "report/words.h"

#define LABEL_COLUMNS 13
#define INDENT        "  "

/* A label and the line it names are collected, and printed only when the line has something. */
struct line {
	const char *label;
	struct buf text;
};

static void line_print(struct line *l)
{
	if (l->text.len)
		printf("%s%s%-*s%s%.*s\n", INDENT, colour(stdout, CYAN), LABEL_COLUMNS, l->label,
		       colour(stdout, PLAIN), (int)l->text.len, (const char *)l->text.at);
	buf_done(&l->text);
}

/* Adds `before`, the field's text and `after`, when the entry has the field. */
static void line_field(struct line *l, const struct log_entry *entry, enum field f,
		       const char *before, const char *after)
{
	struct bytes value = entry_text(entry, f);

	if (value.len == 0)
		return;
	if (l->text.len)
		need(buf_put_str(&l->text, before));
	put_visible(&l->text, value);
	need(buf_put_str(&l->text, after));
}

static void line_number(struct line *l, const struct log_entry *entry, enum field f,
			const char *before, const char *after)
{
	uint64_t n;

	if (entry_find_u64(entry, f, &n) != OK)
		return;
	if (l->text.len)
		need(buf_put_str(&l->text, before));
	put_grouped(&l->text, n);
	need(buf_put_str(&l->text, after));
}

static void line_duration(struct line *l, const struct log_entry *entry, enum field f,
			  const char *what)
{
	uint64_t us;

	if (entry_find_u64(entry, f, &us) != OK)
		return;
	if (l->text.len)
		need(buf_put_str(&l->text, ", "));
	need(buf_put_str(&l->text, what));
	put_duration(&l->text, us);
}

/* A process or user number: without grouping, and not when it says that there is none. */
static void line_id(struct line *l, const struct log_entry *entry, enum field f, const char *before)
{
	uint64_t n;

	if (entry_find_u64(entry, f, &n) != OK || n >= UINT32_MAX)
		return;
	need(buf_put_str(&l->text, l->text.len ? before : ""));
	need(buf_put_decimal(&l->text, n));
}

static void print_field(const struct log_entry *entry, const char *label, enum field f)
{
	struct line l = {label, {0}};

	line_field(&l, entry, f, "", "");
	line_print(&l);
}

/* What the process said of itself and the kernel did not say to the collector. */
static void print_claims(const struct log_entry *entry)
{
	struct bytes claims = entry_text(entry, F_CLAIMED);
	const char *label = "unconfirmed";

	while (claims.len) {
		struct line l = {label, {0}};
		put_visible(&l.text, bytes_cut(&claims, 0));
		line_print(&l);
		label = "";
	}
	if (entry_text(entry, F_FACTS).len)
		print_field(entry, "facts", F_FACTS);
}

static void print_program(const struct log_entry *entry)
{
	struct line l = {"program", {0}}, who = {"", {0}}, words = {"", {0}};
	struct bytes list = entry_text(entry, F_CMDLINE);

	line_field(&l, entry, F_EXE, "", "");
	line_print(&l);
	while (list.len) {
		struct bytes word = bytes_cut(&list, 0);
		if (words.text.len)
			need(buf_put_u8(&words.text, ' '));
		put_visible(&words.text, word.len ? word : BYTES("''"));
	}
	line_print(&words);
	need(buf_put_str(&who.text, "pid"));
	line_id(&who, entry, F_PID, " ");
	line_id(&who, entry, F_PPID, ", parent ");
	line_field(&who, entry, F_USER, ", user ", "");
	line_id(&who, entry, F_UID, ", uid ");
	line_id(&who, entry, F_LOGIN_UID, ", logged in as uid ");
	line_print(&who);
	print_field(entry, "host", F_HOST);
	print_field(entry, "cgroup", F_CGROUP);
	print_claims(entry);
}

static void print_decision(const struct log_entry *entry)
{
	struct line l = {"decision", {0}};
	struct bytes changes = entry_text(entry, F_CHANGES);

	line_field(&l, entry, F_ACTION, "", "");
	line_field(&l, entry, F_VERDICT, " (observed only; the verdict is ", ")");
	line_field(&l, entry, F_RULE, " by ", "");
	line_print(&l);
	print_field(entry, "", F_REASON);
	while (changes.len) {
		struct line change = {"", {0}};
		need(buf_put_str(&change.text, "changed "));
		put_visible(&change.text, bytes_cut(&changes, 0));
		line_print(&change);
	}
	print_field(entry, "receipt", F_RECEIPT);
	print_field(entry, "policy", F_POLICY_DIGEST);
}

static void print_tokens(const struct log_entry *entry)
{
	struct line l = {"tokens", {0}};

	line_number(&l, entry, F_USAGE_INPUT_TOKENS, "", " in");
	line_number(&l, entry, F_USAGE_OUTPUT_TOKENS, ", ", " out");
	line_number(&l, entry, F_USAGE_CACHE_READ, ", ", " read from the cache");
	line_number(&l, entry, F_USAGE_CACHE_CREATION, ", ", " written to the cache");
	line_number(&l, entry, F_USAGE_REASONING, ", ", " for reasoning");
	if (l.text.len)
		line_field(&l, entry, F_USAGE_SOURCE, " (source: ", ")");
	line_print(&l);
}

static void print_cost(const struct log_entry *entry)
{
	struct line l = {"cost", {0}};
	uint64_t picousd;

	if (entry_find_u64(entry, F_COST, &picousd) == OK) {
		need(buf_put_str(&l.text, "$"));
		need(price_put_usd(&l.text, picousd));
		line_field(&l, entry, F_COST_MODEL, " by the prices of ", "");
		line_field(&l, entry, F_COST_PRICES, " (", ")");
	}
	line_print(&l);
}

static void print_model(const struct log_entry *entry)
{
	struct line l = {"model", {0}}, call = {"call", {0}};
	uint64_t stream = 0;

	line_field(&l, entry, F_PROVIDER, "", "");
	line_field(&l, entry, F_REQUEST_MODEL, "/", "");
	line_field(&l, entry, F_RESPONSE_MODEL, ", answered by ", "");
	line_print(&l);
	line_field(&call, entry, F_OPERATION, "", "");
	if (entry_find_u64(entry, F_STREAM, &stream) == OK && stream)
		need(buf_put_str(&call.text, ", streamed"));
	line_field(&call, entry, F_FINISH_REASON, ", ended because of ", "");
	line_print(&call);
	print_tokens(entry);
	print_cost(entry);
}

static void print_timing(const struct log_entry *entry)
{
	struct line l = {"timing", {0}};

	line_duration(&l, entry, F_HELD_US, "held ");
	line_duration(&l, entry, F_FIRST_BYTE_US, "first byte after ");
	line_duration(&l, entry, F_TOTAL_US, "whole answer after ");
	line_print(&l);
}

static void print_connection(const struct log_entry *entry)
{
	struct line l = {"connection", {0}};
	uint64_t verified;

	line_field(&l, entry, F_SERVER_NAME, "", "");
	line_field(&l, entry, F_PEER, " at ", "");
	line_field(&l, entry, F_TLS, ", ", "");
	line_field(&l, entry, F_CIPHER, " ", "");
	if (entry_find_u64(entry, F_VERIFIED, &verified) == OK)
		need(buf_put_str(&l.text, verified ? ", certificate verified"
						   : ", certificate NOT verified"));
	line_print(&l);
}

static void print_key(const struct log_entry *entry)
{
	struct line l = {"key", {0}};
	uint64_t managed;

	struct bytes fingerprint = entry_text(entry, F_KEY_FINGERPRINT);

	line_field(&l, entry, F_KEY_PREFIX, "", "... ");
	if (fingerprint.len) {
		need(buf_put_str(&l.text, "fingerprint "));
		put_visible(&l.text, fingerprint);
	}
	if (l.text.len && entry_find_u64(entry, F_KEY_MANAGED, &managed) == OK)
		need(buf_put_str(&l.text, managed ? ", a gateway key" : ", the provider's own"));
	line_print(&l);
}

static void print_outcome(const struct log_entry *entry)
{
	struct line l = {"outcome", {0}};

	put_visible(&l.text, entry_outcome(entry));
	line_number(&l, entry, F_STATUS, ", status ", "");
	if (!entry_text(entry, F_VERDICT).len) /* else it is that of a refusal that was none */
		line_field(&l, entry, F_CODE, " ", "");
	line_field(&l, entry, F_COVERAGE, ", coverage ", "");
	if (entry->orphan)
		need(buf_put_str(&l.text, ", its request record is missing"));
	line_print(&l);
}

static void print_websocket(const struct log_entry *entry)
{
	struct line l = {"websocket", {0}};

	line_number(&l, entry, F_WS_REQUEST_MESSAGES, "", " messages of the program");
	line_number(&l, entry, F_WS_RESPONSE_MESSAGES, ", ", " of the provider");
	line_field(&l, entry, F_WS_CLOSED_BY, ", closed by the ", "");
	line_number(&l, entry, F_WS_CLOSE_CODE, ", code ", "");
	line_print(&l);
}

static void print_title(const char *title, struct bytes first, struct bytes second)
{
	printf("\n%s%s%s", colour(stdout, BOLD), title, colour(stdout, PLAIN));
	if (first.len) {
		fputs("  ", stdout);
		print_text(stdout, first);
	}
	if (second.len) {
		fputc(' ', stdout);
		print_text(stdout, second);
	}
	fputc('\n', stdout);
}

static void print_headers(struct bytes lines)
{
	struct bytes name, value;

	while (words_next_header(&lines, &name, &value)) {
		fputs(INDENT, stdout);
		fputs(colour(stdout, DIM), stdout);
		print_text(stdout, name);
		fputs(": ", stdout);
		print_text(stdout, value);
		fputs(colour(stdout, PLAIN), stdout);
		fputc('\n', stdout);
	}
}

/* The body as it can best be read: JSON indented, text as it is, all else by its length. */
static void print_body(struct bytes headers, struct bytes body, const char *which)
{
	struct buf plain = {0}, pretty = {0};
	bool whole = words_decode(headers, body, &plain);

	if (plain.len && put_pretty_json(&pretty, buf_view(&plain)) == OK)
		print_block(stdout, buf_view(&pretty), INDENT);
	else if (plain.len && bytes_is_utf8(buf_view(&plain)))
		print_block(stdout, buf_view(&plain), INDENT);
	else
		printf("%s%zu bytes that are no text: aigw show ID --raw %s\n", INDENT, body.len,
		       which);
	if (!whole)
		printf("%s(its content coding could not be taken off whole)\n", INDENT);
	buf_done(&plain);
	buf_done(&pretty);
}

static void print_message(const struct log_entry *entry, bool response)
{
	struct bytes lines = entry_text(entry, response ? F_RESPONSE_HEADERS : F_REQUEST_HEADERS);
	const struct buf *body = response ? &entry->response_body : &entry->request_body;
	bool has_body = response ? entry->has_response_body : entry->has_request_body;
	enum field length = response ? F_RESPONSE_BODY_BYTES : F_REQUEST_BODY_BYTES;
	uint64_t on_wire;

	print_headers(lines);
	if (has_body && body->len) {
		fputc('\n', stdout);
		print_body(lines, buf_view(body), response ? "response" : "request");
	} else if (!has_body && entry_find_u64(entry, length, &on_wire) == OK && on_wire) {
		printf("\n%s(%llu bytes of body, which were not kept)\n", INDENT,
		       (unsigned long long)on_wire);
	}
}

static void print_exchange(const struct log_entry *entry)
{
	struct buf text = {0}, status = {0};
	uint64_t code;

	print_outcome(entry);
	print_field(entry, "problem", F_PROBLEM);
	print_decision(entry);
	print_field(entry, "environment", F_ENVIRONMENT);
	print_field(entry, "application", F_APPLICATION);
	print_program(entry);
	print_model(entry);
	print_timing(entry);
	print_websocket(entry);
	print_connection(entry);
	print_key(entry);

	print_title("request", entry_text(entry, F_METHOD), entry_text(entry, F_PATH));
	print_message(entry, false);

	words_assemble(entry, &text);
	if (text.len) {
		print_title("answer, the assistant's words", BYTES_NONE, BYTES_NONE);
		print_block(stdout, buf_view(&text), INDENT);
	}
	if (entry_text(entry, F_RESPONSE_HEADERS).len || entry->response_body.len) {
		if (entry_find_u64(entry, F_STATUS, &code) == OK)
			need(buf_put_decimal(&status, code));
		print_title("response", buf_view(&status), BYTES_NONE);
		print_message(entry, true);
	}
	buf_done(&text);
	buf_done(&status);
}

/* A record of another kind: every field it has, by its name. */
static void print_other(const struct log_entry *entry)
{
	struct cursor c = cursor_over(buf_view(&entry->fields));
	struct record_field field;

	while (record_next(&c, &field) == OK) {
		const struct field_info *info = record_field_info(field.number);
		if (!info)
			continue;
		struct line l = {info->path, {0}};
		if (info->type == FIELD_U64 || info->type == FIELD_BOOL)
			line_number(&l, entry, (enum field)field.number, "", "");
		else
			put_visible(&l.text, field.value);
		line_print(&l);
	}
	print_program(entry);
}

void readable_print(const struct log_entry *entry)
{
	const char *kind = record_kind_name(entry->kind);
	struct buf time = {0};

	put_time_local(&time, entry->time_ns, true);
	printf("%s%s%s", colour(stdout, BOLD),
	       entry->kind == REC_REQUEST ? "exchange"
	       : kind                     ? kind
					  : "unknown record",
	       colour(stdout, PLAIN));
	printf(" %s  %.*s (", entry->id, (int)time.len, (const char *)time.at);
	buf_reset(&time);
	text_put_time_utc(&time, entry->time_ns);
	need(time.failed);
	printf("%.*s)\n", (int)time.len, (const char *)time.at);
	buf_done(&time);
	if (entry->kind == REC_REQUEST)
		print_exchange(entry);
	else
		print_other(entry);
}
