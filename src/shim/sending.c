/* SPDX-License-Identifier: MIT */
#include "shim/sending.h"

#include <errno.h>

#include "base/sys.h"

#define PAGE_BYTES 4096

struct bytes sending_cut_piece(struct iovec *part)
{
	size_t room = PAGE_BYTES - (uintptr_t)part->iov_base % PAGE_BYTES;
	struct bytes piece = bytes_of(part->iov_base, part->iov_len < room ? part->iov_len : room);

	part->iov_base = (uint8_t *)part->iov_base + piece.len;
	part->iov_len -= piece.len;
	return piece;
}

bool sending_can_read_again(const void *at, size_t len)
{
	static __thread uintptr_t pages[4] __attribute__((tls_model("initial-exec")));
	uintptr_t page = (uintptr_t)at / PAGE_BYTES;
	uintptr_t *known = &pages[page % 4];

	if (len == 0 || (page && page == *known && ((uintptr_t)at + len - 1) / PAGE_BYTES == page))
		return true;
	if (!sys_can_read(at, len))
		return false;
	*known = page;
	return true;
}

size_t sending_total(const struct sending *s)
{
	size_t total = 0;

	for (size_t i = 0; i < s->count; i++)
		total += s->parts[i].iov_len;
	return total;
}

void sending_answer_taken(struct sending *s)
{
	s->ret = (ssize_t)sending_total(s);
}

void sending_answer_refused(struct sending *s)
{
	/* Nothing more goes out or comes in, whatever the program does next. */
	sys_shutdown(s->fd, SHUT_RDWR);
	errno = ECONNREFUSED;
	s->ret = -1;
}
