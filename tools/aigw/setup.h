/* SPDX-License-Identifier: MIT
 *
 * setup: where this user's files are, the auditor's keys, and making what is missing (aigw init,
 * aigw run).
 */
#ifndef AIGW_TOOL_SETUP_H
#define AIGW_TOOL_SETUP_H

#include "audit/seal.h"
#include "policy/load.h"

#define SYSTEM_POLICY "/etc/aigw/policy.json"

/* The places of this user. Problems are said on stderr; the result is an exit status. */
int setup_places(struct places *ret_places);

/* True when the host's own policy file is the one that counts. */
bool setup_is_system(const struct places *places);

/* The audit directory that counts: the policy's `audit.directory`, else the default place. A policy
 * that cannot be read leaves the default. *ret_directory is the caller's to free (buf_done) and
 * NUL-terminated. */
void setup_audit_directory(const struct places *places, struct buf *ret_directory);

/* The same, or `given` when that is not NULL; without slashes at its end. */
void setup_directory(const struct places *places, const char *given, struct buf *ret_directory);

/* A key that stands under a passphrase. */
struct locked_key {
	char line[SEAL_LOCKED_CHARS_MAX];
	char path[PATH_MAX_BYTES + 300];
	struct recipient recipient;
};

struct keyring {
	size_t count;
	struct identity *identities;
	size_t locked_count;
	struct locked_key *locked; /* those that were not unlocked */
};

/* Reads one file of keys, or (key_file NULL) every *.key of the keys directory. A missing directory
 * is an empty ring. Keys under a passphrase are unlocked as setup_unlock_keys does. Problems are
 * said on stderr; the result is an exit status. */
int setup_keys(const struct places *places, const char *key_file, struct keyring *ret_keys);
/* The same, but what is under a passphrase stays so. */
int setup_read_keys(const struct places *places, const char *key_file, struct keyring *ret_keys);
/* Asks for passphrases (passphrase.h) and unlocks what they open. With `passphrase_file` NULL and
 * no terminal the keys stay locked, and that is said. */
int setup_unlock_keys(struct keyring *keys, const char *passphrase_file);
/* Writes a new file 0600 with nobody ever seeing half of it; fails when it exists. Says what is
 * wrong; an exit status. */
int setup_write_new(const char *path, struct bytes content);
/* The text of a key file: a comment with the time and the recipient, and `line`. */
void setup_put_key_file(struct buf *out, const struct recipient *r, const char *line);
void keyring_done(struct keyring *keys);

/* This user's signing key; one is made when there is none and `make` says so. EXIT_FINDING without
 * a word when there is none and none is to be made. Problems are said on stderr; the result is an
 * exit status. */
int setup_signer(const struct places *places, bool make, struct signer *ret_signer);

struct setup_result {
	bool made_directories, made_key, made_policy;
	bool key_exists, policy_exists; /* of this user, after the call */
	char key_path[PATH_MAX_BYTES + 16];
	char recipient[RECIPIENT_CHARS_MAX]; /* of the key; "" when there is none */
	char signer[SIGNER_CHARS_MAX];       /* whom exports are signed by; "" when there is none */
};

struct setup_wish {
	size_t recipient_count; /* who else shall be able to read the log */
	const char *const *recipients;
	bool asked; /* by `aigw init`; else only what counts for this run is made */
	bool force; /* the policy is written anew, the old one kept beside it as .old */
};

/* Makes what is missing: directories 0700, an identity, the observe policy with that identity's and
 * the given recipients. A key that exists is never touched. With a system policy only the
 * directories are made. Problems are said on stderr; the result is an exit status. */
int setup_make(const struct places *places, const struct setup_wish *wish,
	       struct setup_result *ret_result);

#endif
