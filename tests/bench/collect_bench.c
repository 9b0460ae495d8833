/* SPDX-License-Identifier: MIT
 *
 * collect_bench SOCKET [SECONDS [BYTES]]: how many records a second a running collector keeps from
 * 1, 16 and 64 clients at once, each of which waits for its answer before the next, and how long
 * the slowest hundredth waited. Not part of the tests:
 *
 *     build/aigwd --foreground --socket /tmp/c.sock --directory /var/tmp/log --policy FILE &
 *     build/tests/collect_bench /tmp/c.sock 3 4096
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "aigw/collect.h"

#define PART        65536u
#define SAMPLES_MAX 200000u
#define CLIENTS_MAX 64

struct worker {
	pthread_t thread;
	unsigned count;
	uint64_t *us;
};

static const char *path;
static unsigned char *record;
static size_t bytes = 4096;
static uint64_t end_ns;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void one(int fd, unsigned number)
{
	struct collect_head head = {
		.version = COLLECT_VERSION,
		.type = COLLECT_PART,
		.number = number,
		.kind = 2,
		.total_bytes = (uint32_t)bytes,
	};

	memcpy(head.magic, COLLECT_MAGIC, sizeof head.magic);
	for (size_t at = 0; at < bytes; at += head.body_bytes) {
		size_t n = bytes - at < PART ? bytes - at : PART;
		struct iovec pieces[2] = {{&head, sizeof head}, {record + at, n}};
		struct msghdr h = {.msg_iov = pieces, .msg_iovlen = 2};
		head.offset = (uint32_t)at;
		head.body_bytes = (uint32_t)n;
		if (sendmsg(fd, &h, MSG_NOSIGNAL) < 0)
			exit(3);
	}
	if (recv(fd, &head, sizeof head, 0) != (ssize_t)sizeof head || head.kind) {
		fprintf(stderr, "collect_bench: not kept: %u\n", head.kind);
		exit(1);
	}
}

static void *work(void *context)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct worker *w = context;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) {
		perror(path);
		exit(3);
	}
	for (uint64_t began = now_ns(); began < end_ns && w->count < SAMPLES_MAX;) {
		one(fd, w->count);
		uint64_t now = now_ns();
		w->us[w->count++] = (now - began) / 1000;
		began = now;
	}
	close(fd);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void run(unsigned clients, unsigned seconds)
{
	static struct worker workers[CLIENTS_MAX];
	uint64_t began = now_ns(), total = 0, *all;

	end_ns = began + seconds * UINT64_C(1000000000);
	for (unsigned i = 0; i < clients; i++) {
		workers[i].count = 0;
		workers[i].us = malloc(SAMPLES_MAX * sizeof(uint64_t));
		if (!workers[i].us ||
		    pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			exit(3);
	}
	for (unsigned i = 0; i < clients; i++) {
		pthread_join(workers[i].thread, NULL);
		total += workers[i].count;
	}
	double took = (double)(now_ns() - began) / 1e9;
	all = malloc((total ? total : 1) * sizeof *all);
	if (!all)
		exit(3);
	uint64_t at = 0;
	for (unsigned i = 0; i < clients; i++) {
		memcpy(all + at, workers[i].us, workers[i].count * sizeof *all);
		at += workers[i].count;
		free(workers[i].us);
	}
	qsort(all, total, sizeof *all, compare);
	if (total)
		printf("%2u clients, %zu bytes: %8.0f records/s, median %llu us, p99 %llu us\n",
		       clients, bytes, (double)total / took, (unsigned long long)all[total / 2],
		       (unsigned long long)all[total * 99 / 100]);
	free(all);
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 2 ? (unsigned)atoi(argv[2]) : 3;
	uint32_t field;

	if (argc < 2) {
		fputs("usage: collect_bench SOCKET [SECONDS [BYTES]]\n", stderr);
		return 2;
	}
	path = argv[1];
	if (argc > 3 && atoi(argv[3]) >= 8)
		bytes = (size_t)atoi(argv[3]);
	record = calloc(1, bytes);
	if (!record)
		return 3;
	field = 85; /* one field: the body of a request */
	memcpy(record, &field, 4);
	field = (uint32_t)bytes - 8;
	memcpy(record + 4, &field, 4);
	run(1, seconds);
	run(16, seconds);
	run(64, seconds);
	return 0;
}
