/* SPDX-License-Identifier: MIT
 *
 * An allocator with one lock and fork handlers of its own, as jemalloc and tcmalloc have them:
 * linked to odd_client it makes odd_malloc. Between its prepare handler and the other two, whoever
 * allocates or frees in a fork handler waits for ever. The memory itself is glibc's.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

/* glibc's own, under the names it exports for allocators in front of it. */
extern void *__libc_malloc(size_t len);
extern void *__libc_calloc(size_t count, size_t len);
extern void *__libc_realloc(void *at, size_t len);
extern void __libc_free(void *at);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void *malloc(size_t len)
{
	pthread_mutex_lock(&lock);
	void *at = __libc_malloc(len);
	pthread_mutex_unlock(&lock);
	return at;
}

void *calloc(size_t count, size_t len)
{
	pthread_mutex_lock(&lock);
	void *at = __libc_calloc(count, len);
	pthread_mutex_unlock(&lock);
	return at;
}

void *realloc(void *old, size_t len)
{
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
