/* SPDX-License-Identifier: MIT */
#include "base/large.h"

#include <pthread.h>
#include <string.h>

#include "base/bytes.h"
#include "tap.h"

#ifdef __SANITIZE_ADDRESS__
#define KEEPS_NOTHING 1
#else
#define KEEPS_NOTHING 0
#endif
#define THREADS 4
#define ROUNDS  2000

static void a_piece_is_kept_for_the_next(void)
{
	size_t bytes, again_bytes;
	void *at, *again;

	large_forget();
	at = large_take(300000, &bytes);
	CHECK(at && bytes == 300000);
	memset(at, 1, bytes);
	large_give(at, bytes);
	(void)tap_allocations();
	again = large_take(290000, &again_bytes);
	CHECK(again && again_bytes >= 290000);
	/* where a sanitizer looks on, nothing is kept */
	CHECK_U64(tap_allocations(), KEEPS_NOTHING ? 1 : 0);
	CHECK(KEEPS_NOTHING || (again == at && again_bytes == 300000));
	memset(again, 2, again_bytes);
	large_give(again, again_bytes);
}

static void small_ones_and_those_that_would_be_wasteful_are_not(void)
{
	size_t bytes;
	void *at = large_take(1 << 20, &bytes), *small, *tiny;

	large_give(at, bytes);
	small = large_take(100000, &bytes); /* not the megabyte */
	CHECK(small && bytes < 1 << 20);
	large_give(small, bytes);
	tiny = large_take(10, &bytes);
	CHECK(tiny && bytes == 10);
	large_give(tiny, bytes);
	large_give(NULL, 0);
}

/* More than is kept in all, and more pieces than there is room for. */
static void what_is_too_much_is_freed(void)
{
	void *many[40];
	size_t bytes[40];

	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < 40; i++) {
			many[i] = large_take(LARGE_BYTES_MIN + i * 8000 * round, &bytes[i]);
			CHECK(many[i] != NULL);
			memset(many[i], (int)i, bytes[i]);
		}
		for (size_t i = 0; i < 40; i++) {
			CHECK(((uint8_t *)many[i])[0] == i);
			CHECK(((uint8_t *)many[i])[bytes[i] - 1] == i);
			large_give(many[i], bytes[i]);
		}
	}
}

static void no_memory_is_said(void)
{
	size_t bytes;

	tap_fail_allocation(1);
	CHECK(large_take(SIZE_MAX / 4, &bytes) == NULL);
	tap_fail_allocation(0);
}

static void *take_and_give(void *argument)
{
	uint8_t mine = (uint8_t)(uintptr_t)argument;
	size_t wrong = 0, bytes;

	for (size_t i = 0; i < ROUNDS; i++) {
		uint8_t *at = large_take(LARGE_BYTES_MIN + i % 7 * 20000, &bytes);
		if (!at)
			return argument;
		at[0] = at[bytes / 2] = at[bytes - 1] = mine;
		wrong += at[0] != mine || at[bytes / 2] != mine || at[bytes - 1] != mine;
		large_give(at, bytes);
	}
	return (void *)wrong;
}

static void threads_never_have_the_same_piece(void)
{
	pthread_t threads[THREADS];
	void *wrong;

	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, take_and_give, (void *)(i + 1)) == 0);
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		CHECK(wrong == NULL);
	}
}

static void a_large_buffer_is_given_back_wiped(void)
{
	struct buf b = {0};
	uint8_t *at;

	CHECK_ERR(buf_reserve(&b, 200000), OK);
	memset(b.at, 'x', b.cap);
	b.len = b.cap;
	at = b.at;
	size_t cap = b.cap;
	buf_done(&b);
	CHECK_ERR(buf_reserve(&b, 200000), OK);
	if (b.at == at) /* kept: nothing of it is left but its length */
		for (size_t i = sizeof(size_t); i < cap; i++)
			CHECK(at[i] == 0);
	buf_done(&b);
}

int main(void)
{
	RUN_TESTS(TEST(a_piece_is_kept_for_the_next),
		  TEST(small_ones_and_those_that_would_be_wasteful_are_not),
		  TEST(what_is_too_much_is_freed), TEST(no_memory_is_said),
		  TEST(threads_never_have_the_same_piece),
		  TEST(a_large_buffer_is_given_back_wiped));
}
