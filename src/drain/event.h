/* SPDX-License-Identifier: MIT
 *
 * event: an item of the log as what one sink gets of it: whether its filter lets it through, which
 * of its fields, and how large. Each event's JSON begins with `event_id`, which is the same however
 * often it is sent: receivers know by it what they have. Pure.
 */
#ifndef AIGW_DRAIN_EVENT_H
#define AIGW_DRAIN_EVENT_H

#include "drain/line.h"
#include "drain/source.h"
#include "report/entry.h"

/* Does the sink want it? `kind` counts for the filter as the entry's does. */
bool event_passes(const struct drain_filter *filter, const struct log_entry *entry);

/* Does the sink get headers and payloads (unless they are too large)? */
bool event_wants_payloads(const struct drain *config);

/* Appends the members of the JSON object `json` that a path of `chosen` names, and what is below
 * them; `event_id`, `id`, `type` and `time` always. ERR_BAD: not a JSON object; ERR_NOMEM. */
MUST_USE enum err event_choose(struct buf *out, struct bytes json, const struct bytes *chosen,
			       size_t chosen_count);

/* Whatever is needed again and again. */
struct event_maker {
	const struct drain *config;
	struct buf json, chosen, otlp;
};

/* The event of an item whose payloads were loaded when `has_payloads`; `left_out`: it has some, and
 * they were too large to load. ERR_NOMEM, ERR_LIMIT. */
MUST_USE enum err event_make(struct event_maker *m, const struct source_item *item,
			     bool has_payloads, bool left_out, struct line_event **ret_event);

/* A sign of life for the sink. */
struct event_pulse {
	struct bytes host;
	uint64_t time_ns;
	uint64_t delivered, oldest_s;
};
MUST_USE enum err event_make_pulse(struct event_maker *m, const struct event_pulse *pulse,
				   struct line_event **ret_event);
void event_maker_done(struct event_maker *m);

#endif
