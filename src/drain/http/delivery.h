/* SPDX-License-Identifier: MIT
 *
 * delivery: a batch that goes out in several requests: which event is where, what became of each,
 * and the one answer to all of it. Pure.
 */
#ifndef AIGW_DRAIN_HTTP_DELIVERY_H
#define AIGW_DRAIN_HTTP_DELIVERY_H

#include "drain/sink.h"

struct delivery {
	size_t count, done; /* of events; what is behind `done` was not sent */
	bool is_stopped;    /* the receiver is not to be asked again now */
	struct sink_answer *answer;
};

/* answer->results is room for `count`; every event begins as SINK_RETRY. */
void delivery_begin(struct delivery *d, struct sink_answer *answer, size_t count);

/* The next `count` events have the same result, whose reason *said gives (not its results). Any but
 * SINK_DELIVERED and SINK_REFUSED stops the delivery. */
void delivery_note(struct delivery *d, size_t count, const struct sink_answer *said);
/* The next `count` events have results of their own; one that is to be sent again stops it. */
void delivery_note_each(struct delivery *d, size_t count, const uint8_t *results,
			const struct sink_answer *said);

/* The batch's answer: one result when all have it. A result that only the configuration can better
 * is SINK_WRONG when it kept everything from being sent, else that of the rest is SINK_RETRY. */
void delivery_end(struct delivery *d);

#endif
