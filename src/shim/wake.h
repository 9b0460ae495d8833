/* SPDX-License-Identifier: MIT
 *
 * wake: makes a program that waits in poll, select, epoll or recv come and read, although the
 * provider will not send anything.
 */
#ifndef AIGW_SHIM_WAKE_H
#define AIGW_SHIM_WAKE_H

#include <stdbool.h>

/* `fd` becomes readable at once, for good (shutdown SHUT_RD; later bytes of the peer stay
 * readable). When the program carries the ciphertext itself, its next read gets a few bytes first:
 * some event loops drop what is pending at a bare end of file. False: not a connected socket. */
bool wake(int fd, bool own_transport);

#endif
