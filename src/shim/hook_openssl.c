/* SPDX-License-Identifier: MIT
 *
 * The front doors of OpenSSL. A door: not ours, or libssl calling itself -> the real function; else
 * our work, with errno as the real function left it.
 */
#include <limits.h>
#include <string.h>

#include "shim/hooks.h"
#include "shim/openssl.h"

/* Values of openssl/ssl.h and openssl/tls1.h; the same in 1.1 and 3. */
#define CTRL_SET_TLSEXT_HOSTNAME 55
#define TLSEXT_NAMETYPE_HOST     0
#define RECEIVED_SHUTDOWN        2

/* ---- handshake, life ---- */

HOOK int SSL_connect(void *ssl)
{
	struct conn *c = openssl_conn(ssl, CALLER);

	if (library_is_nested(&c->api->library, CALLER) || !openssl_settle(c, ssl, true))
		return c->api->SSL_connect(ssl);
	int ret = REAL_HANDSHAKE(c, SSL_connect(ssl));
	errno = c->real_errno;
	return ret;
}

HOOK int SSL_do_handshake(void *ssl)
{
	struct conn *c = openssl_conn(ssl, CALLER);

	/* The library's own call can be the first that we see: BIO_do_handshake. */
	if ((c->kind != CONN_NEW && openssl_passes(c, CALLER)) || !openssl_settle(c, ssl, false))
		return c->api->SSL_do_handshake(ssl);
	int ret = REAL_HANDSHAKE(c, SSL_do_handshake(ssl));
	errno = c->real_errno;
	return ret;
}

HOOK long SSL_ctrl(void *ssl, int command, long number, void *pointer)
{
	struct conn *c = openssl_conn(ssl, CALLER);
	long ret = c->api->SSL_ctrl(ssl, command, number, pointer);

	if (command == CTRL_SET_TLSEXT_HOSTNAME && number == TLSEXT_NAMETYPE_HOST && ret == 1 &&
	    c->session) {
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
	struct conn *c = openssl_conn(ssl, CALLER);

	if (c->session && !library_is_nested(&c->api->library, CALLER)) {
		int saved = errno;
		openssl_reset(c);
		errno = saved;
	}
	return c->api->SSL_clear(ssl);
}

HOOK void SSL_set_connect_state(void *ssl)
{
	struct conn *c = openssl_conn(ssl, CALLER);

	if (c->session && c->kind != CONN_NEW && !library_is_nested(&c->api->library, CALLER)) {
		int saved = errno;
		openssl_reset(c);
		errno = saved;
	}
	c->api->SSL_set_connect_state(ssl);
}

/* A call with nothing to carry drives the handshake all the same: s_client begins so. */
#define WITHOUT_BYTES(c, call)                                                                     \
	({                                                                                         \
		__auto_type answer_ = REAL_HANDSHAKE(c, call);                                     \
		errno = (c)->real_errno;                                                           \
		answer_;                                                                           \
	})

/* ---- writing ---- */

HOOK int SSL_write(void *ssl, const void *data, int len)
{
	struct conn *c = openssl_conn(ssl, CALLER);

	if (openssl_passes(c, CALLER) || !openssl_settle(c, ssl, false))
		return c->api->SSL_write(ssl, data, len);
	if (len <= 0)
		return WITHOUT_BYTES(c, SSL_write(ssl, data, len));
	int ret = openssl_write(c, ssl, data, (size_t)len);
	return ret > 0 ? len : ret;
}

HOOK int SSL_write_ex(void *ssl, const void *data, size_t len, size_t *written)
{
	struct conn *c = openssl_conn(ssl, CALLER);

	if (openssl_passes(c, CALLER) || !openssl_settle(c, ssl, false))
		return c->api->SSL_write_ex(ssl, data, len, written);
	if (len == 0)
		return WITHOUT_BYTES(c, SSL_write_ex(ssl, data, len, written));
	if (openssl_write(c, ssl, data, len) <= 0)
		return 0;
	if (written)
		*written = len;
	return 1;
}

HOOK int SSL_write_ex2(void *ssl, const void *data, size_t len, uint64_t flags, size_t *written)
{
	struct conn *c = openssl_conn(ssl, CALLER);

	/* The flags are about QUIC streams. */
	if (openssl_passes(c, CALLER) || !openssl_settle(c, ssl, false))
		return c->api->SSL_write_ex2(ssl, data, len, flags, written);
	if (len == 0)
		return WITHOUT_BYTES(c, SSL_write_ex2(ssl, data, len, flags, written));
	if (openssl_write(c, ssl, data, len) <= 0)
		return 0;
	if (written)
		*written = len;
	return 1;
}

/* Early data would leave before the handshake, and before a decision: on a governed connection it
 * is an ordinary write after the handshake. The program's own handshake call then finds it done. */
HOOK int SSL_write_early_data(void *ssl, const void *data, size_t len, size_t *written)
{
	struct conn *c = openssl_conn(ssl, CALLER);

	if (openssl_passes(c, CALLER) || !openssl_settle(c, ssl, true))
		return c->api->SSL_write_early_data(ssl, data, len, written);
	if (len == 0)
		return WITHOUT_BYTES(c, SSL_write_early_data(ssl, data, len, written));
	if (c->gate && gate_disowns(c->gate, bytes_of(data, len))) {
		c->kind = CONN_PASS;
		return c->api->SSL_write_early_data(ssl, data, len, written);
	}
	/* As the real one does: the object may not know yet that it is a client. */
	if (c->api->SSL_is_init_finished && !c->api->SSL_is_init_finished(ssl) &&
	    REAL_HANDSHAKE(c, SSL_connect(ssl)) <= 0) {
		errno = c->real_errno;
		return 0;
	}
	if (openssl_write(c, ssl, data, len) <= 0)
		return 0;
	if (written)
		*written = len;
	return 1;
}

/* The kernel would encrypt a file that nobody has looked at: not on a governed connection. */
HOOK ssize_t SSL_sendfile(void *ssl, int fd, off_t offset, size_t size, int flags)
{
	struct conn *c = openssl_conn(ssl, CALLER);

	if (openssl_passes(c, CALLER) || !openssl_settle(c, ssl, false))
		return c->api->SSL_sendfile(ssl, fd, offset, size, flags);
	c->forced_error = ERROR_SSL;
	return -1;
}

/* ---- reading ---- */

HOOK int SSL_read(void *ssl, void *data, int len)
{
	struct conn *c = openssl_conn(ssl, CALLER);
	size_t got;

	if (openssl_passes(c, CALLER) || !openssl_settle(c, ssl, false))
		return c->api->SSL_read(ssl, data, len);
	if (len <= 0)
		return WITHOUT_BYTES(c, SSL_read(ssl, data, len));
	for (;;) {
		if (openssl_serve(c, data, (size_t)len, false, &got))
			return (int)got;
		int ret = REAL_HANDSHAKE(c, SSL_read(ssl, data, len)), saved = c->real_errno;
		if (ret > 0) {
			ret = (int)gate_read(c->gate, data, (size_t)ret, (size_t)len);
			if (ret == 0)
				continue; /* all of it is held: there is more to come */
		} else if (openssl_serve(c, data, (size_t)len, false, &got)) {
			ret = (int)got; /* refused meanwhile, by another thread's write */
		} else if (openssl_read_failed(c, ssl, ret)) {
			continue;
		}
		errno = saved;
		return ret;
	}
}

HOOK int SSL_read_ex(void *ssl, void *data, size_t len, size_t *got)
{
	struct conn *c = openssl_conn(ssl, CALLER);
	size_t count;

	if (openssl_passes(c, CALLER) || !openssl_settle(c, ssl, false))
		return c->api->SSL_read_ex(ssl, data, len, got);
	if (len == 0 || !got)
		return WITHOUT_BYTES(c, SSL_read_ex(ssl, data, len, got));
	for (;;) {
		if (openssl_serve(c, data, len, false, &count)) {
			*got = count;
			return count > 0;
		}
		int ret = REAL_HANDSHAKE(c, SSL_read_ex(ssl, data, len, got)),
		    saved = c->real_errno;
		if (ret > 0) {
			*got = gate_read(c->gate, data, *got, len);
			if (*got == 0)
				continue;
		} else if (openssl_serve(c, data, len, false, &count)) {
			*got = count;
			ret = count > 0;
		} else if (openssl_read_failed(c, ssl, ret)) {
			continue;
		}
		errno = saved;
		return ret;
	}
}

/* Of an answer that we change, the library's own next bytes are not the program's: they are read,
 * and what comes of them is shown. */
static int peek_changed(struct conn *c, void *ssl, void *data, int len)
{
	size_t got;

	for (;;) {
		int ret = REAL_HANDSHAKE(c, SSL_read(ssl, data, len)), saved = c->real_errno;
		bool waits = ret > 0;
		if (waits)
			(void)gate_read(c->gate, data, (size_t)ret, 0);
		else
			waits = openssl_read_failed(c, ssl, ret);
		errno = saved;
		if (waits && openssl_serve(c, data, (size_t)len, true, &got))
			return (int)got;
		if (!waits)
			return ret;
	}
}

HOOK int SSL_peek(void *ssl, void *data, int len)
{
	struct conn *c = openssl_conn(ssl, CALLER);
	size_t got;

	if (openssl_passes(c, CALLER) || !openssl_settle(c, ssl, false))
		return c->api->SSL_peek(ssl, data, len);
	if (len <= 0)
		return WITHOUT_BYTES(c, SSL_peek(ssl, data, len));
	if (openssl_serve(c, data, (size_t)len, true, &got))
		return (int)got;
	if (gate_is_changing(c->gate))
		return peek_changed(c, ssl, data, len);
	int ret = REAL_HANDSHAKE(c, SSL_peek(ssl, data, len));
	errno = c->real_errno;
	return ret;
}

HOOK int SSL_peek_ex(void *ssl, void *data, size_t len, size_t *got)
{
	struct conn *c = openssl_conn(ssl, CALLER);

	if (openssl_passes(c, CALLER) || !openssl_settle(c, ssl, false))
		return c->api->SSL_peek_ex(ssl, data, len, got);
	if (len == 0 || !got)
		return WITHOUT_BYTES(c, SSL_peek_ex(ssl, data, len, got));
	size_t count;
	if (openssl_serve(c, data, len, true, &count)) {
		*got = count;
		return count > 0;
	}
	if (gate_is_changing(c->gate)) {
		int ret = peek_changed(c, ssl, data, len > INT_MAX ? INT_MAX : (int)len);
		*got = ret > 0 ? (size_t)ret : 0;
		return ret > 0;
	}
	int ret = REAL_HANDSHAKE(c, SSL_peek_ex(ssl, data, len, got));
	errno = c->real_errno;
	return ret;
}

/* ---- state ---- */

HOOK int SSL_pending(const void *ssl)
{
	struct conn *c = openssl_conn(ssl, CALLER);
	size_t waiting;

	/* Also for the library's own call, which is BIO_pending's. */
	if (likely(c->kind != CONN_GATED) || !c->gate)
		return c->api->SSL_pending(ssl);
	waiting = gate_pending(c->gate);
	return waiting ? (int)waiting : c->api->SSL_pending(ssl);
}

HOOK int SSL_has_pending(const void *ssl)
{
	struct conn *c = openssl_conn(ssl, CALLER);

	if (likely(c->kind != CONN_GATED) || library_is_nested(&c->api->library, CALLER) ||
	    !c->gate || !gate_pending(c->gate))
		return c->api->SSL_has_pending(ssl);
	return 1;
}

HOOK int SSL_get_error(const void *ssl, int ret)
{
	struct conn *c = openssl_conn(ssl, CALLER);

	if (likely(c->kind != CONN_GATED) || library_is_nested(&c->api->library, CALLER) ||
	    !c->forced_error || ret > 0)
		return c->api->SSL_get_error(ssl, ret);
	return c->forced_error;
}

HOOK int SSL_get_shutdown(const void *ssl)
{
	struct conn *c = openssl_conn(ssl, CALLER);

	/* Exactly this value: some programs compare with == after the provider's close_notify. */
	if (likely(c->kind != CONN_GATED) || library_is_nested(&c->api->library, CALLER) ||
	    !c->ended)
		return c->api->SSL_get_shutdown(ssl);
	return RECEIVED_SHUTDOWN;
}

HOOK int SSL_shutdown(void *ssl)
{
	struct conn *c = openssl_conn(ssl, CALLER);

	if (likely(c->kind != CONN_GATED) || library_is_nested(&c->api->library, CALLER))
		return c->api->SSL_shutdown(ssl);
	c->forced_error = 0;
	c->ended = false;
	/* Quiet already where a refusal stands (gate: hush), so that nothing planted is parsed. */
	int ret = REAL(c, SSL_shutdown(ssl));
	errno = c->real_errno;
	return ret;
}
