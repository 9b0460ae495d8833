/* SPDX-License-Identifier: MIT
 *
 * line: the events that wait for one sender, in order, and what is to be done after each answer:
 * which are off, which are sent again and when, how a batch that was refused is halved until the
 * event is found that is the reason. Pure: time and chance are parameters.
 *
 * A line is in order: what is sent is always its beginning, so events of one process, which are all
 * in one line, never overtake each other, however often they are tried.
 */
#ifndef AIGW_DRAIN_LINE_H
#define AIGW_DRAIN_LINE_H

#include "drain/sink.h"

#define LINE_RETRY_AFTER_MAX_MS 3600000u /* a receiver's wish counts up to that */

struct line_event {
	struct line_event *next;
	struct sink_event event; /* views of `memory` */
	size_t bytes;            /* what counts for a batch's bytes */
	uint64_t queued_ns;      /* monotonic */
	uint32_t refusals;       /* permanent ones, of this event alone */
	bool tried;              /* went out before: it may have arrived */
	/* the feeder's: */
	bool is_replay;
	uint64_t ticket;        /* of its item in the source; 0: none */
	uint8_t segment_id[16]; /* where it stands in the log */
	uint64_t sequence, offset;
	uint64_t ready_ns; /* wall clock: since when it could have been delivered */
	uint8_t memory[];  /* of its texts */
};

struct line_rules {
	uint32_t batch_events, batch_bytes, batch_wait_ms;
	uint32_t retry_first_ms, retry_max_ms;
	uint32_t dead_letter_after; /* 0: never */
};

struct line {
	struct line_event *first, *last;
	size_t count, bytes;
	size_t under_way;  /* events of the batch that is out, the first ones; 0: none */
	size_t limit;      /* events of the next batch; 0: as the rules say */
	uint32_t failures; /* in a row */
	uint64_t pause_until_ns;
};

enum line_end { LINE_DELIVERED, LINE_DEAD };

struct line_tally {                             /* of one answer */
	size_t delivered, dead, refused, again; /* again: events that will be sent once more */
	bool progressed;
};

/* A copy of an event in one piece of memory, or NULL. free() it. */
struct line_event *line_event_new(const struct sink_event *event);

/* How long to wait before the next try after `failures` (from 1) in a row: anything up to a bound
 * that doubles from first_ms to max_ms ("full jitter"), but no less than the receiver asked for. */
uint64_t line_pause_ms(const struct line_rules *rules, uint32_t failures, uint32_t retry_after_ms,
		       uint64_t chance);

/* Takes the event over. */
void line_put(struct line *l, struct line_event *event);

/* When the next batch is due: 0 now, UINT64_MAX not before something else happens. `flushing`:
 * nothing more comes, so there is nothing to wait for. */
uint64_t line_due(const struct line *l, const struct line_rules *rules, bool flushing);

/* The first events that make the next batch: how many, at least one when there are any. They are
 * under way from now on. */
size_t line_take(struct line *l, const struct line_rules *rules);

/* What the answer means for the events under way. `answer` with results for each of them when
 * SINK_PARTLY. Those that are off leave the line: `on_end` gets them and owns them. */
struct line_tally line_answer(struct line *l, const struct line_rules *rules,
			      const struct sink_answer *answer, uint64_t now_ns, uint64_t chance,
			      void (*on_end)(void *context, struct line_event *event,
					     enum line_end how),
			      void *context);

/* Frees what waits. */
void line_done(struct line *l);

#endif
