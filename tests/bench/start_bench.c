/* SPDX-License-Identifier: MIT
 *
 * What it costs to start a program with a library preloaded: runs PROGRAM with and without it, in
 * turn, COUNT times each, and prints the medians in microseconds from spawn to the end of the wait.
 *
 * usage: start_bench COUNT LIBRARY PROGRAM [ARGUMENT...]
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Nanoseconds one run took. */
static uint64_t run_once(char **command, char **environment, posix_spawn_file_actions_t *quiet)
{
	pid_t pid;
	int status;
	uint64_t from = now_ns();

	errno = posix_spawn(&pid, command[0], quiet, NULL, command, environment);
	if (errno || waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "start_bench: %s did not run: %s\n", command[0], strerror(errno));
		exit(3);
	}
	return now_ns() - from;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: start_bench COUNT LIBRARY PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	size_t count = strtoul(argv[1], NULL, 10);
	char preload[4096], home[4096], path[] = "PATH=/usr/bin:/bin";
	snprintf(preload, sizeof preload, "LD_PRELOAD=%s", argv[2]);
	snprintf(home, sizeof home, "AIGW_HOME=%s",
		 getenv("AIGW_HOME") ? getenv("AIGW_HOME") : "/");
	char *without[] = {path, home, NULL}, *with[] = {path, home, preload, NULL};
	uint64_t *ns[2] = {calloc(count + 1, sizeof **ns), calloc(count + 1, sizeof **ns)};
	posix_spawn_file_actions_t quiet;

	if (!ns[0] || !ns[1] || count == 0)
		return 3;
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	for (size_t i = 0; i < 20; i++) { /* page cache, directory entries */
		run_once(argv + 3, without, &quiet);
		run_once(argv + 3, with, &quiet);
	}
	for (size_t i = 0; i < count; i++) {
		size_t first = i & 1; /* neither always comes first */
		ns[first][i] = run_once(argv + 3, first ? with : without, &quiet);
		ns[!first][i] = run_once(argv + 3, first ? without : with, &quiet);
	}
	qsort(ns[0], count, sizeof **ns, compare);
	qsort(ns[1], count, sizeof **ns, compare);
	double a = (double)ns[0][count / 2] / 1e3, b = (double)ns[1][count / 2] / 1e3;
	printf("{\"without_us\": %.1f, \"with_us\": %.1f, \"delta_us\": %.1f}\n", a, b, b - a);
	posix_spawn_file_actions_destroy(&quiet);
	free(ns[0]);
	free(ns[1]);
	return 0;
}
