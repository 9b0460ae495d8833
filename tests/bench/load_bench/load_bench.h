/* SPDX-License-Identifier: MIT
 *
 * load_bench: load_bench.c is the program, its threads and what it sends; load_bench/line.c a
 * connection and the answers that come over it; load_bench/told.c what was measured, and what is
 * printed of it.
 */
#ifndef AIGW_BENCH_LOAD_H
#define AIGW_BENCH_LOAD_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IN_BYTES         65536
#define MORE_HEADERS_MAX 2048

extern struct options {
	int port;
	const char *name, *path;
	bool plain; /* HTTP without TLS: to a gateway */
	bool anew;  /* a new connection for each request */
	size_t connections, threads, body_bytes, warm, count;
	double seconds;
	const char *stamped; /* COUNT,FIRST_US,PACE_US: what is asked for is a stream */
	char headers[MORE_HEADERS_MAX];
} o;

/* Measured values, in ns: they grow as they come. */
struct samples {
	uint64_t *ns;
	size_t count, cap;
};

/* One connection. */
struct line {
	int fd;
	SSL *ssl; /* NULL: plain */
};

/* One thread. */
struct worker {
	pthread_t thread;
	struct line *lines; /* used in turn */
	size_t line_count;
	struct samples whole, first, lag;
	size_t requests_all;
	char in[IN_BYTES]; /* of the answer; in_at to in_len are not looked at yet */
	size_t in_at, in_len;
};

/* ---- line.c. What goes wrong ends the process: then there are no figures. ---- */

void line_open(struct line *l, SSL_CTX *tls); /* NULL: plain */
void line_close(struct line *l);
void line_send(struct line *l, const char *at, size_t len);

/* The whole answer to what was begun to be sent at `sent_ns`; of a stream, w->first and w->lag. */
void line_read_answer(struct worker *w, struct line *l, uint64_t sent_ns);

/* ---- told.c ---- */

__attribute__((noreturn)) void die(const char *what);
uint64_t now_ns(void);
double cpu_s(void); /* of this process so far */
void samples_put(struct samples *s, uint64_t ns);
long status_kb(const char *key); /* a value of /proc/self/status */
void print_all(struct worker *workers, double seconds, double cpu, long idle_kb, long peak_kb);

#endif
