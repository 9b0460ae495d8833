/* SPDX-License-Identifier: MIT
 *
 * account: what one user may ask of the collector: connections, bytes under way, bytes and records
 * a second. Whoever asks for more waits, or is told that the collector is busy; nobody else does.
 * Pure: the time is a parameter.
 */
#ifndef AIGW_DAEMON_ACCOUNT_H
#define AIGW_DAEMON_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCOUNT_CLIENTS_MAX      4096         /* connections of one user */
#define ACCOUNT_IN_FLIGHT_MAX    (128u << 20) /* bytes of records that are not whole yet */
#define ACCOUNT_BYTES_PER_S      (128u << 20) /* in the long run */
#define ACCOUNT_BYTES_BURST      (256u << 20)
#define ACCOUNT_MESSAGES_PER_S   50000u
#define ACCOUNT_MESSAGES_BURST   100000u
#define ACCOUNT_QUANTUM_BYTES    (512u << 10) /* in one turn, before it is the next user's */
#define ACCOUNT_QUANTUM_MESSAGES 64u

struct client;

struct account {
	uint32_t uid;
	size_t client_count;
	uint64_t in_flight_bytes;
	/* token buckets */
	uint64_t bytes_left, messages_left, filled_ns;
	/* the collector's: clients that have something to read, in turn; users in turn */
	struct client *first, *last;
	bool queued;
	struct account *next_queued;
	struct account *next; /* of its hash chain */
};

void account_init(struct account *a, uint32_t uid, uint64_t now_ns);

/* May it be served now? Fills the buckets up first. */
bool account_may(struct account *a, uint64_t now_ns);
/* When it may, if it may not now; in nanoseconds from now on. */
uint64_t account_wait_ns(const struct account *a);
/* A message was read. */
void account_charge(struct account *a, size_t bytes);
/* Is there room for `more` bytes of a record that is not whole yet? */
bool account_has_room(const struct account *a, size_t more);

#endif
