/* SPDX-License-Identifier: MIT
 *
 * call: the vocabulary of the llm floor: what a request asks of a model, and what the answer says
 * it used. Plain values, no functions with effects, no ownership.
 *
 * Names follow the OpenTelemetry GenAI semantic conventions v1.41.1 where one exists.
 */
#ifndef AIGW_LLM_CALL_H
#define AIGW_LLM_CALL_H

#include "base/bytes.h"

#define MODEL_BYTES_MAX       256 /* a longer model name is refused as malformed */
#define RESPONSE_ID_BYTES_MAX 128

/* OPERATION(name, gen_ai.operation.name, whether a model must be named in the request) */
#define OPERATIONS(OPERATION)                                                                      \
	OPERATION(OP_UNKNOWN, "unknown", false)                                                    \
	OPERATION(OP_CHAT, "chat", true)                                                           \
	OPERATION(OP_EMBEDDINGS, "embeddings", true)                                               \
	OPERATION(OP_LIST_MODELS, "list_models", false)                                            \
	OPERATION(OP_COUNT_TOKENS, "count_tokens", true)                                           \
	OPERATION(OP_READ_RESPONSE, "read_response", false)

enum operation {
#define OPERATION(name, text, needs_model) name,
	OPERATIONS(OPERATION)
#undef OPERATION
		OP_COUNT
};

const char *operation_name(enum operation op);
bool operation_needs_model(enum operation op);

/* What a request asks. */
struct call {
	enum operation operation;
	bool stream;
	size_t model_len;                /* 0: none named */
	char model[MODEL_BYTES_MAX + 1]; /* as the program wrote it, escapes resolved */
};

/* A token count: absent, null and 0 are three different things. */
enum presence { ABSENT, IS_NULL, PRESENT };

/* USAGE(name, JSON name under gen_ai.) */
#define USAGES(USAGE)                                                                              \
	USAGE(USAGE_INPUT, "usage.input_tokens")                                                   \
	USAGE(USAGE_OUTPUT, "usage.output_tokens")                                                 \
	USAGE(USAGE_CACHE_READ, "usage.cache_read.input_tokens")                                   \
	USAGE(USAGE_CACHE_CREATION, "usage.cache_creation.input_tokens")                           \
	USAGE(USAGE_REASONING, "usage.reasoning.output_tokens")

enum usage_kind {
#define USAGE(name, text) name,
	USAGES(USAGE)
#undef USAGE
		USAGE_COUNT
};

const char *usage_name(enum usage_kind kind);

/* OpenTelemetry's rules: input includes cache read and creation, output includes reasoning. */
struct usage {
	uint8_t presence[USAGE_COUNT]; /* enum presence */
	uint64_t tokens[USAGE_COUNT];
};

/* What the answer said of itself. */
struct answer {
	struct usage usage;
	bool has_usage;  /* the provider sent a usage object */
	bool terminated; /* a stream's own end was seen ([DONE], message_stop, response.completed)
			  */
	bool failed;     /* an error object stood in the answer, also inside a stream */
	char model[MODEL_BYTES_MAX + 1];    /* "" when not said */
	char id[RESPONSE_ID_BYTES_MAX + 1]; /* "" when not said */
	char finish_reason[64];             /* of the first choice; "" when not said */
	bool text_cut; /* the text buffer's limit was met: nothing is appended after that */
	/* Anthropic's input_tokens as sent, without the cache; usage holds the sum. Kept because
	 * later events of a stream restate single parts. */
	uint8_t uncached_input_presence; /* enum presence */
	uint64_t uncached_input_tokens;
};

#endif
