/* SPDX-License-Identifier: MIT
 *
 * estimate: how many tokens a request may use, before anybody knows. Limits are charged with it
 * until the provider has counted.
 *
 * Input: a token for each four bytes of a JSON body (English text has about 4 characters a token,
 * and JSON's own marks make up for the rest); a string that is base64 and longer than
 * ESTIMATE_BLOB_BYTES_MIN (an image, a page) counts as ESTIMATE_BLOB_TOKENS, about what a large
 * image costs. Output: the request's own maximum (max_tokens, max_completion_tokens,
 * max_output_tokens, maxOutputTokens, maxTokens, num_predict, max_new_tokens), else
 * ESTIMATE_OUTPUT_TOKENS, times the number of answers it asks for. Operations whose answer is not
 * text have no output; those that run no model, and bodies that are not JSON, have neither.
 *
 * Pure, allocates nothing. Any bytes are fine.
 */
#ifndef AIGW_LLM_ESTIMATE_H
#define AIGW_LLM_ESTIMATE_H

#include "llm/call.h"

#define ESTIMATE_BYTES_PER_TOKEN 4
#define ESTIMATE_BLOB_BYTES_MIN  512
#define ESTIMATE_BLOB_TOKENS     1600
#define ESTIMATE_OUTPUT_TOKENS   1024
#define ESTIMATE_TOKENS_MAX      UINT64_C(100000000) /* more is not believed */
#define ESTIMATE_ANSWERS_MAX     128

struct estimate {
	uint64_t input_tokens, output_tokens;
};

void estimate_call(enum operation operation, struct bytes body, struct estimate *ret_estimate);

#endif
