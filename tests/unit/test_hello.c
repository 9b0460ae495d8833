/* SPDX-License-Identifier: MIT */
#include "shim/hello.h"

#include <pthread.h>
#include <stdlib.h>

#include "shim/conn.h"
#include "tap.h"

#define EXPECTED_MAX 256 /* of hello.c */

static uint8_t made[32];
static bool has_made;

static bool random_of(const struct conn *c, uint8_t ret_random[32])
{
	memcpy(ret_random, made, sizeof made);
	return has_made;
}

static void number_to(uint8_t random[32], uint32_t number)
{
	memset(random, 0x5a, 32);
	memcpy(random, &number, sizeof number);
}

static void a_stranger_is_not_known(void)
{
	static const uint8_t zeros[32];
	uint8_t random[32];

	number_to(random, 1u << 30);
	CHECK(!hello_is_known(random));
	CHECK(!hello_is_known(zeros)); /* what an empty place would look like */
}

static void the_session_that_the_thread_is_in_is_asked_when_it_writes(void)
{
	struct conn session = {.session = &session}, other = {.session = &other};
	uint8_t random[32];

	number_to(random, 7);
	number_to(made, 7);
	struct hello_mark before = hello_enter(&session, random_of);
	has_made = false;
	CHECK(!hello_is_known(random));
	has_made = true;
	CHECK(hello_is_known(random));
	number_to(made, 8);
	CHECK(!hello_is_known(random));
	number_to(made, 7);
	struct hello_mark outer = hello_enter(&other, random_of);
	CHECK(outer.conn == &session);
	hello_leave(outer);
	CHECK(hello_is_known(random));
	session.session = NULL; /* freed meanwhile */
	CHECK(!hello_is_known(random));
	hello_leave(before);
	session.session = &session;
	CHECK(!hello_is_known(random));
}

/* Its table of functions would be asked for another library's session. */
static void a_connection_that_is_another_one_by_now_is_not_asked(void)
{
	static const int library, other_library;
	struct conn session = {.session = &session, .functions = &library}, other;
	uint8_t random[32];

	number_to(random, 11);
	number_to(made, 11);
	has_made = true;
	struct hello_mark before = hello_enter(&session, random_of);
	CHECK(hello_is_known(random));
	session.functions = &other_library;
	CHECK(!hello_is_known(random));
	session.functions = &library;
	session.session = &other;
	CHECK(!hello_is_known(random));
	hello_leave(before);
}

static void *ask(void *random)
{
	return hello_is_known(random) ? random : NULL;
}

static void other_threads_have_marks_of_their_own(void)
{
	struct conn session = {.session = &session};
	pthread_t thread;
	uint8_t random[32];
	void *answer = random;

	number_to(random, 9);
	number_to(made, 9);
	has_made = true;
	struct hello_mark before = hello_enter(&session, random_of);
	CHECK(pthread_create(&thread, NULL, ask, random) == 0);
	pthread_join(thread, &answer);
	CHECK(answer == NULL);
	hello_leave(before);
}

static void an_announced_hello_is_known_until_as_many_others_were(void)
{
	uint8_t random[32];

	number_to(random, 100);
	hello_expect(random);
	CHECK(hello_is_known(random));
	for (uint32_t i = 1; i < EXPECTED_MAX; i++) {
		number_to(random, 100 + i);
		hello_expect(random);
	}
	number_to(random, 100);
	CHECK(hello_is_known(random));
	number_to(random, 100 + EXPECTED_MAX);
	hello_expect(random);
	number_to(random, 100);
	CHECK(!hello_is_known(random));
}

int main(void)
{
	RUN_TESTS(TEST(a_stranger_is_not_known),
		  TEST(the_session_that_the_thread_is_in_is_asked_when_it_writes),
		  TEST(a_connection_that_is_another_one_by_now_is_not_asked),
		  TEST(other_threads_have_marks_of_their_own),
		  TEST(an_announced_hello_is_known_until_as_many_others_were));
}
