/* SPDX-License-Identifier: MIT
 *
 * Input: the length of a piece, what the listener does, then the bytes of a provider. What is told
 * of the responses must not depend on how they are split.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

struct told {
	struct buf text;
	bool bodiless, between; /* between two responses */
	uint8_t refuses;        /* 1: a head, 2: a piece of a body, 3: an end */
};

static enum err tell_head(void *context, const struct http1_response *r)
{
	struct told *t = context;
	struct bytes rest = buf_view(&r->head), name, value, first;

	must(t->between && r->in_message && r->head.len <= HTTP1_HEAD_BYTES_MAX);
	t->between = false;
	must(buf_put_u8(&t->text, '[') == OK);
	must(buf_put_decimal(&t->text, (uint64_t)r->status) == OK);
	must(buf_put(&t->text, buf_view(&r->head)) == OK);
	while (http1_head_next(&rest, &name, &value)) {
		must(http1_head_find(buf_view(&r->head), name, &first));
		must(bytes_equal(bytes_trim(value), value));
	}
	return t->refuses == 1 ? ERR_NOMEM : OK;
}

static enum err tell_body(void *context, struct bytes piece)
{
	struct told *t = context;

	must(!t->between && !t->bodiless);
	must(buf_put(&t->text, piece) == OK);
	return t->refuses == 2 ? ERR_NOMEM : OK;
}

static enum err tell_end(void *context, const struct http1_response *r)
{
	struct told *t = context;

	must(!t->between && !r->in_message);
	t->between = true;
	must(buf_put_u8(&t->text, r->until_close ? '.' : ']') == OK);
	return t->refuses == 3 ? ERR_NOMEM : OK;
}

static bool tell_bodiless(void *context)
{
	return ((struct told *)context)->bodiless;
}

static void follow(struct bytes stream, size_t step, uint8_t flags, struct buf *ret_text)
{
	struct told t = {.bodiless = flags & 1, .between = true, .refuses = (flags >> 1) & 3};
	struct http1_listener listener = {tell_head, tell_body, tell_end, tell_bodiless, &t};
	struct http1_response r;
	enum err e = OK, eof;

	http1_response_init(&r, &listener);
	for (size_t at = 0; at < stream.len; at += step) {
		struct bytes piece = bytes_slice(stream, at, step);
		uint8_t *copy = malloc(piece.len);
		must(copy != NULL);
		memcpy(copy, piece.at, piece.len);
		enum err now = http1_response_feed(&r, bytes_of(copy, piece.len));
		free(copy);
		must(!e || now == e);
		e = now;
		must(r.broken == (e != OK) && (!e || r.unread_bytes <= piece.len));
	}
	must(e == OK || e == ERR_BAD || e == ERR_LIMIT || (t.refuses && e == ERR_NOMEM));
	eof = http1_response_eof(&r);
	must(e ? eof == e : eof == OK || eof == ERR_MORE || (t.refuses == 3 && eof == ERR_NOMEM));
	must(eof || t.between || r.upgraded);
	if (t.refuses == 2)
		buf_reset(&t.text); /* how much of a body comes before the "no" is the split's
				       matter */
	must(buf_put_u64(&t.text, (uint64_t)e << 8 | (uint64_t)eof << 1 | r.upgraded) == OK);
	http1_response_done(&r);
	*ret_text = t.text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, pieces, bytewise;

	if (size < 3)
		return 0;
	struct bytes stream = {data + 2, size - 2};
	follow(stream, stream.len, data[1], &whole);
	follow(stream, data[0] ? data[0] : 1, data[1], &pieces);
	follow(stream, 1, data[1], &bytewise);
	must(bytes_equal(buf_view(&whole), buf_view(&pieces)));
	must(bytes_equal(buf_view(&whole), buf_view(&bytewise)));
	buf_done(&whole);
	buf_done(&pieces);
	buf_done(&bytewise);
	return 0;
}
