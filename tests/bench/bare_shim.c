/* SPDX-License-Identifier: MIT
 *
 * The yardstick of `make bench`: the least that a preloaded library can do which records every call
 * encrypted. What the program writes and reads through OpenSSL is encrypted (crypto_secretstream,
 * XChaCha20-Poly1305, one stream for the process) and appended to a file, with one write() for each
 * SSL_write and each SSL_read. No policy, no parsing, no record of whose call it was, no second
 * copy of the key, nothing that could be verified later: not something to use.
 *
 * BARE_LOG: the file. A record: 4 bytes of length (little-endian), then the ciphertext; the first
 * 24 bytes are the stream's header. BARE_KEY: where the key is left for the test, in hexadecimal.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LENGTH_BYTES 4

typedef struct ssl_st SSL;

int SSL_write(SSL *ssl, const void *at, int len);
int SSL_read(SSL *ssl, void *at, int len);

static struct {
	pthread_mutex_t lock; /* of all below: one stream, one file */
	crypto_secretstream_xchacha20poly1305_state stream;
	int fd;
	unsigned char *out;
	size_t cap;
} bare = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static int (*real_write)(SSL *, const void *, int);
static int (*real_read)(SSL *, void *, int);

/* What is not recorded must not go on unseen: this is a yardstick. */
static void check(bool good, const char *what)
{
	static const char prefix[] = "bare_shim: ";

	if (good)
		return;
	if (write(STDERR_FILENO, prefix, sizeof prefix - 1) < 0 ||
	    write(STDERR_FILENO, what, strlen(what)) < 0)
		_exit(4);
	_exit(3);
}

static void leave_key(const unsigned char *key)
{
	char hex[2 * crypto_secretstream_xchacha20poly1305_KEYBYTES + 1];
	const char *path = getenv("BARE_KEY");

	if (!path)
		return;
	sodium_bin2hex(hex, sizeof hex, key, crypto_secretstream_xchacha20poly1305_KEYBYTES);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	check(fd >= 0 && write(fd, hex, sizeof hex - 1) == sizeof hex - 1, "BARE_KEY\n");
	close(fd);
}

__attribute__((constructor)) static void start(void)
{
	unsigned char key[crypto_secretstream_xchacha20poly1305_KEYBYTES];
	unsigned char header[crypto_secretstream_xchacha20poly1305_HEADERBYTES];
	const char *path = getenv("BARE_LOG");

	*(void **)&real_write = dlsym(RTLD_NEXT, "SSL_write");
	*(void **)&real_read = dlsym(RTLD_NEXT, "SSL_read");
	if (!real_write || !real_read)
		return; /* a program without OpenSSL */
	check(sodium_init() >= 0 && path, "BARE_LOG\n");
	crypto_secretstream_xchacha20poly1305_keygen(key);
	crypto_secretstream_xchacha20poly1305_init_push(&bare.stream, header, key);
	leave_key(key);
	sodium_memzero(key, sizeof key);
	bare.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	check(bare.fd >= 0 && write(bare.fd, header, sizeof header) == sizeof header, "BARE_LOG\n");
}

static void append(const void *at, size_t len)
{
	size_t sealed = len + crypto_secretstream_xchacha20poly1305_ABYTES;

	pthread_mutex_lock(&bare.lock);
	if (bare.cap < LENGTH_BYTES + sealed) {
		free(bare.out);
		bare.cap = 2 * (LENGTH_BYTES + sealed);
		bare.out = malloc(bare.cap);
		check(bare.out, "memory\n");
	}
	for (size_t i = 0; i < LENGTH_BYTES; i++)
		bare.out[i] = (unsigned char)(sealed >> (8 * i));
	crypto_secretstream_xchacha20poly1305_push(&bare.stream, bare.out + LENGTH_BYTES, NULL, at,
						   len, NULL, 0, 0);
	ssize_t n = write(bare.fd, bare.out, LENGTH_BYTES + sealed);
	check(n == (ssize_t)(LENGTH_BYTES + sealed), "write\n");
	pthread_mutex_unlock(&bare.lock);
}

__attribute__((visibility("default"))) int SSL_write(SSL *ssl, const void *at, int len)
{
	if (len > 0)
		append(at, (size_t)len);
	return real_write(ssl, at, len);
}

__attribute__((visibility("default"))) int SSL_read(SSL *ssl, void *at, int len)
{
	int n = real_read(ssl, at, len);

	if (n > 0)
		append(at, (size_t)n);
	return n;
}
