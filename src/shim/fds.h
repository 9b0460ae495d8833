/* SPDX-License-Identifier: MIT
 *
 * fds: hints about descriptors: which are to be looked at when the program writes or reads, which
 * one carries which TLS connection (programs that run TLS over memory BIOs never tell OpenSSL), and
 * a few bytes to be read once from a descriptor, to wake a program that ignores a bare end of file.
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

/* What is known of a descriptor; one byte each, so that a hook asks for several at once. */
enum fds_trait {
	FDS_FRESH = 1,    /* a stream socket, connected; what it is used for is not known yet */
	FDS_PROXIED = 2,  /* a proxy was spoken to first */
	FDS_PLANTED = 4,  /* bytes are waiting to be read once */
	FDS_PLAIN = 8,    /* carries a governed conversation without TLS */
	FDS_HELD = 16,    /* first bytes of the program's are held back */
	FDS_UDP = 32,     /* a datagram socket of the internet's */
	FDS_UDP_443 = 64, /* the same, connected to port 443 */
	FDS_STREAM = 128, /* a stream socket of the internet's, made by socket() */
};

/* Any of these: a write, or a read, is to be looked at. */
#define FDS_WRITES (FDS_FRESH | FDS_PLAIN | FDS_UDP_443)
#define FDS_READS  (FDS_PLANTED | FDS_PLAIN | FDS_HELD)
/* A fresh one stays so when it is closed: children of vfork close all they do not need, and whoever
 * gets the number next is looked at once. */
#define FDS_CLOSES (FDS_PLANTED | FDS_PLAIN | FDS_HELD)

extern uint8_t fds_traits[FDS_MAX];

static inline unsigned fds_has(int fd, unsigned traits)
{
	return (unsigned)fd < FDS_MAX ? __atomic_load_n(&fds_traits[fd], __ATOMIC_RELAXED) & traits
				      : 0;
}

static inline bool fds_is_proxied(int fd)
{
	return fds_has(fd, FDS_PROXIED) != 0;
}

/* For descriptors that fds_has something of, or 0 <= fd < FDS_MAX. */
void fds_set(int fd, unsigned traits);
void fds_clear(int fd, unsigned traits);

/* False in the child of vfork, which shares our memory but not our descriptors. A system call,
 * which a sandbox may forbid: to be asked only where TLS or HTTP begins. */
bool fds_are_ours(void);
/* Of the socket behind it; 0 when it is none; FDS_INODE_UNTOLD when it is one whose inode the
 * kernel does not tell (a sandbox without fstat). */
#define FDS_INODE_UNTOLD UINT64_MAX
uint64_t fds_inode(int fd);
/* Whether two looks at one number may have seen the same socket. */
static inline bool fds_same(uint64_t inode, uint64_t other)
{
	return inode == other || (inode == FDS_INODE_UNTOLD && other) ||
	       (other == FDS_INODE_UNTOLD && inode);
}

/* An internet socket of that type (SOCK_STREAM...) was made, or connected to that port. */
void fds_note_socket(int fd, int type);
void fds_note_connect(int fd, uint16_t port);
void fds_note_close(int fd);

/* This ClientHello goes out on that descriptor. */
void fds_note_hello(int fd, const uint8_t client_random[32]);
/* The descriptor whose ClientHello carried this random, or -1. */
int fds_find(const uint8_t client_random[32]);

/* The next read from `fd` gives planted bytes once. */
void fds_plant(int fd);
/* The planted bytes, at most `len`; 0 when there are none (any more): read for real. */
size_t fds_take(int fd, void *data, size_t len);

#endif
