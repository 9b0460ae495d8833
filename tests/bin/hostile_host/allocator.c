/* SPDX-License-Identifier: MIT
 *
 * The program's own allocator: one lock that is not recursive, fork handlers, known bytes on both
 * sides of each block, and freed blocks that are filled and never forgotten. What is wrong ends the
 * program. It asks nothing of libc's allocator.
 */
#include "hostile_host.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CLASSES     48 /* powers of two */
#define ARENA_BYTES (8u << 20)
#define GUARD_BYTES 16
#define ALIGNMENT   16
#define FREED       0xdd
#define FRESH       0xcd

/* In front of the bytes given out; `before` touches them. */
struct block {
	struct block *next, *previous; /* of all in use, or next free one of its class */
	void *start;                   /* of the memory this stands in */
	size_t len, class;
	uint64_t state;
	uint8_t before[GUARD_BYTES];
};

#define IN_USE 0x75736564626c6f63u
#define UNUSED 0x66726565626c6f63u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block in_use = {.next = &in_use, .previous = &in_use};
static void *unused[CLASSES]; /* starts; the first word leads to the next */
static char *arena;
static size_t arena_left;
static unsigned long allocations;

static void fail(const char *what)
{
	(void)!write(STDERR_FILENO, what, strlen(what));
	abort();
}

static bool is_filled(const uint8_t *at, size_t len, uint8_t with)
{
	for (size_t i = 0; i < len; i++)
		if (at[i] != with)
			return false;
	return true;
}

static void check(const struct block *b)
{
	const uint8_t *data = (const uint8_t *)(b + 1);

	if (b->state == UNUSED)
		fail("HEAP freed twice\n");
	if (b->state != IN_USE || !is_filled(b->before, GUARD_BYTES, 0xb4))
		fail("HEAP bytes before a block were written to\n");
	if (!is_filled(data + b->len, GUARD_BYTES, 0xaf))
		fail("HEAP bytes after a block were written to\n");
}

/* The lock is held. */
static void *take_memory(size_t class)
{
	size_t bytes = (size_t)1 << class;
	void *at = unused[class];

	if (at) {
		unused[class] = *(void **)at;
		if (!is_filled((uint8_t *)at + sizeof(void *), bytes - sizeof(void *), FREED))
			fail("HEAP a freed block was written to\n");
		return at;
	}
	if (bytes > ARENA_BYTES / 4) {
		at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return at == MAP_FAILED ? NULL : at;
	}
	if (arena_left < bytes) {
		at = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
		if (at == MAP_FAILED)
			return NULL;
		arena = at;
		arena_left = ARENA_BYTES;
	}
	at = arena;
	arena += bytes;
	arena_left -= bytes;
	return at;
}

static void *take(size_t alignment, size_t len)
{
	size_t need = sizeof(struct block) + alignment + len + GUARD_BYTES, class = 6;
	struct block *b;
	uintptr_t at;
	void *start;

	if (len > SIZE_MAX / 4 || alignment > SIZE_MAX / 4)
		goto none;
	while (((size_t)1 << class) < need)
		class ++;
	if (pthread_mutex_lock(&lock))
		fail("HEAP entered again while inside\n");
	start = take_memory(class);
	if (start) {
		at = (uintptr_t)start + sizeof *b;
		at = (at + alignment - 1) & ~(uintptr_t)(alignment - 1);
		b = (struct block *)at - 1;
		*b = (struct block){in_use.next, &in_use, start, len, class, IN_USE, {0}};
		b->next->previous = b;
		in_use.next = b;
		memset(b->before, 0xb4, GUARD_BYTES);
		memset((void *)at, FRESH, len);
		memset((uint8_t *)at + len, 0xaf, GUARD_BYTES);
		allocations++;
	}
	pthread_mutex_unlock(&lock);
	if (start)
		return (void *)at;
none:
	errno = ENOMEM;
	return NULL;
}

void *malloc(size_t len)
{
	return take(ALIGNMENT, len);
}

void free(void *data)
{
	struct block *b = (struct block *)data - 1;
	void *start;
	size_t class;

	if (!data)
		return;
	if (pthread_mutex_lock(&lock))
		fail("HEAP entered again while inside\n");
	check(b);
	b->next->previous = b->previous;
	b->previous->next = b->next;
	start = b->start;
	class = b->class;
	memset(start, FREED, (size_t)1 << class);
	if (((size_t)1 << class) > ARENA_BYTES / 4) {
		munmap(start, (size_t)1 << class);
	} else {
		*(void **)start = unused[class];
		unused[class] = start;
	}
	pthread_mutex_unlock(&lock);
}

void *calloc(size_t count, size_t len)
{
	size_t bytes;
	void *at = __builtin_mul_overflow(count, len, &bytes) ? NULL : take(ALIGNMENT, bytes);

	return at ? memset(at, 0, bytes) : NULL;
}

void *realloc(void *old, size_t len)
{
	struct block *b = (struct block *)old - 1;
	void *at = take(ALIGNMENT, len);

	if (at && old) {
		memcpy(at, old, b->len < len ? b->len : len);
		free(old);
	}
	return at;
}

void *memalign(size_t alignment, size_t len)
{
	return take(alignment < ALIGNMENT ? ALIGNMENT : alignment, len);
}

void *aligned_alloc(size_t alignment, size_t len)
{
	return memalign(alignment, len);
}

int posix_memalign(void **ret_at, size_t alignment, size_t len)
{
	void *at = memalign(alignment, len);

	if (!at)
		return ENOMEM;
	*ret_at = at;
	return 0;
}

size_t malloc_usable_size(void *data)
{
	return data ? ((struct block *)data - 1)->len : 0;
}

unsigned long host_allocations(void)
{
	return __atomic_load_n(&allocations, __ATOMIC_RELAXED);
}

void host_check_heap(void)
{
	pthread_mutex_lock(&lock);
	for (struct block *b = in_use.next; b != &in_use; b = b->next)
		check(b);
	pthread_mutex_unlock(&lock);
}

bool host_heap_is_locked(void)
{
	if (pthread_mutex_trylock(&lock))
		return true;
	pthread_mutex_unlock(&lock);
	return false;
}

/* ---- forks: whoever allocates in a handler of its own waits for ever ---- */

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

__attribute__((constructor)) static void follow_forks(void)
{
	pthread_atfork(before_fork, after_fork, in_child);
}
