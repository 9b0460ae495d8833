/* SPDX-License-Identifier: MIT
 *
 * Any bytes as the plaintext of a record: fields are walked, found and put back the same.
 */
#include <stdlib.h>

#include "audit/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes record = {data, size}, value;
	struct cursor c = cursor_over(record);
	struct record_field f;
	struct buf again = {0};
	uint64_t number;
	enum err e;

	while ((e = record_next(&c, &f)) == OK) {
		if (record_put(&again, (enum field)f.number, f.value))
			abort();
		if (record_find(record, (enum field)f.number, &value))
			abort();
		if (record_find_u64(record, (enum field)f.number, &number) == OK &&
		    value.len != 8 && value.len != 1)
			abort();
	}
	if (!bytes_starts(record, buf_view(&again)) || (e == ERR_END && again.len != size))
		abort();
	buf_done(&again);
	return 0;
}
