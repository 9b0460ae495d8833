/* SPDX-License-Identifier: MIT
 *
 * sending: one call of the program's that writes to a descriptor, whatever function it was: what
 * the rooms that look at it before the kernel does pass to each other.
 */
#ifndef AIGW_SHIM_SENDING_H
#define AIGW_SHIM_SENDING_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "base/bytes.h"

/* Borrowed for the call. Nothing in `parts` and behind them was checked: a program may pass bad
 * pointers and expects EFAULT. */
struct sending {
	int fd;
	const struct iovec *parts;
	size_t count;
	int flags;          /* of send(2) */
	const void *caller; /* return address */
	const struct sockaddr *to;
	socklen_t to_len; /* 0: where the descriptor is connected to */
	size_t segment; /* the kernel cuts it into datagrams of so many bytes (udp(7), UDP_SEGMENT)
			 */
	ssize_t ret;    /* once it is answered; the error is in errno then */
};

/* The bytes of one part, in pieces that lie in one page each: cuts the first off *part. */
struct bytes sending_cut_piece(struct iovec *part);

/* As sys_can_read. A datagram server calls with the same structures on its stack again and again:
 * pages that could be read a moment ago are not asked for each time. */
bool sending_can_read_again(const void *at, size_t len);

size_t sending_total(const struct sending *s);

/* Answers in the kernel's place: the bytes count as taken; or the peer does not want them. */
void sending_answer_taken(struct sending *s);
void sending_answer_refused(struct sending *s);

#endif
