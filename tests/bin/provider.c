/* SPDX-License-Identifier: MIT
 *
 * The program: its connections, TLS, its log. See provider.h, and `provider --help`.
 *
 * The log answers two questions of the tests: what arrived (one "request" line for each whole
 * request, written before it is answered), and how much arrived at all (one "connection" line when
 * a connection is over: every plaintext byte the peer sent, also of requests never finished). On
 * SIGTERM everything the peers have sent so far is read and logged before the process ends, so a
 * test that has waited for it sees the whole truth.
 */
#include "provider/provider.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES      65536
#define SLOW_READ_BYTES 16384
#define STOP_MS         5000 /* a peer that does not take our answer gets this long */

struct provider provider = {.log = -1, .type = "application/json"};

static pthread_mutex_t lines_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t lines_gone = PTHREAD_COND_INITIALIZER;
static struct line *lines;

void die(const char *what)
{
	fprintf(stderr, "provider: %s: %s\n", what, strerror(errno));
	exit(3);
}

/* ---- the log: one write per line, so that lines of several threads never mix ---- */

static void log_text(struct text *t)
{
	text_put(t, "\n", 1);
	if (provider.log >= 0 && write(provider.log, t->at, t->len) != (ssize_t)t->len)
		die("log");
	text_done(t);
}

static void put_pair(struct text *t, const char *name, const char *value)
{
	text_printf(t, "\"%s\":", name);
	if (value) {
		text_put(t, "\"", 1);
		text_put_json(t, value, strlen(value));
		text_put(t, "\",", 2);
	} else {
		text_printf(t, "null,");
	}
}

static void put_tls(struct text *t, const struct line *line)
{
	char alpn[64] = "";
	const unsigned char *at = NULL;
	unsigned len = 0;

	if (line->ssl)
		SSL_get0_alpn_selected(line->ssl, &at, &len);
	if (len && len < sizeof alpn)
		memcpy(alpn, at, len);
	put_pair(t, "tls", line->ssl ? SSL_get_version(line->ssl) : NULL);
	put_pair(t, "alpn", len ? alpn : NULL);
	put_pair(t, "sni",
		 line->ssl ? SSL_get_servername(line->ssl, TLSEXT_NAMETYPE_host_name) : NULL);
}

void log_request(const struct line *line, const struct request *r)
{
	struct text t = {0};

	if (provider.log < 0)
		return;
	text_printf(&t, "{\"event\":\"request\",\"connection\":%lu,\"number\":%u,", line->id,
		    line->requests);
	put_pair(&t, "method", r->method);
	put_pair(&t, "path", r->path);
	put_pair(&t, "query", r->query);
	put_pair(&t, "host", request_header(r, "host"));
	put_pair(&t, "framing", r->chunked ? "chunked" : r->has_length ? "length" : "none");
	text_printf(&t, "\"headers\":[");
	for (size_t i = 0; i < r->header_count; i++) {
		text_printf(&t, i ? ",[\"" : "[\"");
		text_put_json(&t, r->headers[i].name, strlen(r->headers[i].name));
		text_printf(&t, "\",\"");
		text_put_json(&t, r->headers[i].value, strlen(r->headers[i].value));
		text_printf(&t, "\"]");
	}
	text_printf(&t, "],\"body_bytes\":%zu,", r->body_bytes);
	put_tls(&t, line);
	text_printf(&t, "\"body_sha256\":\"%s\"}", r->sha256);
	log_text(&t);
}

static void log_connection(const struct line *line)
{
	struct text t = {0};

	if (provider.log < 0)
		return;
	text_printf(&t, "{\"event\":\"connection\",\"connection\":%lu,", line->id);
	put_tls(&t, line);
	put_pair(&t, "leak", line->leak);
	put_pair(&t, "fault", line->fault);
	put_pair(&t, "end", line->end);
	if (line->sha256[0])
		put_pair(&t, "sha256", line->sha256);
	text_printf(
		&t,
		"\"requests\":%u,\"request_bytes\":%llu,\"body_bytes\":%llu,\"stray_bytes\":%llu}",
		line->requests, (unsigned long long)line->request_bytes,
		(unsigned long long)line->body_bytes,
		(unsigned long long)(line->request_bytes - line->whole_bytes));
	log_text(&t);
}

/* ---- bytes in, bytes out ---- */

/* More bytes into line->in; false at the end. */
bool line_fill(struct line *line)
{
	size_t want = provider.slow_reader ? SLOW_READ_BYTES : LINE_BYTES;
	ssize_t n;

	if (provider.slow_reader)
		pause_ms(2);
	if (line->ssl) {
		n = SSL_read(line->ssl, line->in, (int)want);
		if (n <= 0) {
			int e = SSL_get_error(line->ssl, (int)n);
			line->end = e == SSL_ERROR_ZERO_RETURN ? "close_notify" : "cut";
		}
	} else {
		do {
			n = recv(line->fd, line->in, want, 0);
		} while (n < 0 && errno == EINTR);
		if (n <= 0)
			line->end = n == 0 ? "fin" : "cut";
	}
	if (n <= 0)
		return false;
	line->request_bytes += (uint64_t)n;
	line->in_at = 0;
	line->in_len = (size_t)n;
	return true;
}

bool line_write(struct line *line, const char *at, size_t len)
{
	while (len > 0) {
		ssize_t n = line->ssl
				    ? SSL_write(line->ssl, at, len > 1u << 30 ? 1 << 30 : (int)len)
				    : send(line->fd, at, len, MSG_NOSIGNAL);
		if (n < 0 && !line->ssl && errno == EINTR)
			continue;
		if (n <= 0) {
			line->end = "write failed";
			return false;
		}
		at += n;
		len -= (size_t)n;
	}
	return true;
}

void pause_ms(unsigned ms)
{
	struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

	nanosleep(&t, NULL);
}

/* ---- connections ---- */

static void line_leave(struct line *line)
{
	pthread_mutex_lock(&lines_lock);
	if (line->previous)
		line->previous->next = line->next;
	else
		lines = line->next;
	if (line->next)
		line->next->previous = line->previous;
	close(line->fd); /* under the lock: on_stop must not shut a number that is someone else's */
	pthread_cond_signal(&lines_gone);
	pthread_mutex_unlock(&lines_lock);
	SSL_free(line->ssl);
	free(line->in);
	free(line);
}

static void *run_line(void *argument)
{
	struct line *line = argument;

	line->in = malloc(LINE_BYTES);
	if (!line->in)
		die("memory");
	if (provider.tls) {
		line->ssl = SSL_new(provider.tls);
		if (!line->ssl || SSL_set_fd(line->ssl, line->fd) != 1)
			die("SSL_new");
	}
	if (line->ssl && SSL_accept(line->ssl) != 1) {
		line->fault = "no handshake";
		ERR_clear_error();
	} else {
		if (provider.echo)
			line_echo(line);
		while (!provider.echo && line_serve(line))
			;
		if (line->ssl)
			SSL_shutdown(line->ssl);
	}
	shutdown(line->fd, SHUT_WR);
	log_connection(line);
	line_leave(line);
	return NULL;
}

static void line_start(int fd)
{
	static unsigned long count;
	static const int yes = 1;
	struct line *line = calloc(1, sizeof *line);
	pthread_attr_t attributes;
	pthread_t thread;

	if (!line)
		die("memory");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	line->fd = fd;
	line->id = ++count;
	pthread_mutex_lock(&lines_lock);
	line->next = lines;
	if (lines)
		lines->previous = line;
	lines = line;
	pthread_mutex_unlock(&lines_lock);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 256u << 10);
	errno = pthread_create(&thread, &attributes, run_line, line);
	if (errno)
		die("thread");
	pthread_attr_destroy(&attributes);
}

/* Reads out what the peers have sent and waits for the threads. */
static void stop(int listener)
{
	struct timespec until;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		line_start(fd);
	close(listener);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_MS / 1000;
	pthread_mutex_lock(&lines_lock);
	for (struct line *l = lines; l; l = l->next)
		shutdown(l->fd, SHUT_RD); /* bytes that have arrived are still read */
	while (lines) {
		if (pthread_cond_timedwait(&lines_gone, &lines_lock, &until) == ETIMEDOUT) {
			fprintf(stderr, "provider: a connection would not end\n");
			_exit(1);
		}
	}
	pthread_mutex_unlock(&lines_lock);
}

/* ---- start ---- */

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *in, unsigned in_len, void *argument)
{
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_len, provider.alpn, provider.alpn_len, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static void set_alpn(const char *list)
{
	char copy[64];
	char *rest;

	provider.alpn_len = 0;
	if (!strcmp(list, "none"))
		return;
	snprintf(copy, sizeof copy, "%s", list);
	for (char *p = strtok_r(copy, ",", &rest); p; p = strtok_r(NULL, ",", &rest)) {
		provider.alpn[provider.alpn_len++] = (unsigned char)strlen(p);
		memcpy(provider.alpn + provider.alpn_len, p, strlen(p));
		provider.alpn_len += (unsigned)strlen(p);
	}
}

static void start_tls(const char *cert, const char *key, const char *versions, int tickets)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());

	if (!c || SSL_CTX_use_certificate_chain_file(c, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1) {
		ERR_print_errors_fp(stderr);
		exit(2);
	}
	SSL_CTX_set_min_proto_version(c,
				      !strcmp(versions, "1.3") ? TLS1_3_VERSION : TLS1_2_VERSION);
	if (!strcmp(versions, "1.2"))
		SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
	if (tickets >= 0)
		SSL_CTX_set_num_tickets(c, (size_t)tickets);
	if (tickets == 0)
		SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
	if (provider.alpn_len)
		SSL_CTX_set_alpn_select_cb(c, choose_alpn, NULL);
	/* A provider that answers after a peer's abrupt end would only see errors of its own
	 * making. */
	SSL_CTX_set_mode(c, SSL_MODE_AUTO_RETRY);
	provider.tls = c;
}

static int start_listening(const char *host, int port, int *ret_port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1,
	    small = 16384;

	if (fd < 0 || inet_pton(AF_INET, host, &at.sin_addr) != 1)
		die(host);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (provider.slow_reader)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 512) ||
	    getsockname(fd, (struct sockaddr *)&at, &len))
		die("listen");
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static void say_ready(const char *path, int port)
{
	char text[16];
	int len = snprintf(text, sizeof text, "%d\n", port);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, (size_t)len) != len)
		die(path);
	close(fd);
}

static void prepare_small_answer(void)
{
	struct text body = {0};

	provider_put_small_answer(&body);
	text_printf(&provider.small_answer,
		    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
		    "x-request-id: req_000000000000000000000000\r\nConnection: keep-alive\r\n\r\n",
		    body.len);
	text_put(&provider.small_answer, body.at, body.len);
	text_done(&body);
}

static const char help[] =
	"usage: provider --cert FILE --key FILE [options]\n"
	"  --host IP         where to listen (127.0.0.1)\n"
	"  --port N          0: the system chooses (0)\n"
	"  --ready FILE      gets the port, one line, once we listen (a fifo will do)\n"
	"  --log FILE        one JSON line for each request and each finished connection\n"
	"  --tls VERSIONS    any, 1.2 or 1.3 (any)\n"
	"  --alpn LIST       protocols we choose from, best first, or none (h2,http/1.1);\n"
	"                    h2 is never spoken: who sends its preface is logged as a leak\n"
	"  --tickets N       TLS 1.3 session tickets after the handshake (OpenSSL's default)\n"
	"  --plain           HTTP without TLS\n"
	"  --answer FILE     every request is answered with it; --type TYPE: its Content-Type\n"
	"  --slow-reader     small window, 16 KB every 2 ms\n"
	"  --bench           a fixed small answer to every POST, no log; with ?events=N, or a "
	"model\n"
	"                    called NAME--stamped=N,FIRST_US,PACE_US, a stream\n"
	"  --echo            no HTTP: sends back the first 64 bytes of each piece that arrives; "
	"the\n"
	"                    log has the SHA-256 of all bytes of a connection\n"
	"Behaviours, as words separated by commas in the query, in the x-provider header, or as "
	"the\n"
	"model's name (all of it, or what follows \"--\"):\n"
	"  length chunked until-close gzip close early-hints drip   how the answer is framed\n"
	"  cut stall error-NNN error-in-stream                      how it fails\n"
	"  slow[=MS] delay-ms=MS events=N big[=BYTES]               how much, how fast\n"
	"  no-usage null-usage                                      what it says of tokens\n"
	"Other paths: /plain, /bytes/N, /nothing/STATUS. SIGTERM: reads what has arrived, then "
	"ends.\n";

static void read_answer(const char *path)
{
	char piece[4096];
	size_t len;
	FILE *file = fopen(path, "r");

	if (!file)
		die(path);
	while ((len = fread(piece, 1, sizeof piece, file)) > 0)
		text_put(&provider.file, piece, len);
	fclose(file);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"host", 1, NULL, 'h'},
						{"port", 1, NULL, 'p'},
						{"cert", 1, NULL, 'c'},
						{"key", 1, NULL, 'k'},
						{"ready", 1, NULL, 'r'},
						{"log", 1, NULL, 'l'},
						{"tls", 1, NULL, 't'},
						{"alpn", 1, NULL, 'a'},
						{"tickets", 1, NULL, 'T'},
						{"plain", 0, NULL, 'P'},
						{"slow-reader", 0, NULL, 's'},
						{"bench", 0, NULL, 'b'},
						{"echo", 0, NULL, 'e'},
						{"answer", 1, NULL, 'A'},
						{"type", 1, NULL, 'y'},
						{"help", 0, NULL, 'H'},
						{NULL, 0, NULL, 0}};
	const char *host = "127.0.0.1", *cert = NULL, *key = NULL, *ready = NULL, *log = NULL;
	const char *versions = "any";
	int port = 0, tickets = -1, option;
	bool plain = false;
	sigset_t ends;

	set_alpn("h2,http/1.1");
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'h':
			host = optarg;
			break;
		case 'p':
			port = atoi(optarg);
			break;
		case 'c':
			cert = optarg;
			break;
		case 'k':
			key = optarg;
			break;
		case 'r':
			ready = optarg;
			break;
		case 'l':
			log = optarg;
			break;
		case 't':
			versions = optarg;
			break;
		case 'a':
			set_alpn(optarg);
			break;
		case 'T':
			tickets = atoi(optarg);
			break;
		case 'P':
			plain = true;
			break;
		case 's':
			provider.slow_reader = true;
			break;
		case 'b':
			provider.bench = true;
			break;
		case 'e':
			provider.echo = true;
			break;
		case 'A':
			read_answer(optarg);
			break;
		case 'y':
			provider.type = optarg;
			break;
		case 'H':
			fputs(help, stdout);
			return 0;
		default:
			fputs(help, stderr);
			return 2;
		}
	}
	if (optind != argc || (!plain && (!cert || !key))) {
		fputs(help, stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL); /* inherited by every thread: only signals sees them */
	int signals = signalfd(-1, &ends, SFD_CLOEXEC);
	if (log && (provider.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0)
		die(log);
	if (!plain)
		start_tls(cert, key, versions, tickets);
	prepare_small_answer();
	int listener = start_listening(host, port, &port);
	if (ready)
		say_ready(ready, port);
	for (;;) {
		struct pollfd p[2] = {{listener, POLLIN, 0}, {signals, POLLIN, 0}};
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (p[1].revents)
			break;
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			line_start(fd);
	}
	stop(listener);
	return 0;
}
