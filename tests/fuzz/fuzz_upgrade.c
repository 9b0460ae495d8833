/* SPDX-License-Identifier: MIT
 *
 * Input: the query of a request for a WebSocket. A model that is read is what any reader of the
 * query would take for it: there is one, it is not empty, and its length is its length.
 */
#include <stdlib.h>
#include <string.h>

#include "llm/upgrade.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	must(copy != NULL);
	if (size)
		memcpy(copy, data, size);
	struct request_view view = {
		.method = BYTES("GET"), .path = BYTES("/v1/realtime"), .query = {copy, size}};
	struct call call = {.operation = OP_EMBEDDINGS};
	struct fault fault = {0};
	enum err e = upgrade_read_call(&dialect_openai, &view, &call, &fault);

	must(e == OK || e == ERR_BAD || e == ERR_LIMIT || e == ERR_AMBIGUOUS);
	if (e) {
		must(fault.code && fault.reason && call.operation == OP_EMBEDDINGS);
	} else {
		must(call.model_len <= MODEL_BYTES_MAX && strlen(call.model) == call.model_len);
		must(call.stream && call.operation == OP_CHAT);
		if (bytes_starts(view.query, BYTES("model=")))
			must(call.model_len > 0);
	}
	free(copy);
	return 0;
}
