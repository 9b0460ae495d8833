/* SPDX-License-Identifier: MIT
 *
 * Any bytes as the text of a recipient or an identity: what is accepted is written back the same,
 * but for the case of its letters.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = {data, size};
	struct recipient r;
	struct identity i;
	char back[IDENTITY_CHARS_MAX];

	if (seal_init())
		abort();
	if (seal_parse_recipient(text, &r) == OK) {
		seal_put_recipient(&r, back);
		if (!bytes_equal_nocase(bytes_str(back), text))
			abort();
	}
	if (seal_parse_identity(text, &i) == OK) {
		seal_put_identity(&i, back);
		if (!bytes_equal_nocase(bytes_str(back), text))
			abort();
	}
	return 0;
}
