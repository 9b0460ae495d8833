/* SPDX-License-Identifier: MIT */
#include "shim/rebind.h"

#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/sys.h"
#include "shim/hooks.h"
#include "shim/library.h"
#include "shim/real.h"

#if defined __x86_64__
#define IS_IMPORT(type) ((type) == R_X86_64_JUMP_SLOT || (type) == R_X86_64_GLOB_DAT)
#else
#define IS_IMPORT(type) ((type) == R_AARCH64_JUMP_SLOT || (type) == R_AARCH64_GLOB_DAT)
#endif

/* How many objects had been loaded, ever, when the first load began that is still to be followed
 * up; 0: none is. And whose load that was. No lock: a program may call a door while it walks the
 * loader's list, which holds a lock of the loader's. */
static unsigned long long expected_since;
static const void *expected_by;
static pid_t busy; /* the process that is at it: a forked child is another */
static __thread char me __attribute__((tls_model("initial-exec")));

struct object {
	uintptr_t base, start, end;         /* mapped */
	uintptr_t sealed_start, sealed_end; /* read-only since it was relocated */
	bool unsealed;
	const ElfW(Sym) * symbols;
	const char *strings;
	struct link_map *map;
};

/* ---- the loader's list ---- */

struct place {
	size_t wanted, count;
	unsigned long long loads;
	uintptr_t base;
	const ElfW(Phdr) * headers;
	size_t header_count;
	char name[PATH_MAX];
};

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
	struct place *p = data;
	size_t len = strlen(info->dlpi_name);

	p->loads = info->dlpi_adds;
	if (p->count++ != p->wanted || len >= sizeof p->name)
		return 0;
	p->base = info->dlpi_addr;
	p->headers = info->dlpi_phdr;
	p->header_count = info->dlpi_phnum;
	memcpy(p->name, info->dlpi_name, len + 1);
	return 0;
}

/* Only copies: the loader's lock on its list must not be held when we ask it something. */
static void look_at(struct place *p, size_t wanted)
{
	p->wanted = wanted;
	p->count = 0;
	p->loads = 0;
	p->name[0] = '\0';
	dl_iterate_phdr(look, p);
}

/* ---- one object ---- */

/* The loader has made addresses of these entries, or not. */
static const void *at(const struct object *o, uintptr_t value)
{
	return (const void *)(value < o->base ? o->base + value : value);
}

static void measure(struct object *o, const struct place *p)
{
	uintptr_t page = getauxval(AT_PAGESZ);

	for (size_t i = 0; i < p->header_count; i++) {
		const ElfW(Phdr) *header = &p->headers[i];
		uintptr_t start = o->base + header->p_vaddr, end = start + header->p_memsz;
		if (header->p_type == PT_LOAD) {
			o->start = o->start && o->start < start ? o->start : start;
			o->end = o->end > end ? o->end : end;
		} else if (header->p_type == PT_GNU_RELRO) {
			o->sealed_start = start & ~(page - 1);
			o->sealed_end = end & ~(page - 1);
		}
	}
}

static bool protect(const struct object *o, int how)
{
	return sys_call(SYS_mprotect, (long)o->sealed_start,
			(long)(o->sealed_end - o->sealed_start), how, 0, 0, 0) == 0;
}

static void put(struct object *o, uintptr_t *slot, hook_function *ours)
{
	uintptr_t value;

	if ((uintptr_t)slot >= o->sealed_start && (uintptr_t)slot < o->sealed_end && !o->unsealed &&
	    !(o->unsealed = protect(o, PROT_READ | PROT_WRITE)))
		return;
	memcpy(&value, &ours, sizeof value);
	__atomic_store_n(slot, value, __ATOMIC_RELEASE);
}

/* What a slot leads to. One that the object has not used yet leads back into the object, which
 * would ask the loader: then the scope tells that was searched first, the loaded object's own. */
static const void *target_of(const struct object *o, const ElfW(Sym) * symbol, uintptr_t value,
			     struct link_map *root)
{
	bool inside = value >= o->start && value < o->end;

	if (!inside || (symbol->st_shndx != SHN_UNDEF && value == o->base + symbol->st_value))
		return (const void *)value;
	return library_find_in(root, o->strings + symbol->st_name);
}

static void rebind_table(struct object *o, const ElfW(Rela) * table, size_t bytes,
			 struct link_map *root)
{
	for (size_t i = 0; table && i < bytes / sizeof *table; i++) {
		const ElfW(Sym) *symbol = &o->symbols[ELF64_R_SYM(table[i].r_info)];
		uintptr_t *slot = (uintptr_t *)(o->base + table[i].r_offset);
		hook_function *ours;
		enum hook_kind kind;
		const void *target;

		if (!IS_IMPORT(ELF64_R_TYPE(table[i].r_info)))
			continue;
		ours = hooks_find(o->strings + symbol->st_name, &kind);
		if (!ours)
			continue;
		target = target_of(o, symbol, __atomic_load_n(slot, __ATOMIC_ACQUIRE), root);
		if (target && !library_is_ours(target) && real_knows(kind, target))
			put(o, slot, ours);
	}
}

static void rebind_object(const struct place *p, struct link_map *map, struct link_map *root)
{
	struct object o = {.base = map->l_addr, .map = map};
	const ElfW(Rela) *jumps = NULL, *others = NULL;
	size_t jump_bytes = 0, other_bytes = 0;

	for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
		switch (d->d_tag) {
		case DT_SYMTAB:
			o.symbols = at(&o, d->d_un.d_ptr);
			break;
		case DT_STRTAB:
			o.strings = at(&o, d->d_un.d_ptr);
			break;
		case DT_JMPREL:
			jumps = at(&o, d->d_un.d_ptr);
			break;
		case DT_PLTRELSZ:
			jump_bytes = d->d_un.d_val;
			break;
		case DT_RELA:
			others = at(&o, d->d_un.d_ptr);
			break;
		case DT_RELASZ:
			other_bytes = d->d_un.d_val;
			break;
		default:
			break;
		}
	}
	if (!o.symbols || !o.strings)
		return;
	measure(&o, p);
	rebind_table(&o, jumps, jump_bytes, root);
	rebind_table(&o, others, other_bytes, root);
	if (o.unsealed)
		(void)protect(&o, PROT_READ);
}

/* ---- all new ones ---- */

/* The loader appends to its list, so the new ones are the last. (When others were unloaded
 * meanwhile, a few older ones are among them: their slots lead to us already.) */
static void rebind_last(size_t count)
{
	struct link_map *root = NULL;
	struct place p;
	size_t total;

	look_at(&p, (size_t)-1);
	total = p.count;
	for (size_t i = count < total ? total - count : 0; i < total; i++) {
		struct link_map *map;
		look_at(&p, i);
		map = p.name[0] ? library_hold(p.name, p.base) : NULL;
		if (!map)
			continue;
		if (!root)
			root = map;
		if (!library_is_ours(map->l_ld))
			rebind_object(&p, map, root);
		if (map != root)
			library_release(map);
	}
	library_release(root);
}

static unsigned long long loads(void)
{
	struct place p;

	look_at(&p, (size_t)-1);
	return p.loads;
}

void rebind_expect(void)
{
	unsigned long long none = 0, now = loads();

	if (__atomic_compare_exchange_n(&expected_since, &none, now, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		__atomic_store_n(&expected_by, &me, __ATOMIC_RELEASE);
	__atomic_store_n(&library_loader.todo, 1, __ATOMIC_RELEASE);
}

void rebind_catch_up(void)
{
	unsigned long long since = __atomic_load_n(&expected_since, __ATOMIC_ACQUIRE), now;
	pid_t process = since ? sys_process() : 0;

	if (!since || __atomic_exchange_n(&busy, process, __ATOMIC_ACQ_REL) == process)
		return;
	library_wait(); /* for a load that is under way: its slots are not filled yet */
	now = loads();
	if (now > since)
		rebind_last((size_t)(now - since));
	/* Another thread's load may still be to come. */
	if (__atomic_load_n(&expected_by, __ATOMIC_ACQUIRE) == &me) {
		__atomic_store_n(&library_loader.todo, 0, __ATOMIC_RELEASE);
		now = 0;
	}
	__atomic_store_n(&expected_since, now, __ATOMIC_RELEASE);
	__atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
}
