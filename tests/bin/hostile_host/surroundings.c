/* SPDX-License-Identifier: MIT
 *
 * What a program may do to its descriptors, limits, root directory and system calls.
 */
#include "hostile_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST     3 /* after the standard ones */
#define LAST      4096
#define TAKEN_MAX 64

/* linux/prctl.h of 6.3, newer than the headers of Debian 12 */
#define SET_MDWE         65
#define MDWE_REFUSE_EXEC 1

/* ---- descriptors ---- */

void step_close_loop(char **argument)
{
	for (int fd = FIRST; fd < LAST; fd++)
		close(fd);
}

void step_close_range(char **argument)
{
	if (close_range(FIRST, ~0u, 0))
		host_die("close_range");
}

void step_closefrom(char **argument)
{
	closefrom(FIRST);
}

static const char mine[] = "what the program wrote\n";
static struct {
	int fd;
	bool is_socket;
} taken[TAKEN_MAX];
static unsigned taken_count;

static int make_own(unsigned i)
{
	int fd = i % 2 ? host_dial() : memfd_create("own", 0);

	if (fd < 0 || (i % 2 == 0 && write(fd, mine, sizeof mine - 1) < 0))
		host_die("own descriptor");
	return fd;
}

/* The program has none open above the standard ones, so these are not its own. A file of its own
 * goes where the first one was, a socket where the second one was, and so on. */
void step_take_descriptors(char **argument)
{
	DIR *all = opendir("/proc/self/fd");
	struct dirent *entry;
	int found[TAKEN_MAX], others = 0;

	while (all && (entry = readdir(all)) && others < TAKEN_MAX) {
		int fd = atoi(entry->d_name);
		if (fd >= FIRST && fd != dirfd(all))
			found[others++] = fd;
	}
	closedir(all);
	for (int i = 0; i < others; i++) {
		int own = make_own((unsigned)i);
		if (dup2(own, found[i]) != found[i])
			host_die("dup2");
		close(own);
		taken[taken_count].is_socket = i % 2;
		taken[taken_count++].fd = found[i];
	}
	printf("TOOK %s\n", others ? "some" : "none");
}

void step_show_taken(char **argument)
{
	char at[256];

	for (unsigned i = 0; i < taken_count; i++) {
		struct stat st;
		ssize_t n = 0;
		if (fstat(taken[i].fd, &st) || S_ISSOCK(st.st_mode) != taken[i].is_socket ||
		    (!taken[i].is_socket &&
		     ((n = pread(taken[i].fd, at, sizeof at, 0)) != sizeof mine - 1 ||
		      memcmp(at, mine, sizeof mine - 1)))) {
			printf("CHANGED %d, %zd bytes\n", taken[i].fd, n);
			return;
		}
	}
	printf("UNTOUCHED\n");
}

/* ---- the process ---- */

void step_chroot(char **argument)
{
	/* Who is not root may be it in a namespace of its own. */
	if (chroot(argument[0]) && (unshare(CLONE_NEWUSER) || chroot(argument[0])))
		host_die("chroot");
	if (chdir("/"))
		host_die("chdir");
}

void step_no_new_privs(char **argument)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		host_die("no_new_privs");
}

/* A kernel before 6.3 does not know it: then there is nothing to stand. */
void step_forbid_executable_memory(char **argument)
{
	if (prctl(SET_MDWE, MDWE_REFUSE_EXEC, 0, 0, 0) && errno != EINVAL)
		host_die("MDWE");
}

static void limit(int which, const char *text)
{
	struct rlimit to = {strtoul(text, NULL, 10), strtoul(text, NULL, 10)};

	if (setrlimit(which, &to))
		host_die("setrlimit");
}

void step_limit_file_size(char **argument)
{
	limit(RLIMIT_FSIZE, argument[0]);
}

void step_limit_descriptors(char **argument)
{
	limit(RLIMIT_NOFILE, argument[0]);
}

/* ---- system calls ---- */

/* The kernel would end the process without a word about the reason. */
static void on_forbidden(int signal, siginfo_t *info, void *context)
{
	char text[64];
	int n = snprintf(text, sizeof text, "FORBIDDEN system call %d\n", info->si_syscall);

	(void)!write(STDOUT_FILENO, text, (size_t)n);
	_exit(31);
}

/* From here on any other system call than these ends the program, threads and all. */
void step_only_syscalls(char **argument)
{
	struct sigaction action = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	char *name, *rest = argument[0];

	if (!filter)
		host_die("seccomp");
	while ((name = strsep(&rest, " ,\n\t"))) {
		int number = *name ? seccomp_syscall_resolve_name(name) : 0;
		if (*name && number == __NR_SCMP_ERROR) {
			fprintf(stderr, "hostile_host: no system call: %s\n", name);
			exit(2);
		}
		if (*name && seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0))
			host_die(name);
	}
	sigaction(SIGSYS, &action, NULL);
	if (seccomp_load(filter))
		host_die("seccomp");
	seccomp_release(filter);
}
