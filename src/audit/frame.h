/* SPDX-License-Identifier: MIT
 *
 * frame: what writer and reader of the log share: the checksum of heads, finding the next valid
 * head in damaged bytes, the chain. Pure. Format: docs/audit-format.md.
 */
#ifndef AIGW_AUDIT_FRAME_H
#define AIGW_AUDIT_FRAME_H

#include "aigw/format.h"
#include "audit/seal.h"

/* CRC-32C (Castagnoli, RFC 3720 12.1), `crc` being that of the bytes before (0 at first). */
uint32_t frame_crc32c(uint32_t crc, struct bytes data);
/* The same without the processor's instruction: for tests. */
uint32_t frame_crc32c_plainly(uint32_t crc, struct bytes data);

/* Sequences above are nobody's: the most records a segment can hold, twice. */
#define FRAME_SEQUENCE_MAX (1u << 21)

/* true: a valid head stands at `at` (its body may still run past the end). */
MUST_USE bool frame_parse(struct bytes file, size_t at, struct format_frame *ret_head);
/* The offset of the first valid head from `from` on, or file.len. */
size_t frame_find(struct bytes file, size_t from);

/* The chain value before the first record, and that after a record. */
void frame_start_chain(const uint8_t header_digest[32], uint8_t ret_chain[32]);
void frame_chain(const struct format_frame *head, const uint8_t tag[FORMAT_TAG_BYTES],
		 uint8_t ret_chain[32]);

/* k(0) of a segment, and its commitment. */
void frame_start_key(const uint8_t secret[32], const uint8_t header_digest[32],
		     uint8_t ret_key[32]);
void frame_commitment(const uint8_t secret[32], const uint8_t segment_id[16],
		      uint8_t ret_commitment[32]);
/* From k(i): the key of record i, and k(i+1). */
void frame_step(const uint8_t key[32], uint8_t ret_record_key[32], uint8_t ret_next[32]);

#endif
