/* SPDX-License-Identifier: MIT
 *
 * A TLS client that uses libssl through BIOs only, as programs do that were written from the
 * manual of BIO_new_ssl_connect. Passes on standard input, and to standard output, until the input
 * or the connection ends.
 *
 * usage: bio_client [plain|ex|buffered|nonblocking] HOST PORT       ($SSL_CERT_FILE: authorities)
 *   plain        BIO_write, BIO_read (as without a mode)
 *   ex           BIO_write_ex, BIO_read_ex
 *   buffered     a BIO_f_buffer on top: BIO_puts for the first line, BIO_gets for lines, BIO_flush
 *   nonblocking  BIO_set_nbio: BIO_should_retry and its like are obeyed, or it stops
 * Exit: 0 ended well, 2 usage, 3 system.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum { PLAIN, EX, BUFFERED, NONBLOCKING } mode;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "bio_client: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(3);
}

static BIO *connect_to(SSL_CTX *tls, const char *host, const char *port)
{
	BIO *bio = mode == BUFFERED ? BIO_new_buffer_ssl_connect(tls) : BIO_new_ssl_connect(tls);
	SSL *ssl = NULL;

	if (!bio || BIO_get_ssl(bio, &ssl) <= 0 || BIO_set_conn_hostname(bio, host) <= 0 ||
	    BIO_set_conn_port(bio, port) <= 0 || SSL_set_tlsext_host_name(ssl, host) != 1 ||
	    SSL_set1_host(ssl, host) != 1)
		die("BIO_new_ssl_connect");
	/* A session ticket makes the socket readable, and is not what a blocking read waits for. */
	SSL_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
	if (mode == NONBLOCKING)
		BIO_set_nbio(bio, 1);
	while (BIO_do_handshake(bio) <= 0)
		if (!BIO_should_retry(bio))
			die("handshake");
	return bio;
}

/* Waits for what the BIO says it waits for; false: it does not wait but has failed, or ended. */
static bool wait_for(BIO *bio)
{
	struct pollfd wait = {.fd = (int)BIO_get_fd(bio, NULL)};

	if (!BIO_should_retry(bio))
		return false;
	wait.events = (short)((BIO_should_read(bio) ? POLLIN : 0) |
			      (BIO_should_write(bio) ? POLLOUT : 0));
	if (!wait.events)
		die("a retry for nothing");
	return poll(&wait, 1, 20000) > 0;
}

static int write_some(BIO *bio, const char *data, int len)
{
	size_t done = 0;

	if (mode == EX)
		return BIO_write_ex(bio, data, (size_t)len, &done) ? (int)done : -1;
	return BIO_write(bio, data, len);
}

static int read_some(BIO *bio, char *data, int cap)
{
	size_t got = 0;

	if (mode == EX)
		return BIO_read_ex(bio, data, (size_t)cap, &got) ? (int)got : 0;
	return mode == BUFFERED ? BIO_gets(bio, data, cap) : BIO_read(bio, data, cap);
}

/* The first line with BIO_puts, the rest with BIO_write. */
static int write_buffered(BIO *bio, char *data, int len)
{
	static bool begun;
	char *end = begun ? NULL : memchr(data, '\n', (size_t)len);
	char line[256] = "";
	int first = 0;

	if (end && end - data < (int)sizeof line - 1) {
		first = (int)(end - data) + 1;
		memcpy(line, data, (size_t)first);
		if (BIO_puts(bio, line) != first)
			return -1;
	}
	begun = true;
	if (len > first && BIO_write(bio, data + first, len - first) != len - first)
		return -1;
	return len;
}

/* False when the connection takes no more. */
static bool send_all(BIO *bio, char *data, int len)
{
	for (int done = 0; done < len;) {
		int n = mode == BUFFERED ? write_buffered(bio, data + done, len - done)
					 : write_some(bio, data + done, len - done);
		if (n <= 0 && !wait_for(bio))
			return false;
		done += n > 0 ? n : 0;
	}
	return mode != BUFFERED || BIO_flush(bio) > 0;
}

/* False at the end of the connection. */
static bool show(BIO *bio)
{
	char data[16384];

	do {
		int n = read_some(bio, data, sizeof data);
		if (n <= 0)
			return BIO_should_retry(bio);
		if (write(STDOUT_FILENO, data, (size_t)n) != n)
			die("output");
	} while (BIO_pending(bio) > 0);
	return true;
}

int main(int count, char **argument)
{
	static const char *const modes[] = {"plain", "ex", "buffered", "nonblocking"};
	static char data[1 << 20];
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	struct pollfd wait[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};
	bool said_something = false;
	BIO *bio;

	if (count == 4) {
		while (mode < 4 && strcmp(argument[1], modes[mode]) != 0)
			mode++;
		argument++;
		count--;
	}
	if (count != 3 || mode > NONBLOCKING) {
		fputs("usage: bio_client [plain|ex|buffered|nonblocking] HOST PORT\n", stderr);
		return 2;
	}
	if (!tls || SSL_CTX_load_verify_locations(tls, getenv("SSL_CERT_FILE"), NULL) != 1)
		die("authorities");
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	bio = connect_to(tls, argument[1], argument[2]);
	wait[1].fd = (int)BIO_get_fd(bio, NULL);
	for (;;) {
		if (poll(wait, 2, 20000) <= 0)
			die("poll");
		if (wait[0].revents) {
			ssize_t n = read(STDIN_FILENO, data, sizeof data);
			if (n <= 0)
				break;
			if (!send_all(bio, data, (int)n))
				break;
			said_something = true;
		}
		if (wait[1].revents && said_something && !show(bio))
			break;
	}
	BIO_free_all(bio);
	SSL_CTX_free(tls);
	return 0;
}
