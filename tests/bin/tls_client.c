/* SPDX-License-Identifier: MIT
 *
 * A TLS client that sends its standard input exactly as it is and writes to its standard output
 * what comes back, in the ways a program can: write by write, blocking or not, through the old
 * calls or the _ex ones, over a socket or over memory BIOs, peeking first. The tests choose the
 * way.
 *
 * usage: tls_client [options] PORT        (always to 127.0.0.1)
 *   --name NAME        server name sent and verified (api.openai.com); empty: none
 *   --ca FILE          whom to trust; none: the peer is not verified
 *   --write-bytes N    at most N bytes in each write (all at once)
 *   --nonblocking      a non-blocking socket and poll
 *   --send-buffer N    SO_SNDBUF
 *   --ex               SSL_write_ex and SSL_read_ex
 *   --memory           memory BIOs: we move the bytes, as asyncio does
 *   --peek             SSL_peek before each SSL_read, and SSL_pending must then agree
 *   --poll-first       wait until the socket is readable before the first read
 *   --set-tls 1.2|1.3  only that version
 *   --answers N        leave after N answers with a Content-Length (0: read until the end)
 *   --early            the input through SSL_write_early_data, before any handshake call
 *   --sendfile FILE    after the input, SSL_sendfile of that file; says whether it was refused
 *   --half-close       no more writing after the input: SSL_shutdown, then read on
 * Exit: 0 the peer ended the connection properly (or N answers came), 1 it did not, 2 usage, 3
 * system. The last line on standard error says what was seen: "end=close_notify writes=12
 * want_write=3".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_MS     20000 /* nothing in a test takes this long: a hang becomes a failure */
#define ALL_SECONDS 60

static struct {
	const char *name, *ca, *sendfile;
	size_t write_bytes;
	int send_buffer, version, answers, port;
	bool nonblocking, ex, memory, peek, poll_first, half_close, early;
} how = {.name = "api.openai.com"};

static int fd = -1;
static SSL *ssl;
static BIO *from_peer, *to_peer; /* with --memory */
static unsigned long writes, want_write;

static void die(const char *what)
{
	fprintf(stderr, "tls_client: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(3);
}

static void wait_for(short events)
{
	struct pollfd p = {fd, events, 0};
	int n;

	do {
		n = poll(&p, 1, WAIT_MS);
	} while (n < 0 && errno == EINTR);
	if (n == 0) {
		fprintf(stderr, "tls_client: nothing happened for %d ms\n", WAIT_MS);
		exit(3);
	}
}

/* Memory BIOs: what OpenSSL has written goes out. */
static void push(void)
{
	char at[16384];
	int n;

	while ((n = BIO_read(to_peer, at, sizeof at)) > 0) {
		for (int done = 0; done < n;) {
			ssize_t sent = send(fd, at + done, (size_t)(n - done), MSG_NOSIGNAL);
			if (sent < 0 && errno == EAGAIN)
				wait_for(POLLOUT);
			else if (sent < 0)
				return; /* the peer is gone: the next read says so */
			else
				done += (int)sent;
		}
	}
}

/* Memory BIOs: what has arrived goes in. */
static void pull(void)
{
	char at[16384];
	ssize_t n;

	wait_for(POLLIN);
	n = recv(fd, at, sizeof at, 0);
	if (n > 0)
		BIO_write(from_peer, at, (int)n);
	else if (n == 0)
		BIO_set_mem_eof_return(from_peer, 0);
}

/* After a call that could not finish: waits for what it wants. False: it will never finish. */
static bool wait_as_told(int error)
{
	if (how.memory) {
		push();
		if (error == SSL_ERROR_WANT_READ)
			pull();
		return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
	}
	if (error == SSL_ERROR_WANT_WRITE) {
		want_write++;
		wait_for(POLLOUT);
	} else if (error == SSL_ERROR_WANT_READ) {
		wait_for(POLLIN);
	} else {
		return false;
	}
	return true;
}

static int write_some(const char *at, size_t len, size_t *ret_written)
{
	if (how.ex)
		return SSL_write_ex(ssl, at, len, ret_written);
	int n = SSL_write(ssl, at, (int)len);
	*ret_written = n > 0 ? (size_t)n : 0;
	return n;
}

static void write_all(const char *at, size_t len)
{
	while (len > 0) {
		size_t part = how.write_bytes && how.write_bytes < len ? how.write_bytes : len;
		size_t n = 0;
		int state = write_some(at, part, &n);
		writes++;
		if (state > 0) {
			at += n;
			len -= n;
			if (how.memory)
				push();
		} else if (!wait_as_told(SSL_get_error(ssl, state))) {
			return; /* refused or gone: what there is to say will be read */
		}
	}
}

static int read_some(char *at, size_t cap, size_t *ret_read)
{
	if (how.peek) {
		char seen[1];
		int n = SSL_peek(ssl, seen, 1);
		if (n <= 0)
			return n;
		if (SSL_pending(ssl) < 1 || !SSL_has_pending(ssl)) {
			fprintf(stderr, "tls_client: peeked a byte, but nothing is pending\n");
			exit(1);
		}
		n = SSL_read(ssl, at, (int)cap);
		if (n <= 0 || *at != *seen) {
			fprintf(stderr, "tls_client: read something else than was peeked\n");
			exit(1);
		}
		*ret_read = (size_t)n;
		return n;
	}
	if (how.ex)
		return SSL_read_ex(ssl, at, cap, ret_read);
	int n = SSL_read(ssl, at, (int)cap);
	*ret_read = n > 0 ? (size_t)n : 0;
	return n;
}

/* How many whole answers with a Content-Length stand in the text. */
static int count_answers(const char *at, size_t len)
{
	int count = 0;

	for (;;) {
		const char *head_end = memmem(at, len, "\r\n\r\n", 4);
		if (!head_end)
			return count;
		size_t head = (size_t)(head_end - at) + 4, body = 0;
		for (const char *l = at; l < head_end; l = strstr(l, "\r\n") + 2)
			if (!strncasecmp(l, "content-length:", 15))
				body = strtoul(l + 15, NULL, 10);
		if (len - head < body)
			return count;
		at += head + body;
		len -= head + body;
		count++;
	}
}

/* Copies to standard output; returns the SSL error that ended it, or -1 when enough has come. */
static int read_until_end(void)
{
	static char at[65536];
	char *all = NULL;
	size_t all_len = 0;
	int error;

	for (;;) {
		size_t n = 0;
		ERR_clear_error();
		int state = read_some(at, how.peek ? 7 : sizeof at, &n);
		if (state > 0) {
			if (fwrite(at, 1, n, stdout) != n)
				die("standard output");
			fflush(stdout);
			if (!how.answers)
				continue;
			all = realloc(all, all_len + n + 1);
			if (!all)
				die("memory");
			memcpy(all + all_len, at, n);
			all_len += n;
			all[all_len] = '\0';
			if (count_answers(all, all_len) >= how.answers) {
				error = -1;
				break;
			}
			continue;
		}
		error = SSL_get_error(ssl, state);
		if (!wait_as_told(error))
			break;
	}
	free(all);
	return error;
}

static char *read_input(size_t *ret_len)
{
	size_t cap = 1u << 16, len = 0;
	char *at = malloc(cap);
	ssize_t n = 1;

	while (at && n > 0) {
		if (cap - len < 65536)
			at = realloc(at, cap *= 2);
		if (!at)
			break;
		n = read(STDIN_FILENO, at + len, cap - len);
		if (n < 0)
			die("standard input");
		len += (size_t)n;
	}
	if (!at)
		die("memory");
	*ret_len = len;
	return at;
}

static void connect_tcp(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)how.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int yes = 1;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (how.send_buffer)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &how.send_buffer, sizeof how.send_buffer);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	if (connect(fd, (struct sockaddr *)&to, sizeof to))
		die("connect");
	if (how.nonblocking || how.memory)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void connect_tls(void)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());
	int state;

	if (!c)
		die("SSL_CTX_new");
	if (how.ca && SSL_CTX_load_verify_locations(c, how.ca, NULL) != 1)
		die(how.ca);
	SSL_CTX_set_verify(c, how.ca ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (how.version) {
		SSL_CTX_set_min_proto_version(c, how.version);
		SSL_CTX_set_max_proto_version(c, how.version);
	}
	ssl = SSL_new(c);
	SSL_CTX_free(c);
	if (!ssl || (*how.name && (SSL_set_tlsext_host_name(ssl, how.name) != 1 ||
				   SSL_set1_host(ssl, how.name) != 1)))
		die("SSL_new");
	if (how.memory) {
		from_peer = BIO_new(BIO_s_mem());
		to_peer = BIO_new(BIO_s_mem());
		if (!from_peer || !to_peer)
			die("BIO_new");
		BIO_set_mem_eof_return(from_peer, -1);
		SSL_set_bio(ssl, from_peer, to_peer);
		SSL_set_connect_state(ssl);
	} else if (SSL_set_fd(ssl, fd) != 1) {
		die("SSL_set_fd");
	}
	if (how.early)
		return;
	while ((state = how.memory ? SSL_do_handshake(ssl) : SSL_connect(ssl)) != 1)
		if (!wait_as_told(SSL_get_error(ssl, state)))
			die("handshake");
	if (how.memory)
		push();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"name", 1, NULL, 'n'},
						{"ca", 1, NULL, 'c'},
						{"write-bytes", 1, NULL, 'w'},
						{"nonblocking", 0, NULL, 'N'},
						{"send-buffer", 1, NULL, 's'},
						{"ex", 0, NULL, 'e'},
						{"memory", 0, NULL, 'm'},
						{"peek", 0, NULL, 'p'},
						{"poll-first", 0, NULL, 'P'},
						{"set-tls", 1, NULL, 't'},
						{"answers", 1, NULL, 'a'},
						{"half-close", 0, NULL, 'H'},
						{"early", 0, NULL, 'E'},
						{"sendfile", 1, NULL, 'S'},
						{NULL, 0, NULL, 0}};
	int option, error;
	size_t len;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			how.name = optarg;
			break;
		case 'c':
			how.ca = optarg;
			break;
		case 'w':
			how.write_bytes = strtoul(optarg, NULL, 10);
			break;
		case 'N':
			how.nonblocking = true;
			break;
		case 's':
			how.send_buffer = atoi(optarg);
			break;
		case 'e':
			how.ex = true;
			break;
		case 'm':
			how.memory = true;
			break;
		case 'p':
			how.peek = true;
			break;
		case 'P':
			how.poll_first = true;
			break;
		case 't':
			how.version = strcmp(optarg, "1.2") ? TLS1_3_VERSION : TLS1_2_VERSION;
			break;
		case 'a':
			how.answers = atoi(optarg);
			break;
		case 'H':
			how.half_close = true;
			break;
		case 'E':
			how.early = true;
			break;
		case 'S':
			how.sendfile = optarg;
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: tls_client [options] PORT <request\n");
		return 2;
	}
	how.port = atoi(argv[optind]);
	signal(SIGPIPE, SIG_IGN);
	alarm(ALL_SECONDS); /* blocking calls have no other end */
	char *input = read_input(&len);
	connect_tcp();
	connect_tls();
	if (how.early) {
		size_t n = 0;
		if (SSL_write_early_data(ssl, input, len, &n) != 1 || n != len ||
		    SSL_connect(ssl) != 1)
			die("SSL_write_early_data");
	} else {
		write_all(input, len);
	}
	free(input);
	if (how.sendfile) {
		int from = open(how.sendfile, O_RDONLY);
		ssize_t n = SSL_sendfile(ssl, from, 0, 100, 0);
		fprintf(stderr, "sendfile=%zd error=%d\n", n, SSL_get_error(ssl, (int)n));
		close(from);
	}
	if (how.half_close)
		SSL_shutdown(ssl);
	if (how.memory)
		push();
	if (how.poll_first)
		wait_for(POLLIN);
	error = read_until_end();
	fprintf(stderr, "end=%s writes=%lu want_write=%lu\n",
		error == -1                      ? "enough"
		: error == SSL_ERROR_ZERO_RETURN ? "close_notify"
		: error == SSL_ERROR_SYSCALL     ? "cut"
						 : "error",
		writes, want_write);
	SSL_free(ssl);
	close(fd);
	return error == -1 || error == SSL_ERROR_ZERO_RETURN ? 0 : 1;
}
