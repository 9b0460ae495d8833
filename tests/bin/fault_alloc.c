/* SPDX-License-Identifier: MIT
 *
 * A preload that fails one allocation in turn, of those that one file's code asks for: the library
 * (libaigw.so) in a program that must not notice, or a program of ours. Everybody else gets memory.
 *
 *   FAULT_ALLOC_IN     the name of that file
 *   FAULT_ALLOC_STATE  a file of 32 bytes, which all processes of a run share: four numbers of 8
 *                      bytes: how many there were, which one fails (0: none), whether all later
 * ones fail too, and where in the file the one that failed was asked for
 */

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t len);
void *__libc_calloc(size_t count, size_t len);
void *__libc_realloc(void *at, size_t len);
void *__libc_memalign(size_t alignment, size_t len);

void *malloc(size_t len);
void *calloc(size_t count, size_t len);
void *realloc(void *at, size_t len);
void *aligned_alloc(size_t alignment, size_t len);
int posix_memalign(void **ret_at, size_t alignment, size_t len);

static struct state {
	uint64_t count, fail_at, on, where;
} * state;

static struct {
	const char *name;
	uintptr_t base, from, to;
} file;

static int is_file(struct dl_phdr_info *info, size_t size, void *context)
{
	const char *path = info->dlpi_name, *slash;
	char self[4096];

	if (!path[0]) {
		ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
		self[n < 0 ? 0 : n] = '\0';
		path = self;
	}
	slash = strrchr(path, '/');
	if (strcmp(slash ? slash + 1 : path, file.name) != 0)
		return 0;
	file.base = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type == PT_LOAD && p->p_flags & PF_X) {
			file.from = info->dlpi_addr + p->p_vaddr;
			file.to = file.from + p->p_memsz;
		}
	}
	return 1;
}

/* Where the file is; false: it is not there, or it cannot be told yet. */
static bool find(void)
{
	static int busy; /* looking allocates nothing, but may come here by way of the loader */
	const char *path = getenv("FAULT_ALLOC_STATE");
	int fd;

	if (!environ || !path || !getenv("FAULT_ALLOC_IN") ||
	    __atomic_exchange_n(&busy, 1, __ATOMIC_ACQ_REL))
		return false;
	file.name = getenv("FAULT_ALLOC_IN");
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && dl_iterate_phdr(is_file, NULL)) {
		struct state *at = mmap(NULL, sizeof *at, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
					0);
		__atomic_store_n(&state, at == MAP_FAILED ? NULL : at, __ATOMIC_RELEASE);
	}
	if (fd >= 0)
		close(fd);
	__atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
	return state != NULL;
}

static bool fails(const void *caller)
{
	static uint64_t looked; /* a file that is not there is looked for now and then */
	uintptr_t at = (uintptr_t)caller;
	int saved = errno;
	bool known = state || (__atomic_fetch_add(&looked, 1, __ATOMIC_RELAXED) < 64 && find());

	errno = saved;
	if (!known || at < file.from || at >= file.to)
		return false;
	uint64_t count = __atomic_add_fetch(&state->count, 1, __ATOMIC_RELAXED);
	if (!state->fail_at || (count != state->fail_at && !(state->on && count > state->fail_at)))
		return false;
	state->where = at - file.base;
	errno = ENOMEM;
	return true;
}

#define FAILS fails(__builtin_return_address(0))

void *malloc(size_t len)
{
	return FAILS ? NULL : __libc_malloc(len);
}

void *calloc(size_t count, size_t len)
{
	return FAILS ? NULL : __libc_calloc(count, len);
}

void *realloc(void *at, size_t len)
{
	return FAILS ? NULL : __libc_realloc(at, len);
}

void *aligned_alloc(size_t alignment, size_t len)
{
	return FAILS ? NULL : __libc_memalign(alignment, len);
}

int posix_memalign(void **ret_at, size_t alignment, size_t len)
{
	void *at = FAILS ? NULL : __libc_memalign(alignment, len);

	if (!at)
		return ENOMEM;
	*ret_at = at;
	return 0;
}
