/* SPDX-License-Identifier: MIT
 *
 * large: memory for what is large and short-lived (a body, its record), kept for the next who needs
 * such a piece. A fresh one from the kernel costs a page fault for each of its pages, and the heaps
 * of threads give large pieces back at once: a body of 2 MB then costs more than all its reading.
 *
 * Thread-safe without locks; a signal handler or fork in the middle loses a piece at most.
 */
#ifndef AIGW_BASE_LARGE_H
#define AIGW_BASE_LARGE_H

#include <stddef.h>

#define LARGE_BYTES_MIN  (8u << 10) /* smaller pieces are malloc's alone */
#define LARGE_KEPT_MAX   (4u << 20) /* bytes a process keeps in all */
#define LARGE_KEPT_COUNT 32

/* At least `bytes`, *ret_bytes of them; NULL: no memory. Content: any. */
void *large_take(size_t bytes, size_t *ret_bytes);
/* `bytes` as large_take said. Who had a secret in it has wiped it. NULL is fine. */
void large_give(void *at, size_t bytes);
/* Frees all that is kept: for tests that count allocations. */
void large_forget(void);

#endif
