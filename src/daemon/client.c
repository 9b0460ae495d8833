/* SPDX-License-Identifier: MIT */
#include "daemon/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Newer than some headers. */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif
#ifndef F_GET_SEALS
#define F_GET_SEALS (1024 + 10)
#endif

#define SEALS_NEEDED (0x0002 | 0x0004 | 0x0008) /* F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE */
#define FDS_MAX      2 /* one is allowed; with room for more, more is noticed and closed */

/* What came with a datagram besides its bytes. */
struct extras {
	bool has_who;
	struct ucred who;
	int pidfd; /* -1: none */
	int fds[FDS_MAX];
	size_t fd_count;
};

enum err client_prepare(int fd)
{
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on))
		return err_from_errno(errno);
	/* Linux 6.5; without it, a pidfd is opened by number and the start time compared. */
	(void)setsockopt(fd, SOL_SOCKET, SO_PASSPIDFD, &on, sizeof on);
	return OK;
}

/* ---- receiving ---- */

static void close_extras(struct extras *x)
{
	for (size_t i = 0; i < x->fd_count && i < FDS_MAX; i++)
		close(x->fds[i]);
	x->fd_count = 0;
	if (x->pidfd >= 0)
		close(x->pidfd);
	x->pidfd = -1;
}

static void take_fds(struct extras *x, const struct cmsghdr *m)
{
	size_t count = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < count; i++) {
		int fd;
		memcpy(&fd, CMSG_DATA(m) + i * sizeof fd, sizeof fd);
		if (x->fd_count < FDS_MAX)
			x->fds[x->fd_count++] = fd;
		else
			close(fd);
	}
}

static void take_extras(struct msghdr *h, struct extras *x)
{
	for (struct cmsghdr *m = CMSG_FIRSTHDR(h); m; m = CMSG_NXTHDR(h, m)) {
		if (m->cmsg_level != SOL_SOCKET)
			continue;
		if (m->cmsg_type == SCM_CREDENTIALS && m->cmsg_len >= CMSG_LEN(sizeof x->who)) {
			memcpy(&x->who, CMSG_DATA(m), sizeof x->who);
			x->has_who = true;
		} else if (m->cmsg_type == SCM_PIDFD && m->cmsg_len >= CMSG_LEN(sizeof(int))) {
			memcpy(&x->pidfd, CMSG_DATA(m), sizeof x->pidfd);
		} else if (m->cmsg_type == SCM_RIGHTS) {
			take_fds(x, m);
		}
	}
}

/* The next datagram. OK, ERR_MORE (nothing there), ERR_END, ERR_BAD (more than a message has). */
static enum err receive(struct client *c, uint8_t *room, size_t cap, struct bytes *ret_datagram,
			struct extras *ret_extras)
{
	union {
		char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int)) +
			  CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec piece = {room, cap};
	struct msghdr h = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof control.room,
	};
	ssize_t n;

	*ret_extras = (struct extras){.pidfd = -1};
	do
		n = recvmsg(c->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? ERR_MORE : ERR_END;
	take_extras(&h, ret_extras);
	if (n == 0)
		return ERR_END;
	if (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return ERR_BAD;
	*ret_datagram = bytes_of(room, (size_t)n);
	return OK;
}

/* ---- one message ---- */

static void count_in(struct client *c, uint64_t bytes)
{
	c->account->in_flight_bytes += bytes - c->counted_bytes;
	c->counted_bytes = bytes;
}

void client_record_done(struct client *c)
{
	count_in(c, 0);
	assembly_done(&c->in);
}

static enum client_event take_part(struct client *c, const struct message *m,
				   const struct ucred *who, const char **ret_why)
{
	bool drop = !c->in.active && !account_has_room(c->account, m->body.len);
	enum err e;

	if (c->in.active && (who->pid != c->in_who.pid || who->uid != c->in_who.uid)) {
		*ret_why = "two processes send one record";
		return CLIENT_OVER;
	}
	/* No room for a part of a record that was begun: its memory goes, its bytes are passed
	 * over. */
	if (c->in.active && !c->in.dropped && !account_has_room(c->account, m->body.len)) {
		buf_done(&c->in.bytes);
		c->in.dropped = true;
	}
	c->in_who = *who;
	e = assembly_feed(&c->in, m, drop);
	count_in(c, c->in.dropped ? 0 : c->in.got_bytes);
	if (e == OK)
		return CLIENT_RECORD;
	if (e == ERR_MORE)
		return CLIENT_PART;
	*ret_why = "parts out of order";
	return CLIENT_OVER;
}

/* Sealed, the memory can neither change nor shrink under our hands. */
static bool is_sealed(int fd, uint32_t total_bytes)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	return seals >= 0 && (seals & SEALS_NEEDED) == SEALS_NEEDED && fstat(fd, &st) == 0 &&
	       S_ISREG(st.st_mode) && st.st_size == (off_t)total_bytes;
}

static enum client_event take_memory(struct client *c, const struct message *m,
				     const struct extras *x, const char **ret_why)
{
	struct assembly *a = &c->in;
	size_t got = 0;

	if (c->in.active || x->fd_count != 1 || !is_sealed(x->fds[0], m->total_bytes)) {
		*ret_why = "memory that is not sealed, or not alone";
		return CLIENT_OVER;
	}
	*a = (struct assembly){
		.active = true,
		.number = m->number,
		.kind = m->kind,
		.total_bytes = m->total_bytes,
		.got_bytes = m->total_bytes,
	};
	c->in_who = x->who;
	a->dropped = !account_has_room(c->account, m->total_bytes) ||
		     buf_reserve(&a->bytes, m->total_bytes);
	while (!a->dropped && got < m->total_bytes) {
		ssize_t n = pread(x->fds[0], a->bytes.at + got, m->total_bytes - got, (off_t)got);
		if (n <= 0)
			a->dropped = true;
		else
			got += (size_t)n;
	}
	a->bytes.len = a->dropped ? 0 : got;
	account_charge(c->account, m->total_bytes);
	count_in(c, a->bytes.len);
	return CLIENT_RECORD;
}

static enum client_event take(struct client *c, const struct message *m, struct extras *x,
			      uint64_t now_ns, const char **ret_why)
{
	enum client_event event;
	int pidfd = x->pidfd;

	if (x->fd_count && m->type != COLLECT_MEMORY) {
		*ret_why = "descriptors where none belong";
		return CLIENT_OVER;
	}
	if (m->type == COLLECT_ANSWER) {
		*ret_why = "an answer from a program";
		return CLIENT_OVER;
	}
	if (m->type == COLLECT_CLAIM) {
		c->sender.claim_pid = x->who.pid;
		if (sender_claim(&c->sender, m->body) == ERR_BAD) {
			*ret_why = "a claim that is no run of fields";
			return CLIENT_OVER;
		}
		return CLIENT_PART;
	}
	event = m->type == COLLECT_PART ? take_part(c, m, &x->who, ret_why)
					: take_memory(c, m, x, ret_why);
	if (event == CLIENT_RECORD) {
		x->pidfd = -1; /* taken over */
		if (sender_update(&c->sender, &x->who, pidfd, now_ns)) {
			*ret_why = "no memory";
			return CLIENT_OVER;
		}
	}
	return event;
}

enum client_event client_read(struct client *c, uint64_t now_ns, const char **ret_why)
{
	static uint8_t
		room[MESSAGE_BYTES_MAX + 1]; /* one more: a larger one is told from the largest */
	enum client_event event = CLIENT_OVER;
	struct bytes datagram;
	struct extras x;
	struct message m;
	enum err e = receive(c, room, sizeof room, &datagram, &x);

	*ret_why = "";
	if (e == ERR_MORE)
		return CLIENT_NOTHING;
	if (!e) {
		account_charge(c->account, datagram.len);
		e = x.has_who ? message_parse(datagram, &m) : ERR_BAD;
	}
	if (!e)
		event = take(c, &m, &x, now_ns, ret_why);
	else if (e != ERR_END)
		*ret_why = "not a message";
	close_extras(&x);
	return event;
}

bool client_answer(struct client *c, uint32_t number, enum collect_status status)
{
	const struct message m = {
		.type = COLLECT_ANSWER, .number = number, .kind = (unsigned)status};
	struct collect_head head;
	ssize_t n;

	message_make(&m, &head);
	do
		n = send(c->fd, &head, sizeof head, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof head;
}

void client_done(struct client *c)
{
	client_record_done(c);
	sender_done(&c->sender);
	close(c->fd);
}
