/* SPDX-License-Identifier: MIT
 *
 * AFL++ cannot make checksums: before each input is written, those of the heads in it are made
 * right, so that what they protect gets looked at. A third of the inputs stays as it is. See
 * "custom mutators" in AFL++'s documentation.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/frame.h"

struct repair {
	uint8_t *room;
	size_t cap;
};

void *afl_custom_init(void *afl, unsigned seed);
size_t afl_custom_post_process(void *data, uint8_t *in, size_t len, uint8_t **ret_out);
void afl_custom_deinit(void *data);

void *afl_custom_init(void *afl, unsigned seed)
{
	return calloc(1, sizeof(struct repair));
}

void afl_custom_deinit(void *data)
{
	free(((struct repair *)data)->room);
	free(data);
}

/* A head of `len` bytes whose last four are the checksum of those before. */
static void repair_head(uint8_t *at, size_t left, const char *magic, size_t len)
{
	uint32_t crc;

	if (left < len || memcmp(at, magic, 4) != 0)
		return;
	crc = frame_crc32c(0, bytes_of(at, len - sizeof crc));
	memcpy(at + len - sizeof crc, &crc, sizeof crc);
}

size_t afl_custom_post_process(void *data, uint8_t *in, size_t len, uint8_t **ret_out)
{
	struct repair *r = data;

	if (len % 3 == 0 || len == 0) {
		*ret_out = in;
		return len;
	}
	if (len > r->cap) {
		uint8_t *room = realloc(r->room, len);
		if (!room)
			return 0;
		r->room = room;
		r->cap = len;
	}
	memcpy(r->room, in, len);
	for (size_t i = 0; i + 4 <= len; i++) {
		repair_head(r->room + i, len - i, FORMAT_FRAME_MAGIC, sizeof(struct format_frame));
		repair_head(r->room + i, len - i, FORMAT_LEDGER_MAGIC,
			    sizeof(struct format_ledger));
		repair_head(r->room + i, len - i, FORMAT_CHECKPOINT_MAGIC,
			    offsetof(struct format_checkpoint, crc) + sizeof(uint32_t));
	}
	*ret_out = r->room;
	return len;
}
