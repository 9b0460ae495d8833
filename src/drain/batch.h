/* SPDX-License-Identifier: MIT
 *
 * batch: a batch of events as one message from the feeder to a sender, and the sender's answer
 * back. Both ends are ours, yet a sender talks to strangers: what it says is checked like anything
 * from outside. Pure. Little-endian:
 *
 *     message  u32 'AGB1', u32 bytes of all of it, then events to its end
 *     event    u32 bytes that follow, u64 time_ns, u8 kind, u8 flags (1 heartbeat, 2 refusal),
 *              u16 zero, then id, process, host, environment, application, provider, model, json,
 *              otlp, path: each u32 length, bytes
 *     answer   u32 'AGA1', u32 bytes of all of it, u8 result, u8[3] zero, u32 retry_after_ms,
 *              u32 events, u32 length of the text, text; SINK_PARTLY: a byte for each event
 */
#ifndef AIGW_DRAIN_BATCH_H
#define AIGW_DRAIN_BATCH_H

#include "drain/sink.h"

#define BATCH_EVENTS_MAX  65536
#define BATCH_MESSAGE_MAX (DRAIN_BATCH_BYTES_MAX + DRAIN_EVENT_BYTES_MAX + (64u << 20))
#define BATCH_ANSWER_MAX  (BATCH_EVENTS_MAX + SINK_ANSWER_MAX + 64)

/* Begins a message in *out, which is emptied; the length in front is filled by batch_end. An event
 * that fails leaves *out as it was. ERR_LIMIT: more than BATCH_MESSAGE_MAX; ERR_NOMEM. At most
 * BATCH_EVENTS_MAX events, which the caller counts. */
MUST_USE enum err batch_begin(struct buf *out);
MUST_USE enum err batch_put(struct buf *out, const struct sink_event *event);
void batch_end(struct buf *out);

/* The bytes of the message or answer that begins with these 8 bytes, the 8 included. ERR_BAD,
 * ERR_LIMIT. */
#define BATCH_HEAD_BYTES 8
MUST_USE enum err batch_length(const uint8_t head[BATCH_HEAD_BYTES], size_t *ret_bytes);
/* The events of a whole message, at least one: views of it. *ret_events is the caller's (free).
 * ERR_BAD, ERR_LIMIT, ERR_NOMEM. */
MUST_USE enum err batch_parse(struct bytes message, struct sink_event **ret_events,
			      size_t *ret_count);

/* The same for an answer about `count` events: *out is emptied and holds all of it, length and
 * all. */
MUST_USE enum err batch_put_answer(struct buf *out, const struct sink_answer *answer, size_t count);
/* ret_answer->results is room for `count`; each gets its own result, or that of all. ERR_BAD: also
 * when it answers for another number of events. */
MUST_USE enum err batch_parse_answer(struct bytes message, size_t count,
				     struct sink_answer *ret_answer);

#endif
