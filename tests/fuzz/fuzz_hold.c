/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a file of holds, as a sink's acknowledgement and as a key under a passphrase: what
 * is accepted is written back and read the same.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/acked.h"
#include "audit/hold.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void holds(struct bytes file)
{
	struct bytes rest = file, again;
	struct buf line = {0};
	struct hold h, back;
	enum err e;

	while ((e = hold_next(&rest, &h)) != ERR_END) {
		if (e)
			continue;
		(void)hold_covers(&h, BYTES("2026-11-24/h-1-00.aigw"));
		buf_reset(&line);
		if (hold_put(&line, &h))
			abort();
		again = buf_view(&line);
		if (hold_next(&again, &back) || back.kind != h.kind ||
		    !bytes_equal(back.first, h.first) || !bytes_equal(back.reason, h.reason) ||
		    back.since_ns != h.since_ns)
			abort();
	}
	if (hold_find(file, BYTES("2026-11-24/h-1-00.aigw"), &h) && file.len == 0)
		abort();
	buf_done(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes file = {data, size};
	struct recipient r;
	struct acked a;
	uint8_t id[16];
	uint64_t bytes;

	if (seal_init())
		abort();
	holds(file);
	if (acked_parse(file, &a) == OK) {
		struct bytes rest = a.open;
		while (acked_next(&rest, id, &bytes) == OK)
			if (bytes && a.entries && acked_covers(&a, id, 0, UINT64_MAX) &&
			    bytes != UINT64_MAX)
				abort();
		if (rest.len)
			abort();
	}
	if (seal_parse_locked(file, &r) == OK && size >= SEAL_LOCKED_CHARS_MAX)
		abort();
	return 0;
}
