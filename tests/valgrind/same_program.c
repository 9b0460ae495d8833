/* SPDX-License-Identifier: MIT
 *
 * Preloaded into aigwd under valgrind, where /proc/self/exe is valgrind when a program is executed:
 * what AIGW_TEST_PROGRAM names is executed in its place.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int execve(const char *path, char *const argv[], char *const envp[])
{
	const char *program = strcmp(path, "/proc/self/exe") == 0 ? getenv("AIGW_TEST_PROGRAM")
								  : NULL;

	return (int)syscall(SYS_execve, program ? program : path, argv, envp);
}
