/* SPDX-License-Identifier: MIT
 *
 * readers: the readers of answers that several dialects share, because one API carries another's
 * words: Azure and Mistral speak OpenAI's, Bedrock hands Anthropic's through. For the dialects
 * only.
 *
 * `name` is that of the event, empty for a body. As dialect.read_event: only ERR_NOMEM.
 */
#ifndef AIGW_LLM_READERS_H
#define AIGW_LLM_READERS_H

#include "llm/answer.h"
#include "llm/dialect.h"
#include "wire/sse.h"

enum err read_openai_event(const struct sse_event *event, struct answer *answer, struct buf *text);
enum err read_openai_body(struct bytes body, struct answer *answer, struct buf *text);
/* The tool calls in one text of chat completions or responses, which is valid JSON. */
enum err read_openai_tools(struct bytes json, struct answer *answer);

/* The audio within the tokens of one text of Gemini's, which is valid JSON. */
void read_google_audio(struct bytes json, struct answer *answer);

enum err read_anthropic(struct bytes json, struct bytes name, struct answer *answer,
			struct buf *text);

#endif
