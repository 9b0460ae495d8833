/* SPDX-License-Identifier: MIT
 *
 * collect: the collector's loop: connections, users in turn, records into the log, answers after
 * the durability that the policy asks for. One thread; everything that could wait has a limit.
 */
#ifndef AIGW_DAEMON_COLLECT_H
#define AIGW_DAEMON_COLLECT_H

#include "daemon/keeper.h"

#define COLLECT_CLIENTS_MAX 16384

/* Serves until `signal_fd` (a signalfd: SIGTERM and SIGINT end it, SIGHUP looks at the policy) says
 * to end, then what was sent before that. `listening_fd` is closed. ERR_IO, ERR_NOMEM: it could not
 * begin. */
MUST_USE enum err collect_run(struct keeper *k, int listening_fd, int signal_fd);

#endif
