/* SPDX-License-Identifier: MIT
 *
 * The Cohere API, versions 1 and 2. Facts: cohere-python SDK and recorded traffic, autumn 2026.
 * Tokens are what the model saw; billed units, which differ much, stand in where there are none.
 */
#include "llm/readers.h"

#include "llm/tools.h"

enum field {
	FIELD_ID,
	FIELD_FINISH,
	FIELD_ERROR,
	FIELD_TYPE,
	FIELD_TOP_TEXT,
	FIELD_PART,
	FIELD_PART_TYPE,
	FIELD_PART_TEXT,
	FIELD_DELTA_TEXT,
	FIELD_CALL,
	FIELD_CALL_ID,
	FIELD_CALL_NAME,
	FIELD_CALL_ARGUMENTS,
	FIELD_USAGE,
	FIELD_INPUT,
	FIELD_OUTPUT,
	FIELD_CACHED,
	FIELD_BILLED_INPUT,
	FIELD_BILLED_OUTPUT,
};

#define USAGE_FIELDS(path)                                                                         \
	{FIELD_USAGE, path}, {FIELD_INPUT, path "/tokens/input_tokens"},                           \
		{FIELD_OUTPUT, path "/tokens/output_tokens"},                                      \
		{FIELD_CACHED, path "/cached_tokens"},                                             \
		{FIELD_BILLED_INPUT, path "/billed_units/input_tokens"},                           \
	{                                                                                          \
		FIELD_BILLED_OUTPUT, path "/billed_units/output_tokens"                            \
	}

#define CALL_FIELDS(path)                                                                          \
	{FIELD_CALL_ID, path "/id"}, {FIELD_CALL_NAME, path "/function/name"},                     \
	{                                                                                          \
		FIELD_CALL_ARGUMENTS, path "/function/arguments"                                   \
	}

static const struct answer_field fields[] = {
	/* version 2: a message, and the events of its stream */
	{FIELD_ID, "id"},
	{FIELD_FINISH, "finish_reason"},
	{FIELD_TYPE, "type"},
	{FIELD_PART, "message/content/*"},
	{FIELD_PART_TYPE, "message/content/*/type"},
	{FIELD_PART_TEXT, "message/content/*/text"},
	{FIELD_CALL, "message/tool_calls/*"},
	CALL_FIELDS("message/tool_calls/*"),
	CALL_FIELDS("delta/message/tool_calls"),
	USAGE_FIELDS("usage"),
	{FIELD_DELTA_TEXT, "delta/message/content/text"},
	{FIELD_FINISH, "delta/finish_reason"},
	{FIELD_ERROR, "delta/error"},
	USAGE_FIELDS("delta/usage"),
	/* version 1, and embeddings and rerankings of both; the stream's last line holds it all */
	{FIELD_ID, "generation_id"},
	{FIELD_TYPE, "event_type"},
	{FIELD_TOP_TEXT, "text"},
	{FIELD_PART_TEXT, "generations/*/text"},
	{FIELD_PART, "generations/*"},
	{FIELD_CALL, "tool_calls/*"},
	{FIELD_CALL_NAME, "tool_calls/*/name"},
	{FIELD_CALL_ARGUMENTS, "tool_calls/*/parameters"},
	USAGE_FIELDS("meta"),
	{FIELD_ID, "response/generation_id"},
	USAGE_FIELDS("response/meta"),
	{FIELD_ERROR, "error"},
};

_Static_assert(sizeof fields / sizeof fields[0] <= ANSWER_FIELDS_MAX, "one bit per field");

static struct answer_plan plan;
static const struct answer_table table = {fields, sizeof fields / sizeof fields[0], &plan};

/* One JSON text being read; what depends on another member waits until both are known. */
struct reading {
	struct answer answer;
	struct buf *text; /* NULL: not wanted */
	struct bytes json;
	struct usage billed;
	struct json_token type, top_text, part_type, part_text, delta_text;
	bool has_type, has_top_text, has_part_type, has_part_text, has_delta_text;
	/* the tool call being read; of a list that turns out not to count all is taken back */
	struct tool_piece call;
	bool in_calls;
	struct tools_mark tools_before;
};

static enum err settle_part(struct reading *r)
{
	bool counts = r->has_part_text &&
		      (!r->has_part_type || json_token_is(&r->part_type, BYTES("text")));

	r->has_part_type = r->has_part_text = false;
	return counts ? answer_put_text(&r->answer, r->text, &r->part_text) : OK;
}

static enum err begin_call(struct reading *r)
{
	enum err e = tools_begin(&r->answer, &r->call);

	if (!e && r->call.has_arguments)
		e = tools_put(&r->answer, r->json, &r->call.arguments);
	r->call = (struct tool_piece){0};
	return e;
}

static enum err take_call(struct reading *r, uint8_t id, const struct json_token *value)
{
	enum err e = OK;

	switch (id) {
	case FIELD_CALL:
		e = r->in_calls ? begin_call(r) : OK;
		r->in_calls = true;
		break;
	case FIELD_CALL_ID:
		r->call.id = *value;
		r->call.has_id = true;
		break;
	case FIELD_CALL_NAME:
		r->call.name = *value;
		r->call.has_name = true;
		break;
	default:
		r->call.arguments = *value;
		r->call.has_arguments = true;
	}
	return e;
}

static void take_usage(struct reading *r, uint8_t id, const struct json_token *value)
{
	struct usage *u = &r->answer.usage;

	switch (id) {
	case FIELD_INPUT:
		answer_set_usage(u, USAGE_INPUT, value);
		break;
	case FIELD_OUTPUT:
		answer_set_usage(u, USAGE_OUTPUT, value);
		break;
	case FIELD_CACHED:
		answer_set_usage(u, USAGE_CACHE_READ, value);
		break;
	case FIELD_BILLED_INPUT:
		answer_set_usage(&r->billed, USAGE_INPUT, value);
		break;
	case FIELD_BILLED_OUTPUT:
		answer_set_usage(&r->billed, USAGE_OUTPUT, value);
		break;
	default:
		break;
	}
}

static enum err take(void *context, uint8_t id, const struct json_token *value)
{
	struct reading *r = context;
	struct answer *a = &r->answer;

	switch (id) {
	case FIELD_ID:
		answer_set_string(a->id, sizeof a->id, value);
		break;
	case FIELD_FINISH:
		answer_set_string(a->finish_reason, sizeof a->finish_reason, value);
		break;
	case FIELD_ERROR:
		a->failed = a->failed || answer_is_error(value);
		break;
	case FIELD_TYPE:
		r->type = *value;
		r->has_type = value->kind == JSON_STRING;
		break;
	case FIELD_TOP_TEXT:
		r->top_text = *value;
		r->has_top_text = true;
		break;
	case FIELD_PART:
		return settle_part(r);
	case FIELD_PART_TYPE:
		r->part_type = *value;
		r->has_part_type = true;
		break;
	case FIELD_PART_TEXT:
		r->part_text = *value;
		r->has_part_text = true;
		break;
	case FIELD_DELTA_TEXT:
		r->delta_text = *value;
		r->has_delta_text = true;
		break;
	default:
		if (id < FIELD_USAGE)
			return take_call(r, id, value);
		take_usage(r, id, value);
	}
	return OK;
}

static bool is_type(const struct reading *r, struct bytes name, struct bytes text)
{
	return r->has_type ? json_token_is(&r->type, text) : bytes_equal(name, text);
}

static void settle_usage(struct reading *r)
{
	struct usage *u = &r->answer.usage;

	for (size_t i = 0; i < USAGE_COUNT; i++) {
		if (u->presence[i] == ABSENT) {
			u->presence[i] = r->billed.presence[i];
			u->tokens[i] = r->billed.tokens[i];
		}
		r->answer.has_usage = r->answer.has_usage || u->presence[i] != ABSENT;
	}
}

/* A body and version 1's event of its own have calls in a list, which stream-end says again;
 * version 2 streams each by itself. */
static enum err settle_calls(struct reading *r, struct bytes name)
{
	bool is_body = !r->has_type && !name.len;
	enum err e = r->in_calls ? begin_call(r) : OK;

	if (e)
		return e;
	if (r->in_calls) {
		if (!is_body && !is_type(r, name, BYTES("tool-calls-generation")))
			tools_back(&r->answer, r->tools_before);
		return OK;
	}
	if (is_type(r, name, BYTES("tool-call-start")))
		return begin_call(r);
	if (is_type(r, name, BYTES("tool-call-delta")) && r->call.has_arguments)
		return tools_put(&r->answer, r->json, &r->call.arguments);
	return OK;
}

static enum err settle(struct reading *r, struct bytes name)
{
	struct answer *a = &r->answer;
	enum err e = settle_part(r);

	if (!e)
		e = settle_calls(r, name);
	settle_usage(r);
	if (is_type(r, name, BYTES("message-end")) || is_type(r, name, BYTES("stream-end")))
		a->terminated = true;
	if (bytes_equal(bytes_str(a->finish_reason), BYTES("ERROR")))
		a->failed = true;
	if (!e && r->has_delta_text && is_type(r, name, BYTES("content-delta")))
		e = answer_put_text(a, r->text, &r->delta_text);
	/* Of a stream's lines, only this kind has words that are new. */
	if (!e && r->has_top_text && (!r->has_type || is_type(r, name, BYTES("text-generation"))))
		e = answer_put_text(a, r->text, &r->top_text);
	return e;
}

/* A text that turns out not to be JSON leaves no trace. */
static enum err read_json(struct bytes json, struct bytes name, struct answer *answer,
			  struct buf *text)
{
	size_t len_before = text ? text->len : 0;
	struct tools_mark mark = tools_mark(answer);
	struct reading r = {.answer = *answer, .text = text, .json = json, .tools_before = mark};
	enum err e = answer_walk(json, &table, take, &r);

	if (!e)
		e = settle(&r, name);
	if (!e) {
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
	if (bytes_equal(bytes_trim(event->data), BYTES("[DONE]"))) {
		answer->terminated = true;
		return OK;
	}
	return read_json(event->data, event->name, answer, text);
}

static enum err read_body(struct bytes body, struct answer *answer, struct buf *text)
{
	return read_json(body, BYTES_NONE, answer, text);
}

const struct dialect dialect_cohere = {
	.name = "cohere",
	.facts = &dialect_facts_cohere,
	.read_event = read_event,
	.read_body = read_body,
};
