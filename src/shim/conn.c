/* SPDX-License-Identifier: MIT */
#include "shim/conn.h"

#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "shim/init.h"

#define BUCKETS       1024 /* a power of two */
#define SLAB_CONNS    64
#define EX_INDEX_SSL  0 /* CRYPTO_EX_INDEX_SSL of openssl/crypto.h, 1.1.0 and later */
#define LIBRARIES_MAX REAL_LIBSSL_MAX

bool conn_enabled START_DATA;

/* Conns are never given back to the system, so that a walk without the lock meets conns only. */
static struct conn *buckets[BUCKETS], *free_conns;
static struct lock lock;
static const struct tls_api *watched[LIBRARIES_MAX];
static struct conn passing[LIBRARIES_MAX + 1];

/* The connection this thread used last. `epoch` tells whether any conn was dropped since. */
static uint64_t epoch;
static __thread struct {
	const void *ssl;
	struct conn *conn;
	uint64_t epoch;
} last __attribute__((tls_model("initial-exec")));

static struct conn **bucket_of(const void *ssl)
{
	return &buckets[((uintptr_t)ssl >> 4) * 2654435761u / 64 % BUCKETS];
}

static struct conn *find(const void *ssl)
{
	struct conn *c = __atomic_load_n(bucket_of(ssl), __ATOMIC_ACQUIRE);

	while (c && __atomic_load_n(&c->ssl, __ATOMIC_ACQUIRE) != ssl)
		c = __atomic_load_n(&c->next, __ATOMIC_ACQUIRE);
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
	struct conn **at = bucket_of(c->ssl);

	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		__atomic_store_n(at, c->next, __ATOMIC_RELEASE);
}

/* The library frees an SSL: the one certain news of its death, whoever held references. */
static void on_ssl_free(void *ssl, void *value, void *ad, int index, long number, void *pointer)
{
	struct conn *c;
	struct gate *gate;
	int saved = errno;

	if (!ssl || !lock_take(&lock))
		return;
	c = find(ssl);
	if (!c) {
		lock_drop(&lock);
		return;
	}
	unlink_conn(c);
	gate = c->gate;
	c->gate = NULL;
	__atomic_store_n(&c->ssl, NULL, __ATOMIC_RELEASE);
	c->next = free_conns;
	free_conns = c;
	__atomic_add_fetch(&epoch, 1, __ATOMIC_RELEASE);
	lock_drop(&lock);
	gate_free(gate);
	errno = saved;
}

/* Once per libssl. Two threads at the same time register twice; the second finds nothing to do. */
static void watch_for_death(const struct tls_api *api)
{
	for (unsigned i = 0; i < LIBRARIES_MAX; i++) {
		const struct tls_api *none = NULL;
		if (__atomic_load_n(&watched[i], __ATOMIC_ACQUIRE) == api)
			return;
		if (__atomic_compare_exchange_n(&watched[i], &none, api, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE)) {
			void (*callback)(void *, void *, void *, int, long, void *) = on_ssl_free;
			void *as_object;
			memcpy(&as_object, &callback, sizeof as_object);
			if (api->CRYPTO_get_ex_new_index)
				(void)api->CRYPTO_get_ex_new_index(EX_INDEX_SSL, 0, NULL, NULL,
								   NULL, as_object);
			return;
		}
		if (none == api)
			return;
	}
}

/* One that passes and is not tied to an SSL*. */
static struct conn *passing_for(const struct tls_api *api)
{
	for (unsigned i = 0; i < LIBRARIES_MAX; i++) {
		const struct tls_api *none = NULL;
		if (__atomic_load_n(&passing[i].api, __ATOMIC_ACQUIRE) == api)
			return &passing[i];
		passing[i].kind = CONN_PASS;
		if (__atomic_compare_exchange_n(&passing[i].api, &none, api, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
		    none == api)
			return &passing[i];
	}
	passing[LIBRARIES_MAX].kind = CONN_PASS;
	passing[LIBRARIES_MAX].api = api;
	return &passing[LIBRARIES_MAX];
}

static struct conn *make(const void *ssl, const void *caller)
{
	const struct tls_api *api = real_tls(caller);
	struct conn *c;

	if (!conn_enabled || !ssl)
		return passing_for(api);
	if (!init_complete())
		return passing_for(api);
	watch_for_death(api);
	if (!lock_take(&lock))
		return passing_for(api);
	c = find(ssl);
	if (!c)
		c = take_free();
	if (c && c->ssl != ssl) {
		struct conn **bucket = bucket_of(ssl);
		memset(c, 0, sizeof *c);
		c->api = api;
		c->next = *bucket;
		__atomic_store_n(&c->ssl, ssl, __ATOMIC_RELEASE);
		__atomic_store_n(bucket, c, __ATOMIC_RELEASE);
	}
	lock_drop(&lock);
	return c ? c : passing_for(api);
}

struct conn *conn_of(const void *ssl, const void *caller)
{
	uint64_t now = __atomic_load_n(&epoch, __ATOMIC_ACQUIRE);
	struct conn *c;

	if (last.ssl == ssl && last.epoch == now && last.conn)
		return last.conn;
	c = find(ssl);
	if (!c)
		c = make(ssl, caller);
	if (c->ssl == ssl && ssl) {
		last.ssl = ssl;
		last.conn = c;
		last.epoch = now;
	}
	return c;
}

void conn_reset(struct conn *c)
{
	struct gate *gate = c->gate;

	c->gate = NULL;
	c->kind = CONN_NEW;
	c->forced_error = 0;
	c->ended = c->as_client = false;
	if (c->hushed && c->api->SSL_set_quiet_shutdown)
		c->api->SSL_set_quiet_shutdown((void *)(uintptr_t)c->ssl, 0);
	c->hushed = false;
	gate_free(gate);
}

void conn_reset_locks(void)
{
	lock_reset(&lock);
}
