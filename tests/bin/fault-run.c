/* SPDX-License-Identifier: MIT
 *
 * Runs a program in which one system call fails, or is the last thing it does. The library makes
 * its system calls directly with the kernel, so that no preload could fail them: a seccomp filter
 * stops each call, and this program, as a debugger would, looks whose it is and decides.
 *
 * usage: fault-run [options] COMMAND [ARGUMENT...]
 *   --in FILE          count only calls made by code of a file of that name: libaigw.so
 *   --by PROGRAM       count only calls of processes that execute a file of that name: aigwd; not
 * those of the loader, which ends a program that it cannot load
 *   --only NAME[,NAME] count only these calls
 *   --tell FILE        a line for each call that is counted and, with --at, hit: its number, its
 * name
 *   --at N             the call to hit, from 1 (none)
 *   --on               ... and every later one
 *   --fail ERRNO       it fails with that number or name, and is not made
 *   --short            it reads or writes half of what it would, at least a byte
 *   --kill             its process is killed (SIGKILL) before it is made
 *   --wait MS          it is made that many milliseconds later
 *   --clock SECONDS    from that call on (without --at: always) the wall clock is that far ahead,
 * or behind; the processes read their clocks by system calls then
 *
 * Exit: that of the command, 128 + the signal that ended it, 2 usage, 3 system.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/elf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KNOWN_MAX  4096 /* code addresses remembered */
#define LINE_BYTES 4352
#define LOADER     "ld-linux-x86-64.so.2"
#define AUX_IGNORE 1  /* AT_IGNORE */
#define AUX_VDSO   33 /* AT_SYSINFO_EHDR */
#define AUX_MAX    4096

static struct {
	const char *in, *by, *only;
	unsigned long at;
	bool on, is_short, kills, has_clock;
	int fail;
	long clock_s, wait_ms;
} how;

static int tell = -1;
static unsigned long count;
static pid_t main_pid;

/* Where a process calls from, and whether that counts. */
static struct known {
	pid_t pid;
	uint64_t ip;
	bool counts;
} known[KNOWN_MAX];
static size_t known_next;

static const struct {
	long number;
	const char *name;
} names[] = {
#define NAME(name)                                                                                 \
	{                                                                                          \
		SYS_##name, #name                                                                  \
	}
	NAME(accept4),
	NAME(access),
	NAME(bind),
	NAME(brk),
	NAME(chdir),
	NAME(chmod),
	NAME(chown),
	NAME(clock_gettime),
	NAME(clock_nanosleep),
	NAME(clone),
	NAME(clone3),
	NAME(close),
	NAME(close_range),
	NAME(connect),
	NAME(dup),
	NAME(dup2),
	NAME(dup3),
	NAME(epoll_create1),
	NAME(epoll_ctl),
	NAME(epoll_wait),
	NAME(eventfd2),
	NAME(execve),
	NAME(exit),
	NAME(exit_group),
	NAME(faccessat2),
	NAME(fallocate),
	NAME(fchmod),
	NAME(fchmodat),
	NAME(fchown),
	NAME(fcntl),
	NAME(fdatasync),
	NAME(flock),
	NAME(fstat),
	NAME(fstatfs),
	NAME(fsync),
	NAME(ftruncate),
	NAME(futex),
	NAME(futimesat),
	NAME(getdents64),
	NAME(getegid),
	NAME(geteuid),
	NAME(getgid),
	NAME(getgroups),
	NAME(getpeername),
	NAME(getpid),
	NAME(getppid),
	NAME(getrandom),
	NAME(getsockname),
	NAME(getsockopt),
	NAME(gettid),
	NAME(getuid),
	NAME(inotify_add_watch),
	NAME(inotify_init1),
	NAME(ioctl),
	NAME(kill),
	NAME(linkat),
	NAME(listen),
	NAME(lseek),
	NAME(madvise),
	NAME(memfd_create),
	NAME(mkdir),
	NAME(mkdirat),
	NAME(mlock),
	NAME(mmap),
	NAME(mprotect),
	NAME(munmap),
	NAME(nanosleep),
	NAME(newfstatat),
	NAME(openat),
	NAME(pidfd_open),
	NAME(pipe2),
	NAME(poll),
	NAME(ppoll),
	NAME(prctl),
	NAME(pread64),
	NAME(prlimit64),
	NAME(pwrite64),
	NAME(read),
	NAME(readlink),
	NAME(readlinkat),
	NAME(readv),
	NAME(recvfrom),
	NAME(recvmsg),
	NAME(rename),
	NAME(renameat),
	NAME(renameat2),
	NAME(rt_sigaction),
	NAME(rt_sigprocmask),
	NAME(rt_sigtimedwait),
	NAME(sendfile),
	NAME(sendmsg),
	NAME(sendto),
	NAME(setpriority),
	NAME(setsid),
	NAME(setsockopt),
	NAME(shutdown),
	NAME(signalfd4),
	NAME(socket),
	NAME(socketpair),
	NAME(statfs),
	NAME(statx),
	NAME(sync_file_range),
	NAME(timerfd_create),
	NAME(timerfd_settime),
	NAME(umask),
	NAME(uname),
	NAME(unlink),
	NAME(unlinkat),
	NAME(utimensat),
	NAME(wait4),
	NAME(waitid),
	NAME(write),
	NAME(writev),
};

static const struct {
	const char *name;
	int number;
} errors[] = {
	{"EPERM", EPERM},         {"ENOENT", ENOENT},
	{"EINTR", EINTR},         {"EIO", EIO},
	{"EAGAIN", EAGAIN},       {"ENOMEM", ENOMEM},
	{"EACCES", EACCES},       {"EEXIST", EEXIST},
	{"EINVAL", EINVAL},       {"ENFILE", ENFILE},
	{"EMFILE", EMFILE},       {"EFBIG", EFBIG},
	{"ENOSPC", ENOSPC},       {"EROFS", EROFS},
	{"EPIPE", EPIPE},         {"ENOLCK", ENOLCK},
	{"ENOSYS", ENOSYS},       {"EDQUOT", EDQUOT},
	{"ENOBUFS", ENOBUFS},     {"ECONNREFUSED", ECONNREFUSED},
	{"ENOTCONN", ENOTCONN},   {"ECONNRESET", ECONNRESET},
	{"ETIMEDOUT", ETIMEDOUT}, {"ESTALE", ESTALE},
	{"ELOOP", ELOOP},
};

static void die(const char *what)
{
	fprintf(stderr, "fault-run: %s: %s\n", what, strerror(errno));
	exit(3);
}

static const char *name_of(long number)
{
	static char text[24];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].number == number)
			return names[i].name;
	snprintf(text, sizeof text, "call%ld", number);
	return text;
}

static int error_of(const char *text)
{
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (strcmp(errors[i].name, text) == 0)
			return errors[i].number;
	return isdigit((unsigned char)text[0]) ? atoi(text) : 0;
}

/* ---- whose call is it? ---- */

static bool ends_with_name(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return strcmp(slash ? slash + 1 : path, name) == 0;
}

static bool code_is_in(pid_t pid, uint64_t ip, const char *file)
{
	char path[64], line[LINE_BYTES];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof line, f)) {
		char *end = NULL, *where = strchr(line, '/');
		uint64_t from = strtoull(line, &end, 16), to = strtoull(end + 1, NULL, 16);
		line[strcspn(line, "\n")] = '\0';
		found = ip >= from && ip < to && where && ends_with_name(where, file);
	}
	if (f)
		fclose(f);
	return found;
}

static bool executes(pid_t pid, const char *program)
{
	char path[64], target[LINE_BYTES];

	snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	ssize_t n = readlink(path, target, sizeof target - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return ends_with_name(target, program);
}

static bool is_counted(pid_t pid, uint64_t ip)
{
	for (size_t i = 0; i < KNOWN_MAX; i++)
		if (known[i].pid == pid && known[i].ip == ip)
			return known[i].counts;
	bool counts = (!how.by || (executes(pid, how.by) && !code_is_in(pid, ip, LOADER))) &&
		      (!how.in || code_is_in(pid, ip, how.in));
	known[known_next++ % KNOWN_MAX] = (struct known){pid, ip, counts};
	return counts;
}

static void forget(pid_t pid)
{
	for (size_t i = 0; i < KNOWN_MAX; i++)
		if (known[i].pid == pid)
			known[i].pid = 0;
}

static bool is_named(const char *name)
{
	size_t len = strlen(name);

	for (const char *at = how.only; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	}
	return !how.only;
}

/* ---- what becomes of it ---- */

#if defined(__x86_64__)
static bool get_call(pid_t pid, struct user_regs_struct *ret)
{
	return ptrace(PTRACE_GETREGS, pid, 0, ret) == 0;
}

static void skip_call(pid_t pid, struct user_regs_struct *r, long answer)
{
	r->orig_rax = (unsigned long long)-1;
	r->rax = (unsigned long long)answer;
	(void)ptrace(PTRACE_SETREGS, pid, 0, r);
}

static bool has_length(long number)
{
	return number == SYS_read || number == SYS_write || number == SYS_pread64 ||
	       number == SYS_pwrite64 || number == SYS_sendto || number == SYS_recvfrom ||
	       number == SYS_getrandom;
}

static void shorten(pid_t pid, struct user_regs_struct *r)
{
	unsigned long long *len = r->orig_rax == SYS_getrandom ? &r->rsi : &r->rdx;

	if (!has_length((long)r->orig_rax) || *len < 2)
		return;
	*len /= 2;
	(void)ptrace(PTRACE_SETREGS, pid, 0, r);
}

/* The clock with the offset, in the process' memory. The monotonic ones go on. */
static void answer_clock(pid_t pid, struct user_regs_struct *r)
{
	struct timespec now;
	struct iovec from = {&now, sizeof now}, to = {(void *)r->rsi, sizeof now};

	if (r->orig_rax != SYS_clock_gettime ||
	    (r->rdi != CLOCK_REALTIME && r->rdi != CLOCK_REALTIME_COARSE))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += how.clock_s;
	if (process_vm_writev(pid, &from, 1, &to, 1, 0) == (ssize_t)sizeof now)
		skip_call(pid, r, 0);
}

static void answer_old_clocks(pid_t pid, struct user_regs_struct *r)
{
	struct timeval now;
	struct iovec from = {&now, sizeof now}, to = {(void *)r->rdi, sizeof now};

	gettimeofday(&now, NULL);
	now.tv_sec += how.clock_s;
	if (r->orig_rax == SYS_time) {
		long seconds = now.tv_sec;
		from = (struct iovec){&seconds, sizeof seconds};
		to.iov_len = sizeof seconds;
		if (r->rdi)
			(void)process_vm_writev(pid, &from, 1, &to, 1, 0);
		skip_call(pid, r, now.tv_sec);
	} else if (r->orig_rax == SYS_gettimeofday &&
		   process_vm_writev(pid, &from, 1, &to, 1, 0) == (ssize_t)sizeof now) {
		skip_call(pid, r, 0);
	}
}

/* Without the vDSO, libc asks the kernel for the time. */
static void hide_vdso(pid_t pid)
{
	struct user_regs_struct r;
	uint64_t stack[AUX_MAX];
	size_t at = 0;

	if (!get_call(pid, &r))
		return;
	struct iovec to = {stack, sizeof stack}, from = {(void *)r.rsp, sizeof stack};
	ssize_t n = process_vm_readv(pid, &to, 1, &from, 1, 0);
	size_t words = n < 0 ? 0 : (size_t)n / sizeof stack[0];
	if (words < 2)
		return;
	at = 1 + stack[0] + 1; /* argc, the arguments, NULL */
	while (at < words && stack[at])
		at++;
	for (at++; at + 1 < words && stack[at]; at += 2)
		if (stack[at] == AUX_VDSO)
			(void)ptrace(PTRACE_POKEDATA, pid, r.rsp + at * sizeof stack[0],
				     AUX_IGNORE);
}
#else
#error "fault-run knows the registers of x86-64 only"
#endif

static void note(const char *name)
{
	char line[64];
	int n = snprintf(line, sizeof line, "%lu %s\n", count, name);

	if (tell >= 0 && write(tell, line, (size_t)n) != n)
		die("--tell");
}

static bool clock_jumped;

static void hit(pid_t pid, struct user_regs_struct *r)
{
	note(name_of((long)r->orig_rax));
	if (how.kills)
		(void)kill(pid, SIGKILL);
	else if (how.has_clock)
		clock_jumped = true;
	else if (how.wait_ms)
		(void)poll(NULL, 0, (int)how.wait_ms);
	else if (how.is_short)
		shorten(pid, r);
	else
		skip_call(pid, r, -how.fail);
}

static void on_call(pid_t pid)
{
	struct user_regs_struct r;

	if (!get_call(pid, &r))
		return;
	if (is_counted(pid, r.rip) && is_named(name_of((long)r.orig_rax))) {
		count++;
		if (!how.at)
			note(name_of((long)r.orig_rax));
		else if (count == how.at || (how.on && count > how.at))
			hit(pid, &r);
	}
	if (clock_jumped && (long)r.orig_rax != -1) {
		answer_clock(pid, &r);
		answer_old_clocks(pid, &r);
	}
}

/* ---- the processes ---- */

static void start(char **command)
{
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE)};
	struct sock_fprog program = {1, code};
	int ready[2];
	char go;

	if (pipe2(ready, O_CLOEXEC) != 0)
		die("pipe");
	main_pid = fork();
	if (main_pid < 0)
		die("fork");
	if (main_pid == 0) {
		if (read(ready[0], &go, 1) != 1 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
			die("seccomp");
		execvp(command[0], command);
		die(command[0]);
	}
	if (ptrace(PTRACE_SEIZE, main_pid, 0,
		   PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			   PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) != 0)
		die("ptrace");
	if (write(ready[1], "g", 1) != 1)
		die("pipe");
	close(ready[0]);
	close(ready[1]);
}

static void go_on(pid_t pid, int status)
{
	int event = status >> 16, signal = WSTOPSIG(status);

	if (event == PTRACE_EVENT_SECCOMP)
		on_call(pid);
	if (event == PTRACE_EVENT_EXEC) {
		forget(pid);
		if (how.has_clock)
			hide_vdso(pid);
	}
	if (event == PTRACE_EVENT_STOP && signal != SIGTRAP)
		(void)ptrace(PTRACE_LISTEN, pid, 0, 0); /* stopped, as a shell stops jobs */
	else
		(void)ptrace(PTRACE_CONT, pid, 0, event ? 0 : signal);
}

/* Until all of them are gone. What the command ended with. */
static int follow(void)
{
	int status, ret = 3;

	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return ret;
		if (WIFSTOPPED(status)) {
			go_on(pid, status);
			continue;
		}
		forget(pid);
		if (pid == main_pid)
			ret = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

static void pass_on(int signal)
{
	if (main_pid > 0)
		(void)kill(main_pid, signal);
}

static void usage(void)
{
	fprintf(stderr, "usage: fault-run [--in FILE] [--by PROGRAM] [--only NAMES] [--tell FILE] "
			"[--at N [--on]\n"
			"       --fail ERRNO | --short | --kill | --wait MS | --clock SECONDS] "
			"COMMAND [ARGUMENT...]\n");
	exit(2);
}

static void read_option(int option)
{
	switch (option) {
	case 'i':
		how.in = optarg;
		break;
	case 'b':
		how.by = optarg;
		break;
	case 'o':
		how.only = optarg;
		break;
	case 't':
		tell = open(optarg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (tell < 0)
			die(optarg);
		break;
	case 'a':
		how.at = strtoul(optarg, NULL, 10);
		break;
	case 'O':
		how.on = true;
		break;
	case 'f':
		how.fail = error_of(optarg);
		if (!how.fail)
			usage();
		break;
	case 's':
		how.is_short = true;
		break;
	case 'k':
		how.kills = true;
		break;
	case 'c':
		how.has_clock = true;
		how.clock_s = strtol(optarg, NULL, 10);
		break;
	case 'w':
		how.wait_ms = strtol(optarg, NULL, 10);
		break;
	default:
		usage();
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"in", 1, 0, 'i'},    {"by", 1, 0, 'b'},    {"only", 1, 0, 'o'},
		{"tell", 1, 0, 't'},  {"at", 1, 0, 'a'},    {"on", 0, 0, 'O'},
		{"fail", 1, 0, 'f'},  {"short", 0, 0, 's'}, {"kill", 0, 0, 'k'},
		{"clock", 1, 0, 'c'}, {"wait", 1, 0, 'w'},  {0},
	};
	struct sigaction act = {.sa_handler = pass_on};
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1)
		read_option(option);
	if (optind == argc ||
	    (how.at && !how.fail && !how.is_short && !how.kills && !how.wait_ms && !how.has_clock))
		usage();
	clock_jumped = how.has_clock && !how.at;
	start(argv + optind);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	return follow();
}
