/* SPDX-License-Identifier: MIT
 *
 * holders: which process has how many requests under way in which scope: the second part of the
 * store's file (limits/store). All under the store's lock.
 */
#ifndef AIGW_LIMITS_HOLDERS_H
#define AIGW_LIMITS_HOLDERS_H

#include "limits/store.h"

/* One more of `who`. ERR_FULL: there is no room for another process; ERR_IO. */
MUST_USE enum err holders_add(int fd, struct bytes scope, const struct limits_process *who,
			      uint64_t now_ns);
/* One less; *ret_had false: it had none, it was struck out. ERR_IO. */
MUST_USE enum err holders_remove(int fd, struct bytes scope, const struct limits_process *who,
				 uint64_t now_ns, bool *ret_had);

/* How many are under way, of processes that live. `sweep`: what the others have is struck out. */
MUST_USE enum err holders_count(int fd, struct bytes scope, uint64_t now_ns, bool sweep,
				uint32_t *ret_count);

#endif
