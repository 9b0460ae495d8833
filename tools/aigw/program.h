/* SPDX-License-Identifier: MIT
 *
 * program: which file is loaded when somebody types a name.
 */
#ifndef AIGW_TOOL_PROGRAM_H
#define AIGW_TOOL_PROGRAM_H

#include "base/bytes.h"

#define PROGRAM_PATH_MAX 4096

/* Finds `name` as execvp does: in PATH when it has no slash. OK; ERR_MISSING; ERR_ACCESS (found,
 * but not executable). */
MUST_USE enum err program_find(const char *name, char ret_path[PROGRAM_PATH_MAX]);

/* The file that is loaded in the end when `path` is started: a script's interpreter, also through
 * env(1); else the path itself. `path` may be ret_path. */
void program_follow(const char *path, char ret_path[PROGRAM_PATH_MAX]);

#endif
