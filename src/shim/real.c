/* SPDX-License-Identifier: MIT */
#include "shim/real.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/sys.h"
#include "shim/gnutls.h"
#include "shim/init.h"
#include "shim/library.h"

/* ---- libc ---- */

static long early(long result)
{
	if (result < 0 && result > -4096) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

#define EARLY(ret, name, params, number, ...)                                                      \
	static ret early_##name params                                                             \
	{                                                                                          \
		return (ret)early(EARLY_CALL(number, __VA_ARGS__, 0, 0, 0, 0, 0, 0));              \
	}
#define EARLY_CALL(n, a, b, c, d, e, f, ...)                                                       \
	sys_call(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

EARLY(int, socket, (int d, int t, int p), SYS_socket, d, t, p)
EARLY(int, connect, (int fd, const struct sockaddr *a, socklen_t n), SYS_connect, fd, a, n)
EARLY(int, close, (int fd), SYS_close, fd)
EARLY(int, dup3, (int from, int to, int flags), SYS_dup3, from, to, flags)
EARLY(int, shutdown, (int fd, int how), SYS_shutdown, fd, how)

static int early_dup2(int from, int to)
{
	if (from != to)
		return early_dup3(from, to, 0);
	return early(sys_call(SYS_fcntl, from, F_GETFD, 0, 0, 0, 0)) < 0 ? -1 : to;
}

EARLY(ssize_t, write, (int fd, const void *d, size_t n), SYS_write, fd, d, n)
EARLY(ssize_t, writev, (int fd, const struct iovec *p, int n), SYS_writev, fd, p, n)
EARLY(ssize_t, send, (int fd, const void *d, size_t n, int f), SYS_sendto, fd, d, n, f)
EARLY(ssize_t, sendto,
      (int fd, const void *d, size_t n, int f, const struct sockaddr *a, socklen_t an), SYS_sendto,
      fd, d, n, f, a, an)
EARLY(ssize_t, sendmsg, (int fd, const struct msghdr *m, int f), SYS_sendmsg, fd, m, f)
EARLY(int, sendmmsg, (int fd, struct mmsghdr *m, unsigned n, int f), SYS_sendmmsg, fd, m, n, f)
EARLY(ssize_t, sendfile, (int to, int from, off_t *o, size_t n), SYS_sendfile, to, from, o, n)
EARLY(ssize_t, sendfile64, (int to, int from, off64_t *o, size_t n), SYS_sendfile, to, from, o, n)
EARLY(ssize_t, read, (int fd, void *d, size_t n), SYS_read, fd, d, n)
EARLY(ssize_t, readv, (int fd, const struct iovec *p, int n), SYS_readv, fd, p, n)
EARLY(ssize_t, recv, (int fd, void *d, size_t n, int f), SYS_recvfrom, fd, d, n, f)
EARLY(ssize_t, recvfrom, (int fd, void *d, size_t n, int f, struct sockaddr *a, socklen_t *an),
      SYS_recvfrom, fd, d, n, f, a, an)
EARLY(ssize_t, recvmsg, (int fd, struct msghdr *m, int f), SYS_recvmsg, fd, m, f)
EARLY(int, setrlimit, (int resource, const void *limit), SYS_prlimit64, 0, resource, limit, NULL)
EARLY(int, setrlimit64, (int resource, const void *limit), SYS_prlimit64, 0, resource, limit, NULL)
EARLY(int, prlimit, (pid_t pid, int resource, const void *limit, void *old), SYS_prlimit64, pid,
      resource, limit, old)
EARLY(int, prlimit64, (pid_t pid, int resource, const void *limit, void *old), SYS_prlimit64, pid,
      resource, limit, old)
EARLY(ssize_t, __read_chk, (int fd, void *d, size_t n, size_t room), SYS_read, fd, d,
      n < room ? n : room)
EARLY(ssize_t, __recv_chk, (int fd, void *d, size_t n, size_t room, int f), SYS_recvfrom, fd, d,
      n < room ? n : room, f)
EARLY(ssize_t, __recvfrom_chk,
      (int fd, void *d, size_t n, size_t room, int f, struct sockaddr *a, socklen_t *an),
      SYS_recvfrom, fd, d, n < room ? n : room, f, a, an)

struct real_libc real_libc START_DATA = {
#define LIBC_HOOK(ret, name, params) early_##name,
#include "shim/hooks.def"
};

static struct {
#define LIBC_HOOK(ret, name, params) char name[sizeof #name];
#include "shim/hooks.def"
} libc_names START_DATA = {
#define LIBC_HOOK(ret, name, params) .name = #name,
#include "shim/hooks.def"
};

START_CODE void real_init(void)
{
	library_find_loader();
#define LIBC_HOOK(ret, name, params) library_find_next(libc_names.name, &real_libc.name);
#include "shim/hooks.def"
}

/* ---- OpenSSL ---- */

/* What a hook calls when no libssl can be found behind it: the documented failure of each. */
static int fail(void)
{
	errno = ENOSYS;
	return 0;
}

static int fail_with_ssl_error(const void *ssl, int ret)
{
	return 1; /* SSL_ERROR_SSL */
}

static void fill_gaps(struct tls_api *api)
{
	int (*failing)(void) = fail;

	if (!api->SSL_get_error)
		api->SSL_get_error = fail_with_ssl_error;
#define TLS_HOOK(ret, name, params)                                                                \
	if (!api->name)                                                                            \
		memcpy(&api->name, &failing, sizeof failing);
#include "shim/hooks.def"
}

static void fill(void *table, void *handle)
{
	struct tls_api *api = table;

#define TLS_HOOK(ret, name, params) library_find(handle, #name, &api->name);
#define TLS_USE(ret, name, params)  library_find(handle, #name, &api->name);
#include "shim/hooks.def"
	fill_gaps(api);
}

_Static_assert(sizeof(struct tls_api) <= LIBRARY_TABLE_BYTES_MAX, "fits");

static struct tls_api tables[LIBRARY_COPIES_MAX], nothing;
static struct family_state openssl_state;
static const struct family openssl = {
	.symbol = "SSL_write",
	.table_bytes = sizeof tables[0],
	.tables = tables,
	.nothing = &nothing,
	.slot = 0,
	.fill = fill,
	.state = &openssl_state,
};

const struct tls_api *real_tls(const void *caller)
{
	return (const struct tls_api *)library_of(&openssl, caller);
}

const struct tls_api *real_tls_of(const void *ssl, const void *caller)
{
	int saved = errno;
	const struct library *owner = library_owner(&openssl, ssl);

	errno = saved;
	return owner ? (const struct tls_api *)owner : real_tls(caller);
}

/* ---- libcrypto ---- */

static void fill_bio_gaps(struct bio_api *api)
{
	int (*failing)(void) = fail;

#define BIO_HOOK(ret, name, params)                                                                \
	if (!api->name)                                                                            \
		memcpy(&api->name, &failing, sizeof failing);
#include "shim/hooks.def"
}

static void fill_bio(void *table, void *handle)
{
	struct bio_api *api = table;

#define BIO_HOOK(ret, name, params) library_find(handle, #name, &api->name);
#define BIO_USE(ret, name, params)  library_find(handle, #name, &api->name);
#include "shim/hooks.def"
	fill_bio_gaps(api);
}

_Static_assert(sizeof(struct bio_api) <= LIBRARY_TABLE_BYTES_MAX, "fits");

static struct bio_api bio_tables[LIBRARY_COPIES_MAX], no_bio;
static struct family_state bio_state;
static const struct family bio = {
	.symbol = "BIO_write",
	.table_bytes = sizeof bio_tables[0],
	.tables = bio_tables,
	.nothing = &no_bio,
	.slot = 2,
	.fill = fill_bio,
	.state = &bio_state,
};

const struct bio_api *real_bio(const void *caller)
{
	return (const struct bio_api *)library_of(&bio, caller);
}

/* ---- what was found by others ---- */

void real_take_program(struct tls_api *tls, struct bio_api *bio_or_null)
{
	fill_gaps(tls);
	library_take_program(&openssl, &tls->library);
	if (!bio_or_null)
		return;
	fill_bio_gaps(bio_or_null);
	library_take_program(&bio, &bio_or_null->library);
}

static const struct family *family_of(enum hook_kind kind)
{
	switch (kind) {
	case HOOK_TLS:
		return &openssl;
	case HOOK_BIO:
		return &bio;
	case HOOK_GNUTLS:
		return &gnutls_family;
	default:
		return NULL;
	}
}

bool real_knows(enum hook_kind kind, const void *function)
{
	const struct family *f = family_of(kind);

	return f ? library_at(f, function) != NULL
		 : !library_is_ours(function) && library_is_libc(function);
}

bool real_adopt(enum hook_kind kind, const void *function)
{
	const struct family *f = family_of(kind);
	const struct library *library = f ? library_at(f, function) : NULL;

	if (!library)
		return false;
	/* An SSL tells its libssl; a BIO or a GnuTLS session does not: only one can be meant. */
	return library_adopt(f, library) == library || kind == HOOK_TLS;
}

void real_reset_locks(void)
{
	library_reset_locks(&openssl);
	library_reset_locks(&bio);
}
