/* SPDX-License-Identifier: MIT
 *
 * note: NAME.aigw.keys, a file beside a segment with the segment's secret sealed to recipients that
 * its header does not know (`aigw audit-key rewrap`). The segment itself is never changed. A note
 * needs no authentication of its own: a secret counts only when it fits the segment's commitment.
 * `ledger.keys` is the same for the ledger: notes one behind the other, each with the seed of an
 * epoch, which the first bytes of its commitment name. Format: docs/audit-format.md.
 */
#ifndef AIGW_AUDIT_NOTE_H
#define AIGW_AUDIT_NOTE_H

#include "aigw/format.h"
#include "audit/segment.h"

#define NOTE_SUFFIX         ".keys"
#define NOTE_RECIPIENTS_MAX 64
#define NOTE_BYTES_MAX                                                                             \
	(sizeof(struct format_note) + NOTE_RECIPIENTS_MAX * sizeof(struct format_recipient) +      \
	 FORMAT_DIGEST_BYTES)

#define NOTES_BYTES_MAX (4u << 20) /* of ledger.keys */
#define NOTE_ID_BYTES   16

struct note {
	uint8_t segment_id[16];
	size_t recipient_count;
	struct bytes boxes; /* recipient_count times struct format_recipient; borrowed */
};

/* OK; ERR_BAD (not a note, or damaged); ERR_UNSUPPORTED (a newer version). Pure. */
MUST_USE enum err note_parse(struct bytes file, struct note *ret_note);

/* The note of that id among notes that stand one behind the other. ERR_MISSING: there is none, or
 * none that is whole; what is no note ends them. *looks is how many may still be looked at,
 * whatever the file holds, and is counted down; ERR_LIMIT at 0. Pure. */
MUST_USE enum err note_find(struct bytes notes, const uint8_t id[NOTE_ID_BYTES], uint32_t *looks,
			    struct note *ret_note);

/* True when the note has a box for that recipient. */
bool note_has(const struct note *note, const struct recipient *r);

/* Appends a whole note: the boxes of `old` (may be NULL), then the secret sealed to `recipients`.
 * ERR_LIMIT (over NOTE_RECIPIENTS_MAX), ERR_NOMEM, ERR_IO (no randomness), ERR_BAD (a recipient is
 * none). */
MUST_USE enum err note_make(const uint8_t segment_id[16], const uint8_t secret[SEAL_KEY_BYTES],
			    const struct note *old, size_t recipient_count,
			    const struct recipient *recipients, struct buf *ret_file);

/* PATH.keys. ERR_LIMIT: too long. */
MUST_USE enum err note_path(const char *segment_path, char ret_path[SEGMENT_PATH_MAX]);

/* The bytes of the note beside a segment. ERR_MISSING: there is none; other errors of files_load.
 */
MUST_USE enum err note_load(const char *segment_path, struct buf *ret_file);

/* Puts a note beside a segment in place of the one that is there, at once and on the disk. */
MUST_USE enum err note_save(const char *segment_path, struct bytes file);

#endif
