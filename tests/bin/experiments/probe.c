/* SPDX-License-Identifier: MIT
 *
 * What a program can see of a library in front of OpenSSL, one question for each mode:
 *
 * usage: probe CA PORT MODE     (to 127.0.0.1, with the server name api.openai.com)
 *   dlerror       is an error of dlopen still there to be read after a call, the second one?
 *   queue         is OpenSSL's error queue, with an entry of the program's, as it was?
 *   getters       what the getters say of a governed connection, in a line
 *   empty-write   what writing nothing answers
 *   duplicate     a call for a forbidden model, on an object that SSL_dup made
 *   end           what a refused connection says of its end, read after read
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROVIDER "api.openai.com"

/* Calls are not inlined: a library may tell its callers by their addresses. */
static SSL_CTX *tls;
static int port;

static void die(const char *what)
{
	perror(what);
	ERR_print_errors_fp(stderr);
	exit(3);
}

__attribute__((noinline)) static void connect_to(SSL *ssl)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) || SSL_set_fd(ssl, fd) != 1 ||
	    SSL_connect(ssl) != 1)
		die("connect");
}

__attribute__((noinline)) static SSL *make(void)
{
	SSL *ssl = SSL_new(tls);

	if (!ssl || SSL_set_tlsext_host_name(ssl, PROVIDER) != 1)
		die("SSL_new");
	return ssl;
}

__attribute__((noinline)) static int call(SSL *ssl, const char *model)
{
	char body[256], text[4096];
	int n;

	snprintf(body, sizeof body, "{\"model\":\"%s\",\"messages\":[]}", model);
	n = snprintf(text, sizeof text,
		     "POST /v1/chat/completions HTTP/1.1\r\nHost: " PROVIDER "\r\n"
		     "Authorization: Bearer sk-test\r\nContent-Type: application/json\r\n"
		     "Content-Length: %zu\r\n\r\n%s",
		     strlen(body), body);
	if (SSL_write(ssl, text, n) != n)
		die("SSL_write");
	n = SSL_read(ssl, text, sizeof text - 1);
	return n < 12 ? -1 : atoi(text + 9);
}

static void mode_dlerror(SSL *ssl)
{
	connect_to(ssl);
	printf("HTTP %d\n", call(ssl, "gpt-5"));
	SSL_free(ssl);
	ssl = make();
	if (dlopen("no-such-library.so", RTLD_LAZY))
		die("dlopen");
	connect_to(ssl);
	printf("HTTP %d\n", call(ssl, "forbidden"));
	printf("DLERROR %s\n", dlerror() ? "kept" : "lost");
}

static void mode_queue(SSL *ssl)
{
	connect_to(ssl);
	ERR_raise(ERR_LIB_USER, 7);
	printf("HTTP %d\n", call(ssl, "gpt-5"));
	SSL_free(ssl);
	ssl = make();
	ERR_clear_error(); /* a handshake wants it empty */
	connect_to(ssl);
	ERR_raise(ERR_LIB_USER, 7);
	printf("HTTP %d\n", call(ssl, "forbidden"));
	unsigned long first = ERR_get_error(), second = ERR_get_error();
	printf("QUEUE %s\n",
	       ERR_GET_LIB(first) == ERR_LIB_USER && ERR_GET_REASON(first) == 7 && !second
		       ? "as it was"
		       : "changed");
}

static void mode_getters(SSL *ssl)
{
	const unsigned char *alpn = NULL;
	unsigned len = 0;

	connect_to(ssl);
	SSL_get0_alpn_selected(ssl, &alpn, &len);
	printf("fd %s name %s mode %lx pending %d shutdown %d server %d finished %d errors %lu\n",
	       SSL_get_fd(ssl) >= 0 ? "there" : "none",
	       SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), (unsigned long)SSL_get_mode(ssl),
	       SSL_pending(ssl), SSL_get_shutdown(ssl), SSL_is_server(ssl),
	       SSL_is_init_finished(ssl), ERR_peek_error());
}

static void mode_empty_write(SSL *ssl)
{
	size_t wrote = 99;
	int n, ex;

	connect_to(ssl);
	n = SSL_write(ssl, "", 0);
	int error = SSL_get_error(ssl, n);
	ex = SSL_write_ex(ssl, "", 0, &wrote);
	printf("SSL_write %d error %d SSL_write_ex %d wrote %zu\n", n, error, ex, wrote);
	printf("HTTP %d\n", call(ssl, "gpt-5"));
}

static void mode_duplicate(SSL *ssl)
{
	SSL *copy = SSL_dup(ssl);

	if (!copy)
		die("SSL_dup");
	SSL_free(ssl);
	connect_to(copy);
	printf("HTTP %d\n", call(copy, "forbidden"));
	SSL_free(copy);
}

static void mode_end(SSL *ssl)
{
	char text[4096];

	connect_to(ssl);
	printf("HTTP %d\n", call(ssl, "forbidden"));
	for (int i = 0; i < 3; i++) {
		int n = SSL_read(ssl, text, sizeof text);
		printf("READ %d error %d queue %lu\n", n, SSL_get_error(ssl, n), ERR_peek_error());
	}
	printf("SHUTDOWN %d\n", SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN);
}

static const struct {
	const char *name;
	void (*run)(SSL *ssl);
} modes[] = {{"dlerror", mode_dlerror},     {"queue", mode_queue},
	     {"getters", mode_getters},     {"empty-write", mode_empty_write},
	     {"duplicate", mode_duplicate}, {"end", mode_end}};

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	port = atoi(argv[2]);
	alarm(30);
	tls = SSL_CTX_new(TLS_client_method());
	if (!tls || SSL_CTX_load_verify_locations(tls, argv[1], NULL) != 1)
		die(argv[1]);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (!strcmp(modes[i].name, argv[3])) {
			modes[i].run(make());
			return 0;
		}
	return 2;
}
