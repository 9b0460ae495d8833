/* SPDX-License-Identifier: MIT
 *
 * Any bytes as an index file's blocks: numbers are possible ones, nobody without the key makes a
 * block that opens, and ids are found the same way by either question.
 */
#include <stdlib.h>
#include <string.h>

#include "aigw/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[32] = {7};
	struct bytes rest = bytes_of(data, size);
	struct segment_mark before, behind;
	struct index_head head;

	if (seal_init())
		return 0;
	while (index_parse(rest, &head) == OK) {
		struct bytes ids = bytes_slice(rest, sizeof head,
					       (size_t)head.id_count * INDEX_ID_BYTES);
		must(head.records && head.records <= INDEX_BLOCK_RECORDS && head.from < head.to);
		must(index_open(&head, key, &before, &behind) == ERR_SEAL);
		if (index_ids_fit(&head, ids))
			(void)index_has_prefix(ids, BYTES("01K"));
		/* Ids in whatever order: no read outside. */
		ids.len -= ids.len % INDEX_ID_BYTES;
		(void)index_has_prefix(ids, bytes_slice(rest, 0, 26));
		(void)index_spans_prefix(&head, bytes_slice(rest, 0, 5));
		rest = bytes_from(rest, sizeof head + ids.len);
	}
	return 0;
}
