/* SPDX-License-Identifier: MIT */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/processor.h"

#define READ_STEP        4096
#define STAT_BYTES_MAX   4096
#define PROCESS_PATH_MAX 64
#define PATH_BYTES_MAX   4096
#define KERNEL_SIGSET    8 /* bytes of the kernel's signal set on the supported machines */
#define PAGE_BYTES_MIN   4096
#define NO_SUCH_CHANGE   99 /* neither SIG_BLOCK, SIG_UNBLOCK nor SIG_SETMASK */

long sys_call(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ __volatile__("syscall"
			     : "=a"(ret)
			     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			     : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ __volatile__("svc 0"
			     : "+r"(x0)
			     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			     : "memory");
	return x0;
#else
#error "aigw knows the system call convention of x86-64 and aarch64 only"
#endif
}

#define CALL(number, ...) CALL_(number, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(number, a, b, c, d, e, f, ...)                                                       \
	sys_call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

int sys_open(const char *path, int flags, mode_t mode)
{
	return (int)CALL(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

int sys_close(int fd)
{
	return (int)CALL(SYS_close, fd);
}

ssize_t sys_read(int fd, void *at, size_t len)
{
	return CALL(SYS_read, fd, at, len);
}

ssize_t sys_write(int fd, const void *at, size_t len)
{
	return CALL(SYS_write, fd, at, len);
}

ssize_t sys_pread(int fd, void *at, size_t len, off_t offset)
{
	return CALL(SYS_pread64, fd, at, len, offset);
}

ssize_t sys_pwrite(int fd, const void *at, size_t len, off_t offset)
{
	return CALL(SYS_pwrite64, fd, at, len, offset);
}

off_t sys_seek(int fd, off_t offset, int whence)
{
	return CALL(SYS_lseek, fd, offset, whence);
}

int sys_stat(const char *path, struct stat *ret_stat)
{
	return (int)CALL(SYS_newfstatat, AT_FDCWD, path, ret_stat, 0);
}

int sys_fstat(int fd, struct stat *ret_stat)
{
	return (int)CALL(SYS_fstat, fd, ret_stat);
}

int sys_mkdir(const char *path, mode_t mode)
{
	return (int)CALL(SYS_mkdirat, AT_FDCWD, path, mode);
}

int sys_rename(const char *from, const char *to)
{
	return (int)CALL(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int sys_unlink(const char *path)
{
	return (int)CALL(SYS_unlinkat, AT_FDCWD, path, 0);
}

int sys_fdatasync(int fd)
{
	return (int)CALL(SYS_fdatasync, fd);
}

int sys_flock(int fd, int operation)
{
	return (int)CALL(SYS_flock, fd, operation);
}

ssize_t sys_readlink(const char *path, char *ret_text, size_t cap)
{
	return CALL(SYS_readlinkat, AT_FDCWD, path, ret_text, cap);
}

int sys_shutdown(int fd, int how)
{
	return (int)CALL(SYS_shutdown, fd, how);
}

int sys_getpeername(int fd, struct sockaddr *ret_address, uint32_t *len)
{
	return (int)CALL(SYS_getpeername, fd, ret_address, len);
}

bool sys_is_readable(int fd)
{
	struct pollfd one = {fd, POLLIN, 0};
	struct timespec no_wait = {0};

	return CALL(SYS_ppoll, &one, 1, &no_wait, 0) != 0;
}

bool sys_waits(int fd)
{
	long flags = CALL(SYS_fcntl, fd, F_GETFL);

	return flags >= 0 && !(flags & O_NONBLOCK);
}

int sys_socket_type(int fd)
{
	int type = 0;
	socklen_t len = sizeof type;
	long e = CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &len);

	return e < 0 ? (int)e : type;
}

bool sys_is_writable(int fd)
{
	struct pollfd one = {fd, POLLOUT, 0};
	struct timespec no_wait = {0};

	return CALL(SYS_ppoll, &one, 1, &no_wait, 0) == 1 && one.revents == POLLOUT;
}

/* Asking for a change of the signal mask that does not exist: the kernel reads the new mask, one
 * word, and then says no. No other call reads so little, changes nothing, and is let through by
 * whatever filter a program runs under. */
bool sys_can_read(const void *at, size_t len)
{
	uintptr_t word = (uintptr_t)at & ~(uintptr_t)(KERNEL_SIGSET - 1), end = (uintptr_t)at + len;

	if (len && (word == 0 || end < (uintptr_t)at))
		return false;
	for (; len && word < end; word = (word | (PAGE_BYTES_MIN - 1)) + 1)
		if (CALL(SYS_rt_sigprocmask, NO_SUCH_CHANGE, word, 0, KERNEL_SIGSET) != -EINVAL)
			return false;
	return true;
}

/* ThreadSanitizer does not see our system calls, but has to hear of this one: an address that comes
 * again would be a race to it. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MAP_ALOUD
#endif
#endif

void *sys_map(size_t len)
{
#ifdef MAP_ALOUD
	void *heard = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return heard == MAP_FAILED ? NULL : heard;
#else
	long at = CALL(SYS_mmap, 0, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	return at < 0 && at > -4096 ? NULL : (void *)at;
#endif
}

void sys_unmap(void *at, size_t len)
{
	CALL(SYS_munmap, at, len);
}

void *sys_map_secret(size_t len)
{
	void *at = sys_map(len);

	if (at && CALL(SYS_madvise, at, len, MADV_DONTDUMP) < 0) {
		sys_unmap(at, len);
		return NULL;
	}
	if (at)
		(void)CALL(SYS_mlock, at, len);
	return at;
}

void sys_unmap_secret(void *at, size_t len)
{
	if (!at)
		return;
	wipe(at, len);
	sys_unmap(at, len);
}

int sys_wipe_on_fork(void *at, size_t len)
{
	return (int)CALL(SYS_madvise, at, len, MADV_WIPEONFORK);
}

pid_t sys_getpid(void)
{
	return (pid_t)CALL(SYS_getpid, 0);
}

/* What one thread makes and all use: who comes meanwhile does without. Atomic. */
enum made { NOT_MADE, BEING_MADE, MADE };

static bool is_made(const enum made *m)
{
	return __atomic_load_n(m, __ATOMIC_ACQUIRE) == MADE;
}

static bool begin_making(enum made *m)
{
	enum made none = NOT_MADE;

	return __atomic_compare_exchange_n(m, &none, BEING_MADE, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static void end_making(enum made *m, bool made)
{
	__atomic_store_n(m, made ? MADE : NOT_MADE, __ATOMIC_RELEASE);
}

/* A page of its own, wiped on fork, so that a child finds nothing of its parent's. */
static struct process_page {
	int64_t pid; /* 0: not asked yet; atomic */
	enum made unique;
	uint64_t counter; /* atomic */
	uint16_t salt;
	enum made seeded;
	uint64_t nonces; /* atomic */
	uint8_t seed[16];
} * process_page;

static struct process_page *process(void)
{
	struct process_page *page = __atomic_load_n(&process_page, __ATOMIC_ACQUIRE), *none = NULL;

	if (!page) {
		page = sys_map(sizeof *page);
		if (!page)
			return NULL;
		if (sys_wipe_on_fork(page, sizeof *page) < 0 ||
		    !__atomic_compare_exchange_n(&process_page, &none, page, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			sys_unmap(page, sizeof *page);
			page = none;
		}
	}
	return page;
}

pid_t sys_process(void)
{
	struct process_page *page = process();
	int64_t pid = page ? __atomic_load_n(&page->pid, __ATOMIC_ACQUIRE) : 0;

	if (pid)
		return (pid_t)pid;
	pid = sys_getpid();
	if (page)
		__atomic_store_n(&page->pid, pid, __ATOMIC_RELEASE);
	return (pid_t)pid;
}

/* Without a random start, time and process id still tell two processes apart. */
static void put_random(uint8_t ret_bytes[10])
{
	uint64_t start;

	if (!sys_random(ret_bytes, 10))
		return;
	start = sys_now_ns() ^ (uint64_t)sys_getpid() << 48;
	memcpy(ret_bytes, &start, sizeof start);
}

void sys_unique(uint8_t ret_bytes[10])
{
	struct process_page *page = process();
	uint64_t counter;

	if (!page || !is_made(&page->unique)) {
		put_random(ret_bytes);
		if (page && begin_making(&page->unique)) {
			memcpy(&counter, ret_bytes, sizeof counter);
			memcpy(&page->salt, ret_bytes + 8, sizeof page->salt);
			__atomic_store_n(&page->counter, counter, __ATOMIC_RELAXED);
			end_making(&page->unique, true);
		}
		return;
	}
	counter = __atomic_add_fetch(&page->counter, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 8; i++) /* big-endian after the salt: ids sort as they were made */
		ret_bytes[2 + i] = (uint8_t)(counter >> (56 - 8 * i));
	memcpy(ret_bytes, &page->salt, sizeof page->salt);
}

#if defined(__x86_64__)
/* RDRAND, where the processor has it; a value that some processors give when it is broken counts as
 * none. */
static bool processor_random(uint64_t *ret_value)
{
	unsigned char fine;

	if (!(processor_can() & PROCESSOR_RDRAND))
		return false;
	__asm__ __volatile__("rdrand %0; setc %1" : "=r"(*ret_value), "=qm"(fine) : : "cc");
	return fine && *ret_value != 0 && *ret_value != UINT64_MAX;
}
#else
static bool processor_random(uint64_t *ret_value)
{
	return false;
}
#endif

enum err sys_nonce(uint8_t ret_nonce[24])
{
	struct process_page *page = process();
	uint64_t fresh, count, low;

	if (!page || !processor_random(&fresh))
		return sys_random(ret_nonce, 24);
	if (!is_made(&page->seeded)) {
		if (!begin_making(&page->seeded))
			return sys_random(ret_nonce, 24);
		enum err e = sys_random(page->seed, sizeof page->seed);
		end_making(&page->seeded, !e);
		if (e)
			return e;
	}
	count = __atomic_add_fetch(&page->nonces, 1, __ATOMIC_RELAXED);
	memcpy(ret_nonce, page->seed, sizeof page->seed);
	memcpy(&low, ret_nonce, sizeof low);
	low ^= count;
	memcpy(ret_nonce, &low, sizeof low);
	memcpy(ret_nonce + sizeof page->seed, &fresh, sizeof fresh);
	return OK;
}

pid_t sys_getppid(void)
{
	return (pid_t)CALL(SYS_getppid, 0);
}

pid_t sys_gettid(void)
{
	return (pid_t)CALL(SYS_gettid, 0);
}

uid_t sys_getuid(void)
{
	return (uid_t)CALL(SYS_getuid, 0);
}

gid_t sys_getgid(void)
{
	return (gid_t)CALL(SYS_getgid, 0);
}

static int (*fast_clock)(int clock, struct timespec *ret_time);

void sys_use_clock(int (*clock_gettime)(int clock, struct timespec *ret_time))
{
	__atomic_store_n(&fast_clock, clock_gettime, __ATOMIC_RELEASE);
}

static uint64_t clock_ns(clockid_t id)
{
	int (*fast)(int, struct timespec *) = __atomic_load_n(&fast_clock, __ATOMIC_ACQUIRE);
	struct timespec now = {0};

	if (!fast || fast(id, &now) != 0)
		CALL(SYS_clock_gettime, id, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t sys_now_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

uint64_t sys_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t sys_now_s(void)
{
	return (int64_t)(clock_ns(CLOCK_REALTIME_COARSE) / 1000000000u);
}

uint64_t sys_tick_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC_COARSE);
}

enum err sys_random(void *at, size_t len)
{
	uint8_t *to = at;

	while (len) {
		long n = CALL(SYS_getrandom, to, len, 0);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return ERR_IO;
		to += n;
		len -= (size_t)n;
	}
	return OK;
}

enum err sys_read_full(int fd, void *at, size_t len, size_t *ret_len)
{
	size_t got = 0;
	ssize_t n = 0;

	while (got < len) {
		n = sys_read(fd, (uint8_t *)at + got, len - got);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	*ret_len = got;
	return n < 0 ? err_from_errno(n) : OK;
}

/* Of sys_file_limit: when it is watched, that there was no limit. All atomic. */
static struct {
	uint32_t watched, changing;
	uint64_t changes;    /* plus one, so that 0 below is none of them */
	uint64_t none_since; /* there was no limit after so many changes */
	uint64_t until_ns;   /* ... and until then nobody else is expected to have set one */
} file_limit = {.changes = 1};

static bool is_without_file_limit(uint64_t changes)
{
	return __atomic_load_n(&file_limit.none_since, __ATOMIC_RELAXED) == changes &&
	       __atomic_load_n(&file_limit.changing, __ATOMIC_RELAXED) == 0 &&
	       sys_tick_ns() < __atomic_load_n(&file_limit.until_ns, __ATOMIC_RELAXED);
}

uint64_t sys_file_limit(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
	uint64_t changes = __atomic_load_n(&file_limit.changes, __ATOMIC_SEQ_CST);

	if (is_without_file_limit(changes))
		return UINT64_MAX;
	CALL(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, &limit);
	if (limit.rlim_cur != RLIM_INFINITY)
		return limit.rlim_cur;
	if (__atomic_load_n(&file_limit.watched, __ATOMIC_RELAXED)) {
		__atomic_store_n(&file_limit.until_ns, sys_tick_ns() + FILE_LIMIT_KEEP_NS,
				 __ATOMIC_RELAXED);
		__atomic_store_n(&file_limit.none_since, changes, __ATOMIC_SEQ_CST);
	}
	return UINT64_MAX;
}

void sys_file_limit_watch(void)
{
	__atomic_store_n(&file_limit.watched, 1, __ATOMIC_RELAXED);
}

void sys_file_limit_change(bool done)
{
	if (!done) {
		__atomic_add_fetch(&file_limit.changing, 1, __ATOMIC_SEQ_CST);
		return;
	}
	__atomic_add_fetch(&file_limit.changes, 1, __ATOMIC_SEQ_CST);
	__atomic_sub_fetch(&file_limit.changing, 1, __ATOMIC_SEQ_CST);
}

static enum err write_all(int fd, const void *at, size_t len, size_t *ret_len, ssize_t *ret_last)
{
	size_t done = 0;
	ssize_t n = 0;

	while (done < len) {
		n = sys_write(fd, (const uint8_t *)at + done, len - done);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	*ret_len = done;
	*ret_last = n;
	if (done == len)
		return OK;
	return n < 0 ? err_from_errno(n) : ERR_FULL;
}

enum err sys_write_full(int fd, const void *at, size_t len, size_t *ret_len)
{
	uint64_t block = 1ull << (SIGXFSZ - 1), before = 0;
	struct timespec no_wait = {0};
	ssize_t last;
	enum err e;

	if (sys_file_limit() == UINT64_MAX)
		return write_all(fd, at, len, ret_len, &last);
	CALL(SYS_rt_sigprocmask, SIG_BLOCK, &block, &before, KERNEL_SIGSET);
	e = write_all(fd, at, len, ret_len, &last);
	if (last == -EFBIG && !(before & block))
		CALL(SYS_rt_sigtimedwait, &block, 0, &no_wait, KERNEL_SIGSET);
	CALL(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, KERNEL_SIGSET);
	return e;
}

enum err sys_read_file(const char *path, size_t max, struct buf *ret_content)
{
	int fd = sys_open(path, O_RDONLY | O_NOCTTY, 0);
	size_t start = ret_content->len, step = READ_STEP;
	enum err e = OK;

	if (fd < 0)
		return err_from_errno(fd);
	for (;;) {
		e = buf_reserve(ret_content, step);
		if (e)
			break;
		ssize_t n = sys_read(fd, ret_content->at + ret_content->len, step);
		if (n == -EINTR)
			continue;
		if (n < 0)
			e = err_from_errno(n);
		if (n <= 0)
			break;
		ret_content->len += (size_t)n;
		if (ret_content->len - start > max) {
			e = ERR_LIMIT;
			break;
		}
		if (step < (1u << 20))
			step *= 2;
	}
	sys_close(fd);
	if (e)
		ret_content->len = start;
	return e;
}

enum err sys_make_directories(const char *path, mode_t mode)
{
	char part[PATH_BYTES_MAX];
	size_t len = strlen(path);
	int n = 0;

	if (len == 0 || len >= sizeof part)
		return ERR_LIMIT;
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		n = sys_mkdir(part, mode);
	}
	struct stat st = {0};
	if (n < 0 && n != -EEXIST)
		return err_from_errno(n);
	if (sys_stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return ERR_IO;
	return OK;
}

#define LOCK_WAITERS 0x80000000u
#define LOCK_SPINS   1500

/* This thread's id, asked once. The child of a fork keeps its parent thread's, which nobody else in
 * it can have. */
static uint32_t thread_id(void)
{
	static __thread uint32_t id __attribute__((tls_model("initial-exec")));

	if (id == 0)
		id = (uint32_t)sys_gettid();
	return id;
}

static void pause_a_moment(void)
{
#if defined(__x86_64__)
	__asm__ __volatile__("pause");
#elif defined(__aarch64__)
	__asm__ __volatile__("yield");
#endif
}

/* Who holds a lock mostly writes a record, which takes microseconds; to sleep and be woken takes
 * more. */
static void await_briefly(const struct lock *l, uint32_t me)
{
	for (int i = 0; i < LOCK_SPINS; i++) {
		uint32_t word = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
		if (word == 0 || word == me || (word & LOCK_WAITERS))
			return;
		pause_a_moment();
	}
}

static bool take(struct lock *l, uint64_t deadline_ns)
{
	uint32_t me = thread_id(), mine = me, word = 0;

	await_briefly(l, me);
	for (;;) {
		word = 0;
		if (__atomic_compare_exchange_n(&l->word, &word, mine, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
		if ((word & ~LOCK_WAITERS) == me)
			return false;
		if (!(word & LOCK_WAITERS) &&
		    !__atomic_compare_exchange_n(&l->word, &word, word | LOCK_WAITERS, false,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		/* Who has waited cannot know whether others still do. */
		mine = me | LOCK_WAITERS;
		uint64_t now_ns = deadline_ns ? sys_monotonic_ns() : 0;
		if (deadline_ns && now_ns >= deadline_ns)
			return false;
		struct timespec wait = {(time_t)((deadline_ns - now_ns) / 1000000000u),
					(long)((deadline_ns - now_ns) % 1000000000u)};
		CALL(SYS_futex, &l->word, FUTEX_WAIT_PRIVATE, word | LOCK_WAITERS,
		     deadline_ns ? &wait : NULL);
	}
}

bool lock_take(struct lock *l)
{
	return take(l, 0);
}

bool lock_try(struct lock *l)
{
	uint32_t word = 0;

	return __atomic_compare_exchange_n(&l->word, &word, thread_id(), false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

bool lock_take_within(struct lock *l, uint64_t wait_ns)
{
	return take(l, sys_monotonic_ns() + wait_ns);
}

void lock_drop(struct lock *l)
{
	if (__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) & LOCK_WAITERS)
		CALL(SYS_futex, &l->word, FUTEX_WAKE_PRIVATE, 1);
}

void lock_reset(struct lock *l)
{
	__atomic_store_n(&l->word, 0, __ATOMIC_RELEASE);
}

/* The second field may hold spaces and parentheses: fields are counted from its last ')'. The third
 * is the state; Z and X are processes that ended. */
bool sys_process_start(uint64_t pid, uint64_t *ret_ticks)
{
	char path[PROCESS_PATH_MAX], content[STAT_BYTES_MAX];
	size_t len = 0, close, at = sizeof path;
	static const char before[] = "/proc/", behind[] = "/stat";
	int fd;

	at -= sizeof behind;
	memcpy(path + at, behind, sizeof behind);
	do {
		path[--at] = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid);
	at -= sizeof before - 1;
	memcpy(path + at, before, sizeof before - 1);
	fd = sys_open(path + at, O_RDONLY, 0);
	if (fd < 0)
		return false;
	if (sys_read_full(fd, content, sizeof content, &len))
		len = 0;
	sys_close(fd);
	struct bytes rest = bytes_of(content, len);
	while ((close = bytes_find_byte(rest, ')')) != SIZE_MAX)
		rest = bytes_from(rest, close + 1);
	rest = bytes_from(rest, 1);
	if (rest.len == 0 || rest.at[0] == 'Z' || rest.at[0] == 'X')
		return false;
	for (int field = 3; field < 22; field++)
		bytes_cut(&rest, ' ');
	return bytes_parse_u64(bytes_cut(&rest, ' '), UINT64_MAX, ret_ticks) == OK;
}
