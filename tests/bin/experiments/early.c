/* SPDX-License-Identifier: MIT
 *
 * A library whose constructor connects, writes and closes, and with EARLY_TLS defined makes a call
 * that the policy refuses, all before main. Prints "EARLY connected" and "EARLY HTTP 403".
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef EARLY_TLS
#include <openssl/ssl.h>
#endif

static int port;

static int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? fd : -1;
}

#ifdef EARLY_TLS
static void call(void)
{
	static const char body[] = "{\"model\":\"forbidden\",\"messages\":[]}";
	char text[512];
	int n;
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	SSL *ssl = tls ? SSL_new(tls) : NULL;

	if (!ssl || SSL_set_fd(ssl, dial()) != 1 ||
	    SSL_set_tlsext_host_name(ssl, "api.openai.com") != 1 || SSL_connect(ssl) != 1)
		return;
	n = snprintf(text, sizeof text,
		     "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
		     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		     sizeof body - 1, body);
	if (SSL_write(ssl, text, n) != n || (n = SSL_read(ssl, text, sizeof text - 1)) < 12)
		return;
	(void)!write(STDOUT_FILENO, "EARLY HTTP ", 11);
	(void)!write(STDOUT_FILENO, text + 9, 3);
	(void)!write(STDOUT_FILENO, "\n", 1);
	SSL_free(ssl);
	SSL_CTX_free(tls);
}
#endif

/* The environment as the loader hands it over: libc may not have started. */
__attribute__((constructor)) static void start(int argc, char **argv, char **environment)
{
	for (; *environment; environment++)
		if (!strncmp(*environment, "EARLY_PORT=", 11))
			port = atoi(*environment + 11);
	int fd = dial();

	if (fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0)
		(void)!write(STDOUT_FILENO, "EARLY connected\n", 16);
#ifdef EARLY_TLS
	call();
#endif
}
