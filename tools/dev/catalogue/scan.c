/* SPDX-License-Identifier: MIT */
#include "catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX 24

static const char *path;
static struct bytes text;
static struct json json;

void scan_init(const char *file_path, struct bytes file_text)
{
	path = file_path;
	text = file_text;
	json_init(&json, text, JSON_STRICT);
}

_Noreturn void stop(size_t at, struct bytes quoted, const char *what)
{
	uint32_t line, column;

	json_position(text, at, &line, &column);
	fprintf(stderr, "%s:%u:%u: ", path, line, column);
	if (quoted.len)
		fprintf(stderr, "\"%.*s\": ", (int)(quoted.len > 300 ? 300 : quoted.len),
			(const char *)quoted.at);
	fprintf(stderr, "%s\n", what);
	exit(1);
}

_Noreturn void stop_at(const struct json_token *t, const char *what)
{
	stop(t->start, t->raw, what);
}

struct json_token next(void)
{
	struct json_token t;

	if (json_next(&json, &t))
		stop(json.at, BYTES_NONE, json.problem ? json.problem : "the file ends too early");
	return t;
}

struct json_token next_of(enum json_kind kind, const char *what)
{
	struct json_token t = next();

	if (t.kind != kind)
		stop(t.start, BYTES_NONE, what);
	return t;
}

struct json_token next_text(void)
{
	struct json_token t = next_of(JSON_STRING, "a text in quotes was expected");

	if (t.escaped || t.raw.len == 0)
		stop_at(&t, "must be a text that is not empty and has no escapes");
	for (size_t i = 0; i < t.raw.len; i++)
		if (t.raw.at[i] < 0x20 || t.raw.at[i] > 0x7E)
			stop_at(&t, "must be printable ASCII");
	return t;
}

bool next_is_end(enum json_kind end)
{
	struct json before = json;

	if (next().kind == end)
		return true;
	json = before;
	return false;
}

void read_items(struct items *items)
{
	(void)next_of(JSON_ARRAY, "a list of texts was expected");
	while (!next_is_end(JSON_ARRAY_END)) {
		struct json_token t = next_text();
		if (items->count == ITEMS_MAX)
			stop_at(&t, "a list has at most 32 items");
		for (size_t i = 0; i < items->count; i++)
			if (bytes_equal(items->at[i].raw, t.raw))
				stop_at(&t, "this stands in the list already");
		items->at[items->count++] = t;
	}
}

void read_end(void)
{
	struct json_token t;

	if (json_next(&json, &t) != ERR_END)
		stop(json.at, BYTES_NONE, json.problem ? json.problem : "the file must end here");
}

static bool is_one_of(uint8_t c, const char *others)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr(others, c));
}

bool consists_of(struct bytes b, const char *others)
{
	for (size_t i = 0; i < b.len; i++)
		if (!is_one_of(b.at[i], others))
			return false;
	return b.len > 0;
}

static void stop_unknown(const struct json_token *key, const struct member *members, size_t count)
{
	fprintf(stderr, "expected one of:");
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, " %s", members[i].name);
	fprintf(stderr, "\n");
	stop_at(key, "unknown key");
}

static void read_member(const struct json_token *key, const struct member *members, size_t count,
			bool *given)
{
	size_t i = 0;

	while (i < count && !json_token_is(key, bytes_str(members[i].name)))
		i++;
	if (i == count)
		stop_unknown(key, members, count);
	if (given[i])
		stop_at(key, "this key stands here twice");
	given[i] = true;
	if (members[i].read)
		members[i].read(members[i].into);
	else
		*(struct json_token *)members[i].into = next_text();
}

void read_members(const struct json_token *object, const struct member *members, size_t count)
{
	bool given[MEMBERS_MAX] = {0};

	for (struct json_token t = next(); t.kind != JSON_OBJECT_END; t = next())
		read_member(&t, members, count, given);
	for (size_t i = 0; i < count; i++)
		if (members[i].required && !given[i])
			stop(object->start, bytes_str(members[i].name), "missing here");
}
