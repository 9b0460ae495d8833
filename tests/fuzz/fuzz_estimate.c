/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a request's body: estimates stay within their bounds.
 */
#include <stdlib.h>

#include "llm/estimate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int op = 0; op < OP_COUNT; op++) {
		struct estimate e;
		estimate_call((enum operation)op, (struct bytes){data, size}, &e);
		if (e.input_tokens > ESTIMATE_TOKENS_MAX || e.output_tokens > ESTIMATE_TOKENS_MAX)
			abort();
	}
	return 0;
}
