/* SPDX-License-Identifier: MIT */
#include "shim/conn.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/sys.h"
#include "shim/fds.h"
#include "shim/init.h"
#include "shim/peer.h"
#include "shim/rules.h"

#define BUCKETS    1024 /* a power of two */
#define SLAB_CONNS 64

bool conn_enabled START_DATA;

/* Conns are never given back to the system, so that a walk without the lock meets conns only. */
static struct conn *buckets[BUCKETS], *free_conns;
static struct lock lock;

/* The connection this thread used last. `epoch` tells whether any conn was dropped since: it is
 * counted before the dropped one's place in the map changes. */
static uint64_t epoch;
static __thread struct {
	const void *session;
	struct conn *conn;
	uint64_t epoch;
} last __attribute__((tls_model("initial-exec")));

static struct conn **bucket_of(const void *session)
{
	return &buckets[((uintptr_t)session >> 4) * 2654435761u / 64 % BUCKETS];
}

static struct conn *walk(const void *session)
{
	struct conn *c = __atomic_load_n(bucket_of(session), __ATOMIC_ACQUIRE);

	while (c && __atomic_load_n(&c->session, __ATOMIC_ACQUIRE) != session)
		c = __atomic_load_n(&c->next, __ATOMIC_ACQUIRE);
	return c;
}

struct conn *conn_find(const void *session)
{
	uint64_t now = __atomic_load_n(&epoch, __ATOMIC_ACQUIRE);
	struct conn *c;

	if (last.session == session && last.epoch == now && last.conn)
		return last.conn;
	c = session ? walk(session) : NULL;
	/* A conn that went while we stood on it led us into another list: then with the lock. */
	if (!c && session && __atomic_load_n(&epoch, __ATOMIC_ACQUIRE) != now && lock_take(&lock)) {
		c = walk(session);
		lock_drop(&lock);
	}
	if (c) {
		last.session = session;
		last.conn = c;
		last.epoch = now;
	}
	return c;
}

/* The lock is held. */
static struct conn *take_free(void)
{
	struct conn *c;

	if (!free_conns) {
		struct conn *slab = sys_map(SLAB_CONNS * sizeof *slab);
		if (!slab)
			return NULL;
		for (unsigned i = 0; i < SLAB_CONNS; i++) {
			slab[i].next = free_conns;
			free_conns = &slab[i];
		}
	}
	c = free_conns;
	free_conns = c->next;
	return c;
}

/* The lock is held. */
static void unlink_conn(struct conn *c)
{
	struct conn **at = bucket_of(c->session);

	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		__atomic_store_n(at, c->next, __ATOMIC_RELEASE);
}

struct conn *conn_add(const void *session, const void *functions)
{
	struct conn *c;

	if (!conn_enabled || !session || !init_complete() || !lock_take(&lock))
		return NULL;
	c = walk(session);
	if (!c && (c = take_free())) {
		struct conn **bucket = bucket_of(session);
		/* Its links may be followed just now. */
		memset((char *)c + offsetof(struct conn, functions), 0,
		       sizeof *c - offsetof(struct conn, functions));
		c->functions = functions;
		__atomic_store_n(&c->next, *bucket, __ATOMIC_RELEASE);
		__atomic_store_n(&c->session, session, __ATOMIC_RELEASE);
		__atomic_store_n(bucket, c, __ATOMIC_RELEASE);
	}
	lock_drop(&lock);
	return c;
}

void conn_drop(const void *session)
{
	struct conn *c;
	struct gate *gate;
	struct buf alpn, unsent, repeat;
	int saved = errno;

	if (!session || !lock_take(&lock))
		return;
	c = walk(session);
	if (!c) {
		lock_drop(&lock);
		return;
	}
	unlink_conn(c);
	gate = c->gate;
	alpn = c->alpn;
	unsent = c->unsent;
	repeat = c->repeat;
	c->gate = NULL;
	__atomic_add_fetch(&epoch, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&c->session, NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&c->next, free_conns, __ATOMIC_RELEASE);
	free_conns = c;
	lock_drop(&lock);
	gate_free(gate);
	buf_done(&alpn);
	buf_done(&unsent);
	buf_done(&repeat);
	errno = saved;
}

void conn_reset(struct conn *c)
{
	struct gate *gate = c->gate;

	c->gate = NULL;
	c->kind = CONN_NEW;
	c->forced_error = 0;
	c->ended = c->as_client = c->hushed = c->told = false;
	gate_free(gate);
}

/* ---- ours? ---- */

/* A policy that names a host by its address: programs send no server name then. */
static bool names_addresses(const struct policy *p)
{
	for (size_t i = 0; p && i < p->provider_count; i++) {
		for (size_t k = 0; k < p->providers[i].host_count; k++) {
			struct bytes host = bytes_str(provider_hosts(&p->providers[i])[k].name);
			if (host.len && (host.at[0] == '[' || (host.at[host.len - 1] >= '0' &&
							       host.at[host.len - 1] <= '9')))
				return true;
		}
	}
	return false;
}

bool conn_decide(struct conn *c, const struct carrier *carrier, struct bytes name, int fd)
{
	bool ours, known, unnamed = name.len == 0, steer = false;
	struct rules *rules = rules_take();
	const struct policy *policy = rules ? rules->policy : NULL;
	struct gate *gate = NULL;
	struct peer peer = {0};

	c->as_client = true;
	/* Behind a proxy, the address is the proxy's. */
	if (fd >= 0 && !fds_is_proxied(fd))
		peer_of(fd, &peer);
	known = !unnamed && policy_find_provider(policy, name, peer.port);
	ours = unnamed || known || rules_are_unknown(rules);
	/* When nobody can say whom the policy names, each request says whom it is for. */
	if (ours && gate_new(carrier, c, known ? name : BYTES_NONE, &gate) == OK) {
		/* Without a name, only the address can say that HTTP/1.1 will be needed. */
		steer = !unnamed ||
			(peer.text[0] ? peer_find_provider(policy, name, 0, &peer) != NULL
				      : names_addresses(policy));
		gate_free(c->gate); /* of an earlier use of this object, opened since */
		c->gate = gate;
		c->kind = CONN_GATED;
	} else {
		/* Without memory for a gate it is closed: the adapters fail it. */
		c->kind = ours ? CONN_GATED : CONN_PASS;
	}
	rules_drop(rules);
	return steer;
}

void conn_reset_locks(void)
{
	lock_reset(&lock);
}
