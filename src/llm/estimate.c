/* SPDX-License-Identifier: MIT */
#include "llm/estimate.h"

#include "wire/json.h"

enum effort { NOTHING, READS, WRITES };

static enum effort effort_of(enum operation operation)
{
	switch (operation) {
	case OP_UNKNOWN:
	case OP_CHAT:
	case OP_TEXT_COMPLETION:
	case OP_GENERATE_CONTENT:
	case OP_PREDICT:
	case OP_ASSISTANTS:
	case OP_AGENTS:
		return WRITES;
	case OP_EMBEDDINGS:
	case OP_RERANK:
	case OP_CLASSIFY:
	case OP_MODERATION:
	case OP_IMAGE:
	case OP_VIDEO:
	case OP_SPEECH:
		return READS;
	default:
		return NOTHING;
	}
}

static bool is_maximum(const struct json_token *key)
{
	static const char names[][24] = {
		"max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens",
		"maxTokens",  "num_predict",           "max_new_tokens"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (json_token_is(key, bytes_str(names[i])))
			return true;
	return false;
}

static bool is_answer_count(const struct json_token *key)
{
	return json_token_is(key, BYTES("n")) || json_token_is(key, BYTES("candidateCount"));
}

/* Where such settings stand besides the top: Gemini, Bedrock, Ollama, Hugging Face. */
static bool holds_settings(const struct json_token *key)
{
	return json_token_is(key, BYTES("generationConfig")) ||
	       json_token_is(key, BYTES("generation_config")) ||
	       json_token_is(key, BYTES("inferenceConfig")) ||
	       json_token_is(key, BYTES("options")) || json_token_is(key, BYTES("parameters"));
}

static bool is_base64(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/' || c == '-' || c == '_' || c == '=';
}

/* Its first bytes tell, after "data:image/png;base64,". */
static bool is_blob(struct bytes text)
{
	struct bytes rest = text;

	if (text.len < ESTIMATE_BLOB_BYTES_MIN)
		return false;
	if (bytes_starts(text, BYTES("data:")))
		(void)bytes_cut(&rest, ',');
	rest = bytes_slice(rest, 0, ESTIMATE_BLOB_BYTES_MIN / 2);
	for (size_t i = 0; i < rest.len; i++)
		if (!is_base64(rest.at[i]))
			return false;
	return rest.len > 0;
}

struct found {
	uint64_t blob_bytes, blobs, maximum, answers;
	bool has_maximum, settings; /* settings: inside of an object that holds them */
};

static void take_setting(struct found *f, const struct json_token *key,
			 const struct json_token *value)
{
	uint64_t number;

	if (value->kind != JSON_NUMBER || json_number_u64(value, &number))
		return;
	if (is_maximum(key)) {
		f->maximum = !f->has_maximum || number > f->maximum ? number : f->maximum;
		f->has_maximum = true;
	} else if (is_answer_count(key)) {
		f->answers = number < ESTIMATE_ANSWERS_MAX ? number : ESTIMATE_ANSWERS_MAX;
	}
}

static void look(struct bytes body, struct found *f)
{
	struct json scan;
	struct json_token t, key = {0};
	bool has_key = false;

	json_init(&scan, body, JSON_STRICT);
	while (!json_next(&scan, &t)) {
		if (t.kind == JSON_STRING && is_blob(t.raw)) {
			f->blob_bytes += t.raw.len;
			f->blobs++;
		}
		if (has_key && (key.depth == 1 || (key.depth == 2 && f->settings)))
			take_setting(f, &key, &t);
		if (t.kind == JSON_KEY && t.depth == 1)
			f->settings = holds_settings(&t);
		has_key = t.kind == JSON_KEY;
		if (has_key)
			key = t;
	}
}

static uint64_t bounded(uint64_t tokens)
{
	return tokens < ESTIMATE_TOKENS_MAX ? tokens : ESTIMATE_TOKENS_MAX;
}

void estimate_call(enum operation operation, struct bytes body, struct estimate *ret_estimate)
{
	enum effort effort = effort_of(operation);
	struct found f = {.answers = 1};
	struct bytes text = bytes_trim(body);
	uint64_t output;

	*ret_estimate = (struct estimate){0, 0};
	if (effort == NOTHING || !text.len || (text.at[0] != '{' && text.at[0] != '['))
		return;
	look(body, &f);
	ret_estimate->input_tokens = bounded((body.len - f.blob_bytes + ESTIMATE_BYTES_PER_TOKEN -
					      1) / ESTIMATE_BYTES_PER_TOKEN +
					     f.blobs * ESTIMATE_BLOB_TOKENS);
	if (effort != WRITES)
		return;
	output = bounded(f.has_maximum ? f.maximum : ESTIMATE_OUTPUT_TOKENS);
	ret_estimate->output_tokens = bounded(output * (f.answers ? f.answers : 1));
}
