/* SPDX-License-Identifier: MIT
 *
 * key_file: the store (keys/key_store) and the host key on disk, in the keys directory of a user or
 * of the key holder, and when which key was last used.
 *
 *     KEYS/gateway.host    0600: 32 random bytes; without them the store cannot be read
 *     KEYS/gateway.store   0600: replaced as a whole, never written in place
 *     STATE/used/NAME      0600, empty: its time is when the key of that name was last used
 *
 * All I/O through base/sys. Thread-safe.
 */
#ifndef AIGW_KEYS_KEY_FILE_H
#define AIGW_KEYS_KEY_FILE_H

#include "keys/key_store.h"
#include "policy/load.h"

#define KEY_FILE_STORE "gateway.store"
#define KEY_FILE_HOST  "gateway.host"

#define KEY_TOUCH_NS 60000000000u /* a use is noted again after that */

/* Reads the host key; `make`: makes it when there is none, and the directory, 0700. Belongs in
 * memory of sys_map_secret. ERR_MISSING; ERR_ACCESS: not readable, not ours or root's, or others
 * may read it; ERR_BAD: not 32 bytes, or no regular file. ERR_IO, ERR_FULL. */
MUST_USE enum err key_file_host(const char *directory, bool make, struct key_host *ret_host);

/* ERR_MISSING: there is none; ERR_ACCESS as above (others may not write it); and the errors of
 * key_store_parse. */
MUST_USE enum err key_file_load(const char *directory, const struct key_host *host,
				struct key_store **ret_store);
/* Atomic: a reader finds the old or the new one, after a power cut too. The caller holds the
 * directory's lock (audit/hold, hold_lock). ERR_ACCESS, ERR_FULL, ERR_IO, and the errors of
 * key_store_put. */
MUST_USE enum err key_file_save(const char *directory, const struct key_host *host,
				const struct key_store *store);
/* To notice a change without reading it. */
void key_file_version(const char *directory, struct file_version *ret_version);

/* Notes that the key is used now; failing is no matter. Callers do so once in KEY_TOUCH_NS. */
void key_file_touch(const char *state, struct bytes name);
/* Seconds since 1970; 0: not that we know. */
uint64_t key_file_used(const char *state, struct bytes name);

#endif
