/* SPDX-License-Identifier: MIT */
#include "wire/sse.h"

#include <stdlib.h>

#include "tap.h"

static void put_event(struct buf *events, const struct sse_event *event)
{
	CHECK_ERR(buf_put(events, event->name), OK);
	CHECK_ERR(buf_put_u8(events, '|'), OK);
	CHECK_ERR(buf_put(events, event->data), OK);
	CHECK_ERR(buf_put_u8(events, ';'), OK);
}

/* One call whose input is gone before the event is looked at. */
static enum err next_of_copy(struct sse *s, struct bytes *piece, struct sse_event *ret_event)
{
	uint8_t *copy = malloc(piece->len);
	struct bytes in = {copy, piece->len};

	memcpy(copy, piece->at, piece->len);
	enum err e = sse_next(s, &in, ret_event);
	CHECK(e == ERR_MORE ? in.len == 0 : in.len < piece->len);
	*piece = bytes_from(*piece, piece->len - in.len);
	free(copy);
	return e;
}

/* Feeds `stream` in pieces of `step` bytes and writes down every event as "name|data;". */
static void follow(struct bytes stream, size_t step, struct buf *ret_events)
{
	struct sse s = {0};
	struct sse_event event;

	for (size_t at = 0; at < stream.len; at += step) {
		struct bytes piece = bytes_slice(stream, at, step);
		while (piece.len) {
			enum err e = next_of_copy(&s, &piece, &event);
			if (!e)
				put_event(ret_events, &event);
			else
				CHECK_ERR(e, ERR_MORE);
		}
	}
	sse_done(&s);
}

static void check_events(struct bytes stream, const char *expected)
{
	for (size_t step = 1; step <= stream.len + 1; step++) {
		struct buf events = {0};
		follow(stream, step, &events);
		if (!bytes_equal(buf_view(&events), bytes_str(expected)))
			tap_fail(__FILE__, __LINE__, "in steps of %zu: \"%.*s\", expected \"%s\"",
				 step, (int)events.len, (const char *)events.at, expected);
		buf_done(&events);
	}
}

static const struct {
	const char *stream, *events;
} cases[] = {
	{"data: a\n\n", "|a;"},
	{"data:a\n\n", "|a;"},
	{"data:  a\n\n", "| a;"}, /* one space belongs to the colon */
	{"data:\ta\n\n", "|\ta;"},
	{"data: a\n\ndata: b\n\n", "|a;|b;"},
	{"data: a\ndata: b\n\n", "|a\nb;"},
	{"data\n\n", "|;"}, /* no colon: the whole line is the name, the value is empty */
	{"data:\n\n", "|;"},
	{"data:\ndata:\n\n", "|\n;"},
	{"data\ndata\ndata:x\n\n", "|\n\nx;"},
	{"event: message_start\ndata: {}\n\n", "message_start|{};"},
	{"data: {}\nevent: late\n\n", "late|{};"},
	{"event: one\nevent: two\ndata: x\n\n", "two|x;"}, /* the last one counts */
	{"event: one\nevent\ndata: x\n\n", "|x;"},
	{"event: one\n\ndata: x\n\n", "|x;"}, /* no data, no event; the name is gone with it */
	{"event: one\ndata: x\n\ndata: y\n\n", "one|x;|y;"}, /* a name is for one event */
	{": comment\n\n: another\ndata: x\n:\n\n", "|x;"},
	{":data: no\n\n", ""},
	{"id: 7\nretry: 10\ndata: x\n\n", "|x;"},
	{"Data: x\ndatax: y\nxdata: z\n data: w\n\n", ""},
	{"data : x\n\n", ""},
	{"\n\n\n\ndata: x\n\n\n\n", "|x;"},
	{"data: x", ""}, /* the stream ended in the event: it is not given out */
	{"data: x\n", ""},
	{"data: [DONE]\n\n", "|[DONE];"},
	{"data: a: b: c\n\n", "|a: b: c;"},
	{"\xEF\xBB\xBF"
	 "data: x\n\n",
	 "|x;"},
	{"\xEF\xBB\xBF\n"
	 "data: x\n\n",
	 "|x;"},
	{"\xEF\xBB\xBF\xEF\xBB\xBF"
	 "data: x\n\n",
	 ""}, /* only one is ignored */
	{"\n\xEF\xBB\xBF"
	 "data: x\n\n",
	 ""}, /* and only at the very beginning */
	{"\xEF\xBB"
	 "data: x\n\n",
	 ""},
	{"data: \xE2\x82\xAC\xFF\n\n", "|\xE2\x82\xAC\xFF;"}, /* bytes as they came */
	{"", ""},
};

static void events_are_the_same_in_every_split(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		check_events(bytes_str(cases[i].stream), cases[i].events);
}

/* The stream with each of its line feeds replaced by `ending`. */
static struct buf with_ending(const char *stream, const char *ending)
{
	struct buf b = {0};

	for (; *stream; stream++)
		CHECK_ERR(*stream == '\n' ? buf_put_str(&b, ending)
					  : buf_put_u8(&b, (uint8_t)*stream),
			  OK);
	return b;
}

static void every_line_ending_means_the_same_in_every_split(void)
{
	static const char *const endings[] = {"\r\n", "\r"};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t k = 0; k < 2; k++) {
			struct buf stream = with_ending(cases[i].stream, endings[k]);
			check_events(buf_view(&stream), cases[i].events);
			buf_done(&stream);
		}
	}
	check_events(BYTES("data: a\r\rdata: b\n\ndata: c\r\n\r\ndata: d\r\n\rdata: e\n\r"),
		     "|a;|b;|c;|d;|e;");
	check_events(BYTES("data: a\n\r\ndata: b\r\n\n"), "|a;|b;");
	check_events(BYTES("data: a\r\ndata: b\rdata: c\ndata: d\r\n\r"), "|a\nb\nc\nd;");
	check_events(BYTES("\r\ndata: \n\r\n"), "|;");
}

static void a_nul_is_a_byte_like_any_other(void)
{
	struct sse s = {0};
	struct sse_event event;
	struct bytes in = BYTES("data: a\0b\n\n");

	CHECK_ERR(sse_next(&s, &in, &event), OK);
	CHECK(bytes_equal(event.data, BYTES("a\0b")));
	sse_done(&s);
}

static void an_event_is_complete_with_the_first_byte_of_its_line_ending(void)
{
	struct sse s = {0};
	struct sse_event event;
	struct bytes in = tap_guarded(BYTES("data: a\r\n\r"));

	CHECK_ERR(sse_next(&s, &in, &event), OK);
	CHECK_BYTES(event.data, "a");
	CHECK_U64(in.len, 0);
	in = tap_guarded(BYTES("\n"));
	CHECK_ERR(sse_next(&s, &in, &event), ERR_MORE);
	in = tap_guarded(BYTES("data: b\n\nrest"));
	CHECK_ERR(sse_next(&s, &in, &event), OK);
	CHECK_BYTES(event.data, "b");
	CHECK_BYTES(in, "rest");
	CHECK_ERR(sse_next(&s, &in, &event), ERR_MORE);
	CHECK_ERR(sse_next(&s, &in, &event), ERR_MORE); /* nothing more to read: nothing happens */
	sse_done(&s);
	in = BYTES("data: new\n\n"); /* ready for another stream */
	CHECK_ERR(sse_next(&s, &in, &event), OK);
	CHECK_BYTES(event.data, "new");
	sse_done(&s);
}

static void nothing_is_written_where_there_is_no_event(void)
{
	struct sse s = {0};
	struct sse_event event = {BYTES("as"), BYTES("before")};
	struct bytes in = BYTES("event: x\ndata: y\n");

	CHECK_ERR(sse_next(&s, &in, &event), ERR_MORE);
	CHECK_BYTES(event.name, "as");
	CHECK_BYTES(event.data, "before");
	sse_done(&s);
}

/* `head`, then `count` times 'x', then `tail`. */
static struct buf filled(const char *head, size_t count, const char *tail)
{
	struct buf b = {0};

	CHECK_ERR(buf_reserve(&b, count + strlen(head) + strlen(tail)), OK);
	CHECK_ERR(buf_put_str(&b, head), OK);
	memset(b.at + b.len, 'x', count);
	b.len += count;
	CHECK_ERR(buf_put_str(&b, tail), OK);
	return b;
}

/* The answer to a stream's first event, in pieces of `step`; checks that ERR_LIMIT stays. */
static enum err first_answer(const struct buf *stream, size_t step, size_t *ret_data_len)
{
	struct sse s = {0};
	struct sse_event event = {0};
	enum err e = ERR_MORE;

	for (size_t at = 0; at < stream->len && e == ERR_MORE; at += step) {
		struct bytes in = bytes_slice(buf_view(stream), at, step);
		e = sse_next(&s, &in, &event);
	}
	*ret_data_len = event.data.len;
	struct bytes more = BYTES("\n\ndata: x\n\n");
	if (e == ERR_LIMIT)
		CHECK_ERR(sse_next(&s, &more, &event), ERR_LIMIT);
	sse_done(&s);
	return e;
}

static void an_event_may_be_as_long_as_the_limit(void)
{
	static const size_t steps[] = {SIZE_MAX / 2, 100003, 4096, 7};
	static const struct {
		const char *head;
		size_t count;
		const char *tail;
		enum err expected;
		size_t data_len;
	} limits[] = {
		{"data: ", SSE_EVENT_BYTES_MAX, "\n\n", OK, SSE_EVENT_BYTES_MAX},
		{"data: ", SSE_EVENT_BYTES_MAX + 1, "\n\n", ERR_LIMIT, 0},
		{"\xEF\xBB\xBF"
		 "data: ",
		 SSE_EVENT_BYTES_MAX, "\r\n\r\n", OK, SSE_EVENT_BYTES_MAX},
		/* the \n that joins two lines counts */
		{"data: a\ndata: ", SSE_EVENT_BYTES_MAX - 2, "\n\n", OK, SSE_EVENT_BYTES_MAX},
		{"data: a\ndata: ", SSE_EVENT_BYTES_MAX - 1, "\n\n", ERR_LIMIT, 0},
		{"data: ", SSE_EVENT_BYTES_MAX - 1, "\ndata\n\n", OK, SSE_EVENT_BYTES_MAX},
		{"data: ", SSE_EVENT_BYTES_MAX, "\ndata\n\n", ERR_LIMIT, 0},
		/* a line that is not data, and one that never ends: 16 bytes more than data */
		{":", SSE_EVENT_BYTES_MAX + 15, "\ndata: y\n\n", OK, 1},
		{":", SSE_EVENT_BYTES_MAX + 16, "\ndata: y\n\n", ERR_LIMIT, 0},
		{"", SSE_EVENT_BYTES_MAX + 16, "", ERR_MORE, 0},
		{"", SSE_EVENT_BYTES_MAX + 17, "", ERR_LIMIT, 0},
	};

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		struct buf stream = filled(limits[i].head, limits[i].count, limits[i].tail);
		for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
			size_t len = 0;
			enum err e = first_answer(&stream, steps[k], &len);
			if (e != limits[i].expected || (!e && len != limits[i].data_len))
				tap_fail(__FILE__, __LINE__, "case %zu in steps of %zu: %s, %zu", i,
					 steps[k], err_name(e), len);
		}
		buf_done(&stream);
	}
}

/* Streams with each allocation failing in turn: the failed call is made again and nothing is lost.
 */
static void a_failed_allocation_loses_nothing(void)
{
	struct buf stream = filled("event: ", 300, "\ndata: ");
	struct buf line = filled("", 700, "\ndata:");
	static const size_t steps[] = {1, 64, 5000};

	for (int i = 0; i < 3; i++)
		CHECK_ERR(buf_put(&stream, buf_view(&line)), OK);
	CHECK_ERR(buf_put_str(&stream, "end\n\n"), OK);
	for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
		for (unsigned long n = 1;; n++) {
			struct sse s = {0};
			struct sse_event event = {0};
			enum err e = ERR_MORE;
			unsigned failures = 0;
			tap_fail_allocation(n);
			for (size_t at = 0; at < stream.len; at += steps[k]) {
				struct bytes in = bytes_slice(buf_view(&stream), at, steps[k]);
				e = sse_next(&s, &in, &event);
				if (e == ERR_NOMEM) {
					failures++;
					e = sse_next(&s, &in, &event);
				}
			}
			tap_fail_allocation(0);
			CHECK_ERR(e, OK);
			CHECK_U64(event.name.len, 300);
			CHECK_U64(event.data.len, 3 * 701 + 3);
			sse_done(&s);
			if (!failures) {
				CHECK(n > 3);
				break;
			}
		}
	}
	buf_done(&line);
	buf_done(&stream);
}

static void a_whole_event_is_not_copied_line_by_line(void)
{
	struct sse s = {0};
	struct sse_event event;
	struct bytes in = BYTES("data: a\n\n");

	CHECK_ERR(sse_next(&s, &in, &event), OK);
	CHECK_U64(s.line.cap, 0);
	tap_allocations();
	for (int i = 0; i < 100; i++) { /* the memory of the first event serves the next ones */
		in = BYTES("data: b\n\n");
		CHECK_ERR(sse_next(&s, &in, &event), OK);
	}
	CHECK_U64(tap_allocations(), 0);
	sse_done(&s);
}

int main(void)
{
	RUN_TESTS(TEST(events_are_the_same_in_every_split),
		  TEST(every_line_ending_means_the_same_in_every_split),
		  TEST(a_nul_is_a_byte_like_any_other),
		  TEST(an_event_is_complete_with_the_first_byte_of_its_line_ending),
		  TEST(nothing_is_written_where_there_is_no_event),
		  TEST(an_event_may_be_as_long_as_the_limit),
		  TEST(a_failed_allocation_loses_nothing),
		  TEST(a_whole_event_is_not_copied_line_by_line));
}
