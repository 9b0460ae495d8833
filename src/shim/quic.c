/* SPDX-License-Identifier: MIT */
#include "shim/quic.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/sys.h"
#include "shim/fds.h"
#include "shim/init.h"
#include "shim/opaque.h"
#include "shim/peer.h"
#include "shim/rules.h"
#include "wire/quic_initial.h"

#define HTTPS_PORT         443
#define DATAGRAM_BYTES_MAX 4096 /* two of a path's usual length, which a kernel may cut apart */
#define LONG_HEADER        0xc0 /* with the fixed bit, RFC 9000 17.2 */

static struct following {
	uint32_t busy; /* atomic */
	int fd;
	uint64_t inode; /* 0: free */
	struct quic_initial initial;
} followings[QUICS_MAX];
static unsigned next_following;

static bool is_https(const struct sending *s)
{
	struct sockaddr_in address; /* the port stands at the same place in sockaddr_in6 */

	if (!s->to_len)
		return fds_has(s->fd, FDS_UDP_443);
	if (s->to_len < sizeof address || !sending_can_read_again(s->to, sizeof address))
		return false;
	memcpy(&address, s->to, sizeof address);
	return (address.sin_family == AF_INET || address.sin_family == AF_INET6) &&
	       address.sin_port == htons(HTTPS_PORT);
}

bool quic_concerns(const struct sending *s)
{
	size_t i = 0;

	if (!is_https(s))
		return false;
	while (i < s->count && s->parts[i].iov_len == 0)
		i++;
	return i < s->count && sending_can_read_again(s->parts[i].iov_base, 1) &&
	       (*(const uint8_t *)s->parts[i].iov_base & LONG_HEADER) == LONG_HEADER;
}

/* The beginning of the datagram in one piece; nothing when it is unreadable. */
static struct bytes gather(const struct sending *s, uint8_t room[DATAGRAM_BYTES_MAX])
{
	size_t len = 0;

	for (size_t i = 0; i < s->count && len < DATAGRAM_BYTES_MAX; i++) {
		struct iovec part = s->parts[i];
		while (part.iov_len && len < DATAGRAM_BYTES_MAX) {
			struct bytes piece = sending_cut_piece(&part);
			piece = bytes_slice(piece, 0, DATAGRAM_BYTES_MAX - len);
			if (!sys_can_read(piece.at, piece.len))
				return BYTES_NONE;
			memcpy(room + len, piece.at, piece.len);
			len += piece.len;
		}
	}
	return bytes_of(room, len);
}

/* That of the socket, or one pushed out for it; NULL: other threads are at all of them. */
static struct following *seize(int fd, uint64_t inode)
{
	unsigned start = __atomic_fetch_add(&next_following, 1, __ATOMIC_RELAXED);

	for (unsigned i = 0; i < 2 * QUICS_MAX; i++) {
		struct following *f = &followings[(start + i) % QUICS_MAX];
		bool same = f->fd == fd && fds_same(f->inode, inode);
		uint32_t idle = 0;
		if ((!same && i < QUICS_MAX) ||
		    !__atomic_compare_exchange_n(&f->busy, &idle, 1, false, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		if (f->fd != fd || !fds_same(f->inode, inode))
			memset(&f->initial, 0, sizeof f->initial);
		f->fd = fd;
		f->inode = inode;
		return f;
	}
	return NULL;
}

static bool decide_quic(struct sending *s, const struct client_hello *hello)
{
	struct rules *rules;
	struct peer peer;
	bool refused = false;

	if (!init_complete())
		return false;
	if (s->to_len)
		peer_of_address(s->to, s->to_len, &peer);
	else
		peer_of(s->fd, &peer);
	rules = rules_take();
	struct opaque o = {
		.kind = OPAQUE_QUIC,
		.name = client_hello_name(hello),
		.peer = &peer,
		.caller = s->caller,
	};
	o.provider = peer_find_provider(rules ? rules->policy : NULL, o.name, peer.port,
					o.name.len ? NULL : &peer);
	if (o.provider)
		refused = opaque_refuse(rules, &o);
	rules_drop(rules);
	return refused;
}

/* True: refused. */
static bool look(struct sending *s, struct bytes datagram, uint64_t inode)
{
	struct following *f = seize(s->fd, inode);
	bool refused = false;
	enum err e;

	if (!f)
		return false;
	do {
		struct bytes one = s->segment ? bytes_slice(datagram, 0, s->segment) : datagram;
		e = quic_initial_feed(&f->initial, one);
		datagram = bytes_from(datagram, one.len);
	} while (e == ERR_MORE && datagram.len);
	if (e == OK || f->initial.hello.has_name) {
		refused = decide_quic(s, &f->initial.hello);
		/* A connected socket has one connection; it is known now. */
		if (!refused)
			fds_clear(s->fd, FDS_UDP_443);
		f->inode = 0;
	}
	__atomic_store_n(&f->busy, 0, __ATOMIC_RELEASE);
	return refused;
}

bool quic_send(struct sending *s)
{
	uint8_t room[DATAGRAM_BYTES_MAX];
	struct bytes datagram;
	int saved = errno;
	uint64_t inode;
	bool refused = false;

	if (!quic_concerns(s))
		return false;
	datagram = gather(s, room);
	if (datagram.len && fds_are_ours() && (inode = fds_inode(s->fd)))
		refused = look(s, datagram, inode);
	errno = refused ? ECONNREFUSED : saved;
	s->ret = -1;
	return refused;
}

void quic_in_child(void)
{
	/* Of a table that nobody used no page is touched. */
	if (__atomic_load_n(&next_following, __ATOMIC_ACQUIRE))
		memset(followings, 0, sizeof followings);
}
