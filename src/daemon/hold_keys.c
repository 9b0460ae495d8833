/* SPDX-License-Identifier: MIT */
#include "daemon/hold_keys.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/sys.h"
#include "daemon/note.h"
#include "daemon/supervisor.h"
#include "keys/key_file.h"
#include "keys/key_message.h"

/* Newer than some headers. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define EVENTS_MAX       64
#define ACCEPTS_MAX      64 /* in one turn */
#define ASKS_MAX         16 /* likewise, of one client: who asks without end does not stop others */
#define TICK_NS          1000000000u
#define NS_PER_MS        1000000u
#define SECOND_NS        1000000000u
#define PASSWD_BYTES_MAX (8u << 20)

struct client {
	int fd_plus_one; /* 0: free */
	struct ucred who;
	uint64_t since_ns;
};

struct holder {
	const char *directory;
	int epoll_fd, listening_fd, signal_fd;
	bool ending;
	uint64_t tick_ns;
	struct client clients[HOLD_KEYS_CLIENTS_MAX];
	/* the store, as it was read last */
	struct key_host *host; /* in memory of sys_map_secret, as is: */
	uint8_t *secret;       /* KEYHOLD_SECRET_BYTES, zeros but for the answer under way */
	struct key_store *store;
	uint64_t *touched_ns; /* of each key */
	struct file_version version;
	bool looked;
	enum err trouble; /* it cannot be read */
	struct buf entry;
};

/* ---- the store ---- */

static void load(struct holder *h)
{
	enum err e;

	key_store_free(h->store);
	free(h->touched_ns);
	h->store = NULL;
	h->touched_ns = NULL;
	e = key_file_host(h->directory, false, h->host);
	if (!e)
		e = key_file_load(h->directory, h->host, &h->store);
	if (!e) {
		h->touched_ns = calloc(h->store->key_count + 1, sizeof *h->touched_ns);
		if (!h->touched_ns)
			e = ERR_NOMEM;
	}
	h->trouble = e == ERR_MISSING ? OK : e; /* no store: no keys */
	if (h->trouble)
		note_error(NOTE_WRONG, e, "the key store in ", h->directory);
}

static void refresh(struct holder *h)
{
	struct file_version now;

	key_file_version(h->directory, &now);
	if (h->looked && file_version_equal(&now, &h->version) && h->trouble != ERR_NOMEM)
		return;
	h->looked = true;
	h->version = now;
	load(h);
}

static void note_use(struct holder *h, const struct key_entry *e)
{
	uint64_t *touched = &h->touched_ns[e - h->store->keys], now_ns = sys_monotonic_ns();

	if (*touched && now_ns - *touched < KEY_TOUCH_NS)
		return;
	*touched = now_ns;
	key_file_touch(h->directory, e->scope.name);
}

/* ---- who asks ---- */

/* By number, or by name in /etc/passwd. No name service is asked: one that hangs would stop
 * everybody. */
static bool is_user(struct bytes user, uid_t uid)
{
	struct buf file = {0};
	struct bytes rest;
	bool found = false;
	uint64_t number;

	if (!bytes_parse_u64(user, UINT32_MAX, &number))
		return number == uid;
	if (!sys_read_file("/etc/passwd", PASSWD_BYTES_MAX, &file))
		for (rest = buf_view(&file); rest.len && !found;) {
			struct bytes line = bytes_cut(&rest, '\n'), name = bytes_cut(&line, ':');
			bytes_cut(&line, ':');
			found = bytes_equal(name, user) &&
				!bytes_parse_u64(bytes_cut(&line, ':'), UINT32_MAX, &number) &&
				number == uid;
		}
	buf_done(&file);
	return found;
}

/* The number of a process that has ended may be another's by now. */
static bool still_lives(const struct client *c)
{
	struct pollfd one = {.events = POLLIN};
	socklen_t len = sizeof one.fd;
	uint8_t byte;
	bool lives;

	if (getsockopt(c->fd_plus_one - 1, SOL_SOCKET, SO_PEERPIDFD, &one.fd, &len) == 0) {
		lives = poll(&one, 1, 0) == 0;
		close(one.fd);
		return lives;
	}
	/* An older kernel (before 6.5): the end of the process ends the connection too. */
	return recv(c->fd_plus_one - 1, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static bool is_program(struct bytes pattern, const struct client *c)
{
	char path[PATH_MAX_BYTES];
	struct buf link = {0};
	ssize_t n = -1;

	if (!buf_put_str(&link, "/proc/") && !buf_put_decimal(&link, (uint64_t)c->who.pid) &&
	    !buf_put_str(&link, "/exe") && !buf_put_u8(&link, '\0'))
		n = sys_readlink((const char *)link.at, path, sizeof path);
	buf_done(&link);
	return n > 0 && bytes_match(pattern, bytes_of(path, (size_t)n), false) && still_lives(c);
}

/* ---- answering ---- */

/* What the key is worth to this process; the secret, if any, in h->secret. */
static const struct key_entry *judge(struct holder *h, const struct client *c, struct bytes key,
				     struct bytes provider, struct key_answer *a)
{
	const struct key_entry *e = NULL;
	const struct key_secret *secret;

	refresh(h);
	if (h->trouble) {
		a->status = KEYHOLD_TROUBLE;
		return NULL;
	}
	a->verdict = key_store_judge(h->store, h->host, key, sys_now_ns() / SECOND_NS, &e);
	if (a->verdict != KEY_VALID)
		return e;
	if (e->user.len && !is_user(e->user, c->who.uid))
		a->status = KEYHOLD_OTHER_USER;
	else if (e->exe.len && !is_program(e->exe, c))
		a->status = KEYHOLD_OTHER_PROGRAM;
	/* What a key is for is not left to who asks: for another provider there is no secret. */
	if (a->status != KEYHOLD_JUDGED || !key_entry_is_for(e, provider))
		return e;
	note_use(h, e);
	secret = key_store_secret(h->store, provider, e->scope.environment);
	if (!secret)
		return e;
	if (key_secret_open(secret, h->host, h->secret))
		a->status = KEYHOLD_TROUBLE;
	else
		a->secret_bytes = secret->cipher.len;
	return e;
}

/* What the key is for, without its hashes, which are nobody's business. */
static enum err put_entry(const struct key_entry *e, struct buf *out)
{
	struct key_entry bare;
	enum err problem;

	buf_reset(out);
	if (!e)
		return OK;
	bare = *e;
	memset(bare.hash, 0, sizeof bare.hash);
	memset(bare.previous, 0, sizeof bare.previous);
	problem = key_entry_put(&bare, out);
	if (!problem && bare.scope.limits.given)
		problem = key_limits_put(&bare.scope.limits, out);
	return problem;
}

/* False: the connection is over. */
static bool answer(struct holder *h, const struct client *c, struct bytes ask)
{
	struct key_answer a = {.status = KEYHOLD_JUDGED, .verdict = KEY_UNKNOWN};
	struct bytes key, provider;
	struct keyhold_head head;
	ssize_t n;

	if (key_ask_parse(ask, &key, &provider))
		return false;
	if (put_entry(judge(h, c, key, provider, &a), &h->entry)) {
		a = (struct key_answer){.status = KEYHOLD_TROUBLE};
		buf_reset(&h->entry);
		wipe(h->secret, KEYHOLD_SECRET_BYTES);
	}
	a.entry_bytes = h->entry.len;
	key_answer_make(&a, &head);
	struct iovec pieces[3] = {{&head, sizeof head},
				  {h->secret, KEYHOLD_SECRET_BYTES},
				  {h->entry.at, h->entry.len}};
	struct msghdr m = {.msg_iov = pieces, .msg_iovlen = 3};
	do
		n = sendmsg(c->fd_plus_one - 1, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	wipe(h->secret, KEYHOLD_SECRET_BYTES);
	return n >= 0;
}

/* ---- connections ---- */

static void close_client(const struct holder *h, struct client *c)
{
	/* Closing does that only when nobody has a copy of the descriptor. */
	(void)epoll_ctl(h->epoll_fd, EPOLL_CTL_DEL, c->fd_plus_one - 1, NULL);
	close(c->fd_plus_one - 1);
	memset(c, 0, sizeof *c);
}

/* What has been asked so far; what is left comes with the next turn. */
static void serve(struct holder *h, struct client *c)
{
	uint8_t ask[KEY_ASK_BYTES_MAX + 1];
	bool open = true;

	for (int i = 0; open && i < ASKS_MAX; i++) {
		ssize_t n = recv(c->fd_plus_one - 1, ask, sizeof ask, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		open = n > 0 && answer(h, c, bytes_of(ask, (size_t)n));
		c->since_ns = sys_monotonic_ns();
	}
	wipe(ask, sizeof ask);
	if (!open)
		close_client(h, c);
}

/* A free place for one more of that user; NULL: there is none. */
static struct client *find_place(struct holder *h, uid_t uid)
{
	struct client *place = NULL;
	size_t theirs = 0;

	for (size_t i = 0; i < HOLD_KEYS_CLIENTS_MAX; i++) {
		struct client *c = &h->clients[i];
		if (!c->fd_plus_one)
			place = place ? place : c;
		else
			theirs += c->who.uid == uid;
	}
	return theirs < HOLD_KEYS_CLIENTS_PER_USER ? place : NULL;
}

static void add_client(struct holder *h, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP};
	struct ucred who = {0};
	socklen_t len = sizeof who;
	struct client *c = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0
				   ? find_place(h, who.uid)
				   : NULL;

	event.data.ptr = c;
	if (!c || epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		close(fd);
		return;
	}
	*c = (struct client){fd + 1, who, sys_monotonic_ns()};
	serve(h, c); /* the question is here mostly */
}

static void accept_some(struct holder *h)
{
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(h->listening_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		add_client(h, fd);
	}
}

static void tick(struct holder *h)
{
	uint64_t now_ns = sys_monotonic_ns();

	supervisor_alive(now_ns);
	if (now_ns - h->tick_ns < TICK_NS)
		return;
	h->tick_ns = now_ns;
	for (size_t i = 0; i < HOLD_KEYS_CLIENTS_MAX; i++)
		if (h->clients[i].fd_plus_one &&
		    now_ns - h->clients[i].since_ns > HOLD_KEYS_IDLE_NS)
			close_client(h, &h->clients[i]);
}

static void take_signal(struct holder *h)
{
	struct signalfd_siginfo info;

	while (read(h->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGHUP)
			h->looked = false;
		else
			h->ending = true;
	}
}

static void run(struct holder *h)
{
	struct epoll_event events[EVENTS_MAX];

	while (!h->ending) {
		uint64_t wait_ns = supervisor_interval_ns() < TICK_NS ? supervisor_interval_ns()
								      : TICK_NS;
		int count = epoll_wait(h->epoll_fd, events, EVENTS_MAX, (int)(wait_ns / NS_PER_MS));
		for (int i = 0; i < count; i++) {
			void *what = events[i].data.ptr;
			struct client *c = what;
			if (what == &h->signal_fd)
				take_signal(h);
			else if (what == &h->listening_fd)
				accept_some(h);
			else if (c->fd_plus_one)
				serve(h, c);
		}
		tick(h);
	}
}

static enum err begin(struct holder *h)
{
	struct epoll_event on_listening = {.events = EPOLLIN, .data.ptr = &h->listening_fd};
	struct epoll_event on_signal = {.events = EPOLLIN, .data.ptr = &h->signal_fd};

	h->host = sys_map_secret(sizeof *h->host);
	h->secret = sys_map_secret(KEYHOLD_SECRET_BYTES);
	if (!h->host || !h->secret)
		return ERR_NOMEM;
	/* The stack has what is asked. Not what is mapped later: an allocation must not fail for
	 * it. */
	(void)mlockall(MCL_CURRENT);
	h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (h->epoll_fd < 0 ||
	    epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, h->listening_fd, &on_listening) ||
	    epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, h->signal_fd, &on_signal))
		return err_from_errno(errno);
	refresh(h);
	return OK;
}

static void done(struct holder *h)
{
	for (size_t i = 0; i < HOLD_KEYS_CLIENTS_MAX; i++)
		if (h->clients[i].fd_plus_one)
			close_client(h, &h->clients[i]);
	key_store_free(h->store);
	free(h->touched_ns);
	buf_done(&h->entry);
	sys_unmap_secret(h->host, sizeof *h->host);
	sys_unmap_secret(h->secret, KEYHOLD_SECRET_BYTES);
	if (h->epoll_fd >= 0)
		close(h->epoll_fd);
	close(h->listening_fd);
}

enum err hold_keys_run(const char *directory, int listening_fd, int signal_fd)
{
	static struct holder h;
	enum err e;

	h = (struct holder){.directory = directory,
			    .epoll_fd = -1,
			    .listening_fd = listening_fd,
			    .signal_fd = signal_fd};
	e = begin(&h);
	if (!e) {
		supervisor_ready("STATUS=holding keys");
		note(NOTE_INFO, "holding the keys in ", directory);
		run(&h);
		supervisor_stopping();
	}
	done(&h);
	return e;
}
