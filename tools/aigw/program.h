/* SPDX-License-Identifier: MIT
 *
 * program: a small look at a program before it is started: will the loader take libaigw.so into it?
 */
#ifndef AIGW_TOOL_PROGRAM_H
#define AIGW_TOOL_PROGRAM_H

#include "base/bytes.h"

#define PROGRAM_PATH_MAX 4096

struct program {
	char path[PROGRAM_PATH_MAX]; /* the file that is loaded in the end; a script's interpreter
				      */
	const char *problem;         /* why the gateway will not be in it; NULL: it will */
};

/* Finds `name` as execvp does: in PATH when it has no slash. OK; ERR_MISSING; ERR_ACCESS (found,
 * but not executable). */
MUST_USE enum err program_find(const char *name, char ret_path[PROGRAM_PATH_MAX]);

/* Looks at the program at `path`, through "#!" lines and env(1). A file that cannot be read or is
 * of no known kind has no problem: whoever starts it will say. */
void program_look(const char *path, struct program *ret_look);

#endif
