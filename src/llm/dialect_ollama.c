/* SPDX-License-Identifier: MIT
 *
 * Ollama's own API; a stream is lines of JSON, each of the same shape as a whole answer. Facts:
 * Ollama's API documentation and recorded traffic, autumn 2026.
 */
#include "llm/readers.h"

#include "llm/tools.h"

enum field {
	FIELD_MODEL,
	FIELD_ERROR,
	FIELD_TEXT,
	FIELD_DONE,
	FIELD_FINISH,
	FIELD_INPUT,
	FIELD_OUTPUT,
	FIELD_CALL,
	FIELD_CALL_ID,
	FIELD_CALL_NAME,
	FIELD_CALL_ARGUMENTS,
};

#define CALL "message/tool_calls/*"

static const struct answer_field fields[] = {
	{FIELD_MODEL, "model"},
	{FIELD_ERROR, "error"},
	{FIELD_TEXT, "message/content"},
	{FIELD_TEXT, "response"},
	{FIELD_DONE, "done"},
	{FIELD_FINISH, "done_reason"},
	{FIELD_INPUT, "prompt_eval_count"},
	{FIELD_OUTPUT, "eval_count"},
	{FIELD_CALL, CALL},
	{FIELD_CALL_ID, CALL "/id"},
	{FIELD_CALL_NAME, CALL "/function/name"},
	{FIELD_CALL_ARGUMENTS, CALL "/function/arguments"},
};

static struct answer_plan plan;
static const struct answer_table table = {fields, sizeof fields / sizeof fields[0], &plan};

struct reading {
	struct answer answer;
	struct buf *text; /* NULL: not wanted */
	struct bytes json;
	struct tool_piece call;
};

static enum err settle_call(struct reading *r)
{
	struct tool_piece call = r->call;
	enum err e = call.has_name ? tools_begin(&r->answer, &call) : OK;

	if (!e && call.has_name && call.has_arguments)
		e = tools_put(&r->answer, r->json, &call.arguments);
	r->call = (struct tool_piece){0};
	return e;
}

static enum err take(void *context, uint8_t id, const struct json_token *value)
{
	struct reading *r = context;
	struct answer *a = &r->answer;

	switch (id) {
	case FIELD_MODEL:
		answer_set_string(a->model, sizeof a->model, value);
		break;
	case FIELD_ERROR:
		a->failed = a->failed || answer_is_error(value);
		break;
	case FIELD_TEXT:
		return answer_put_text(a, r->text, value);
	case FIELD_DONE:
		a->terminated = a->terminated || value->kind == JSON_TRUE;
		break;
	case FIELD_FINISH:
		answer_set_string(a->finish_reason, sizeof a->finish_reason, value);
		break;
	case FIELD_INPUT:
		answer_set_usage(&a->usage, USAGE_INPUT, value);
		a->has_usage = true;
		break;
	case FIELD_OUTPUT:
		answer_set_usage(&a->usage, USAGE_OUTPUT, value);
		a->has_usage = true;
		break;
	case FIELD_CALL:
		return settle_call(r);
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
	return OK;
}

/* A text that turns out not to be JSON leaves no trace. */
static enum err read_body(struct bytes body, struct answer *answer, struct buf *text)
{
	size_t len_before = text ? text->len : 0;
	struct tools_mark mark = tools_mark(answer);
	struct reading r = {.answer = *answer, .text = text, .json = body};
	enum err e = answer_walk(body, &table, take, &r);

	if (!e)
		e = settle_call(&r);
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
	return read_body(event->data, answer, text);
}

const struct dialect dialect_ollama = {
	.name = "ollama",
	.facts = &dialect_facts_ollama,
	.read_event = read_event,
	.read_body = read_body,
};
