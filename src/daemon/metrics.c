/* SPDX-License-Identifier: MIT */
#include "daemon/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG  16
#define NS_PER_S 1000000000u
#define PORT_MAX 65535u
#define HOST_CAP 48

/* ---- the text ---- */

struct metric {
	const char *name, *type, *help;
	size_t offset; /* of a number of the status */
	bool is_time;  /* nanoseconds, told in seconds */
};

#define OF(member) offsetof(struct drain_status, member)

static const struct metric metrics[] = {
	{"delivered_total", "counter", "Events that the sink acknowledged.", OF(delivered), false},
	{"delivered_bytes_total", "counter", "Their bytes.", OF(bytes), false},
	{"filtered_total", "counter", "Events that the sink's filter left out.", OF(filtered),
	 false},
	{"heartbeats_total", "counter", "Heartbeats that the sink acknowledged.", OF(heartbeats),
	 false},
	{"batches_total", "counter", "Batches that the sink acknowledged.", OF(batches), false},
	{"retries_total", "counter", "Batches to be sent again.", OF(retries), false},
	{"refused_total", "counter", "Permanent refusals of single events.", OF(refused), false},
	{"duplicates_possible_total", "counter", "Events sent again that may have arrived before.",
	 OF(duplicates), false},
	{"sender_restarts_total", "counter", "Senders that died or did not answer.", OF(restarts),
	 false},
	{"dead_letters", "gauge", "Events laid aside, to be replayed.", OF(dead), false},
	{"damaged", "gauge", "Places of the log that cannot be read.", OF(damaged), false},
	{"queue", "gauge", "Events in memory.", OF(queued), false},
	{"under_way", "gauge", "Events sent and not answered.", OF(under_way), false},
	{"last_success_timestamp_seconds", "gauge", "When the sink acknowledged last.",
	 OF(success_ns), true},
	{"last_failure_timestamp_seconds", "gauge", "When the sink failed last.", OF(failure_ns),
	 true},
};

static enum err put_head(struct buf *out, const char *name, const char *type, const char *help)
{
	const char *const pieces[] = {"# HELP aigw_drain_",
				      name,
				      " ",
				      help,
				      "\n# TYPE aigw_drain_",
				      name,
				      " ",
				      type,
				      "\n"};
	enum err e = OK;

	for (size_t i = 0; !e && i < sizeof pieces / sizeof pieces[0]; i++)
		e = buf_put_str(out, pieces[i]);
	return e;
}

/* Names of sinks and types need no escapes (audit/acked.h). */
static enum err put_sample(struct buf *out, const char *name, const struct drain_status *s,
			   uint64_t value)
{
	const char *const pieces[] = {"aigw_drain_", name,    "{sink=\"", s->sink,
				      "\",type=\"",  s->type, "\"} "};
	enum err e = OK;

	for (size_t i = 0; !e && i < sizeof pieces / sizeof pieces[0]; i++)
		e = buf_put_str(out, pieces[i]);
	if (!e)
		e = buf_put_decimal(out, value);
	return e ? e : buf_put_u8(out, '\n');
}

static uint64_t value_of(const struct drain_status *s, const struct metric *m)
{
	uint64_t n = *(const uint64_t *)(const void *)((const uint8_t *)s + m->offset);

	return m->is_time ? n / NS_PER_S : n;
}

enum err metrics_put_sinks(struct buf *out, const struct drain_status *sinks, size_t count,
			   uint64_t now_ns)
{
	enum err e = OK;

	for (size_t i = 0; !e && i < sizeof metrics / sizeof metrics[0]; i++) {
		e = put_head(out, metrics[i].name, metrics[i].type, metrics[i].help);
		for (size_t s = 0; !e && s < count; s++)
			e = put_sample(out, metrics[i].name, &sinks[s],
				       value_of(&sinks[s], &metrics[i]));
	}
	if (!e)
		e = put_head(out, "oldest_undelivered_seconds", "gauge",
			     "Age of the oldest event that waits.");
	for (size_t s = 0; !e && s < count; s++)
		e = put_sample(out, "oldest_undelivered_seconds", &sinks[s],
			       status_age_s(&sinks[s], now_ns));
	if (!e)
		e = put_head(out, "healthy", "gauge",
			     "1: as it should be (aigwd --drain --check).");
	for (size_t s = 0; !e && s < count; s++)
		e = put_sample(out, "healthy", &sinks[s], !status_trouble(&sinks[s], now_ns));
	return e;
}

/* ---- the socket ---- */

static enum err listen_on(struct metrics *m, const struct sockaddr *address, socklen_t len)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
	enum err e = OK;

	if (fd < 0)
		return err_from_errno(errno);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, address, len) || listen(fd, BACKLOG))
		e = err_from_errno(errno);
	if (e)
		close(fd);
	else
		m->fd_plus_one = fd + 1;
	return e;
}

static enum err open_path(struct metrics *m, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	enum err e;
	struct stat st;

	if (strlen(path) >= sizeof address.sun_path)
		return ERR_USAGE;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path); /* of one that was killed */
	e = listen_on(m, (const struct sockaddr *)&address, sizeof address);
	if (e)
		return e;
	memcpy(m->path, address.sun_path, sizeof m->path);
	(void)chmod(path, 0666); /* who may come is its directory's business */
	return OK;
}

static enum err open_port(struct metrics *m, struct bytes host, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	char name[HOST_CAP];

	if (bytes_equal(host, BYTES("localhost")))
		host = BYTES("127.0.0.1");
	if (host.len >= sizeof name || !host.len)
		return ERR_USAGE;
	memcpy(name, host.at, host.len);
	name[host.len] = '\0';
	if (inet_pton(AF_INET, name, &v4.sin_addr) == 1 && ntohl(v4.sin_addr.s_addr) >> 24 == 127)
		return listen_on(m, (const struct sockaddr *)&v4, sizeof v4);
	if (inet_pton(AF_INET6, name, &v6.sin6_addr) == 1 && IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr))
		return listen_on(m, (const struct sockaddr *)&v6, sizeof v6);
	return ERR_USAGE;
}

enum err metrics_open(struct metrics *m, const char *where)
{
	struct bytes host = bytes_str(where);
	size_t colon = host.len;
	uint64_t port;

	*m = (struct metrics){.fd_plus_one = 0};
	if (where[0] == '/')
		return open_path(m, where);
	while (colon && host.at[colon - 1] != ':')
		colon--;
	if (!colon || bytes_parse_u64(bytes_from(host, colon), PORT_MAX, &port))
		return ERR_USAGE;
	host.len = colon - 1;
	if (host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']')
		host = bytes_slice(host, 1, host.len - 2);
	return open_port(m, host, (uint16_t)port);
}

static void drop(struct metrics_client *c)
{
	close(c->fd_plus_one - 1);
	buf_done(&c->out);
	*c = (struct metrics_client){.fd_plus_one = 0};
}

void metrics_close(struct metrics *m)
{
	for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++)
		if (m->clients[i].fd_plus_one)
			drop(&m->clients[i]);
	if (m->fd_plus_one)
		close(m->fd_plus_one - 1);
	if (m->path[0])
		(void)unlink(m->path);
	*m = (struct metrics){.fd_plus_one = 0};
}

size_t metrics_fds(const struct metrics *m, struct pollfd ret_fds[METRICS_FDS_MAX])
{
	size_t count = 0;

	if (m->fd_plus_one)
		ret_fds[count++] = (struct pollfd){m->fd_plus_one - 1, POLLIN, 0};
	for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++) {
		const struct metrics_client *c = &m->clients[i];
		if (c->fd_plus_one)
			ret_fds[count++] = (struct pollfd){c->fd_plus_one - 1,
							   c->out.len ? POLLOUT : POLLIN, 0};
	}
	return count;
}

/* ---- asking and answering ---- */

static void accept_some(struct metrics *m, uint64_t now_ns)
{
	for (size_t i = 0; m->fd_plus_one && i < METRICS_CLIENTS_MAX; i++) {
		struct metrics_client *c = &m->clients[i];
		if (c->fd_plus_one)
			continue;
		int fd = accept4(m->fd_plus_one - 1, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		c->fd_plus_one = fd + 1;
		c->until_ns = now_ns + METRICS_WAIT_NS;
	}
}

/* True: the whole question is here. */
static bool note_question(struct metrics_client *c, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		memmove(c->tail, c->tail + 1, sizeof c->tail - 1);
		c->tail[sizeof c->tail - 1] = at[i];
		if (memcmp(c->tail, "\r\n\r\n", 4) == 0 || memcmp(c->tail + 2, "\n\n", 2) == 0)
			return true;
	}
	return false;
}

static enum err put_answer(struct buf *out, enum err (*put)(void *, struct buf *), void *context)
{
	struct buf text = {0};
	enum err e = put(context, &text);

	if (!e)
		e = buf_put_str(out, "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4; "
				     "charset=utf-8\r\nConnection: close\r\nContent-Length: ");
	if (!e)
		e = buf_put_decimal(out, text.len);
	if (!e)
		e = buf_put_str(out, "\r\n\r\n");
	if (!e)
		e = buf_put(out, buf_view(&text));
	buf_done(&text);
	return e;
}

/* False: the connection is over. */
static bool listen_to(struct metrics_client *c, enum err (*put)(void *, struct buf *),
		      void *context)
{
	uint8_t piece[512];
	ssize_t n = recv(c->fd_plus_one - 1, piece, sizeof piece, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	if (note_question(c, piece, (size_t)n))
		return put_answer(&c->out, put, context) == OK;
	c->asked += (size_t)n;
	return c->asked <= METRICS_ASK_MAX;
}

static bool answer(struct metrics_client *c)
{
	while (c->out_at < c->out.len) {
		ssize_t n = send(c->fd_plus_one - 1, c->out.at + c->out_at, c->out.len - c->out_at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->out_at += (size_t)n;
	}
	return c->out.len == 0; /* all is said */
}

void metrics_serve(struct metrics *m, uint64_t now_ns, enum err (*put)(void *, struct buf *),
		   void *context)
{
	accept_some(m, now_ns);
	for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++) {
		struct metrics_client *c = &m->clients[i];
		bool open;
		if (!c->fd_plus_one)
			continue;
		open = now_ns < c->until_ns && (c->out.len || listen_to(c, put, context));
		if (!open || !answer(c))
			drop(c);
	}
}
