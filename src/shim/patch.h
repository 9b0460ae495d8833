/* SPDX-License-Identifier: MIT
 *
 * patch: changes the code of this process: new code next to a program, and jumps to it written over
 * the program's own. No page is writable and executable at any time, so that it also works where
 * the kernel forbids such pages (PR_SET_MDWE).
 *
 * Only while there is one thread. System calls alone: nothing of libc is needed.
 */
#ifndef AIGW_SHIM_PATCH_H
#define AIGW_SHIM_PATCH_H

#include "base/bytes.h"
#include "shim/insn.h"

/* Room for `len` bytes of code within reach of a jump from anywhere in [start, end): below it,
 * where no heap grows. Not readable yet. NULL when there is none. */
void *patch_reserve(uintptr_t start, uintptr_t end, size_t len);
void patch_release(void *place, size_t len);

/* Puts code into a reserved place, readable and executable from then on and unchangeable.
 * ERR_ACCESS: the system does not allow it. */
MUST_USE enum err patch_place(void *place, struct bytes code);

struct patch {
	uint8_t *at;
	uint8_t code[INSN_JUMP_LEN];
	uint8_t old[INSN_JUMP_LEN]; /* filled by patch_write */
};

/* Writes all of them, or none. ERR_ACCESS: the system does not allow it. */
MUST_USE enum err patch_write(struct patch *patches, size_t count);

/* The second way of patch_write, for its test: replaces pages instead of writing to them. */
MUST_USE enum err patch_write_by_pages(struct patch *patches, size_t count);

/* True when this process has no other thread. */
bool patch_is_single_threaded(void);

#endif
