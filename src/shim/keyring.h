/* SPDX-License-Identifier: MIT
 *
 * keyring: the gateway keys that this process may use, kept current: the store is looked at again
 * at most four times a second, when a request with such a key needs it. Thread-safe; allocates.
 *
 * Or, where the policy says so (keys.via), the host's key holder is asked instead.
 *
 * The host key lies in memory of its own (sys_map_secret). Providers' secrets stay encrypted until
 * one is asked for.
 */
#ifndef AIGW_SHIM_KEYRING_H
#define AIGW_SHIM_KEYRING_H

#include "keys/key_message.h"
#include "shim/rules.h"

struct keyring_hold; /* one version of what is known of keys; counted */

/* What became of a key. */
struct keyring_use {
	enum key_verdict verdict;
	const struct key_entry *entry; /* the key it is or was; NULL: not known */
	size_t secret_bytes;           /* of the provider's secret; 0: there is none */
	enum keyhold_status status; /* KEYHOLD_JUDGED but where a holder knows who else it is for */
	struct keyring_hold *hold;  /* that the entry is in */
};

#define KEYRING_PROBLEM_BYTES 320

/* Judges the text of a key and, when it is valid, puts the provider's secret for the key's
 * environment at ret_secret, which lies in memory of sys_map_secret and has KEY_SECRET_BYTES_MAX
 * bytes. OK also for a verdict other than KEY_VALID. Given back by keyring_drop. Otherwise nothing
 * can be said of keys now, and ret_problem says why and what to do (NUL-terminated). */
MUST_USE enum err keyring_take(const struct rules *r, struct bytes text,
			       const struct provider *provider, uint8_t *ret_secret,
			       struct keyring_use *ret_use,
			       char ret_problem[KEYRING_PROBLEM_BYTES]);
void keyring_drop(struct keyring_use *use); /* zeroed is fine; zeroes it */

/* A key holder's answer counts for so long: then it is asked again, and knows what was revoked. */
#define KEYRING_FRESH_NS 500000000u
/* It comes from a key holder: the secret is kept as long as the connection, and asked for again
 * when it is needed and not fresh any more. */
bool keyring_is_held(const struct keyring_use *use);
/* May what was taken be used for another request, to this provider under these rules? */
bool keyring_is_fresh(const struct keyring_use *use, const struct rules *r,
		      const struct provider *provider);

/* fork: before, in the parent after, in the child after. */
void keyring_before_fork(void);
void keyring_after_fork(void);
void keyring_in_child(void);

#endif
