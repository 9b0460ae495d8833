/* SPDX-License-Identifier: MIT
 *
 * library: where libaigw.so is.
 */
#ifndef AIGW_TOOL_LIBRARY_H
#define AIGW_TOOL_LIBRARY_H

#include <stdbool.h>

#include "program.h"

#define LIBRARY_NAME "libaigw.so"

/* Where `aigw run` takes it from: AIGW_LIB, else beside this program or in ../lib/aigw of it.
 * False: it is not there; then *ret_path is where it should be. */
bool library_find(char ret_path[PROGRAM_PATH_MAX]);

#endif
