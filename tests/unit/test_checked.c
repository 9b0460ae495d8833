/* SPDX-License-Identifier: MIT
 *
 * shim/checked: as libc's functions of these names.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

void *__memcpy_chk(void *to, const void *from, size_t len, size_t room);
void *__memset_chk(void *to, int byte, size_t len, size_t room);

static void what_fits_is_copied_and_set(void)
{
	char room[8] = "";

	CHECK(__memcpy_chk(room, "1234567", 8, sizeof room) == room);
	CHECK_STR(room, "1234567");
	CHECK(__memset_chk(room, 'x', 7, 7) == room);
	CHECK_STR(room, "xxxxxxx");
	CHECK(__memcpy_chk(room, "abc", 3, SIZE_MAX) == room);
	CHECK_STR(room, "abcxxxx");
}

/* The status of a child that runs into it; what libc says of it is read and dropped. */
static int status_of(void (*overflow)(char *room))
{
	char room[64] = "";
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);
		dup2(null, STDERR_FILENO);
		overflow(room);
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

static void copy_too_much(char *room)
{
	__memcpy_chk(room, "12345", 5, 4);
}

static void set_too_much(char *room)
{
	__memset_chk(room, 0, 5, 4);
}

static void what_does_not_fit_ends_the_program(void)
{
	int status = status_of(copy_too_much);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	status = status_of(set_too_much);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	RUN_TESTS(TEST(what_fits_is_copied_and_set), TEST(what_does_not_fit_ends_the_program));
}
