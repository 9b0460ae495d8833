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

enum hook_kind { HOOK_LIBC, HOOK_TLS, HOOK_BIO, HOOK_GNUTLS, HOOK_LOADER };

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

/* One libcrypto, as far as the doors of BIO need it. */
struct bio_api {
	struct library library;
#define BIO_HOOK(ret, name, params) ret(*name) params;
#define BIO_USE(ret, name, params)  ret(*name) params;
#include "shim/hooks.def"
};

/* Looks libc's functions up. Called once by the constructor. */
void real_init(void);

/* The libssl that the code at `caller` (a return address) would have reached without us. Never
 * NULL: when there is none to be found, a table whose functions fail. Keeps errno. */
const struct tls_api *real_tls(const void *caller);

/* The program has an OpenSSL inside: these are its functions, NULL for those it does not have. See
 * library_take_program. `bio_or_null`: NULL when BIOs cannot be connections. */
void real_take_program(struct tls_api *tls, struct bio_api *bio_or_null);
/* The libssl that made that SSL; when it cannot be told, the caller's. Never NULL. Keeps errno. */
const struct tls_api *real_tls_of(const void *ssl, const void *caller);
/* The caller's libcrypto. Never NULL; one that was not found has no BIO_method_type. */
const struct bio_api *real_bio(const void *caller);

/* The function of that kind at `function` is one we can stand in front of, in a library that we
 * now know. */
bool real_knows(enum hook_kind kind, const void *function);
/* The same, for a function that the program asked for by handle: its calls will reach that copy,
 * wherever they come from. */
bool real_adopt(enum hook_kind kind, const void *function);

/* For the child after fork. */
void real_reset_locks(void);

#endif
