/* SPDX-License-Identifier: MIT
 *
 * library: finds the libraries that a program uses, through the scope of whoever called us: a
 * program can hold several copies of one, loaded in ways that RTLD_NEXT does not know. One table of
 * functions per copy.
 *
 * Knows the dynamic loader, with the doors in front of it (shim/hook_loader). All functions are
 * thread-safe and keep errno; what the loader has for dlerror they may lose.
 */
#ifndef AIGW_SHIM_LIBRARY_H
#define AIGW_SHIM_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sys.h"

struct link_map;

#define LIBRARY_COPIES_MAX   16 /* of one family in one process; one more is left alone */
#define LIBRARY_CALLERS_BITS 8  /* of a hash, of return addresses */
#define LIBRARY_CALLERS      (1 << LIBRARY_CALLERS_BITS) /* remembered */

#define LIBRARY_TABLE_BYTES_MAX 1024

/* One loaded copy. The first member of each table of functions. */
struct library {
	uintptr_t base;       /* load address */
	uintptr_t start, end; /* where it is mapped */
	bool is_program;      /* not a library, but inside the program: see library_take_program */
	char path[256];       /* for the record */
};

/* What is known of a family so far. Zeroed at first; private. */
struct family_state {
	const struct library *program; /* the program itself is a copy */
	unsigned count;
	const struct library *adopted;
	struct lock lock;
	struct {
		const void *caller;
		const struct library *library;
	} callers[LIBRARY_CALLERS];
};

/* Libraries with the same functions: every libssl, every libgnutls. A constant of the room that
 * knows the functions; the tables and the state lie apart, so that a program pays for no page of
 * them before it uses one. */
struct family {
	const char *symbol; /* a function that each of them has */
	size_t table_bytes; /* of one table: starts with struct library; at most
			       LIBRARY_TABLE_BYTES_MAX */
	void *tables;       /* LIBRARY_COPIES_MAX of them, zeroed */
	void *nothing;      /* one more: what callers get when there is none to be found */
	unsigned slot;      /* each family's own: 0 to LIBRARY_FAMILIES - 1 */
	/* Fills the functions in, by library_find. Those that cannot be had are to be replaced by
	 * ones that fail as documented. `handle` NULL: all of them. */
	void (*fill)(void *table, void *handle);
	struct family_state *state;
};

#define LIBRARY_FAMILIES 4

/* The copy of each family that this thread went into last. */
extern __thread const struct library *library_recent[LIBRARY_FAMILIES]
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline unsigned library_slot(const void *caller)
{
	return (uint32_t)((uintptr_t)caller * 2654435761u) >> (32 - LIBRARY_CALLERS_BITS);
}

static inline const struct library *library_remembered(const struct family *f, const void *caller,
						       unsigned slot)
{
	const struct library *library;

	if (__atomic_load_n(&f->state->callers[slot].caller, __ATOMIC_ACQUIRE) != caller)
		return NULL;
	library = __atomic_load_n(&f->state->callers[slot].library, __ATOMIC_ACQUIRE);
	return __atomic_load_n(&f->state->callers[slot].caller, __ATOMIC_ACQUIRE) == caller
		       ? library
		       : NULL;
}

/* The slow way of library_of. */
const struct library *library_remember(const struct family *f, const void *caller);

/* The copy that the code at `caller` (a return address) would have reached without us. Never NULL:
 * when there is none to be found, `nothing`. */
static inline const struct library *library_of(const struct family *f, const void *caller)
{
	const struct library *library = library_remembered(f, caller, library_slot(caller));

	return library ? library_recent[f->slot] = library : library_remember(f, caller);
}

/* The copy that an object of the library's belongs to: one with a pointer into that copy among its
 * first words, as an SSL has to its methods. NULL when none is found. */
const struct library *library_owner(const struct family *f, const void *object);

/* The copy that has the code or data at `address`; NULL: that is none, or the main program. */
const struct library *library_at(const struct family *f, const void *address);

/* The program has asked for that copy's functions by handle: callers whose scope knows none mean
 * this one. The first stays; what is returned is the one that callers will get. */
const struct library *library_adopt(const struct family *f, const struct library *library);

/* True for a return address inside that library, or inside ourselves (where tail calls of the
 * library seem to come from): it is calling its own public functions, not the program. */
bool library_is_nested(const struct library *library, const void *caller);

/* The program has a copy inside, whose functions lead to our hooks (shim/detour). Its `start` and
 * `end` are those of the code that was moved out of it: only what comes from there is nested, since
 * the program's calls and the copy's own come from the same place. Once, in the constructor. */
void library_take_program(const struct family *f, const struct library *table);

/* The return address of this thread's last call that was led to a hook by a detour: whoever made
 * it called the program's own copy, whatever else is in its scope. */
extern __thread const void *library_detoured
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The path of the object whose code is at `address`; "" for the program itself, and when it is none
 * (code made at run time). Takes no lock. */
#define LIBRARY_PATH_MAX 256
void library_path_at(const void *address, char ret_path[LIBRARY_PATH_MAX]);

/* Stores the function `name` of an open library at `slot` (a function pointer); leaves it alone
 * when there is none. */
void library_find(void *handle, const char *name, void *slot);
/* The same of what comes after us in the program's own order. */
void library_find_next(const char *name, void *slot);

/* ---- for the doors in front of the loader, and what follows from them ---- */

/* What those doors go on to: the next dlsym and dlopen after ours. Their assembly knows the
 * layout. */
struct loader {
	void *(*dlsym)(void *handle, const char *name);
	void *(*dlopen)(const char *file, int mode);
	unsigned todo; /* not 0: loader_prepare has something to do first; atomic */
};

extern struct loader library_loader;

/* Finds both. Called by the constructor, or before it by a door. */
void library_find_loader(void);

/* Returns once no other thread is in the middle of loading. */
void library_wait(void);

/* Keeps an object loaded and gives its link_map, by name and load address; NULL when it is not (or
 * no longer) loaded. */
struct link_map *library_hold(const char *name, uintptr_t base);
void library_release(struct link_map *map);

/* What the scope of that object has under the name, or NULL. */
void *library_find_in(struct link_map *map, const char *name);

bool library_is_libc(const void *address);
bool library_is_ours(const void *address);

/* For the child after fork. */
void library_reset_locks(const struct family *f);

#endif
