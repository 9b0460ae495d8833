/* SPDX-License-Identifier: MIT */
#include "shim/opening.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/sys.h"
#include "keys/gateway_key.h"
#include "shim/fds.h"
#include "shim/hello.h"
#include "shim/init.h"
#include "shim/opaque.h"
#include "shim/peer.h"
#include "shim/plain.h"
#include "shim/real.h"
#include "shim/rules.h"
#include "wire/first_bytes.h"

#define HTTP_PORT        80
#define TLS_HANDSHAKE    22 /* RFC 8446 5.1 */
#define SOCKS4           4
#define SOCKS5           5 /* RFC 1928 */
#define KEPT_BYTES_MAX   FIRST_BYTES_HEAD_MAX
#define ROOM_STAYS_BYTES 4096 /* a page */
#define TARGET_MAX       255  /* a host, as first_bytes gives it */

/* How far the talk has come. */
struct progress {
	struct first_bytes first;
	size_t fed;    /* bytes, since `first` began */
	bool is_text;  /* the first of them could begin an HTTP method */
	bool proxied;  /* through a proxy: */
	uint16_t port; /* where to; 0: it was not said */
	uint8_t target_bytes;
	uint8_t target[TARGET_MAX];
};

struct opening {
	uint32_t busy;   /* a thread is at it; atomic */
	int fd_plus_one; /* 0: free; atomic */
	uint64_t inode;
	struct progress progress;
	uint8_t *kept; /* the bytes of what may become a request; KEPT_BYTES_MAX of room */
	size_t kept_bytes, sent_bytes;
	bool lost; /* some could not be kept */
};

static struct opening openings[OPENINGS_MAX];
static unsigned openings_next;
static unsigned openings_used; /* the first so many were ever claimed; atomic */

/* ---- the table ---- */

static struct opening *openings_end(void)
{
	return openings + __atomic_load_n(&openings_used, __ATOMIC_ACQUIRE);
}

static void mark_used(unsigned count)
{
	unsigned used = __atomic_load_n(&openings_used, __ATOMIC_RELAXED);

	if (used < count)
		__atomic_store_n(&init_stop_needed, true, __ATOMIC_RELEASE);
	while (used < count && !__atomic_compare_exchange_n(&openings_used, &used, count, true,
							    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static bool seize(struct opening *o)
{
	uint32_t idle = 0;

	return __atomic_compare_exchange_n(&o->busy, &idle, 1, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static void let_go(struct opening *o)
{
	__atomic_store_n(&o->busy, 0, __ATOMIC_RELEASE);
}

/* Its room stays, if little of it was used. It may have held credentials. */
static void empty(struct opening *o)
{
	if (o->kept_bytes > ROOM_STAYS_BYTES) {
		sys_unmap(o->kept, KEPT_BYTES_MAX);
		o->kept = NULL;
	} else if (o->kept_bytes) {
		memset(o->kept, 0, o->kept_bytes);
	}
	o->kept_bytes = o->sent_bytes = 0;
}

/* It is ours alone. */
static void forget(struct opening *o)
{
	empty(o);
	o->lost = false;
	memset(&o->progress, 0, sizeof o->progress);
	__atomic_store_n(&o->fd_plus_one, 0, __ATOMIC_RELEASE);
}

/* Seized; NULL: there is none. *ret_busy: another thread is at it, or we are a signal handler. */
static struct opening *find(int fd, uint64_t inode, bool *ret_busy)
{
	*ret_busy = false;
	for (struct opening *o = openings, *end = openings_end(); o < end; o++) {
		if (__atomic_load_n(&o->fd_plus_one, __ATOMIC_ACQUIRE) != fd + 1)
			continue;
		if (!seize(o)) {
			/* One of an earlier use of the number stays so when a program jumped out
			 * of a signal handler at that time. */
			if (!fds_same(__atomic_load_n(&o->inode, __ATOMIC_RELAXED), inode))
				continue;
			*ret_busy = true;
			return NULL;
		}
		if (o->fd_plus_one == fd + 1 && fds_same(o->inode, inode))
			return o;
		if (o->fd_plus_one == fd + 1)
			forget(o); /* of an earlier use of the number */
		let_go(o);
	}
	return NULL;
}

/* A new one, seized; NULL: there is no room. */
static struct opening *claim(int fd, uint64_t inode)
{
	unsigned start = __atomic_fetch_add(&openings_next, 1, __ATOMIC_RELAXED);

	for (unsigned i = 0; i < 2 * OPENINGS_MAX; i++) {
		struct opening *o = &openings[(start + i) % OPENINGS_MAX];
		bool pushes_out = i >= OPENINGS_MAX;

		mark_used((start + i) % OPENINGS_MAX + 1);
		if ((o->fd_plus_one && !pushes_out) || !seize(o))
			continue;
		if (!o->fd_plus_one || (pushes_out && o->sent_bytes == o->kept_bytes)) {
			forget(o);
			__atomic_store_n(&o->inode, inode, __ATOMIC_RELAXED);
			__atomic_store_n(&o->fd_plus_one, fd + 1, __ATOMIC_RELEASE);
			return o;
		}
		let_go(o);
	}
	return NULL;
}

/* ---- following ---- */

/* The proxy knows where to; what follows is the connection through it. */
static void go_through_proxy(struct progress *p)
{
	struct bytes target = first_bytes_host(&p->first);

	p->proxied = true;
	p->port = p->first.port;
	p->target_bytes = (uint8_t)target.len;
	if (target.len)
		memcpy(p->target, target.at, target.len);
	memset(&p->first, 0, sizeof p->first);
	p->fed = 0;
}

/* Feeds one piece. As first_bytes_feed, but through proxies. */
static enum err feed(struct progress *p, struct bytes in)
{
	enum err e = ERR_MORE;

	while (e == ERR_MORE && in.len) {
		size_t before = in.len;
		if (p->fed == 0)
			p->is_text = in.at[0] > ' ' && in.at[0] < 0x7f;
		e = first_bytes_feed(&p->first, &in);
		p->fed += before - in.len;
		if (e == OK && (p->first.kind == FIRST_CONNECT || p->first.kind == FIRST_SOCKS)) {
			go_through_proxy(p);
			e = ERR_MORE;
		}
	}
	return e;
}

/* Feeds the first `limit` bytes of a call. ERR_ACCESS: they cannot be read. */
static enum err feed_call(struct progress *p, const struct sending *s, size_t limit)
{
	for (size_t i = 0; i < s->count && limit; i++) {
		struct iovec part = s->parts[i];
		while (part.iov_len && limit) {
			struct bytes piece = bytes_slice(sending_cut_piece(&part), 0, limit);
			if (!sys_can_read(piece.at, piece.len))
				return ERR_ACCESS;
			enum err e = feed(p, piece);
			if (e != ERR_MORE)
				return e;
			limit -= piece.len;
		}
	}
	return ERR_MORE;
}

/* Keeps the first `limit` bytes of a call, which feed_call has read. */
static void keep(struct opening *o, const struct sending *s, size_t limit)
{
	if (!o->kept)
		o->kept = sys_map(KEPT_BYTES_MAX);
	o->lost = o->lost || !o->kept || limit > KEPT_BYTES_MAX - o->kept_bytes;
	for (size_t i = 0; !o->lost && i < s->count && limit; i++) {
		size_t len = s->parts[i].iov_len < limit ? s->parts[i].iov_len : limit;
		if (len)
			memcpy(o->kept + o->kept_bytes, s->parts[i].iov_base, len);
		o->kept_bytes += len;
		limit -= len;
	}
}

/* What is held goes out. False: not now, or never: errno says why. A thread that is cancelled here
 * would leave the opening seized for ever; it is cancelled at the program's own next call. */
static bool send_held(struct opening *o, int fd)
{
	ssize_t n = 0;
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	while (n >= 0 && o->sent_bytes < o->kept_bytes) {
		n = real_libc.send(fd, o->kept + o->sent_bytes, o->kept_bytes - o->sent_bytes,
				   MSG_NOSIGNAL);
		o->sent_bytes += n > 0 ? (size_t)n : 0;
	}
	pthread_setcancelstate(before, NULL);
	if (n >= 0)
		fds_clear(fd, FDS_HELD);
	return n >= 0;
}

/* ---- deciding ---- */

/* What the policy is asked about, and with. */
struct question {
	struct sending *s;
	const struct progress *p;
	struct opening *o; /* NULL: all of it is in this call */
	uint64_t inode;
	struct rules *rules;
	struct peer peer;
};

static struct bytes target_of(const struct progress *p)
{
	return bytes_of(p->target, p->target_bytes);
}

static enum opening_answer refuse_or_pass(struct question *q, enum opaque_kind kind,
					  const struct provider *provider, struct bytes name)
{
	struct opaque o = {kind, provider, name, &q->peer, q->s->caller};

	if (!provider || !opaque_refuse(q->rules, &o))
		return OPENING_PASSES;
	sending_answer_refused(q->s);
	return OPENING_ANSWERED;
}

static const struct policy *policy_of(const struct question *q)
{
	return q->rules ? q->rules->policy : NULL;
}

static enum opening_answer decide_tls(struct question *q)
{
	const struct client_hello *hello = &q->p->first.hello;
	struct bytes name = client_hello_name(hello);
	const struct provider *provider;

	if (hello->has_random) {
		fds_note_hello(q->s->fd, hello->random);
		if (hello_is_known(hello->random))
			return OPENING_PASSES;
	}
	if (!name.len)
		name = target_of(q->p);
	provider = peer_find_provider(policy_of(q), name, q->p->proxied ? q->p->port : q->peer.port,
				      q->p->proxied || name.len ? NULL : &q->peer);
	return refuse_or_pass(q, OPAQUE_TLS, provider, name);
}

static enum opening_answer decide_http2(struct question *q)
{
	struct bytes name = target_of(q->p);
	const struct provider *provider = peer_find_provider(policy_of(q), name, q->p->port,
							     q->p->proxied ? NULL : &q->peer);

	return refuse_or_pass(q, OPAQUE_HTTP2, provider, name);
}

/* Its dashes may be percent-encoded. */
static bool has_gateway_key(struct bytes data)
{
	return bytes_find(data, BYTES(GATEWAY_KEY_PREFIX)) != SIZE_MAX ||
	       bytes_find(data, BYTES("aigw%2")) != SIZE_MAX;
}

/* Could a gateway key be in what is known of the head? Then the gate looks, whoever it is for. What
 * begins in one piece and ends in the next is not seen. Only bytes that were fed are looked at. */
static bool may_hold_gateway_key(const struct question *q)
{
	const struct progress *before = q->o ? &q->o->progress : NULL;
	size_t left = q->p->fed;

	if (q->o && has_gateway_key(bytes_of(q->o->kept, q->o->kept_bytes)))
		return true;
	if (before && before->proxied == q->p->proxied && before->fed <= left)
		left -= before->fed;
	for (size_t i = 0; i < q->s->count && left; i++) {
		struct bytes part = bytes_of(q->s->parts[i].iov_base, q->s->parts[i].iov_len);
		part = bytes_slice(part, 0, left);
		if (has_gateway_key(part))
			return true;
		left -= part.len;
	}
	return false;
}

/* The head of a request is complete, or is none that can be read: then the gate, which has all the
 * means to, finds out whose it is. */
static enum opening_answer decide_http1(struct question *q, bool readable)
{
	const struct first_bytes *first = &q->p->first;
	struct bytes host = first_bytes_host(first);
	bool direct = !q->p->proxied && !first->is_absolute;
	const struct provider *provider;
	uint16_t port = first->port;
	struct opening *o = q->o;

	if (!port)
		port = q->p->proxied ? q->p->port : direct ? q->peer.port : HTTP_PORT;
	if (!host.len)
		host = target_of(q->p);
	provider = peer_find_provider(policy_of(q), host, port, direct ? &q->peer : NULL);
	bool unsure = !provider && (rules_are_unknown(q->rules) || may_hold_gateway_key(q));
	if (readable && !provider && !unsure)
		return OPENING_PASSES;
	if (!direct)
		fds_set(q->s->fd, FDS_PROXIED);
	/* The gate sends on a connection that is there. */
	if (q->s->to && real_libc.connect(q->s->fd, q->s->to, q->s->to_len) < 0) {
		q->s->ret = -1;
		return OPENING_ANSWERED;
	}
	if ((o && o->lost) ||
	    plain_begin(q->s->fd, q->inode, o ? bytes_of(o->kept, o->kept_bytes) : BYTES_NONE,
			o ? o->sent_bytes : 0)) {
		if (!unsure)
			return refuse_or_pass(q, OPAQUE_HTTP1, provider, host);
		sending_answer_refused(q->s);
		return OPENING_ANSWERED;
	}
	if (o)
		o->sent_bytes = o->kept_bytes; /* the gate's from now on */
	fds_clear(q->s->fd, FDS_HELD);
	return OPENING_PLAIN;
}

static enum opening_answer decide_opening(struct question *q, enum err e)
{
	enum opening_answer answer = OPENING_PASSES;

	if (q->p->first.kind == FIRST_OTHER || !init_complete())
		return answer;
	q->rules = rules_take();
	if (q->s->to)
		peer_of_address(q->s->to, q->s->to_len, &q->peer);
	else
		peer_of(q->s->fd, &q->peer);
	if (q->p->first.kind == FIRST_TLS)
		answer = decide_tls(q);
	else if (q->p->first.kind == FIRST_HTTP1)
		answer = decide_http1(q, e == OK);
	else if (q->p->first.kind == FIRST_HTTP2)
		answer = decide_http2(q);
	rules_drop(q->rules);
	return answer;
}

/* ---- the doors ---- */

/* The name of a ClientHello is enough; a greeting to nobody waits for its end. */
static bool is_decided(const struct progress *p, enum err e)
{
	return e != ERR_MORE || (p->first.kind == FIRST_TLS && p->first.hello.has_name);
}

/* The connection is being made, if there is one at all. */
static bool is_connecting(int fd)
{
	struct sockaddr_storage address;
	uint32_t len = sizeof address;

	return sys_getpeername(fd, (struct sockaddr *)&address, &len) == -ENOTCONN;
}

/* Nobody can say yet whom it is with, and an address may be what the policy names. */
static bool is_too_early(const struct question *q)
{
	return q->p->first.kind != FIRST_OTHER && !q->s->to && !q->peer.text[0] &&
	       is_connecting(q->s->fd);
}

/* The first line of a request is known: from here on nothing goes out before the host is. */
static enum opening_answer hold(struct sending *s, const struct progress *next, struct opening *o,
				uint64_t inode)
{
	/* The kernel takes nothing yet. And fork is to be heard of. */
	if (!o && !is_connecting(s->fd) && init_complete())
		o = claim(s->fd, inode);
	if (!o)
		return OPENING_PASSES;
	keep(o, s, sending_total(s));
	if (o->lost) {
		let_go(o);
		return OPENING_FOLLOWED;
	}
	o->progress = *next;
	fds_set(s->fd, FDS_HELD);
	let_go(o);
	sending_answer_taken(s);
	return OPENING_ANSWERED;
}

/* It is known what the connection is, and it is not ours to keep. */
static enum opening_answer finish(struct sending *s, const struct progress *next, struct opening *o,
				  enum opening_answer answer)
{
	if (o && answer == OPENING_PASSES && !send_held(o, s->fd)) {
		let_go(o); /* the program comes again, as for any full socket */
		s->ret = -1;
		return OPENING_ANSWERED;
	}
	/* Through one connection to a proxy go requests to many hosts; one that is being made by
	 * this call comes again. */
	bool again = answer == OPENING_PASSES
			     ? next->first.is_absolute
			     : answer == OPENING_ANSWERED && s->to && errno == EINPROGRESS;
	if (!again)
		fds_clear(s->fd, FDS_FRESH);
	if (o) {
		forget(o);
		let_go(o);
	}
	return answer;
}

static enum opening_answer look(struct sending *s)
{
	uint64_t inode = fds_inode(s->fd);
	struct progress next = {0};
	bool busy = false;
	struct opening *o = inode ? find(s->fd, inode, &busy) : NULL;
	enum err e;

	if (busy)
		return OPENING_PASSES;
	if (!inode) {
		fds_clear(s->fd, FDS_FRESH | FDS_HELD);
		return OPENING_PASSES;
	}
	if (o)
		next = o->progress;
	e = feed_call(&next, s, SIZE_MAX);
	if (e == ERR_ACCESS) {
		if (o)
			let_go(o);
		return OPENING_PASSES;
	}
	if (next.proxied)
		fds_set(s->fd, FDS_PROXIED);
	if (is_decided(&next, e)) {
		struct question q = {.s = s, .p = &next, .o = o, .inode = inode};
		enum opening_answer answer = decide_opening(&q, e);
		if (answer == OPENING_PASSES && !o && is_too_early(&q))
			return answer; /* the kernel takes nothing: the program comes again */
		return finish(s, &next, o, answer);
	}
	/* What begins in the middle of a call, behind CONNECT, or makes the connection, cannot
	 * wait. */
	if (next.first.kind == FIRST_HTTP1 && !s->to &&
	    next.fed == (o ? o->progress.fed : 0) + sending_total(s))
		return hold(s, &next, o, inode);
	if (o)
		let_go(o);
	return OPENING_FOLLOWED;
}

static bool is_begun(int fd)
{
	for (struct opening *o = openings, *end = openings_end(); o < end; o++)
		if (__atomic_load_n(&o->fd_plus_one, __ATOMIC_ACQUIRE) == fd + 1)
			return true;
	return false;
}

/* What begins as neither TLS, nor a proxy's talk, nor HTTP is left alone at the cost of one system
 * call, one that every sandbox lets through. */
static bool is_worth_a_look(const struct sending *s)
{
	size_t i = 0;
	uint8_t first;

	if (is_begun(s->fd))
		return true;
	while (i < s->count && s->parts[i].iov_len == 0)
		i++;
	if (i == s->count || !sys_can_read(s->parts[i].iov_base, 1))
		return false;
	first = *(const uint8_t *)s->parts[i].iov_base;
	if (first == TLS_HANDSHAKE || first == SOCKS4 || first == SOCKS5 ||
	    (first > ' ' && first < 0x7f) || first == '\r' || first == '\n')
		return true;
	fds_clear(s->fd, FDS_FRESH);
	return false;
}

enum opening_answer opening_send(struct sending *s)
{
	int saved = errno;
	enum opening_answer answer = OPENING_PASSES;

	if (!is_worth_a_look(s))
		;
	else if (fds_are_ours())
		answer = look(s);
	else
		opening_release(s->fd); /* what the child of vfork writes comes behind it */
	if (answer != OPENING_ANSWERED || s->ret >= 0)
		errno = saved;
	return answer;
}

void opening_sent(const struct sending *s, ssize_t taken)
{
	uint64_t inode;
	struct opening *o;
	int saved = errno;
	bool busy;

	if (taken <= 0 || !(inode = fds_inode(s->fd)))
		return;
	o = find(s->fd, inode, &busy);
	if (!o && !busy)
		o = claim(s->fd, inode);
	if (!o) {
		fds_clear(s->fd, FDS_FRESH);
	} else {
		size_t fed = o->progress.fed + (size_t)taken;
		(void)!feed_call(&o->progress, s, (size_t)taken);
		if (o->progress.fed < fed) {
			/* What was kept was for the proxy. */
			empty(o);
			o->lost = o->progress.fed > 0;
		} else if (o->progress.is_text) {
			keep(o, s, (size_t)taken);
		}
		o->sent_bytes = o->kept_bytes;
		let_go(o);
	}
	errno = saved;
}

/* What is held goes out; `gone`: and nothing more comes. */
static void let_out(int fd, bool gone)
{
	uint64_t inode = fds_inode(fd);
	int saved = errno;
	bool busy;
	struct opening *o = inode ? find(fd, inode, &busy) : NULL;

	if (o) {
		(void)send_held(o, fd);
		if (gone)
			forget(o);
		let_go(o);
	}
	errno = saved;
}

void opening_release(int fd)
{
	let_out(fd, false);
}

void opening_close(int fd)
{
	let_out(fd, true);
}

void opening_release_all(void)
{
	for (struct opening *o = openings, *end = openings_end(); o < end; o++) {
		int fd = __atomic_load_n(&o->fd_plus_one, __ATOMIC_ACQUIRE) - 1;
		if (fd >= 0 && fds_has(fd, FDS_HELD))
			let_out(fd, false);
	}
}

/* What a thread that does not exist here was in the middle of is not to be trusted. */
void opening_in_child(void)
{
	for (struct opening *o = openings, *end = openings_end(); o < end; o++)
		if (o->busy)
			memset(o, 0, sizeof *o);
}
