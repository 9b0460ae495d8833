/* SPDX-License-Identifier: MIT
 *
 * What one call costs that is none of a gateway's business; knows nothing of aigw. `run` starts it
 * with and without the shim.
 *
 * usage: call_bench CALL COUNT      prints {"ns": per call}, the median of blocks of 1,024 calls
 *   write       write() of a byte to /dev/null
 *   socket      send() of a byte on a socket that has sent before, and recv() of it
 *   ssl_read    SSL_read of a byte, out of long records
 *   ssl_write   SSL_write of a byte, through memory
 *   bio_write   BIO_write of a byte to a BIO in memory
 */
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RECORD_BYTES 16384
#define BLOCK_CALLS  1024

static void die(const char *what)
{
	fprintf(stderr, "call_bench: %s\n", what);
	exit(3);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- descriptors ---- */

static int null_fd, pair[2];

static void open_null(void)
{
	null_fd = open("/dev/null", O_WRONLY);
}

static void call_write(void)
{
	if (write(null_fd, "x", 1) != 1)
		die("write");
}

static void open_pair(void)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die("socketpair");
}

static void call_socket(void)
{
	char byte;

	if (send(pair[0], "x", 1, 0) != 1 || recv(pair[1], &byte, 1, 0) != 1)
		die("socket");
}

/* ---- TLS in memory ---- */

static SSL *client, *server;

static SSL_CTX *server_context(void)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();

	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	if (!X509_sign(certificate, key, EVP_sha256()) ||
	    SSL_CTX_use_certificate(c, certificate) != 1 || SSL_CTX_use_PrivateKey(c, key) != 1)
		die("certificate");
	X509_free(certificate);
	EVP_PKEY_free(key);
	return c;
}

static void connect_in_memory(void)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method()), *s = server_context();
	BIO *there = BIO_new(BIO_s_mem()), *back = BIO_new(BIO_s_mem());

	client = SSL_new(c);
	server = SSL_new(s);
	SSL_set_tlsext_host_name(client, "plain.example.test");
	BIO_up_ref(there);
	BIO_up_ref(back);
	SSL_set_bio(client, back, there);
	SSL_set_bio(server, there, back);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 10 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server));
	     i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	if (!SSL_is_init_finished(client))
		die("handshake");
}

/* Outside the clock: what the next block reads. */
static void fill_record(void)
{
	static const char record[RECORD_BYTES];

	if (SSL_pending(client) < BLOCK_CALLS + 1 &&
	    (SSL_write(server, record, sizeof record) != sizeof record))
		die("record");
}

static void call_ssl_read(void)
{
	char byte;

	if (SSL_read(client, &byte, 1) != 1)
		die("SSL_read");
}

static void empty_record(void)
{
	(void)BIO_reset(SSL_get_wbio(client));
}

static void call_ssl_write(void)
{
	if (SSL_write(client, "x", 1) != 1)
		die("SSL_write");
}

static BIO *memory;

static void open_memory(void)
{
	memory = BIO_new(BIO_s_mem());
}

static void empty_memory(void)
{
	(void)BIO_reset(memory);
}

static void call_bio_write(void)
{
	if (BIO_write(memory, "x", 1) != 1)
		die("BIO_write");
}

/* ---- the clock ---- */

static void nothing(void)
{
}

static const struct {
	const char *name;
	void (*open)(void), (*prepare)(void), (*call)(void);
} calls[] = {{"write", open_null, nothing, call_write},
	     {"socket", open_pair, nothing, call_socket},
	     {"ssl_read", connect_in_memory, fill_record, call_ssl_read},
	     {"ssl_write", connect_in_memory, empty_record, call_ssl_write},
	     {"bio_write", open_memory, empty_memory, call_bio_write}};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double median_ns(void (*prepare)(void), void (*call)(void), size_t blocks)
{
	uint64_t *ns = calloc(blocks, sizeof *ns);
	double median;

	if (!ns)
		die("memory");
	for (size_t i = 0; i < blocks; i++) {
		prepare();
		uint64_t from = now_ns();
		for (int k = 0; k < BLOCK_CALLS; k++)
			call();
		ns[i] = now_ns() - from;
	}
	qsort(ns, blocks, sizeof *ns, compare);
	median = (double)ns[blocks / 2] / BLOCK_CALLS;
	free(ns);
	return median;
}

int main(int argc, char **argv)
{
	size_t count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

	for (size_t i = 0; count >= BLOCK_CALLS && i < sizeof calls / sizeof *calls; i++)
		if (strcmp(argv[1], calls[i].name) == 0) {
			calls[i].open();
			printf("{\"ns\": %.2f}\n",
			       median_ns(calls[i].prepare, calls[i].call, count / BLOCK_CALLS));
			return 0;
		}
	fprintf(stderr, "usage: call_bench write|socket|ssl_read|ssl_write|bio_write COUNT\n");
	return 2;
}
