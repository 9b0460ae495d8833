/* SPDX-License-Identifier: MIT
 *
 * A TLS client that does what few programs do, and what some program does all the same: reading and
 * writing in two threads, jumping out of callbacks, forking between threads, using one SSL object
 * for two hosts. Each mode is a bug that once was; see tests/e2e/odd.bats.
 *
 * usage: odd_client --ca FILE --port N [--tls 1.2|1.3] MODE [ARGUMENT...]    (always to 127.0.0.1)
 *   read-in-thread [HOST]      a thread waits in SSL_read while another one writes: a request that
 *                              the policy refuses, or without HOST a line that is no HTTP
 *   fork SECONDS MODEL         two threads make calls while a third forks all the time
 *   reload NEXT POLICY [MODEL] a call, then NEXT is renamed to POLICY, then (once it is in force,
 * and refuses gpt-5) a malformed request on the first connection; with MODEL the same call for that
 * model again; host api.openai.test jump-from-signal           siglongjmp out of SSL_read, then
 * three calls jump-from-callback         longjmp out of the verify callback, then three calls
 *   unparsable                 without a server name: requests that name a provider, each wrong or
 *                              refused in another way
 *   reuse FIRST SECOND [clear] one SSL object for a call to FIRST and then one to SECOND, the same
 *                              call each time; "clear": SSL_clear between them
 *   retry-shorter              partial writes: a blocked write is repeated with fewer bytes
 *   pieces                     without a server name: bytes that HTTP may begin with, each then
 *                              waited for an answer to
 *   unread COUNT               memory BIOs: COUNT refused connections are closed unread, and one
 *                              more is read from its socket
 *   alpn PROTOCOL              without a server name: offers the protocol, tells which was chosen
 *   dup                        a call on an SSL_dup of an object, itself dup'ed and freed once more
 *   ktls HOST                  tells whether the kernel may encrypt, then a call
 *   starve MODEL KEY           (odd_malloc) calls that wait for 100 Continue; in each the next
 *                              allocation of libaigw fails, then each has a page more of memory
 * Standard output, a line each: "HTTP 403" for an answer, "SAID text" for other bytes, "END clean"
 * (close_notify) or "END error N" (of SSL_get_error) for a read that gave none, and what a mode
 * adds. Exit: 0 it ran to its end, 2 usage, 3 system.
 */
#include "odd_client/odd_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ALL_SECONDS 50
#define REQUEST_MAX 512

SSL_CTX *tls;

static struct {
	const char *ca;
	int port, version;
} how;

void die(const char *what)
{
	fprintf(stderr, "odd_client: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(3);
}

/* ---- connections ---- */

int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)how.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval wait = {WAIT_SECONDS, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) ||
	    connect(fd, (struct sockaddr *)&to, sizeof to))
		die("connect");
	return fd;
}

SSL *prepare(const char *name)
{
	SSL *ssl = SSL_new(tls);

	if (!ssl || SSL_set_fd(ssl, dial()) != 1 ||
	    (name && SSL_set_tlsext_host_name(ssl, name) != 1))
		die("SSL_new");
	return ssl;
}

SSL *start(const char *name)
{
	SSL *ssl = prepare(name);

	if (SSL_connect(ssl) != 1)
		die("handshake");
	return ssl;
}

void finish(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	SSL_free(ssl);
	close(fd);
}

void send_text(SSL *ssl, const char *text)
{
	(void)SSL_write(ssl, text, (int)strlen(text));
}

void send_call(SSL *ssl, const char *host, const char *model, const char *more)
{
	char body[REQUEST_MAX / 2], request[REQUEST_MAX];

	snprintf(body, sizeof body,
		 "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}",
		 model);
	snprintf(request, sizeof request,
		 "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\n%s"
		 "Authorization: Bearer sk-test\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 host, more, strlen(body), body);
	send_text(ssl, request);
}

int read_answer(SSL *ssl, char *at, size_t cap, int *ret_error)
{
	int n = SSL_read(ssl, at, (int)cap - 1);

	*ret_error = SSL_get_error(ssl, n);
	if (n <= 0)
		return *ret_error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
	at[n] = '\0';
	return strncmp(at, "HTTP/1.1 ", 9) ? 1 : atoi(at + 9);
}

bool show_answer(SSL *ssl)
{
	char at[8192];
	int error, status = read_answer(ssl, at, sizeof at, &error);

	if (status == 1)
		printf("SAID %.*s\n", (int)strcspn(at, "\r\n"), at);
	else if (status > 0)
		printf("HTTP %d\n", status);
	else if (status == 0)
		printf("END clean\n");
	else
		printf("END error %d\n", error);
	return status > 0;
}

/* ---- start ---- */

static const struct mode {
	const char *name;
	int least, most; /* arguments */
	void (*run)(char **argument);
} modes[] = {{"read-in-thread", 0, 1, mode_read_in_thread},
	     {"fork", 2, 2, mode_fork},
	     {"reload", 2, 3, mode_reload},
	     {"jump-from-signal", 0, 0, mode_jump_from_signal},
	     {"jump-from-callback", 0, 0, mode_jump_from_callback},
	     {"unparsable", 0, 0, mode_unparsable},
	     {"reuse", 2, 3, mode_reuse},
	     {"retry-shorter", 0, 0, mode_retry_shorter},
	     {"pieces", 0, 0, mode_pieces},
	     {"unread", 1, 1, mode_unread},
	     {"alpn", 1, 1, mode_alpn},
	     {"dup", 0, 0, mode_dup},
	     {"ktls", 1, 1, mode_ktls},
	     {"starve", 2, 2, mode_starve}};

static void start_tls(void)
{
	tls = SSL_CTX_new(TLS_client_method());
	if (!tls || SSL_CTX_load_verify_locations(tls, how.ca, NULL) != 1)
		die(how.ca);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_min_proto_version(tls, how.version);
	SSL_CTX_set_max_proto_version(tls, how.version);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"ca", 1, NULL, 'c'},
						{"port", 1, NULL, 'p'},
						{"tls", 1, NULL, 't'},
						{NULL, 0, NULL, 0}};
	const struct mode *mode = NULL;
	int option, count;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			how.ca = optarg;
		else if (option == 'p')
			how.port = atoi(optarg);
		else if (option == 't')
			how.version = strcmp(optarg, "1.2") ? TLS1_3_VERSION : TLS1_2_VERSION;
		else
			return 2;
	}
	count = argc - optind - 1;
	for (size_t i = 0; count >= 0 && i < sizeof modes / sizeof *modes; i++)
		if (!strcmp(modes[i].name, argv[optind]))
			mode = &modes[i];
	if (!mode || !how.ca || !how.port || count < mode->least || count > mode->most) {
		fprintf(stderr, "usage: odd_client --ca FILE --port N [--tls 1.2|1.3] MODE "
				"[ARGUMENT...], see its source\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0); /* what was seen before a crash is seen */
	alarm(ALL_SECONDS);
	start_tls();
	mode->run(argv + optind + 1);
	SSL_CTX_free(tls);
	return 0;
}
