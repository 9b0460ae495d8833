/* SPDX-License-Identifier: MIT
 *
 * The front doors of OpenSSL, and the carrier that moves bytes for a gate. A door: not ours, or
 * already inside for this SSL -> the real function; else our work, with errno as the real function
 * left it.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "shim/conn.h"
#include "shim/fds.h"
#include "shim/gate_record.h"
#include "shim/hooks.h"
#include "shim/rules.h"

#define likely(condition) __builtin_expect(!!(condition), 1)

/* Values of openssl/ssl.h and openssl/tls1.h; the same in 1.1 and 3. */
#define CTRL_SET_TLSEXT_HOSTNAME 55
#define TLSEXT_NAMETYPE_HOST     0
#define ERROR_SSL                1
#define ERROR_SYSCALL            5
#define ERROR_ZERO_RETURN        6
#define RECEIVED_SHUTDOWN        2
#define VERIFY_OK                0

static const unsigned char alpn_http1[] = "\x08http/1.1";

/* A real call for connection c; errno of the call is kept for the way out. */
#define REAL(c, call)                                                                              \
	({                                                                                         \
		__auto_type ret_ = (c)->api->call;                                                 \
		(c)->real_errno = errno;                                                           \
		ret_;                                                                              \
	})

/* Passes straight through: not governed, or libssl calling its own public functions. That is told
 * by where the call comes from and not by a mark of ours, which a longjmp out of a callback would
 * leave behind. */
static inline bool passes(const struct conn *c, const void *caller)
{
	return likely(c->kind == CONN_PASS) || real_is_nested(c->api, caller);
}

/* Not a state that SSL_get_error asks the program to wait in, but an end. */
static bool is_end(int error)
{
	return error == ERROR_SSL || error == ERROR_SYSCALL || error == ERROR_ZERO_RETURN;
}

/* ---- the carrier ---- */

static enum carried carry(void *session, struct bytes data, size_t *ret_done)
{
	struct conn *c = session;
	void *ssl = (void *)(uintptr_t)c->ssl;
	int len = data.len > INT_MAX ? INT_MAX : (int)data.len;
	int ret = REAL(c, SSL_write(ssl, data.at, len)), error;

	c->last_ret = ret;
	if (ret > 0) {
		*ret_done = (size_t)ret;
		return (size_t)ret == data.len ? CARRIED : CARRIED_PART;
	}
	error = REAL(c, SSL_get_error(ssl, ret));
	return is_end(error) ? BROKEN : BLOCKED;
}

static void describe(void *session, struct link_facts *ret_facts)
{
	struct conn *c = session;
	const struct tls_api *api = c->api;
	void *ssl = (void *)(uintptr_t)c->ssl;
	uint8_t random[32];
	const void *cipher;

	memset(ret_facts, 0, sizeof *ret_facts);
	ret_facts->fd = -1;
	ret_facts->library = api->library;
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
	if (ret_facts->own_transport && api->SSL_get_client_random &&
	    api->SSL_get_client_random(ssl, random, sizeof random) == sizeof random)
		ret_facts->fd = fds_find(random);
}

static void hush(void *session)
{
	struct conn *c = session;

	if (c->api->SSL_set_quiet_shutdown)
		c->api->SSL_set_quiet_shutdown((void *)(uintptr_t)c->ssl, 1);
	c->hushed = true;
}

static void say_goodbye(void *session)
{
	struct conn *c = session;
	void *ssl = (void *)(uintptr_t)c->ssl;

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

/* Address and port of a directly connected socket; "" and 0 when not known, or when a proxy stands
 * there. */
static uint16_t peer_of(const struct conn *c, void *ssl, char ret_address[64])
{
	int fd = c->api->SSL_get_rfd ? c->api->SSL_get_rfd(ssl) : -1;
	uint16_t port = 0;

	ret_address[0] = '\0';
	if (fd >= 0 && !fds_is_proxied(fd))
		gate_record_peer(fd, ret_address, &port);
	return port;
}

/* A policy that names a host by its address: programs send no server name then. */
static bool names_addresses(const struct policy *p)
{
	for (size_t i = 0; p && i < p->provider_count; i++) {
		for (size_t k = 0; k < p->providers[i].host_count; k++) {
			struct bytes host = bytes_str(p->providers[i].hosts[k].name);
			if (host.len && (host.at[0] == '[' || (host.at[host.len - 1] >= '0' &&
							       host.at[host.len - 1] <= '9')))
				return true;
		}
	}
	return false;
}

/* "10.0.0.1:443" */
static bool is_provider_address(const struct policy *p, const char *peer)
{
	struct bytes host;
	uint16_t port;

	return gate_record_split_peer(peer, &host, &port) && policy_find_provider(p, host, port);
}

/* HTTP/1.1 is what the gate reads; an ALPN list with only that is offered on this SSL alone. */
static void steer(struct conn *c, void *ssl)
{
	const struct tls_api *api = c->api;

	if (!api->SSL_set_alpn_protos || (api->SSL_in_before && !api->SSL_in_before(ssl)))
		return;
	if (api->ERR_set_mark)
		api->ERR_set_mark();
	(void)api->SSL_set_alpn_protos(ssl, alpn_http1, sizeof alpn_http1 - 1);
	if (api->ERR_pop_to_mark)
		api->ERR_pop_to_mark();
}

static void decide_conn(struct conn *c, void *ssl, bool as_client)
{
	struct bytes name = as_client ? name_of(c, ssl) : BYTES_NONE;
	bool ours, unnamed = name.len == 0;
	struct gate *gate = NULL;
	struct rules *rules;
	const struct policy *policy;
	char peer[64];
	uint16_t port;

	c->as_client = as_client;
	if (!as_client) {
		c->kind = CONN_PASS;
		return;
	}
	rules = rules_take();
	policy = rules ? rules->policy : NULL;
	port = peer_of(c, ssl, peer);
	ours = unnamed || policy_find_provider(policy, name, port);
	if (ours && gate_new(&carrier, c, name, &gate) == OK) {
		/* Without a name, only the address can say that HTTP/1.1 will be needed. */
		if (!unnamed ||
		    (peer[0] ? is_provider_address(policy, peer) : names_addresses(policy)))
			steer(c, ssl);
		gate_free(c->gate); /* of an earlier use of this object, opened since */
		c->gate = gate;
		c->kind = CONN_GATED;
	} else {
		/* A governed connection without memory for a gate is closed: see gated_write. */
		c->kind = ours && !unnamed ? CONN_GATED : CONN_PASS;
	}
	rules_drop(rules);
}

/* Before any I/O of a connection that is not decided on. */
static bool settle(struct conn *c, void *ssl, bool connecting)
{
	int saved = errno;

	/* A generic method looks like a server until SSL_connect makes it a client. */
	if (c->kind == CONN_NEW ||
	    (c->kind == CONN_PASS && connecting && !c->as_client && c->ssl)) {
		bool client = connecting || !c->api->SSL_is_server || !c->api->SSL_is_server(ssl);
		decide_conn(c, ssl, client);
		errno = saved;
	}
	return c->kind == CONN_GATED;
}

/* ---- handshake, life ---- */

HOOK int SSL_connect(void *ssl)
{
	struct conn *c = conn_of(ssl, CALLER);

	if (real_is_nested(c->api, CALLER) || !settle(c, ssl, true))
		return c->api->SSL_connect(ssl);
	int ret = REAL(c, SSL_connect(ssl));
	errno = c->real_errno;
	return ret;
}

HOOK int SSL_do_handshake(void *ssl)
{
	struct conn *c = conn_of(ssl, CALLER);

	if (passes(c, CALLER) || !settle(c, ssl, false))
		return c->api->SSL_do_handshake(ssl);
	int ret = REAL(c, SSL_do_handshake(ssl));
	errno = c->real_errno;
	return ret;
}

HOOK long SSL_ctrl(void *ssl, int command, long number, void *pointer)
{
	struct conn *c = conn_of(ssl, CALLER);
	long ret = c->api->SSL_ctrl(ssl, command, number, pointer);

	if (command == CTRL_SET_TLSEXT_HOSTNAME && number == TLSEXT_NAMETYPE_HOST && ret == 1 &&
	    c->ssl) {
		/* An object that is used again, for another host: decided anew. */
		if (c->kind == CONN_PASS)
			c->kind = CONN_NEW;
		size_t len = pointer ? strlen(pointer) : 0;
		c->server_name[0] = '\0';
		if (len < sizeof c->server_name)
			memcpy(c->server_name, pointer ? pointer : "", len + 1);
	}
	return ret;
}

HOOK int SSL_clear(void *ssl)
{
	struct conn *c = conn_of(ssl, CALLER);

	if (c->ssl && !real_is_nested(c->api, CALLER)) {
		int saved = errno;
		conn_reset(c);
		errno = saved;
	}
	return c->api->SSL_clear(ssl);
}

HOOK void SSL_set_connect_state(void *ssl)
{
	struct conn *c = conn_of(ssl, CALLER);

	if (c->ssl && c->kind != CONN_NEW && !real_is_nested(c->api, CALLER)) {
		int saved = errno;
		conn_reset(c);
		errno = saved;
	}
	c->api->SSL_set_connect_state(ssl);
}

/* ---- writing ---- */

/* 1: all of `data` counts as written; else what the library answered (0 or less). */
static int gated_write(struct conn *c, void *ssl, const void *data, size_t len)
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
		ret = REAL(c, SSL_do_handshake(ssl));
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

HOOK int SSL_write(void *ssl, const void *data, int len)
{
	struct conn *c = conn_of(ssl, CALLER);

	if (passes(c, CALLER) || !settle(c, ssl, false) || len <= 0)
		return c->api->SSL_write(ssl, data, len);
	int ret = gated_write(c, ssl, data, (size_t)len);
	return ret > 0 ? len : ret;
}

HOOK int SSL_write_ex(void *ssl, const void *data, size_t len, size_t *written)
{
	struct conn *c = conn_of(ssl, CALLER);

	if (passes(c, CALLER) || !settle(c, ssl, false) || len == 0)
		return c->api->SSL_write_ex(ssl, data, len, written);
	if (gated_write(c, ssl, data, len) <= 0)
		return 0;
	if (written)
		*written = len;
	return 1;
}

/* Early data would leave before the handshake, and before a decision: on a governed connection it
 * is an ordinary write after the handshake. The program's own handshake call then finds it done. */
HOOK int SSL_write_early_data(void *ssl, const void *data, size_t len, size_t *written)
{
	struct conn *c = conn_of(ssl, CALLER);

	if (passes(c, CALLER) || !settle(c, ssl, true) || len == 0)
		return c->api->SSL_write_early_data(ssl, data, len, written);
	/* As the real one does: the object may not know yet that it is a client. */
	if (c->api->SSL_is_init_finished && !c->api->SSL_is_init_finished(ssl) &&
	    REAL(c, SSL_connect(ssl)) <= 0) {
		errno = c->real_errno;
		return 0;
	}
	if (gated_write(c, ssl, data, len) <= 0)
		return 0;
	if (written)
		*written = len;
	return 1;
}

/* The kernel would encrypt a file that nobody has looked at: not on a governed connection. */
HOOK ssize_t SSL_sendfile(void *ssl, int fd, off_t offset, size_t size, int flags)
{
	struct conn *c = conn_of(ssl, CALLER);

	if (passes(c, CALLER) || !settle(c, ssl, false))
		return c->api->SSL_sendfile(ssl, fd, offset, size, flags);
	c->forced_error = ERROR_SSL;
	return -1;
}

/* ---- reading ---- */

/* How the library ended a read, for the gate. */
static void note_failed_read(struct conn *c, void *ssl, int ret)
{
	if (is_end(REAL(c, SSL_get_error(ssl, ret))) && c->gate)
		gate_ended(c->gate);
}

/* True when the gate answered: *ret_len bytes, or 0 for the end. */
static bool served(struct conn *c, void *data, size_t cap, bool peek, size_t *ret_len)
{
	enum gate_serving serving;

	c->forced_error = 0;
	if (!c->gate) {
		c->forced_error = ERROR_SSL;
		*ret_len = 0;
		return true;
	}
	if (gate_let_go(c->gate) == GATE_OPENED)
		c->kind = CONN_PASS;
	serving = gate_serve(c->gate, data, cap, peek, ret_len);
	if (serving == GATE_END) {
		c->forced_error = ERROR_ZERO_RETURN;
		c->ended = true;
		*ret_len = 0;
	}
	return serving != GATE_NOTHING;
}

HOOK int SSL_read(void *ssl, void *data, int len)
{
	struct conn *c = conn_of(ssl, CALLER);
	size_t got;

	if (passes(c, CALLER) || !settle(c, ssl, false) || len <= 0)
		return c->api->SSL_read(ssl, data, len);
	if (served(c, data, (size_t)len, false, &got))
		return (int)got;
	int ret = REAL(c, SSL_read(ssl, data, len)), saved = c->real_errno;
	if (ret > 0)
		gate_read(c->gate, bytes_of(data, (size_t)ret));
	else if (served(c, data, (size_t)len, false, &got))
		ret = (int)got; /* refused meanwhile, by another thread's write */
	else
		note_failed_read(c, ssl, ret);
	errno = saved;
	return ret;
}

HOOK int SSL_read_ex(void *ssl, void *data, size_t len, size_t *got)
{
	struct conn *c = conn_of(ssl, CALLER);

	if (passes(c, CALLER) || !settle(c, ssl, false) || len == 0 || !got)
		return c->api->SSL_read_ex(ssl, data, len, got);
	size_t count;
	if (served(c, data, len, false, &count)) {
		*got = count;
		return count > 0;
	}
	int ret = REAL(c, SSL_read_ex(ssl, data, len, got)), saved = c->real_errno;
	if (ret > 0) {
		gate_read(c->gate, bytes_of(data, *got));
	} else if (served(c, data, len, false, &count)) {
		*got = count;
		ret = count > 0;
	} else {
		note_failed_read(c, ssl, ret);
	}
	errno = saved;
	return ret;
}

HOOK int SSL_peek(void *ssl, void *data, int len)
{
	struct conn *c = conn_of(ssl, CALLER);
	size_t got;

	if (passes(c, CALLER) || !settle(c, ssl, false) || len <= 0)
		return c->api->SSL_peek(ssl, data, len);
	if (served(c, data, (size_t)len, true, &got))
		return (int)got;
	int ret = REAL(c, SSL_peek(ssl, data, len));
	errno = c->real_errno;
	return ret;
}

HOOK int SSL_peek_ex(void *ssl, void *data, size_t len, size_t *got)
{
	struct conn *c = conn_of(ssl, CALLER);

	if (passes(c, CALLER) || !settle(c, ssl, false) || len == 0 || !got)
		return c->api->SSL_peek_ex(ssl, data, len, got);
	size_t count;
	if (served(c, data, len, true, &count)) {
		*got = count;
		return count > 0;
	}
	int ret = REAL(c, SSL_peek_ex(ssl, data, len, got));
	errno = c->real_errno;
	return ret;
}

/* ---- state ---- */

HOOK int SSL_pending(const void *ssl)
{
	struct conn *c = conn_of(ssl, CALLER);
	size_t waiting;

	if (likely(c->kind != CONN_GATED) || real_is_nested(c->api, CALLER) || !c->gate)
		return c->api->SSL_pending(ssl);
	waiting = gate_pending(c->gate);
	return waiting ? (int)waiting : c->api->SSL_pending(ssl);
}

HOOK int SSL_has_pending(const void *ssl)
{
	struct conn *c = conn_of(ssl, CALLER);

	if (likely(c->kind != CONN_GATED) || real_is_nested(c->api, CALLER) || !c->gate ||
	    !gate_pending(c->gate))
		return c->api->SSL_has_pending(ssl);
	return 1;
}

HOOK int SSL_get_error(const void *ssl, int ret)
{
	struct conn *c = conn_of(ssl, CALLER);

	if (likely(c->kind != CONN_GATED) || real_is_nested(c->api, CALLER) || !c->forced_error ||
	    ret > 0)
		return c->api->SSL_get_error(ssl, ret);
	return c->forced_error;
}

HOOK int SSL_get_shutdown(const void *ssl)
{
	struct conn *c = conn_of(ssl, CALLER);

	/* Exactly this value: some programs compare with == after the provider's close_notify. */
	if (likely(c->kind != CONN_GATED) || real_is_nested(c->api, CALLER) || !c->ended)
		return c->api->SSL_get_shutdown(ssl);
	return RECEIVED_SHUTDOWN;
}

HOOK int SSL_shutdown(void *ssl)
{
	struct conn *c = conn_of(ssl, CALLER);

	if (likely(c->kind != CONN_GATED) || real_is_nested(c->api, CALLER))
		return c->api->SSL_shutdown(ssl);
	c->forced_error = 0;
	c->ended = false;
	/* Quiet already where a refusal stands (gate: hush), so that nothing planted is parsed. */
	int ret = REAL(c, SSL_shutdown(ssl));
	errno = c->real_errno;
	return ret;
}
