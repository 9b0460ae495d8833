/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a policy to which a recipient is added, and from which it is removed again: what was
 * added is there, and gone afterwards.
 */
#include <stdlib.h>

#include "aigw/recipients.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = {data, size}, word = BYTES("aigw1x");
	struct buf added = {0}, twice = {0}, removed = {0};

	if (recipients_add(text, word, &added) == OK) {
		if (added.len < size + 8 ||
		    recipients_add(buf_view(&added), word, &twice) != ERR_STATE)
			abort();
		if (recipients_remove(buf_view(&added), word, &removed) != OK ||
		    removed.len > added.len - 8)
			abort();
	}
	buf_done(&added);
	buf_done(&twice);
	buf_done(&removed);
	return 0;
}
