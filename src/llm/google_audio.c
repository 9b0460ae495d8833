/* SPDX-License-Identifier: MIT
 *
 * How many of the Gemini API's tokens are audio, which has prices of its own. It is told in lists
 * of {modality, count}, read in a pass of its own that texts without audio are spared. Facts:
 * google-genai SDK, autumn 2026.
 */
#include "llm/readers.h"

enum field {
	FIELD_INPUT,
	FIELD_OUTPUT,
	FIELD_MODALITY,
	FIELD_TOKENS,
};

#define LIST(kind, count, path)                                                                    \
	{kind, path "/*"}, {FIELD_MODALITY, path "/*/modality"},                                   \
	{                                                                                          \
		FIELD_TOKENS, path "/*/" count                                                     \
	}

#define CONTENT_LISTS(path)                                                                        \
	LIST(FIELD_INPUT, "tokenCount", path "/promptTokensDetails"),                              \
		LIST(FIELD_INPUT, "tokenCount", path "/toolUsePromptTokensDetails"),               \
		LIST(FIELD_OUTPUT, "tokenCount", path "/candidatesTokensDetails"),                 \
		LIST(FIELD_OUTPUT, "tokenCount", path "/responseTokensDetails")

#define INTERACTION_LISTS(path)                                                                    \
	LIST(FIELD_INPUT, "tokens", path "/input_tokens_by_modality"),                             \
		LIST(FIELD_INPUT, "tokens", path "/tool_use_tokens_by_modality"),                  \
		LIST(FIELD_OUTPUT, "tokens", path "/output_tokens_by_modality")

static const struct answer_field fields[] = {
	CONTENT_LISTS("usageMetadata"),
	CONTENT_LISTS("response/usageMetadata"),
	INTERACTION_LISTS("usage"),
	INTERACTION_LISTS("interaction/usage"),
};

_Static_assert(sizeof fields / sizeof fields[0] <= ANSWER_FIELDS_MAX, "one bit per field");

static struct answer_plan plan;
static const struct answer_table table = {fields, sizeof fields / sizeof fields[0], &plan};

/* Modality and count of an entry come in either order: they wait until it is over. */
struct reading {
	struct usage audio;
	enum usage_kind kind;
	uint64_t tokens;
	bool is_audio, has_tokens;
};

static void settle_entry(struct reading *r)
{
	uint64_t *sum = &r->audio.tokens[r->kind];

	if (r->is_audio && r->has_tokens) {
		r->audio.presence[r->kind] = PRESENT;
		if (__builtin_add_overflow(*sum, r->tokens, sum))
			*sum = UINT64_MAX;
	}
	r->is_audio = r->has_tokens = false;
}

static enum err take(void *context, uint8_t id, const struct json_token *value)
{
	struct reading *r = context;

	switch (id) {
	case FIELD_MODALITY:
		r->is_audio = json_token_is(value, BYTES("AUDIO")) ||
			      json_token_is(value, BYTES("audio"));
		break;
	case FIELD_TOKENS:
		r->has_tokens = !json_number_u64(value, &r->tokens);
		break;
	default:
		settle_entry(r);
		r->kind = id == FIELD_INPUT ? USAGE_INPUT_AUDIO : USAGE_OUTPUT_AUDIO;
	}
	return OK;
}

/* Each event of a stream tells the lists anew. */
void read_google_audio(struct bytes json, struct answer *answer)
{
	struct reading r = {.kind = USAGE_INPUT_AUDIO};

	if (bytes_find(json, BYTES("AUDIO")) == SIZE_MAX &&
	    bytes_find(json, BYTES("audio")) == SIZE_MAX)
		return;
	if (answer_walk(json, &table, take, &r))
		return;
	settle_entry(&r);
	for (size_t i = USAGE_INPUT_AUDIO; i <= USAGE_OUTPUT_AUDIO; i++) {
		if (r.audio.presence[i] != PRESENT)
			continue;
		answer->usage.presence[i] = PRESENT;
		answer->usage.tokens[i] = r.audio.tokens[i];
	}
}
