/* SPDX-License-Identifier: MIT
 *
 * plain: the adapter for conversations without TLS: governed descriptors, each with its gate. A
 * descriptor is governed from the head of its first request on (shim/opening finds that out); it is
 * known by its number and its socket's inode.
 *
 * Thread-safe. Takes locks and allocates: for governed descriptors only. Keeps errno, but for what
 * it answers in the kernel's place. Not seen: copies of the descriptor (dup) and other processes
 * that have inherited it, stdio and other I/O of libc's own, splice, io_uring.
 */
#ifndef AIGW_SHIM_PLAIN_H
#define AIGW_SHIM_PLAIN_H

#include <stdint.h>

#include "shim/sending.h"

/* The connection is governed from now on. `begun`: the first bytes of its first request, of which
 * the first `sent` have gone out. ERR_NOMEM. */
MUST_USE enum err plain_begin(int fd, uint64_t inode, struct bytes begun, size_t sent);

/* The program writes to a descriptor with FDS_PLAIN. True: answered in s->ret; false: it is not
 * governed any more, call the real function. */
bool plain_send(struct sending *s);

/* One call of the program's that reads. */
struct receiving {
	int fd;
	const struct iovec *parts;
	size_t count;
	int flags; /* of recv(2) */
	ssize_t ret;
};

/* Before the real call: true when the answer is in r->ret, at most r->parts long. */
bool plain_receive(struct receiving *r);
/* After it, with its result in r->ret, which may be replaced. */
void plain_received(struct receiving *r);

/* The program closes the descriptor. */
void plain_close(int fd);

/* For the child after fork. */
void plain_in_child(void);

#endif
