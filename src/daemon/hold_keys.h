/* SPDX-License-Identifier: MIT
 *
 * hold_keys: the key holder of a shared host: has the key store, which no user can read, and hands
 * a provider's key to a process that shows a gateway key which is valid and meant for it. Who asks,
 * the kernel says (SO_PEERCRED; the program by /proc, while a pidfd or the open connection tells
 * that it lives). Each question is answered by the store as it is on disk at that moment: what is
 * revoked is revoked. Secrets are decrypted for one answer, in memory that is locked and in no core
 * dump, and wiped.
 */
#ifndef AIGW_DAEMON_HOLD_KEYS_H
#define AIGW_DAEMON_HOLD_KEYS_H

#include "base/err.h"

#define HOLD_KEYS_CLIENTS_MAX      1024
#define HOLD_KEYS_CLIENTS_PER_USER 64
#define HOLD_KEYS_IDLE_NS          5000000000u /* a connection that asks nothing ends after that */

/* Until a signal comes. Takes the sockets over. ERR_NOMEM, ERR_IO. */
MUST_USE enum err hold_keys_run(const char *directory, int listening_fd, int signal_fd);

#endif
