/* SPDX-License-Identifier: MIT
 *
 * status: how a sink is doing: DIR/NAME.status, one JSON object, written by its feeder (and by the
 * keeper when there can be none), read by the keeper (metrics, health) and by `aigw drain status`.
 * Never the content of an event.
 */
#ifndef AIGW_DRAIN_STATUS_H
#define AIGW_DRAIN_STATUS_H

#include "base/bytes.h"

#define STATUS_SUFFIX    ".status"
#define STATUS_BYTES_MAX 8192
#define STATUS_NAME_MAX  65
#define STATUS_TYPE_MAX  16
#define STATUS_TEXT_MAX  401
#define STATUS_IDLE_NS   5000000000u  /* written at least that often */
#define STATUS_STALE_NS  20000000000u /* not written for so long: its feeder is not well */

/* FIELD(C type, member, "key") */
#define STATUS_NUMBERS(FIELD)                                                                      \
	FIELD(pid, "pid")                                                                          \
	FIELD(updated_ns, "updated_unix_nano")                                                     \
	FIELD(started_ns, "started_unix_nano")                                                     \
	FIELD(delivered, "delivered")            /* events acknowledged, since the feeder began */ \
	FIELD(filtered, "filtered")              /* events that the sink's filter left out */      \
	FIELD(heartbeats, "heartbeats")          /* delivered */                                   \
	FIELD(batches, "batches")                /* acknowledged */                                \
	FIELD(bytes, "bytes")                    /* of the events acknowledged */                  \
	FIELD(duplicates, "duplicates_possible") /* events sent again that may have arrived */     \
	FIELD(retries, "retries")                /* batches sent again */                          \
	FIELD(refused, "refused")                /* permanent refusals of single events */         \
	FIELD(restarts, "sender_restarts")       /* senders that died, or did not answer */        \
	FIELD(dead, "dead_letters")              /* in the file now */                             \
	FIELD(damaged, "damaged")                /* records of the log that cannot be read */      \
	FIELD(queued, "queued")                  /* events in memory, those under way included */  \
	FIELD(under_way, "under_way")                                                              \
	FIELD(oldest_ns, "oldest_undelivered_unix_nano") /* 0: everything is delivered */          \
	FIELD(success_ns, "last_success_unix_nano")                                                \
	FIELD(failure_ns, "last_failure_unix_nano")                                                \
	FIELD(failing_since_ns, "failing_since_unix_nano") /* 0: the last try was fine */          \
	FIELD(max_lag_s, "max_lag_seconds")                                                        \
	FIELD(lanes, "lanes")                                                                      \
	FIELD(lanes_down, "lanes_down")

struct drain_status {
#define FIELD(member, key) uint64_t member;
	STATUS_NUMBERS(FIELD)
#undef FIELD
	char sink[STATUS_NAME_MAX], type[STATUS_TYPE_MAX];
	char answer[STATUS_TEXT_MAX];  /* the last one, good or bad */
	char failure[STATUS_TEXT_MAX]; /* the last bad one */
	char problem[STATUS_TEXT_MAX]; /* why it does not run at all, or cannot go on */
	bool required, wrong;          /* wrong: the configuration cannot work as it is */
};

/* Appends the object and a line end. */
MUST_USE enum err status_put(struct buf *out, const struct drain_status *s);
/* ERR_BAD, ERR_LIMIT. Keys that are not known are passed over. Pure. */
MUST_USE enum err status_parse(struct bytes text, struct drain_status *ret_status);

/* Do both say the same? */
bool status_is_same(const struct drain_status *a, const struct drain_status *b);

/* Puts `text` into a status, cut at a character. */
void status_text(char ret_text[STATUS_TEXT_MAX], struct bytes text);

/* Seconds that the oldest undelivered event is old. */
uint64_t status_age_s(const struct drain_status *s, uint64_t now_ns);

/* What is not well, for people, or NULL. */
const char *status_trouble(const struct drain_status *s, uint64_t now_ns);

/* The file of that path. Written at once, not to the disk: it says how things are now. */
MUST_USE enum err status_save(const char *path, const struct drain_status *s);
MUST_USE enum err status_load(const char *path, struct drain_status *ret_status);

#endif
