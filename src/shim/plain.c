/* SPDX-License-Identifier: MIT */
#include "shim/plain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "shim/fds.h"
#include "shim/gate.h"
#include "shim/real.h"

#define BUCKETS 64 /* a power of two */

/* What of a call's flags matters to how the gate's bytes go out. */
#define FLAGS_KEPT (MSG_NOSIGNAL | MSG_DONTWAIT)

struct plain {
	struct plain *next; /* in its bucket */
	int fd;
	uint64_t inode;
	unsigned users; /* calls under way, and the table; under the lock */
	struct gate *gate;
	int flags;      /* of the write under way */
	int real_errno; /* of the last real call */
	int end_errno;  /* how the connection ended; 0: it has not */
};

static struct plain *buckets[BUCKETS];
static struct lock lock;

static struct plain **bucket_of(int fd)
{
	return &buckets[(unsigned)fd % BUCKETS];
}

/* ---- the carrier ---- */

static enum carried carry(void *session, struct bytes data, size_t *ret_done)
{
	struct plain *p = session;
	ssize_t n = real_libc.send(p->fd, data.at, data.len, p->flags);

	p->real_errno = errno;
	if (n >= 0) {
		*ret_done = (size_t)n;
		return (size_t)n == data.len ? CARRIED : CARRIED_PART;
	}
	if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
		return BLOCKED;
	p->end_errno = p->real_errno;
	return BROKEN;
}

static void describe(void *session, struct link_facts *ret_facts)
{
	struct plain *p = session;

	memset(ret_facts, 0, sizeof *ret_facts);
	ret_facts->plain = true;
	ret_facts->fd = p->fd;
}

/* Without TLS nothing goes out that the program does not write. */
static void hush(void *session)
{
}

static const struct carrier carrier = {carry, describe, hush, hush};

/* ---- the table ---- */

static void put_away(struct plain *p)
{
	gate_free(p->gate);
	free(p);
}

/* A forked child has copies of all, and never ends its parent's. */
static struct plain *take(int fd)
{
	uint64_t inode = fds_inode(fd);
	struct plain *p;

	if (!inode || !lock_take(&lock))
		return NULL;
	p = *bucket_of(fd);
	while (p && (p->fd != fd || !fds_same(p->inode, inode)))
		p = p->next;
	if (p)
		p->users++;
	lock_drop(&lock);
	return p;
}

static void drop(struct plain *p)
{
	bool last;

	if (!lock_take(&lock))
		return; /* a signal handler: it stays for ever */
	last = --p->users == 0;
	lock_drop(&lock);
	if (last)
		put_away(p);
}

/* Out of the table: whatever was known under that number is over. */
static void forget(int fd)
{
	struct plain *gone = NULL, *p;

	fds_clear(fd, FDS_PLAIN);
	if (!lock_take(&lock))
		return;
	for (struct plain **at = bucket_of(fd); (p = *at);) {
		if (p->fd != fd) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		if (--p->users == 0) {
			p->next = gone;
			gone = p;
		}
	}
	lock_drop(&lock);
	while (gone) {
		p = gone;
		gone = p->next;
		put_away(p);
	}
}

enum err plain_begin(int fd, uint64_t inode, struct bytes begun, size_t sent)
{
	struct plain *p;
	enum err e;

	forget(fd);
	p = calloc(1, sizeof *p);
	if (!p)
		return ERR_NOMEM;
	p->fd = fd;
	p->inode = inode;
	p->users = 1;
	e = gate_new(&carrier, p, BYTES_NONE, &p->gate);
	if (e || !lock_take(&lock)) {
		put_away(p);
		return ERR_NOMEM;
	}
	p->next = *bucket_of(fd);
	*bucket_of(fd) = p;
	lock_drop(&lock);
	gate_skip(p->gate, sent);
	/* Not a whole head: nothing of it is decided on or goes out. */
	if (begun.len)
		(void)gate_write(p->gate, begun);
	fds_set(fd, FDS_PLAIN);
	return OK;
}

/* ---- writing ---- */

/* True: all of the part counts as written; else s->ret and errno say what the kernel said. */
static bool write_part(struct plain *p, struct sending *s, struct bytes part)
{
	if (!sys_can_read(part.at, part.len)) {
		p->real_errno = EFAULT;
		return false;
	}
	switch (gate_write(p->gate, part)) {
	case GATE_TAKEN:
		return true;
	case GATE_OPENED:
		forget(s->fd);
		return true;
	case GATE_BLOCKED:
	case GATE_BROKEN:
		break;
	}
	return false;
}

bool plain_send(struct sending *s)
{
	struct plain *p = take(s->fd);
	int saved = errno;
	size_t done = 0;
	bool whole = true;

	if (!p) {
		fds_clear(s->fd, FDS_PLAIN);
		return false;
	}
	p->flags = s->flags & FLAGS_KEPT;
	p->real_errno = p->end_errno ? p->end_errno : EIO;
	for (size_t i = 0; whole && i < s->count; i++) {
		struct bytes part = bytes_of(s->parts[i].iov_base, s->parts[i].iov_len);
		whole = part.len == 0 || write_part(p, s, part);
		done += whole ? part.len : 0;
	}
	s->ret = whole || done ? (ssize_t)done : -1;
	errno = s->ret < 0 ? p->real_errno : saved;
	drop(p);
	return true;
}

/* ---- reading ---- */

/* The refusal, if there is one, spread over the parts. False: read for real. */
static bool serve(struct plain *p, struct receiving *r)
{
	bool peek = r->flags & MSG_PEEK;
	size_t total = 0, got;

	for (size_t i = 0; i < r->count; i++) {
		struct bytes room = bytes_of(r->parts[i].iov_base, r->parts[i].iov_len);
		if (room.len == 0)
			continue;
		enum gate_serving serving = GATE_NOTHING;
		if (sys_can_read(room.at, room.len))
			serving = gate_serve(p->gate, r->parts[i].iov_base, room.len, peek, &got);
		if (serving == GATE_NOTHING)
			return false;
		total += serving == GATE_SERVED ? got : 0;
		if (serving == GATE_END || got < room.len || peek)
			break;
	}
	r->ret = (ssize_t)total;
	return true;
}

bool plain_receive(struct receiving *r)
{
	struct plain *p;
	int saved = errno;
	bool served;

	if (r->flags & (MSG_ERRQUEUE | MSG_OOB))
		return false;
	p = take(r->fd);
	if (!p) {
		fds_clear(r->fd, FDS_PLAIN);
		return false;
	}
	served = serve(p, r);
	drop(p);
	errno = saved;
	return served;
}

void plain_received(struct receiving *r)
{
	struct plain *p;
	int saved = errno;
	size_t left = r->ret > 0 ? (size_t)r->ret : 0;

	if (r->flags & (MSG_ERRQUEUE | MSG_OOB) || !(p = take(r->fd)))
		return;
	/* Nothing came: refused meanwhile, by another thread's write, or the end. */
	if (r->ret == 0 || (r->ret < 0 && saved != EAGAIN && saved != EINTR && saved != EFAULT)) {
		bool asked = sending_total(&(struct sending){.parts = r->parts, .count = r->count});
		if (asked && !serve(p, r) && !(r->flags & MSG_PEEK))
			(void)gate_ended(p->gate);
	} else if (left && r->flags & MSG_TRUNC && !(r->flags & MSG_PEEK)) {
		(void)gate_ended(p->gate); /* thrown away by the kernel: nobody sees these bytes */
	}
	for (size_t i = 0; left && !(r->flags & (MSG_PEEK | MSG_TRUNC)) && i < r->count; i++) {
		size_t len = r->parts[i].iov_len < left ? r->parts[i].iov_len : left;
		if (len)
			gate_read_as_is(p->gate, bytes_of(r->parts[i].iov_base, len));
		left -= len;
	}
	drop(p);
	errno = saved;
}

/* ---- the end ---- */

void plain_close(int fd)
{
	int saved = errno;

	forget(fd);
	errno = saved;
}

void plain_in_child(void)
{
	lock_reset(&lock);
}
