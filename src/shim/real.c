/* SPDX-License-Identifier: MIT */
#include "shim/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/sys.h"
#include "shim/init.h"

#define CALLERS 256 /* cached return addresses; a power of two */

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

EARLY(int, connect, (int fd, const struct sockaddr *a, socklen_t n), SYS_connect, fd, a, n)
EARLY(int, close, (int fd), SYS_close, fd)
EARLY(ssize_t, write, (int fd, const void *d, size_t n), SYS_write, fd, d, n)
EARLY(ssize_t, writev, (int fd, const struct iovec *p, int n), SYS_writev, fd, p, n)
EARLY(ssize_t, send, (int fd, const void *d, size_t n, int f), SYS_sendto, fd, d, n, f)
EARLY(ssize_t, sendto,
      (int fd, const void *d, size_t n, int f, const struct sockaddr *a, socklen_t an), SYS_sendto,
      fd, d, n, f, a, an)
EARLY(ssize_t, sendmsg, (int fd, const struct msghdr *m, int f), SYS_sendmsg, fd, m, f)
EARLY(ssize_t, read, (int fd, void *d, size_t n), SYS_read, fd, d, n)
EARLY(ssize_t, readv, (int fd, const struct iovec *p, int n), SYS_readv, fd, p, n)
EARLY(ssize_t, recv, (int fd, void *d, size_t n, int f), SYS_recvfrom, fd, d, n, f)
EARLY(ssize_t, recvfrom, (int fd, void *d, size_t n, int f, struct sockaddr *a, socklen_t *an),
      SYS_recvfrom, fd, d, n, f, a, an)
EARLY(ssize_t, recvmsg, (int fd, struct msghdr *m, int f), SYS_recvmsg, fd, m, f)

struct real_libc real_libc START_DATA = {
#define LIBC_HOOK(ret, name, params) early_##name,
#include "shim/hooks.def"
};

/* Object to function pointer, without a cast that ISO C forbids. */
static void set_function(void *slot, void *found)
{
	if (found)
		memcpy(slot, &found, sizeof found);
}

void real_init(void)
{
#define LIBC_HOOK(ret, name, params) set_function(&real_libc.name, dlsym(RTLD_NEXT, #name));
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

static struct tls_api tables[REAL_LIBSSL_MAX], nothing;
static unsigned table_count;
static struct lock tables_lock;
static __thread const struct tls_api *recent __attribute__((tls_model("initial-exec")));

static struct {
	const void *caller;
	const struct tls_api *api;
} callers[CALLERS];

/* The object whose code is at `address`; NULL when that is no mapped object. */
static struct link_map *object_at(const void *address)
{
	struct link_map *map = NULL;
	Dl_info info;

	return dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) ? map : NULL;
}

static void fill_with_failures(struct tls_api *api)
{
	int (*failing)(void) = fail;

	if (!api->SSL_get_error)
		api->SSL_get_error = fail_with_ssl_error;
#define TLS_HOOK(ret, name, params)                                                                \
	if (!api->name)                                                                            \
		memcpy(&api->name, &failing, sizeof failing);
#include "shim/hooks.def"
}

static const struct tls_api *find_table(uintptr_t base)
{
	unsigned count = __atomic_load_n(&table_count, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < count; i++)
		if (tables[i].base == base)
			return &tables[i];
	return NULL;
}

/* The lock is not held over calls into the loader: whoever holds the loader's lock (a library's
 * constructor) may be waiting for ours. */
static const struct tls_api *publish(const struct tls_api *filled)
{
	bool locked = lock_take(&tables_lock);
	const struct tls_api *api = find_table(filled->base);

	if (!api && locked && table_count < REAL_LIBSSL_MAX) {
		tables[table_count] = *filled;
		api = &tables[table_count];
		__atomic_store_n(&table_count, table_count + 1, __ATOMIC_RELEASE);
	}
	if (locked)
		lock_drop(&tables_lock);
	return api;
}

static const struct tls_api *table_of(struct link_map *libssl)
{
	const struct tls_api *api = find_table(libssl->l_addr);
	struct tls_api filled = {.base = libssl->l_addr};
	struct dl_find_object place;
	size_t len = strlen(libssl->l_name);
	void *handle;

	if (api)
		return api;
	/* Kept open: the table must not outlive the library (libssl pins itself too). */
	handle = dlopen(libssl->l_name, RTLD_NOLOAD | RTLD_LAZY);
	if (!handle)
		return NULL;
#define TLS_HOOK(ret, name, params) set_function(&filled.name, dlsym(handle, #name));
#define TLS_USE(ret, name, params)  set_function(&filled.name, dlsym(handle, #name));
#include "shim/hooks.def"
	fill_with_failures(&filled);
	if (_dl_find_object((void *)libssl->l_ld, &place) == 0) {
		filled.start = (uintptr_t)place.dlfo_map_start;
		filled.end = (uintptr_t)place.dlfo_map_end;
	}
	memcpy(filled.library, libssl->l_name, len < sizeof filled.library ? len : 0);
	return publish(&filled);
}

/* Where the caller's own scope finds SSL_write. The main program has no name to open: after us in
 * the global order is what it would have got. */
static void *ssl_write_for(const void *caller)
{
	struct link_map *map = object_at(caller), *self = object_at((void *)real_init);
	void *found = NULL, *handle;

	if (map && map != self && map->l_name[0]) {
		handle = dlopen(map->l_name, RTLD_NOLOAD | RTLD_LAZY);
		if (handle) {
			found = dlsym(handle, "SSL_write");
			dlclose(handle);
		}
	}
	if (!found || object_at(found) == self)
		found = dlsym(RTLD_NEXT, "SSL_write");
	return found;
}

/* Of ourselves; set by the linker. */
extern const char __ehdr_start __attribute__((visibility("hidden")));
extern const char _etext __attribute__((visibility("hidden")));

static bool is_our_own(const void *address)
{
	return (uintptr_t)address >= (uintptr_t)&__ehdr_start &&
	       (uintptr_t)address < (uintptr_t)&_etext;
}

bool real_is_nested(const struct tls_api *api, const void *caller)
{
	return ((uintptr_t)caller >= api->start && (uintptr_t)caller < api->end) ||
	       is_our_own(caller);
}

/* libc's own clock, not the next library's: the log's time is not to be falsified by another
 * preload. Not in the constructor: dlopen before libc has started would start it without its
 * environment. The handle costs nothing, since libc is never unloaded. */
static void find_clock(void)
{
	static bool looked;
	int (*clock_gettime)(int, struct timespec *) = NULL;
	void *libc = looked ? NULL : dlopen("libc.so.6", RTLD_NOLOAD | RTLD_LAZY);

	looked = true;
	if (!libc)
		return;
	set_function(&clock_gettime, dlsym(libc, "clock_gettime"));
	sys_use_clock(clock_gettime);
}

static const struct tls_api *resolve(const void *caller)
{
	void *found = ssl_write_for(caller);
	struct link_map *libssl = found ? object_at(found) : NULL;
	const struct tls_api *api = libssl ? table_of(libssl) : NULL;

	if (api)
		return api;
	/* A caller of unknown origin, and only one library it can mean. */
	if (__atomic_load_n(&table_count, __ATOMIC_ACQUIRE) == 1)
		return &tables[0];
	fill_with_failures(&nothing);
	return &nothing;
}

const struct tls_api *real_tls(const void *caller)
{
	unsigned slot = (unsigned)(((uintptr_t)caller >> 2) * 2654435761u) % CALLERS;
	const struct tls_api *api;
	int saved = errno;

	/* A tail call of the library that this thread went into last. */
	if (is_our_own(caller) && recent)
		return recent;
	if (__atomic_load_n(&callers[slot].caller, __ATOMIC_ACQUIRE) == caller) {
		api = __atomic_load_n(&callers[slot].api, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&callers[slot].caller, __ATOMIC_ACQUIRE) == caller && api)
			return recent = api;
	}
	find_clock();
	api = resolve(caller);
	__atomic_store_n(&callers[slot].caller, NULL, __ATOMIC_RELEASE);
	if (api != &nothing) {
		__atomic_store_n(&callers[slot].api, api, __ATOMIC_RELEASE);
		__atomic_store_n(&callers[slot].caller, caller, __ATOMIC_RELEASE);
	}
	errno = saved;
	return recent = api;
}

void real_reset_locks(void)
{
	lock_reset(&tables_lock);
}
