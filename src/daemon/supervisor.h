/* SPDX-License-Identifier: MIT
 *
 * supervisor: what systemd and the daemon say to each other: the socket that is handed over at the
 * start (sd_listen_fds(3)), readiness, the watchdog (sd_notify(3)). By hand: no library. Without
 * systemd every call does nothing.
 */
#ifndef AIGW_DAEMON_SUPERVISOR_H
#define AIGW_DAEMON_SUPERVISOR_H

#include <stdint.h>

#include "base/err.h"

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, LISTEN_FDS and LISTEN_PID. Called once. */
void supervisor_init(char *const *environment);

/* The listening SOCK_SEQPACKET socket that was handed over, or -1. ERR_USAGE: something else was.
 */
MUST_USE enum err supervisor_take_socket(int *ret_fd);

void supervisor_ready(const char *status);
void supervisor_stopping(void);
/* To be called at least twice as often as the watchdog asks for; tells it at most that often. */
void supervisor_alive(uint64_t now_ns);
/* How long the daemon may wait between two calls of supervisor_alive; UINT64_MAX: no watchdog. */
uint64_t supervisor_interval_ns(void);

#endif
