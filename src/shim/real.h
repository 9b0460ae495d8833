/* SPDX-License-Identifier: MIT
 *
 * real: the functions behind our hooks. libc's are looked up once, in the constructor (until then
 * raw system calls stand in). OpenSSL's are looked up through the scope of whoever called us,
 * because a program can hold several libssl that RTLD_NEXT does not know; one table per libssl.
 *
 * The only file that knows dlfcn.h. All functions are thread-safe.
 */
#ifndef AIGW_SHIM_REAL_H
#define AIGW_SHIM_REAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#define REAL_LIBSSL_MAX 16 /* different libssl in one process; one more is left alone */

struct real_libc {
#define LIBC_HOOK(ret, name, params) ret(*name) params;
#include "shim/hooks.def"
};

/* Never holds NULL: before real_init the entries make the system call themselves. */
extern struct real_libc real_libc;

/* One libssl. Hooked functions are never NULL; those only used may be (an older libssl). */
struct tls_api {
	uintptr_t base;       /* load address of the library */
	uintptr_t start, end; /* where it is mapped */
#define TLS_HOOK(ret, name, params) ret(*name) params;
#define TLS_USE(ret, name, params)  ret(*name) params;
#include "shim/hooks.def"
	char library[256]; /* its path, for the record */
};

/* Looks libc's functions up. Called once by the constructor. */
void real_init(void);

/* The libssl that the code at `caller` (a return address) would have reached without us. Never
 * NULL: when there is none to be found, a table whose functions fail. Keeps errno. */
const struct tls_api *real_tls(const void *caller);

/* True for a return address inside that libssl, or inside ourselves (where libssl's tail calls seem
 * to come from): the library is calling its own public functions, not the program. */
bool real_is_nested(const struct tls_api *api, const void *caller);

/* For the child after fork. */
void real_reset_locks(void);

#endif
