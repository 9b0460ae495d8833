/* SPDX-License-Identifier: MIT
 *
 * Any bytes as the ledger and as the writers' state, read without a key and with the key that the
 * corpus is sealed to. The walk ends, goes forward only, and stays inside the file. The first byte
 * of the input asks for checksums to be made right.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/frame.h"
#include "audit/ledger.h"

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
	struct ledger_reader r;
	struct ledger_found f;
	size_t at = 0;
	uint8_t digest[32];
	enum err e;

	ledger_reader_init(&r, file, identity_count, corpus_key());
	ledger_reader_use_notes(&r, file); /* any bytes are harmless, these too */
	while ((e = ledger_next(&r, &f)) != ERR_END) {
		if (r.at <= at || r.at > file.len || f.item.offset >= file.len)
			abort();
		at = r.at;
		if (e)
			continue;
		seal_digest(NULL, &f.entry.path, 1, digest);
		seal_digest(NULL, &f.skipped, 1, digest);
		seal_digest(NULL, &f.item.whole, 1, digest);
	}
	if (at != file.len)
		abort();
	ledger_reader_done(&r);
}

static void repair_checksums(uint8_t *at, size_t size)
{
	struct format_ledger head;

	for (size_t i = 0; i + sizeof head + FORMAT_MAC_BYTES <= size; i++) {
		if (memcmp(at + i, FORMAT_LEDGER_MAGIC, 4) != 0)
			continue;
		memcpy(&head, at + i, sizeof head);
		if (head.body_bytes > size - i - sizeof head - FORMAT_MAC_BYTES)
			continue;
		head.body_crc = frame_crc32c(
			0, bytes_of(at + i + sizeof head, head.body_bytes + FORMAT_MAC_BYTES));
		head.crc = frame_crc32c(0, bytes_of(&head, offsetof(struct format_ledger, crc)));
		memcpy(at + i, &head, sizeof head);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct format_state state;

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
	if (ledger_parse_state(bytes_of(copy, size), &state) == OK && size != sizeof state)
		abort();
	free(copy);
	return 0;
}
