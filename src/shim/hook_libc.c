/* SPDX-License-Identifier: MIT
 *
 * The front doors of libc: a bit test, then the real function. What is learned on the way is in
 * shim/fds. Bytes are looked at only after the kernel has taken them, so that a pointer the program
 * got wrong gives the program's own EFAULT and no crash of ours.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/bytes.h"
#include "shim/fds.h"
#include "shim/hooks.h"
#include "shim/real.h"

#define unlikely(condition) __builtin_expect(!!(condition), 0)

static void saw_write(int fd, const void *data, ssize_t taken)
{
	int saved = errno;

	if (taken > 0)
		fds_note_write(fd, data, (size_t)taken);
	errno = saved;
}

static void saw_vector(int fd, const struct iovec *parts, size_t count, ssize_t taken)
{
	if (taken > 0 && count > 0) {
		size_t first = parts[0].iov_len;
		saw_write(fd, parts[0].iov_base, (size_t)taken < first ? taken : (ssize_t)first);
	}
}

HOOK int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	int ret = real_libc.connect(fd, address, len);

	if ((ret == 0 || errno == EINPROGRESS) && address && len >= sizeof address->sa_family &&
	    (address->sa_family == AF_INET || address->sa_family == AF_INET6)) {
		int saved = errno;
		fds_note_connect(fd);
		errno = saved;
	}
	return ret;
}

HOOK int close(int fd)
{
	if (unlikely(fds_is_fresh(fd) || fds_is_planted(fd)))
		fds_note_close(fd);
	return real_libc.close(fd);
}

HOOK ssize_t write(int fd, const void *data, size_t len)
{
	ssize_t ret = real_libc.write(fd, data, len);

	if (unlikely(fds_is_fresh(fd)))
		saw_write(fd, data, ret);
	return ret;
}

HOOK ssize_t writev(int fd, const struct iovec *parts, int count)
{
	ssize_t ret = real_libc.writev(fd, parts, count);

	if (unlikely(fds_is_fresh(fd)))
		saw_vector(fd, parts, count > 0 ? (size_t)count : 0, ret);
	return ret;
}

HOOK ssize_t send(int fd, const void *data, size_t len, int flags)
{
	ssize_t ret = real_libc.send(fd, data, len, flags);

	if (unlikely(fds_is_fresh(fd)))
		saw_write(fd, data, ret);
	return ret;
}

HOOK ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *address,
		    socklen_t address_len)
{
	ssize_t ret = real_libc.sendto(fd, data, len, flags, address, address_len);

	if (unlikely(fds_is_fresh(fd)))
		saw_write(fd, data, ret);
	return ret;
}

HOOK ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t ret = real_libc.sendmsg(fd, message, flags);

	if (unlikely(fds_is_fresh(fd)) && ret > 0)
		saw_vector(fd, message->msg_iov, message->msg_iovlen, ret);
	return ret;
}

/* Bytes planted by a refusal, once; 0: read for real. */
static ssize_t planted(int fd, void *data, size_t len)
{
	int saved = errno;
	size_t n = data ? fds_take(fd, data, len) : 0;

	errno = saved;
	return (ssize_t)n;
}

HOOK ssize_t read(int fd, void *data, size_t len)
{
	ssize_t n;

	if (unlikely(fds_is_planted(fd)) && (n = planted(fd, data, len)) > 0)
		return n;
	return real_libc.read(fd, data, len);
}

HOOK ssize_t readv(int fd, const struct iovec *parts, int count)
{
	ssize_t n;

	if (unlikely(fds_is_planted(fd)) && count > 0 &&
	    (n = planted(fd, parts[0].iov_base, parts[0].iov_len)) > 0)
		return n;
	return real_libc.readv(fd, parts, count);
}

HOOK ssize_t recv(int fd, void *data, size_t len, int flags)
{
	ssize_t n;

	if (unlikely(fds_is_planted(fd)) && !(flags & MSG_PEEK) && (n = planted(fd, data, len)) > 0)
		return n;
	return real_libc.recv(fd, data, len, flags);
}

HOOK ssize_t recvfrom(int fd, void *data, size_t len, int flags, struct sockaddr *address,
		      socklen_t *address_len)
{
	ssize_t n;

	if (unlikely(fds_is_planted(fd)) && !(flags & MSG_PEEK) &&
	    (n = planted(fd, data, len)) > 0) {
		if (address_len)
			*address_len = 0; /* as a connected stream socket answers */
		return n;
	}
	return real_libc.recvfrom(fd, data, len, flags, address, address_len);
}

HOOK ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t n;

	if (unlikely(fds_is_planted(fd)) && message && message->msg_iovlen > 0 &&
	    !(flags & MSG_PEEK) &&
	    (n = planted(fd, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len)) > 0) {
		message->msg_flags = 0;
		message->msg_controllen = 0;
		message->msg_namelen = 0;
		return n;
	}
	return real_libc.recvmsg(fd, message, flags);
}
