/* SPDX-License-Identifier: MIT
 *
 * init: the constructor and the destructor; and the part of starting that can wait until the
 * program uses TLS, which most programs never do.
 */
#ifndef AIGW_SHIM_INIT_H
#define AIGW_SHIM_INIT_H

#include <stdbool.h>

/* A page that is touched for the first time costs a process more than all that the constructor
 * computes. So what every start runs lies together, where gcc puts constructors anyway;
 * and what it writes, together with the names that it looks up. */
#define START_CODE __attribute__((section(".text.startup")))
#define START_DATA __attribute__((section(".data.aigw_start")))

/* There is something that the destructor has to see to: bytes that are held back, refusals that
 * were counted, an open segment. Atomic; once set, it stays. */
extern bool init_stop_needed;

/* Once per process, at the first TLS object: handlers around fork. False: they cannot be had, and
 * nothing is governed. */
bool init_complete(void);

#endif
