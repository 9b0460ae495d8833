/* SPDX-License-Identifier: MIT
 *
 * A library in front of SSL_write_ex, to be linked with one version node or another: says when it
 * is called.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

int SSL_write_ex(void *ssl, const void *data, size_t len, size_t *written);

int SSL_write_ex(void *ssl, const void *data, size_t len, size_t *written)
{
	int (*real)(void *, const void *, size_t, size_t *) = NULL;
	void *libssl = dlopen("libssl.so.3", RTLD_NOLOAD | RTLD_LAZY);
	void *found = libssl ? dlsym(libssl, "SSL_write_ex") : NULL;

	(void)!write(STDOUT_FILENO, "FRONT called\n", 13);
	memcpy(&real, &found, sizeof real);
	return real ? real(ssl, data, len, written) : 0;
}
