/* SPDX-License-Identifier: MIT
 *
 * checkpoint: what a collector signs about its log: how long it is and what it holds, chained,
 * under Ed25519 keys of which each certifies the next one and is then erased. A copy outside the
 * host witnesses what existed. Format: docs/audit-format.md.
 *
 * Pure: made and read in memory; files are the callers' business. What is read is hostile.
 */
#ifndef AIGW_AUDIT_CHECKPOINT_H
#define AIGW_AUDIT_CHECKPOINT_H

#include "aigw/format.h"
#include "audit/seal.h"

#define CHECKPOINT_FILE        "checkpoints"
#define CHECKPOINT_STATE_FILE  "checkpoint.key"
#define CHECKPOINT_STATE_BYTES ((size_t)FORMAT_CHECKPOINT_SLOTS * FORMAT_CHECKPOINT_SLOT_BYTES)
#define CHECKPOINT_BYTES_MAX   (1u << 30) /* what a reader accepts */

/* Fills in magic, version, key and signature. */
void checkpoint_sign(struct format_checkpoint *c, const uint8_t seed[SEAL_KEY_BYTES]);
bool checkpoint_is_signed(const struct format_checkpoint *c);
/* The key that checks what this seed signs. */
void checkpoint_public(const uint8_t seed[SEAL_KEY_BYTES], uint8_t ret_public[SEAL_KEY_BYTES]);
/* What the next one calls `previous`. */
void checkpoint_digest(const struct format_checkpoint *c, uint8_t ret_digest[32]);
/* Does it certify another key for those after it? */
bool checkpoint_evolves(const struct format_checkpoint *c);

/* true: the bytes at `at` look like a checkpoint of this version (the signature is not looked at).
 */
MUST_USE bool checkpoint_parse(struct bytes file, size_t at, struct format_checkpoint *ret_c);
/* The last offset at which one begins, or SIZE_MAX. */
size_t checkpoint_find_last(struct bytes file);

/* ---- reading a file of them ---- */

struct checkpoint_reader {
	struct bytes file;
	size_t at;
	bool has_previous, resumed;
	struct format_checkpoint previous;
	uint8_t previous_digest[32];
};

struct checkpoint_found {
	struct format_checkpoint c;
	size_t offset;
	uint8_t digest[32];
	bool numbered;  /* its number follows on the one before (true for the first in the file) */
	bool chained;   /* so does its content */
	bool key_right; /* it is signed with *the* key that was due, not just with a valid one */
};

void checkpoint_reader_init(struct checkpoint_reader *r, struct bytes file);
/* OK; ERR_END; ERR_TORN: the rest is a part of one, or zeros; ERR_BAD: bytes that are none, from
 * ret_found->offset up to r->at. Signatures are not looked at here: see checkpoint_is_signed. */
MUST_USE enum err checkpoint_next(struct checkpoint_reader *r, struct checkpoint_found *ret_found);

/* ---- the collector's keys ---- */

/* The slot that counts. ERR_BAD: none is valid. */
MUST_USE enum err checkpoint_parse_state(struct bytes file,
					 struct format_checkpoint_state *ret_state);
/* Fills in magic, version and digest. */
void checkpoint_seal_state(struct format_checkpoint_state *state);

/* Does this state belong behind `last`, the last checkpoint of the file? ERR_SEAL: it does not:
 * one of them was lost or put back. OK: *state is brought up to `last` when a kill came in between
 * (*ret_evolve: the active key was used up by it; make it next and a new one after it). */
MUST_USE enum err checkpoint_fit_state(struct format_checkpoint_state *state,
				       const struct format_checkpoint *last, bool *ret_evolve);

#endif
