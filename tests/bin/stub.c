/* SPDX-License-Identifier: MIT
 *
 * A program with functions that have the names of OpenSSL's. Built with STUB_plain, they can have
 * detours. In other ways they must be left alone: with STUB_odd, SSL_write starts with an
 * instruction that cannot be moved; with STUB_loop it jumps back to its start; with STUB_foreign
 * there is a function that only BoringSSL has; with STUB_partial SSL_read is missing. Calls what it
 * has, and prints the results and the code of some functions as it is in memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default"), noinline))

#if defined __x86_64__
#ifdef STUB_odd
#define START "jrcxz 1f\n1:\n"
#elif defined STUB_loop
#define START "2: sub $1, %edx\njg 2b\n"
#else
#define START
#endif
__asm__(".text\n.globl SSL_write\n.type SSL_write, @function\n"
	"SSL_write:\n" START "mov $42, %eax\nnop\nnop\nnop\nret\n.size SSL_write, . - SSL_write\n");
int SSL_write(void *ssl, const void *data, int len);
#else
EXPORT int SSL_write(void *ssl, const void *data, int len)
{
	return 42;
}
#endif

/* Long enough for a jump, whatever the compiler makes of it. */
static volatile int count;

#define FUNCTION(name)                                                                             \
	EXPORT int name(void *a);                                                                  \
	EXPORT int name(void *a)                                                                   \
	{                                                                                          \
		count += a != NULL;                                                                \
		return count + __LINE__;                                                           \
	}

#ifndef STUB_partial
FUNCTION(SSL_read)
#endif
FUNCTION(SSL_get_error)
FUNCTION(SSL_do_handshake)
FUNCTION(SSL_is_init_finished)
FUNCTION(CRYPTO_get_ex_new_index)
FUNCTION(ossl_statem_connect)
FUNCTION(OPENSSL_version_major)
#ifdef STUB_foreign
FUNCTION(SSL_CTX_set_grease_enabled)
#endif

static void show(const char *name, unsigned long address)
{
	const unsigned char *code = (const unsigned char *)address;

	printf("%s", name);
	for (int i = 0; i < 12; i++)
		printf(" %02x", code[i]);
	printf("\n");
}

int main(void)
{
	printf("SSL_write %d, SSL_get_error %d\n", SSL_write(NULL, "x", 1),
	       SSL_get_error(NULL) > 0);
	show("SSL_write", (unsigned long)SSL_write);
	show("SSL_get_error", (unsigned long)SSL_get_error);
	show("SSL_do_handshake", (unsigned long)SSL_do_handshake);
	return 0;
}
