/* SPDX-License-Identifier: MIT
 *
 * fds: hints about descriptors, for two purposes: which descriptor carries which TLS connection
 * (programs that run TLS over memory BIOs never tell OpenSSL), and a few bytes to be read once from
 * a descriptor, to wake a program that ignores a bare end of file.
 *
 * Lock-free, allocates nothing, safe in signal handlers. Hints only: before one is used, the
 * socket's inode is compared with the one it was learned from, because descriptors are closed and
 * reused in ways nobody can intercept.
 */
#ifndef AIGW_SHIM_FDS_H
#define AIGW_SHIM_FDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FDS_MAX 65536 /* descriptors from here on are not followed */

extern uint64_t fds_fresh_bits[FDS_MAX / 64];   /* connected, its first bytes not yet seen */
extern uint64_t fds_proxied_bits[FDS_MAX / 64]; /* a proxy was spoken to first */
extern uint64_t fds_planted_bits[FDS_MAX / 64]; /* bytes are waiting to be read once */

static inline bool fds_bit(const uint64_t *bits, int fd)
{
	return (unsigned)fd < FDS_MAX &&
	       (__atomic_load_n(&bits[(unsigned)fd / 64], __ATOMIC_RELAXED) >> ((unsigned)fd % 64) &
		1);
}

static inline bool fds_is_fresh(int fd)
{
	return fds_bit(fds_fresh_bits, fd);
}

static inline bool fds_is_planted(int fd)
{
	return fds_bit(fds_planted_bits, fd);
}

static inline bool fds_is_proxied(int fd)
{
	return fds_bit(fds_proxied_bits, fd);
}

/* A stream socket was connected, or is being connected. */
void fds_note_connect(int fd);
/* The program wrote `len` bytes to a fresh descriptor. */
void fds_note_write(int fd, const void *data, size_t len);
/* No bytes are planted there any more. */
void fds_note_close(int fd);

/* The descriptor whose ClientHello carried this random, or -1. */
int fds_find(const uint8_t client_random[32]);

/* The next read from `fd` gives FDS_PLANTED_BYTES once. */
void fds_plant(int fd);
/* The planted bytes, at most `len`; 0 when there are none (any more): read for real. */
size_t fds_take(int fd, void *data, size_t len);

#endif
