/* SPDX-License-Identifier: MIT */
#include "far.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "shim/init.h"
#include "shim/library.h"

void must_fail(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

void far_plan_add(struct far_plan *p, struct bytes steps)
{
	if (p->next == p->count)
		p->next = p->count = 0;
	for (size_t i = 0; i < steps.len && p->count < FAR_PLANS_MAX; i++)
		p->at[p->count++] = steps.at[i];
}

/* The two low bits say what, the others how much. */
enum far_step far_plan_take(struct far_plan *p, unsigned *ret_much)
{
	unsigned step = p->next < p->count ? p->at[p->next++] : FAR_ALL;

	*ret_much = step >> 2;
	return (enum far_step)(step & 3);
}

void far_take(struct far *f, struct bytes data)
{
	must_put(&f->sent, data);
	f->on_sent(f->context, data);
}

size_t far_give(struct far *f, void *data, size_t len, bool peek)
{
	size_t count = f->coming.len < len ? f->coming.len : len;

	if (count > FAR_RECORD_BYTES)
		count = FAR_RECORD_BYTES;
	memcpy(data, f->coming.at, count);
	if (peek)
		return count;
	must_put(&f->given, bytes_of(data, count));
	buf_drop_front(&f->coming, count);
	return count;
}

void far_reset(struct far *f)
{
	buf_done(&f->coming);
	buf_done(&f->sent);
	buf_done(&f->given);
	f->state = FAR_OPEN;
	f->write_dead = false;
	f->sends.count = f->sends.next = f->reads.count = f->reads.next = 0;
}

int far_descriptor(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
	return fd;
}

/* ---- in the place of shim/library and shim/init ---- */

bool library_is_nested(const struct library *library, const void *caller)
{
	return false;
}

bool init_complete(void)
{
	return true;
}
