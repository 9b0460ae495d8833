/* SPDX-License-Identifier: MIT
 *
 * batch: a batch of events as one message from the feeder to a sender, and the sender's answer
 * back. Both ends are ours, yet a sender talks to strangers: what it says is checked like anything
 * from outside. Little-endian, length-prefixed. Pure.
 */
#ifndef AIGW_DRAIN_BATCH_H
#define AIGW_DRAIN_BATCH_H

#include "drain/sink.h"

#define BATCH_EVENTS_MAX  65536
#define BATCH_MESSAGE_MAX (DRAIN_BATCH_BYTES_MAX + DRAIN_EVENT_BYTES_MAX + (64u << 20))
#define BATCH_ANSWER_MAX  (BATCH_EVENTS_MAX + SINK_ANSWER_MAX + 64)

/* Begins a message in *out; the length in front is filled by batch_end. */
MUST_USE enum err batch_begin(struct buf *out);
MUST_USE enum err batch_put(struct buf *out, const struct sink_event *event);
void batch_end(struct buf *out);

/* The bytes of the message that begins with these 8 bytes, the 8 included. ERR_LIMIT. */
#define BATCH_HEAD_BYTES 8
MUST_USE enum err batch_length(const uint8_t head[BATCH_HEAD_BYTES], size_t *ret_bytes);
/* The events of a whole message: views of it. *ret_events is the caller's (free). ERR_BAD,
 * ERR_LIMIT, ERR_NOMEM. */
MUST_USE enum err batch_parse(struct bytes message, struct sink_event **ret_events,
			      size_t *ret_count);

/* The same for an answer about `count` events; *answer->results is room for that many. */
MUST_USE enum err batch_put_answer(struct buf *out, const struct sink_answer *answer, size_t count);
MUST_USE enum err batch_parse_answer(struct bytes message, size_t count,
				     struct sink_answer *ret_answer);

#endif
