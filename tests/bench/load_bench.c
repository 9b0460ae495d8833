/* SPDX-License-Identifier: MIT
 *
 * The load that `make bench` puts on a provider, or on a gateway in front of it. A program as many
 * are: OpenSSL, a blocking socket and a thread for each connection, the next request when the last
 * answer is there. Knows nothing of aigw.
 *
 * usage: load_bench --port N [options]       (load_bench --help lists them)
 *
 * Prints one JSON object. Times in microseconds, of what was measured after the warm-up; cpu_s is
 * the processor time of this process for that, idle_kb what is resident at the end, while all
 * connections are still open; requests_all counts the warm-up too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX  4096
#define BODY_BYTES_MAX   (64u << 20)
#define SAMPLES_MAX      (1u << 26)
#define IN_BYTES         65536
#define HEAD_BYTES_MAX   16384
#define EVENT_BYTES_MAX  4096
#define MORE_HEADERS_MAX 2048

static struct {
	int port;
	const char *name, *path;
	bool plain; /* HTTP without TLS: to a gateway */
	bool anew;  /* a new connection for each request */
	size_t connections, threads, body_bytes, warm, count;
	double seconds;
	const char *stamped; /* COUNT,FIRST_US,PACE_US: what is asked for is a stream */
	char headers[MORE_HEADERS_MAX];
} o = {.name = "api.openai.com",
       .path = "/v1/chat/completions",
       .connections = 1,
       .body_bytes = 1024};

static SSL_CTX *tls;
static char *request; /* the same for all */
static size_t request_len;
static atomic_long left; /* requests that may still begin */
static uint64_t deadline_ns;
static pthread_barrier_t warmed, begun, ended, closing;

/* ---- measured values: they grow as they come ---- */

struct samples {
	uint64_t *ns;
	size_t count, cap;
};

/* One connection. */
struct line {
	int fd;
	SSL *ssl; /* NULL: plain */
};

struct worker {
	pthread_t thread;
	struct line *lines; /* used in turn */
	size_t line_count;
	struct samples whole, first, lag;
	size_t requests_all;
	char in[IN_BYTES];
	size_t in_at, in_len;
};

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "load_bench: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(3);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void samples_put(struct samples *s, uint64_t ns)
{
	if (s->count == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 4096;
		if (s->cap > SAMPLES_MAX)
			die("too many samples");
		s->ns = realloc(s->ns, s->cap * sizeof *s->ns);
		if (!s->ns)
			die("memory");
	}
	s->ns[s->count++] = ns;
}

/* ---- connections ---- */

static void line_open(struct line *l)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)o.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int yes = 1;

	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&to, sizeof to))
		die("connect");
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	if (o.plain)
		return;
	l->ssl = SSL_new(tls);
	if (!l->ssl || SSL_set_tlsext_host_name(l->ssl, o.name) != 1 ||
	    SSL_set1_host(l->ssl, o.name) != 1 || SSL_set_fd(l->ssl, l->fd) != 1 ||
	    SSL_connect(l->ssl) != 1)
		die("handshake");
}

static void line_close(struct line *l)
{
	if (l->ssl) {
		SSL_shutdown(l->ssl);
		SSL_free(l->ssl);
		l->ssl = NULL;
	}
	close(l->fd);
}

static void send_request(struct line *l)
{
	for (size_t at = 0; at < request_len;) {
		size_t len = request_len - at;
		ssize_t n = l->ssl ? SSL_write(l->ssl, request + at, (int)len)
				   : send(l->fd, request + at, len, MSG_NOSIGNAL);
		if (n <= 0)
			die("send");
		at += (size_t)n;
	}
}

/* The bytes behind in_at that are there; at least one, and more than there were. */
static void fill(struct worker *w, struct line *l)
{
	if (w->in_at > 0) {
		memmove(w->in, w->in + w->in_at, w->in_len - w->in_at);
		w->in_len -= w->in_at;
		w->in_at = 0;
	}
	if (w->in_len == IN_BYTES)
		die("an answer that is no answer");
	ssize_t n = l->ssl ? SSL_read(l->ssl, w->in + w->in_len, (int)(IN_BYTES - w->in_len))
			   : recv(l->fd, w->in + w->in_len, IN_BYTES - w->in_len, 0);
	if (n <= 0)
		die("the answer ended early");
	w->in_len += (size_t)n;
}

/* ---- answers ---- */

/* A line of the answer without its end; NULL: not there yet. */
static char *next_text_line(struct worker *w)
{
	char *from = w->in + w->in_at;
	char *end = memchr(from, '\n', w->in_len - w->in_at);

	if (!end)
		return NULL;
	w->in_at = (size_t)(end + 1 - w->in);
	*end = '\0';
	if (end > from && end[-1] == '\r')
		end[-1] = '\0';
	return from;
}

static char *text_line(struct worker *w, struct line *l)
{
	char *at;

	while (!(at = next_text_line(w)))
		fill(w, l);
	return at;
}

/* SIZE_MAX: chunked. */
static size_t read_head(struct worker *w, struct line *l)
{
	size_t length = 0;
	bool chunked = false;
	char *at = text_line(w, l);

	if (strncmp(at, "HTTP/1.1 200", 12)) {
		fprintf(stderr, "load_bench: %s\n%.*s\n", at, (int)(w->in_len - w->in_at),
			w->in + w->in_at);
		exit(1);
	}
	while (*(at = text_line(w, l))) {
		if (!strncasecmp(at, "content-length:", 15))
			length = strtoul(at + 15, NULL, 10);
		else if (!strncasecmp(at, "transfer-encoding:", 18))
			chunked = strcasestr(at + 18, "chunked") != NULL;
	}
	return chunked ? SIZE_MAX : length;
}

/* An event whose last byte came just now: its word is when it was sent. */
static void take_event(struct worker *w, char *event, uint64_t sent_ns, uint64_t now, bool *first)
{
	static const char mark[] = "\"content\":\"";
	char *word = strstr(event, mark);

	if (!word)
		return; /* [DONE], or what a gateway adds */
	uint64_t stamp = strtoull(word + sizeof mark - 1, NULL, 10);
	if (stamp <= sent_ns || stamp > now)
		die("a stamp that cannot be");
	samples_put(&w->lag, now - stamp);
	if (*first)
		samples_put(&w->first, now - sent_ns);
	*first = false;
}

/* Events end with an empty line; what is left at the end of `piece` begins the next one. */
struct events {
	char at[EVENT_BYTES_MAX];
	size_t len;
	bool first;
	uint64_t sent_ns;
};

static void take_piece(struct worker *w, struct events *e, const char *piece, size_t len)
{
	uint64_t now = now_ns();

	for (size_t i = 0; i < len; i++) {
		if (e->len + 1 == EVENT_BYTES_MAX)
			die("an event that is too long");
		e->at[e->len++] = piece[i];
		if (piece[i] != '\n' || e->len < 2 || e->at[e->len - 2] != '\n')
			continue;
		e->at[e->len] = '\0';
		take_event(w, e->at, e->sent_ns, now, &e->first);
		e->len = 0;
	}
}

/* `len` bytes of a body, as they come. */
static void read_body(struct worker *w, struct line *l, size_t len, struct events *e)
{
	while (len > 0) {
		if (w->in_at == w->in_len)
			fill(w, l);
		size_t n = w->in_len - w->in_at < len ? w->in_len - w->in_at : len;
		if (e)
			take_piece(w, e, w->in + w->in_at, n);
		w->in_at += n;
		len -= n;
	}
}

static void read_chunks(struct worker *w, struct line *l, struct events *e)
{
	size_t len;

	do {
		len = strtoul(text_line(w, l), NULL, 16);
		read_body(w, l, len, e);
		text_line(w, l);
	} while (len > 0);
}

static void read_answer(struct worker *w, struct line *l, uint64_t sent_ns)
{
	struct events stream, *e = NULL;
	size_t lags = w->lag.count;

	if (o.stamped) {
		stream.len = 0;
		stream.first = true;
		stream.sent_ns = sent_ns;
		e = &stream;
	}
	size_t len = read_head(w, l);
	if (len == SIZE_MAX)
		read_chunks(w, l, e);
	else
		read_body(w, l, len, e);
	if (o.stamped && w->lag.count - lags != strtoul(o.stamped, NULL, 10))
		die("not every event arrived");
}

/* ---- the work ---- */

static void one(struct worker *w, struct line *l)
{
	uint64_t from = now_ns();

	if (o.anew)
		line_open(l);
	send_request(l);
	read_answer(w, l, from);
	if (o.anew)
		line_close(l);
	samples_put(&w->whole, now_ns() - from);
	w->requests_all++;
}

static void *work(void *argument)
{
	struct worker *w = argument;

	for (size_t i = 0; i < w->line_count && !o.anew; i++)
		line_open(&w->lines[i]);
	for (size_t i = 0; i < o.warm * w->line_count; i++)
		one(w, &w->lines[i % w->line_count]);
	w->whole.count = w->first.count = w->lag.count = 0;
	pthread_barrier_wait(&warmed);
	pthread_barrier_wait(&begun);
	for (size_t i = 0; atomic_fetch_sub(&left, 1) > 0 && now_ns() < deadline_ns; i++)
		one(w, &w->lines[i % w->line_count]);
	pthread_barrier_wait(&ended);
	pthread_barrier_wait(&closing);
	for (size_t i = 0; i < w->line_count && !o.anew; i++)
		line_close(&w->lines[i]);
	return NULL;
}

static struct worker *start_workers(void)
{
	struct worker *workers = calloc(o.threads, sizeof *workers);
	struct line *lines = calloc(o.connections, sizeof *lines);

	if (!workers || !lines)
		die("memory");
	for (size_t i = 0; i < o.threads; i++) {
		size_t from = o.connections * i / o.threads,
		       to = o.connections * (i + 1) / o.threads;
		workers[i].lines = lines + from;
		workers[i].line_count = to - from;
		errno = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
		if (errno)
			die("thread");
	}
	return workers;
}

/* A chat of so many bytes. */
static void make_request(void)
{
	static const char tail[] = "\"}]}";
	char opening[512];
	size_t head_max = 1024 + MORE_HEADERS_MAX;
	int opening_len = snprintf(
		opening, sizeof opening,
		"{\"model\":\"gpt-5%s%s\",%s\"messages\":[{\"role\":\"user\",\"content\":\"",
		o.stamped ? "--stamped=" : "", o.stamped ? o.stamped : "",
		o.stamped ? "\"stream\":true," : "");

	if (o.body_bytes < (size_t)opening_len + sizeof tail)
		die("--body is too small");
	request = malloc(head_max + o.body_bytes);
	if (!request)
		die("memory");
	int head = snprintf(request, head_max,
			    "POST %s HTTP/1.1\r\nHost: %s\r\n"
			    "Authorization: Bearer sk-bench-000000000000000000000000\r\n"
			    "Content-Type: application/json\r\nAccept: */*\r\n"
			    "User-Agent: bench\r\n%sContent-Length: %zu\r\n\r\n",
			    o.path, o.name, o.headers, o.body_bytes);
	if (head < 0 || (size_t)head >= head_max)
		die("--header");
	memset(request + head, 'x', o.body_bytes);
	memcpy(request + head, opening, (size_t)opening_len);
	memcpy(request + head + o.body_bytes - (sizeof tail - 1), tail, sizeof tail - 1);
	request_len = (size_t)head + o.body_bytes;
}

/* ---- what is printed ---- */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double at_us(const struct samples *s, size_t per_mille)
{
	return (double)s->ns[s->count * per_mille / 1000] / 1e3;
}

/* What all workers measured of one thing. */
static size_t print_samples(struct worker *workers, size_t offset, const char *prefix)
{
	struct samples all = {0};

	for (size_t i = 0; i < o.threads; i++) {
		const struct samples *s = (const void *)((const char *)&workers[i] + offset);
		for (size_t k = 0; k < s->count; k++)
			samples_put(&all, s->ns[k]);
	}
	if (all.count == 0)
		return 0;
	qsort(all.ns, all.count, sizeof *all.ns, compare);
	printf("\"%sp50_us\": %.2f, \"%sp90_us\": %.2f, \"%sp99_us\": %.2f, \"%sp999_us\": %.2f, "
	       "\"%smax_us\": %.2f, ",
	       prefix, at_us(&all, 500), prefix, at_us(&all, 900), prefix, at_us(&all, 990), prefix,
	       at_us(&all, 999), prefix, (double)all.ns[all.count - 1] / 1e3);
	free(all.ns);
	return all.count;
}

/* A value of /proc/self/status, in kB. */
static long status_kb(const char *key)
{
	char text[256];
	FILE *file = fopen("/proc/self/status", "r");
	long found = -1;

	if (!file)
		die("/proc/self/status");
	while (fgets(text, sizeof text, file))
		if (!strncmp(text, key, strlen(key)))
			found = strtol(text + strlen(key) + 1, NULL, 10);
	fclose(file);
	return found;
}

static void print_all(struct worker *workers, double seconds, double cpu, long idle_kb,
		      long peak_kb)
{
	size_t all = 0;

	for (size_t i = 0; i < o.threads; i++)
		all += workers[i].requests_all;
	printf("{");
	size_t count = print_samples(workers, offsetof(struct worker, whole), "");
	print_samples(workers, offsetof(struct worker, first), "first_");
	size_t events = print_samples(workers, offsetof(struct worker, lag), "lag_");
	printf("\"requests\": %zu, \"requests_all\": %zu, \"events\": %zu, \"seconds\": %.4f, "
	       "\"per_second\": %.1f, \"cpu_s\": %.4f, \"idle_kb\": %ld, \"peak_kb\": %ld}\n",
	       count, all, events, seconds, (double)count / seconds, cpu, idle_kb, peak_kb);
}

/* ---- start ---- */

static const char help[] =
	"usage: load_bench --port N [options]\n"
	"  --name NAME        server name, and Host (api.openai.com)\n"
	"  --path PATH        (/v1/chat/completions)\n"
	"  --header LINE      one more header line\n"
	"  --plain            HTTP without TLS\n"
	"  --connections N    kept ones (1); --threads N: that many use them in turn (one each)\n"
	"  --anew             a new connection for each request instead\n"
	"  --body BYTES       of each request (1024)\n"
	"  --warm N           requests of each connection before the clock runs (0)\n"
	"  --count N, --seconds S   how many requests, for how long: what is reached first\n"
	"  --stamped COUNT,FIRST_US,PACE_US   streams, of such events (see provider --help)\n"
	"SSL_CERT_FILE says whom to trust.\n";

static void add_header(const char *line)
{
	size_t len = strlen(o.headers);
	int n = snprintf(o.headers + len, sizeof o.headers - len, "%s\r\n", line);

	if (n < 0 || (size_t)n >= sizeof o.headers - len)
		die("--header");
}

static void read_option(int option)
{
	switch (option) {
	case 'p':
		o.port = atoi(optarg);
		break;
	case 'n':
		o.name = optarg;
		break;
	case 'a':
		o.path = optarg;
		break;
	case 'h':
		add_header(optarg);
		break;
	case 'P':
		o.plain = true;
		break;
	case 'c':
		o.connections = strtoul(optarg, NULL, 10);
		break;
	case 't':
		o.threads = strtoul(optarg, NULL, 10);
		break;
	case 'A':
		o.anew = true;
		break;
	case 'b':
		o.body_bytes = strtoul(optarg, NULL, 10);
		break;
	case 'w':
		o.warm = strtoul(optarg, NULL, 10);
		break;
	case 'N':
		o.count = strtoul(optarg, NULL, 10);
		break;
	case 's':
		o.seconds = strtod(optarg, NULL);
		break;
	case 'S':
		o.stamped = optarg;
		break;
	case 'H':
		fputs(help, stdout);
		exit(0);
	default:
		fputs(help, stderr);
		exit(2);
	}
}

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", 1, NULL, 'p'},    {"name", 1, NULL, 'n'},  {"path", 1, NULL, 'a'},
		{"header", 1, NULL, 'h'},  {"plain", 0, NULL, 'P'}, {"connections", 1, NULL, 'c'},
		{"threads", 1, NULL, 't'}, {"anew", 0, NULL, 'A'},  {"body", 1, NULL, 'b'},
		{"warm", 1, NULL, 'w'},    {"count", 1, NULL, 'N'}, {"seconds", 1, NULL, 's'},
		{"stamped", 1, NULL, 'S'}, {"help", 0, NULL, 'H'},  {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		read_option(option);
	if (o.threads == 0)
		o.threads = o.connections;
	if (optind != argc || o.port <= 0 || o.connections == 0 ||
	    o.connections > CONNECTIONS_MAX || o.threads > o.connections ||
	    o.body_bytes > BODY_BYTES_MAX || (o.count == 0 && o.seconds <= 0)) {
		fputs(help, stderr);
		exit(2);
	}
}

static void start_tls(void)
{
	tls = SSL_CTX_new(TLS_client_method());
	if (!tls || SSL_CTX_set_default_verify_paths(tls) != 1) /* SSL_CERT_FILE */
		die("SSL_CTX_new");
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	start_tls();
	make_request();
	unsigned all = (unsigned)o.threads + 1;
	pthread_barrier_init(&warmed, NULL, all);
	pthread_barrier_init(&begun, NULL, all);
	pthread_barrier_init(&ended, NULL, all);
	pthread_barrier_init(&closing, NULL, all);
	struct worker *workers = start_workers();
	pthread_barrier_wait(&warmed);
	double cpu = cpu_s();
	uint64_t from = now_ns();
	deadline_ns = o.seconds > 0 ? from + (uint64_t)(o.seconds * 1e9) : UINT64_MAX;
	atomic_store(&left, o.count > 0 ? (long)o.count : (long)SAMPLES_MAX);
	pthread_barrier_wait(&begun);
	pthread_barrier_wait(&ended);
	double seconds = (double)(now_ns() - from) / 1e9;
	cpu = cpu_s() - cpu;
	long idle_kb = status_kb("VmRSS:"), peak_kb = status_kb("VmHWM:");
	pthread_barrier_wait(&closing);
	for (size_t i = 0; i < o.threads; i++)
		pthread_join(workers[i].thread, NULL);
	print_all(workers, seconds, cpu, idle_kb, peak_kb);
	return 0;
}
