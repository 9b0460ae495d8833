/* SPDX-License-Identifier: MIT */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

#define THREADS       4
#define ROUNDS        20000
#define PATH_MAX_TEST 4096

static char root[] = "/tmp/test_sys.XXXXXX";
static char path_room[PATH_MAX_TEST * 2];

/* A path in the test's own directory, valid until the next call. */
static const char *at(const char *name)
{
	snprintf(path_room, sizeof path_room, "%s/%s", root, name);
	return path_room;
}

static void write_file(const char *path, struct bytes content)
{
	int fd = sys_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	size_t len = 0;

	CHECK(fd >= 0);
	CHECK_ERR(sys_write_full(fd, content.at, content.len, &len), OK);
	CHECK_U64(len, content.len);
	CHECK(sys_close(fd) == 0);
}

/* Runs `body` in a child; true when it ended by itself with status 0. What it found is printed. */
static bool in_child(bool (*body)(void))
{
	int status;

	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		bool good = body();
		_exit(good ? 0 : 1);
	}
	CHECK(child > 0);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		printf("# the child was killed by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- calls ---- */

static void results_are_the_kernels_and_errno_is_left_alone(void)
{
	char byte;
	struct stat st;

	errno = 4711;
	CHECK(sys_open(at("nothing"), O_RDONLY, 0) == -ENOENT);
	CHECK(sys_read(-1, &byte, 1) == -EBADF);
	CHECK(sys_write(-1, &byte, 1) == -EBADF);
	CHECK(sys_pread(-1, &byte, 1, 0) == -EBADF);
	CHECK(sys_pwrite(-1, &byte, 1, 0) == -EBADF);
	CHECK(sys_close(-1) == -EBADF);
	CHECK(sys_stat(at("nothing"), &st) == -ENOENT);
	CHECK(sys_fstat(-1, &st) == -EBADF);
	CHECK(sys_unlink(at("nothing")) == -ENOENT);
	CHECK(sys_rename(at("nothing"), "/tmp") == -ENOENT);
	CHECK(sys_fdatasync(-1) == -EBADF);
	CHECK(sys_flock(-1, 2) == -EBADF);
	CHECK(sys_shutdown(-1, 0) == -EBADF);
	CHECK(sys_readlink(at("nothing"), &byte, 1) == -ENOENT);
	CHECK(sys_map((size_t)1 << 62) == NULL);
	CHECK(errno == 4711);
}

static void a_file_is_opened_for_this_program_only(void)
{
	char text[8] = {0};
	struct stat st;

	write_file(at("file"), BYTES("abcdef"));
	int fd = sys_open(at("file"), O_RDWR, 0);
	CHECK(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	CHECK(sys_pread(fd, text, 3, 2) == 3 && memcmp(text, "cde", 3) == 0);
	CHECK(sys_pwrite(fd, "X", 1, 0) == 1);
	CHECK(sys_read(fd, text, sizeof text) == 6 && memcmp(text, "Xbcdef", 6) == 0);
	CHECK(sys_fstat(fd, &st) == 0 && st.st_size == 6 && (st.st_mode & 0777) == 0600);
	CHECK(sys_fdatasync(fd) == 0);
	CHECK(sys_close(fd) == 0);
	CHECK(sys_stat(at("file"), &st) == 0 && S_ISREG(st.st_mode));
	char from[sizeof path_room];
	memcpy(from, at("file"), sizeof from);
	CHECK(sys_rename(from, at("moved")) == 0);
	CHECK(sys_stat(from, &st) == -ENOENT);
	CHECK(sys_unlink(at("moved")) == 0);
	CHECK(symlink("/some/where", at("link")) == 0);
	CHECK(sys_readlink(at("link"), text, sizeof text) == 8);
	CHECK(memcmp(text, "/some/wh", 8) == 0);
}

static void who_and_when_are_those_of_libc(void)
{
	struct timespec wall, steady;

	CHECK(sys_getpid() == getpid() && sys_getppid() == getppid() && sys_gettid() == gettid());
	CHECK(sys_getuid() == getuid() && sys_getgid() == getgid());
	uint64_t now = sys_now_ns(), monotonic = sys_monotonic_ns();
	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_MONOTONIC, &steady);
	uint64_t wall_ns = (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec;
	uint64_t steady_ns = (uint64_t)steady.tv_sec * 1000000000u + (uint64_t)steady.tv_nsec;
	CHECK(now <= wall_ns && wall_ns - now < 60u * 1000000000u);
	CHECK(monotonic <= steady_ns && steady_ns - monotonic < 60u * 1000000000u);
	CHECK(sys_monotonic_ns() >= monotonic);
	uint64_t tick = sys_tick_ns();
	CHECK(tick <= sys_monotonic_ns() && tick + 60u * 1000000000u > monotonic);
	CHECK(sys_now_s() >= (int64_t)wall.tv_sec - 1 && sys_now_s() <= (int64_t)wall.tv_sec + 60);
}

static void random_bytes_fill_all_and_only_the_room(void)
{
	static uint8_t first[5000], second[5000];

	CHECK_ERR(sys_random(first, sizeof first - 1), OK);
	CHECK_ERR(sys_random(second, sizeof second - 1), OK);
	CHECK(first[sizeof first - 1] == 0);
	CHECK(memcmp(first, second, sizeof first) != 0);
	size_t zeros = 0;
	for (size_t i = sizeof first - 33; i < sizeof first - 1; i++)
		zeros += first[i] == 0;
	CHECK(zeros < 32); /* filled to the end */
	CHECK_ERR(sys_random(NULL, 0), OK);
}

/* ---- reading and writing all ---- */

static void reading_goes_on_over_short_reads_until_the_end(void)
{
	int ends[2];
	char text[16];
	size_t len = 99;

	CHECK(pipe(ends) == 0);
	if (fork() == 0) {
		for (const char *c = "abcdef"; *c; c++) {
			(void)!write(ends[1], c, 1);
			usleep(1000);
		}
		_exit(0);
	}
	close(ends[1]);
	CHECK_ERR(sys_read_full(ends[0], text, 4, &len), OK);
	CHECK_BYTES(bytes_of(text, len), "abcd");
	CHECK_ERR(sys_read_full(ends[0], text, sizeof text, &len), OK);
	CHECK_BYTES(bytes_of(text, len), "ef");
	CHECK_ERR(sys_read_full(ends[0], text, sizeof text, &len), OK);
	CHECK_U64(len, 0);
	close(ends[0]);
	CHECK_ERR(sys_read_full(-1, text, 1, &len), ERR_IO);
	CHECK_ERR(sys_read_full(-1, text, 0, &len), OK);
	wait(NULL);
}

static void on_alarm(int signal)
{
}

/* A pipe that is full, a reader that comes late, and a signal in between. */
static bool write_through_an_interruption(void)
{
	enum { LEN = 1 << 20 };
	static char text[LEN];
	struct sigaction alarms = {.sa_handler = on_alarm}; /* no SA_RESTART */
	struct itimerval soon = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
	size_t len = 0;
	int ends[2];

	if (pipe(ends) != 0)
		return false;
	pid_t reader = fork();
	if (reader == 0) {
		size_t got = 0;
		ssize_t n;
		close(ends[1]);
		usleep(20000);
		while ((n = read(ends[0], text, LEN)) > 0)
			got += (size_t)n;
		_exit(got == LEN ? 0 : 1);
	}
	close(ends[0]);
	sigaction(SIGALRM, &alarms, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	enum err e = sys_write_full(ends[1], text, LEN, &len);
	setitimer(ITIMER_REAL, &never, NULL);
	close(ends[1]);
	int status = 1;
	while (waitpid(reader, &status, 0) < 0 && errno == EINTR)
		;
	return e == OK && len == LEN && status == 0;
}

static void a_write_goes_on_after_an_interruption(void)
{
	CHECK(in_child(write_through_an_interruption));
}

static void a_failed_write_says_how_much_went_out(void)
{
	size_t len = 99;
	int fd = sys_open("/dev/full", O_WRONLY, 0);

	CHECK(fd >= 0);
	CHECK_ERR(sys_write_full(fd, "abc", 3, &len), ERR_FULL);
	CHECK_U64(len, 0);
	CHECK_ERR(sys_write_full(fd, "abc", 0, &len), OK);
	sys_close(fd);
	CHECK_ERR(sys_write_full(-1, "abc", 3, &len), ERR_IO);
	CHECK_U64(len, 0);
}

static volatile sig_atomic_t size_signals;

static void on_size_signal(int signal)
{
	size_signals++;
}

static void limit_files_to(rlim_t bytes)
{
	struct rlimit limit = {bytes, RLIM_INFINITY};

	setrlimit(RLIMIT_FSIZE, &limit);
}

static bool is_pending(int signal)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, signal) == 1;
}

static bool is_blocked(int signal)
{
	sigset_t set;

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	return sigismember(&set, signal) == 1;
}

static bool write_past_the_limit(void)
{
	size_t len = 0;
	int fd = sys_open(at("limited"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	limit_files_to(10);
	bool good = sys_write_full(fd, "0123456", 7, &len) == OK && len == 7;
	good = good && sys_write_full(fd, "789abc", 6, &len) == ERR_FULL && len == 3;
	good = good && sys_write_full(fd, "d", 1, &len) == ERR_FULL && len == 0;
	return good && !is_pending(SIGXFSZ) && !is_blocked(SIGXFSZ);
}

static bool write_past_the_limit_with_a_handler(void)
{
	signal(SIGXFSZ, on_size_signal);
	return write_past_the_limit() && size_signals == 0;
}

/* Who has blocked the signal and waits for it finds it as before. */
static bool write_past_the_limit_while_blocked(void)
{
	size_t len = 0;
	sigset_t set;
	int fd = sys_open(at("limited"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	limit_files_to(10);
	sigemptyset(&set);
	sigaddset(&set, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return sys_write_full(fd, "0123456789a", 11, &len) == ERR_FULL && len == 10 &&
	       is_pending(SIGXFSZ) && is_blocked(SIGXFSZ);
}

static void a_write_past_the_file_size_limit_does_not_kill(void)
{
	CHECK(in_child(write_past_the_limit));
	CHECK(in_child(write_past_the_limit_with_a_handler));
	CHECK(in_child(write_past_the_limit_while_blocked));
}

static bool ask_each_time(void)
{
	bool good = sys_file_limit() == UINT64_MAX;

	limit_files_to(10);
	good = good && sys_file_limit() == 10;
	limit_files_to(RLIM_INFINITY);
	return good && sys_file_limit() == UINT64_MAX;
}

static bool remember_that_there_is_none(void)
{
	bool good;

	sys_file_limit_watch();
	good = sys_file_limit() == UINT64_MAX;
	limit_files_to(10); /* behind our back: within the second it is not asked for */
	good = good && sys_file_limit() == UINT64_MAX;
	sys_file_limit_change(false);
	good = good && sys_file_limit() == 10; /* another thread changes it just now */
	limit_files_to(20);
	sys_file_limit_change(true);
	good = good && sys_file_limit() == 20; /* a limit is asked for each time */
	limit_files_to(30);
	good = good && sys_file_limit() == 30;
	limit_files_to(RLIM_INFINITY);
	return good && sys_file_limit() == UINT64_MAX;
}

static void that_there_is_no_file_size_limit_is_remembered_until_it_changes(void)
{
	CHECK(in_child(ask_each_time));
	CHECK(in_child(remember_that_there_is_none));
}

/* ---- files and directories ---- */

static void a_file_is_read_whole_up_to_the_limit(void)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 100000};
	static char text[100000];

	memset(text, 'x', sizeof text);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct buf b = {0};
		write_file(at("sized"), bytes_of(text, sizes[i]));
		CHECK_ERR(buf_put_str(&b, "before"), OK);
		CHECK_ERR(sys_read_file(at("sized"), sizes[i], &b), OK);
		CHECK_U64(b.len, 6 + sizes[i]);
		CHECK(bytes_equal(bytes_from(buf_view(&b), 6), bytes_of(text, sizes[i])));
		if (sizes[i]) {
			b.len = 6;
			CHECK_ERR(sys_read_file(at("sized"), sizes[i] - 1, &b), ERR_LIMIT);
			CHECK_BYTES(buf_view(&b), "before"); /* untouched on failure */
		}
		buf_done(&b);
	}
}

static void files_that_cannot_be_read_say_why(void)
{
	struct buf b = {0};

	CHECK_ERR(sys_read_file(at("none"), 10, &b), ERR_MISSING);
	CHECK_ERR(sys_read_file(at("limited/none"), 10, &b), ERR_MISSING);
	CHECK_ERR(sys_read_file(root, 10, &b), ERR_IO); /* a directory */
	CHECK_U64(b.len, 0);
	/* a size that stat does not know */
	CHECK_ERR(sys_read_file("/proc/self/status", 1u << 20, &b), OK);
	CHECK(bytes_starts(buf_view(&b), BYTES("Name:")));
	buf_done(&b);
	CHECK_ERR(sys_read_file("/dev/zero", 100000, &b), ERR_LIMIT);
	buf_done(&b);
}

static bool read_without_permission(void)
{
	struct buf b = {0};

	if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		return false;
	return sys_read_file(at("secret"), 10, &b) == ERR_ACCESS &&
	       sys_make_directories(at("locked/x"), 0700) == ERR_ACCESS;
}

static void no_permission_is_told_apart(void)
{
	write_file(at("secret"), BYTES("x"));
	CHECK(chmod(at("secret"), 0) == 0);
	CHECK(mkdir(at("locked"), 0500) == 0 && chmod(root, 0755) == 0);
	CHECK(in_child(read_without_permission));
}

static enum err read_big_file(void)
{
	struct buf b = {0};
	enum err e = sys_read_file(at("big"), 1u << 20, &b);

	CHECK(b.len == (e ? 0u : 100000u));
	buf_done(&b);
	return e;
}

static void a_failed_allocation_leaves_no_file_open(void)
{
	static char text[100000];

	write_file(at("big"), bytes_of(text, sizeof text));
	int before = sys_open("/dev/null", O_RDONLY, 0);
	sys_close(before);
	tap_fail_each_allocation(read_big_file);
	int after = sys_open("/dev/null", O_RDONLY, 0);
	CHECK(before == after);
	sys_close(after);
}

static bool is_directory(const char *path, mode_t mode)
{
	struct stat st;

	return sys_stat(path, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 0777) == mode;
}

static void directories_are_made_with_their_parents(void)
{
	mode_t umask_before = umask(0);

	CHECK_ERR(sys_make_directories(at("a/b/c"), 0710), OK);
	CHECK(is_directory(at("a"), 0710) && is_directory(at("a/b"), 0710));
	CHECK(is_directory(at("a/b/c"), 0710));
	CHECK_ERR(sys_make_directories(at("a/b/c"), 0700), OK); /* exists: as it was */
	CHECK(is_directory(at("a/b/c"), 0710));
	CHECK_ERR(sys_make_directories(at("a//d/"), 0700), OK);
	CHECK(is_directory(at("a/d"), 0700));
	CHECK_ERR(sys_make_directories("/", 0700), OK);
	CHECK_ERR(sys_make_directories("/tmp", 0700), OK);
	umask(umask_before);
}

static void directories_that_cannot_be_made_say_why(void)
{
	static char long_path[PATH_MAX_TEST + 1];

	write_file(at("plain"), BYTES("x"));
	CHECK_ERR(sys_make_directories(at("plain"), 0700), ERR_IO);
	CHECK_ERR(sys_make_directories(at("plain/x"), 0700), ERR_MISSING);
	CHECK_ERR(sys_make_directories("", 0700), ERR_LIMIT);
	memset(long_path, 'x', sizeof long_path - 1);
	CHECK_ERR(sys_make_directories(long_path, 0700), ERR_LIMIT);
	/* one less is the kernel's to refuse: no name is that long */
	long_path[PATH_MAX_TEST - 1] = '\0';
	CHECK_ERR(sys_make_directories(long_path, 0700), ERR_IO);
	CHECK(symlink("/nowhere/at/all", at("dangling")) == 0);
	CHECK_ERR(sys_make_directories(at("dangling"), 0700), ERR_IO);
}

/* ---- locks ---- */

static struct lock shared_lock;
static unsigned long counter, inside, collisions;

static void *count_up(void *unused)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (!lock_take(&shared_lock)) {
			__atomic_fetch_add(&collisions, 1, __ATOMIC_RELAXED);
			continue;
		}
		if (__atomic_add_fetch(&inside, 1, __ATOMIC_RELAXED) != 1)
			__atomic_fetch_add(&collisions, 1, __ATOMIC_RELAXED);
		counter++;
		if (i % 64 == 0)
			sched_yield(); /* so that others come to wait */
		__atomic_sub_fetch(&inside, 1, __ATOMIC_RELAXED);
		lock_drop(&shared_lock);
	}
	return NULL;
}

static void a_lock_lets_one_thread_in_at_a_time(void)
{
	pthread_t threads[THREADS];

	counter = 0;
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, count_up, NULL) == 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_U64(counter, THREADS * ROUNDS);
	CHECK_U64(collisions, 0);
	CHECK(shared_lock.word == 0);
}

static struct lock awaited_lock;
static pid_t waiter;

static void *wait_for_lock(void *unused)
{
	__atomic_store_n(&waiter, gettid(), __ATOMIC_RELEASE);
	if (lock_take(&awaited_lock))
		lock_drop(&awaited_lock);
	return NULL;
}

static bool is_asleep(pid_t thread)
{
	struct buf stat = {0};
	char path[64];

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
	CHECK_ERR(sys_read_file(path, 4096, &stat), OK);
	bool asleep = bytes_find(buf_view(&stat), BYTES(") S ")) != SIZE_MAX;
	buf_done(&stat);
	return asleep;
}

static void a_thread_that_sleeps_before_a_lock_is_woken(void)
{
	pthread_t thread;
	pid_t id;

	CHECK(lock_take(&awaited_lock));
	CHECK(pthread_create(&thread, NULL, wait_for_lock, NULL) == 0);
	while (!(id = __atomic_load_n(&waiter, __ATOMIC_ACQUIRE)) ||
	       !(__atomic_load_n(&awaited_lock.word, __ATOMIC_RELAXED) >> 31) || !is_asleep(id))
		sched_yield();
	alarm(20); /* ends the test if nobody wakes it */
	lock_drop(&awaited_lock);
	pthread_join(thread, NULL);
	alarm(0);
	CHECK(awaited_lock.word == 0);
}

static void a_lock_is_not_taken_twice_by_one_thread(void)
{
	struct lock l = {0}, other = {0};

	CHECK(lock_take(&l));
	CHECK(!lock_take(&l));
	CHECK(!lock_take(&l));
	CHECK(lock_take(&other)); /* another lock is another matter */
	lock_drop(&other);
	lock_drop(&l); /* once is enough */
	CHECK(lock_take(&l));
	lock_drop(&l);
}

static struct lock interrupted_lock;
static volatile sig_atomic_t taken_in_handler;

static void take_in_handler(int signal)
{
	taken_in_handler = lock_take(&interrupted_lock) ? 1 : 2;
}

static void a_signal_handler_is_told_that_its_thread_holds_the_lock(void)
{
	signal(SIGUSR1, take_in_handler);
	CHECK(lock_take(&interrupted_lock));
	raise(SIGUSR1);
	CHECK_U64(taken_in_handler, 2);
	lock_drop(&interrupted_lock);
	signal(SIGUSR1, SIG_DFL);
}

static struct lock forked_lock;

static bool take_after_reset(void)
{
	lock_reset(&forked_lock);
	if (!lock_take(&forked_lock))
		return false;
	lock_drop(&forked_lock);
	return forked_lock.word == 0;
}

static void *hold_forever(void *taken)
{
	if (lock_take(&forked_lock))
		__atomic_store_n((int *)taken, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n((int *)taken, __ATOMIC_ACQUIRE) != 2)
		sched_yield();
	lock_drop(&forked_lock);
	return NULL;
}

static void a_child_frees_a_lock_that_any_thread_held_at_the_fork(void)
{
	pthread_t thread;
	int taken = 0;

	CHECK(lock_take(&forked_lock));
	CHECK(in_child(take_after_reset));
	lock_drop(&forked_lock);
	CHECK(pthread_create(&thread, NULL, hold_forever, &taken) == 0);
	while (__atomic_load_n(&taken, __ATOMIC_ACQUIRE) != 1)
		sched_yield();
	CHECK(in_child(take_after_reset)); /* its holder does not exist in the child */
	__atomic_store_n(&taken, 2, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	CHECK(lock_take(&forked_lock));
	lock_drop(&forked_lock);
}

/* ---- memory ---- */

static uint8_t *wiped, *kept;

static bool finds_zeros(void)
{
	return wiped[0] == 0 && wiped[4095] == 0 && kept[0] == 7;
}

static void a_child_finds_zeros_where_memory_is_wiped_on_fork(void)
{
	wiped = sys_map(4096);
	kept = sys_map(4096);
	CHECK(wiped && kept && wiped[0] == 0 && wiped[4095] == 0);
	CHECK(sys_wipe_on_fork(wiped, 4096) == 0);
	memset(wiped, 7, 4096);
	memset(kept, 7, 4096);
	CHECK(in_child(finds_zeros));
	CHECK(wiped[0] == 7 && wiped[4095] == 7);
	CHECK(sys_wipe_on_fork(wiped + 1, 1) == -EINVAL);
	sys_unmap(wiped, 4096);
	sys_unmap(kept, 4096);
	CHECK(msync(kept, 4096, MS_ASYNC) == -1 && errno == ENOMEM); /* gone */
}

static void memory_is_asked_for_without_a_fault(void)
{
	struct bytes page = tap_guarded(BYTES("the end of a page"));

	CHECK(sys_can_read(page.at, page.len));
	CHECK(!sys_can_read(page.at, page.len + 1));
	CHECK(!sys_can_read(page.at + page.len, 1));
	CHECK(sys_can_read(page.at + page.len, 0));
	CHECK(sys_can_read(page.at + page.len - 1, 1));
	CHECK(!sys_can_read(NULL, 1) && !sys_can_read((void *)8, 8));
	CHECK(!sys_can_read((void *)UINTPTR_MAX, 1) && !sys_can_read(page.at, SIZE_MAX));
}

static void a_descriptor_says_what_it_is_and_whether_it_takes_more(void)
{
	int pair[2], pipes[2], null = sys_open("/dev/null", O_WRONLY, 0);
	char filler[4096] = "";

	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0 && pipe(pipes) == 0);
	CHECK(sys_socket_type(pair[0]) == SOCK_DGRAM && sys_socket_type(null) == -ENOTSOCK);
	CHECK(sys_is_writable(pair[0]) && sys_is_writable(pipes[1]) && sys_is_writable(null));
	while (sys_is_writable(pipes[1]))
		CHECK(write(pipes[1], filler, sizeof filler) == sizeof filler);
	close(pipes[0]);
	CHECK(!sys_is_writable(pipes[1])); /* nobody reads: a write would kill */
	CHECK(!sys_is_writable(-1));
	CHECK(sys_waits(pair[0]) && !sys_waits(-1));
	CHECK(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0 && !sys_waits(pair[0]));
	close(pair[0]), close(pair[1]), close(pipes[1]), close(null);
}

static void remove_all(void)
{
	char command[sizeof root + 16];

	snprintf(command, sizeof command, "rm -rf %s", root);
	if (system(command) != 0)
		printf("# %s is left behind\n", root);
}

int main(void)
{
	if (!mkdtemp(root))
		return 1;
	atexit(remove_all);
	RUN_TESTS(
		TEST(results_are_the_kernels_and_errno_is_left_alone),
		TEST(a_file_is_opened_for_this_program_only), TEST(who_and_when_are_those_of_libc),
		TEST(random_bytes_fill_all_and_only_the_room),
		TEST(reading_goes_on_over_short_reads_until_the_end),
		TEST(a_write_goes_on_after_an_interruption),
		TEST(a_failed_write_says_how_much_went_out),
		TEST(a_write_past_the_file_size_limit_does_not_kill),
		TEST(that_there_is_no_file_size_limit_is_remembered_until_it_changes),
		TEST(a_file_is_read_whole_up_to_the_limit), TEST(files_that_cannot_be_read_say_why),
		TEST(no_permission_is_told_apart), TEST(a_failed_allocation_leaves_no_file_open),
		TEST(directories_are_made_with_their_parents),
		TEST(directories_that_cannot_be_made_say_why),
		TEST(a_lock_lets_one_thread_in_at_a_time),
		TEST(a_thread_that_sleeps_before_a_lock_is_woken),
		TEST(a_lock_is_not_taken_twice_by_one_thread),
		TEST(a_signal_handler_is_told_that_its_thread_holds_the_lock),
		TEST(a_child_frees_a_lock_that_any_thread_held_at_the_fork),
		TEST(a_child_finds_zeros_where_memory_is_wiped_on_fork),
		TEST(memory_is_asked_for_without_a_fault),
		TEST(a_descriptor_says_what_it_is_and_whether_it_takes_more));
}
