/* SPDX-License-Identifier: MIT
 *
 * detour: for programs that carry OpenSSL inside their executable (Node.js), where no symbol of
 * ours comes first: the start of each function that we hook is overwritten by a jump to the hook.
 * What stood there is kept next to the program, followed by a jump back: that is the real function.
 * Only x86-64; only the executable itself, not other files with OpenSSL inside; never BoringSSL or
 * LibreSSL, whose functions have the same names.
 *
 * Either all functions are changed or none: where anything is not understood, nothing is touched.
 * No page is writable and executable at any time.
 */
#ifndef AIGW_SHIM_DETOUR_H
#define AIGW_SHIM_DETOUR_H

#include <stddef.h>

enum detour_status {
#define DETOUR_STATUS(name, text) name,
#include "shim/detour.def"
};

/* Called once, by the constructor, while there is one thread. A few hundred nanoseconds in a
 * program without OpenSSL, some system calls more in one of several megabytes. `headers`: the
 * program's `count` ELF program headers in memory, or NULL. Keeps errno. */
void detour_init(const void *headers, size_t count);

/* What detour_init found and did. */
enum detour_status detour_status(void);
const char *detour_status_text(enum detour_status status); /* static */

#endif
