/* SPDX-License-Identifier: MIT */
#include "shim/patch.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/sys.h"

#define PAGE_BYTES     4096u
#define STEP_BYTES     (64u << 10) /* from one try to the next */
#define TRIES_MAX      1024
#define LOWEST         0x10000u /* vm.mmap_min_addr as most systems have it */
#define JUMP_REACH     0x7fff0000u
#define TASK_LINKS_ONE 3 /* of /proc/self/task with one thread: ".", the name, one directory */

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#define MEMFD_CLOEXEC 1u
#define MEMFD_SEALING 2u
#define MEMFD_EXEC    16u /* since Linux 6.3; without it newer kernels complain once */
#define SEALS         (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool failed(long result)
{
	return result < 0 && result > -4096;
}

static long map(uintptr_t at, size_t len, int rights, int flags, int fd)
{
	return sys_call(SYS_mmap, (long)at, (long)len, rights, flags, fd, 0);
}

void *patch_reserve(uintptr_t start, uintptr_t end, size_t len)
{
	uintptr_t at = start & ~(uintptr_t)(STEP_BYTES - 1);

	for (unsigned i = 0; i < TRIES_MAX && at >= LOWEST + STEP_BYTES; i++) {
		at -= STEP_BYTES;
		if (end - at > JUMP_REACH || len > STEP_BYTES)
			break;
		long got = map(at, len, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
			       -1);
		if ((uintptr_t)got == at)
			return (void *)at;
		if (!failed(got)) /* a kernel before 4.17 takes the address for a wish */
			sys_unmap((void *)got, len);
	}
	return NULL;
}

void patch_release(void *place, size_t len)
{
	sys_unmap(place, len);
}

/* A sealed file in memory with that content; -1 when it cannot be had. */
static int make_file(struct bytes content)
{
	size_t written = 0;
	long fd = sys_call(SYS_memfd_create, (long)"aigw",
			   MEMFD_CLOEXEC | MEMFD_SEALING | MEMFD_EXEC, 0, 0, 0, 0);

	if (failed(fd))
		fd = sys_call(SYS_memfd_create, (long)"aigw", MEMFD_CLOEXEC | MEMFD_SEALING, 0, 0,
			      0, 0);
	if (failed(fd))
		return -1;
	/* Under a limit on the size of files, a plain write could end the program. */
	if (sys_write_full((int)fd, content.at, content.len, &written) ||
	    failed(sys_call(SYS_fcntl, fd, F_ADD_SEALS, SEALS, 0, 0, 0))) {
		sys_close((int)fd);
		return -1;
	}
	return (int)fd;
}

enum err patch_place(void *place, struct bytes code)
{
	int fd = make_file(code);
	long got;

	if (fd < 0)
		return ERR_ACCESS;
	got = map((uintptr_t)place, code.len, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd);
	sys_close(fd);
	return failed(got) || memcmp(place, code.at, code.len) != 0 ? ERR_ACCESS : OK;
}

static bool write_to_memory(int memory, uint8_t *at, const uint8_t *code)
{
	return sys_pwrite(memory, code, INSN_JUMP_LEN, (off_t)(uintptr_t)at) == INSN_JUMP_LEN &&
	       memcmp(at, code, INSN_JUMP_LEN) == 0;
}

/* The page, or the two, around `at` are replaced by copies that have the code. */
static bool replace_pages(uint8_t *at, const uint8_t *code)
{
	uint8_t copy[2 * PAGE_BYTES];
	uintptr_t start = (uintptr_t)at & ~(uintptr_t)(PAGE_BYTES - 1);
	uintptr_t end = ((uintptr_t)at + INSN_JUMP_LEN + PAGE_BYTES - 1) &
			~(uintptr_t)(PAGE_BYTES - 1);
	struct bytes pages = {copy, end - start};

	memcpy(copy, (void *)start, pages.len);
	memcpy(copy + ((uintptr_t)at - start), code, INSN_JUMP_LEN);
	return !patch_place((void *)start, pages) && memcmp(at, code, INSN_JUMP_LEN) == 0;
}

/* `memory`: -1 to replace pages. */
static enum err write_all(struct patch *patches, size_t count, int memory)
{
	size_t done = 0;

	for (; done < count; done++) {
		struct patch *p = &patches[done];
		memcpy(p->old, p->at, INSN_JUMP_LEN);
		if (!(memory >= 0 ? write_to_memory(memory, p->at, p->code)
				  : replace_pages(p->at, p->code)))
			break;
	}
	if (done == count)
		return OK;
	/* The one that failed too: it may have been written in part. */
	for (size_t i = done + 1; i-- > 0;) {
		struct patch *p = &patches[i];
		if (memcmp(p->at, p->old, INSN_JUMP_LEN) != 0)
			(void)(memory >= 0 ? write_to_memory(memory, p->at, p->old)
					   : replace_pages(p->at, p->old));
	}
	return ERR_ACCESS;
}

enum err patch_write_by_pages(struct patch *patches, size_t count)
{
	return write_all(patches, count, -1);
}

enum err patch_write(struct patch *patches, size_t count)
{
	int memory = sys_open("/proc/self/mem", O_RDWR, 0);
	enum err e = ERR_ACCESS;

	if (memory >= 0) {
		e = write_all(patches, count, memory);
		sys_close(memory);
	}
	return e ? patch_write_by_pages(patches, count) : OK;
}

bool patch_is_single_threaded(void)
{
	struct stat st;

	return sys_stat("/proc/self/task", &st) == 0 && st.st_nlink == TASK_LINKS_ONE;
}
