/* SPDX-License-Identifier: MIT
 *
 * sys: the system calls that the floors above need, made directly with the kernel so that they can
 * never re-enter a hook of ours or of another preloaded library, and never touch errno.
 *
 * Results are the kernel's: >= 0 fine, < 0 is -errno. EINTR is retried in sys_read_full and
 * sys_write_full only. Paths are NUL-terminated. All functions are thread-safe and
 * async-signal-safe. x86-64 and aarch64.
 */
#ifndef AIGW_BASE_SYS_H
#define AIGW_BASE_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/err.h"

struct stat;
struct sockaddr;
struct msghdr;

/* The raw call; unused arguments are 0. */
long sys_call(long number, long a, long b, long c, long d, long e, long f);

int sys_open(const char *path, int flags, mode_t mode); /* O_CLOEXEC is always added */
int sys_close(int fd);
ssize_t sys_read(int fd, void *at, size_t len);
ssize_t sys_write(int fd, const void *at, size_t len);
ssize_t sys_pread(int fd, void *at, size_t len, off_t offset);
ssize_t sys_pwrite(int fd, const void *at, size_t len, off_t offset);
off_t sys_seek(int fd, off_t offset, int whence);
int sys_stat(const char *path, struct stat *ret_stat);
int sys_fstat(int fd, struct stat *ret_stat);
int sys_mkdir(const char *path, mode_t mode);
int sys_rename(const char *from, const char *to);
int sys_unlink(const char *path);
int sys_fdatasync(int fd);
int sys_flock(int fd, int operation);
ssize_t sys_readlink(const char *path, char *ret_text, size_t cap); /* not NUL-terminated */
int sys_shutdown(int fd, int how);
int sys_getpeername(int fd, struct sockaddr *ret_address, uint32_t *len);
bool sys_is_readable(int fd); /* at once: data, an end or an error; also when it cannot be told */
bool sys_waits(int fd);       /* calls that cannot be done at once wait (no O_NONBLOCK) */
int sys_socket_type(int fd);  /* SOCK_STREAM...; < 0: no socket */
/* Room to write to it at once, and nothing wrong with it. */
bool sys_is_writable(int fd);
/* True when these bytes of the caller's own memory can be read without a fault. */
bool sys_can_read(const void *at, size_t len);
void *sys_map(size_t len); /* anonymous, private, zeroed; NULL when refused */
void sys_unmap(void *at, size_t len);
/* The same for secrets: in no core dump (MADV_DONTDUMP), and kept from swap (mlock) as far as the
 * process' limit goes. Given back wiped; NULL is fine. */
void *sys_map_secret(size_t len);
void sys_unmap_secret(void *at, size_t len);
int sys_wipe_on_fork(void *at, size_t len); /* MADV_WIPEONFORK: the child finds zeros */

pid_t sys_getpid(void); /* always asks the kernel */
/* The same, remembered; a forked child asks anew. Not for the child of vfork, which shares memory
 * with its parent. */
pid_t sys_process(void);
/* 80 bits that no other call gives, in this process or (with overwhelming odds) another: a random
 * start per process, counted up. Not secret. */
void sys_unique(uint8_t ret_bytes[10]);
pid_t sys_getppid(void);
pid_t sys_gettid(void);
/* When a process started, in clock ticks after boot (/proc/PID/stat field 22); false: there is
 * none, or it has ended, or /proc does not say. */
MUST_USE bool sys_process_start(uint64_t pid, uint64_t *ret_ticks);
uid_t sys_getuid(void);
gid_t sys_getgid(void);

struct timespec;
/* A faster way to read the clocks than the system call: libc's own clock_gettime, found past other
 * preloaded libraries, which may falsify it. NULL: the system call. Set once, before threads. */
void sys_use_clock(int (*clock_gettime)(int clock, struct timespec *ret_time));

/* Wall clock, nanoseconds since 1970 (UTC); monotonic clock, nanoseconds. */
uint64_t sys_now_ns(void);
uint64_t sys_monotonic_ns(void);
/* The same clocks as they were at the kernel's last tick, up to 10 ms ago, for a fifth of the time:
 * seconds since 1970, and nanoseconds for what is kept for longer than that. */
int64_t sys_now_s(void);
uint64_t sys_tick_ns(void);
/* Fills with random bytes from the kernel. ERR_IO when it has none to give. */
MUST_USE enum err sys_random(void *at, size_t len);

/* 24 bytes for a nonce: 16 random per process with a counter in them, so that no two calls of a
 * process give the same, and 8 random from the processor at the time of the call, so that a
 * restored machine snapshot gives others. Not secret. */
MUST_USE enum err sys_nonce(uint8_t ret_nonce[24]);

/* Reads from the current offset until `len` bytes or the end; the count is in *ret_len. */
MUST_USE enum err sys_read_full(int fd, void *at, size_t len, size_t *ret_len);
/* Writes all, or says how much went out in *ret_len (also on failure).
 * A write past RLIMIT_FSIZE does not kill the caller: SIGXFSZ is blocked and consumed. */
MUST_USE enum err sys_write_full(int fd, const void *at, size_t len, size_t *ret_len);
/* RLIMIT_FSIZE, UINT64_MAX when there is none. */
uint64_t sys_file_limit(void);
/* Whoever writes asks for it, and each call costs. Who tells of all that this process does to its
 * limits (sys_file_limit_change, before and after) may have it remembered that there is none, for
 * FILE_LIMIT_KEEP_NS at a time: another process may set one too. */
void sys_file_limit_watch(void);
void sys_file_limit_change(bool done);
#define FILE_LIMIT_KEEP_NS 1000000000u
/* Appends a whole file to *ret_content, at most `max` bytes: ERR_LIMIT beyond.
 * Also for /proc files, whose size stat does not know. ERR_MISSING, ERR_ACCESS, ERR_IO. */
MUST_USE enum err sys_read_file(const char *path, size_t max, struct buf *ret_content);
/* mkdir -p, each new directory with `mode`. An existing directory is fine. */
MUST_USE enum err sys_make_directories(const char *path, mode_t mode);

/* A lock for our own short critical sections: a futex, recursive calls fail, no allocation.
 * Zero-initialised is unlocked. */
struct lock {
	uint32_t
		word; /* 0 free, else the holder's thread id, top bit set when waited for; atomic */
};

/* false when this thread holds it already (a signal handler came in between). */
MUST_USE bool lock_take(struct lock *l);
/* As lock_take, without waiting: false also when somebody has it. */
MUST_USE bool lock_try(struct lock *l);
/* As lock_take, but gives up after that time: for the handlers around fork, where waiting for long
 * could be waiting for ever. */
MUST_USE bool lock_take_within(struct lock *l, uint64_t wait_ns);
void lock_drop(struct lock *l);
/* For the child after fork, where no other thread exists: free again, whoever held it. */
void lock_reset(struct lock *l);

#endif
