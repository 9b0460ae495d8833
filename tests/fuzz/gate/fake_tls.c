/* SPDX-License-Identifier: MIT */
#include "fake_tls.h"

#include <errno.h>
#include <string.h>

#include "shim/hooks.h"
#include "shim/openssl.h"

#define TLS13      0x0304
#define TLS11      0x0302
#define UNVERIFIED 20

static void (*on_free)(void *, void *, void *, int, long, void *);

static int fail(struct fake_tls *t, int error)
{
	t->error = error;
	errno = error == ERROR_SYSCALL ? ECONNRESET : EAGAIN;
	return error == ERROR_ZERO_RETURN ? 0 : -1;
}

/* ---- handshake ---- */

static int do_handshake(void *ssl)
{
	struct fake_tls *t = ssl;

	if (t->handshake_steps && --t->handshake_steps)
		return fail(t, ERROR_WANT_READ);
	return 1;
}

static int is_init_finished(const void *ssl)
{
	return ((const struct fake_tls *)ssl)->handshake_steps == 0;
}

static int in_before(const void *ssl)
{
	return 0;
}

static int is_server(const void *ssl)
{
	return 0;
}

/* ---- writing ---- */

/* SSL_write(3): a blocked write is repeated with the same buffer, or, with
 * SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, which programs set and the gate cannot count on, with the
 * same bytes elsewhere. */
static void check_repeated(const struct fake_tls *t, const void *data, size_t len)
{
	if (!t->far.is_gated(t->far.context) || !t->blocked.len)
		return;
	must(data == t->blocked_at && len >= t->blocked.len);
	must(memcmp(data, t->blocked.at, t->blocked.len) == 0);
}

static int block(struct fake_tls *t, const void *data, size_t len, int error)
{
	buf_reset(&t->blocked);
	must_put(&t->blocked, bytes_of(data, len));
	t->blocked_at = data;
	return fail(t, error);
}

static int fake_write(void *ssl, const void *data, int len)
{
	struct fake_tls *t = ssl;
	unsigned much, plan;
	size_t count = (size_t)len;

	if (t->handshake_steps) {
		must(!t->far.is_gated(t->far.context)); /* it needs the program's reads */
		if (do_handshake(ssl) <= 0)
			return -1;
	}
	if (t->far.write_dead || len <= 0)
		return fail(t, ERROR_SSL);
	check_repeated(t, data, count);
	plan = far_plan_take(&t->far.sends, &much);
	if (plan == FAR_WAIT)
		return block(t, data, count, much & 1 ? ERROR_WANT_READ : ERROR_WANT_WRITE);
	if (plan == FAR_OTHER) {
		t->far.write_dead = true;
		return fail(t, much & 1 ? ERROR_SYSCALL : ERROR_SSL);
	}
	if (plan == FAR_SOME && count > much + 1)
		count = much + 1;
	buf_reset(&t->blocked);
	far_take(&t->far, bytes_of(data, count));
	return (int)count;
}

static int fake_write_ex(void *ssl, const void *data, size_t len, size_t *written)
{
	int ret = fake_write(ssl, data, (int)len);

	*written = ret > 0 ? (size_t)ret : 0;
	return ret > 0;
}

static int fake_write_ex2(void *ssl, const void *data, size_t len, uint64_t flags, size_t *written)
{
	return fake_write_ex(ssl, data, len, written);
}

/* ---- reading ---- */

static int end_of_reading(struct fake_tls *t)
{
	static const int errors[] = {ERROR_WANT_READ, ERROR_ZERO_RETURN, ERROR_SYSCALL, ERROR_SSL};

	return fail(t, errors[t->far.state]);
}

static int give(struct fake_tls *t, void *data, int len, bool peek)
{
	unsigned much, plan;
	size_t count = t->far.coming.len;

	if (t->handshake_steps && do_handshake(t) <= 0)
		return -1;
	plan = far_plan_take(&t->far.reads, &much);
	if (len <= 0 || plan == FAR_WAIT || plan == FAR_OTHER)
		return fail(t, plan == FAR_OTHER ? ERROR_WANT_WRITE : ERROR_WANT_READ);
	if (!count)
		return end_of_reading(t);
	if (plan == FAR_SOME && count > much + 1)
		count = much + 1;
	return (int)far_give(&t->far, data, count < (size_t)len ? count : (size_t)len, peek);
}

static int fake_read(void *ssl, void *data, int len)
{
	return give(ssl, data, len, false);
}

static int fake_peek(void *ssl, void *data, int len)
{
	return give(ssl, data, len, true);
}

static int give_ex(void *ssl, void *data, size_t len, size_t *got, bool peek)
{
	int ret = give(ssl, data, (int)len, peek);

	*got = ret > 0 ? (size_t)ret : 0;
	return ret > 0;
}

static int fake_read_ex(void *ssl, void *data, size_t len, size_t *got)
{
	return give_ex(ssl, data, len, got, false);
}

static int fake_peek_ex(void *ssl, void *data, size_t len, size_t *got)
{
	return give_ex(ssl, data, len, got, true);
}

static int fake_pending(const void *ssl)
{
	const struct fake_tls *t = ssl;

	return (int)(t->far.coming.len < FAR_RECORD_BYTES ? t->far.coming.len : FAR_RECORD_BYTES);
}

static int fake_has_pending(const void *ssl)
{
	return fake_pending(ssl) > 0;
}

/* ---- state ---- */

static int get_error(const void *ssl, int ret)
{
	return ret > 0 ? 0 : ((const struct fake_tls *)ssl)->error;
}

static int get_shutdown(const void *ssl)
{
	return 0;
}

static int fake_shutdown(void *ssl)
{
	struct fake_tls *t = ssl;

	t->shutdowns++;
	return 0;
}

static int fake_clear(void *ssl)
{
	fake_tls_reset(ssl);
	return 1;
}

static void set_connect_state(void *ssl)
{
}

static long fake_ctrl(void *ssl, int command, long number, void *pointer)
{
	return 1;
}

static ssize_t fake_sendfile(void *ssl, int fd, off_t offset, size_t size, int flags)
{
	return fail(ssl, ERROR_SSL);
}

static int get_rfd(const void *ssl)
{
	return ((const struct fake_tls *)ssl)->fd;
}

static int version(const void *ssl)
{
	return ((const struct fake_tls *)ssl)->old_version ? TLS11 : TLS13;
}

static const char *version_name(const void *ssl)
{
	return version(ssl) == TLS13 ? "TLSv1.3" : "TLSv1.1";
}

static long verify_result(const void *ssl)
{
	return ((const struct fake_tls *)ssl)->verified ? 0 : UNVERIFIED;
}

static void set_quiet(void *ssl, int mode)
{
	((struct fake_tls *)ssl)->quiet = mode != 0;
}

static int new_index(int class_index, long number, void *pointer, void *made, void *copied,
		     void *freed)
{
	memcpy(&on_free, &freed, sizeof on_free);
	return 0;
}

static const struct tls_api api = {
	.library = {.path = "/lib/fake_tls"},
	.SSL_connect = do_handshake,
	.SSL_do_handshake = do_handshake,
	.SSL_write = fake_write,
	.SSL_write_ex = fake_write_ex,
	.SSL_write_ex2 = fake_write_ex2,
	.SSL_write_early_data = fake_write_ex,
	.SSL_sendfile = fake_sendfile,
	.SSL_read = fake_read,
	.SSL_read_ex = fake_read_ex,
	.SSL_peek = fake_peek,
	.SSL_peek_ex = fake_peek_ex,
	.SSL_pending = fake_pending,
	.SSL_has_pending = fake_has_pending,
	.SSL_get_error = get_error,
	.SSL_get_shutdown = get_shutdown,
	.SSL_shutdown = fake_shutdown,
	.SSL_clear = fake_clear,
	.SSL_set_connect_state = set_connect_state,
	.SSL_ctrl = fake_ctrl,
	.SSL_is_init_finished = is_init_finished,
	.SSL_in_before = in_before,
	.SSL_is_server = is_server,
	.SSL_get_rfd = get_rfd,
	.SSL_version = version,
	.SSL_get_version = version_name,
	.SSL_get_verify_result = verify_result,
	.SSL_set_quiet_shutdown = set_quiet,
	.CRYPTO_get_ex_new_index = new_index,
};

void fake_tls_reset(struct fake_tls *t)
{
	far_reset(&t->far);
	buf_done(&t->blocked);
}

void fake_tls_free(struct fake_tls *t)
{
	on_free(t, NULL, NULL, 0, 0, NULL);
	fake_tls_reset(t);
}

/* ---- in the place of shim/real ---- */

const struct tls_api *real_tls(const void *caller)
{
	return &api;
}

const struct tls_api *real_tls_of(const void *ssl, const void *caller)
{
	return &api;
}
