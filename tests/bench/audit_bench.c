/* SPDX-License-Identifier: MIT
 *
 * audit_bench [RECORDS]: what one record of the audit log costs, beside the raw cipher and a write
 * of the same bytes, in turn in one run; in microseconds, medians over rounds.
 *
 *     size  append  cipher+write  ratio  settle
 *
 * append: segment_append, the time before the request may leave. settle: segment_settle, the digest
 * that is computed when the program waits anyway. cipher+write: XChaCha20-Poly1305 and write() to a
 * file opened before. With "synced" as second argument each append waits for the disk.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit_kit.h"

#define ROUNDS 9

/* By libc's vDSO: no system call of the measuring stands in what is measured. */
static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *at)
{
	qsort(at, ROUNDS, sizeof *at, by_value);
	return at[ROUNDS / 2];
}

static double raw_us(const char *path, struct bytes plain, unsigned records)
{
	static uint8_t out[(1 << 20) + 200];
	uint8_t key[SEAL_KEY_BYTES] = {1}, nonce[SEAL_NONCE_BYTES] = {0};
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	uint64_t start_ns = clock_ns();

	for (unsigned i = 0; i < records; i++) {
		memcpy(nonce, &i, sizeof i);
		seal_encrypt(seal_best_cipher(), key, nonce, bytes_of(out, 88), plain, out + 88,
			     out + 88 + plain.len);
		if (write(fd, out, 104 + plain.len) != (ssize_t)(104 + plain.len))
			kit_bail("write");
	}
	uint64_t took_ns = clock_ns() - start_ns;
	close(fd);
	unlink(path);
	return (double)took_ns / 1000 / records;
}

/* *ret_settle_us: per record, too. */
static double append_us(struct kit_log *k, struct bytes plain, unsigned records,
			double *ret_settle_us)
{
	uint64_t append_ns = 0, settle_ns = 0;

	if (kit_append(k, "first"))
		kit_bail("append");
	(void)segment_settle(&k->writer, SIZE_MAX);
	for (unsigned i = 0; i < records; i++) {
		uint64_t start_ns = clock_ns();
		if (segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS, plain))
			kit_bail("append");
		uint64_t middle_ns = clock_ns();
		(void)segment_settle(&k->writer, SIZE_MAX);
		append_ns += middle_ns - start_ns;
		settle_ns += clock_ns() - middle_ns;
	}
	if (kit_close(k))
		kit_bail("close");
	*ret_settle_us = (double)settle_ns / 1000 / records;
	return (double)append_ns / 1000 / records;
}

int main(int argc, char **argv)
{
	static uint8_t text[1 << 20];
	static const size_t sizes[] = {256, 4096, 65536, 1 << 20};
	unsigned wanted = argc > 1 ? (unsigned)atoi(argv[1]) : 2000;
	bool synced = argc > 2 && strcmp(argv[2], "synced") == 0;

	memset(text, 'x', sizeof text);
	printf("%9s %10s %13s %6s %10s  (us a record%s)\n", "bytes", "append", "cipher+write",
	       "ratio", "settle", synced ? ", synced" : "");
	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
		double raw[ROUNDS], mine[ROUNDS], settle[ROUNDS];
		struct bytes plain = bytes_of(text, sizes[s]);
		/* at most 48 MiB a round: one segment */
		unsigned records = (unsigned)((48u << 20) / (sizes[s] + 104));
		records = records > wanted ? wanted : records;
		for (int round = 0; round < ROUNDS; round++) {
			struct kit_log *k = kit_new();
			char path[80];
			k->config.synced = synced;
			snprintf(path, sizeof path, "%.*s/raw", 21, k->directory);
			mine[round] = append_us(k, plain, records, &settle[round]);
			raw[round] = raw_us(path, plain, records);
			kit_free(k);
		}
		double a = median(mine), b = median(raw);
		printf("%9zu %10.2f %13.2f %6.2f %10.2f\n", sizes[s], a, b, a / b, median(settle));
	}
	return 0;
}
