/* SPDX-License-Identifier: MIT
 *
 * message: the messages between programs and the collector (include/aigw/collect.h), read and
 * made, and records put together from their parts. Pure: sockets are the roofs' business.
 * Every byte that is read here is hostile.
 */
#ifndef AIGW_AUDIT_MESSAGE_H
#define AIGW_AUDIT_MESSAGE_H

#include "aigw/collect.h"
#include "audit/segment.h"

#define MESSAGE_BODY_MAX  (64u << 10) /* one part */
#define MESSAGE_BYTES_MAX (sizeof(struct collect_head) + MESSAGE_BODY_MAX)
#define MESSAGE_CLAIM_MAX (48u << 10)
/* What the collector adds about the sender must fit into the record too. */
#define MESSAGE_FACTS_MAX  (64u << 10)
#define MESSAGE_RECORD_MAX (SEGMENT_RECORD_MAX - MESSAGE_FACTS_MAX)

struct message {
	enum collect_type type;
	uint32_t number;
	unsigned kind;                /* ANSWER: an enum collect_status */
	uint32_t total_bytes, offset; /* PART, MEMORY */
	struct bytes body;            /* borrowed from the datagram */
};

/* One datagram, from a program or (ANSWER) from the collector. ERR_BAD; ERR_LIMIT: larger than a
 * message or a record can be; ERR_UNSUPPORTED: another version, or a type that this one does not
 * know. A PART has at least one byte, unless its record is empty, and lies within it. */
MUST_USE enum err message_parse(struct bytes datagram, struct message *ret_message);

/* The head of a message; the body follows it in the datagram. */
void message_make(const struct message *m, struct collect_head *ret_head);

/* May a program send records of this kind? Those that tell of changes to the log itself may be sent
 * only by who `manages` it: root, and the user that the collector runs as. That somebody reads it
 * anybody may say, of himself. */
bool message_may_send(unsigned kind, bool manages);

/* The status for an error of segment_append, and back. KEPT is OK. */
enum collect_status message_status(enum err e);
enum err message_error(unsigned status);

/* A record on its way. Zero-initialised is idle. */
struct assembly {
	bool active;
	bool dropped; /* its bytes are passed over: there was no room for them */
	uint32_t number, total_bytes, got_bytes;
	unsigned kind;
	struct buf bytes;
};

/* Takes a PART in. OK: the record is whole (a->bytes, unless dropped; then call assembly_done);
 * ERR_MORE: parts are missing; ERR_BAD: not the part that comes next, nothing was taken. Without
 * memory the record is passed over from there on (`dropped`). `drop`: pass it over from the start.
 */
MUST_USE enum err assembly_feed(struct assembly *a, const struct message *part, bool drop);
/* Idle again. Memory is given back. */
void assembly_done(struct assembly *a);

#endif
