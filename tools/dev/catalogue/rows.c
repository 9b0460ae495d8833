/* SPDX-License-Identifier: MIT */
#include "catalogue.h"

#include <string.h>

#define MODEL   "{model}"
#define KEY_MAX 32

struct row rows[ENDPOINTS_MAX];
size_t row_count;

static struct row *row; /* being read */

struct word {
	const char *text;
	int value;
};

static int find_word(struct bytes text, const struct word *words, const struct json_token *t,
		     const char *problem)
{
	for (size_t i = 0; words[i].text; i++)
		if (bytes_equal(text, bytes_str(words[i].text)))
			return words[i].value;
	stop_at(t, problem);
}

static void read_operation(void *into)
{
	struct json_token t = next_text();

	row->operation = operation_find(t.raw);
	if (row->operation == OP_COUNT || row->operation == OP_UNKNOWN)
		stop_at(&t, "no such operation (src/llm/call.h has the list)");
}

/* "body", "body?", "body:model|agent", "form?", "path", "query?:deployment|model" */
static void read_model(void *into)
{
	static const struct word places[] = {{"body", MODEL_BODY},
					     {"path", MODEL_PATH},
					     {"query", MODEL_QUERY},
					     {"form", MODEL_FORM},
					     {0}};
	struct json_token t = next_text();
	struct bytes keys = t.raw, place = bytes_cut(&keys, ':'), rest = keys;

	row->needs_model = !bytes_ends(place, BYTES("?"));
	if (!row->needs_model)
		place.len--;
	row->model = (enum model_place)find_word(
		place, places, &t,
		"a model stands in body, path, query or form, with ? or without");
	if (row->model == MODEL_PATH && (keys.len || !row->needs_model))
		stop_at(&t, "a model in the path has no key and is always there");
	while (rest.len) {
		struct bytes key = bytes_cut(&rest, '|');
		if (key.len > KEY_MAX || bytes_find_byte(key, '"') != SIZE_MAX)
			stop_at(&t, "a key has at most 32 letters");
	}
	row->keys = keys;
}

static void read_stream(void *into)
{
	static const struct word places[] = {{"body", STREAM_BODY},     {"default", STREAM_DEFAULT},
					     {"always", STREAM_ALWAYS}, {"query", STREAM_QUERY},
					     {"accept", STREAM_ACCEPT}, {0}};
	struct json_token t = next_text();

	row->stream = (enum stream_place)find_word(
		t.raw, places, &t, "stream is one of body, default, always, query, accept");
}

static void read_body(void *into)
{
	struct json_token t = next_text();

	if (!bytes_equal(t.raw, BYTES("any")))
		stop_at(&t, "body is \"any\" or left out");
	row->any_body = true;
}

static void read_pointers(void *into)
{
	struct items *items = into;

	read_items(items);
	for (size_t i = 0; i < items->count; i++)
		if (items->at[i].raw.at[0] != '/')
			stop_at(&items->at[i], "a JSON pointer begins with /");
}

static void check_method(const struct json_token *t, struct bytes method)
{
	if (bytes_equal(method, BYTES("*")))
		return;
	for (size_t i = 0; i < method.len; i++)
		if (method.at[i] < 'A' || method.at[i] > 'Z')
			stop_at(t, "a method is upper case letters, or *");
	if (method.len == 0)
		stop_at(t, "an endpoint is a method, a space and a path");
}

static bool is_plain(struct bytes segment)
{
	for (size_t i = 0; i < segment.len; i++)
		if (segment.at[i] == '*' || segment.at[i] == '%' || segment.at[i] == '?' ||
		    segment.at[i] == '{' || segment.at[i] == '}' || segment.at[i] == ' ')
			return false;
	return segment.len > 0;
}

/* What endpoint.h says of patterns. */
static size_t check_path(const struct json_token *t, struct bytes path)
{
	size_t models = 0;

	if (path.len == 0 || path.at[0] != '/')
		stop_at(t, "a path begins with /");
	if (path.len == 1)
		return 0;
	path = bytes_from(path, 1);
	while (path.len) {
		struct bytes segment = bytes_cut(&path, '/');
		size_t at = bytes_find(segment, BYTES(MODEL));
		bool last = path.len == 0;
		if (at == 0 && ++models) {
			segment = bytes_from(segment, sizeof MODEL - 1);
			if (segment.len == 0 || is_plain(segment))
				continue;
		}
		if (bytes_equal(segment, BYTES("*")) || (last && bytes_equal(segment, BYTES("**"))))
			continue;
		if (!is_plain(segment))
			stop_at(t, "a segment is a word, *, {model} or {model}:word; the last may "
				   "be **");
	}
	if (models > 1 || (models && bytes_ends(t->raw, BYTES("/**"))))
		stop_at(t, "one {model} at most, and no ** with it");
	return models;
}

static void check_row(const struct run *run)
{
	struct bytes path = row->match.raw, method = bytes_cut(&path, ' ');
	size_t models;

	check_method(&row->match, method);
	models = check_path(&row->match, path);
	if ((models == 1) != (row->model == MODEL_PATH))
		stop_at(&row->match, "{model} in the path goes with \"model\": \"path\"");
	for (size_t i = run->first; i < row_count - 1; i++)
		if (bytes_equal(rows[i].match.raw, row->match.raw))
			stop_at(&row->match, "this endpoint stands in the list already");
}

void read_rows(void *into)
{
	struct run *run = into;

	run->first = row_count;
	(void)next_of(JSON_ARRAY, "a list of endpoints was expected");
	while (!next_is_end(JSON_ARRAY_END)) {
		struct json_token object = next_of(JSON_OBJECT, "an endpoint in { } was expected");
		if (row_count == ENDPOINTS_MAX)
			stop(object.start, BYTES_NONE, "at most 4096 endpoints");
		row = &rows[row_count++];
		const struct member members[] = {
			{"match", true, NULL, &row->match},
			{"operation", true, read_operation, NULL},
			{"model", false, read_model, NULL},
			{"stream", false, read_stream, NULL},
			{"body", false, read_body, NULL},
			{"text", false, read_pointers, &row->text},
			{"opaque", false, read_pointers, &row->opaque},
			{"dialect", false, NULL, &row->dialect},
		};
		read_members(&object, members, sizeof members / sizeof members[0]);
		run->count = row_count - run->first;
		check_row(run);
	}
}
