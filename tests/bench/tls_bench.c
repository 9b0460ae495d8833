/* SPDX-License-Identifier: MIT
 *
 * Measures one TLS connection from a program's point of view; knows nothing of aigw. `run` starts
 * it with and without the shim against `provider --bench`.
 *
 * usage: tls_bench PORT NAME download BYTES
 *            GET /bytes/BYTES in SSL_read calls of 16 KB; prints {"mb_per_s": …, "cpu_ms": …}
 *
 * usage: tls_bench PORT NAME upload BYTES
 *            POST of BYTES in SSL_write calls of 16 KB; prints the same
 *
 * usage: tls_bench PORT NAME small COUNT
 *            COUNT pieces of 64 bytes, each its own SSL_write; prints {"cpu_ns_per_write": …}
 *
 * usage: tls_bench PORT NAME events COUNT ROUNDS
 *            ROUNDS streams of COUNT small events, a round more before the clock runs. What is
 *            timed is each SSL_read of one event that has arrived already, so neither network nor
 *            waking; prints {"p50_us": …, "p90_us": …, "p99_us": …, "mean_us": …}
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIECE_BYTES      16384
#define AWAIT_NS         1000000
#define RECORD_OVERHEAD  22 /* TLS 1.3: header, content type, tag */
#define ANSWER_BYTES_MAX (1u << 20)

static SSL *ssl;
static char answer[ANSWER_BYTES_MAX + 1];

static void die(const char *what)
{
	perror(what);
	ERR_print_errors_fp(stderr);
	exit(3);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void start(int port, const char *name)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	if (!c || fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	SSL_CTX_set_default_verify_paths(c); /* SSL_CERT_FILE */
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	ssl = SSL_new(c);
	if (!ssl || SSL_set_tlsext_host_name(ssl, name) != 1 || SSL_set1_host(ssl, name) != 1 ||
	    SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
		die("handshake");
}

static void write_all(const char *at, size_t len)
{
	while (len > 0) {
		int n = SSL_write(ssl, at, len > PIECE_BYTES * 64 ? PIECE_BYTES * 64 : (int)len);
		if (n <= 0)
			die("write");
		at += n;
		len -= (size_t)n;
	}
}

/* Reads an answer with a Content-Length; anything but 200 is the end. */
static void read_answer(void)
{
	size_t len = 0, want = 0;

	while (want == 0 || len < want) {
		int n = SSL_read(ssl, answer + len, (int)(ANSWER_BYTES_MAX - len));
		if (n <= 0)
			die("read");
		len += (size_t)n;
		answer[len] = '\0';
		if (want == 0) {
			const char *end = strstr(answer, "\r\n\r\n");
			const char *length = strcasestr(answer, "\r\ncontent-length:");
			if (end && length && length < end)
				want = (size_t)(end - answer) + 4 + strtoul(length + 17, NULL, 10);
		}
	}
	if (strncmp(answer, "HTTP/1.1 200", 12)) {
		fprintf(stderr, "tls_bench: %s\n", answer);
		exit(1);
	}
}

/* Waits until so much of what the peer has sent is there, or for so long that it may wait for us to
 * read (a closed window): few reads then wait, and the median does not change. */
static void await_bytes(int need)
{
	uint64_t until = now_ns() + AWAIT_NS;
	int there = 0;

	while (there < need && now_ns() < until)
		if (ioctl(SSL_get_fd(ssl), FIONREAD, &there))
			die("FIONREAD");
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_percentiles(uint64_t *ns, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += ns[i];
	qsort(ns, count, sizeof *ns, compare);
	printf("{\"p50_us\": %.3f, \"p90_us\": %.3f, \"p99_us\": %.3f, \"mean_us\": %.3f}\n",
	       (double)ns[count / 2] / 1e3, (double)ns[count * 9 / 10] / 1e3,
	       (double)ns[count * 99 / 100] / 1e3, (double)sum / (double)count / 1e3);
}

static void read_piece(void)
{
	int n = SSL_read(ssl, answer, ANSWER_BYTES_MAX);

	if (n <= 0)
		die("read");
	answer[n] = '\0';
}

/* One stream. The records are the head, the events, all of one size, and the end; tickets come with
 * the first of them. */
static void read_stream(const char *request, size_t len, size_t count, uint64_t *ret_ns)
{
	int wire = 1;

	write_all(request, len);
	read_piece();
	if (strncmp(answer, "HTTP/1.1 200", 12))
		die(answer);
	for (size_t i = 0; i < count; i++) {
		await_bytes(wire);
		uint64_t from = now_ns();
		size_t n = (size_t)SSL_read(ssl, answer, ANSWER_BYTES_MAX);
		ret_ns[i] = now_ns() - from;
		if (n > ANSWER_BYTES_MAX || !memchr(answer, '{', n))
			die("event");
		wire = (int)n + RECORD_OVERHEAD;
	}
	while (!strstr(answer, "\r\n0\r\n\r\n"))
		read_piece();
}

static void measure_events(const char *name, size_t count, size_t rounds)
{
	uint64_t *ns = calloc(count * (rounds + 1), sizeof *ns);
	char request[1024];
	static const char body[] = "{\"model\":\"gpt-5\",\"stream\":true,\"messages\":[]}";
	int len = snprintf(request, sizeof request,
			   "POST /v1/chat/completions?events=%zu HTTP/1.1\r\nHost: %s\r\n"
			   "Authorization: Bearer sk-bench-000000000000000000000000\r\n"
			   "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			   count, name, sizeof body - 1, body);

	if (!ns)
		die("memory");
	for (size_t i = 0; i <= rounds; i++)
		read_stream(request, (size_t)len, count, ns + i * count);
	print_percentiles(ns + count, count * rounds);
	free(ns);
}

static void print_rate(size_t bytes, uint64_t ns, double cpu)
{
	printf("{\"mb_per_s\": %.1f, \"cpu_ms\": %.2f}\n", (double)bytes / 1e6 / ((double)ns / 1e9),
	       cpu);
}

static void measure_download(const char *name, size_t bytes)
{
	static char piece[PIECE_BYTES];
	char request[512];
	size_t got = 0;

	/* The head is not worth telling apart from that many bytes. */
	int len = snprintf(request, sizeof request, "GET /bytes/%zu HTTP/1.1\r\nHost: %s\r\n\r\n",
			   bytes, name);
	uint64_t from = now_ns();
	double cpu = cpu_ms();
	write_all(request, (size_t)len);
	while (got < bytes) {
		int n = SSL_read(ssl, piece, sizeof piece);
		if (n <= 0)
			die("read");
		got += (size_t)n;
	}
	print_rate(bytes, now_ns() - from, cpu_ms() - cpu);
}

static void send_head(const char *name, size_t bytes)
{
	char head[512];
	int len = snprintf(head, sizeof head,
			   "POST /plain HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n\r\n", name,
			   bytes);

	write_all(head, (size_t)len);
}

static void measure_upload(const char *name, size_t bytes)
{
	static char piece[PIECE_BYTES];
	uint64_t from = now_ns();
	double cpu = cpu_ms();

	send_head(name, bytes);
	for (size_t left = bytes; left > 0;) {
		size_t n = left < sizeof piece ? left : sizeof piece;
		write_all(piece, n);
		left -= n;
	}
	read_answer();
	print_rate(bytes, now_ns() - from, cpu_ms() - cpu);
}

static void measure_small(const char *name, size_t count)
{
	static const char piece[64];

	send_head(name, count * sizeof piece);
	double cpu = cpu_ms();
	for (size_t i = 0; i < count; i++)
		write_all(piece, sizeof piece);
	read_answer();
	printf("{\"cpu_ns_per_write\": %.1f}\n", (cpu_ms() - cpu) * 1e6 / (double)count);
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: see the head of tls_bench.c\n");
		return 2;
	}
	const char *name = argv[2], *what = argv[3];
	size_t number = strtoul(argv[4], NULL, 10);

	start(atoi(argv[1]), name);
	if (!strcmp(what, "events") && argc > 5)
		measure_events(name, number, strtoul(argv[5], NULL, 10));
	else if (!strcmp(what, "download"))
		measure_download(name, number);
	else if (!strcmp(what, "upload"))
		measure_upload(name, number);
	else if (!strcmp(what, "small"))
		measure_small(name, number);
	else
		return 2;
	SSL_shutdown(ssl);
	SSL_free(ssl);
	return 0;
}
