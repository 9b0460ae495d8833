/* SPDX-License-Identifier: MIT
 *
 * Any bytes as datagrams from a program: each with its length (2 bytes) in front, one after the
 * other on one connection. What is put together is never more than was announced or sent.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct message *m, struct bytes datagram)
{
	struct collect_head head;

	message_make(m, &head);
	if (memcmp(&head, datagram.at, sizeof head) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_over(bytes_of(data, size));
	struct assembly a = {0};
	size_t sent = 0;

	while (cursor_left(&c) > 2) {
		size_t len = cursor_u16(&c);
		struct bytes datagram = cursor_take(&c,
						    len < cursor_left(&c) ? len : cursor_left(&c));
		struct message m;
		if (message_parse(datagram, &m))
			continue;
		check_again(&m, datagram);
		if (m.type != COLLECT_PART)
			continue;
		sent += m.body.len;
		enum err e = assembly_feed(&a, &m, m.number & 1);
		if (a.bytes.len > sent || a.bytes.len > a.total_bytes)
			abort();
		if (e == OK && !a.dropped && a.bytes.len != m.total_bytes)
			abort();
		if (e == OK)
			assembly_done(&a);
	}
	assembly_done(&a);
	return 0;
}
