/* SPDX-License-Identifier: MIT
 *
 * Input: the coding (0 to 5), the length of a piece, the body. What a body decodes to must not
 * depend on how it is split, and must keep to the limits.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/coding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static enum err decode(enum coding coding, struct bytes body, size_t step, struct buf *out)
{
	struct coding_decoder *d;
	size_t at = 0;
	enum err e = coding_new(coding, &d);

	must(e == OK);
	for (; at < body.len && !e; at += step) {
		struct bytes piece = bytes_slice(body, at, step);
		uint8_t *copy = malloc(piece.len);
		must(copy != NULL);
		memcpy(copy, piece.at, piece.len);
		e = coding_feed(d, bytes_of(copy, piece.len), out);
		free(copy);
	}
	must(out->len <= CODING_OUTPUT_BYTES_MAX);
	must(out->len <= body.len * CODING_RATIO_MAX + CODING_ALLOWANCE_BYTES);
	must(e == OK || e == ERR_BAD || e == ERR_LIMIT);
	if (e) {
		must(coding_feed(d, BYTES("x"), out) == e);
		must(coding_check_end(d) == e);
	}
	e = coding_check_end(d);
	coding_free(d);
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = {0}, pieces = {0};

	if (size < 3)
		return 0;
	enum coding coding = (enum coding)(data[0] % CODING_UNKNOWN);
	struct bytes body = {data + 2, size - 2};
	enum err e = decode(coding, body, body.len, &whole);
	enum err e_pieces = decode(coding, body, data[1] ? data[1] : 1, &pieces);
	must(e == e_pieces);
	if (!e)
		must(bytes_equal(buf_view(&whole), buf_view(&pieces)));
	buf_done(&whole);
	buf_done(&pieces);
	return 0;
}
