/* SPDX-License-Identifier: MIT */
#include "base/local_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include "base/sys.h"

#define NS_PER_S      1000000000u
#define RETRY_WAIT_NS 1000000u /* while the line of new connections is full */

static int move_up(int fd)
{
	long high = sys_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, LOCAL_SOCKET_FD_MIN, 0, 0, 0);

	if (high < 0)
		return fd;
	sys_close(fd);
	return (int)high;
}

static struct timespec time_left(uint64_t deadline_ns)
{
	uint64_t now_ns = sys_monotonic_ns();
	uint64_t left = deadline_ns > now_ns ? deadline_ns - now_ns : 0;

	return (struct timespec){(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
}

enum err local_socket_wait(int fd, short events, uint64_t deadline_ns)
{
	for (;;) {
		struct pollfd one = {.fd = fd, .events = events};
		struct timespec left = time_left(deadline_ns);
		long n = sys_call(SYS_ppoll, (long)&one, 1, (long)&left, 0, 0, 0);
		if (n > 0)
			return OK;
		if (n != -EINTR || sys_monotonic_ns() >= deadline_ns)
			return ERR_IO;
	}
}

static enum err connect_to(int fd, const char *path, uint64_t deadline_ns)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timespec pause = {0, RETRY_WAIT_NS};

	memcpy(address.sun_path, path, strlen(path) + 1);
	for (;;) {
		long n = sys_call(SYS_connect, fd, (long)&address, sizeof address, 0, 0, 0);
		if (n == 0)
			return OK;
		if (n == -ENOENT || n == -ECONNREFUSED)
			return ERR_MISSING;
		if ((n != -EAGAIN && n != -EINTR) || sys_monotonic_ns() >= deadline_ns)
			return n == -EAGAIN ? ERR_STATE : err_from_errno(n);
		sys_call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (long)&pause, 0, 0, 0);
	}
}

enum err local_socket_connect(const char *path, uint64_t deadline_ns, int *ret_fd)
{
	enum err e;
	int fd;

	if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path)
		return ERR_LIMIT;
	fd = (int)sys_call(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0,
			   0, 0);
	if (fd < 0)
		return err_from_errno(fd);
	fd = move_up(fd);
	e = connect_to(fd, path, deadline_ns);
	if (e)
		sys_close(fd);
	else
		*ret_fd = fd;
	return e;
}
