/* SPDX-License-Identifier: MIT
 *
 * What was measured, and what is printed of it.
 */
#include "load_bench.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLES_MAX (1u << 26)

void die(const char *what)
{
	fprintf(stderr, "load_bench: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(3);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void samples_put(struct samples *s, uint64_t ns)
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
long status_kb(const char *key)
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

void print_all(struct worker *workers, double seconds, double cpu, long idle_kb, long peak_kb)
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
