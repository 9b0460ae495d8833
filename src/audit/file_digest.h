/* SPDX-License-Identifier: MIT
 *
 * file_digest: the digest of a segment's file, or of its first bytes, as ledger and checkpoints
 * have it. Which function it is the file's own header says by its cipher (docs/audit-format.md):
 * BLAKE2b-256 in its tree mode, SHA-256, or, with all else and with what is no segment,
 * BLAKE2b-256.
 */
#ifndef AIGW_AUDIT_FILE_DIGEST_H
#define AIGW_AUDIT_FILE_DIGEST_H

#include "aigw/format.h"
#include "audit/seal.h"
#include "audit/tree_digest.h"

/* Up to and with the cipher. */
#define FILE_DIGEST_HEAD_BYTES (offsetof(struct format_segment, cipher) + sizeof(uint16_t))

enum file_digest_function { FILE_DIGEST_BLAKE2B, FILE_DIGEST_SHA256, FILE_DIGEST_TREE };

/* Copyable: a copy goes on by itself. */
struct file_digest {
	enum file_digest_function function; /* known when the head is complete */
	uint8_t head_bytes;
	uint8_t head[FILE_DIGEST_HEAD_BYTES];
	union {
		struct seal_digest_state blake2b;
		struct seal_sha256_state sha256;
		struct tree_digest tree;
	};
};

void file_digest_init(struct file_digest *d);
void file_digest_feed(struct file_digest *d, struct bytes data);
/* In pieces that end at multiples of this in the file the work is done fastest; 1: in any. */
size_t file_digest_step(const struct file_digest *d);
/* Leaves the state usable: more can be fed. */
void file_digest_end(const struct file_digest *d, uint8_t ret_digest[SEAL_DIGEST_BYTES]);
/* All at once. */
void file_digest_of(struct bytes file, uint8_t ret_digest[SEAL_DIGEST_BYTES]);

#endif
