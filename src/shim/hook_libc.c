/* SPDX-License-Identifier: MIT
 *
 * The front doors of libc: one test of what is known of the descriptor (shim/fds), then the real
 * function. What the program writes to a fresh connection is looked at before it goes out
 * (shim/opening, shim/quic); a governed connection without TLS goes through shim/plain.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "audit/segment.h"
#include "base/sys.h"
#include "shim/conn.h"
#include "shim/fds.h"
#include "shim/hooks.h"
#include "shim/opening.h"
#include "shim/plain.h"
#include "shim/quic.h"
#include "shim/real.h"

#define unlikely(condition) __builtin_expect(!!(condition), 0)

#define FILE_PIECE_BYTES (4u << 10) /* on the stack, which may be a small one */

/* ---- life ---- */

HOOK int socket(int domain, int type, int protocol)
{
	int fd = real_libc.socket(domain, type, protocol);

	if (conn_enabled && fd >= 0 &&
	    (fds_has(fd, UINT8_MAX) || domain == AF_INET || domain == AF_INET6)) {
		int saved = errno;
		bool internet = domain == AF_INET || domain == AF_INET6;
		fds_note_socket(fd, internet ? type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC) : -1);
		errno = saved;
	}
	return fd;
}

/* In sockaddr_in and sockaddr_in6 it stands at the same place. */
static uint16_t port_of(const struct sockaddr *address, socklen_t len)
{
	return len < sizeof(struct sockaddr_in)
		       ? 0
		       : ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
}

static bool is_internet(const struct sockaddr *address, socklen_t len)
{
	return len >= sizeof address->sa_family &&
	       (address->sa_family == AF_INET || address->sa_family == AF_INET6);
}

/* connect() to nowhere ends a connection, and the socket can have another. */
static bool ends_connection(const struct sockaddr *address, socklen_t len)
{
	return len >= sizeof address->sa_family && sys_can_read(address, len) &&
	       address->sa_family == AF_UNSPEC;
}

HOOK int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	if (unlikely(fds_has(fd, FDS_FRESH | FDS_HELD)) && ends_connection(address, len))
		opening_close(fd);

	int ret = real_libc.connect(fd, address, len);

	/* The kernel has read the address. After a signal it goes on connecting by itself. */
	if (conn_enabled && (ret == 0 || errno == EINPROGRESS || errno == EINTR) && address &&
	    is_internet(address, len)) {
		int saved = errno;
		if (fds_has(fd, FDS_PLAIN))
			plain_close(fd); /* another connection on the same socket */
		fds_note_connect(fd, port_of(address, len));
		errno = saved;
	}
	return ret;
}

HOOK int close(int fd)
{
	unsigned traits = fds_has(fd, FDS_CLOSES);

	if (unlikely(traits) && fds_are_ours()) {
		if (traits & FDS_HELD)
			opening_close(fd);
		if (traits & FDS_PLAIN)
			plain_close(fd);
		fds_note_close(fd);
	}

	int ret = real_libc.close(fd);

	/* It may have been a descriptor of the journal's. Not before it is closed: another thread
	 * would look at it once more, and find it in order. */
	segment_doubt(fd);
	return ret;
}

/* A copy closes what was behind `to`: what is held there has to go out before. True: what is known
 * of it is to be forgotten, once the copy is made; when it fails, the connection goes on. */
static bool before_copying(int from, int to)
{
	int saved = errno;
	struct stat a, b;
	bool other;

	if (from == to || !fds_are_ours())
		return false;
	other = sys_fstat(from, &a) == 0 &&
		(sys_fstat(to, &b) != 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino);
	if (other && fds_has(to, FDS_HELD))
		opening_release(to);
	errno = saved;
	return other;
}

static void after_copying(int to, bool forgets)
{
	segment_doubt(to);
	if (unlikely(forgets)) {
		if (fds_has(to, FDS_PLAIN))
			plain_close(to);
		fds_note_close(to);
	}
}

HOOK int dup2(int from, int to)
{
	bool forgets = unlikely(fds_has(to, UINT8_MAX)) && before_copying(from, to);
	int ret = real_libc.dup2(from, to);

	after_copying(to, forgets && ret == to);
	return ret;
}

HOOK int dup3(int from, int to, int flags)
{
	bool forgets = unlikely(fds_has(to, UINT8_MAX)) && before_copying(from, to);
	int ret = real_libc.dup3(from, to, flags);

	after_copying(to, forgets && ret == to);
	return ret;
}

HOOK int shutdown(int fd, int how)
{
	if (unlikely(fds_has(fd, FDS_HELD)))
		opening_release(fd);
	return real_libc.shutdown(fd, how);
}

/* ---- writing ---- */

/* True: answered. Otherwise the real function is to be called, and `sent` with its result. */
static bool answered(struct sending *s, bool *ret_follow)
{
	*ret_follow = false;
	if (fds_has(s->fd, FDS_FRESH)) {
		switch (opening_send(s)) {
		case OPENING_PASSES:
			return false;
		case OPENING_FOLLOWED:
			*ret_follow = true;
			return false;
		case OPENING_ANSWERED:
			return true;
		case OPENING_PLAIN:
			break;
		}
	}
	if (fds_has(s->fd, FDS_PLAIN))
		return plain_send(s);
	return fds_has(s->fd, FDS_UDP_443 | FDS_UDP) && quic_send(s);
}

static ssize_t sent(const struct sending *s, bool follow, ssize_t ret)
{
	if (follow)
		opening_sent(s, ret);
	return ret;
}

HOOK ssize_t write(int fd, const void *data, size_t len)
{
	if (unlikely(fds_has(fd, FDS_WRITES))) {
		struct iovec part = {(void *)(uintptr_t)data, len};
		struct sending s = {.fd = fd, .parts = &part, .count = 1, .caller = CALLER};
		bool follow;
		if (answered(&s, &follow))
			return s.ret;
		return sent(&s, follow, real_libc.write(fd, data, len));
	}
	return real_libc.write(fd, data, len);
}

/* The list of parts itself may be a bad pointer. */
static bool can_read_parts(const struct iovec *parts, size_t count)
{
	return count <= UIO_MAXIOV && sys_can_read(parts, count * sizeof *parts);
}

HOOK ssize_t writev(int fd, const struct iovec *parts, int count)
{
	if (unlikely(fds_has(fd, FDS_WRITES)) && count > 0 &&
	    can_read_parts(parts, (size_t)count)) {
		struct sending s = {
			.fd = fd, .parts = parts, .count = (size_t)count, .caller = CALLER};
		bool follow;
		if (answered(&s, &follow))
			return s.ret;
		return sent(&s, follow, real_libc.writev(fd, parts, count));
	}
	return real_libc.writev(fd, parts, count);
}

HOOK ssize_t send(int fd, const void *data, size_t len, int flags)
{
	if (unlikely(fds_has(fd, FDS_WRITES))) {
		struct iovec part = {(void *)(uintptr_t)data, len};
		struct sending s = {
			.fd = fd, .parts = &part, .count = 1, .flags = flags, .caller = CALLER};
		bool follow;
		if (answered(&s, &follow))
			return s.ret;
		return sent(&s, follow, real_libc.send(fd, data, len, flags));
	}
	return real_libc.send(fd, data, len, flags);
}

/* TCP Fast Open connects and sends at once. */
static void note_fast_open(const struct sending *s)
{
	if (conn_enabled && s->flags & MSG_FASTOPEN && s->to_len &&
	    sys_can_read(s->to, s->to_len) && is_internet(s->to, s->to_len))
		fds_note_connect(s->fd, port_of(s->to, s->to_len));
}

HOOK ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *address,
		    socklen_t address_len)
{
	if (unlikely(fds_has(fd, FDS_WRITES | FDS_UDP) || flags & MSG_FASTOPEN)) {
		struct iovec part = {(void *)(uintptr_t)data, len};
		struct sending s = {.fd = fd,
				    .parts = &part,
				    .count = 1,
				    .flags = flags,
				    .caller = CALLER,
				    .to = address_len ? address : NULL,
				    .to_len = address ? address_len : 0};
		bool follow;
		note_fast_open(&s);
		if (answered(&s, &follow))
			return s.ret;
		return sent(&s, follow,
			    real_libc.sendto(fd, data, len, flags, address, address_len));
	}
	return real_libc.sendto(fd, data, len, flags, address, address_len);
}

/* Of one sendmsg that the kernel is to cut into datagrams; 0: it is not. */
static size_t segment_of(const struct msghdr *message)
{
	uint16_t bytes = 0;

	if (!sending_can_read_again(message->msg_control, message->msg_controllen))
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c;
	     c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)message, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_SEGMENT &&
		    c->cmsg_len == CMSG_LEN(sizeof bytes))
			memcpy(&bytes, CMSG_DATA(c), sizeof bytes);
	return bytes;
}

/* True when the message can be read as far as it is needed. */
static bool read_message(int fd, const struct msghdr *message, int flags, const void *caller,
			 struct sending *ret)
{
	if (fds_has(fd, FDS_WRITES) || flags & MSG_FASTOPEN) {
		if (!sys_can_read(message, sizeof *message) ||
		    !can_read_parts(message->msg_iov, message->msg_iovlen))
			return false;
	} else if (!sending_can_read_again(message, sizeof *message) ||
		   message->msg_iovlen > UIO_MAXIOV ||
		   !sending_can_read_again(message->msg_iov,
					   message->msg_iovlen * sizeof *message->msg_iov)) {
		return false;
	}
	*ret = (struct sending){.fd = fd,
				.parts = message->msg_iov,
				.count = message->msg_iovlen,
				.flags = flags,
				.caller = caller,
				.to = message->msg_namelen ? message->msg_name : NULL,
				.to_len = message->msg_name ? message->msg_namelen : 0};
	if (message->msg_controllen && fds_has(fd, FDS_UDP | FDS_UDP_443))
		ret->segment = segment_of(message);
	note_fast_open(ret);
	return true;
}

HOOK ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct sending s;

	if (unlikely(fds_has(fd, FDS_WRITES | FDS_UDP) || flags & MSG_FASTOPEN) &&
	    read_message(fd, message, flags, CALLER, &s)) {
		bool follow;
		if (answered(&s, &follow))
			return s.ret;
		return sent(&s, follow, real_libc.sendmsg(fd, message, flags));
	}
	return real_libc.sendmsg(fd, message, flags);
}

/* One message after the other, as the kernel does it: what was sent before one that fails counts.
 */
static int send_one_by_one(int fd, struct mmsghdr *messages, unsigned count, int flags,
			   const void *caller)
{
	unsigned done = 0;

	for (; done < count && sys_can_read(&messages[done], sizeof *messages); done++) {
		struct sending s;
		bool follow = false;
		ssize_t n = -1;
		if (!read_message(fd, &messages[done].msg_hdr, flags, caller, &s))
			break;
		if (answered(&s, &follow))
			n = s.ret;
		else
			n = sent(&s, follow, real_libc.sendmsg(fd, &messages[done].msg_hdr, flags));
		if (n < 0)
			return done ? (int)done : -1;
		messages[done].msg_len = (unsigned)n;
	}
	return done || !count ? (int)done : real_libc.sendmmsg(fd, messages, count, flags);
}

/* Of datagrams, only the first of a connection to port 443: whoever sends many at once does so to
 * save system calls. */
static bool concern_us(int fd, const struct mmsghdr *messages, unsigned count, const void *caller)
{
	struct sending s;

	if (fds_has(fd, FDS_FRESH | FDS_PLAIN))
		return true;
	for (unsigned i = 0; i < count; i++) {
		if (!sending_can_read_again(&messages[i], sizeof messages[i]))
			return false;
		if (read_message(fd, &messages[i].msg_hdr, 0, caller, &s) && quic_concerns(&s))
			return true;
	}
	return false;
}

HOOK int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	if (unlikely(fds_has(fd, FDS_WRITES | FDS_UDP)) && count <= UIO_MAXIOV &&
	    concern_us(fd, messages, count, CALLER))
		return send_one_by_one(fd, messages, count, flags, CALLER);
	return real_libc.sendmmsg(fd, messages, count, flags);
}

/* What a file has for a connection that is looked at: sent piece by piece, as if the program had
 * read it. False: the rest, from *at on, is none of our business (or cannot be read in this way).
 */
static bool send_pieces(int to, int from, off_t *at, size_t count, const void *caller, size_t *done,
			ssize_t *ret_last)
{
	uint8_t room[FILE_PIECE_BYTES];
	bool follow = true;

	while (*done < count) {
		size_t want = count - *done < sizeof room ? count - *done : sizeof room;
		ssize_t got = sys_pread(from, room, want, *at);
		if (got <= 0)
			return got == 0;
		struct iovec part = {room, (size_t)got};
		struct sending s = {.fd = to, .parts = &part, .count = 1, .caller = caller};
		if (!answered(&s, &follow)) {
			if (!follow)
				return false;
			s.ret = sent(&s, follow, real_libc.write(to, room, (size_t)got));
		}
		*ret_last = s.ret;
		if (s.ret < 0)
			return true;
		*done += (size_t)s.ret;
		*at += s.ret;
		if (s.ret < got)
			return true;
	}
	return true;
}

static ssize_t send_file(int to, int from, off_t *offset, size_t count, const void *caller)
{
	off_t at = offset ? *offset : sys_seek(from, 0, SEEK_CUR);
	size_t done = 0;
	ssize_t last = 0;
	bool whole = at >= 0 && send_pieces(to, from, &at, count, caller, &done, &last);

	if (offset)
		*offset = at;
	else if (done)
		(void)sys_seek(from, at, SEEK_SET);
	if (!whole)
		last = real_libc.sendfile(to, from, offset, count - done);
	if (!whole && last > 0)
		done += (size_t)last;
	return done ? (ssize_t)done : last;
}

HOOK ssize_t sendfile(int to, int from, off_t *offset, size_t count)
{
	if (unlikely(fds_has(to, FDS_FRESH | FDS_PLAIN)) &&
	    (!offset || sys_can_read(offset, sizeof *offset)))
		return send_file(to, from, offset, count, CALLER);
	return real_libc.sendfile(to, from, offset, count);
}

HOOK ssize_t sendfile64(int to, int from, off64_t *offset, size_t count)
{
	if (unlikely(fds_has(to, FDS_FRESH | FDS_PLAIN)) &&
	    (!offset || sys_can_read(offset, sizeof *offset)))
		return send_file(to, from, offset, count, CALLER);
	return real_libc.sendfile64(to, from, offset, count);
}

/* ---- reading ---- */

/* True: answered in r->ret. Otherwise the real function is to be called, and `received` with its
 * result. */
static bool served(struct receiving *r)
{
	/* It waits for an answer to what it has not ended. */
	if (fds_has(r->fd, FDS_HELD) && !(r->flags & MSG_DONTWAIT) && sys_waits(r->fd) &&
	    !sys_is_readable(r->fd))
		opening_release(r->fd);
	if (fds_has(r->fd, FDS_PLANTED) && !(r->flags & MSG_PEEK) && r->count &&
	    r->parts[0].iov_base) {
		int saved = errno;
		r->ret = (ssize_t)fds_take(r->fd, r->parts[0].iov_base, r->parts[0].iov_len);
		errno = saved;
		if (r->ret > 0)
			return true;
	}
	return fds_has(r->fd, FDS_PLAIN) && plain_receive(r);
}

static ssize_t received(struct receiving *r, ssize_t ret)
{
	r->ret = ret;
	if (fds_has(r->fd, FDS_PLAIN))
		plain_received(r);
	return r->ret;
}

/* Calls the real function behind the test that all doors have. */
#define RECEIVE(call, fd_, parts_, count_, flags_)                                                 \
	({                                                                                         \
		struct receiving r_ = {                                                            \
			.fd = (fd_), .parts = (parts_), .count = (count_), .flags = (flags_)};     \
		served(&r_) ? r_.ret : received(&r_, real_libc.call);                              \
	})

HOOK ssize_t read(int fd, void *data, size_t len)
{
	struct iovec part = {data, len};

	if (unlikely(fds_has(fd, FDS_READS)))
		return RECEIVE(read(fd, data, len), fd, &part, 1, 0);
	return real_libc.read(fd, data, len);
}

HOOK ssize_t __read_chk(int fd, void *data, size_t len, size_t room)
{
	struct iovec part = {data, len};

	if (unlikely(fds_has(fd, FDS_READS)) && len <= room)
		return RECEIVE(__read_chk(fd, data, len, room), fd, &part, 1, 0);
	return real_libc.__read_chk(fd, data, len, room);
}

HOOK ssize_t readv(int fd, const struct iovec *parts, int count)
{
	if (unlikely(fds_has(fd, FDS_READS)) && count > 0 && can_read_parts(parts, (size_t)count))
		return RECEIVE(readv(fd, parts, count), fd, parts, (size_t)count, 0);
	return real_libc.readv(fd, parts, count);
}

HOOK ssize_t recv(int fd, void *data, size_t len, int flags)
{
	struct iovec part = {data, len};

	if (unlikely(fds_has(fd, FDS_READS)))
		return RECEIVE(recv(fd, data, len, flags), fd, &part, 1, flags);
	return real_libc.recv(fd, data, len, flags);
}

HOOK ssize_t __recv_chk(int fd, void *data, size_t len, size_t room, int flags)
{
	struct iovec part = {data, len};

	if (unlikely(fds_has(fd, FDS_READS)) && len <= room)
		return RECEIVE(__recv_chk(fd, data, len, room, flags), fd, &part, 1, flags);
	return real_libc.__recv_chk(fd, data, len, room, flags);
}

/* As a connected stream socket answers. */
static void no_address(socklen_t *address_len)
{
	if (address_len)
		*address_len = 0;
}

HOOK ssize_t recvfrom(int fd, void *data, size_t len, int flags, struct sockaddr *address,
		      socklen_t *address_len)
{
	struct iovec part = {data, len};
	struct receiving r = {.fd = fd, .parts = &part, .count = 1, .flags = flags};

	if (unlikely(fds_has(fd, FDS_READS))) {
		if (!served(&r))
			return received(
				&r, real_libc.recvfrom(fd, data, len, flags, address, address_len));
		no_address(address_len);
		return r.ret;
	}
	return real_libc.recvfrom(fd, data, len, flags, address, address_len);
}

HOOK ssize_t __recvfrom_chk(int fd, void *data, size_t len, size_t room, int flags,
			    struct sockaddr *address, socklen_t *address_len)
{
	struct iovec part = {data, len};
	struct receiving r = {.fd = fd, .parts = &part, .count = 1, .flags = flags};

	if (unlikely(fds_has(fd, FDS_READS)) && len <= room) {
		if (!served(&r))
			return received(&r, real_libc.__recvfrom_chk(fd, data, len, room, flags,
								     address, address_len));
		no_address(address_len);
		return r.ret;
	}
	return real_libc.__recvfrom_chk(fd, data, len, room, flags, address, address_len);
}

HOOK ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	if (unlikely(fds_has(fd, FDS_READS)) && sys_can_read(message, sizeof *message) &&
	    can_read_parts(message->msg_iov, message->msg_iovlen)) {
		struct receiving r = {.fd = fd,
				      .parts = message->msg_iov,
				      .count = message->msg_iovlen,
				      .flags = flags};
		if (!served(&r))
			return received(&r, real_libc.recvmsg(fd, message, flags));
		message->msg_flags = 0;
		message->msg_controllen = 0;
		message->msg_namelen = 0;
		return r.ret;
	}
	return real_libc.recvmsg(fd, message, flags);
}

/* ---- the program's limits, of which the log's writer wants to know (sys_file_limit) ---- */

#define CHANGES_LIMIT(call)                                                                        \
	({                                                                                         \
		sys_file_limit_change(false);                                                      \
		int ret_ = real_libc.call;                                                         \
		sys_file_limit_change(true);                                                       \
		ret_;                                                                              \
	})

HOOK int setrlimit(int resource, const void *limit)
{
	return CHANGES_LIMIT(setrlimit(resource, limit));
}

HOOK int setrlimit64(int resource, const void *limit)
{
	return CHANGES_LIMIT(setrlimit64(resource, limit));
}

HOOK int prlimit(pid_t pid, int resource, const void *limit, void *old)
{
	return CHANGES_LIMIT(prlimit(pid, resource, limit, old));
}

HOOK int prlimit64(pid_t pid, int resource, const void *limit, void *old)
{
	return CHANGES_LIMIT(prlimit64(pid, resource, limit, old));
}
