/* SPDX-License-Identifier: MIT
 *
 * hooks: what every front door shares. HOOK marks a function that the library exports; everything
 * else in it is hidden.
 */
#ifndef AIGW_SHIM_HOOKS_H
#define AIGW_SHIM_HOOKS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "shim/real.h"

#define HOOK __attribute__((visibility("default")))

#define LIBC_HOOK(ret, name, params)   HOOK extern ret name params;
#define TLS_HOOK(ret, name, params)    HOOK extern ret name params;
#define GNUTLS_HOOK(ret, name, params) HOOK extern ret name params;
#define BIO_HOOK(ret, name, params)    HOOK extern ret name params;
#define LOADER_HOOK(ret, name, params) HOOK extern ret name params;
#include "shim/hooks.def"

/* The return address: whose scope the real function is looked up in. */
#define CALLER __builtin_return_address(0)

typedef void hook_function(void);

/* Our function of that name and whose it stands in front of; NULL: we have none. Pure. */
hook_function *hooks_find(const char *name, enum hook_kind *ret_kind);

#endif
