/* SPDX-License-Identifier: MIT
 *
 * Hugging Face's inference API and Text Generation Inference in their own words; their chat
 * completions are OpenAI's. And Replicate's predictions, which are as plain. Facts: huggingface_hub
 * and replicate-python sources, autumn 2026.
 */
#include "llm/readers.h"

enum field {
	FIELD_ID,
	FIELD_MODEL,
	FIELD_ERROR,
	FIELD_FINISH,
	FIELD_FINAL_STATUS,
	FIELD_TEXT,
	FIELD_SPECIAL,
	FIELD_PIECE,
	FIELD_INPUT,
	FIELD_OUTPUT,
	FIELD_USAGE,
};

static const struct answer_field huggingface_fields[] = {
	{FIELD_ERROR, "error"},
	/* a stream's events; the last one says the whole text again */
	{FIELD_PIECE, "token/text"},
	{FIELD_SPECIAL, "token/special"},
	{FIELD_TEXT, "generated_text"},
	{FIELD_FINISH, "details/finish_reason"},
	{FIELD_OUTPUT, "details/generated_tokens"},
	{FIELD_INPUT, "details/input_length"},
	{FIELD_TEXT, "*/generated_text"},
	{FIELD_FINISH, "*/details/finish_reason"},
	{FIELD_OUTPUT, "*/details/generated_tokens"},
};

static const struct answer_field replicate_fields[] = {
	{FIELD_ID, "id"},
	{FIELD_MODEL, "model"},
	{FIELD_ERROR, "error"},
	{FIELD_FINAL_STATUS, "status"},
	{FIELD_TEXT, "output"},
	{FIELD_TEXT, "output/*"},
	{FIELD_INPUT, "metrics/input_token_count"},
	{FIELD_OUTPUT, "metrics/output_token_count"},
};

static struct answer_plan huggingface_plan, replicate_plan;
static const struct answer_table huggingface_table = {
	huggingface_fields, sizeof huggingface_fields / sizeof huggingface_fields[0],
	&huggingface_plan};
static const struct answer_table replicate_table = {
	replicate_fields, sizeof replicate_fields / sizeof replicate_fields[0], &replicate_plan};

struct reading {
	struct answer answer;
	struct buf *text; /* NULL: not wanted */
	struct json_token piece;
	bool has_piece, is_special;
};

static void take_status(struct answer *a, const struct json_token *status)
{
	bool failed = json_token_is(status, BYTES("failed"));

	if (!failed && !json_token_is(status, BYTES("succeeded")) &&
	    !json_token_is(status, BYTES("canceled")))
		return;
	answer_set_string(a->finish_reason, sizeof a->finish_reason, status);
	a->failed = a->failed || failed;
}

static enum err take(void *context, uint8_t id, const struct json_token *value)
{
	struct reading *r = context;
	struct answer *a = &r->answer;

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
	case FIELD_FINISH:
		answer_set_string(a->finish_reason, sizeof a->finish_reason, value);
		break;
	case FIELD_FINAL_STATUS:
		take_status(a, value);
		break;
	case FIELD_TEXT:
		/* only what no piece has said */
		return r->has_piece ? OK : answer_put_text(a, r->text, value);
	case FIELD_PIECE:
		r->piece = *value;
		r->has_piece = true;
		break;
	case FIELD_SPECIAL:
		r->is_special = value->kind == JSON_TRUE;
		break;
	case FIELD_INPUT:
		answer_set_usage(&a->usage, USAGE_INPUT, value);
		a->has_usage = true;
		break;
	default:
		answer_set_usage(&a->usage, USAGE_OUTPUT, value);
		a->has_usage = true;
	}
	return OK;
}

/* A text that turns out not to be JSON leaves no trace. */
static enum err read_json(struct bytes json, const struct answer_table *table,
			  struct answer *answer, struct buf *text)
{
	size_t len_before = text ? text->len : 0;
	struct reading r = {.answer = *answer, .text = text};
	enum err e = answer_walk(json, table, take, &r);

	if (!e && r.has_piece) {
		if (text) /* "generated_text" may have come first */
			text->len = len_before;
		r.answer.text_cut = answer->text_cut;
		if (!r.is_special)
			e = answer_put_text(&r.answer, text, &r.piece);
	}
	if (!e)
		*answer = r.answer;
	else if (text)
		text->len = len_before;
	return e == ERR_NOMEM ? e : OK;
}

/* -- Hugging Face -------------------------------------------------------------------------- */

static bool is_openai(struct bytes json)
{
	struct json_token choices;

	return json_find(json, "/choices", &choices, NULL) == OK;
}

static enum err read_huggingface_body(struct bytes body, struct answer *answer, struct buf *text)
{
	if (is_openai(body))
		return read_openai_body(body, answer, text);
	return read_json(body, &huggingface_table, answer, text);
}

static enum err read_huggingface_event(const struct sse_event *event, struct answer *answer,
				       struct buf *text)
{
	if (bytes_equal(bytes_trim(event->data), BYTES("[DONE]")) || is_openai(event->data))
		return read_openai_event(event, answer, text);
	enum err e = read_huggingface_body(event->data, answer, text);
	if (answer->finish_reason[0])
		answer->terminated = true;
	return e;
}

const struct dialect dialect_huggingface = {
	.name = "huggingface",
	.facts = &dialect_facts_huggingface,
	.read_event = read_huggingface_event,
	.read_body = read_huggingface_body,
};

/* -- Replicate ----------------------------------------------------------------------------- */

static enum err read_replicate_body(struct bytes body, struct answer *answer, struct buf *text)
{
	return read_json(body, &replicate_table, answer, text);
}

/* The words of a stream are the events' data as they stand. */
static enum err read_replicate_event(const struct sse_event *event, struct answer *answer,
				     struct buf *text)
{
	if (bytes_equal(event->name, BYTES("output")))
		return answer_put_raw(answer, text, event->data);
	if (bytes_equal(event->name, BYTES("error")))
		answer->failed = true;
	if (bytes_equal(event->name, BYTES("done")))
		answer->terminated = true;
	return OK;
}

const struct dialect dialect_replicate = {
	.name = "replicate",
	.facts = &dialect_facts_replicate,
	.read_event = read_replicate_event,
	.read_body = read_replicate_body,
};
