/* SPDX-License-Identifier: MIT
 *
 * acked: how far a sink (what records are drained to) has acknowledged the log: one small text file
 * per sink, SINKS/NAME.acked, written by whoever drains and respected by retention.
 *
 *     aigw acked 1
 *     required yes
 *     entries 1042
 *     open 0f3c…(32 hex digits) 181234
 *     end
 *
 * `entries N`: of every segment whose opening stands among the first N entries of the ledger, all
 * bytes are acknowledged; but of those named by `open ID BYTES` lines only the first BYTES.
 * Segments opened later are not acknowledged at all. `required no`: retention does not wait for
 * this sink. A file that is damaged or of a newer version acknowledges nothing.
 */
#ifndef AIGW_AUDIT_ACKED_H
#define AIGW_AUDIT_ACKED_H

#include "base/bytes.h"

#define ACKED_SUFFIX    ".acked"
#define ACKED_BYTES_MAX (4u << 20)
#define ACKED_NAME_MAX  64 /* of a sink: letters, digits, '-', '_', '.' but not first */

struct acked { /* borrows */
	bool required;
	uint64_t entries;
	struct bytes open; /* the `open` lines */
};

/* ERR_BAD: malformed, or no `end`; ERR_UNSUPPORTED: a newer version. Pure. */
MUST_USE enum err acked_parse(struct bytes file, struct acked *ret_acked);
/* The next `open` line of *rest. OK, ERR_END. */
MUST_USE enum err acked_next(struct bytes *rest, uint8_t ret_segment_id[16], uint64_t *ret_bytes);
/* Is a segment of `bytes` bytes, opened by the ledger's entry `number`, acknowledged as a whole? */
bool acked_covers(const struct acked *a, const uint8_t segment_id[16], uint64_t number,
		  uint64_t bytes);

struct acked_open {
	uint8_t segment_id[16];
	uint64_t bytes;
};

bool acked_is_name(struct bytes name);
/* Writes the file of a sink, at once and on the disk; the directory is made 0700 when missing.
 * ERR_USAGE: not a name of a sink; ERR_LIMIT: too many open segments. */
MUST_USE enum err acked_save(const char *directory, const char *name, bool required,
			     uint64_t entries, const struct acked_open *open, size_t open_count);
/* Replaces *ret_file by the file of a sink and parses it. ERR_MISSING; errors of files_load. */
MUST_USE enum err acked_load(const char *directory, const char *name, struct buf *ret_file,
			     struct acked *ret_acked);

#endif
