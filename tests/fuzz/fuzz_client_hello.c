/* SPDX-License-Identifier: MIT
 *
 * Input: one byte, then what a client sends: records, or a bare message when the byte's highest bit
 * is set. The answers must be the same whether it comes at once, in pieces of as many bytes as the
 * byte's lower bits say, or byte by byte.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/client_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_answers(const struct client_hello *h, enum err e)
{
	struct bytes name = client_hello_name(h), rest = client_hello_protocols(h), protocol;
	size_t total = 0;

	must(h->complete == (e == OK));
	must(h->has_random || !h->has_name);
	must(name.len <= CLIENT_HELLO_NAME_MAX);
	for (size_t i = 0; i < name.len; i++)
		must(name.at[i] > ' ' && name.at[i] <= '~' &&
		     !(name.at[i] >= 'A' && name.at[i] <= 'Z'));
	while (client_hello_next_protocol(&rest, &protocol)) {
		must(protocol.len > 0);
		total += 1 + protocol.len;
	}
	must(total == client_hello_protocols(h).len);
}

static enum err follow(struct bytes stream, size_t step, bool bare, struct client_hello *h)
{
	enum err e = ERR_MORE;

	*h = (struct client_hello){0};
	for (size_t at = 0; at < stream.len && e == ERR_MORE; at += step) {
		struct bytes piece = bytes_slice(stream, at, step);
		uint8_t *copy = malloc(piece.len);
		must(copy != NULL);
		memcpy(copy, piece.at, piece.len);
		piece.at = copy;
		e = bare ? client_hello_feed_message(h, piece) : client_hello_feed(h, piece);
		free(copy);
		check_answers(h, e);
	}
	return e;
}

static void must_be_same(const struct client_hello *a, const struct client_hello *b)
{
	must(a->has_random == b->has_random && a->has_name == b->has_name &&
	     a->has_ech == b->has_ech && a->has_alpn == b->has_alpn);
	must(a->legacy_version == b->legacy_version && a->highest_version == b->highest_version);
	must(memcmp(a->random, b->random, sizeof a->random) == 0);
	must(bytes_equal(client_hello_name(a), client_hello_name(b)));
	must(bytes_equal(client_hello_protocols(a), client_hello_protocols(b)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client_hello whole, pieces, bytewise;

	if (size < 2)
		return 0;
	struct bytes stream = {data + 1, size - 1};
	bool bare = data[0] & 0x80;
	size_t step = (data[0] & 0x7f) + 1u;
	enum err e = follow(stream, stream.len, bare, &whole);
	must(follow(stream, step, bare, &pieces) == e);
	must(follow(stream, 1, bare, &bytewise) == e);
	must_be_same(&whole, &pieces);
	must_be_same(&whole, &bytewise);
	return 0;
}
