/* SPDX-License-Identifier: MIT
 *
 * key_edit: the key store opened to be looked at or changed, one change at a time.
 */
#ifndef AIGW_TOOL_KEY_EDIT_H
#define AIGW_TOOL_KEY_EDIT_H

#include "keys/key_file.h"

struct key_edit {
	const char *directory;
	struct key_host *host;   /* in memory of sys_map_secret */
	struct key_store *store; /* as it is on disk; NULL: there is none yet */
	size_t key_count, secret_count;
	struct key_entry *keys; /* as it shall be; room for one more */
	struct key_secret *secrets;
	int lock; /* -1: only looked at */
};

/* `change`: the host key is made when there is none, and others wait. Says what is wrong; an exit
 * status. key_edit_close in any case. */
int key_edit_open(const char *directory, bool change, struct key_edit *ret_edit);
/* To be looked at: the store that counts under a policy, which is `given` (NULL: none is), else the
 * key holder's or the user's own. Likewise. */
int key_edit_look(const struct places *places, const struct policy *policy, const char *given,
		  struct key_edit *ret_edit);
/* Writes what was changed. Says what is wrong; an exit status. */
int key_edit_save(struct key_edit *edit);
void key_edit_close(struct key_edit *edit);

struct key_entry *key_edit_find(struct key_edit *edit, const char *name);
/* The same, and says what is wrong when there is none: also that this is a key, and no name. */
struct key_entry *key_edit_named(struct key_edit *edit, const char *name);
/* That of exactly this environment ("": of all). */
struct key_secret *key_edit_find_secret(struct key_edit *edit, struct bytes provider,
					struct bytes environment);

#endif
