/* SPDX-License-Identifier: MIT
 *
 * The Gemini API and Vertex AI's: generateContent and the like, token counts, embeddings, the
 * interactions. Facts: google-genai SDK and the discovery documents, autumn 2026.
 */
#include "llm/readers.h"

#include "llm/tools.h"

enum field {
	FIELD_ID,
	FIELD_MODEL,
	FIELD_ERROR,
	FIELD_FINISH,
	FIELD_BLOCKED,
	FIELD_CANDIDATE,
	FIELD_CANDIDATE_INDEX,
	FIELD_PART,
	FIELD_PART_TEXT,
	FIELD_PART_THOUGHT,
	FIELD_PART_TYPE,
	FIELD_CALL_ID,
	FIELD_CALL_NAME,
	FIELD_CALL_ARGS,
	FIELD_DELTA_TYPE,
	FIELD_DELTA_TEXT,
	FIELD_EVENT_TYPE,
	FIELD_STATUS,
	FIELD_USAGE,
	FIELD_INPUT,
	FIELD_TOOL_INPUT,
	FIELD_OUTPUT,
	FIELD_CACHED,
	FIELD_THOUGHTS,
};

/* Code Assist wraps each response in one more object. */
#define CONTENT_FIELDS(path)                                                                       \
	{FIELD_ID, path "responseId"}, {FIELD_MODEL, path "modelVersion"},                         \
		{FIELD_BLOCKED, path "promptFeedback/blockReason"},                                \
		{FIELD_CANDIDATE, path "candidates/*"},                                            \
		{FIELD_CANDIDATE_INDEX, path "candidates/*/index"},                                \
		{FIELD_FINISH, path "candidates/*/finishReason"},                                  \
		{FIELD_PART, path "candidates/*/content/parts/*"},                                 \
		{FIELD_PART_TEXT, path "candidates/*/content/parts/*/text"},                       \
		{FIELD_USAGE, path "usageMetadata"},                                               \
		{FIELD_INPUT, path "usageMetadata/promptTokenCount"},                              \
		{FIELD_TOOL_INPUT, path "usageMetadata/toolUsePromptTokenCount"},                  \
		{FIELD_OUTPUT, path "usageMetadata/candidatesTokenCount"},                         \
		{FIELD_OUTPUT, path "usageMetadata/responseTokenCount"},                           \
		{FIELD_CACHED, path "usageMetadata/cachedContentTokenCount"},                      \
	{                                                                                          \
		FIELD_THOUGHTS, path "usageMetadata/thoughtsTokenCount"                            \
	}

#define INTERACTION_FIELDS(path)                                                                   \
	{FIELD_ID, path "id"}, {FIELD_MODEL, path "model"}, {FIELD_STATUS, path "status"},         \
		{FIELD_USAGE, path "usage"}, {FIELD_INPUT, path "usage/total_input_tokens"},       \
		{FIELD_TOOL_INPUT, path "usage/total_tool_use_tokens"},                            \
		{FIELD_OUTPUT, path "usage/total_output_tokens"},                                  \
		{FIELD_CACHED, path "usage/total_cached_tokens"},                                  \
	{                                                                                          \
		FIELD_THOUGHTS, path "usage/total_thought_tokens"                                  \
	}

#define PART "candidates/*/content/parts/*"

static const struct answer_field fields[] = {
	CONTENT_FIELDS(""),
	CONTENT_FIELDS("response/"),
	{FIELD_PART_THOUGHT, PART "/thought"},
	{FIELD_CALL_ID, PART "/functionCall/id"},
	{FIELD_CALL_NAME, PART "/functionCall/name"},
	{FIELD_CALL_ARGS, PART "/functionCall/args"},
	{FIELD_ERROR, "error"},
	/* the live API */
	{FIELD_PART, "toolCall/functionCalls/*"},
	{FIELD_CALL_ID, "toolCall/functionCalls/*/id"},
	{FIELD_CALL_NAME, "toolCall/functionCalls/*/name"},
	{FIELD_CALL_ARGS, "toolCall/functionCalls/*/args"},
	/* interactions: the whole body, and the events of its stream */
	INTERACTION_FIELDS(""),
	INTERACTION_FIELDS("interaction/"),
	{FIELD_PART, "outputs/*"},
	{FIELD_PART_TYPE, "outputs/*/type"},
	{FIELD_PART_TEXT, "outputs/*/text"},
	{FIELD_DELTA_TYPE, "delta/type"},
	{FIELD_DELTA_TEXT, "delta/text"},
	{FIELD_EVENT_TYPE, "event_type"},
};

_Static_assert(sizeof fields / sizeof fields[0] <= ANSWER_FIELDS_MAX, "one bit per field");

static struct answer_plan plan;
static const struct answer_table table = {fields, sizeof fields / sizeof fields[0], &plan};

/* One JSON text being read; what depends on another member waits until both are known. */
struct reading {
	struct answer answer;
	struct buf *text; /* NULL: not wanted */
	struct bytes json;
	/* of the part being read */
	struct json_token part_text, part_type;
	bool has_part_text, has_part_type, is_thought, is_call;
	struct tool_piece call;
	/* of the candidate being read; when it does not count, it is taken back */
	struct json_token finish;
	bool has_finish, passed_over, text_cut_before;
	size_t text_len_before;
	struct tools_mark tools_before;
	struct json_token delta_type, delta_text, event_type;
	bool has_delta_type, has_delta_text, has_event_type;
};

static enum err settle_part(struct reading *r)
{
	bool counts = r->has_part_text && !r->is_thought &&
		      (!r->has_part_type || json_token_is(&r->part_type, BYTES("text")));
	struct tool_piece call = r->call;
	enum err e = OK;

	if (r->is_call) {
		e = tools_begin(&r->answer, &call);
		if (!e && call.has_arguments)
			e = tools_put(&r->answer, r->json, &call.arguments);
	}
	if (!e && counts)
		e = answer_put_text(&r->answer, r->text, &r->part_text);
	r->has_part_text = r->has_part_type = r->is_thought = r->is_call = false;
	r->call = (struct tool_piece){0};
	return e;
}

/* Several candidates are several answers; the first one is told. */
static enum err settle_candidate(struct reading *r)
{
	struct answer *a = &r->answer;
	enum err e = settle_part(r);

	if (r->passed_over) {
		if (r->text)
			r->text->len = r->text_len_before;
		a->text_cut = r->text_cut_before;
		tools_back(a, r->tools_before);
	} else if (r->has_finish) {
		answer_set_string(a->finish_reason, sizeof a->finish_reason, &r->finish);
	}
	r->has_finish = r->passed_over = false;
	r->text_len_before = r->text ? r->text->len : 0;
	r->text_cut_before = a->text_cut;
	r->tools_before = tools_mark(a);
	return e;
}

static void take_usage(struct answer *a, uint8_t id, const struct json_token *value)
{
	switch (id) {
	case FIELD_USAGE:
		a->has_usage = a->has_usage || value->kind == JSON_OBJECT;
		break;
	case FIELD_INPUT:
		answer_set_part(a, PART_INPUT, value);
		break;
	case FIELD_TOOL_INPUT:
		answer_set_part(a, PART_TOOL_INPUT, value);
		break;
	case FIELD_OUTPUT:
		answer_set_part(a, PART_OUTPUT, value);
		break;
	case FIELD_CACHED:
		answer_set_usage(&a->usage, USAGE_CACHE_READ, value);
		break;
	default:
		answer_set_usage(&a->usage, USAGE_REASONING, value);
	}
}

static enum err take_part(struct reading *r, uint8_t id, const struct json_token *value)
{
	switch (id) {
	case FIELD_PART:
		return settle_part(r);
	case FIELD_PART_TEXT:
		r->part_text = *value;
		r->has_part_text = true;
		break;
	case FIELD_PART_THOUGHT:
		r->is_thought = value->kind == JSON_TRUE;
		break;
	case FIELD_PART_TYPE:
		r->part_type = *value;
		r->has_part_type = true;
		break;
	case FIELD_CALL_ID:
		r->call.id = *value;
		r->call.has_id = true;
		break;
	case FIELD_CALL_NAME:
		r->call.name = *value;
		r->call.has_name = r->is_call = true;
		break;
	default:
		r->call.arguments = *value;
		r->call.has_arguments = true;
	}
	return OK;
}

/* The states of an interaction that has ended; the others give no reason. */
static bool is_final_status(const struct json_token *status)
{
	return json_token_is(status, BYTES("completed")) ||
	       json_token_is(status, BYTES("failed")) ||
	       json_token_is(status, BYTES("cancelled")) ||
	       json_token_is(status, BYTES("requires_action"));
}

static enum err take(void *context, uint8_t id, const struct json_token *value)
{
	struct reading *r = context;
	struct answer *a = &r->answer;
	uint64_t index;

	switch (id) {
	case FIELD_ID:
		answer_set_string(a->id, sizeof a->id, value);
		break;
	case FIELD_MODEL:
		answer_set_string(a->model, sizeof a->model, value);
		break;
	case FIELD_ERROR:
		a->failed = a->failed || answer_is_error(value);
		break;
	case FIELD_BLOCKED:
		answer_set_string(a->finish_reason, sizeof a->finish_reason, value);
		break;
	case FIELD_STATUS:
		if (is_final_status(value))
			answer_set_string(a->finish_reason, sizeof a->finish_reason, value);
		a->failed = a->failed || json_token_is(value, BYTES("failed"));
		break;
	case FIELD_CANDIDATE:
		return settle_candidate(r);
	case FIELD_CANDIDATE_INDEX:
		r->passed_over = !json_number_u64(value, &index) && index != 0;
		break;
	case FIELD_FINISH:
		r->finish = *value;
		r->has_finish = value->kind == JSON_STRING;
		break;
	case FIELD_DELTA_TYPE:
		r->delta_type = *value;
		r->has_delta_type = true;
		break;
	case FIELD_DELTA_TEXT:
		r->delta_text = *value;
		r->has_delta_text = true;
		break;
	case FIELD_EVENT_TYPE:
		r->event_type = *value;
		r->has_event_type = true;
		break;
	default:
		if (id >= FIELD_USAGE)
			take_usage(a, id, value);
		else
			return take_part(r, id, value);
	}
	return OK;
}

static enum err settle(struct reading *r)
{
	struct answer *a = &r->answer;
	enum err e = settle_candidate(r);

	if (!e && r->has_delta_text && r->has_delta_type &&
	    json_token_is(&r->delta_type, BYTES("text")))
		e = answer_put_text(a, r->text, &r->delta_text);
	if (r->has_event_type && json_token_is(&r->event_type, BYTES("interaction.complete")))
		a->terminated = true;
	if (r->has_event_type && json_token_is(&r->event_type, BYTES("error")))
		a->failed = true;
	/* promptTokenCount has the cache in it, candidatesTokenCount not the thoughts. */
	answer_sum(a, USAGE_INPUT, PART_INPUT, PART_TOOL_INPUT, USAGE_COUNT, USAGE_COUNT);
	if (a->parts[PART_OUTPUT].presence == ABSENT &&
	    a->usage.presence[USAGE_REASONING] == PRESENT) {
		/* all that was generated are thoughts */
		a->usage.presence[USAGE_OUTPUT] = PRESENT;
		a->usage.tokens[USAGE_OUTPUT] = a->usage.tokens[USAGE_REASONING];
	}
	answer_sum(a, USAGE_OUTPUT, PART_OUTPUT, PART_COUNT, USAGE_REASONING, USAGE_COUNT);
	/* A stream has no end of its own but the reason why it ended. */
	if (a->finish_reason[0])
		a->terminated = true;
	return e;
}

/* A text that turns out not to be JSON leaves no trace. */
static enum err read_json(struct bytes json, struct answer *answer, struct buf *text)
{
	size_t len_before = text ? text->len : 0;
	struct tools_mark mark = tools_mark(answer);
	struct reading r = {.answer = *answer,
			    .text = text,
			    .json = json,
			    .text_len_before = len_before,
			    .text_cut_before = answer->text_cut,
			    .tools_before = mark};
	enum err e = answer_walk(json, &table, take, &r);

	if (!e)
		e = settle(&r);
	if (!e) {
		read_google_audio(json, &r.answer);
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
	return read_json(event->data, answer, text);
}

/* A stream that was asked for without alt=sse is one array, each element of it a part. */
static enum err read_elements(struct bytes body, struct answer *answer, struct buf *text)
{
	struct answer whole = *answer;
	size_t len_before = text ? text->len : 0, end = 0;
	struct tools_mark mark = tools_mark(answer);
	struct json_token t;
	struct json json;
	enum err e;

	json_init(&json, body, JSON_STRICT);
	e = json_next(&json, &t);
	while (!e) {
		e = json_next(&json, &t);
		if (e || t.kind == JSON_ARRAY_END)
			break;
		size_t start = t.start;
		end = t.end;
		e = json_skip(&json, &t, &end);
		if (!e)
			e = read_json(bytes_slice(body, start, end - start), &whole, text);
	}
	if (!e)
		e = json_next(&json, &t) == ERR_END ? OK : ERR_BAD;
	if (!e) {
		*answer = whole;
	} else {
		tools_back(answer, mark);
		if (text)
			text->len = len_before;
	}
	return e == ERR_NOMEM ? e : OK;
}

static enum err read_body(struct bytes body, struct answer *answer, struct buf *text)
{
	struct bytes rest = body;

	while (rest.len && (rest.at[0] == ' ' || (rest.at[0] >= '\t' && rest.at[0] <= '\r')))
		rest = bytes_from(rest, 1);
	return rest.len && rest.at[0] == '[' ? read_elements(body, answer, text)
					     : read_json(body, answer, text);
}

const struct dialect dialect_google = {
	.name = "google",
	.facts = &dialect_facts_google,
	.read_event = read_event,
	.read_body = read_body,
};
