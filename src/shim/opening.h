/* SPDX-License-Identifier: MIT
 *
 * opening: the first bytes that a program writes to a fresh stream socket, looked at before they
 * go out: TLS, HTTP/1, HTTP/2, or first talk to a proxy and then one of these. What is a provider's
 * is refused or handed on (shim/opaque, shim/plain); all else goes its way and is forgotten.
 *
 * In most programs one write is enough to know. What comes in pieces is followed, and goes out
 * while it does not say whom it is for; from the end of an HTTP request's first line on it is held
 * back until the head is complete, or until the program reads, closes, shuts down, forks or ends.
 *
 * OPENINGS_MAX connections are followed at one time: a piece of a hello or of a head is waited for
 * in the middle of one, so that there are as many as threads that are just there. One more pushes
 * the oldest out, unless that one is held, and passes without having been looked at.
 *
 * Lock-free and allocates nothing, until a ClientHello or the head of a request was read: then the
 * policy is looked at. All functions keep errno, but for what they answer in the kernel's place.
 */
#ifndef AIGW_SHIM_OPENING_H
#define AIGW_SHIM_OPENING_H

#include "shim/sending.h"

#define OPENINGS_MAX 64

enum opening_answer {
	OPENING_PASSES,   /* call the real function */
	OPENING_FOLLOWED, /* call it, and opening_sent with its result */
	OPENING_ANSWERED, /* s->ret and errno say how */
	OPENING_PLAIN,    /* governed from now on: shim/plain has it */
};

/* The program writes to a descriptor with FDS_FRESH. */
enum opening_answer opening_send(struct sending *s);
/* So many of these bytes were taken by the kernel. */
void opening_sent(const struct sending *s, ssize_t taken);

/* For a descriptor with FDS_HELD: what is held goes out. */
void opening_release(int fd);
/* The program closes the descriptor. */
void opening_close(int fd);

/* All that is held goes out: the program forks, and either side may go on, or it ends. */
void opening_release_all(void);
/* For the child after fork. */
void opening_in_child(void);

#endif
