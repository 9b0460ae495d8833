/* SPDX-License-Identifier: MIT */
#include "report/entry_json.h"

#include <stdlib.h>
#include <string.h>

#include "llm/price.h"
#include "report/text.h"
#include "wire/json.h"
#include "report/words.h"

#define HEADERS_MAX 1024 /* of one message; further ones are left out of the object */

/* Every field that can be in an object, in the order of record.def. */
static const enum field fields[] = {
#define FIELD(number, name, type, path) F_##name,
#include "audit/record.def"
#undef FIELD
};

#define FIELD_COUNT      (sizeof fields / sizeof fields[0])
#define FIELD_NUMBER_MAX 255 /* larger numbers are not in record.def yet */

/* Where each usage kind stands in a record; its bit in USAGE_NULLS is the kind's number. */
static const enum field usage_fields[USAGE_COUNT] = {
	[USAGE_INPUT] = F_USAGE_INPUT_TOKENS,
	[USAGE_OUTPUT] = F_USAGE_OUTPUT_TOKENS,
	[USAGE_CACHE_READ] = F_USAGE_CACHE_READ,
	[USAGE_CACHE_CREATION] = F_USAGE_CACHE_CREATION,
	[USAGE_REASONING] = F_USAGE_REASONING,
	[USAGE_CACHE_CREATION_1H] = F_USAGE_CACHE_CREATION_1H,
	[USAGE_INPUT_AUDIO] = F_USAGE_INPUT_AUDIO,
	[USAGE_OUTPUT_AUDIO] = F_USAGE_OUTPUT_AUDIO,
};

/* The objects of an entry, in the order they are printed; "" are the members that stand at the top
 * (after id, type and time). */
static const char *const groups[] = {"",          "aigw", "process",  "connection", "gen_ai",
				     "cost",      "key",  "decision", "http",       "websocket",
				     "timing",    "gap",  "policy",   "access",     "hold",
				     "retention", "limit"};

#define GROUP_COUNT (sizeof groups / sizeof groups[0])

/* Members that are written with their message or by hand. */
static bool is_special(enum field f)
{
	switch (f) {
	case F_ID:
	case F_OUTCOME:
	case F_USAGE_NULLS:
	case F_REQUEST_HEADERS:
	case F_RESPONSE_HEADERS:
	case F_REQUEST_BODY:
	case F_RESPONSE_BODY:
	case F_REQUEST_BODY_BYTES:
	case F_RESPONSE_BODY_BYTES:
	case F_TOOL_CALLS:
		return true;
	default:
		return false;
	}
}

/* The fields of one entry by their numbers, so that a long log is printed in time. */
struct index {
	bool has[FIELD_NUMBER_MAX + 1];
	struct bytes value[FIELD_NUMBER_MAX + 1];
};

static void index_add(struct index *x, struct bytes record)
{
	struct cursor c = cursor_over(record);
	struct record_field field;

	while (record_next(&c, &field) == OK) {
		if (field.number > FIELD_NUMBER_MAX)
			continue;
		x->has[field.number] = true;
		x->value[field.number] = field.value;
	}
}

/* Splits "gen_ai.usage.input_tokens" into group "gen_ai" and the member's name behind it. */
static const char *split_path(const char *path, char ret_group[32])
{
	const char *dot = strchr(path, '.');
	size_t len = dot ? (size_t)(dot - path) : 0;

	memcpy(ret_group, path, len < 31 ? len : 31);
	ret_group[len < 31 ? len : 31] = 0;
	return dot ? dot + 1 : path;
}

static void put_list(struct buf *out, struct bytes list)
{
	bool first = true;

	text_put_u8(out, '[');
	/* NUL ends each item; an empty list has no items, not one empty item. */
	while (list.len) {
		if (!first)
			text_put_u8(out, ',');
		first = false;
		text_put_json_string(out, bytes_cut(&list, 0));
	}
	text_put_u8(out, ']');
}

static void put_payload(struct buf *out, struct bytes body)
{
	if (bytes_is_utf8(body)) {
		text_put_json_string(out, body);
		return;
	}
	text_put_str(out, "{\"base64\":\"");
	text_put_base64(out, body);
	text_put_str(out, "\"}");
}

static void put_number(struct buf *out, enum field f, enum field_type type, struct bytes value)
{
	struct cursor c = cursor_over(value);
	uint64_t n = value.len == 8 ? cursor_u64(&c) : cursor_u8(&c);

	if (c.bad || cursor_left(&c) || (f == F_LOGIN_UID && n >= UINT32_MAX))
		text_put_str(out, "null");
	else if (type == FIELD_BOOL)
		text_put_str(out, n ? "true" : "false");
	else if (f == F_COST)
		text_keep(out, price_put_usd(out, n));
	else
		text_put_decimal(out, n);
}

static void put_value(struct buf *out, enum field f, enum field_type type, struct bytes value)
{
	switch (type) {
	case FIELD_U64:
	case FIELD_BOOL:
		put_number(out, f, type, value);
		return;
	case FIELD_LIST:
		put_list(out, value);
		return;
	case FIELD_JSON:
		text_put(out, value);
		return;
	case FIELD_STR:
	case FIELD_BODY:
		put_payload(out, value);
	}
}

/* Token counts that the provider gave as null: absent, null and 0 are three different things. */
static void put_usage_nulls(struct json_object *o, const struct log_entry *entry)
{
	uint64_t nulls = 0;
	struct bytes ignored;

	if (entry_find_u64(entry, F_USAGE_NULLS, &nulls) != OK)
		return;
	for (unsigned kind = 0; kind < USAGE_COUNT; kind++)
		if (nulls >> kind & 1 && entry_find(entry, usage_fields[kind], &ignored) != OK)
			object_raw(o, usage_name(kind), "null");
}

/* Which group a field belongs to, and its name there. */
struct member {
	const struct field_info *info; /* NULL: not printed as a member */
	size_t group;
	const char *name;
};

static const struct member *members(void)
{
	static struct member all[FIELD_COUNT];
	static bool made;

	for (size_t i = 0; i < FIELD_COUNT && !made; i++) {
		const struct field_info *info = record_field_info(fields[i]);
		char own[32];
		if (!info || is_special(fields[i]))
			continue;
		all[i].name = split_path(info->path, own);
		for (size_t g = 0; g < GROUP_COUNT; g++) {
			if (strcmp(own, groups[g]) == 0) {
				all[i].info = info;
				all[i].group = g;
			}
		}
	}
	made = true;
	return all;
}

/* The members of one group. */
static void put_members(struct json_object *o, const struct log_entry *entry, const struct index *x,
			size_t group)
{
	const struct member *all = members();

	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (!all[i].info || all[i].group != group || !x->has[fields[i]])
			continue;
		object_key(o, bytes_str(all[i].name));
		put_value(o->out, fields[i], all[i].info->type, x->value[fields[i]]);
	}
	if (strcmp(groups[group], "gen_ai") == 0)
		put_usage_nulls(o, entry);
}

static void put_group(struct json_object *o, const struct log_entry *entry, const struct index *x,
		      size_t group)
{
	struct buf text = {0};
	struct json_object inner = object_begin(&text);

	put_members(&inner, entry, x, group);
	object_end(&inner);
	if (inner.any) {
		object_key(o, bytes_str(groups[group]));
		text_put(o->out, buf_view(&text));
	}
	text_keep(o->out, text.failed);
	buf_done(&text);
}

struct header {
	struct buf name; /* lower case */
	struct bytes value;
	bool put;
};

static void put_lower(struct buf *out, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.at[i];
		text_put_u8(out, c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c);
	}
}

/* One name with its value, or with all its values as an array in their order. */
static void put_header(struct json_object *o, struct header *all, size_t count, size_t at)
{
	struct bytes name = buf_view(&all[at].name);
	size_t same = 0;

	for (size_t i = at; i < count; i++)
		same += bytes_equal(buf_view(&all[i].name), name);
	object_key(o, name);
	if (same > 1)
		text_put_u8(o->out, '[');
	for (size_t i = at, put = 0; i < count; i++) {
		if (!bytes_equal(buf_view(&all[i].name), name))
			continue;
		if (put++)
			text_put_u8(o->out, ',');
		put_payload(o->out, all[i].value);
		all[i].put = true;
	}
	if (same > 1)
		text_put_u8(o->out, ']');
}

static void put_headers(struct buf *out, struct bytes lines)
{
	struct header *all = calloc(HEADERS_MAX, sizeof *all);
	struct bytes name, value;
	size_t count = 0;

	if (!all) {
		text_keep(out, ERR_NOMEM);
		return;
	}
	while (count < HEADERS_MAX && words_next_header(&lines, &name, &value)) {
		put_lower(&all[count].name, name);
		all[count++].value = value;
	}
	struct json_object o = object_begin(out);
	for (size_t i = 0; i < count; i++)
		if (!all[i].put)
			put_header(&o, all, count, i);
	object_end(&o);
	for (size_t i = 0; i < count; i++) {
		text_keep(out, all[i].name.failed);
		buf_done(&all[i].name);
	}
	free(all);
}

static void put_message(struct json_object *o, const struct log_entry *entry, bool response)
{
	struct bytes lines = entry_text(entry, response ? F_RESPONSE_HEADERS : F_REQUEST_HEADERS);
	enum field length = response ? F_RESPONSE_BODY_BYTES : F_REQUEST_BODY_BYTES;
	bool has_body = response ? entry->has_response_body : entry->has_request_body;
	const struct buf *body = response ? &entry->response_body : &entry->request_body;
	struct buf text = {0};
	uint64_t n;

	object_key(o, response ? BYTES("response") : BYTES("request"));
	struct json_object message = object_begin(o->out);
	object_key(&message, BYTES("headers"));
	put_headers(o->out, lines);
	object_key(&message, BYTES("body"));
	bool is_empty = entry_find_u64(entry, length, &n) == OK && n == 0;
	if (has_body || is_empty)
		put_payload(o->out, buf_view(body));
	else
		text_put_str(o->out, "null");
	if (entry_find_u64(entry, length, &n) == OK)
		object_number(&message, "body_bytes", n);
	struct bytes calls = response ? entry_text(entry, F_TOOL_CALLS) : BYTES_NONE;
	if (calls.len && json_check(calls, NULL, NULL) == OK) {
		object_key(&message, BYTES("tool_calls"));
		text_put(o->out, calls);
	}
	if (response) {
		words_assemble(entry, &text);
		if (text.len)
			object_text(&message, "text", buf_view(&text));
		else
			object_raw(&message, "text", "null");
	}
	object_end(&message);
	text_keep(o->out, text.failed);
	buf_done(&text);
}

static const char *type_name(const struct log_entry *entry)
{
	const char *name = entry->kind == REC_REQUEST ? "exchange" : record_kind_name(entry->kind);

	return name ? name : "unknown";
}

void put_entry_json(struct buf *out, const struct log_entry *entry, bool payloads)
{
	struct json_object o = object_begin(out);
	struct buf time = {0};
	bool exchange = entry->kind == REC_REQUEST;
	struct index x = {0};

	if (entry->id[0])
		object_text(&o, "id", bytes_str(entry->id));
	object_text(&o, "type", bytes_str(type_name(entry)));
	text_put_time_utc(&time, entry->time_ns);
	object_text(&o, "time", buf_view(&time));
	text_keep(out, time.failed);
	buf_done(&time);
	index_add(&x, buf_view(&entry->process->fields));
	index_add(&x, buf_view(&entry->fields));
	for (size_t i = 0; i < GROUP_COUNT; i++) {
		if (groups[i][0] == 0)
			put_members(&o, entry, &x, i);
		else if (exchange && !x.has[F_COST] && strcmp(groups[i], "cost") == 0)
			object_raw(&o, "cost", "null");
		else
			put_group(&o, entry, &x, i);
	}
	if (exchange)
		object_text(&o, "outcome", entry_outcome(entry));
	if (entry->orphan)
		object_bool(&o, "request_missing", true);
	if (exchange && payloads) {
		put_message(&o, entry, false);
		put_message(&o, entry, true);
	}
	object_end(&o);
}
