/* SPDX-License-Identifier: MIT
 *
 * Input: one byte, then what a client sends on a fresh connection. The answers must be the same
 * whether it comes at once, in pieces of as many bytes as the first byte says, or byte by byte; the
 * bytes that are left over, too.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/first_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_host(struct bytes host)
{
	must(host.len <= 255);
	for (size_t i = 0; i < host.len; i++) {
		uint8_t c = host.at[i];
		must((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-_.:", c)));
	}
	must(!bytes_ends(host, BYTES(".")) || bytes_find_byte(host, ':') != SIZE_MAX);
}

static enum err follow(struct bytes stream, size_t step, struct first_bytes *f, size_t *ret_left)
{
	enum err e = ERR_MORE;
	size_t used = 0;

	*f = (struct first_bytes){0};
	while (used < stream.len && e == ERR_MORE) {
		struct bytes piece = bytes_slice(stream, used, step);
		uint8_t *copy = malloc(piece.len);
		must(copy != NULL);
		memcpy(copy, piece.at, piece.len);
		struct bytes in = {copy, piece.len};
		e = first_bytes_feed(f, &in);
		must(e != ERR_MORE || in.len == 0);
		used += piece.len - in.len;
		free(copy);
	}
	must(e || f->kind != FIRST_UNDECIDED);
	*ret_left = f->kind == FIRST_TLS || f->kind == FIRST_OTHER ? 0 : stream.len - used;
	check_host(first_bytes_host(f));
	return e;
}

static void must_be_same(const struct first_bytes *a, const struct first_bytes *b)
{
	must(a->kind == b->kind && a->port == b->port && a->is_absolute == b->is_absolute);
	must(bytes_equal(first_bytes_host(a), first_bytes_host(b)));
	must(bytes_equal(client_hello_name(&a->hello), client_hello_name(&b->hello)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct first_bytes whole, pieces, bytewise;
	size_t left, other;

	if (size < 2)
		return 0;
	struct bytes stream = {data + 1, size - 1};
	enum err e = follow(stream, stream.len, &whole, &left);
	must(follow(stream, data[0] + 1u, &pieces, &other) == e && left == other);
	must(follow(stream, 1, &bytewise, &other) == e && left == other);
	must_be_same(&whole, &pieces);
	must_be_same(&whole, &bytewise);
	return 0;
}
