/* SPDX-License-Identifier: MIT
 *
 * The OpenAI API: chat completions, responses, embeddings, models, at OpenAI and at the many
 * servers that speak it too. Facts: OpenAI API reference and the openai-python SDK, autumn 2026.
 */
#include "llm/readers.h"

#include <string.h>

#include "llm/tools.h"

/* -- the answer ---------------------------------------------------------------------------- */

enum field {
	FIELD_TYPE,
	FIELD_ID,
	FIELD_MODEL,
	FIELD_ERROR,
	FIELD_STATUS,
	FIELD_INCOMPLETE,
	FIELD_DELTA,
	FIELD_CHOICE,
	FIELD_CHOICE_INDEX,
	FIELD_FINISH,
	FIELD_TEXT,
	FIELD_TRANSCRIPT,
	FIELD_PART,
	FIELD_PART_TYPE,
	FIELD_TIER,
	FIELD_USAGE,
	FIELD_USAGE_FIRST, /* + enum usage_kind */
};

#define TOKENS(kind) (FIELD_USAGE_FIRST + (kind))

/* Both generations of names: chat completions and embeddings count prompt and completion tokens,
 * responses and images input and output tokens. Cached tokens stand within the input, reasoning
 * tokens within the output already. */
#define USAGE_FIELDS(path)                                                                         \
	{FIELD_USAGE, path}, {TOKENS(USAGE_INPUT), path "/prompt_tokens"},                         \
		{TOKENS(USAGE_OUTPUT), path "/completion_tokens"},                                 \
		{TOKENS(USAGE_CACHE_READ), path "/prompt_tokens_details/cached_tokens"},           \
		{TOKENS(USAGE_CACHE_CREATION), path "/prompt_tokens_details/cache_write_tokens"},  \
		{TOKENS(USAGE_REASONING), path "/completion_tokens_details/reasoning_tokens"},     \
		{TOKENS(USAGE_INPUT), path "/input_tokens"},                                       \
		{TOKENS(USAGE_OUTPUT), path "/output_tokens"},                                     \
		{TOKENS(USAGE_CACHE_READ), path "/input_tokens_details/cached_tokens"},            \
		{TOKENS(USAGE_CACHE_CREATION), path "/input_tokens_details/cache_write_tokens"},   \
	{                                                                                          \
		TOKENS(USAGE_REASONING), path "/output_tokens_details/reasoning_tokens"            \
	}

static const struct answer_field fields[] = {
	{FIELD_TYPE, "type"},
	{FIELD_ID, "id"},
	{FIELD_MODEL, "model"},
	{FIELD_ERROR, "error"},
	USAGE_FIELDS("usage"),
	/* audio is told of by chat completions, and by realtime below */
	{TOKENS(USAGE_INPUT_AUDIO), "usage/prompt_tokens_details/audio_tokens"},
	{TOKENS(USAGE_OUTPUT_AUDIO), "usage/completion_tokens_details/audio_tokens"},
	{FIELD_TIER, "service_tier"},
	{FIELD_TIER, "response/service_tier"},
	/* chat completions; the last is the text of legacy completions */
	{FIELD_CHOICE, "choices/*"},
	{FIELD_CHOICE_INDEX, "choices/*/index"},
	{FIELD_FINISH, "choices/*/finish_reason"},
	{FIELD_TEXT, "choices/*/delta/content"},
	{FIELD_TEXT, "choices/*/message/content"},
	{FIELD_TEXT, "choices/*/text"},
	/* responses: the events of a stream, whose last holds the response ... */
	{FIELD_DELTA, "delta"},
	{FIELD_ID, "response/id"},
	{FIELD_MODEL, "response/model"},
	{FIELD_ERROR, "response/error"},
	{FIELD_STATUS, "response/status"},
	{FIELD_INCOMPLETE, "response/incomplete_details/reason"},
	USAGE_FIELDS("response/usage"),
	/* realtime's names */
	{TOKENS(USAGE_CACHE_READ), "response/usage/input_token_details/cached_tokens"},
	{TOKENS(USAGE_INPUT_AUDIO), "response/usage/input_token_details/audio_tokens"},
	{TOKENS(USAGE_OUTPUT_AUDIO), "response/usage/output_token_details/audio_tokens"},
	/* ... and the response as a whole body */
	{FIELD_STATUS, "status"},
	{FIELD_INCOMPLETE, "incomplete_details/reason"},
	{FIELD_PART, "output/*/content/*"},
	{FIELD_PART_TYPE, "output/*/content/*/type"},
	{FIELD_TEXT, "output/*/content/*/text"},
	/* Groq: the usage of a stream's last chunk */
	{FIELD_USAGE, "x_groq/usage"},
	{TOKENS(USAGE_INPUT), "x_groq/usage/prompt_tokens"},
	{TOKENS(USAGE_OUTPUT), "x_groq/usage/completion_tokens"},
	/* the names of DeepSeek and Mistral for cached tokens */
	{TOKENS(USAGE_CACHE_READ), "usage/prompt_cache_hit_tokens"},
	{TOKENS(USAGE_CACHE_READ), "usage/num_cached_tokens"},
	/* Mistral: words among thoughts */
	{FIELD_TEXT, "choices/*/delta/content/*/text"},
	{FIELD_TEXT, "choices/*/message/content/*/text"},
	/* a transcription */
	{FIELD_TRANSCRIPT, "text"},
};

_Static_assert(sizeof fields / sizeof fields[0] <= ANSWER_FIELDS_MAX, "one bit per field");

static struct answer_plan plan;
static const struct answer_table table = {fields, sizeof fields / sizeof fields[0], &plan};

/* One JSON text being read. Its members come in any order, so what depends on another member waits
 * in a token until both are known. */
struct reading {
	struct answer answer;
	struct buf *text; /* NULL: not wanted */
	struct json_token type, delta, finish, incomplete, transcript;
	bool has_type, has_delta, has_finish, has_incomplete, has_transcript;
	/* The choice or part now read; when it turns out not to count, its text is taken back. */
	size_t text_len_before;
	bool text_cut_before, passed_over;
};

/* Statuses of a response that has ended; the others ("queued", "in_progress") give no reason. */
static bool is_final_status(const struct json_token *status)
{
	return json_token_is(status, BYTES("completed")) ||
	       json_token_is(status, BYTES("incomplete")) ||
	       json_token_is(status, BYTES("failed")) || json_token_is(status, BYTES("cancelled"));
}

/* The end of a choice or part: what was read of it counts, or not. */
static void settle(struct reading *r)
{
	if (r->passed_over) {
		if (r->text)
			r->text->len = r->text_len_before;
		r->answer.text_cut = r->text_cut_before;
	} else if (r->has_finish) {
		answer_set_string(r->answer.finish_reason, sizeof r->answer.finish_reason,
				  &r->finish);
	}
	r->has_finish = r->passed_over = false;
	r->text_len_before = r->text ? r->text->len : 0;
	r->text_cut_before = r->answer.text_cut;
}

static enum err take(void *context, uint8_t id, const struct json_token *value)
{
	struct reading *r = context;
	struct answer *a = &r->answer;
	uint64_t index;

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
	case FIELD_STATUS:
		if (is_final_status(value))
			answer_set_string(a->finish_reason, sizeof a->finish_reason, value);
		break;
	case FIELD_INCOMPLETE:
		r->incomplete = *value;
		r->has_incomplete = true;
		break;
	case FIELD_DELTA:
		r->delta = *value;
		r->has_delta = true;
		break;
	case FIELD_CHOICE:
	case FIELD_PART:
		settle(r);
		break;
	case FIELD_CHOICE_INDEX:
		/* several choices are several answers; the first one is told */
		if (!json_number_u64(value, &index) && index != 0)
			r->passed_over = true;
		break;
	case FIELD_PART_TYPE:
		if (!json_token_is(value, BYTES("output_text")))
			r->passed_over = true;
		break;
	case FIELD_FINISH:
		r->finish = *value;
		r->has_finish = true;
		break;
	case FIELD_TRANSCRIPT:
		r->transcript = *value;
		r->has_transcript = true;
		break;
	case FIELD_TEXT:
		return answer_put_text(a, r->text, value);
	case FIELD_TIER:
		answer_set_string(a->service_tier, sizeof a->service_tier, value);
		break;
	case FIELD_USAGE:
		a->has_usage = a->has_usage || value->kind == JSON_OBJECT;
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

/* What the kind of event means; only the events of the responses API have one. */
static enum err read_type(struct reading *r, struct bytes event_name)
{
	struct answer *a = &r->answer;

	if (is_type(r, event_name, BYTES("response.output_text.delta")) ||
	    is_type(r, event_name, BYTES("transcript.text.delta")))
		return r->has_delta ? answer_put_text(a, r->text, &r->delta) : OK;
	if (is_type(r, event_name, BYTES("response.failed")) ||
	    is_type(r, event_name, BYTES("error")))
		a->failed = true;
	if (is_type(r, event_name, BYTES("response.completed")) ||
	    is_type(r, event_name, BYTES("response.done")) ||
	    is_type(r, event_name, BYTES("response.incomplete")) ||
	    is_type(r, event_name, BYTES("response.failed")) ||
	    is_type(r, event_name, BYTES("transcript.text.done")))
		a->terminated = true;
	/* An event with a text says again what its deltas have said. */
	if (r->has_transcript && !r->has_type && !event_name.len)
		return answer_put_text(a, r->text, &r->transcript);
	return OK;
}

/* A text that turns out not to be JSON leaves no trace. */
static enum err read_json(struct bytes json, struct bytes event_name, struct answer *answer,
			  struct buf *text)
{
	size_t len_before = text ? text->len : 0;
	struct reading r = {.answer = *answer,
			    .text = text,
			    .text_len_before = len_before,
			    .text_cut_before = answer->text_cut};
	enum err e = answer_walk(json, &table, take, &r);

	if (!e) {
		settle(&r);
		if (r.has_incomplete)
			answer_set_string(r.answer.finish_reason, sizeof r.answer.finish_reason,
					  &r.incomplete);
		e = read_type(&r, event_name);
	}
	if (!e)
		*answer = r.answer;
	else if (text)
		text->len = len_before;
	if (!e)
		e = read_openai_tools(json, answer);
	return e == ERR_NOMEM ? e : OK;
}

/* ---- events that bring nothing but words ---- */

/* Behind a key's closing quote: true when the value is null, or that string again. */
static bool says_again(struct bytes rest, const char *known)
{
	size_t i = 0, len = strlen(known);

	while (i < rest.len && (rest.at[i] == ' ' || rest.at[i] == ':'))
		i++;
	rest = bytes_from(rest, i);
	if (bytes_starts(rest, BYTES("null")))
		return true;
	return len && rest.len >= len + 2 && rest.at[0] == '"' && rest.at[len + 1] == '"' &&
	       memcmp(rest.at + 1, known, len) == 0;
}

/* The key is here, and its value is news. */
static bool tells(struct bytes here, struct bytes key, const char *known)
{
	return bytes_starts(here, key) && !says_again(bytes_from(here, key.len), known);
}

/* Behind a quote: a key of interest, with a value that is not known yet. */
static bool is_news(struct bytes here, const struct answer *a)
{
	switch (here.at[0]) {
	case 'e':
		return tells(here, BYTES("error\""), "");
	case 'f':
		return tells(here, BYTES("finish_reason\""), "") ||
		       tells(here, BYTES("function_call\""), "");
	case 'i':
		return tells(here, BYTES("id\""), a->id) ||
		       tells(here, BYTES("incomplete_details\""), "");
	case 'm':
		return tells(here, BYTES("model\""), a->model);
	case 'o':
		return tells(here, BYTES("output\""), "");
	case 'r':
		return tells(here, BYTES("response\""), "");
	case 's':
		return tells(here, BYTES("service_tier\""), a->service_tier) ||
		       tells(here, BYTES("status\""), "");
	case 't':
		return tells(here, BYTES("tool_calls\""), "") || tells(here, BYTES("type\""), "");
	case 'u':
		return tells(here, BYTES("usage\""), "");
	case 'x':
		return tells(here, BYTES("x_groq\""), "");
	default:
		return false;
	}
}

/* Most events of a stream only have the next word, which is not kept here (text NULL), and what was
 * known before. They are told by one pass over their quotes: no key of interest stands behind one,
 * or its value is nothing new. A key in the words, or one that begins with an escape, costs no more
 * than the full reading. */
static bool is_only_words(struct bytes data, const struct answer *a)
{
	struct bytes rest = data;
	size_t quote;

	if (!a->id[0] || !a->model[0])
		return false;
	while ((quote = bytes_find_byte(rest, '"')) != SIZE_MAX) {
		rest = bytes_from(rest, quote + 1);
		if (!rest.len || rest.at[0] == '\\' || is_news(rest, a))
			return false;
	}
	return true;
}

enum err read_openai_event(const struct sse_event *event, struct answer *answer, struct buf *text)
{
	if (bytes_equal(bytes_trim(event->data), BYTES("[DONE]"))) {
		answer->terminated = true;
		return OK;
	}
	if (!text && !event->name.len && is_only_words(event->data, answer))
		return OK;
	return read_json(event->data, event->name, answer, text);
}

enum err read_openai_body(struct bytes body, struct answer *answer, struct buf *text)
{
	return read_json(body, BYTES_NONE, answer, text);
}

const struct dialect dialect_openai = {
	.name = "openai",
	.facts = &dialect_facts_openai,
	.read_event = read_openai_event,
	.read_body = read_openai_body,
};

/* Azure's and Mistral's answers have the same shape; what they add is not read. */
const struct dialect dialect_azure_openai = {
	.name = "azure-openai",
	.facts = &dialect_facts_azure_openai,
	.read_event = read_openai_event,
	.read_body = read_openai_body,
};

const struct dialect dialect_mistral = {
	.name = "mistral",
	.facts = &dialect_facts_mistral,
	.read_event = read_openai_event,
	.read_body = read_openai_body,
};

/* -- xAI ----------------------------------------------------------------------------------- */

static enum err take_visible(void *context, uint8_t id, const struct json_token *value)
{
	answer_set_part(context, PART_OUTPUT, value);
	return OK;
}

/* Chat completions of xAI count reasoning beside the completion's tokens, not within. Its responses
 * are OpenAI's. */
static void add_reasoning(struct bytes json, struct answer *answer)
{
	static const struct answer_field visible[] = {{0, "usage/completion_tokens"}};
	static struct answer_plan visible_plan;
	static const struct answer_table visible_table = {visible, 1, &visible_plan};
	struct answer parts = *answer;

	if (answer_walk(json, &visible_table, take_visible, &parts))
		return;
	answer->parts[PART_OUTPUT] = parts.parts[PART_OUTPUT];
	answer_sum(answer, USAGE_OUTPUT, PART_OUTPUT, PART_COUNT, USAGE_REASONING, USAGE_COUNT);
}

static enum err read_xai_event(const struct sse_event *event, struct answer *answer,
			       struct buf *text)
{
	enum err e = read_openai_event(event, answer, text);

	if (!e)
		add_reasoning(event->data, answer);
	return e;
}

static enum err read_xai_body(struct bytes body, struct answer *answer, struct buf *text)
{
	enum err e = read_openai_body(body, answer, text);

	if (!e)
		add_reasoning(body, answer);
	return e;
}

const struct dialect dialect_xai = {
	.name = "xai",
	.facts = &dialect_facts_xai,
	.read_event = read_xai_event,
	.read_body = read_xai_body,
};
