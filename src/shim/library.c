/* SPDX-License-Identifier: MIT */
#include "shim/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <time.h>

#include "shim/init.h"

#define OWNER_WORDS   8 /* of an object, that may point to its library */
#define CALLERS_TRIED 8 /* places where a caller may be remembered */

/* libc's own, whoever else stands in front of them: what we ask is not another preload's
 * business. */
static void *(*libc_dlsym)(void *, const char *)START_DATA;
static void *(*libc_dlopen)(const char *, int)START_DATA;

struct loader library_loader START_DATA = {.todo = 1};

__thread const struct library *library_recent[LIBRARY_FAMILIES]
	__attribute__((tls_model("initial-exec")));

__thread const void *library_detoured __attribute__((tls_model("initial-exec")));

/* Object to function pointer, without a cast that ISO C forbids. */
static START_CODE void set_function(void *slot, void *found)
{
	if (found)
		memcpy(slot, &found, sizeof found);
}

void library_find(void *handle, const char *name, void *slot)
{
	if (handle)
		set_function(slot, libc_dlsym(handle, name));
}

START_CODE void library_find_next(const char *name, void *slot)
{
	set_function(slot, libc_dlsym(RTLD_NEXT, name));
}

static void *find_nothing(void *handle, const char *name)
{
	return NULL;
}

static void *open_nothing(const char *file, int mode)
{
	return NULL;
}

/* _dl_find_object, which we need, is younger than this version: there is no other. */
START_CODE void library_find_loader(void)
{
	static char dlsym_name[] START_DATA = "dlsym", dlopen_name[] START_DATA = "dlopen",
				 version[] START_DATA = "GLIBC_2.34";

	libc_dlsym = find_nothing;
	libc_dlopen = open_nothing;
	set_function(&libc_dlsym, dlvsym(RTLD_NEXT, dlsym_name, version));
	set_function(&libc_dlopen, dlvsym(RTLD_NEXT, dlopen_name, version));
	library_loader.dlsym = libc_dlsym;
	library_loader.dlopen = libc_dlopen;
	/* Another preload's, when there is one: the program is to get what it would without us. */
	library_find_next(dlsym_name, &library_loader.dlsym);
	library_find_next(dlopen_name, &library_loader.dlopen);
	__atomic_store_n(&library_loader.todo, 0, __ATOMIC_RELEASE);
}

/* The object whose code is at `address`; NULL when that is no mapped object. */
static struct link_map *object_at(const void *address)
{
	struct link_map *map = NULL;
	Dl_info info;

	return dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) ? map : NULL;
}

void library_path_at(const void *address, char ret_path[LIBRARY_PATH_MAX])
{
	struct dl_find_object place;
	const char *path = "";

	if (_dl_find_object((void *)(uintptr_t)address, &place) == 0)
		path = place.dlfo_link_map->l_name;
	size_t len = strlen(path);
	memcpy(ret_path, path, len < LIBRARY_PATH_MAX ? len + 1 : 0);
	if (len >= LIBRARY_PATH_MAX)
		ret_path[0] = '\0';
}

static struct library *table_at(const struct family *f, unsigned i)
{
	return (struct library *)((char *)f->tables + i * f->table_bytes);
}

static const struct library *find_table(const struct family *f, uintptr_t base)
{
	unsigned count = __atomic_load_n(&f->state->count, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < count; i++)
		if (table_at(f, i)->base == base)
			return table_at(f, i);
	return NULL;
}

static void describe(struct library *library, const struct link_map *map)
{
	struct dl_find_object place;
	size_t len = strlen(map->l_name);

	library->base = map->l_addr;
	if (_dl_find_object((void *)map->l_ld, &place) == 0) {
		library->start = (uintptr_t)place.dlfo_map_start;
		library->end = (uintptr_t)place.dlfo_map_end;
	}
	memcpy(library->path, map->l_name, len < sizeof library->path ? len : 0);
}

/* The lock is not held over calls into the loader, which `fill` makes: whoever holds the loader's
 * lock (a library's constructor) may be waiting for ours. So a table is filled first, on the stack,
 * and published then. */
static const struct library *table_of(const struct family *f, const struct link_map *map)
{
	const struct library *known = find_table(f, map->l_addr);
	char filled[LIBRARY_TABLE_BYTES_MAX] __attribute__((aligned(16)));
	void *handle;
	bool locked;

	if (known)
		return known;
	/* Kept open: the table must not outlive the library (libssl pins itself too). */
	handle = libc_dlopen(map->l_name, RTLD_NOLOAD | RTLD_LAZY);
	if (handle != map) { /* of another namespace (dlmopen) */
		if (handle)
			dlclose(handle);
		return NULL;
	}
	memset(filled, 0, f->table_bytes);
	describe((struct library *)filled, map);
	f->fill(filled, handle);
	locked = lock_take(&f->state->lock);
	known = find_table(f, map->l_addr);
	if (!known && locked && f->state->count < LIBRARY_COPIES_MAX) {
		memcpy(table_at(f, f->state->count), filled, f->table_bytes);
		known = table_at(f, f->state->count);
		__atomic_store_n(&f->state->count, f->state->count + 1, __ATOMIC_RELEASE);
	}
	if (locked)
		lock_drop(&f->state->lock);
	return known;
}

/* Of ourselves; set by the linker. */
extern const char __ehdr_start __attribute__((visibility("hidden")));
extern const char _etext __attribute__((visibility("hidden")));

bool library_is_ours(const void *address)
{
	return (uintptr_t)address >= (uintptr_t)&__ehdr_start &&
	       (uintptr_t)address < (uintptr_t)&_etext;
}

/* What an object's own scope has. The main program has no name to open. */
static void *scope_find(const struct link_map *map, const char *name)
{
	void *found,
		*handle = map->l_name[0] ? libc_dlopen(map->l_name, RTLD_NOLOAD | RTLD_LAZY) : NULL;

	if (!handle)
		return NULL;
	found = libc_dlsym(handle, name);
	dlclose(handle);
	return found;
}

const struct library *library_at(const struct family *f, const void *address)
{
	const struct link_map *map = object_at(address),
			      *self = object_at((void *)library_remember);

	return map && map != self && map->l_name[0] ? table_of(f, map) : NULL;
}

const struct library *library_owner(const struct family *f, const void *object)
{
	for (unsigned i = 0; i < OWNER_WORDS; i++) {
		struct dl_find_object place;
		const struct library *known;
		void *word = ((void *const *)object)[i], *found;

		if (_dl_find_object(word, &place) != 0)
			continue;
		known = find_table(f, place.dlfo_link_map->l_addr);
		if (known)
			return known;
		found = scope_find(place.dlfo_link_map, f->symbol);
		if (found && object_at(found) == place.dlfo_link_map)
			return table_of(f, place.dlfo_link_map);
	}
	return NULL;
}

const struct library *library_adopt(const struct family *f, const struct library *library)
{
	const struct library *none = NULL;

	if (!__atomic_compare_exchange_n(&f->state->adopted, &none, library, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return none;
	/* Callers may have got another one so far. */
	for (unsigned i = 0; i < LIBRARY_CALLERS; i++)
		__atomic_store_n(&f->state->callers[i].caller, NULL, __ATOMIC_RELEASE);
	return library;
}

bool library_is_nested(const struct library *library, const void *caller)
{
	return ((uintptr_t)caller >= library->start && (uintptr_t)caller < library->end) ||
	       library_is_ours(caller);
}

/* libc's own clock, not the next library's: the log's time is not to be falsified by another
 * preload. Not in the constructor: dlopen before libc has started would start it without its
 * environment. The handle costs nothing, since libc is never unloaded. */
static void find_clock(void)
{
	static bool looked; /* atomic */
	int (*clock_gettime)(int, struct timespec *) = NULL;
	void *libc;

	if (__atomic_exchange_n(&looked, true, __ATOMIC_RELAXED))
		return;
	libc = libc_dlopen("libc.so.6", RTLD_NOLOAD | RTLD_LAZY);
	if (!libc)
		return;
	library_find(libc, "clock_gettime", &clock_gettime);
	sys_use_clock(clock_gettime);
}

void library_take_program(const struct family *f, const struct library *table)
{
	memcpy(f->tables, table, f->table_bytes);
	f->state->count = 1;
	f->state->program = table_at(f, 0);
	table_at(f, 0)->is_program = true;
}

static bool calls_program(const struct library *program, const void *caller)
{
	const struct link_map *map;

	if (caller == library_detoured ||
	    ((uintptr_t)caller >= program->start && (uintptr_t)caller < program->end))
		return true;
	map = object_at(caller);
	return map && !map->l_name[0];
}

/* Where the caller's own scope finds the family's symbol. A caller that has none to look into: what
 * the program asked for by handle; else what comes after us in the global order, which is what the
 * main program would have got, too. */
static const struct library *resolve(const struct family *f, const void *caller)
{
	if (f->state->program && calls_program(f->state->program, caller))
		return f->state->program;
	const struct link_map *map = object_at(caller), *self = object_at((void *)library_remember);
	const struct library *library = NULL;
	void *found = map && map != self ? scope_find(map, f->symbol) : NULL;

	if (!found && !(map && !map->l_name[0]))
		library = __atomic_load_n(&f->state->adopted, __ATOMIC_ACQUIRE);
	if (!library) {
		if (!found || object_at(found) == self)
			found = libc_dlsym(RTLD_NEXT, f->symbol);
		map = found ? object_at(found) : NULL;
		library = map ? table_of(f, map) : NULL;
	}
	if (library)
		return library;
	/* A caller of unknown origin, and only one library it can mean. */
	if (__atomic_load_n(&f->state->count, __ATOMIC_ACQUIRE) == 1)
		return table_at(f, 0);
	f->fill(f->nothing, NULL);
	return f->nothing;
}

/* Callers whose place is taken go into one of the next: two that took it in turn would ask the
 * loader at each call. */
const struct library *library_remember(const struct family *f, const void *caller)
{
	int saved = errno;
	const struct library *library;
	unsigned slot = library_slot(caller), at = slot;

	/* A tail call of the library that this thread went into last. */
	if (library_is_ours(caller) && library_recent[f->slot])
		return library_recent[f->slot];
	for (unsigned i = 1; i < CALLERS_TRIED; i++) {
		library = library_remembered(f, caller, (slot + i) % LIBRARY_CALLERS);
		if (library)
			return library_recent[f->slot] = library;
	}
	find_clock();
	library = resolve(f, caller);
	for (unsigned i = 0; i < CALLERS_TRIED; i++) {
		unsigned next = (slot + i) % LIBRARY_CALLERS;
		if (!__atomic_load_n(&f->state->callers[next].caller, __ATOMIC_ACQUIRE)) {
			at = next;
			break;
		}
	}
	__atomic_store_n(&f->state->callers[at].caller, NULL, __ATOMIC_RELEASE);
	/* Ourselves: another time it is the tail call of another library. */
	if (library != f->nothing && !library_is_ours(caller)) {
		__atomic_store_n(&f->state->callers[at].library, library, __ATOMIC_RELEASE);
		__atomic_store_n(&f->state->callers[at].caller, caller, __ATOMIC_RELEASE);
	}
	errno = saved;
	return library_recent[f->slot] = library;
}

/* ---- for shim/rebind ---- */

void library_wait(void)
{
	(void)object_at(&library_loader); /* takes the loader's lock */
}

struct link_map *library_hold(const char *name, uintptr_t base)
{
	struct link_map *map = libc_dlopen(name, RTLD_NOLOAD | RTLD_LAZY);

	if (map && map->l_addr != base) {
		dlclose(map);
		return NULL;
	}
	return map;
}

void library_release(struct link_map *map)
{
	if (map)
		dlclose(map);
}

void *library_find_in(struct link_map *map, const char *name)
{
	return libc_dlsym(map, name);
}

bool library_is_libc(const void *address)
{
	void *known;

	memcpy(&known, &libc_dlsym, sizeof known);
	return object_at(address) == object_at(known);
}

void library_reset_locks(const struct family *f)
{
	lock_reset(&f->state->lock);
}
