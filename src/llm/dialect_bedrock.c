/* SPDX-License-Identifier: MIT
 *
 * Amazon Bedrock: Converse in its own words, InvokeModel in those of the model's vendor. Facts:
 * botocore's service model and recorded traffic, autumn 2026.
 */
#include "llm/readers.h"

#include "llm/tools.h"
#include "wire/base64.h"

enum field {
	FIELD_FINISH,
	FIELD_ERROR,
	FIELD_TEXT,
	FIELD_PART,
	FIELD_TOOL_ID,
	FIELD_TOOL_NAME,
	FIELD_TOOL_INPUT,
	FIELD_TOOL_FRAGMENT,
	FIELD_BYTES,
	FIELD_USAGE,
	FIELD_INPUT,
	FIELD_OUTPUT,
	FIELD_CACHE_READ,
	FIELD_CACHE_WRITE,
	FIELD_LLAMA_INPUT,
	FIELD_LLAMA_OUTPUT,
	FIELD_METRIC_INPUT,
	FIELD_METRIC_OUTPUT,
};

#define PART    "output/message/content/*"
#define METRICS "amazon-bedrock-invocationMetrics"

static const struct answer_field fields[] = {
	/* Converse, and Amazon's Nova: the whole body, then the events of a stream */
	{FIELD_FINISH, "stopReason"},
	{FIELD_PART, PART},
	{FIELD_TEXT, PART "/text"},
	{FIELD_TOOL_ID, PART "/toolUse/toolUseId"},
	{FIELD_TOOL_NAME, PART "/toolUse/name"},
	{FIELD_TOOL_INPUT, PART "/toolUse/input"},
	{FIELD_TEXT, "delta/text"},
	{FIELD_TOOL_ID, "start/toolUse/toolUseId"},
	{FIELD_TOOL_NAME, "start/toolUse/name"},
	{FIELD_TOOL_FRAGMENT, "delta/toolUse/input"},
	{FIELD_USAGE, "usage"},
	{FIELD_INPUT, "usage/inputTokens"},
	{FIELD_OUTPUT, "usage/outputTokens"},
	{FIELD_CACHE_READ, "usage/cacheReadInputTokens"},
	{FIELD_CACHE_READ, "usage/cacheReadInputTokenCount"},
	{FIELD_CACHE_WRITE, "usage/cacheWriteInputTokens"},
	{FIELD_CACHE_WRITE, "usage/cacheWriteInputTokenCount"},
	/* Nova wraps its events once more */
	{FIELD_FINISH, "messageStop/stopReason"},
	{FIELD_TEXT, "contentBlockDelta/delta/text"},
	{FIELD_USAGE, "metadata/usage"},
	{FIELD_INPUT, "metadata/usage/inputTokens"},
	{FIELD_OUTPUT, "metadata/usage/outputTokens"},
	/* InvokeModel's stream: the vendor's event inside */
	{FIELD_BYTES, "bytes"},
	{FIELD_METRIC_INPUT, METRICS "/inputTokenCount"},
	{FIELD_METRIC_OUTPUT, METRICS "/outputTokenCount"},
	/* Titan */
	{FIELD_LLAMA_INPUT, "inputTextTokenCount"},
	{FIELD_LLAMA_OUTPUT, "totalOutputTextTokenCount"},
	{FIELD_LLAMA_OUTPUT, "results/*/tokenCount"},
	{FIELD_TEXT, "results/*/outputText"},
	{FIELD_TEXT, "outputText"},
	{FIELD_FINISH, "results/*/completionReason"},
	{FIELD_FINISH, "completionReason"},
	/* Llama */
	{FIELD_TEXT, "generation"},
	{FIELD_LLAMA_INPUT, "prompt_token_count"},
	{FIELD_LLAMA_OUTPUT, "generation_token_count"},
	{FIELD_FINISH, "stop_reason"},
	/* Mistral, and OpenAI's shape of the newer ones */
	{FIELD_TEXT, "outputs/*/text"},
	{FIELD_FINISH, "outputs/*/stop_reason"},
	{FIELD_TEXT, "choices/*/message/content"},
	{FIELD_TEXT, "choices/*/delta/content"},
	{FIELD_FINISH, "choices/*/finish_reason"},
	{FIELD_FINISH, "choices/*/stop_reason"},
	{FIELD_LLAMA_INPUT, "usage/prompt_tokens"},
	{FIELD_LLAMA_OUTPUT, "usage/completion_tokens"},
	/* Cohere */
	{FIELD_TEXT, "generations/*/text"},
	{FIELD_FINISH, "generations/*/finish_reason"},
	/* an error as a body */
	{FIELD_ERROR, "__type"},
};

_Static_assert(sizeof fields / sizeof fields[0] <= ANSWER_FIELDS_MAX, "one bit per field");

static struct answer_plan plan;
static const struct answer_table table = {fields, sizeof fields / sizeof fields[0], &plan};

struct reading {
	struct answer answer;
	struct buf *text; /* NULL: not wanted */
	struct bytes json;
	struct tool_piece tool;
	struct json_token inner;
	bool has_inner;
	struct answer metrics; /* the counts that Bedrock adds itself */
};

static enum err settle_tool(struct reading *r)
{
	struct tool_piece tool = r->tool;
	enum err e = OK;

	if (tool.has_id || tool.has_name)
		e = tools_begin(&r->answer, &tool);
	if (!e && tool.has_arguments)
		e = tools_put(&r->answer, r->json, &tool.arguments);
	r->tool = (struct tool_piece){0};
	return e;
}

static enum err take_tool(struct reading *r, uint8_t id, const struct json_token *value)
{
	switch (id) {
	case FIELD_TOOL_ID:
		r->tool.id = *value;
		r->tool.has_id = true;
		break;
	case FIELD_TOOL_NAME:
		r->tool.name = *value;
		r->tool.has_name = true;
		break;
	default:
		r->tool.arguments = *value;
		r->tool.has_arguments = true;
	}
	return OK;
}

static void take_usage(struct reading *r, uint8_t id, const struct json_token *value)
{
	struct answer *a = &r->answer;

	switch (id) {
	case FIELD_INPUT:
		answer_set_part(a, PART_INPUT, value);
		a->has_usage = true;
		break;
	case FIELD_OUTPUT:
		answer_set_usage(&a->usage, USAGE_OUTPUT, value);
		break;
	case FIELD_CACHE_READ:
		answer_set_usage(&a->usage, USAGE_CACHE_READ, value);
		break;
	case FIELD_CACHE_WRITE:
		answer_set_usage(&a->usage, USAGE_CACHE_CREATION, value);
		break;
	case FIELD_LLAMA_INPUT:
		answer_set_usage(&a->usage, USAGE_INPUT, value);
		a->has_usage = true;
		break;
	case FIELD_LLAMA_OUTPUT:
		answer_set_usage(&a->usage, USAGE_OUTPUT, value);
		a->has_usage = true;
		break;
	case FIELD_METRIC_INPUT:
		answer_set_usage(&r->metrics.usage, USAGE_INPUT, value);
		break;
	case FIELD_METRIC_OUTPUT:
		answer_set_usage(&r->metrics.usage, USAGE_OUTPUT, value);
		break;
	default:
		a->has_usage = a->has_usage || value->kind == JSON_OBJECT;
	}
}

static enum err take(void *context, uint8_t id, const struct json_token *value)
{
	struct reading *r = context;
	struct answer *a = &r->answer;

	switch (id) {
	case FIELD_FINISH:
		answer_set_string(a->finish_reason, sizeof a->finish_reason, value);
		break;
	case FIELD_ERROR:
		a->failed = true;
		break;
	case FIELD_PART:
		return settle_tool(r);
	case FIELD_TEXT:
		return answer_put_text(a, r->text, value);
	case FIELD_BYTES:
		r->inner = *value;
		r->has_inner = value->kind == JSON_STRING;
		break;
	default:
		if (id >= FIELD_USAGE)
			take_usage(r, id, value);
		else
			return take_tool(r, id, value);
	}
	return OK;
}

/* Bedrock's own counts stand in where the vendor gave none. */
static void settle_usage(struct reading *r)
{
	struct answer *a = &r->answer;
	const struct usage *metrics = &r->metrics.usage;

	answer_sum(a, USAGE_INPUT, PART_INPUT, PART_COUNT, USAGE_CACHE_READ, USAGE_CACHE_CREATION);
	if (metrics->presence[USAGE_INPUT] == ABSENT && metrics->presence[USAGE_OUTPUT] == ABSENT)
		return;
	a->terminated = true; /* they come with the last event */
	for (size_t i = 0; i < USAGE_COUNT; i++) {
		if (a->usage.presence[i] != ABSENT || metrics->presence[i] == ABSENT)
			continue;
		a->usage.presence[i] = metrics->presence[i];
		a->usage.tokens[i] = metrics->tokens[i];
		a->has_usage = true;
	}
}

static bool is_exception(struct bytes name)
{
	return bytes_ends(name, BYTES("Exception")) || bytes_equal(name, BYTES("error")) ||
	       bytes_equal(name, BYTES("exception"));
}

/* One text in Bedrock's words or a vendor's; *ret_inner gets what {"bytes": ...} holds. */
static enum err read_text(struct bytes json, struct bytes name, struct answer *answer,
			  struct buf *text, struct buf *ret_inner)
{
	struct reading r = {.answer = *answer, .text = text, .json = json};
	enum err e = answer_walk(json, &table, take, &r);

	if (!e)
		e = settle_tool(&r);
	if (e)
		return e;
	settle_usage(&r);
	if (bytes_equal(name, BYTES("messageStop")))
		r.answer.terminated = true;
	if (is_exception(name))
		r.answer.failed = true;
	*answer = r.answer;
	if (r.has_inner && ret_inner)
		e = base64_put_decoded(ret_inner, r.inner.raw);
	return e;
}

/* Anthropic's messages and events say their type, and are read by their own reader: its fields and
 * Bedrock's have no name in common but delta's text and stop_reason, which are left to it. */
static bool is_anthropic(struct bytes json)
{
	static const char types[][20] = {"message",
					 "message_start",
					 "message_delta",
					 "message_stop",
					 "content_block_start",
					 "content_block_delta",
					 "content_block_stop",
					 "ping",
					 "error"};
	struct json_token type;

	if (json_find(json, "/type", &type, NULL))
		return false;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (json_token_is(&type, bytes_str(types[i])))
			return true;
	return false;
}

static enum err read_vendor(struct bytes json, struct bytes name, struct answer *answer,
			    struct buf *text, struct buf *ret_inner)
{
	struct answer metrics;
	enum err e;

	if (!is_anthropic(json))
		return read_text(json, name, answer, text, ret_inner);
	e = read_anthropic(json, name, answer, text);
	if (e)
		return e;
	/* Once more, for the counts that Bedrock adds to the last event. */
	metrics = *answer;
	metrics.tool_calls = NULL;
	e = read_text(json, BYTES_NONE, &metrics, NULL, NULL);
	if (e)
		return e;
	answer->usage = metrics.usage;
	answer->has_usage = metrics.has_usage;
	answer->terminated = metrics.terminated;
	return OK;
}

/* A text that turns out not to be JSON leaves no trace. */
static enum err read_outer(struct bytes json, struct bytes name, struct answer *answer,
			   struct buf *text)
{
	size_t len_before = text ? text->len : 0;
	struct tools_mark mark = tools_mark(answer);
	struct answer whole = *answer;
	struct buf inner = {0};
	enum err e = read_vendor(json, name, &whole, text, &inner);

	if (!e && inner.len)
		e = read_vendor(buf_view(&inner), BYTES_NONE, &whole, text, NULL);
	if (!e) {
		*answer = whole;
	} else {
		tools_back(answer, mark);
		if (text)
			text->len = len_before;
	}
	buf_done(&inner);
	return e == ERR_NOMEM ? e : OK;
}

static enum err read_event(const struct sse_event *event, struct answer *answer, struct buf *text)
{
	/* An exception counts, whatever it says. */
	if (is_exception(event->name))
		answer->failed = true;
	return read_outer(event->data, event->name, answer, text);
}

static enum err read_body(struct bytes body, struct answer *answer, struct buf *text)
{
	return read_outer(body, BYTES_NONE, answer, text);
}

const struct dialect dialect_bedrock = {
	.name = "bedrock",
	.facts = &dialect_facts_bedrock,
	.read_event = read_event,
	.read_body = read_body,
};
