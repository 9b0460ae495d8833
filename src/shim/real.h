/* SPDX-License-Identifier: MIT
 *
 * real: the functions behind our hooks. libc's are looked up once, in the constructor (until then
 * raw system calls stand in); OpenSSL's through shim/library, one table per libssl.
 *
 * All functions are thread-safe.
 */
#ifndef AIGW_SHIM_REAL_H
#define AIGW_SHIM_REAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "shim/library.h"

struct real_libc {
#define LIBC_HOOK(ret, name, params) ret(*name) params;
#include "shim/hooks.def"
};

/* Never holds NULL: before real_init the entries make the system call themselves. */
extern struct real_libc real_libc;

/* One libssl. Hooked functions are never NULL; those only used may be (an older libssl). */
struct tls_api {
	struct library library;
#define TLS_HOOK(ret, name, params) ret(*name) params;
#define TLS_USE(ret, name, params)  ret(*name) params;
#include "shim/hooks.def"
};

/* Looks libc's functions up. Called once by the constructor. */
void real_init(void);

/* The libssl that the code at `caller` (a return address) would have reached without us. Never
 * NULL: when there is none to be found, a table whose functions fail. Keeps errno. */
const struct tls_api *real_tls(const void *caller);

/* The program has an OpenSSL inside: these are its functions, NULL for those it does not have. See
 * library_adopt. */
void real_adopt_tls(struct tls_api *api);

/* For the child after fork. */
void real_reset_locks(void);

#endif
