/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/sys.h"

#define FIRST_FD  3 /* SD_LISTEN_FDS_START */
#define NS_PER_US 1000u

static struct {
	struct sockaddr_un address;
	socklen_t address_len;
	uint64_t interval_ns, told_ns;
	uint64_t handed_over;
	int fd;
} with = {.interval_ns = UINT64_MAX, .fd = -1};

static struct bytes variable(char *const *environment, const char *name)
{
	size_t len = strlen(name);

	for (; environment && *environment; environment++)
		if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
			return bytes_str(*environment + len + 1);
	return BYTES_NONE;
}

static uint64_t number(struct bytes text)
{
	uint64_t n;

	return bytes_parse_u64(text, UINT64_MAX / NS_PER_US, &n) ? 0 : n;
}

/* "/path" or "@name" in the abstract name space. */
static void find_notify_socket(struct bytes name)
{
	if (name.len < 2 || name.len >= sizeof with.address.sun_path ||
	    (name.at[0] != '/' && name.at[0] != '@'))
		return;
	with.address.sun_family = AF_UNIX;
	memcpy(with.address.sun_path, name.at, name.len);
	with.address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name.len +
				       (name.at[0] == '/'));
	if (name.at[0] == '@')
		with.address.sun_path[0] = '\0';
	with.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void supervisor_init(char *const *environment)
{
	uint64_t usec = number(variable(environment, "WATCHDOG_USEC"));
	struct bytes watched = variable(environment, "WATCHDOG_PID");

	find_notify_socket(variable(environment, "NOTIFY_SOCKET"));
	if (usec && (watched.len == 0 || number(watched) == (uint64_t)getpid()))
		with.interval_ns = usec * NS_PER_US / 2;
	if (number(variable(environment, "LISTEN_PID")) == (uint64_t)getpid())
		with.handed_over = number(variable(environment, "LISTEN_FDS"));
}

enum err supervisor_take_socket(int *ret_fd)
{
	int type = 0, listening = 0, domain = 0;
	socklen_t len = sizeof type;

	*ret_fd = -1;
	if (with.handed_over == 0)
		return OK;
	if (with.handed_over != 1 || getsockopt(FIRST_FD, SOL_SOCKET, SO_TYPE, &type, &len) ||
	    getsockopt(FIRST_FD, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) ||
	    getsockopt(FIRST_FD, SOL_SOCKET, SO_DOMAIN, &domain, &len) || type != SOCK_SEQPACKET ||
	    !listening || domain != AF_UNIX)
		return ERR_USAGE;
	if (fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC) || fcntl(FIRST_FD, F_SETFL, O_NONBLOCK))
		return ERR_IO;
	*ret_fd = FIRST_FD;
	return OK;
}

/* Nothing depends on its arrival: a supervisor that does not listen is not waited for. */
static void tell(const char *text)
{
	if (with.fd >= 0)
		(void)!sendto(with.fd, text, strlen(text), MSG_NOSIGNAL,
			      (struct sockaddr *)&with.address, with.address_len);
}

void supervisor_ready(const char *status)
{
	tell("READY=1");
	tell(status);
}

void supervisor_stopping(void)
{
	tell("STOPPING=1");
}

void supervisor_alive(uint64_t now_ns)
{
	if (with.interval_ns == UINT64_MAX || now_ns - with.told_ns < with.interval_ns / 2)
		return;
	with.told_ns = now_ns;
	tell("WATCHDOG=1");
}

uint64_t supervisor_interval_ns(void)
{
	return with.interval_ns == UINT64_MAX ? UINT64_MAX : with.interval_ns / 2;
}
