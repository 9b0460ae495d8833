/* SPDX-License-Identifier: MIT
 *
 * The tool calls of the OpenAI API, read in a pass of their own that most texts are spared.
 */
#include "llm/readers.h"

#include "llm/tools.h"

enum field {
	FIELD_TYPE,
	FIELD_CHOICE,
	FIELD_CHOICE_INDEX,
	FIELD_CALL,
	FIELD_INDEX,
	FIELD_ID,
	FIELD_NAME,
	FIELD_ARGUMENTS,
	FIELD_ITEM,
	FIELD_ITEM_AGAIN,
	FIELD_ITEM_TYPE,
};

#define CALL_FIELDS(part)                                                                          \
	{FIELD_CALL, "choices/*/" part "/tool_calls/*"},                                           \
		{FIELD_INDEX, "choices/*/" part "/tool_calls/*/index"},                            \
		{FIELD_ID, "choices/*/" part "/tool_calls/*/id"},                                  \
		{FIELD_NAME, "choices/*/" part "/tool_calls/*/function/name"},                     \
	{                                                                                          \
		FIELD_ARGUMENTS, "choices/*/" part "/tool_calls/*/function/arguments"              \
	}

/* An item of the responses API; "input" is that of a custom tool. */
#define ITEM_FIELDS(path)                                                                          \
	{FIELD_ITEM_TYPE, path "/type"}, {FIELD_ID, path "/call_id"}, {FIELD_NAME, path "/name"},  \
		{FIELD_ARGUMENTS, path "/arguments"},                                              \
	{                                                                                          \
		FIELD_ARGUMENTS, path "/input"                                                     \
	}

static const struct answer_field fields[] = {
	{FIELD_TYPE, "type"},
	{FIELD_CHOICE, "choices/*"},
	{FIELD_CHOICE_INDEX, "choices/*/index"},
	CALL_FIELDS("delta"),
	CALL_FIELDS("message"),
	{FIELD_ITEM, "output/*"},
	ITEM_FIELDS("output/*"),
	ITEM_FIELDS("item"),
	/* at the end, realtime's too: all items again */
	{FIELD_ITEM_AGAIN, "response/output/*"},
	ITEM_FIELDS("response/output/*"),
};

_Static_assert(sizeof fields / sizeof fields[0] <= ANSWER_FIELDS_MAX, "one bit per field");

static struct answer_plan plan;
static const struct answer_table table = {fields, sizeof fields / sizeof fields[0], &plan};

struct reading {
	struct answer *answer;
	struct bytes json;
	struct json_token type, item_type;
	bool has_type, has_item_type, in_choice, passed_over, in_response;
	struct tool_piece piece;
	struct tools_mark before; /* the choice */
};

static enum err settle_call(struct reading *r)
{
	return tools_add(r->answer, r->json, &r->piece);
}

/* Several choices are several answers; the first one is told. */
static enum err settle_choice(struct reading *r)
{
	enum err e = r->in_choice ? settle_call(r) : OK;

	if (r->passed_over)
		tools_back(r->answer, r->before);
	r->passed_over = false;
	return e;
}

/* True when a call of that id is among those that were read. */
static bool is_known(const struct reading *r)
{
	const struct bytes before = BYTES("\"id\":\"");
	struct bytes rest = buf_view(r->answer->tool_calls), id = r->piece.id.raw;
	size_t at;

	if (!r->piece.has_id || r->piece.id.kind != JSON_STRING)
		return true; /* it cannot be told apart */
	while ((at = bytes_find(rest, before)) != SIZE_MAX) {
		rest = bytes_from(rest, at + before.len);
		if (bytes_starts(rest, id) && rest.len > id.len && rest.at[id.len] == '"')
			return true;
	}
	return false;
}

static enum err settle_item(struct reading *r)
{
	bool counts = r->has_item_type && (json_token_is(&r->item_type, BYTES("function_call")) ||
					   json_token_is(&r->item_type, BYTES("custom_tool_call")));
	enum err e = OK;

	if (counts && r->in_response)
		counts = !is_known(r);
	if (counts)
		e = tools_begin(r->answer, &r->piece);
	if (!e && counts && r->piece.has_arguments)
		e = tools_put(r->answer, r->json, &r->piece.arguments);
	r->piece = (struct tool_piece){0};
	r->has_item_type = false;
	return e;
}

static enum err take(void *context, uint8_t id, const struct json_token *value)
{
	struct reading *r = context;
	uint64_t index;
	enum err e = OK;

	switch (id) {
	case FIELD_TYPE:
		r->type = *value;
		r->has_type = true;
		break;
	case FIELD_CHOICE:
		e = settle_choice(r);
		r->before = tools_mark(r->answer);
		r->in_choice = true;
		break;
	case FIELD_CHOICE_INDEX:
		r->passed_over = !json_number_u64(value, &index) && index != 0;
		break;
	case FIELD_CALL:
		return settle_call(r);
	case FIELD_ITEM:
		return settle_item(r);
	case FIELD_ITEM_AGAIN:
		e = settle_item(r);
		r->in_response = true;
		break;
	case FIELD_ITEM_TYPE:
		r->item_type = *value;
		r->has_item_type = true;
		break;
	case FIELD_INDEX:
		r->piece.has_index = !json_number_u64(value, &r->piece.index);
		break;
	case FIELD_ID:
		r->piece.id = *value;
		r->piece.has_id = true;
		break;
	case FIELD_NAME:
		r->piece.name = *value;
		r->piece.has_name = true;
		break;
	default:
		r->piece.arguments = *value;
		r->piece.has_arguments = true;
	}
	return e;
}

/* "tool_calls", "custom_tool_call", "function_call" */
static bool is_worth_it(struct bytes json)
{
	return bytes_find(json, BYTES("_call")) != SIZE_MAX &&
	       (bytes_find(json, BYTES("tool_call")) != SIZE_MAX ||
		bytes_find(json, BYTES("function_call")) != SIZE_MAX);
}

static bool is_type(const struct reading *r, struct bytes type)
{
	return r->has_type && json_token_is(&r->type, type);
}

/* A response under way may have items that are not whole. */
static enum err settle_response(struct reading *r, struct tools_mark mark)
{
	enum err e = settle_item(r);

	if (!e && !is_type(r, BYTES("response.done")) && !is_type(r, BYTES("response.completed")) &&
	    !is_type(r, BYTES("response.incomplete")))
		tools_back(r->answer, mark);
	return e;
}

enum err read_openai_tools(struct bytes json, struct answer *answer)
{
	struct reading r = {.answer = answer, .json = json};
	struct tools_mark mark = tools_mark(answer);
	enum err e;

	if (!answer->tool_calls || !is_worth_it(json))
		return OK;
	e = answer_walk(json, &table, take, &r);
	if (!e && r.in_choice)
		e = settle_choice(&r);
	else if (!e && r.in_response)
		e = settle_response(&r, mark);
	else if (!e && (!r.has_type || is_type(&r, BYTES("response.output_item.done"))))
		e = settle_item(&r);
	if (e)
		tools_back(answer, mark);
	return e;
}
