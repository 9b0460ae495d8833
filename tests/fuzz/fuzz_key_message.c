/* SPDX-License-Identifier: MIT
 *
 * Any bytes as what a key holder is asked, and as what it answers: a head, then an entry.
 */
#include <stdlib.h>
#include <string.h>

#include "keys/key_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void as_question(struct bytes datagram)
{
	struct bytes key, provider;
	struct buf again = {0};

	if (key_ask_parse(datagram, &key, &provider))
		return;
	must(datagram.len <= KEY_ASK_BYTES_MAX);
	must(key_ask_put(&again, key, provider) == OK);
	must(again.len == datagram.len);
	buf_done(&again);
}

static void as_entry(struct bytes bytes)
{
	struct cursor c = cursor_over(bytes);
	struct arena arena = {0};
	struct key_entry e;
	struct buf again = {0};

	if (key_entry_parse(&c, &arena, &e) == OK) {
		must(gateway_key_is_name(e.scope.name) && gateway_key_is_name(e.scope.environment));
		must(key_entry_put(&e, &again) == OK);
		must(bytes_equal(buf_view(&again),
				 bytes_slice(bytes, 0, bytes.len - cursor_left(&c))));
	}
	buf_done(&again);
	arena_done(&arena);
}

/* What stands behind an entry. */
static void as_limits(struct bytes bytes)
{
	struct cursor c = cursor_over(bytes);
	struct limit_values v;
	struct buf again = {0};

	if (key_limits_parse(&c, &v) == OK) {
		must(key_limits_put(&v, &again) == OK);
		must(bytes_equal(buf_view(&again),
				 bytes_slice(bytes, 0, bytes.len - cursor_left(&c))));
	}
	buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes all = {data, size};
	struct keyhold_head head;
	struct key_answer a;

	as_question(all);
	if (size < sizeof head)
		return 0;
	memcpy(&head, data, sizeof head);
	if (key_answer_parse(&head, size - sizeof head, &a) == OK)
		must(a.secret_bytes <= KEYHOLD_SECRET_BYTES && a.verdict <= KEY_ROTATED);
	as_entry(bytes_from(all, sizeof head));
	as_limits(bytes_from(all, sizeof head));
	return 0;
}
