/* SPDX-License-Identifier: MIT */
#include "audit/collector.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "audit/message.h"
#include "base/local_socket.h"
#include "base/sys.h"

#define COLLECTOR_WAIT_AGAIN_NS 100000000u
#define COLLECTOR_IMPATIENT_NS  1000000000u

static struct {
	int fd_plus_one; /* 0: none */
	uint64_t device, inode;
	uint32_t number; /* of the last record */
	uint64_t impatient_until_ns;
	char socket[sizeof((struct sockaddr_un *)0)->sun_path];
} link;

/* ---- the descriptor ---- */

/* The program may have closed it, and the number be something else's by now. */
static bool is_ours(void)
{
	struct stat st;

	return link.fd_plus_one && sys_fstat(link.fd_plus_one - 1, &st) == 0 &&
	       S_ISSOCK(st.st_mode) && (uint64_t)st.st_dev == link.device &&
	       (uint64_t)st.st_ino == link.inode;
}

void collector_close(void)
{
	if (is_ours())
		sys_close(link.fd_plus_one - 1);
	link.fd_plus_one = 0;
}

/* ---- connecting ---- */

static enum err make_link(const char *path, uint64_t deadline_ns)
{
	struct stat st;
	enum err e;
	int fd;

	if (strlen(path) >= sizeof link.socket)
		return ERR_LIMIT;
	e = local_socket_connect(path, deadline_ns, &fd);
	if (e)
		return e;
	if (sys_fstat(fd, &st) < 0) {
		sys_close(fd);
		return ERR_IO;
	}
	link.fd_plus_one = fd + 1;
	link.device = (uint64_t)st.st_dev;
	link.inode = (uint64_t)st.st_ino;
	memcpy(link.socket, path, strlen(path) + 1);
	return OK;
}

/* ---- messages ---- */

static enum err send_message(const struct message *m, uint64_t deadline_ns)
{
	int fd = link.fd_plus_one - 1;
	struct collect_head head;
	struct iovec pieces[2] = {{&head, sizeof head},
				  {(void *)(uintptr_t)m->body.at, m->body.len}};
	struct msghdr h = {.msg_iov = pieces, .msg_iovlen = 2};

	message_make(m, &head);
	for (;;) {
		long n = sys_call(SYS_sendmsg, fd, (long)&h, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0, 0);
		if (n >= 0)
			return OK;
		if (n == -EPIPE || n == -ECONNRESET || n == -ENOTCONN)
			return ERR_END;
		if (n == -EAGAIN) {
			enum err e = local_socket_wait(fd, POLLOUT, deadline_ns);
			if (e)
				return e;
		} else if (n != -EINTR) {
			return err_from_errno(n);
		}
	}
}

static enum err send_claim(struct bytes claim, uint64_t deadline_ns)
{
	const struct message m = {.type = COLLECT_CLAIM, .body = claim};

	return claim.len && claim.len <= MESSAGE_CLAIM_MAX ? send_message(&m, deadline_ns) : OK;
}

/* ERR_END: the connection was over before anything went out. */
static enum err send_record(const struct collector_record *r, uint64_t deadline_ns)
{
	struct message m = {
		.type = COLLECT_PART,
		.number = ++link.number,
		.kind = (unsigned)r->kind,
		.total_bytes = (uint32_t)r->record.len,
	};
	enum err e;

	do {
		m.body = bytes_slice(r->record, m.offset, MESSAGE_BODY_MAX);
		e = send_message(&m, deadline_ns);
		if (e)
			return e == ERR_END && m.offset ? ERR_IO : e;
		m.offset += (uint32_t)m.body.len;
	} while (m.offset < m.total_bytes);
	return OK;
}

static enum err read_answer(uint64_t deadline_ns, bool *ret_counted)
{
	int fd = link.fd_plus_one - 1;
	uint8_t room[sizeof(struct collect_head) + 1];
	struct message m;

	for (;;) {
		enum err e = local_socket_wait(fd, POLLIN, deadline_ns);
		if (e)
			return e;
		long n = sys_call(SYS_recvfrom, fd, (long)room, sizeof room, MSG_DONTWAIT, 0, 0);
		if (n == -EAGAIN || n == -EINTR)
			continue;
		if (n <= 0 || message_parse(bytes_of(room, (size_t)n), &m) ||
		    m.type != COLLECT_ANSWER || m.number != link.number)
			return ERR_IO;
		*ret_counted = m.kind == COLLECT_FULL || m.kind == COLLECT_ACCESS ||
			       m.kind == COLLECT_IO;
		return message_error(m.kind);
	}
}

/* ---- one record ---- */

static enum err make_ready(const struct collector_record *r, uint64_t deadline_ns)
{
	enum err e;

	if (is_ours() && strcmp(link.socket, r->socket) == 0)
		return OK;
	collector_close();
	e = make_link(r->socket, deadline_ns);
	return e ? e : send_claim(r->claim, deadline_ns);
}

/* A refusal is a record too: who has waited in vain just now does not wait as long for the next
 * one, nor does each of many threads in turn. */
static uint64_t find_deadline(uint64_t now_ns)
{
	return now_ns +
	       (now_ns < link.impatient_until_ns ? COLLECTOR_WAIT_AGAIN_NS : COLLECTOR_WAIT_NS);
}

/* A short wait in vain does not prolong it: a collector that is slow, not silent, would never be
 * waited for again. */
static void note_patience(uint64_t begun_ns, uint64_t deadline_ns)
{
	uint64_t now_ns = sys_monotonic_ns();

	if (now_ns < deadline_ns)
		link.impatient_until_ns = 0;
	else if (begun_ns >= link.impatient_until_ns)
		link.impatient_until_ns = now_ns + COLLECTOR_IMPATIENT_NS;
}

enum err collector_append(const struct collector_record *r, bool *ret_counted)
{
	uint64_t begun_ns = sys_monotonic_ns(), deadline_ns = find_deadline(begun_ns);
	enum err e = ERR_END;

	*ret_counted = false;
	if (r->record.len > MESSAGE_RECORD_MAX)
		return ERR_LIMIT;
	/* The collector may have been started anew since the last record. */
	for (int attempt = 0; attempt < 2 && e == ERR_END; attempt++) {
		e = make_ready(r, deadline_ns);
		if (!e)
			e = send_record(r, deadline_ns);
		if (e)
			collector_close();
	}
	if (!e)
		e = read_answer(deadline_ns, ret_counted);
	else if (e == ERR_END)
		e = ERR_IO;
	note_patience(begun_ns, deadline_ns);
	/* What comes later on this connection would be taken for the answer to something else; and
	 * where it could not be moved up, it would be in the program's way. */
	if ((e == ERR_IO && !*ret_counted) || link.fd_plus_one <= LOCAL_SOCKET_FD_MIN)
		collector_close();
	return e;
}
