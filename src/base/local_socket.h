/* SPDX-License-Identifier: MIT
 *
 * local_socket: connections to a daemon of ours on this host (SOCK_SEQPACKET), made and waited for
 * with a deadline, by system calls alone. Errors are those of base/err; errno is not touched.
 */
#ifndef AIGW_BASE_LOCAL_SOCKET_H
#define AIGW_BASE_LOCAL_SOCKET_H

#include <stdint.h>

#include "base/err.h"

#define LOCAL_SOCKET_FD_MIN 900 /* out of the program's way, as the journal's descriptor */

/* A connected descriptor that does not wait, close-on-exec, moved up where that can be.
 * ERR_MISSING: nobody listens there; ERR_STATE: the daemon's line of new connections stays full;
 * ERR_LIMIT: the path is too long; ERR_ACCESS, ERR_IO. */
MUST_USE enum err local_socket_connect(const char *path, uint64_t deadline_ns, int *ret_fd);

/* Until it is ready for `events` (poll), or has an end or an error to tell. ERR_IO: it is not, in
 * that time. */
MUST_USE enum err local_socket_wait(int fd, short events, uint64_t deadline_ns);

#endif
