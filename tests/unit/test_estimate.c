/* SPDX-License-Identifier: MIT
 *
 * What a request may use: by its length, its own maximum, how many answers it wants; images by
 * piece.
 */
#include "llm/estimate.h"

#include <stdlib.h>

#include "tap.h"

static void what_a_request_says_counts(void)
{
	static const struct {
		enum operation operation;
		const char *body;
		uint64_t output;
	} rows[] = {
		{OP_CHAT, "{\"max_tokens\":5}", 5},
		{OP_CHAT, "{\"max_completion_tokens\":7,\"n\":3}", 21},
		{OP_CHAT, "{\"messages\":[{\"max_tokens\":9}]}", ESTIMATE_OUTPUT_TOKENS},
		{OP_CHAT, "{\"metadata\":{\"max_tokens\":9}}", ESTIMATE_OUTPUT_TOKENS},
		{OP_CHAT, "{\"max_tokens\":null}", ESTIMATE_OUTPUT_TOKENS},
		{OP_CHAT, "{\"max_tokens\":-5}", ESTIMATE_OUTPUT_TOKENS},
		{OP_CHAT, "{\"max_tokens\":0}", 0},
		{OP_CHAT, "{\"max_tokens\":5,\"max_tokens\":90}", 90},
		{OP_CHAT, "{\"max_\\u0074okens\":6}", 6},
		{OP_CHAT, "{\"max_tokens\":18446744073709551615,\"n\":100}", ESTIMATE_TOKENS_MAX},
		{OP_CHAT, "{\"n\":0}", ESTIMATE_OUTPUT_TOKENS},
		{OP_CHAT, "{\"max_output_tokens\":", ESTIMATE_OUTPUT_TOKENS},
		{OP_GENERATE_CONTENT,
		 "{\"contents\":[],\"generationConfig\":{\"maxOutputTokens\":11,\"candidateCount\":"
		 "2}}",
		 22},
		{OP_CHAT, "{\"inferenceConfig\":{\"maxTokens\":12}}", 12},
		{OP_CHAT, "{\"options\":{\"num_predict\":13}}", 13},
		{OP_TEXT_COMPLETION, "{\"parameters\":{\"max_new_tokens\":14}}", 14},
		{OP_EMBEDDINGS, "{\"max_tokens\":5}", 0},
		{OP_UNKNOWN, "{}", ESTIMATE_OUTPUT_TOKENS},
		{OP_LIST_MODELS, "{\"max_tokens\":5}", 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct estimate got = {99, 99};
		uint64_t len = strlen(rows[i].body);
		estimate_call(rows[i].operation, tap_guarded(bytes_str(rows[i].body)), &got);
		if (got.output_tokens != rows[i].output)
			tap_fail(__FILE__, __LINE__, "%s: %llu", rows[i].body,
				 (unsigned long long)got.output_tokens);
		CHECK_U64(got.input_tokens,
			  rows[i].operation == OP_LIST_MODELS ? 0 : (len + 3) / 4);
	}
}

static uint64_t input_of(const char *before, char with, size_t len)
{
	struct buf body = {0};
	struct estimate got;

	CHECK_ERR(buf_put_str(&body, "{\"a\":\""), OK);
	CHECK_ERR(buf_put_str(&body, before), OK);
	for (size_t i = 0; i < len; i++)
		CHECK_ERR(buf_put_u8(&body, (uint8_t)with), OK);
	CHECK_ERR(buf_put_str(&body, "\"}"), OK);
	estimate_call(OP_CHAT, buf_view(&body), &got);
	buf_done(&body);
	return got.input_tokens;
}

static void an_image_counts_by_piece_and_text_by_length(void)
{
	CHECK_U64(input_of("data:image/png;base64,", 'A', 400000), ESTIMATE_BLOB_TOKENS + 2);
	CHECK_U64(input_of("", '/', ESTIMATE_BLOB_BYTES_MIN), ESTIMATE_BLOB_TOKENS + 2);
	CHECK_U64(input_of("", '/', ESTIMATE_BLOB_BYTES_MIN - 1),
		  (ESTIMATE_BLOB_BYTES_MIN + 7 + 3) / 4);
	CHECK_U64(input_of("two words ", 'a', 4000), (4000 + 10 + 8 + 3) / 4);
}

static void what_is_no_json_has_no_tokens(void)
{
	static const char *const bodies[] = {"", "   ", "--boundary\r\n", "\x1f\x8b", "5"};
	struct estimate got;

	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		estimate_call(OP_CHAT, tap_guarded(bytes_str(bodies[i])), &got);
		CHECK_U64(got.input_tokens + got.output_tokens, 0);
	}
}

int main(void)
{
	RUN_TESTS(TEST(what_a_request_says_counts),
		  TEST(an_image_counts_by_piece_and_text_by_length),
		  TEST(what_is_no_json_has_no_tokens));
}
