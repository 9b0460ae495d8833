/* SPDX-License-Identifier: MIT
 *
 * Many threads that make calls of every kind at the same time, each on its own sessions, through
 * OpenSSL, GnuTLS and bare sockets, while others fork or replace the policy. What each call has to
 * come to is known, and counted.
 *
 * usage: thread_client --ca FILE --port N [option]... KIND...    (always to 127.0.0.1)
 *   --plain-port N   for the kind "plain" (as --port: no byte of it gets there)
 *   --threads N      that make calls (4)
 *   --rounds N       of all kinds that each makes, beginning with another one (10)
 *   --forks N        another thread forks so often; the child ends at once, or (every fourth) after
 *                    a call of kind "plain": the TLS libraries' locks are not for it
 *   --policies A B   another thread renames copies of the two to A.live in turn, until the end
 * Kinds: allowed, refused, twice (two calls on a connection), stream, gone (closed before the
 * answer), other (to no provider); the same of GnuTLS: gnutls-allowed, gnutls-refused,
 * gnutls-other; plain (HTTP without TLS, refused).
 * Standard output, a line for each kind: "KIND as expected 40, not 0". Exit: 0 always so, 1 not, 2
 * usage, 3 system. What was unexpected stands on standard error.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_SECONDS  20 /* for an answer: a hang becomes a failure */
#define ALL_SECONDS   100
#define THREADS_MAX   64
#define REQUEST_BYTES 1024
#define ANSWER_BYTES  65536
#define KINDS_MAX     16
#define PROVIDER      "api.openai.com"
#define NO_PROVIDER   "plain.example.test"
#define ALLOWED       "gpt-5"
#define FORBIDDEN     "forbidden"

static struct {
	const char *ca, *policies[2];
	int port, plain_port;
	unsigned threads, rounds, forks;
} how = {.threads = 4, .rounds = 10};

static SSL_CTX *tls;
static gnutls_certificate_credentials_t trust;
static bool over; /* atomic */

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "thread_client: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(3);
}

static int dial(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval wait = {WAIT_SECONDS, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) ||
	    connect(fd, (struct sockaddr *)&to, sizeof to))
		die("connect");
	return fd;
}

/* ---- a connection, whatever carries it ---- */

struct line {
	int fd;
	SSL *ssl;
	gnutls_session_t session;
};

static struct line open_ssl(const char *host)
{
	struct line l = {.fd = dial(how.port), .ssl = SSL_new(tls)};

	if (!l.ssl || SSL_set_fd(l.ssl, l.fd) != 1 || SSL_set_tlsext_host_name(l.ssl, host) != 1 ||
	    SSL_connect(l.ssl) != 1)
		die("SSL_connect");
	return l;
}

static struct line open_gnutls(const char *host)
{
	struct line l = {.fd = dial(how.port)};
	int ret;

	if (gnutls_init(&l.session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL) ||
	    gnutls_set_default_priority(l.session) ||
	    gnutls_credentials_set(l.session, GNUTLS_CRD_CERTIFICATE, trust) ||
	    gnutls_server_name_set(l.session, GNUTLS_NAME_DNS, host, strlen(host)))
		die("gnutls_init");
	gnutls_session_set_verify_cert(l.session, host, 0);
	gnutls_transport_set_int(l.session, l.fd);
	do {
		ret = gnutls_handshake(l.session);
	} while (ret < 0 && !gnutls_error_is_fatal(ret));
	if (ret < 0)
		die(gnutls_strerror(ret));
	return l;
}

static void finish(struct line *l)
{
	SSL_free(l->ssl);
	if (l->session)
		gnutls_deinit(l->session);
	close(l->fd);
}

static void put(struct line *l, const char *at, size_t len)
{
	if (l->ssl)
		(void)SSL_write(l->ssl, at, (int)len);
	else if (l->session)
		(void)gnutls_record_send(l->session, at, len);
	else
		(void)!send(l->fd, at, len, MSG_NOSIGNAL);
}

static ssize_t take(struct line *l, char *at, size_t cap)
{
	if (l->ssl)
		return SSL_read(l->ssl, at, (int)cap);
	if (!l->session)
		return recv(l->fd, at, cap, 0);
	ssize_t n;
	do {
		n = gnutls_record_recv(l->session, at, cap);
	} while (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED);
	return n;
}

/* ---- a call ---- */

static void ask(struct line *l, const char *host, const char *model, bool stream)
{
	char body[REQUEST_BYTES / 2], request[REQUEST_BYTES];

	snprintf(body, sizeof body,
		 "{\"model\":\"%s\",%s\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}",
		 model, stream ? "\"stream\":true," : "");
	snprintf(request, sizeof request,
		 "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\n"
		 "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 host, getenv("API_KEY") ? getenv("API_KEY") : "sk-test", strlen(body), body);
	put(l, request, strlen(request));
}

static bool is_whole(const char *at, size_t len)
{
	const char *end = memmem(at, len, "\r\n\r\n", 4), *said = strstr(at, "ontent-");

	if (!end)
		return false;
	while (said && said < end && strncasecmp(said, "ontent-length:", 14))
		said = strstr(said + 1, "ontent-");
	if (said && said < end)
		return len >= (size_t)(end + 4 - at) + strtoul(said + 14, NULL, 10);
	return memmem(end, len - (size_t)(end - at), "\r\n0\r\n\r\n", 7) != NULL;
}

/* The status of one whole answer; 0: the connection ended before. */
static int answer(struct line *l)
{
	char *at = malloc(ANSWER_BYTES);
	size_t len = 0;
	int status = 0;

	if (!at)
		die("memory");
	while (len < ANSWER_BYTES - 1) {
		ssize_t n = take(l, at + len, ANSWER_BYTES - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
		at[len] = '\0';
		if (is_whole(at, len)) {
			status = atoi(at + strlen("HTTP/1.1 "));
			break;
		}
	}
	if (!status)
		fprintf(stderr, "thread_client: no answer, only \"%.*s\"\n", (int)len, at);
	free(at);
	return status;
}

static bool call(struct line l, const char *host, const char *model, int status)
{
	ask(&l, host, model, false);
	int got = answer(&l);
	finish(&l);
	if (got != status)
		fprintf(stderr, "thread_client: %d instead of %d for %s at %s\n", got, status,
			model, host);
	return got == status;
}

static bool do_allowed(void)
{
	return call(open_ssl(PROVIDER), PROVIDER, ALLOWED, 200);
}

static bool do_refused(void)
{
	return call(open_ssl(PROVIDER), PROVIDER, FORBIDDEN, 403);
}

static bool do_other(void)
{
	return call(open_ssl(NO_PROVIDER), NO_PROVIDER, FORBIDDEN, 200);
}

static bool do_gnutls_allowed(void)
{
	return call(open_gnutls(PROVIDER), PROVIDER, ALLOWED, 200);
}

static bool do_gnutls_refused(void)
{
	return call(open_gnutls(PROVIDER), PROVIDER, FORBIDDEN, 403);
}

static bool do_gnutls_other(void)
{
	return call(open_gnutls(NO_PROVIDER), NO_PROVIDER, FORBIDDEN, 200);
}

static bool do_plain(void)
{
	return call((struct line){.fd = dial(how.plain_port ? how.plain_port : how.port)}, PROVIDER,
		    FORBIDDEN, 403);
}

static bool do_twice(void)
{
	struct line l = open_ssl(PROVIDER);

	ask(&l, PROVIDER, ALLOWED, false);
	int first = answer(&l);
	ask(&l, PROVIDER, FORBIDDEN, false);
	int second = answer(&l);
	finish(&l);
	return first == 200 && second == 403;
}

static bool do_stream(void)
{
	struct line l = open_ssl(PROVIDER);

	ask(&l, PROVIDER, ALLOWED, true);
	int status = answer(&l);
	finish(&l);
	return status == 200;
}

static bool do_gone(void)
{
	struct line l = open_ssl(PROVIDER);

	ask(&l, PROVIDER, ALLOWED, false);
	finish(&l);
	return true;
}

static const struct kind {
	const char *name;
	bool (*make)(void);
} all_kinds[] = {{"allowed", do_allowed},
		 {"refused", do_refused},
		 {"twice", do_twice},
		 {"stream", do_stream},
		 {"gone", do_gone},
		 {"other", do_other},
		 {"gnutls-allowed", do_gnutls_allowed},
		 {"gnutls-refused", do_gnutls_refused},
		 {"gnutls-other", do_gnutls_other},
		 {"plain", do_plain}};

static struct {
	const struct kind *kind;
	unsigned fine, wrong; /* atomic */
} kinds[KINDS_MAX];
static size_t kind_count;

static void *make_calls(void *number)
{
	size_t first = (size_t)(uintptr_t)number;

	for (unsigned i = 0; i < how.rounds; i++)
		for (size_t k = 0; k < kind_count; k++) {
			size_t at = (first + k) % kind_count;
			bool fine = kinds[at].kind->make();
			__atomic_fetch_add(fine ? &kinds[at].fine : &kinds[at].wrong, 1,
					   __ATOMIC_RELAXED);
		}
	return NULL;
}

/* ---- meanwhile ---- */

static void *fork_often(void *unused)
{
	unsigned bad = 0;

	for (unsigned i = 0; i < how.forks; i++) {
		int status;
		pid_t child = fork();
		if (child < 0)
			die("fork");
		if (child == 0)
			_exit(i % 4 == 0 && !do_plain());
		if (waitpid(child, &status, 0) != child || status)
			bad++;
	}
	if (bad) {
		fprintf(stderr, "thread_client: %u children did not end well\n", bad);
		exit(1);
	}
	return NULL;
}

static void copy_file(const char *from, const char *to)
{
	char at[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC),
	    out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n = in < 0 ? -1 : read(in, at, sizeof at);

	if (n < 0 || out < 0 || write(out, at, (size_t)n) != n)
		die(from);
	close(in);
	close(out);
}

static void *change_policy(void *unused)
{
	char next[4096], live[4096];
	const struct timespec pause = {0, 50000000};

	snprintf(next, sizeof next, "%s.next", how.policies[0]);
	snprintf(live, sizeof live, "%s.live", how.policies[0]);
	for (unsigned i = 1; !__atomic_load_n(&over, __ATOMIC_RELAXED); i++) {
		copy_file(how.policies[i % 2], next);
		if (rename(next, live))
			die(live);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* ---- start ---- */

static pthread_t begin(void *(*run)(void *), size_t number)
{
	pthread_t t;

	if ((errno = pthread_create(&t, NULL, run, (void *)(uintptr_t)number)))
		die("thread");
	return t;
}

static int run_all(void)
{
	pthread_t threads[THREADS_MAX], forker = 0, changer = 0;
	int wrong = 0;

	if (how.forks)
		forker = begin(fork_often, 0);
	if (how.policies[0])
		changer = begin(change_policy, 0);
	for (unsigned i = 0; i < how.threads; i++)
		threads[i] = begin(make_calls, i);
	for (unsigned i = 0; i < how.threads; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	if (how.forks)
		pthread_join(forker, NULL);
	if (how.policies[0])
		pthread_join(changer, NULL);
	for (size_t k = 0; k < kind_count; k++) {
		printf("%s as expected %u, not %u\n", kinds[k].kind->name, kinds[k].fine,
		       kinds[k].wrong);
		wrong |= kinds[k].wrong != 0;
	}
	return wrong;
}

static void start_libraries(void)
{
	tls = SSL_CTX_new(TLS_client_method());
	if (!tls || SSL_CTX_load_verify_locations(tls, how.ca, NULL) != 1)
		die(how.ca);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	if (gnutls_certificate_allocate_credentials(&trust) ||
	    gnutls_certificate_set_x509_trust_file(trust, how.ca, GNUTLS_X509_FMT_PEM) < 1)
		die("gnutls");
}

static bool add_kind(const char *name)
{
	for (size_t i = 0; i < sizeof all_kinds / sizeof *all_kinds; i++)
		if (!strcmp(all_kinds[i].name, name) && kind_count < KINDS_MAX) {
			kinds[kind_count++].kind = &all_kinds[i];
			return true;
		}
	return false;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"ca", 1, NULL, 'c'},         {"port", 1, NULL, 'p'},
		{"plain-port", 1, NULL, 'P'}, {"threads", 1, NULL, 't'},
		{"rounds", 1, NULL, 'r'},     {"forks", 1, NULL, 'f'},
		{"policies", 1, NULL, 'o'},   {0}};
	int option, wrong;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			how.ca = optarg;
		else if (option == 'p')
			how.port = atoi(optarg);
		else if (option == 'P')
			how.plain_port = atoi(optarg);
		else if (option == 't')
			how.threads = (unsigned)atoi(optarg);
		else if (option == 'r')
			how.rounds = (unsigned)atoi(optarg);
		else if (option == 'f')
			how.forks = (unsigned)atoi(optarg);
		else if (option == 'o' && optind < argc) {
			how.policies[0] = optarg;
			how.policies[1] = argv[optind++];
		} else
			return 2;
	}
	for (; optind < argc; optind++)
		if (!add_kind(argv[optind]))
			return 2;
	if (!how.ca || !how.port || !kind_count || !how.threads || how.threads > THREADS_MAX) {
		fprintf(stderr,
			"usage: thread_client --ca FILE --port N KIND..., see its source\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	alarm(ALL_SECONDS);
	start_libraries();
	wrong = run_all();
	gnutls_certificate_free_credentials(trust);
	SSL_CTX_free(tls);
	return wrong;
}
