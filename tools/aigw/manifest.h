/* SPDX-License-Identifier: MIT
 *
 * manifest: what an export says of itself, signed beside it (signed.h): which filter, how much, the
 * digest of the output, and how far each segment of the log was read. The statement is described
 * in docs/audit-format.md. Parsing is pure.
 */
#ifndef AIGW_TOOL_MANIFEST_H
#define AIGW_TOOL_MANIFEST_H

#include "log.h"
#include "reading.h"
#include "signed.h"

#define MANIFEST_TYPE    "aigw export manifest"
#define MANIFEST_LABEL   BYTES("aigw export manifest v1\n")
#define MANIFEST_VERSION 1

struct manifest_output {
	const char *format, *name; /* of the file, without directories; NULL: standard output */
	uint64_t bytes, entries;
	uint8_t sha256[32];
};

/* Appends the statement about what was read from `l`. */
void manifest_put(struct buf *out, const struct log *l, const struct filter_words *words,
		  const struct manifest_output *output);

struct manifest {                  /* views of the statement */
	struct bytes format, name; /* name empty: standard output */
	uint64_t bytes, entries;
	uint8_t sha256[32];
	uint64_t segments;
	struct bytes statement;
};

struct manifest_segment {
	struct bytes file; /* "2026-11-24/NAME.aigw" and nothing else */
	uint8_t id[16];
	uint64_t last; /* sequence */
	bool has_chain;
	uint8_t chain[32];
};

/* OK; ERR_BAD: not a manifest; ERR_UNSUPPORTED: of a later version. */
MUST_USE enum err manifest_parse(struct bytes statement, struct manifest *ret_manifest);
/* Calls for each segment; ERR_BAD: one is malformed. */
MUST_USE enum err manifest_each(const struct manifest *m, void *context,
				void (*on_segment)(void *context,
						   const struct manifest_segment *segment));

#endif
