/* SPDX-License-Identifier: MIT
 *
 * init: the constructor and the destructor; and the part of starting that can wait until the
 * program uses TLS, which most programs never do.
 */
#ifndef AIGW_SHIM_INIT_H
#define AIGW_SHIM_INIT_H

#include <stdbool.h>

/* What the constructor writes to lies together, so that it touches one page. */
#define START_DATA __attribute__((section(".data.aigw_start")))

/* Once per process, at the first TLS object: handlers around fork. False: they cannot be had, and
 * nothing is governed. */
bool init_complete(void);

#endif
