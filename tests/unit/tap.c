/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/large.h"

#define ALLOCATIONS_TRIED_MAX 100000

static bool failed;
static char skipped[160];
static unsigned long fail_at, allocations;

void tap_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	failed = true;
	printf("# %s:%d: ", file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

void tap_skip(const char *why)
{
	snprintf(skipped, sizeof skipped, "%s", why);
}

int tap_run(const struct tap_test *tests, size_t count)
{
	size_t bad = 0;

	printf("1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		failed = false;
		skipped[0] = '\0';
		tests[i].run();
		fail_at = 0;
		printf("%sok %zu - ", failed ? "not " : "", i + 1);
		for (const char *c = tests[i].name; *c; c++)
			putchar(*c == '_' ? ' ' : *c);
		if (skipped[0] && !failed)
			printf(" # SKIP %s", skipped);
		putchar('\n');
		fflush(stdout);
		bad += failed;
	}
	return bad ? 1 : 0;
}

struct bytes tap_guarded(struct bytes text)
{
	static struct {
		void *at;
		size_t len;
	} ring[4];
	static unsigned next;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (text.len + page - 1) / page * page;
	uint8_t *at = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	if (at == MAP_FAILED || mprotect(at + room, page, PROT_NONE) != 0)
		abort();
	if (ring[next].at)
		munmap(ring[next].at, ring[next].len);
	ring[next].at = at;
	ring[next].len = room + page;
	next = (next + 1) % 4;
	if (text.len)
		memcpy(at + room - text.len, text.at, text.len);
	return bytes_of(at + room - text.len, text.len);
}

void tap_fail_allocation(unsigned long n)
{
	large_forget(); /* what is kept needs no allocation */
	fail_at = n;
}

unsigned long tap_allocations(void)
{
	unsigned long n = allocations;

	allocations = 0;
	return n;
}

void tap_fail_each_allocation(enum err (*body)(void))
{
	for (unsigned long n = 1; n < ALLOCATIONS_TRIED_MAX; n++) {
		fail_at = n;
		enum err e = body();
		bool reached = fail_at == 0;
		fail_at = 0;
		if (!reached) {
			CHECK_ERR(e, OK);
			return;
		}
		if (e != ERR_NOMEM)
			tap_fail(__FILE__, __LINE__, "with allocation %lu failing: %s", n,
				 err_name(e));
	}
	tap_fail(__FILE__, __LINE__, "no end of allocations");
}

struct buf tap_file(const char *path)
{
	struct buf content = {0};
	FILE *f = fopen(path, "rb");
	uint8_t step[4096];
	size_t n;

	if (!f) {
		printf("Bail out! cannot read %s\n", path);
		exit(1);
	}
	while ((n = fread(step, 1, sizeof step, f)) > 0)
		if (buf_put(&content, bytes_of(step, n)))
			exit(1);
	fclose(f);
	return content;
}

static bool this_one_fails(void)
{
	allocations++;
	return fail_at && --fail_at == 0;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t n);

void *__wrap_malloc(size_t n)
{
	return this_one_fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return this_one_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *at, size_t n)
{
	return this_one_fails() ? NULL : __real_realloc(at, n);
}
