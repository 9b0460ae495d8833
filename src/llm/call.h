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

#define SERVICE_TIER_BYTES_MAX 31 /* a longer one is not kept */

/* OPERATION(name, gen_ai.operation.name, whether it only reads what the provider keeps, and runs no
 * model) */
#define OPERATIONS(OPERATION)                                                                      \
	OPERATION(OP_UNKNOWN, "unknown", false)                                                    \
	OPERATION(OP_CHAT, "chat", false)                                                          \
	OPERATION(OP_TEXT_COMPLETION, "text_completion", false)                                    \
	OPERATION(OP_GENERATE_CONTENT, "generate_content", false)                                  \
	OPERATION(OP_EMBEDDINGS, "embeddings", false)                                              \
	OPERATION(OP_RERANK, "rerank", false)                                                      \
	OPERATION(OP_CLASSIFY, "classify", false)                                                  \
	OPERATION(OP_MODERATION, "moderation", false)                                              \
	OPERATION(OP_IMAGE, "image_generation", false)                                             \
	OPERATION(OP_VIDEO, "video_generation", false)                                             \
	OPERATION(OP_TRANSCRIPTION, "audio_transcription", false)                                  \
	OPERATION(OP_SPEECH, "audio_speech", false)                                                \
	OPERATION(OP_REALTIME, "realtime", false)                                                  \
	OPERATION(OP_PREDICT, "predict", false)                                                    \
	OPERATION(OP_LIST_MODELS, "list_models", true)                                             \
	OPERATION(OP_MANAGE_MODELS, "manage_models", false)                                        \
	OPERATION(OP_COUNT_TOKENS, "count_tokens", false)                                          \
	OPERATION(OP_READ_RESPONSE, "read_response", true)                                         \
	OPERATION(OP_FILES, "files", false)                                                        \
	OPERATION(OP_BATCHES, "batches", false)                                                    \
	OPERATION(OP_FINE_TUNING, "fine_tuning", false)                                            \
	OPERATION(OP_ASSISTANTS, "assistants", false)                                              \
	OPERATION(OP_AGENTS, "agents", false)                                                      \
	OPERATION(OP_VECTOR_STORES, "vector_stores", false)                                        \
	OPERATION(OP_CONVERSATIONS, "conversations", false)                                        \
	OPERATION(OP_CONTAINERS, "containers", false)                                              \
	OPERATION(OP_EVALS, "evals", false)                                                        \
	OPERATION(OP_SKILLS, "skills", false)                                                      \
	OPERATION(OP_CACHED_CONTENTS, "cached_contents", false)                                    \
	OPERATION(OP_ACCOUNT, "account", true)

enum operation {
#define OPERATION(name, text, reads) name,
	OPERATIONS(OPERATION)
#undef OPERATION
		OP_COUNT
};

const char *operation_name(enum operation op);
/* True when the operation reads what the provider keeps and runs no model. */
bool operation_reads(enum operation op);
/* The operation of that name; OP_COUNT when there is none. */
enum operation operation_find(struct bytes name);

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
	USAGE(USAGE_REASONING, "usage.reasoning.output_tokens")                                    \
	/* no name in OpenTelemetry 1.41.1; new ones go to the end: records have a bit of each */  \
	USAGE(USAGE_CACHE_CREATION_1H, "usage.cache_creation_1h.input_tokens")                     \
	USAGE(USAGE_INPUT_AUDIO, "usage.audio.input_tokens")                                       \
	USAGE(USAGE_OUTPUT_AUDIO, "usage.audio.output_tokens")

enum usage_kind {
#define USAGE(name, text) name,
	USAGES(USAGE)
#undef USAGE
		USAGE_COUNT
};

const char *usage_name(enum usage_kind kind);

/* OpenTelemetry's rules: input includes cache read and creation, output includes reasoning. Of the
 * others: cache creation includes that for an hour, input and output include their audio. */
struct usage {
	uint8_t presence[USAGE_COUNT]; /* enum presence */
	uint64_t tokens[USAGE_COUNT];
};

/* What providers count apart and OpenTelemetry counts together. */
enum part_kind {
	PART_INPUT, /* input without the cache (Anthropic, Bedrock) or without tools (Gemini) */
	PART_TOOL_INPUT, /* what tools gave to the model (Gemini) */
	PART_OUTPUT,     /* output without reasoning (Gemini, xAI) */
	PART_COUNT
};

struct part {
	uint8_t presence; /* enum presence */
	uint64_t tokens;
};

/* What the answer said of itself. */
struct answer {
	struct usage usage;
	bool has_usage;  /* the provider sent a usage object */
	bool terminated; /* a stream's own end was seen ([DONE], message_stop, response.completed)
			  */
	bool failed;     /* an error object stood in the answer, also inside a stream */
	char model[MODEL_BYTES_MAX + 1];               /* "" when not said */
	char id[RESPONSE_ID_BYTES_MAX + 1];            /* "" when not said */
	char finish_reason[64];                        /* of the first choice; "" when not said */
	char service_tier[SERVICE_TIER_BYTES_MAX + 1]; /* how it was served; "" when not said */
	bool text_cut; /* the text buffer's limit was met: nothing is appended after that */
	/* Counts as sent where usage holds a sum of them, kept because later events of a stream
	 * restate single parts (answer_sum). */
	struct part parts[PART_COUNT];
	/* The tool calls as a JSON array of {"id","name","arguments"} under way, see llm/tools.
	 * NULL: not wanted; borrowed. */
	struct buf *tool_calls;
	bool tools_cut;      /* its limit was met: nothing is appended after that */
	uint64_t tool_index; /* of the call under way, as the provider counts */
	uint32_t tool_state; /* of llm/tools */
};

#endif
