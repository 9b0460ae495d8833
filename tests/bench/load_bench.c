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
#include "load_bench/load_bench.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 4096
#define BODY_BYTES_MAX  (64u << 20)
#define NO_COUNT        LONG_MAX

struct options o = {.name = "api.openai.com",
		    .path = "/v1/chat/completions",
		    .connections = 1,
		    .body_bytes = 1024};

static SSL_CTX *tls;
static char *request; /* the same for all */
static size_t request_len;
static atomic_long left; /* requests that may still begin */
static uint64_t deadline_ns;
static pthread_barrier_t warmed, begun, ended, closing;

/* ---- the work ---- */

static void one(struct worker *w, struct line *l)
{
	uint64_t from = now_ns();

	if (o.anew)
		line_open(l, tls);
	line_send(l, request, request_len);
	line_read_answer(w, l, from);
	if (o.anew)
		line_close(l);
	samples_put(&w->whole, now_ns() - from);
	w->requests_all++;
}

/* When the time is over that began then. */
static uint64_t until_ns(uint64_t from)
{
	return o.seconds > 0 ? from + (uint64_t)(o.seconds * 1e9) : UINT64_MAX;
}

static void *work(void *argument)
{
	struct worker *w = argument;

	for (size_t i = 0; i < w->line_count && !o.anew; i++)
		line_open(&w->lines[i], tls);
	uint64_t warm_until = until_ns(now_ns());
	for (size_t i = 0; i < o.warm * w->line_count && now_ns() < warm_until; i++)
		one(w, &w->lines[i % w->line_count]);
	w->whole.count = w->first.count = w->lag.count = 0;
	pthread_barrier_wait(&warmed);
	pthread_barrier_wait(&begun);
	for (size_t i = 0; atomic_fetch_sub(&left, 1) > 0 && (i == 0 || now_ns() < deadline_ns);
	     i++)
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
	"  --count N, --seconds S   how many requests, for how long: what is reached first; S is "
	"also\n"
	"                     the most that the warm-up takes\n"
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
	if (!o.plain)
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
	deadline_ns = until_ns(from);
	atomic_store(&left, o.count > 0 ? (long)o.count : NO_COUNT);
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
