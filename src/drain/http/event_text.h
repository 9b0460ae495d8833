/* SPDX-License-Identifier: MIT
 *
 * event_text: what the presets make of one event's JSON (as `aigw show --json` has it, on one
 * line): members in front of the others, the event without what was said, single values of it,
 * times and a line for people. Pure.
 *
 * The JSON is our own, yet what stands in it was written by strangers: it is scanned like any text.
 */
#ifndef AIGW_DRAIN_HTTP_EVENT_TEXT_H
#define AIGW_DRAIN_HTTP_EVENT_TEXT_H

#include "drain/sink.h"

/* "2026-11-24T00:12:03.123456Z", without quotes. */
MUST_USE enum err event_put_time(struct buf *out, uint64_t time_ns);

/* The event's object with `members` ("\"dt\":1,\"message\":\"x\"", without a comma at the end) in
 * front. A text that is no object becomes the member "event". */
MUST_USE enum err event_put_with(struct buf *out, const struct buf *members, struct bytes json);

/* "exchange", "gap", "heartbeat"... */
const char *event_kind(const struct sink_event *event);

/* A JSON string for people: "exchange with openai gpt-5, refused". */
MUST_USE enum err event_put_message(struct buf *out, const struct sink_event *event);

/* Appends `json` with nothing of its "request" and "response" but their lengths; `is_omitted`: with
 * "payload_omitted": true at the end, as the feeder marks an event that it has left them out of.
 * ERR_BAD: no JSON object; ERR_NOMEM. */
MUST_USE enum err event_put_stripped(struct buf *out, struct bytes json, bool is_omitted);

/* A value in one of the event's objects, {"gen_ai":{"request.model":...}}; group "": at the top. */
struct event_part {
	const char *group, *name;
	struct bytes raw; /* the value's bytes; of a string with its quotes */
	bool found, is_string, is_number;
};

/* Fills the values of all parts in one pass; of names that come twice the last one counts. ERR_BAD:
 * no JSON object. */
MUST_USE enum err event_find_parts(struct bytes json, struct event_part *parts, size_t count);

/* Appends what a part's string says, without quotes and escapes. ERR_MISSING: no string. */
MUST_USE enum err event_put_unquoted(struct buf *out, const struct event_part *part);
/* A part that is a whole number. */
bool event_part_u64(const struct event_part *part, uint64_t *ret_value);

#endif
