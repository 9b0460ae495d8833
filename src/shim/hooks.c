/* SPDX-License-Identifier: MIT */
#include "shim/hooks.h"

#include <string.h>

/* The linker's --wrap keeps our code from the front doors of libc (shim/wrapped); under this name
 * it gives them out. */
#define LIBC_HOOK(ret, name, params)   extern ret __real_##name params;
#define LOADER_HOOK(ret, name, params) extern ret __real_##name params;
#include "shim/hooks.def"

/* Code and no table: a table of pointers would have to be relocated in every process. */
#define GIVE(kind, symbol, function)                                                               \
	if (len == sizeof #symbol - 1 && memcmp(name, #symbol, sizeof #symbol - 1) == 0) {         \
		*ret_kind = kind;                                                                  \
		return (hook_function *)function;                                                  \
	}

hook_function *hooks_find(const char *name, enum hook_kind *ret_kind)
{
	size_t len = strlen(name);

#define LIBC_HOOK(ret, symbol, params)   GIVE(HOOK_LIBC, symbol, __real_##symbol)
#define TLS_HOOK(ret, symbol, params)    GIVE(HOOK_TLS, symbol, symbol)
#define BIO_HOOK(ret, symbol, params)    GIVE(HOOK_BIO, symbol, symbol)
#define GNUTLS_HOOK(ret, symbol, params) GIVE(HOOK_GNUTLS, symbol, symbol)
#define LOADER_HOOK(ret, symbol, params) GIVE(HOOK_LOADER, symbol, __real_##symbol)
#include "shim/hooks.def"
	return NULL;
}
