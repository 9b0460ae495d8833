/* SPDX-License-Identifier: MIT */
#include "shim/patch.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

#if defined __x86_64__

/* What is patched: functions of known code, on pages of their own. */
__asm__(".text\n"
	".balign 4096\n"
	"patched_one: push %rbp; mov %rsp, %rbp; mov $1, %eax; pop %rbp; ret\n"
	".skip 4096 - 3 - (. - patched_one), 0xcc\n"
	"patched_two: push %rbp; mov %rsp, %rbp; mov $2, %eax; pop %rbp; ret\n" /* over two pages */
	".balign 4096\n");

int patched_one(void);
int patched_two(void);

#define CODE_BYTES (16 + INSN_MOVED_MAX)

static const uint8_t returns_7[] = {0xb8, 7, 0, 0, 0, 0xc3}; /* mov eax,7; ret */
static const uint8_t calls_on[] = {0x55, 0x48, 0x89, 0xe5};  /* push rbp; mov rbp,rsp */

/* Called through pointers that the compiler cannot see through. */
static int (*volatile one)(void) = patched_one;
static int (*volatile two)(void) = patched_two;

/* Everything a detour does: new code that returns 7, and the old start with the way back. */
static void detour(enum err (*write)(struct patch *patches, size_t count), enum err expected)
{
	struct patch patches[2] = {{.at = (uint8_t *)(uintptr_t)one},
				   {.at = (uint8_t *)(uintptr_t)two}};
	uintptr_t start = (uintptr_t)one & ~(uintptr_t)4095;
	uint8_t *place = patch_reserve(start, start + 3 * 4096, CODE_BYTES);
	uint8_t code[CODE_BYTES] = {0};
	int (*back)(void);
	size_t moved;

	CHECK(place != NULL);
	if (!place)
		return;
	memcpy(code, returns_7, sizeof returns_7);
	CHECK(memcmp(patches[0].at, calls_on, sizeof calls_on) == 0);
	CHECK_ERR(insn_move_start(bytes_of(patches[0].at, 9), (uintptr_t)patches[0].at,
				  (uintptr_t)place + 16, code + 16, &moved),
		  OK);
	for (unsigned i = 0; i < 2; i++)
		CHECK_ERR(insn_jump((uintptr_t)patches[i].at, (uintptr_t)place, patches[i].code),
			  OK);
	CHECK_ERR(patch_place(place, bytes_of(code, sizeof code)), OK);
	CHECK_U64(one(), 1);
	CHECK_U64(two(), 2);
	CHECK_ERR(write(patches, 2), expected);
	CHECK_U64(one(), expected ? 1 : 7);
	CHECK_U64(two(), expected ? 2 : 7);
	void *as_object = place + 16;
	memcpy(&back, &as_object, sizeof back);
	CHECK_U64(back(), 1);
}

/* In a child: the code stays as it is here. False: the system has no such rule. */
static void in_child(bool strict, enum err (*write)(struct patch *patches, size_t count))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (strict && prctl(PR_SET_MDWE, 1, 0, 0, 0) != 0)
			_exit(77);
		if (strict && mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
			_exit(1);
		detour(write, OK);
		_exit(one() == 7 && two() == 7 ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		tap_skip("this kernel has no PR_SET_MDWE");
	else
		CHECK_U64(status, 0);
}

static void a_function_is_led_elsewhere_and_still_reached(void)
{
	in_child(false, patch_write);
}

static void the_same_by_replacing_pages(void)
{
	in_child(false, patch_write_by_pages);
}

static void both_work_where_no_page_may_become_code(void)
{
	in_child(true, patch_write);
	in_child(true, patch_write_by_pages);
}

/* The second address is memory that /proc/self/mem does not change, and files in memory cannot be
 * made: what was written to the first is taken back. */
static void what_fails_in_the_middle_is_undone(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		int file = open("/proc/self/exe", O_RDONLY);
		uint8_t *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
		struct rlimit none = {0, 0};
		struct patch patches[3] = {{.at = (uint8_t *)(uintptr_t)one, .code = {0xcc}},
					   {.at = (uint8_t *)(uintptr_t)two, .code = {0xcc}},
					   {.at = shared, .code = {0xcc}}};
		if (shared == MAP_FAILED || setrlimit(RLIMIT_FSIZE, &none) != 0)
			_exit(2);
		enum err e = patch_write(patches, 3);
		_exit(e == ERR_ACCESS && one() == 1 && two() == 2 ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_U64(status, 0);
}

static void a_limit_on_files_makes_it_fail_not_die(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit none = {0, 0};
		uint8_t code[64] = {0};
		uint8_t *place = patch_reserve((uintptr_t)one, (uintptr_t)two, sizeof code);
		setrlimit(RLIMIT_FSIZE, &none);
		_exit(place && patch_place(place, bytes_of(code, sizeof code)) == ERR_ACCESS ? 0
											     : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_U64(status, 0);
}

#endif

static void room_is_found_below_and_within_reach(void)
{
	uintptr_t start = (uintptr_t)0x20000000, place;

	place = (uintptr_t)patch_reserve(start, start + 100, 4096);
	CHECK(place != 0 && place < start && start - place < 1u << 20);
	uintptr_t next = (uintptr_t)patch_reserve(start, start + 100, 4096);
	CHECK(next != 0 && next < place);
	patch_release((void *)place, 4096);
	patch_release((void *)next, 4096);
	CHECK(patch_reserve(start, start + 0x80000000u, 4096) == NULL); /* out of reach */
	CHECK(patch_reserve(0x10000, 0x20000, 4096) == NULL);           /* nothing below */
	CHECK(patch_reserve(start, start + 100, (64 << 10) + 1) == NULL);
}

static sem_t running, end;

static void *stay(void *unused)
{
	sem_post(&running);
	sem_wait(&end);
	return NULL;
}

static void a_second_thread_is_noticed(void)
{
	pthread_t thread;

	CHECK(patch_is_single_threaded());
	sem_init(&running, 0, 0);
	sem_init(&end, 0, 0);
	CHECK(pthread_create(&thread, NULL, stay, NULL) == 0);
	sem_wait(&running);
	CHECK(!patch_is_single_threaded());
	sem_post(&end);
	pthread_join(thread, NULL);
}

int main(void)
{
	RUN_TESTS(TEST(room_is_found_below_and_within_reach), TEST(a_second_thread_is_noticed),
#if defined __x86_64__
		  TEST(a_function_is_led_elsewhere_and_still_reached),
		  TEST(the_same_by_replacing_pages), TEST(both_work_where_no_page_may_become_code),
		  TEST(what_fails_in_the_middle_is_undone),
		  TEST(a_limit_on_files_makes_it_fail_not_die),
#endif
	);
}
