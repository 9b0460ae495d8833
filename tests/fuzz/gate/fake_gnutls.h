/* SPDX-License-Identifier: MIT
 *
 * fake_gnutls: a libgnutls in memory, in place of the one that the adapter looks for, with the
 * provider behind it (far). Its calls end in part, with GNUTLS_E_AGAIN, GNUTLS_E_INTERRUPTED,
 * another error that is none, or broken. It does as GnuTLS 3.7 does where its manual leaves that
 * open: a blocked record is what the next call sends, whatever that call is given. It aborts on
 * what the adapter must not do.
 */
#ifndef AIGW_TESTS_FAKE_GNUTLS_H
#define AIGW_TESTS_FAKE_GNUTLS_H

#include "far.h"

#define E_INVALID_SESSION  (-10)
#define E_WARNING_ALERT    (-16)
#define E_REHANDSHAKE      (-37)
#define E_PUSH             (-53)
#define E_PULL             (-54)
#define E_PREMATURE_END    (-110)
#define E_TIMEDOUT         (-319)
#define E_DURING_HANDSHAKE (-408)

struct fake_gnutls {
	/* set by the test */
	int fd; /* -1: the program has functions of its own as transport */
	bool verified, old_version;
	bool old_library;  /* without the functions that came later, where one can do without */
	size_t record_max; /* bytes of data in one record */
	unsigned handshake_steps; /* calls until it is done */
	struct far far;
	/* what came of it */
	bool alive, ready, closed; /* closed: has said goodbye */
	bool corked;
	unsigned calls; /* that send, receive or shake hands */
	long last_ret;  /* of the last of them */
	int last_errno;
	unsigned byes;
	struct buf early; /* data that goes out with the hello */
	unsigned early_calls;
	char alpn[64]; /* the protocols that were set, each with a comma behind it */
	/* private */
	struct buf queue;   /* corked */
	struct buf blocked; /* a record that is to be repeated */
	struct buf packet;
};

/* The next gnutls_init makes this one. Its fields above `far` and the plans stay. */
extern struct fake_gnutls *fake_gnutls_next;

/* What a program does with a packet that it has read. */
struct bytes fake_gnutls_packet(const void *packet);

#endif
