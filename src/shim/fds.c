/* SPDX-License-Identifier: MIT */
#include "shim/fds.h"

#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/sys.h"

#define RING          256 /* ClientHellos remembered; a connection looks its own up at once */
#define PLANTS        64  /* descriptors with bytes planted at one time */
#define HELLO_BYTES   43  /* record header 5, handshake header 4, version 2, random 32 (RFC 8446) */
#define RANDOM_OFFSET 11

/* A close_notify alert: what a TLS reader may find at the end of a connection (RFC 8446 6.1). */
static const uint8_t planted_bytes[] = {0x15, 0x03, 0x03, 0x00, 0x02, 0x01, 0x00};

uint64_t fds_fresh_bits[FDS_MAX / 64];
uint64_t fds_proxied_bits[FDS_MAX / 64];
uint64_t fds_planted_bits[FDS_MAX / 64];

static struct {
	uint32_t version; /* odd while being written */
	int fd;
	uint64_t inode;
	uint8_t random[32];
} ring[RING];
static uint32_t ring_next;

static struct {
	int fd_plus_one; /* 0: free */
	uint64_t inode;
} plants[PLANTS];

static void set_bit(uint64_t *bits, int fd)
{
	__atomic_fetch_or(&bits[(unsigned)fd / 64], 1ull << ((unsigned)fd % 64), __ATOMIC_RELAXED);
}

static void clear_bit(uint64_t *bits, int fd)
{
	__atomic_fetch_and(&bits[(unsigned)fd / 64], ~(1ull << ((unsigned)fd % 64)),
			   __ATOMIC_RELAXED);
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return sys_fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

/* The child of vfork shares our memory but not our descriptors: the remembered process is not the
 * one that asks. The child of fork has copies of both, and remembers itself. It is asked with a
 * system call, which a sandbox may forbid: only where TLS begins. Elsewhere a hint that such a
 * child gets wrong costs one look. */
static bool is_ours(void)
{
	return sys_getpid() == sys_process();
}

void fds_note_connect(int fd)
{
	if ((unsigned)fd >= FDS_MAX)
		return;
	set_bit(fds_fresh_bits, fd);
	clear_bit(fds_proxied_bits, fd);
}

static void remember(int fd, const uint8_t *random)
{
	uint32_t slot = __atomic_fetch_add(&ring_next, 1, __ATOMIC_RELAXED) % RING;

	__atomic_fetch_add(&ring[slot].version, 1, __ATOMIC_ACQ_REL);
	ring[slot].fd = fd;
	ring[slot].inode = inode_of(fd);
	memcpy(ring[slot].random, random, sizeof ring[slot].random);
	__atomic_fetch_add(&ring[slot].version, 1, __ATOMIC_RELEASE);
}

/* A proxy is spoken to first, and the ClientHello follows: HTTP CONNECT (RFC 9110 9.3.6), SOCKS 5
 * and 4 (RFC 1928). */
static bool is_proxy_talk(struct bytes data)
{
	return bytes_starts(data, BYTES("CONNECT ")) ||
	       (data.len && data.len < 600 &&
		(data.at[0] == 4 || data.at[0] == 5 || data.at[0] == 1));
}

void fds_note_write(int fd, const void *data, size_t len)
{
	struct bytes b = bytes_of(data, len);

	if (len == 0)
		return;
	if (is_proxy_talk(b)) {
		set_bit(fds_proxied_bits, fd);
		return;
	}
	/* handshake record (22) of TLS, holding a ClientHello (1) */
	if (len < HELLO_BYTES || b.at[0] != 22 || b.at[1] != 3 || b.at[5] != 1) {
		clear_bit(fds_fresh_bits, fd);
	} else if (is_ours()) {
		clear_bit(fds_fresh_bits, fd);
		remember(fd, b.at + RANDOM_OFFSET);
	}
}

/* A fresh one stays so: children of vfork close all they do not need, and whoever gets the number
 * next is looked at once. */
void fds_note_close(int fd)
{
	if (!fds_is_planted(fd) || !is_ours())
		return;
	clear_bit(fds_planted_bits, fd);
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
		int fd = ring[i].fd;
		uint64_t inode = ring[i].inode;
		bool same = memcmp(ring[i].random, client_random, 32) == 0;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!same || before % 2 || before == 0 ||
		    __atomic_load_n(&ring[i].version, __ATOMIC_RELAXED) != before)
			continue;
		if (inode && inode_of(fd) == inode)
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
		plants[i].inode = inode_of(fd);
		set_bit(fds_planted_bits, fd);
		return;
	}
}

size_t fds_take(int fd, void *data, size_t len)
{
	uint64_t inode = inode_of(fd);

	if (len == 0 || !is_ours())
		return 0;
	clear_bit(fds_planted_bits, fd);
	for (unsigned i = 0; i < PLANTS; i++) {
		int taken = fd + 1;
		if (__atomic_load_n(&plants[i].fd_plus_one, __ATOMIC_ACQUIRE) != taken)
			continue;
		bool same = inode && plants[i].inode == inode;
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
