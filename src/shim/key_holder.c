/* SPDX-License-Identifier: MIT */
#include "shim/key_holder.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "base/local_socket.h"
#include "base/sys.h"

static enum err send_ask(int fd, struct bytes ask)
{
	for (;;) {
		long n = sys_call(SYS_sendto, fd, (long)ask.at, (long)ask.len,
				  MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
		if (n >= 0)
			return OK; /* a datagram is taken as a whole */
		if (n != -EINTR)
			return err_from_errno(n);
	}
}

/* The secret goes to its own memory at once, and is nowhere else. */
static enum err receive(int fd, uint64_t deadline_ns, uint8_t *ret_secret, struct buf *ret_entry,
			struct keyhold_head *ret_head)
{
	struct iovec pieces[3] = {{ret_head, sizeof *ret_head},
				  {ret_secret, KEYHOLD_SECRET_BYTES},
				  {NULL, KEY_ENTRY_BYTES_MAX}};
	struct msghdr h = {.msg_iov = pieces, .msg_iovlen = 3};
	enum err e = buf_reserve(ret_entry, KEY_ENTRY_BYTES_MAX);

	pieces[2].iov_base = ret_entry->at;
	while (!e) {
		e = local_socket_wait(fd, POLLIN, deadline_ns);
		if (e)
			break;
		long n = sys_call(SYS_recvmsg, fd, (long)&h, MSG_DONTWAIT, 0, 0, 0);
		if (n == -EAGAIN || n == -EINTR)
			continue;
		if (n < (long)(sizeof *ret_head + KEYHOLD_SECRET_BYTES) ||
		    (h.msg_flags & MSG_TRUNC))
			return ERR_IO;
		ret_entry->len = (size_t)n - sizeof *ret_head - KEYHOLD_SECRET_BYTES;
		return OK;
	}
	return e;
}

static enum err read_answer(const struct keyhold_head *head, struct bytes entry,
			    struct arena *arena, struct key_answer *ret_answer,
			    struct key_entry *ret_entry)
{
	struct cursor c = cursor_over(entry);
	enum err e = key_answer_parse(head, entry.len, ret_answer);

	if (!e && entry.len) {
		e = key_entry_parse(&c, arena, ret_entry);
		if (!e && cursor_left(&c))
			e = key_limits_parse(&c, &ret_entry->scope.limits);
		if (!e && cursor_left(&c))
			e = ERR_BAD;
	}
	return e == ERR_NOMEM || !e ? e : ERR_IO;
}

enum err key_holder_ask(const char *socket, struct bytes key, struct bytes provider,
			uint8_t *ret_secret, struct arena *arena, struct key_answer *ret_answer,
			struct key_entry *ret_entry)
{
	uint64_t deadline_ns = sys_monotonic_ns() + KEY_HOLDER_WAIT_NS;
	struct buf ask = {0}, entry = {0};
	struct keyhold_head head = {{0}, 0, 0, 0, 0, 0, 0};
	int fd = -1;
	enum err e = key_ask_put(&ask, key, provider);

	if (!e)
		e = local_socket_connect(socket, deadline_ns, &fd);
	if (!e)
		e = send_ask(fd, buf_view(&ask));
	if (!e)
		e = receive(fd, deadline_ns, ret_secret, &entry, &head);
	if (!e)
		e = read_answer(&head, buf_view(&entry), arena, ret_answer, ret_entry);
	if (e)
		wipe(ret_secret, KEYHOLD_SECRET_BYTES);
	if (fd >= 0)
		sys_close(fd);
	buf_done(&ask);
	buf_done(&entry);
	return e;
}
