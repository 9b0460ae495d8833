/* SPDX-License-Identifier: MIT
 *
 * The Anthropic API: messages, token counting, models. Facts: Anthropic API reference and the
 * anthropic-sdk-python, autumn 2026.
 */
#include "llm/readers.h"

#include "llm/tools.h"

/* -- the answer ---------------------------------------------------------------------------- */

enum field {
	FIELD_TYPE,
	FIELD_ID,
	FIELD_MODEL,
	FIELD_ERROR,
	FIELD_FINISH,
	FIELD_DELTA_TYPE,
	FIELD_DELTA_TEXT,
	FIELD_PART,
	FIELD_PART_TYPE,
	FIELD_PART_TEXT,
	FIELD_TOOL_ID,
	FIELD_TOOL_NAME,
	FIELD_TOOL_INPUT,
	FIELD_TOOL_FRAGMENT,
	FIELD_TIER,
	FIELD_USAGE,
	FIELD_UNCACHED_INPUT,
	FIELD_USAGE_FIRST, /* + enum usage_kind */
};

#define TOKENS(kind) (FIELD_USAGE_FIRST + (kind))

/* input_tokens is without what the cache gave or took; output_tokens is with thinking. */
#define USAGE_FIELDS(path)                                                                         \
	{FIELD_USAGE, path}, {FIELD_UNCACHED_INPUT, path "/input_tokens"},                         \
		{TOKENS(USAGE_OUTPUT), path "/output_tokens"},                                     \
		{TOKENS(USAGE_CACHE_READ), path "/cache_read_input_tokens"},                       \
		{TOKENS(USAGE_CACHE_CREATION), path "/cache_creation_input_tokens"},               \
		{TOKENS(USAGE_CACHE_CREATION_1H),                                                  \
		 path "/cache_creation/ephemeral_1h_input_tokens"},                                \
		{FIELD_TIER, path "/service_tier"},                                                \
	{                                                                                          \
		TOKENS(USAGE_REASONING), path "/output_tokens_details/thinking_tokens"             \
	}

static const struct answer_field fields[] = {
	{FIELD_TYPE, "type"},
	{FIELD_ERROR, "error"},
	/* a message as a whole body */
	{FIELD_ID, "id"},
	{FIELD_MODEL, "model"},
	{FIELD_FINISH, "stop_reason"},
	{FIELD_PART, "content/*"},
	{FIELD_PART_TYPE, "content/*/type"},
	{FIELD_PART_TEXT, "content/*/text"},
	{FIELD_TOOL_ID, "content/*/id"},
	{FIELD_TOOL_NAME, "content/*/name"},
	{FIELD_TOOL_INPUT, "content/*/input"},
	/* content_block_start: a tool's input follows in content_block_delta */
	{FIELD_PART_TYPE, "content_block/type"},
	{FIELD_TOOL_ID, "content_block/id"},
	{FIELD_TOOL_NAME, "content_block/name"},
	{FIELD_TOOL_FRAGMENT, "delta/partial_json"},
	/* message_start holds the message, message_delta a part of it */
	{FIELD_ID, "message/id"},
	{FIELD_MODEL, "message/model"},
	USAGE_FIELDS("message/usage"),
	{FIELD_DELTA_TYPE, "delta/type"},
	{FIELD_DELTA_TEXT, "delta/text"},
	{FIELD_FINISH, "delta/stop_reason"},
	USAGE_FIELDS("usage"),
};

_Static_assert(sizeof fields / sizeof fields[0] <= ANSWER_FIELDS_MAX, "one bit per field");

static struct answer_plan plan;
static const struct answer_table table = {fields, sizeof fields / sizeof fields[0], &plan};

/* One JSON text being read. Its members come in any order, so what depends on another member waits
 * in a token until both are known. */
struct reading {
	struct answer answer;
	struct buf *text; /* NULL: not wanted */
	struct json_token type, delta_type, delta_text, part_type, part_text;
	bool has_type, has_delta_type, has_delta_text, has_part_type, has_part_text;
	struct bytes json;
	struct tool_piece tool;
	struct json_token fragment;
	bool has_fragment;
};

/* The end of a content block: its text counts when it is the assistant's words. */
static enum err settle(struct reading *r)
{
	bool counts = r->has_part_text &&
		      (!r->has_part_type || json_token_is(&r->part_type, BYTES("text")));
	struct tool_piece tool = r->tool;

	r->tool = (struct tool_piece){0};
	if (r->has_part_type && json_token_is(&r->part_type, BYTES("tool_use"))) {
		r->has_part_type = r->has_part_text = false;
		enum err e = tools_begin(&r->answer, &tool);
		return e || !tool.has_arguments ? e
						: tools_put(&r->answer, r->json, &tool.arguments);
	}
	r->has_part_type = r->has_part_text = false;
	return counts ? answer_put_text(&r->answer, r->text, &r->part_text) : OK;
}

static enum err take(void *context, uint8_t id, const struct json_token *value)
{
	struct reading *r = context;
	struct answer *a = &r->answer;

	switch (id) {
	case FIELD_TYPE:
		r->type = *value;
		r->has_type = value->kind == JSON_STRING;
		break;
	case FIELD_ID:
		answer_set_string(a->id, sizeof a->id, value);
		break;
	case FIELD_MODEL:
		answer_set_string(a->model, sizeof a->model, value);
		break;
	case FIELD_ERROR:
		a->failed = a->failed || answer_is_error(value);
		break;
	case FIELD_FINISH:
		answer_set_string(a->finish_reason, sizeof a->finish_reason, value);
		break;
	case FIELD_DELTA_TYPE:
		r->delta_type = *value;
		r->has_delta_type = true;
		break;
	case FIELD_DELTA_TEXT:
		r->delta_text = *value;
		r->has_delta_text = true;
		break;
	case FIELD_PART:
		return settle(r);
	case FIELD_PART_TYPE:
		r->part_type = *value;
		r->has_part_type = true;
		break;
	case FIELD_PART_TEXT:
		r->part_text = *value;
		r->has_part_text = true;
		break;
	case FIELD_TOOL_ID:
		r->tool.id = *value;
		r->tool.has_id = true;
		break;
	case FIELD_TOOL_NAME:
		r->tool.name = *value;
		r->tool.has_name = true;
		break;
	case FIELD_TOOL_INPUT:
		r->tool.arguments = *value;
		r->tool.has_arguments = true;
		break;
	case FIELD_TOOL_FRAGMENT:
		r->fragment = *value;
		r->has_fragment = value->kind == JSON_STRING;
		break;
	case FIELD_TIER:
		answer_set_string(a->service_tier, sizeof a->service_tier, value);
		break;
	case FIELD_USAGE:
		a->has_usage = a->has_usage || value->kind == JSON_OBJECT;
		break;
	case FIELD_UNCACHED_INPUT:
		answer_set_part(a, PART_INPUT, value);
		break;
	default:
		answer_set_usage(&a->usage, (enum usage_kind)(id - FIELD_USAGE_FIRST), value);
	}
	return OK;
}

static bool is_type(const struct reading *r, struct bytes event_name, struct bytes text)
{
	return r->has_type ? json_token_is(&r->type, text) : bytes_equal(event_name, text);
}

static enum err read_type(struct reading *r, struct bytes event_name)
{
	if (is_type(r, event_name, BYTES("message_stop")))
		r->answer.terminated = true;
	if (is_type(r, event_name, BYTES("error")))
		r->answer.failed = true;
	if (r->has_fragment && r->has_delta_type &&
	    json_token_is(&r->delta_type, BYTES("input_json_delta")))
		return tools_put(&r->answer, r->json, &r->fragment);
	if (r->has_delta_text && r->has_delta_type &&
	    json_token_is(&r->delta_type, BYTES("text_delta")))
		return answer_put_text(&r->answer, r->text, &r->delta_text);
	return OK;
}

/* A text that turns out not to be JSON leaves no trace. */
enum err read_anthropic(struct bytes json, struct bytes name, struct answer *answer,
			struct buf *text)
{
	size_t len_before = text ? text->len : 0;
	struct tools_mark mark = tools_mark(answer);
	struct reading r = {.answer = *answer, .text = text, .json = json};
	enum err e = answer_walk(json, &table, take, &r);

	if (!e)
		e = settle(&r);
	if (!e)
		e = read_type(&r, name);
	if (!e) {
		/* OpenTelemetry counts the cache within the input. Made anew from the parts after
		 * each text, since every part is cumulative and a later event replaces only those
		 * that it restates. */
		answer_sum(&r.answer, USAGE_INPUT, PART_INPUT, PART_COUNT, USAGE_CACHE_READ,
			   USAGE_CACHE_CREATION);
		*answer = r.answer;
	} else {
		tools_back(answer, mark);
		if (text)
			text->len = len_before;
	}
	return e == ERR_NOMEM ? e : OK;
}

static enum err read_event(const struct sse_event *event, struct answer *answer, struct buf *text)
{
	return read_anthropic(event->data, event->name, answer, text);
}

static enum err read_body(struct bytes body, struct answer *answer, struct buf *text)
{
	return read_anthropic(body, BYTES_NONE, answer, text);
}

const struct dialect dialect_anthropic = {
	.name = "anthropic",
	.facts = &dialect_facts_anthropic,
	.read_event = read_event,
	.read_body = read_body,
};
