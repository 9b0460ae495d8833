/* SPDX-License-Identifier: MIT */
#include "shim/fds.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/sys.h"
#include "shim/tls_random.h"

#define RING       256 /* ClientHellos remembered; a connection looks its own up at once */
#define PLANTS     64  /* descriptors with bytes planted at one time */
#define HTTPS_PORT 443

/* A close_notify alert: what a TLS reader may find at the end of a connection (RFC 8446 6.1). */
static const uint8_t planted_bytes[] = {0x15, 0x03, 0x03, 0x00, 0x02, 0x01, 0x00};

uint8_t fds_traits[FDS_MAX];

static struct {
	uint32_t version; /* odd while being written; the others are atomic, too */
	int fd;
	uint64_t inode;
	struct tls_random random;
} ring[RING];
static uint32_t ring_next;

static struct {
	int fd_plus_one; /* 0: free */
	uint64_t inode;
} plants[PLANTS];

void fds_set(int fd, unsigned traits)
{
	if ((unsigned)fd < FDS_MAX)
		__atomic_fetch_or(&fds_traits[fd], (uint8_t)traits, __ATOMIC_RELAXED);
}

void fds_clear(int fd, unsigned traits)
{
	if ((unsigned)fd < FDS_MAX)
		__atomic_fetch_and(&fds_traits[fd], (uint8_t)~traits, __ATOMIC_RELAXED);
}

uint64_t fds_inode(int fd)
{
	struct stat st;
	int e = sys_fstat(fd, &st);

	if (e == 0)
		return S_ISSOCK(st.st_mode) ? st.st_ino : 0;
	return e != -EBADF && sys_socket_type(fd) >= 0 ? FDS_INODE_UNTOLD : 0;
}

/* The remembered process is not the one that asks in the child of vfork. The child of fork has
 * copies of both memory and descriptors, and remembers itself. */
bool fds_are_ours(void)
{
	return sys_getpid() == sys_process();
}

/* Without a system call: a program that does no TLS makes none of ours. A hint that the child of
 * vfork gets wrong costs one look. */
void fds_note_socket(int fd, int type)
{
	fds_clear(fd, UINT8_MAX);
	if (type == SOCK_STREAM)
		fds_set(fd, FDS_STREAM);
	else if (type == SOCK_DGRAM)
		fds_set(fd, FDS_UDP);
}

void fds_note_connect(int fd, uint16_t port)
{
	unsigned known = fds_has(fd, FDS_STREAM | FDS_UDP);
	int type = known == FDS_STREAM ? SOCK_STREAM : SOCK_DGRAM;

	if ((unsigned)fd >= FDS_MAX)
		return;
	if (!known)
		type = sys_socket_type(fd); /* made where we did not see it */
	fds_clear(fd, FDS_PROXIED | FDS_UDP_443);
	if (type == SOCK_STREAM)
		fds_set(fd, FDS_FRESH);
	else if (type == SOCK_DGRAM && port == HTTPS_PORT)
		fds_set(fd, FDS_UDP_443);
}

void fds_note_hello(int fd, const uint8_t client_random[32])
{
	uint32_t slot = __atomic_fetch_add(&ring_next, 1, __ATOMIC_RELAXED) % RING;

	__atomic_fetch_add(&ring[slot].version, 1, __ATOMIC_ACQ_REL);
	__atomic_store_n(&ring[slot].fd, fd, __ATOMIC_RELAXED);
	__atomic_store_n(&ring[slot].inode, fds_inode(fd), __ATOMIC_RELAXED);
	tls_random_put(&ring[slot].random, client_random);
	__atomic_fetch_add(&ring[slot].version, 1, __ATOMIC_RELEASE);
}

void fds_note_close(int fd)
{
	fds_clear(fd, UINT8_MAX);
	for (unsigned i = 0; i < PLANTS; i++) {
		int taken = fd + 1;
		__atomic_compare_exchange_n(&plants[i].fd_plus_one, &taken, 0, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	}
}

int fds_find(const uint8_t client_random[32])
{
	for (unsigned i = 0; i < RING; i++) {
		uint32_t before = __atomic_load_n(&ring[i].version, __ATOMIC_ACQUIRE);
		int fd = __atomic_load_n(&ring[i].fd, __ATOMIC_RELAXED);
		uint64_t inode = __atomic_load_n(&ring[i].inode, __ATOMIC_RELAXED);
		bool same = tls_random_is(&ring[i].random, client_random);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!same || before % 2 || before == 0 ||
		    __atomic_load_n(&ring[i].version, __ATOMIC_RELAXED) != before)
			continue;
		if (inode && fds_same(fds_inode(fd), inode))
			return fd;
	}
	return -1;
}

void fds_plant(int fd)
{
	if ((unsigned)fd >= FDS_MAX)
		return;
	for (unsigned i = 0; i < PLANTS; i++) {
		int free_slot = 0;
		if (!__atomic_compare_exchange_n(&plants[i].fd_plus_one, &free_slot, fd + 1, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED) &&
		    free_slot != fd + 1)
			continue;
		plants[i].inode = fds_inode(fd);
		fds_set(fd, FDS_PLANTED);
		return;
	}
}

size_t fds_take(int fd, void *data, size_t len)
{
	uint64_t inode = fds_inode(fd);

	if (len == 0 || !fds_are_ours())
		return 0;
	fds_clear(fd, FDS_PLANTED);
	for (unsigned i = 0; i < PLANTS; i++) {
		int taken = fd + 1;
		if (__atomic_load_n(&plants[i].fd_plus_one, __ATOMIC_ACQUIRE) != taken)
			continue;
		bool same = inode && fds_same(plants[i].inode, inode);
		__atomic_store_n(&plants[i].fd_plus_one, 0, __ATOMIC_RELEASE);
		if (!same)
			return 0;
		if (len > sizeof planted_bytes)
			len = sizeof planted_bytes;
		memcpy(data, planted_bytes, len);
		return len;
	}
	return 0;
}
