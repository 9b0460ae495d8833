/* SPDX-License-Identifier: MIT */
#include "shim/openssl.h"

#include <limits.h>
#include <string.h>

#include "shim/fds.h"

/* Values of openssl/tls1.h, openssl/x509_vfy.h and openssl/crypto.h. */
#define TLSEXT_NAMETYPE_HOST 0
#define VERIFY_OK            0
#define OP_ENABLE_KTLS       8 /* 3.0 and later; no option in 1.1 */
#define EX_INDEX_SSL         0 /* CRYPTO_EX_INDEX_SSL, 1.1.0 and later */

static const unsigned char alpn_http1[] = "\x08http/1.1";

/* ---- life ---- */

static const struct tls_api *watched[LIBRARY_COPIES_MAX];
static struct conn passing[LIBRARY_COPIES_MAX + 1];

/* The library frees an SSL: the one certain news of its death, whoever held references. */
static void on_ssl_free(void *ssl, void *value, void *ad, int index, long number, void *pointer)
{
	conn_drop(ssl);
}

/* Once per libssl. Two threads at the same time register twice; the second finds nothing to do. */
static void watch_for_death(const struct tls_api *api)
{
	for (unsigned i = 0; i < LIBRARY_COPIES_MAX; i++) {
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
	for (unsigned i = 0; i < LIBRARY_COPIES_MAX; i++) {
		const struct tls_api *none = NULL;
		if (__atomic_load_n(&passing[i].api, __ATOMIC_ACQUIRE) == api)
			return &passing[i];
		passing[i].kind = CONN_PASS;
		if (__atomic_compare_exchange_n(&passing[i].api, &none, api, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
		    none == api)
			return &passing[i];
	}
	passing[LIBRARY_COPIES_MAX].kind = CONN_PASS;
	passing[LIBRARY_COPIES_MAX].api = api;
	return &passing[LIBRARY_COPIES_MAX];
}

struct conn *openssl_conn(const void *ssl, const void *caller)
{
	struct conn *c = conn_find(ssl);
	const struct tls_api *api;

	if (c)
		return c;
	if (!conn_enabled || !ssl)
		return passing_for(real_tls(caller));
	api = real_tls_of(ssl, caller);
	watch_for_death(api);
	c = conn_add(ssl, api);
	return c ? c : passing_for(api);
}

void openssl_reset(struct conn *c)
{
	if (c->hushed && c->api->SSL_set_quiet_shutdown)
		c->api->SSL_set_quiet_shutdown((void *)(uintptr_t)c->session, 0);
	conn_reset(c);
}

/* ---- whose ClientHello? ---- */

bool openssl_random(const struct conn *c, uint8_t ret_random[32])
{
	static const uint8_t none[32];
	const void *ssl = c->session;

	return ssl && c->api->SSL_get_client_random &&
	       c->api->SSL_get_client_random(ssl, ret_random, 32) == 32 &&
	       memcmp(ret_random, none, 32) != 0;
}

void openssl_tell(struct conn *c)
{
	uint8_t random[32];

	if (c->told || !openssl_random(c, random))
		return;
	c->told = true;
	hello_expect(random);
}

/* ---- the carrier ---- */

/* Not a state that SSL_get_error asks the program to wait in, but an end. `number` is errno: some
 * programs' own BIOs say only there that they would block (tcl-tls). */
static bool is_end(int error, int number)
{
	return error == ERROR_SSL || error == ERROR_ZERO_RETURN ||
	       (error == ERROR_SYSCALL && number != EAGAIN && number != EINTR);
}

static enum carried carry(void *session, struct bytes data, size_t *ret_done)
{
	struct conn *c = session;
	void *ssl = (void *)(uintptr_t)c->session;
	int len = data.len > INT_MAX ? INT_MAX : (int)data.len;
	int ret = REAL_HANDSHAKE(c, SSL_write(ssl, data.at, len)), error;

	c->last_ret = ret;
	if (ret > 0) {
		*ret_done = (size_t)ret;
		return (size_t)ret == data.len ? CARRIED : CARRIED_PART;
	}
	error = REAL(c, SSL_get_error(ssl, ret));
	return is_end(error, c->real_errno) ? BROKEN : BLOCKED;
}

static void describe(void *session, struct link_facts *ret_facts)
{
	struct conn *c = session;
	const struct tls_api *api = c->api;
	void *ssl = (void *)(uintptr_t)c->session;
	uint8_t random[32];
	const void *cipher;

	memset(ret_facts, 0, sizeof *ret_facts);
	ret_facts->fd = -1;
	ret_facts->library = api->library.path;
	if (api->SSL_get_version)
		ret_facts->tls = api->SSL_get_version(ssl);
	if (api->SSL_version)
		ret_facts->version = api->SSL_version(ssl);
	cipher = api->SSL_get_current_cipher ? api->SSL_get_current_cipher(ssl) : NULL;
	if (cipher && api->SSL_CIPHER_get_name)
		ret_facts->cipher = api->SSL_CIPHER_get_name(cipher);
	ret_facts->verified = api->SSL_get_verify_result &&
			      api->SSL_get_verify_result(ssl) == VERIFY_OK;
	if (api->SSL_get_rfd)
		ret_facts->fd = api->SSL_get_rfd(ssl);
	ret_facts->own_transport = ret_facts->fd < 0;
	if (ret_facts->own_transport && openssl_random(c, random))
		ret_facts->fd = fds_find(random);
}

static void hush(void *session)
{
	struct conn *c = session;

	if (c->api->SSL_set_quiet_shutdown)
		c->api->SSL_set_quiet_shutdown((void *)(uintptr_t)c->session, 1);
	c->hushed = true;
}

static void say_goodbye(void *session)
{
	struct conn *c = session;
	void *ssl = (void *)(uintptr_t)c->session;

	if (c->api->SSL_set_quiet_shutdown)
		c->api->SSL_set_quiet_shutdown(ssl, 0);
	if (c->api->ERR_set_mark)
		c->api->ERR_set_mark();
	(void)REAL(c, SSL_shutdown(ssl));
	if (c->api->ERR_pop_to_mark)
		c->api->ERR_pop_to_mark();
	hush(session);
}

static const struct carrier carrier = {carry, describe, hush, say_goodbye};

/* ---- ours? ---- */

static struct bytes name_of(const struct conn *c, void *ssl)
{
	const char *name = c->server_name[0] ? c->server_name
			   : c->api->SSL_get_servername
				   ? c->api->SSL_get_servername(ssl, TLSEXT_NAMETYPE_HOST)
				   : NULL;

	/* The name the program has the certificate checked for is as good as one it sends. */
	if (!name && c->api->SSL_get0_peername && c->api->SSL_is_init_finished &&
	    c->api->SSL_is_init_finished(ssl))
		name = c->api->SSL_get0_peername(ssl);
	return bytes_str(name);
}

/* HTTP/1.1 is what the gate reads; an ALPN list with only that is offered on this SSL alone. The
 * kernel is not to encrypt by itself what it is given past the library. */
static void steer(struct conn *c, void *ssl)
{
	const struct tls_api *api = c->api;

	if (api->SSL_in_before && !api->SSL_in_before(ssl))
		return;
	if (api->SSL_clear_options)
		(void)api->SSL_clear_options(ssl, OP_ENABLE_KTLS);
	if (!api->SSL_set_alpn_protos)
		return;
	if (api->ERR_set_mark)
		api->ERR_set_mark();
	(void)api->SSL_set_alpn_protos(ssl, alpn_http1, sizeof alpn_http1 - 1);
	if (api->ERR_pop_to_mark)
		api->ERR_pop_to_mark();
}

static void decide(struct conn *c, void *ssl, bool as_client)
{
	int fd = as_client && c->api->SSL_get_rfd ? c->api->SSL_get_rfd(ssl) : -1;

	c->as_client = false;
	if (!as_client)
		c->kind = CONN_PASS;
	else if (conn_decide(c, &carrier, name_of(c, ssl), fd))
		steer(c, ssl);
}

/* Before any I/O of a connection that is not decided on. */
bool openssl_settle(struct conn *c, void *ssl, bool connecting)
{
	int saved = errno;

	/* Cleared, to be used again: where libssl is part of the program, SSL_clear is no hook. */
	if (c->kind == CONN_GATED && c->api->library.is_program && c->api->SSL_in_before &&
	    c->api->SSL_in_before(ssl))
		openssl_reset(c);
	/* A generic method looks like a server until SSL_connect makes it a client. */
	if (c->kind == CONN_NEW ||
	    (c->kind == CONN_PASS && connecting && !c->as_client && c->session)) {
		bool client = connecting || !c->api->SSL_is_server || !c->api->SSL_is_server(ssl);
		decide(c, ssl, client);
		errno = saved;
	}
	return c->kind == CONN_GATED;
}

/* ---- bytes ---- */

/* 1: all of `data` counts as written; else what the library answered (0 or less). */
int openssl_write(struct conn *c, void *ssl, const void *data, size_t len)
{
	enum gate_answer answer;
	int ret;

	c->forced_error = 0;
	c->real_errno = errno;
	if (!c->gate) {
		c->forced_error = ERROR_SSL;
		return -1;
	}
	/* Bytes are never held before the handshake is done: it needs the program's reads. */
	if (c->api->SSL_is_init_finished && !c->api->SSL_is_init_finished(ssl)) {
		ret = REAL_HANDSHAKE(c, SSL_do_handshake(ssl));
		if (ret <= 0) {
			errno = c->real_errno;
			return ret;
		}
	}
	answer = gate_write(c->gate, bytes_of(data, len));
	/* The gate itself stays until the object is freed: another thread may be reading through
	 * it. */
	if (answer == GATE_OPENED)
		c->kind = CONN_PASS;
	ret = answer == GATE_TAKEN || answer == GATE_OPENED ? 1
	      : c->last_ret > 0                             ? -1
							    : c->last_ret;
	errno = c->real_errno;
	return ret;
}

/* How the library ended a read, for the gate. True: bytes are to be served before that is told. */
bool openssl_read_failed(struct conn *c, void *ssl, int ret)
{
	int error = REAL(c, SSL_get_error(ssl, ret));

	return is_end(error, c->real_errno) && c->gate && gate_ended(c->gate);
}

bool openssl_serve(struct conn *c, void *data, size_t cap, bool peek, size_t *ret_len)
{
	enum gate_serving serving;

	c->forced_error = 0;
	if (!c->gate) {
		c->forced_error = ERROR_SSL;
		*ret_len = 0;
		return true;
	}
	serving = gate_serve(c->gate, data, cap, peek, ret_len);
	if (serving == GATE_END) {
		c->forced_error = ERROR_ZERO_RETURN;
		c->ended = true;
		*ret_len = 0;
	}
	return serving != GATE_NOTHING;
}
