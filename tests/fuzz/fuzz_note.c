/* SPDX-License-Identifier: MIT
 *
 * Any bytes as the note beside a segment, with the digest made right, so that what is behind it is
 * reached too.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/note.h"

#define DIGEST 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes file = {data, size};
	struct buf right = {0};
	uint8_t digest[DIGEST];
	struct recipient r = {{0}, {0}};
	struct note note;

	if (seal_init())
		abort();
	if (note_parse(file, &note) == OK && note.boxes.len != note.recipient_count * 88)
		abort();
	/* as ledger.keys: by the first id that stands there */
	if (size >= 32) {
		uint32_t looks = 64;
		if (note_find(file, data + 16, &looks, &note) == OK &&
		    note.boxes.len != note.recipient_count * 88)
			abort();
	}
	if (size < DIGEST)
		return 0;
	struct bytes covered = {data, size - DIGEST};
	seal_digest(NULL, &covered, 1, digest);
	if (buf_put(&right, covered) || buf_put(&right, bytes_of(digest, DIGEST)))
		abort();
	if (note_parse(buf_view(&right), &note) == OK) {
		if (note.boxes.len != note.recipient_count * 88 || note.recipient_count > 64)
			abort();
		(void)note_has(&note, &r);
	}
	buf_done(&right);
	return 0;
}
