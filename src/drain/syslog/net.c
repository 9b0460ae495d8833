/* SPDX-License-Identifier: MIT */
#include "drain/syslog/net.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/local_socket.h"
#include "base/sys.h"

#define NS_PER_S     1000000000u
#define NS_PER_MS    1000000u
#define PIECE        4096
#define END_WAIT_MS  250 /* for the end of a connection that the peer said it ends */
#define PAUSE_MIN_NS 50000u
#define PAUSE_MAX_NS (10 * NS_PER_MS) /* between two looks at what is not acknowledged yet */

/* ---- what is told ---- */

static bool put_why(struct buf *out, int error)
{
	const char *why = strerrordesc_np(abs(error));

	return error == 0 ||
	       (!buf_put_str(out, ": ") && !buf_put_str(out, why ? why : "unknown error"));
}

void net_say(struct sink_answer *answer, enum sink_result result, const char *what,
	     const char *where, int error)
{
	struct buf detail = {0};

	if (!buf_put_str(&detail, what) && !buf_put_str(&detail, where[0] ? ": " : "") &&
	    !buf_put_str(&detail, where) && put_why(&detail, error))
		sink_answer(answer, result, "", buf_view(&detail));
	else
		sink_answer(answer, result, what, BYTES_NONE);
	buf_done(&detail);
}

static void put_where(struct net *net, const char *host, const char *port)
{
	static const char between[] = " port ";
	size_t host_len = strnlen(host, NET_WHERE_MAX / 2), port_len = strlen(port);

	memcpy(net->where, host, host_len);
	memcpy(net->where + host_len, between, sizeof between);
	memcpy(net->where + host_len + sizeof between - 1, port, port_len + 1);
}

/* ---- connecting ---- */

enum err net_wait(const struct net *net, short events, uint64_t deadline_ns)
{
	return local_socket_wait(net->fd, events, deadline_ns);
}

/* 0 or -errno. */
static int wait_for_connection(const struct net *net, uint64_t deadline_ns)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (net_wait(net, POLLOUT, deadline_ns))
		return -ETIMEDOUT;
	if (getsockopt(net->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -errno;
	return -error;
}

static int connect_to(struct net *net, const struct sockaddr *address, socklen_t len,
		      uint64_t deadline_ns)
{
	struct timespec pause = {0, NS_PER_MS};

	for (;;) {
		if (connect(net->fd, address, len) == 0)
			return 0;
		if (errno == EINPROGRESS || errno == EINTR)
			return wait_for_connection(net, deadline_ns);
		/* a unix stream socket whose line of new connections is full */
		if (errno != EAGAIN || address->sa_family != AF_UNIX)
			return -errno;
		if (sys_monotonic_ns() >= deadline_ns)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}

static int open_socket(struct net *net, int family, int type)
{
	net->fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	net->type = type;
	return net->fd < 0 ? -errno : 0;
}

/* A peer that is gone without a word is noticed within the time that a batch may take. */
static void set_options(const struct net *net, uint64_t deadline_ns)
{
	uint64_t now_ns = sys_monotonic_ns();
	unsigned left_ms = deadline_ns > now_ns ? (unsigned)((deadline_ns - now_ns) / NS_PER_MS)
						: 1;
	int on = 1;

	if (net->type != SOCK_STREAM)
		return;
	(void)setsockopt(net->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(net->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	(void)setsockopt(net->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &left_ms, sizeof left_ms);
}

/* What waiting can mend is to be tried again. */
static enum sink_result result_of(int error)
{
	return abs(error) == EACCES || abs(error) == EPERM ? SINK_WRONG : SINK_RETRY;
}

static enum err connect_unix(struct net *net, const struct syslog_address *a, uint64_t deadline_ns,
			     struct sink_answer *answer)
{
	static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int error = 0;

	memcpy(to.sun_path, a->path, strlen(a->path) + 1);
	memcpy(net->where, a->path, strlen(a->path) + 1);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		error = open_socket(net, AF_UNIX, types[i]);
		if (!error)
			error = connect_to(net, (struct sockaddr *)&to, sizeof to, deadline_ns);
		if (!error)
			return OK;
		net_close(net);
		if (error != -EPROTOTYPE)
			break;
	}
	net_say(answer, result_of(error), "cannot connect", net->where, error);
	return ERR_IO;
}

static int connect_one(struct net *net, const struct addrinfo *one, uint64_t deadline_ns)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	int error = open_socket(net, one->ai_family, one->ai_socktype);

	if (!getnameinfo(one->ai_addr, one->ai_addrlen, host, sizeof host, port, sizeof port,
			 NI_NUMERICHOST | NI_NUMERICSERV))
		put_where(net, host, port);
	if (!error)
		error = connect_to(net, one->ai_addr, one->ai_addrlen, deadline_ns);
	if (!error)
		set_options(net, deadline_ns);
	else
		net_close(net);
	return error;
}

/* Each address gets its share of what is left, so that one that never answers does not take it all.
 * Returns 0, or the last one's -errno. */
static int connect_any(struct net *net, const struct addrinfo *list, uint64_t deadline_ns)
{
	unsigned left = 0;
	int error = -EADDRNOTAVAIL;

	for (const struct addrinfo *one = list; one && left < NET_ADDRESSES_MAX; one = one->ai_next)
		left++;
	for (const struct addrinfo *one = list; one && left; one = one->ai_next, left--) {
		uint64_t now_ns = sys_monotonic_ns();
		uint64_t share = deadline_ns > now_ns ? (deadline_ns - now_ns) / left : 0;
		error = connect_one(net, one, now_ns + share);
		if (!error)
			break;
	}
	return error;
}

/* The resolver of libc asks each server once, and waits as long as we may. */
static void bound_look_up(uint64_t deadline_ns)
{
	uint64_t now_ns = sys_monotonic_ns();
	uint64_t left_s = deadline_ns > now_ns ? (deadline_ns - now_ns) / NS_PER_S : 0;

	if (res_init())
		return;
	if ((uint64_t)_res.retrans > left_s)
		_res.retrans = left_s ? (int)left_s : 1;
	_res.retry = 1;
}

static enum err look_up(const struct syslog_address *a, uint64_t deadline_ns,
			struct addrinfo **ret_list, struct sink_answer *answer)
{
	struct addrinfo wanted = {
		.ai_socktype = a->transport == SYSLOG_UDP ? SOCK_DGRAM : SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | (a->is_ip ? AI_NUMERICHOST : 0),
	};
	struct buf where = {0};
	int error;

	if (!a->is_ip)
		bound_look_up(deadline_ns);
	error = getaddrinfo(a->host, a->port, &wanted, ret_list);
	if (error == 0)
		return OK;
	if (buf_put_str(&where, a->host) || buf_put_str(&where, ": ") ||
	    buf_put_str(&where, gai_strerror(error)))
		buf_reset(&where);
	sink_answer(answer, SINK_RETRY, "the name cannot be resolved: ", buf_view(&where));
	buf_done(&where);
	return ERR_IO;
}

static enum err connect_host(struct net *net, const struct syslog_address *a, uint64_t deadline_ns,
			     struct sink_answer *answer)
{
	struct addrinfo *list = NULL;
	enum err e = look_up(a, deadline_ns, &list, answer);
	int error;

	if (e)
		return e;
	put_where(net, a->host, a->port);
	error = connect_any(net, list, deadline_ns);
	freeaddrinfo(list);
	if (!error)
		return OK;
	net_say(answer, result_of(error), "cannot connect", net->where, error);
	return ERR_IO;
}

enum err net_connect(const struct syslog_address *address, uint64_t deadline_ns,
		     struct net *ret_net, struct sink_answer *answer)
{
	struct net net = {.fd = -1, .transport = address->transport};
	enum err e = address->transport == SYSLOG_UNIX
			     ? connect_unix(&net, address, deadline_ns, answer)
			     : connect_host(&net, address, deadline_ns, answer);

	if (!e)
		*ret_net = net;
	return e;
}

/* ---- bytes ---- */

void net_close(struct net *net)
{
	if (net->fd >= 0)
		close(net->fd);
	net->fd = -1;
}

ssize_t net_read(const struct net *net, void *at, size_t len)
{
	ssize_t n;

	do
		n = recv(net->fd, at, len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t net_write(const struct net *net, struct bytes data)
{
	ssize_t n;

	do
		n = send(net->fd, data.at, data.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int net_write_all(const struct net *net, struct bytes data, uint64_t deadline_ns)
{
	while (data.len) {
		ssize_t n = net_write(net, data);
		if (n == -EAGAIN || n == -ENOBUFS) {
			if (net_wait(net, POLLOUT, deadline_ns) ||
			    sys_monotonic_ns() >= deadline_ns)
				return -ETIMEDOUT;
			continue;
		}
		if (n < 0)
			return (int)n;
		if (net->type == SOCK_DGRAM)
			return 0;
		data = bytes_from(data, (size_t)n);
	}
	return 0;
}

/* The bytes that nobody has confirmed yet, or -errno. TCP: the peer's kernel; unix: its program. */
static int unconfirmed(const struct net *net)
{
	int bytes = 0;

	return ioctl(net->fd, SIOCOUTQ, &bytes) ? -errno : bytes;
}

static int pending_error(const struct net *net)
{
	socklen_t len = sizeof(int);
	int error = 0;

	return getsockopt(net->fd, SOL_SOCKET, SO_ERROR, &error, &len) ? -errno : -error;
}

/* A datagram socket does not hear of its receiver's death: another connection says whether
 * somebody is there. */
static int is_anybody_there(const struct net *net)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	memcpy(to.sun_path, net->where, strlen(net->where) + 1);
	return connect(net->fd, (struct sockaddr *)&to, sizeof to) ? -errno : 0;
}

int net_settle(const struct net *net, uint64_t deadline_ns)
{
	struct timespec pause = {0, PAUSE_MIN_NS};
	int bytes;

	if (net->transport == SYSLOG_UDP)
		return pending_error(net);
	while ((bytes = unconfirmed(net)) > 0) {
		/* not SO_ERROR: whoever looks at the connection next is to find it */
		struct pollfd one = {.fd = net->fd};
		if (poll(&one, 1, 0) == 1 && one.revents & (POLLERR | POLLNVAL))
			return -ECONNRESET;
		if (sys_monotonic_ns() >= deadline_ns)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < PAUSE_MAX_NS)
			pause.tv_nsec *= 2;
	}
	if (bytes < 0)
		return bytes;
	return net->transport == SYSLOG_UNIX && net->type == SOCK_DGRAM ? is_anybody_there(net) : 0;
}

enum net_state net_look(const struct net *net)
{
	uint8_t piece[PIECE];

	if (net->type == SOCK_DGRAM)
		return NET_OPEN; /* a write tells */
	for (size_t said = 0; said <= NET_NOISE_MAX;) {
		ssize_t n = net_read(net, piece, sizeof piece);
		if (n == -EAGAIN)
			return NET_OPEN;
		if (n <= 0)
			return n == 0 ? NET_CLOSED : NET_BROKEN;
		said += (size_t)n;
	}
	return NET_NOISY;
}

enum net_state net_end(const struct net *net)
{
	uint64_t deadline_ns = sys_monotonic_ns() + (uint64_t)END_WAIT_MS * NS_PER_MS;
	enum net_state state;

	while ((state = net_look(net)) == NET_OPEN)
		if (net_wait(net, POLLIN, deadline_ns))
			return NET_BROKEN; /* nobody knows */
	return state;
}

void net_finish(struct net *net, uint64_t deadline_ns)
{
	if (net->fd >= 0 && net->type == SOCK_STREAM && shutdown(net->fd, SHUT_WR) == 0)
		while (net_look(net) == NET_OPEN)
			if (net_wait(net, POLLIN, deadline_ns))
				break;
	net_close(net);
}
