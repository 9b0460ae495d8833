/* SPDX-License-Identifier: MIT
 *
 * key_holder: asks the host's key holder (aigwd --hold-keys) what a gateway key is worth. One
 * connection for one question: no descriptor is kept, so that neither fork nor a program that
 * closes all it has matters. Thread-safe.
 */
#ifndef AIGW_SHIM_KEY_HOLDER_H
#define AIGW_SHIM_KEY_HOLDER_H

#include "keys/key_message.h"

#define KEY_HOLDER_WAIT_NS 2000000000u

/* The answer; its secret is at ret_secret (KEY_SECRET_BYTES_MAX bytes of sys_map_secret), the entry
 * in *ret_entry with texts in the arena, if a->entry_bytes. ERR_MISSING: nobody listens there;
 * ERR_IO: no answer in time, or none that can be read; ERR_ACCESS, ERR_LIMIT, ERR_NOMEM. */
MUST_USE enum err key_holder_ask(const char *socket, struct bytes key, struct bytes provider,
				 uint8_t *ret_secret, struct arena *arena,
				 struct key_answer *ret_answer, struct key_entry *ret_entry);

#endif
