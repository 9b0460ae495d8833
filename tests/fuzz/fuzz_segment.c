/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a segment file, walked without a key and with the key that the corpus is sealed to.
 * The walk ends, goes forward only, and stays inside the file. A fuzzer cannot make checksums: the
 * first byte of the input asks for the frame heads' to be made right, so that it gets past them.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/frame.h"
#include "audit/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct identity *corpus_key(void)
{
	static struct identity id;
	static bool ready;

	if (!ready &&
	    (seal_init() ||
	     seal_parse_identity(BYTES("AIGW-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS"
				       "23V9CCRYDPK8QARC0S6A05SM"),
				 &id)))
		abort();
	ready = true;
	return &id;
}

static void walk(struct bytes file, size_t identity_count)
{
	struct segment_reader *r = NULL;
	struct segment_record record;
	uint64_t at = 0;
	uint8_t chain[32];
	enum err e = segment_reader_open(file, identity_count, corpus_key(), &r);

	if (e)
		return;
	at = segment_reader_header(r)->bytes;
	while ((e = segment_next(r, &record)) != ERR_END) {
		if (e == ERR_NOMEM)
			break;
		if (record.offset != at || record.end <= record.offset || record.end > file.len)
			abort();
		at = record.end;
		if (e == OK && record.opened != segment_reader_has_key(r))
			abort();
		if (e == OK && record.opened) /* reads every byte */
			seal_digest(NULL, &record.plain, 1, chain);
	}
	if (e == ERR_END && at != file.len)
		abort();
	(void)segment_reader_chain(r, chain);
	segment_reader_free(r);
}

static void repair_checksums(uint8_t *at, size_t size)
{
	struct format_frame head;

	for (size_t i = 0; i + sizeof head <= size; i++) {
		if (memcmp(at + i, FORMAT_FRAME_MAGIC, 4) != 0)
			continue;
		memcpy(&head, at + i, sizeof head);
		head.crc = frame_crc32c(0, bytes_of(&head, offsetof(struct format_frame, crc)));
		memcpy(at + i, &head, sizeof head);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	uint8_t *copy = malloc(size);
	if (!copy)
		return 0;
	size--;
	if (size)
		memcpy(copy, data + 1, size);
	if (data[0] & 1)
		repair_checksums(copy, size);
	walk(bytes_of(copy, size), 0);
	walk(bytes_of(copy, size), 1);
	free(copy);
	return 0;
}
