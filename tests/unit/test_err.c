/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <errno.h>

#include "tap.h"

static void every_error_has_a_name_a_text_and_an_exit_status(void)
{
	for (int e = 0; e < ERR_COUNT; e++) {
		struct bytes name = bytes_str(err_name((enum err)e));
		struct bytes text = bytes_str(err_text((enum err)e));
		int status = err_exit_status((enum err)e);
		CHECK(e == OK ? bytes_equal(name, BYTES("OK")) : bytes_starts(name, BYTES("ERR_")));
		CHECK(text.len > 0 && text.at[text.len - 1] != '.');
		CHECK(status == 0 ? e == OK : status >= 1 && status <= 3);
		for (int other = 0; other < e; other++) {
			CHECK(!bytes_equal(name, bytes_str(err_name((enum err)other))));
			CHECK(!bytes_equal(text, bytes_str(err_text((enum err)other))));
		}
	}
}

static void an_error_says_what_a_tool_ends_with(void)
{
	CHECK_U64(OK, 0);
	CHECK_U64(err_exit_status(OK), 0);
	CHECK_U64(err_exit_status(ERR_BAD), 1);
	CHECK_U64(err_exit_status(ERR_SEAL), 1);
	CHECK_U64(err_exit_status(ERR_USAGE), 2);
	CHECK_U64(err_exit_status(ERR_NOMEM), 3);
	CHECK_U64(err_exit_status(ERR_IO), 3);
	CHECK_STR(err_name(ERR_AMBIGUOUS), "ERR_AMBIGUOUS");
	CHECK_STR(err_text(ERR_NOMEM), "out of memory");
}

static void a_number_that_is_no_error_is_one_of_order(void)
{
	static const int wrong[] = {ERR_COUNT, ERR_COUNT + 1, -1, 0x7fffffff};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		CHECK_STR(err_name((enum err)wrong[i]), "ERR_STATE");
		CHECK(err_text((enum err)wrong[i]) == err_text(ERR_STATE));
		CHECK(err_exit_status((enum err)wrong[i]) == err_exit_status(ERR_STATE));
	}
}

static void a_system_error_becomes_one_of_ours_with_either_sign(void)
{
	static const struct {
		int value;
		enum err expected;
	} cases[] = {
		{0, OK},
		{ENOENT, ERR_MISSING},
		{ENOTDIR, ERR_MISSING},
		{EACCES, ERR_ACCESS},
		{EPERM, ERR_ACCESS},
		{EROFS, ERR_ACCESS},
		{ENOSPC, ERR_FULL},
		{EDQUOT, ERR_FULL},
		{EFBIG, ERR_FULL},
		{ENOMEM, ERR_NOMEM},
		{EIO, ERR_IO},
		{EINTR, ERR_IO},
		{EBADF, ERR_IO},
		{EISDIR, ERR_IO},
		{4095, ERR_IO}, /* the kernel's largest */
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CHECK_ERR(err_from_errno(cases[i].value), cases[i].expected);
		CHECK_ERR(err_from_errno(-cases[i].value), cases[i].expected);
	}
}

int main(void)
{
	RUN_TESTS(TEST(every_error_has_a_name_a_text_and_an_exit_status),
		  TEST(an_error_says_what_a_tool_ends_with),
		  TEST(a_number_that_is_no_error_is_one_of_order),
		  TEST(a_system_error_becomes_one_of_ours_with_either_sign));
}
