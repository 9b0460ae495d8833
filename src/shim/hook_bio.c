/* SPDX-License-Identifier: MIT
 *
 * The front doors of BIO: a program may read and write its connection through a BIO of libssl's
 * (BIO_f_ssl), which uses no public function of an SSL. All other BIOs, and libssl has two of them
 * under each SSL, pass after one look at their type.
 *
 * A buffering BIO above (BIO_f_buffer) is libcrypto's; it comes here where libcrypto calls its
 * public functions through the PLT, as Debian's does, and not where it was linked -Bsymbolic.
 * BIO_gets is not BIO_f_ssl's, so only such a buffer has it. A program's own BIO_set_callback on
 * the BIO_f_ssl does not hear of the writes of a governed connection.
 */
#include <string.h>

#include "shim/hooks.h"
#include "shim/openssl.h"

/* Values of openssl/bio.h; the same in 1.1 and 3. */
#define TYPE_SSL               0x207
#define CTRL_GET_SSL           110
#define FLAG_READ              1
#define FLAG_WRITE             2
#define FLAG_SPECIAL           4
#define FLAG_RETRY             8
#define FLAGS_RETRY            0xf
#define REASON_SSL_X509_LOOKUP 1
#define REASON_CONNECT         2
#define REASON_ACCEPT          3

/* No BIO_f_ssl. libssl comes here once for each record it writes and twice for each it reads, so
 * the doors hold this and the real call alone. */
static inline bool passes(const struct bio_api *api, void *bio)
{
	return likely(!conn_enabled || !bio || !api->BIO_method_type ||
		      api->BIO_method_type(bio) != TYPE_SSL);
}

/* The governed connection of a BIO_f_ssl, with its SSL; NULL for all else. */
static struct conn *governed(const struct bio_api *api, void *bio, const void *caller,
			     void **ret_ssl)
{
	void *ssl = NULL;
	struct conn *c;

	if (api->BIO_ctrl(bio, CTRL_GET_SSL, 0, &ssl) <= 0 || !ssl)
		return NULL;
	c = openssl_conn(ssl, caller);
	if (c->kind == CONN_PASS || !openssl_settle(c, ssl, false))
		return NULL;
	*ret_ssl = ssl;
	return c;
}

/* What the real one tells its program through the BIO. */
static void set_retry(const struct bio_api *api, void *bio, int error)
{
	int flags = 0, reason = 0;

	switch (error) {
	case ERROR_WANT_READ:
		flags = FLAG_READ | FLAG_RETRY;
		break;
	case ERROR_WANT_WRITE:
		flags = FLAG_WRITE | FLAG_RETRY;
		break;
	case ERROR_WANT_X509_LOOKUP:
		flags = FLAG_SPECIAL | FLAG_RETRY;
		reason = REASON_SSL_X509_LOOKUP;
		break;
	case ERROR_WANT_CONNECT:
		flags = FLAG_SPECIAL | FLAG_RETRY;
		reason = REASON_CONNECT;
		break;
	case ERROR_WANT_ACCEPT:
		flags = FLAG_SPECIAL | FLAG_RETRY;
		reason = REASON_ACCEPT;
		break;
	default:
		break;
	}
	api->BIO_clear_flags(bio, FLAGS_RETRY);
	if (flags)
		api->BIO_set_flags(bio, flags);
	if (api->BIO_set_retry_reason)
		api->BIO_set_retry_reason(bio, reason);
}

/* 1: all written; else the answer of the real one. */
static int write_all(const struct bio_api *api, void *bio, struct conn *c, void *ssl,
		     const void *data, size_t len)
{
	int ret = openssl_write(c, ssl, data, len), saved = errno, error = 0;

	if (ret <= 0)
		error = c->forced_error ? c->forced_error : c->api->SSL_get_error(ssl, ret);
	set_retry(api, bio, error);
	errno = saved;
	return ret;
}

/* ---- writing ---- */

static __attribute__((noinline)) int write_ssl(const struct bio_api *api, const void *caller,
					       void *bio, const void *data, int len)
{
	void *ssl;
	struct conn *c = governed(api, bio, caller, &ssl);

	if (!c || !data || len <= 0)
		return api->BIO_write(bio, data, len);
	int ret = write_all(api, bio, c, ssl, data, (size_t)len);
	return ret > 0 ? len : ret;
}

HOOK int BIO_write(void *bio, const void *data, int len)
{
	const struct bio_api *api = real_bio(CALLER);

	return passes(api, bio) ? api->BIO_write(bio, data, len)
				: write_ssl(api, CALLER, bio, data, len);
}

static __attribute__((noinline)) int write_ex_ssl(const struct bio_api *api, const void *caller,
						  void *bio, const void *data, size_t len,
						  size_t *written)
{
	void *ssl;
	struct conn *c = governed(api, bio, caller, &ssl);

	if (!c || !data || len == 0)
		return api->BIO_write_ex(bio, data, len, written);
	if (write_all(api, bio, c, ssl, data, len) <= 0)
		return 0;
	if (written)
		*written = len;
	return 1;
}

HOOK int BIO_write_ex(void *bio, const void *data, size_t len, size_t *written)
{
	const struct bio_api *api = real_bio(CALLER);

	return passes(api, bio) ? api->BIO_write_ex(bio, data, len, written)
				: write_ex_ssl(api, CALLER, bio, data, len, written);
}

static __attribute__((noinline)) int puts_ssl(const struct bio_api *api, const void *caller,
					      void *bio, const char *text)
{
	void *ssl;
	struct conn *c = governed(api, bio, caller, &ssl);
	size_t len = c && text ? strlen(text) : 0;

	if (!c || len == 0 || len > INT32_MAX)
		return api->BIO_puts(bio, text);
	int ret = write_all(api, bio, c, ssl, text, len);
	return ret > 0 ? (int)len : ret;
}

HOOK int BIO_puts(void *bio, const char *text)
{
	const struct bio_api *api = real_bio(CALLER);

	return passes(api, bio) ? api->BIO_puts(bio, text) : puts_ssl(api, CALLER, bio, text);
}

/* ---- reading ---- */

static __attribute__((noinline)) int read_ssl(const struct bio_api *api, const void *caller,
					      void *bio, void *data, int len)
{
	void *ssl;
	struct conn *c = governed(api, bio, caller, &ssl);
	size_t got;
	int saved = errno, ret;

	if (!c || !data || len <= 0)
		return api->BIO_read(bio, data, len);
	for (;;) {
		if (openssl_serve(c, data, (size_t)len, false, &got)) {
			set_retry(api, bio, 0);
			ret = (int)got;
			break;
		}
		struct hello_mark before = hello_enter(c, openssl_random);
		ret = api->BIO_read(bio, data, len);
		saved = errno;
		hello_leave(before);
		openssl_tell(c);
		if (ret > 0) {
			ret = (int)gate_read(c->gate, data, (size_t)ret, (size_t)len);
			if (ret > 0)
				break; /* else all of it is held */
		} else if (openssl_serve(c, data, (size_t)len, false, &got)) {
			ret = (int)got; /* refused meanwhile, by another thread's write */
			set_retry(api, bio, 0);
			break;
		} else if (!openssl_read_failed(c, ssl, ret)) {
			break;
		}
	}
	errno = saved;
	return ret;
}

HOOK int BIO_read(void *bio, void *data, int len)
{
	const struct bio_api *api = real_bio(CALLER);

	return passes(api, bio) ? api->BIO_read(bio, data, len)
				: read_ssl(api, CALLER, bio, data, len);
}

static __attribute__((noinline)) int read_ex_ssl(const struct bio_api *api, const void *caller,
						 void *bio, void *data, size_t len, size_t *got)
{
	void *ssl;
	struct conn *c = governed(api, bio, caller, &ssl);
	size_t count;
	int saved = errno, ret;

	if (!c || !data || len == 0 || !got)
		return api->BIO_read_ex(bio, data, len, got);
	for (;;) {
		if (openssl_serve(c, data, len, false, &count)) {
			set_retry(api, bio, 0);
			*got = count;
			ret = count > 0;
			break;
		}
		struct hello_mark before = hello_enter(c, openssl_random);
		ret = api->BIO_read_ex(bio, data, len, got);
		saved = errno;
		hello_leave(before);
		openssl_tell(c);
		if (ret > 0) {
			*got = gate_read(c->gate, data, *got, len);
			if (*got)
				break;
		} else if (openssl_serve(c, data, len, false, &count)) {
			*got = count;
			ret = count > 0;
			set_retry(api, bio, 0);
			break;
		} else if (!openssl_read_failed(c, ssl, ret)) {
			break;
		}
	}
	errno = saved;
	return ret;
}

HOOK int BIO_read_ex(void *bio, void *data, size_t len, size_t *got)
{
	const struct bio_api *api = real_bio(CALLER);

	return passes(api, bio) ? api->BIO_read_ex(bio, data, len, got)
				: read_ex_ssl(api, CALLER, bio, data, len, got);
}
