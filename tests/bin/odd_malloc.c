/* SPDX-License-Identifier: MIT
 *
 * An allocator with one lock and fork handlers of its own, as jemalloc and tcmalloc have them:
 * linked to odd_client it makes odd_malloc. Between its prepare handler and the other two, whoever
 * allocates or frees in a fork handler waits for ever. The memory itself is glibc's. One allocation
 * of one object can be made to fail.
 */
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* For odd_client/memory.c. */
bool odd_malloc_fail(const char *object, unsigned long n);

/* glibc's own, under the names it exports for allocators in front of it. */
extern void *__libc_malloc(size_t len);
extern void *__libc_calloc(size_t count, size_t len);
extern void *__libc_realloc(void *at, size_t len);
extern void __libc_free(void *at);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Who is to fail, when, and how often it has. */
static struct {
	uintptr_t begin, end;
	unsigned long left, failures;
} failing;

static int find_object(struct dl_phdr_info *info, size_t size, void *name)
{
	if (!strstr(info->dlpi_name, name))
		return 0;
	failing.begin = failing.end = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr +
				info->dlpi_phdr[i].p_memsz;
		if (info->dlpi_phdr[i].p_type == PT_LOAD && end > failing.end)
			failing.end = end;
	}
	return 1;
}

bool odd_malloc_fail(const char *object, unsigned long n)
{
	bool failed = failing.failures > 0;

	dl_iterate_phdr(find_object, (void *)object);
	failing.failures = 0;
	failing.left = n;
	return failed;
}

static bool fails(const void *caller)
{
	if ((uintptr_t)caller < failing.begin || (uintptr_t)caller >= failing.end ||
	    !failing.left || --failing.left)
		return false;
	failing.failures++;
	return true;
}

void *malloc(size_t len)
{
	if (fails(__builtin_return_address(0)))
		return NULL;
	pthread_mutex_lock(&lock);
	void *at = __libc_malloc(len);
	pthread_mutex_unlock(&lock);
	return at;
}

void *calloc(size_t count, size_t len)
{
	if (fails(__builtin_return_address(0)))
		return NULL;
	pthread_mutex_lock(&lock);
	void *at = __libc_calloc(count, len);
	pthread_mutex_unlock(&lock);
	return at;
}

void *realloc(void *old, size_t len)
{
	if (fails(__builtin_return_address(0)))
		return NULL;
	pthread_mutex_lock(&lock);
	void *at = __libc_realloc(old, len);
	pthread_mutex_unlock(&lock);
	return at;
}

void free(void *at)
{
	pthread_mutex_lock(&lock);
	__libc_free(at);
	pthread_mutex_unlock(&lock);
}

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
	pthread_mutex_init(&lock, NULL);
}

/* Prepare handlers run in the reverse order of their registration. The constructors of preloaded
 * libraries have run by now, so this one's is the first, and theirs find the lock taken. */
__attribute__((constructor)) static void follow_forks(void)
{
	pthread_atfork(before_fork, after_fork, in_child);
}
