/* SPDX-License-Identifier: MIT
 *
 * sse: server-sent events (WHATWG HTML 9.2) from a byte stream in any split: \n, \r\n and \r end a
 * line, `data:` lines are joined by \n, comments are skipped, a leading byte-order mark is ignored.
 *
 * Pure. The event given out is a view into the parser's own buffer, valid until the next call. Its
 * bytes are as they came: whether they are UTF-8 is for the reader of the data to find out. An
 * event that the stream ends in is not given out, as the standard says.
 */
#ifndef AIGW_WIRE_SSE_H
#define AIGW_WIRE_SSE_H

#include "base/bytes.h"

/* One event's data, and a line of any other kind; beyond: ERR_LIMIT, following ends. */
#define SSE_EVENT_BYTES_MAX (4u << 20)

struct sse_event {
	struct bytes name; /* of `event:`; empty when there was none */
	struct bytes data;
};

/* Zero-initialised is ready. */
struct sse {
	struct buf line, data, name;
	bool skip_newline; /* the last line ended in \r: a following \n belongs to it */
	bool started, has_data, dispatch_pending, over_limit;
};

void sse_done(struct sse *s);

/* Consumes from the front of *in until one event is complete: OK and the event in *ret_event
 * (call again with what is left), ERR_MORE when *in is used up, ERR_LIMIT (from then on always),
 * ERR_NOMEM (may be called again with what is left of *in). */
MUST_USE enum err sse_next(struct sse *s, struct bytes *in, struct sse_event *ret_event);

#endif
