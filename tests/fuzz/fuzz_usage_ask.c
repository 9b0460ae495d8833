/* SPDX-License-Identifier: MIT
 *
 * Input: a byte, then any text. As an answer: taken in pieces (of the byte's size) or at once, what
 * comes out is the same once its framing is taken off, no longer than the input but for chunk
 * lines, and whole after the end. As a request: with the question in it, it is a request that
 * differs by nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "llm/usage_ask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* ---- the answer ---- */

static enum err head(void *context, const struct http1_response *r)
{
	return buf_put(context, buf_view(&r->head));
}

static enum err body(void *context, struct bytes piece)
{
	return buf_put(context, piece);
}

static enum err end(void *context, const struct http1_response *r)
{
	return buf_put_u8(context, '\0');
}

static bool bodiless(void *context)
{
	return false;
}

/* All heads and bodies one behind the other. */
static void decode(struct bytes text, struct buf *out)
{
	struct http1_response r;
	const struct http1_listener listener = {head, body, end, bodiless, out};

	http1_response_init(&r, &listener);
	(void)!http1_response_feed(&r, text);
	http1_response_done(&r);
}

static bool drop(struct bytes answer, size_t piece, struct buf *out)
{
	static struct usage_drop d;
	bool dropped;

	usage_drop_begin(&d);
	for (size_t at = 0; at < answer.len; at += piece)
		must(usage_drop_feed(&d, bytes_slice(answer, at, piece), out) == OK);
	must(usage_drop_end(&d, out) == OK);
	must(d.mode == DROP_OFF);
	dropped = d.dropped;
	usage_drop_done(&d);
	return dropped;
}

static void check_answer(struct bytes answer, size_t piece)
{
	struct buf once = {0}, pieces = {0}, a = {0}, b = {0}, c = {0};
	bool dropped = drop(answer, answer.len ? answer.len : 1, &once);

	must(drop(answer, piece, &pieces) == dropped);
	decode(buf_view(&once), &a);
	decode(buf_view(&pieces), &b);
	decode(answer, &c);
	must(bytes_equal(buf_view(&a), buf_view(&b)));
	must(dropped ? a.len <= c.len : bytes_equal(buf_view(&a), buf_view(&c)));
	buf_done(&once);
	buf_done(&pieces);
	buf_done(&a);
	buf_done(&b);
	buf_done(&c);
}

/* ---- the request ---- */

static void check_request(struct bytes text)
{
	static struct http1_request before, after;
	struct buf out = {0};
	size_t used;

	http1_request_init(&before, 1u << 20);
	http1_request_init(&after, 1u << 21);
	if (http1_request_feed(&before, text, &used) == OK &&
	    usage_ask_splice(&before, http1_request_body(&before), &out) == OK) {
		must(http1_request_feed(&after, buf_view(&out), &used) == OK && used == out.len);
		struct bytes was = http1_request_body(&before), is = http1_request_body(&after);
		must(after.field_count == before.field_count && is.len > was.len);
		must(is.len - was.len <= sizeof "\"stream_options\":{\"include_usage\":true}," - 1);
		must(bytes_find(is, BYTES("\"include_usage\":true")) != SIZE_MAX);
		/* asked once, it is not asked again */
		must(usage_ask_splice(&after, http1_request_body(&after), &out) == ERR_UNSUPPORTED);
	}
	http1_request_done(&before);
	http1_request_done(&after);
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = bytes_of(data, size);

	if (size == 0)
		return 0;
	check_answer(bytes_from(text, 1), (size_t)data[0] + 1);
	check_request(bytes_from(text, 1));
	return 0;
}
