/* SPDX-License-Identifier: MIT
 *
 * Input: datagrams, each with a byte of kind and two of length (little-endian) in front. A datagram
 * of kind 0 is fed as it is. One of another kind is the frames of an Initial packet, which is
 * protected here and fed then: no fuzzer finds an authentic packet by itself. Feeding a datagram
 * again must not change the answer.
 */
#include <stdlib.h>

#include "../unit/quic_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAMES_BYTES_MAX 8000 /* fits the kit's length of two bytes */

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_state(const struct quic_initial *q, enum err e)
{
	must(e == OK || e == ERR_MORE || e == ERR_BAD || e == ERR_AMBIGUOUS || e == ERR_LIMIT);
	must(e != OK || q->hello.complete);
	must(q->read_bytes <= QUIC_INITIAL_CRYPTO_MAX);
	must(client_hello_name(&q->hello).len <= CLIENT_HELLO_NAME_MAX);
}

static enum err feed(struct quic_initial *q, struct bytes datagram)
{
	enum err e = quic_initial_feed(q, datagram);

	check_state(q, e);
	must(quic_initial_feed(q, datagram) == e);
	return e;
}

/* The packet with these frames must open, and does not with one bit less. */
static void feed_frames(struct quic_initial *q, uint8_t kind, struct bytes frames)
{
	struct kit_initial p = {.version = kind & 1 ? QUIC_V1 : QUIC_V2,
				.cid = BYTES("connection"),
				.number = kind >> 4,
				.number_bytes = 1 + (kind >> 1 & 3)};
	struct buf datagram = {0};

	if (frames.len < 4)
		return;
	kit_put_initial(&datagram, p, bytes_slice(frames, 0, FRAMES_BYTES_MAX));
	feed(q, buf_view(&datagram));
	must(q->has_opened);
	datagram.at[datagram.len - 1] ^= 1;
	must(quic_initial_feed(q, buf_view(&datagram)) == ERR_BAD);
	buf_done(&datagram);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_over((struct bytes){data, size});
	static struct quic_initial q;

	q = (struct quic_initial){0};
	while (cursor_left(&c) > 3) {
		uint8_t kind = cursor_u8(&c);
		size_t len = cursor_u16(&c);
		struct bytes datagram = cursor_take(&c,
						    len < cursor_left(&c) ? len : cursor_left(&c));
		if (kind)
			feed_frames(&q, kind, datagram);
		else
			feed(&q, datagram);
	}
	return 0;
}
