/* SPDX-License-Identifier: MIT
 *
 * tap: what a unit test needs: checks, a table of tests whose names are sentences, TAP output, a
 * page that cannot be read behind the input, and allocations that fail on demand.
 *
 *     static void an_empty_text_is_malformed(void) { CHECK(json_check(...) == ERR_BAD); }
 *     int main(void) { RUN_TESTS(TEST(an_empty_text_is_malformed)); }
 */
#ifndef AIGW_TESTS_TAP_H
#define AIGW_TESTS_TAP_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

struct tap_test {
	const char *name;
	void (*run)(void);
};

#define TEST(function)                                                                             \
	{                                                                                          \
#function, function                                                                \
	}
#define RUN_TESTS(...)                                                                             \
	const struct tap_test tests_[] = {__VA_ARGS__};                                            \
	return tap_run(tests_, sizeof tests_ / sizeof tests_[0])

int tap_run(const struct tap_test *tests, size_t count);
void tap_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The test under way cannot be made here: it counts as skipped, with the reason, unless a check of
 * it failed. Return from the test after it. */
void tap_skip(const char *why);

/* Each failing check is reported; the test goes on. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			tap_fail(__FILE__, __LINE__, "%s", #condition);                            \
	} while (0)
#define CHECK_U64(got, expected)                                                                   \
	do {                                                                                       \
		unsigned long long g_ = (unsigned long long)(got);                                 \
		unsigned long long e_ = (unsigned long long)(expected);                            \
		if (g_ != e_)                                                                      \
			tap_fail(__FILE__, __LINE__, "%s is %llu, expected %llu", #got, g_, e_);   \
	} while (0)
#define CHECK_BYTES(got, text)                                                                     \
	do {                                                                                       \
		struct bytes g_ = (got), e_ = bytes_str(text);                                     \
		if (!bytes_equal(g_, e_))                                                          \
			tap_fail(__FILE__, __LINE__, "%s is \"%.*s\", expected \"%s\"", #got,      \
				 (int)g_.len, g_.at ? (const char *)g_.at : "", text);             \
	} while (0)
#define CHECK_STR(got, text) CHECK_BYTES(bytes_str(got), text)
#define CHECK_ERR(call, expected)                                                                  \
	do {                                                                                       \
		enum err g_ = (call);                                                              \
		if (g_ != (expected))                                                              \
			tap_fail(__FILE__, __LINE__, "%s gives %s, expected %s", #call,            \
				 err_name(g_), err_name(expected));                                \
	} while (0)

/* A copy of `text` that ends exactly at a page that cannot be read or written: reading past the end
 * crashes the test. Valid until the next call but three. */
struct bytes tap_guarded(struct bytes text);

/* The n-th allocation from now on (from 1) fails once; 0: none. Only in tests linked with
 * --wrap=malloc,calloc,realloc (all unit tests are). tap_allocations() counts since the last call.
 */
void tap_fail_allocation(unsigned long n);
unsigned long tap_allocations(void);

/* Runs `body` with its 1st, 2nd, ... allocation failing until it runs through without a failure;
 * `body` returns ERR_NOMEM when it noticed, OK when all went well. Anything else fails the test. */
void tap_fail_each_allocation(enum err (*body)(void));

/* A whole file; fails the test run when it cannot be read. The caller frees with buf_done. */
struct buf tap_file(const char *path);

#endif
