/* SPDX-License-Identifier: MIT
 *
 * client: one connection to the collector: a datagram with its sender's credentials and
 * descriptors is taken off the socket, checked, and put to what came before it. What to do with a
 * whole record is the caller's business.
 */
#ifndef AIGW_DAEMON_CLIENT_H
#define AIGW_DAEMON_CLIENT_H

#include "audit/message.h"
#include "daemon/account.h"
#include "daemon/sender.h"

struct client {
	int fd;
	struct account *account; /* of the user who connected */
	struct sender sender;
	struct assembly in;
	struct ucred in_who;    /* who sent the first part of it */
	uint64_t counted_bytes; /* of it, in the account */
	bool readable;          /* as far as is known */
	bool queued;            /* in its account's line */
	bool waiting;           /* its record is appended, the answer waits for the disk */
	uint32_t waiting_number;
	struct client *next_queued, *next_waiting;
	struct client *previous, *next; /* of all */
};

enum client_event {
	CLIENT_NOTHING, /* there is nothing to read now */
	CLIENT_PART,    /* something was read, no record is whole */
	CLIENT_RECORD,  /* c->in is a whole record (or was passed over: c->in.dropped) */
	CLIENT_OVER,    /* it ended, or did what no program of ours does: close it */
};

/* Asks for credentials with each message: on a listening socket, so that what is sent before a
 * connection is accepted has them too, and on a connection, for kernels that inherit only when it
 * was made. ERR_IO. */
MUST_USE enum err client_prepare(int fd);

/* Reads one message; charges the account. CLIENT_OVER: *ret_why says what was wrong, "" when it
 * simply ended. After CLIENT_RECORD the caller calls client_record_done. */
enum client_event client_read(struct client *c, uint64_t now_ns, const char **ret_why);
void client_record_done(struct client *c);

/* Answers; false: it does not take its answers, close it. */
bool client_answer(struct client *c, uint32_t number, enum collect_status status);

/* Closes and frees what it holds, not the client itself. */
void client_done(struct client *c);

#endif
