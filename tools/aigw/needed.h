/* SPDX-License-Identifier: MIT
 *
 * needed: the libraries that a program asks for, and those that these ask for, found on disk by the
 * rules of ld.so(8): DT_RPATH, LD_LIBRARY_PATH, DT_RUNPATH, the loader's cache, its own
 * directories. Nothing is loaded or started. What a program loads later (dlopen) is not here.
 */
#ifndef AIGW_TOOL_NEEDED_H
#define AIGW_TOOL_NEEDED_H

#include <stdbool.h>
#include <stddef.h>

#define NEEDED_FILES_MAX 512 /* more are not looked for */

struct needed_file {
	char *path;
	size_t by; /* the index of the first file that asks for it; the first file is its own */
	char *rpath, *runpath; /* with $ORIGIN put in; NULL: none */
};

struct needed {
	size_t count;
	struct needed_file files[NEEDED_FILES_MAX];
	size_t missing; /* so many names were not found */
};

/* The closure of the file at `path`, which stands first in it. A file that cannot be read needs
 * nothing. Ended by needed_done. */
void needed_find(const char *path, struct needed *ret_needed);
void needed_done(struct needed *needed);

#endif
