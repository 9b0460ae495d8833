/* SPDX-License-Identifier: MIT
 *
 * collect: what programs and the collector (aigwd) say to each other, as structures whose sizes and
 * offsets the compiler checks. One message is one datagram of a SOCK_SEQPACKET socket: this head,
 * then `body_bytes` bytes. All numbers are little-endian, all fields naturally aligned.
 *
 * A program says at most once what it holds itself for (CLAIM), then sends its records one after
 * the other, each in parts (PART) or as sealed memory (MEMORY), and waits for the ANSWER to each
 * before it sends the next. What it says about itself counts for nothing: the kernel tells the
 * collector who sent which message. docs/audit-format.md, "The collector's socket".
 */
#ifndef AIGW_COLLECT_H
#define AIGW_COLLECT_H

#include <stddef.h>
#include <stdint.h>

#define COLLECT_SOCKET    "/run/aigw/collect.sock"
#define COLLECT_DIRECTORY "/var/log/aigw"
#define COLLECT_LOCK_FILE "collector.lock" /* in the directory: a collector writes it, or has */

#define COLLECT_MAGIC                                                                              \
	"\xA1"                                                                                     \
	"gwm"
#define COLLECT_VERSION 1

enum collect_type {
	COLLECT_CLAIM = 1,   /* body: the fields of a `start` record */
	COLLECT_PART = 2,    /* body: the record's bytes from `offset` on */
	COLLECT_MEMORY = 3,  /* no body: the record is in the sealed memfd that comes with it */
	COLLECT_ANSWER = 64, /* from the collector; no body, `kind` is an enum collect_status */
};

enum collect_status {
	COLLECT_KEPT = 0,   /* recorded, as durable as the policy asks for */
	COLLECT_FULL = 1,   /* no space */
	COLLECT_ACCESS = 2, /* the log cannot be written */
	COLLECT_IO = 3,
	COLLECT_BUSY = 4, /* this user has too much under way */
	COLLECT_LIMIT = 5,
	COLLECT_BAD = 6, /* not a record that a program may send */
};

struct collect_head {
	uint8_t magic[4];
	uint16_t version;
	uint16_t type;
	uint32_t number; /* of the record in its connection, chosen by the program */
	uint16_t kind;   /* of the record (src/audit/record.h), or a status */
	uint16_t zero;
	uint32_t total_bytes; /* of the record */
	uint32_t offset;      /* of the part in it */
	uint32_t body_bytes;
	uint32_t zero_too;
};

_Static_assert(sizeof(struct collect_head) == 32, "collect_head");
_Static_assert(offsetof(struct collect_head, number) == 8, "collect_head.number");
_Static_assert(offsetof(struct collect_head, total_bytes) == 16, "collect_head.total_bytes");
_Static_assert(offsetof(struct collect_head, body_bytes) == 24, "collect_head.body_bytes");

#endif
