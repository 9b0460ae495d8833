/* SPDX-License-Identifier: MIT
 *
 * One thread, but requests, SSL objects and descriptors that are used unlike most.
 */
#include "odd_client.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WRITE_BYTES (4u << 20)
#define RETRY_BYTES (64u << 10)

/* ---- the policy changes under an open connection ---- */

void mode_reload(char **argument)
{
	SSL *ssl = start(OWN_PROVIDER), *other;
	const char *model = argument[2] ? argument[2] : "gpt-5";
	char at[8192];
	int error, status;
	time_t end = time(NULL) + WAIT_SECONDS;

	send_call(ssl, OWN_PROVIDER, model, "");
	show_answer(ssl);
	if (rename(argument[0], argument[1]))
		die(argument[0]);
	do {
		other = start(OWN_PROVIDER);
		send_call(other, OWN_PROVIDER, "gpt-5", "");
		status = read_answer(other, at, sizeof at, &error);
		finish(other);
	} while (status == 200 && time(NULL) < end);
	printf("NOW %d\n", status);
	if (argument[2])
		send_call(ssl, OWN_PROVIDER, model, "");
	else
		send_text(ssl, "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
	show_answer(ssl);
	finish(ssl);
}

/* ---- no server name ---- */

void mode_unparsable(char **argument)
{
	static const char *const more[] = {"", "Host: " PROVIDER "\r\n",
					   "Transfer-Encoding: chunked\r\n", "X: a\r\n b\r\n"};
	static const char too_big[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: " PROVIDER "\r\n"
				      "Content-Length: 40000000\r\n\r\n{\"model\":\"gpt-5\"";
	static const char begin[] = "POST /v1/chat/completions HTTP/1.1\r\nX-Pad: ";
	static const char end[] = "\r\nHost: " PROVIDER "\r\nContent-Length: 21\r\n\r\n"
				  "{\"model\":\"" FORBIDDEN "\"}";
	static char long_head[120000 + sizeof begin + sizeof end];
	SSL *ssl;

	memset(long_head, 'a', sizeof long_head - 1);
	memcpy(long_head, begin, sizeof begin - 1);
	memcpy(long_head + sizeof long_head - sizeof end, end, sizeof end);
	for (size_t i = 0; i < sizeof more / sizeof *more + 2; i++) {
		ssl = start(NULL);
		if (i < sizeof more / sizeof *more)
			send_call(ssl, PROVIDER, FORBIDDEN, more[i]);
		else
			send_text(ssl, i == sizeof more / sizeof *more ? too_big : long_head);
		show_answer(ssl);
		finish(ssl);
	}
}

void mode_pieces(char **argument)
{
	static const char *const pieces[] = {"P", "\n", "\r\n", "PING\r\n", "HELO a\r\n"};

	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		SSL *ssl = start(NULL);
		send_text(ssl, pieces[i]);
		show_answer(ssl);
		finish(ssl);
	}
}

void mode_alpn(char **argument)
{
	unsigned char list[64];
	const unsigned char *chosen;
	unsigned len = 0;
	size_t name = strlen(argument[0]);
	SSL *ssl = prepare(NULL);

	if (name + 1 > sizeof list)
		die("the protocol's name is too long");
	list[0] = (unsigned char)name;
	memcpy(list + 1, argument[0], name);
	if (SSL_set_alpn_protos(ssl, list, (unsigned)name + 1) || SSL_connect(ssl) != 1)
		die("handshake");
	SSL_get0_alpn_selected(ssl, &chosen, &len);
	printf("ALPN %.*s\n", (int)len, len ? (const char *)chosen : "");
	finish(ssl);
}

/* ---- SSL objects used unlike most ---- */

void mode_reuse(char **argument)
{
	SSL *ssl = start(argument[0]);

	send_call(ssl, argument[0], FORBIDDEN, "");
	show_answer(ssl);
	SSL_shutdown(ssl);
	close(SSL_get_fd(ssl));
	if (SSL_set_tlsext_host_name(ssl, argument[1]) != 1 || SSL_set_fd(ssl, dial()) != 1)
		die("SSL_set_fd");
	if (argument[2])
		SSL_clear(ssl);
	SSL_set_connect_state(ssl);
	if (SSL_connect(ssl) != 1)
		die("second handshake");
	send_call(ssl, argument[1], FORBIDDEN, "");
	show_answer(ssl);
	finish(ssl);
}

void mode_retry_shorter(char **argument)
{
	unsigned char *data = malloc(WRITE_BYTES), digest[EVP_MAX_MD_SIZE];
	char at[64];
	size_t done = 0, retries = 0;
	unsigned len = 0;
	SSL *ssl = prepare(NULL);
	struct pollfd room = {SSL_get_fd(ssl), POLLOUT, 0};
	int small = 8192;

	if (!data)
		die("memory");
	for (uint32_t i = 0; i < WRITE_BYTES; i++)
		data[i] = (unsigned char)(0x80 | i * 7919 >> 8); /* not ASCII: never like HTTP */
	SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	setsockopt(room.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	if (SSL_connect(ssl) != 1)
		die("handshake");
	fcntl(room.fd, F_SETFL, O_NONBLOCK);
	while (done < WRITE_BYTES) {
		size_t want = WRITE_BYTES - done; /* all of it at first */
		if (retries && want > RETRY_BYTES)
			want = RETRY_BYTES;
		int n = SSL_write(ssl, data + done, (int)want);
		if (n > 0) {
			done += (size_t)n;
		} else {
			if (SSL_get_error(ssl, n) != SSL_ERROR_WANT_WRITE)
				die("write");
			retries++;
			if (poll(&room, 1, WAIT_SECONDS * 1000) != 1)
				die("the socket takes no more");
		}
	}
	fcntl(room.fd, F_SETFL, 0);
	SSL_shutdown(ssl);
	while (SSL_read(ssl, at, sizeof at) > 0) /* until the peer has read all, too */
		;
	EVP_Digest(data, WRITE_BYTES, digest, &len, EVP_sha256(), NULL);
	printf("RETRIED %s SHA256 ", retries ? "yes" : "no");
	for (unsigned i = 0; i < len; i++)
		printf("%02x", digest[i]);
	printf("\n");
	free(data);
	finish(ssl);
}

/* A refused call over memory BIOs; the socket is left as the refusal has left it. */
static int refused_over_memory(void)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	SSL *ssl = SSL_new(tls);
	char at[16384];
	int fd = dial(), state, n;

	if (!ssl || !in || !out || SSL_set_tlsext_host_name(ssl, PROVIDER) != 1)
		die("SSL_new");
	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	do {
		state = SSL_do_handshake(ssl);
		while ((n = BIO_read(out, at, sizeof at)) > 0)
			if (send(fd, at, (size_t)n, MSG_NOSIGNAL) != n)
				die("send");
		if (state != 1 && (n = (int)recv(fd, at, sizeof at, 0)) <= 0)
			die("handshake");
		if (state != 1)
			BIO_write(in, at, n);
	} while (state != 1);
	send_call(ssl, PROVIDER, FORBIDDEN, "");
	SSL_free(ssl);
	return fd;
}

void mode_unread(char **argument)
{
	unsigned char at[64];
	int fd;

	for (int i = atoi(argument[0]); i > 0; i--) {
		close(refused_over_memory());
		if (dup(STDIN_FILENO) < 0) /* takes the number, so that the next is another one */
			die("dup");
	}
	fd = refused_over_memory();
	ssize_t n = recv(fd, at, sizeof at, 0);
	printf("WOKEN BY");
	for (ssize_t i = 0; i < n; i++)
		printf(" %02x", at[i]);
	printf("\n");
	close(fd);
}

void mode_dup(char **argument)
{
	SSL *fresh = prepare(PROVIDER), *copy = SSL_dup(fresh), *same;

	if (!copy || SSL_set_fd(copy, dial()) != 1)
		die("SSL_dup");
	finish(fresh);
	if (!SSL_get_servername(copy, TLSEXT_NAMETYPE_host_name) &&
	    SSL_set_tlsext_host_name(copy, PROVIDER) != 1)
		die("server name");
	if (SSL_connect(copy) != 1)
		die("handshake");
	same = SSL_dup(copy); /* of a connected one: a reference */
	if (same != copy)
		die("SSL_dup of a connected object");
	SSL_free(same);
	send_call(copy, PROVIDER, FORBIDDEN, "");
	show_answer(copy);
	finish(copy);
}

void mode_ktls(char **argument)
{
	SSL *ssl;

	SSL_CTX_set_options(tls, SSL_OP_ENABLE_KTLS);
	ssl = start(argument[0]);
	printf("KTLS %s\n", SSL_get_options(ssl) & SSL_OP_ENABLE_KTLS ? "allowed" : "not allowed");
	send_call(ssl, argument[0], FORBIDDEN, "");
	show_answer(ssl);
	finish(ssl);
}
