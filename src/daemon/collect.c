/* SPDX-License-Identifier: MIT */
#include "daemon/collect.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"
#include "daemon/client.h"
#include "daemon/note.h"
#include "daemon/supervisor.h"

#define EVENTS_MAX   256
#define ACCEPTS_MAX  64 /* in one turn */
#define BUCKETS      256
#define TICK_NS      1000000000u
#define DRAIN_NS     2000000000u /* for what was sent before the end */
#define SETTLE_BYTES (128u << 10)
#define NS_PER_MS    1000000u

struct collector {
	struct keeper *keeper;
	int epoll_fd, listening_fd, signal_fd;
	bool ending, accepting;
	struct account *accounts[BUCKETS];
	struct account *first, *last; /* users with something to read, in turn */
	struct client *clients, *waiting;
	size_t client_count;
	uint64_t waiting_count, tick_ns, warned_ns;
	struct buf record;
};

/* ---- lines ---- */

static void queue_account(struct collector *k, struct account *a)
{
	if (a->queued)
		return;
	a->queued = true;
	a->next_queued = NULL;
	if (k->last)
		k->last->next_queued = a;
	else
		k->first = a;
	k->last = a;
}

static struct account *next_account(struct collector *k)
{
	struct account *a = k->first;

	k->first = a->next_queued;
	if (!k->first)
		k->last = NULL;
	a->queued = false;
	return a;
}

static void queue_client(struct collector *k, struct client *c)
{
	struct account *a = c->account;

	if (c->queued || c->waiting || !c->readable)
		return;
	c->queued = true;
	c->next_queued = NULL;
	if (a->last)
		a->last->next_queued = c;
	else
		a->first = c;
	a->last = c;
	queue_account(k, a);
}

static struct client *next_client(struct account *a)
{
	struct client *c = a->first;

	a->first = c->next_queued;
	if (!a->first)
		a->last = NULL;
	c->queued = false;
	return c;
}

/* ---- users ---- */

static struct account *find_account(struct collector *k, uint32_t uid, uint64_t now_ns)
{
	struct account **at = &k->accounts[uid % BUCKETS];

	for (struct account *a = *at; a; a = a->next)
		if (a->uid == uid)
			return a;
	struct account *a = malloc(sizeof *a);
	if (!a)
		return NULL;
	account_init(a, uid, now_ns);
	a->next = *at;
	*at = a;
	return a;
}

/* Those who have been away long enough to be like new. */
static void forget_accounts(struct collector *k, uint64_t now_ns)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct account **at = &k->accounts[i];
		while (*at) {
			struct account *a = *at;
			bool away = a->client_count == 0 && !a->queued && account_may(a, now_ns) &&
				    a->bytes_left == ACCOUNT_BYTES_BURST &&
				    a->messages_left == ACCOUNT_MESSAGES_BURST;
			if (!away) {
				at = &a->next;
				continue;
			}
			*at = a->next;
			free(a);
		}
	}
}

/* ---- connections ---- */

/* Only for a client that is in no line. */
static void close_client(struct collector *k, struct client *c)
{
	if (c->previous)
		c->previous->next = c->next;
	else
		k->clients = c->next;
	if (c->next)
		c->next->previous = c->previous;
	/* Closing does that only when nobody has a copy of the descriptor. */
	(void)epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	client_done(c);
	c->account->client_count--;
	k->client_count--;
	k->accepting = !k->ending;
	free(c);
}

static void add_client(struct collector *k, int fd, uint64_t now_ns)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
	struct ucred peer = {0};
	socklen_t len = sizeof peer;
	struct client *c = calloc(1, sizeof *c);
	struct account *a = NULL;

	if (c && client_prepare(fd) == OK &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
		a = find_account(k, peer.uid, now_ns);
	event.data.ptr = c;
	if (!a || a->client_count >= ACCOUNT_CLIENTS_MAX ||
	    k->client_count >= COLLECT_CLIENTS_MAX ||
	    epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		close(fd);
		free(c);
		return;
	}
	c->fd = fd;
	c->account = a;
	c->readable = true; /* it may have sent something before we looked */
	c->next = k->clients;
	if (c->next)
		c->next->previous = c;
	k->clients = c;
	k->client_count++;
	a->client_count++;
	queue_client(k, c);
}

static void accept_some(struct collector *k, uint64_t now_ns)
{
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(k->listening_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			add_client(k, fd, now_ns);
			continue;
		}
		/* Without descriptors nobody is accepted before somebody leaves, or the next tick.
		 */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			k->accepting = false;
		return;
	}
}

/* ---- records ---- */

static void answer(struct collector *k, struct client *c, uint32_t number, enum err e)
{
	if (client_answer(c, number, message_status(e)))
		queue_client(k, c);
	else
		close_client(k, c);
}

static enum err keep(struct collector *k, const struct client *c)
{
	enum err e;

	if (c->in.dropped)
		return ERR_STATE;
	if (!message_may_send(c->in.kind, c->in_who.uid == 0 || c->in_who.uid == geteuid()))
		return ERR_BAD;
	buf_reset(&k->record);
	e = sender_put_record(&c->sender, buf_view(&c->in.bytes), &k->record);
	return e ? e
		 : keeper_append(k->keeper, (enum record_kind)c->in.kind, sys_now_ns(),
				 buf_view(&k->record));
}

static void take_record(struct collector *k, struct client *c)
{
	enum err e = keep(k, c);
	uint32_t number = c->in.number;

	client_record_done(c);
	if (e || !k->keeper->synced) {
		answer(k, c, number, e);
		return;
	}
	c->waiting = true;
	c->waiting_number = number;
	c->next_waiting = k->waiting;
	k->waiting = c;
	k->waiting_count++;
}

/* Everything of this turn is synced at once, then answered. */
static void commit(struct collector *k)
{
	struct client *c = k->waiting;
	enum err e;

	if (!c)
		return;
	e = keeper_commit(k->keeper, sys_now_ns(), k->waiting_count);
	k->waiting = NULL;
	k->waiting_count = 0;
	while (c) {
		struct client *next = c->next_waiting;
		c->waiting = false;
		answer(k, c, c->waiting_number, e);
		c = next;
	}
}

/* Once a second at most: nobody fills the administrator's journal from here. */
static void warn_of(struct collector *k, const struct client *c, const char *why)
{
	struct buf uid = {0};

	if (k->tick_ns == k->warned_ns)
		return;
	k->warned_ns = k->tick_ns;
	if (!buf_put_decimal(&uid, c->account->uid) && !buf_put_u8(&uid, 0))
		note(NOTE_WARN, "a connection of uid ", (const char *)uid.at, " was closed: ", why);
	buf_done(&uid);
}

static void serve_client(struct collector *k, struct client *c)
{
	const char *why;

	switch (client_read(c, sys_monotonic_ns(), &why)) {
	case CLIENT_NOTHING:
		c->readable = false;
		break;
	case CLIENT_PART:
		queue_client(k, c);
		break;
	case CLIENT_RECORD:
		take_record(k, c);
		break;
	case CLIENT_OVER:
		if (why[0])
			warn_of(k, c, why);
		close_client(k, c);
		break;
	}
}

/* One user's turn: a message of each of its connections, as long as its share lasts. */
static void serve_account(struct collector *k, struct account *a)
{
	uint64_t bytes_before = a->bytes_left;

	for (unsigned i = 0; i < ACCOUNT_QUANTUM_MESSAGES && a->first; i++) {
		if (bytes_before - a->bytes_left >= ACCOUNT_QUANTUM_BYTES || !a->bytes_left)
			break;
		serve_client(k, next_client(a));
	}
	if (a->first)
		queue_account(k, a);
}

/* Each user once. How long until there is something to do, as far as the lines tell. */
static uint64_t serve_all(struct collector *k)
{
	uint64_t now_ns = sys_monotonic_ns(), wait_ns = UINT64_MAX;
	struct account *last = k->last;

	while (k->first) {
		struct account *a = next_account(k);
		if (account_may(a, now_ns)) {
			serve_account(k, a);
		} else {
			queue_account(k, a);
		}
		if (a == last)
			break;
	}
	for (struct account *a = k->first; a; a = a->next_queued)
		if (account_wait_ns(a) < wait_ns)
			wait_ns = account_wait_ns(a);
	return wait_ns;
}

/* ---- the loop ---- */

static void take_signal(struct collector *k)
{
	struct signalfd_siginfo info;

	while (read(k->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGHUP) {
			keeper_tick(k->keeper, sys_now_ns());
			continue;
		}
		k->ending = true;
		k->accepting = false;
	}
}

static void take_events(struct collector *k, const struct epoll_event *events, int count)
{
	for (int i = 0; i < count; i++) {
		if (events[i].data.ptr == &k->signal_fd) {
			take_signal(k);
		} else if (events[i].data.ptr != &k->listening_fd) {
			struct client *c = events[i].data.ptr;
			c->readable = true;
			queue_client(k, c);
		}
	}
}

static void tick(struct collector *k, uint64_t now_ns)
{
	supervisor_alive(now_ns);
	if (now_ns - k->tick_ns < TICK_NS)
		return;
	k->tick_ns = now_ns;
	k->accepting = !k->ending;
	keeper_tick(k->keeper, sys_now_ns());
	forget_accounts(k, now_ns);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The listening socket is looked at in every turn, so it is only waited for when nobody is served.
 */
static int wait_events(struct collector *k, struct epoll_event *events, uint64_t wait_ns)
{
	uint64_t ms;

	wait_ns = least(wait_ns, least(TICK_NS, supervisor_interval_ns()));
	ms = (wait_ns + NS_PER_MS - 1) / NS_PER_MS;
	return epoll_wait(k->epoll_fd, events, EVENTS_MAX, (int)ms);
}

static void listen_again(struct collector *k, bool on)
{
	struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = &k->listening_fd};

	(void)epoll_ctl(k->epoll_fd, EPOLL_CTL_MOD, k->listening_fd, &event);
}

static void run(struct collector *k)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t wait_ns = 0, end_ns = UINT64_MAX;
	bool listens = true;

	for (;;) {
		int count = wait_events(k, events, wait_ns);
		uint64_t now_ns = sys_monotonic_ns();
		take_events(k, events, count > 0 ? count : 0);
		if (k->accepting)
			accept_some(k, now_ns);
		if (listens != k->accepting)
			listen_again(k, listens = k->accepting);
		wait_ns = serve_all(k);
		commit(k);
		if (k->first)
			wait_ns = least(wait_ns, account_wait_ns(k->first));
		else if (segment_settle(&k->keeper->writer, SETTLE_BYTES))
			wait_ns = 0;
		tick(k, now_ns);
		if (!k->ending)
			continue;
		if (end_ns == UINT64_MAX)
			end_ns = now_ns + DRAIN_NS;
		else if (!k->first || now_ns >= end_ns)
			return;
		wait_ns = 0;
	}
}

static void done(struct collector *k)
{
	while (k->clients)
		close_client(k, k->clients);
	for (size_t i = 0; i < BUCKETS; i++)
		while (k->accounts[i]) {
			struct account *a = k->accounts[i];
			k->accounts[i] = a->next;
			free(a);
		}
	buf_done(&k->record);
	if (k->epoll_fd >= 0)
		close(k->epoll_fd);
	close(k->listening_fd);
}

enum err collect_run(struct keeper *keeper, int listening_fd, int signal_fd)
{
	struct collector k = {
		.keeper = keeper,
		.epoll_fd = epoll_create1(EPOLL_CLOEXEC),
		.listening_fd = listening_fd,
		.signal_fd = signal_fd,
		.accepting = true,
		.record = {.max = SEGMENT_RECORD_MAX},
	};
	struct epoll_event on_listening = {.events = EPOLLIN, .data.ptr = &k.listening_fd};
	struct epoll_event on_signal = {.events = EPOLLIN, .data.ptr = &k.signal_fd};
	enum err e = client_prepare(listening_fd);

	if (!e &&
	    (k.epoll_fd < 0 || epoll_ctl(k.epoll_fd, EPOLL_CTL_ADD, listening_fd, &on_listening) ||
	     epoll_ctl(k.epoll_fd, EPOLL_CTL_ADD, signal_fd, &on_signal)))
		e = err_from_errno(errno);
	if (!e) {
		supervisor_ready("STATUS=collecting");
		note(NOTE_INFO, "collecting into ", keeper->directory);
		run(&k);
		supervisor_stopping();
	}
	done(&k);
	return e;
}
