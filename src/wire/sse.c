/* SPDX-License-Identifier: MIT */
#include "wire/sse.h"

/* A line besides its data: the field's name, colon, space and a byte-order mark. Any line that is
 * longer ends the following, whatever it is, so that the answer is the same in every split. */
#define SSE_LINE_BYTES_MAX (SSE_EVENT_BYTES_MAX + 16)

/* How far one look for \n goes before \r is looked for: a stream of \r lines stays linear. */
#define WINDOW_BYTES 512

void sse_done(struct sse *s)
{
	buf_done(&s->line);
	buf_done(&s->data);
	buf_done(&s->name);
	*s = (struct sse){0};
}

/* The offset of the first \n or \r, or in.len. */
static size_t line_length(struct bytes in)
{
	for (size_t from = 0; from < in.len; from += WINDOW_BYTES) {
		struct bytes window = bytes_slice(in, from, WINDOW_BYTES);
		size_t feed = bytes_find_byte(window, '\n');
		window = bytes_slice(window, 0, feed);
		size_t carriage = bytes_find_byte(window, '\r');
		if (carriage != SIZE_MAX)
			return from + carriage;
		if (feed != SIZE_MAX)
			return from + feed;
	}
	return in.len;
}

/* One `data` line more. Nothing changes on failure. */
static enum err put_data(struct sse *s, struct bytes value)
{
	size_t separator = s->has_data ? 1 : 0;
	enum err e;

	if (value.len > SSE_EVENT_BYTES_MAX ||
	    s->data.len + separator > SSE_EVENT_BYTES_MAX - value.len)
		return ERR_LIMIT;
	e = buf_reserve(&s->data, value.len + separator);
	if (!e && separator)
		e = buf_put_u8(&s->data, '\n');
	if (!e)
		e = buf_put(&s->data, value);
	if (!e)
		s->has_data = true;
	return e;
}

static enum err put_name(struct sse *s, struct bytes value)
{
	enum err e = buf_reserve(&s->name, value.len);

	if (e)
		return e;
	buf_reset(&s->name); /* the last `event:` counts */
	return buf_put(&s->name, value);
}

/* A line that is not empty. `id`, `retry` and unknown fields do not concern a reader of bodies; a
 * comment is a field without a name. */
static enum err take_field(struct sse *s, struct bytes line)
{
	struct bytes field = bytes_cut(&line, ':');

	if (line.len && line.at[0] == ' ')
		line = bytes_from(line, 1);
	if (bytes_equal(field, BYTES("data")))
		return put_data(s, line);
	if (bytes_equal(field, BYTES("event")))
		return put_name(s, line);
	return OK;
}

static void forget_event(struct sse *s)
{
	buf_reset(&s->data);
	buf_reset(&s->name);
	s->has_data = false;
	s->dispatch_pending = false;
}

/* The next line, as far as it is in *in, and what it does to the event. Only a line that was
 * understood is consumed: after ERR_NOMEM the same call may be made again. */
static enum err take_line(struct sse *s, struct bytes *in)
{
	size_t len = line_length(*in), before = s->line.len;
	bool whole = len < in->len;
	struct bytes line = bytes_slice(*in, 0, len);
	enum err e = OK;

	if (len > SSE_LINE_BYTES_MAX - before)
		return ERR_LIMIT;
	if (!whole || before) {
		e = buf_put(&s->line, line);
		line = buf_view(&s->line);
	}
	if (!whole && !e)
		*in = BYTES_NONE;
	if (!whole || e)
		return e;
	if (!s->started && bytes_starts(line, BYTES("\xEF\xBB\xBF")))
		line = bytes_from(line, 3);
	if (line.len)
		e = take_field(s, line);
	else if (s->has_data)
		s->dispatch_pending = true;
	else
		forget_event(s); /* a name without data */
	if (e) {
		s->line.len = before;
		return e;
	}
	s->started = true;
	s->skip_newline = in->at[len] == '\r';
	buf_reset(&s->line);
	*in = bytes_from(*in, len + 1);
	return OK;
}

enum err sse_next(struct sse *s, struct bytes *in, struct sse_event *ret_event)
{
	if (s->over_limit)
		return ERR_LIMIT;
	if (s->dispatch_pending)
		forget_event(s);
	while (in->len) {
		if (s->skip_newline) {
			s->skip_newline = false;
			if (in->at[0] == '\n') {
				*in = bytes_from(*in, 1);
				continue;
			}
		}
		enum err e = take_line(s, in);
		if (e) {
			s->over_limit = e == ERR_LIMIT;
			return e;
		}
		if (s->dispatch_pending) {
			ret_event->name = buf_view(&s->name);
			ret_event->data = buf_view(&s->data);
			return OK;
		}
	}
	return ERR_MORE;
}
