/* SPDX-License-Identifier: MIT
 *
 * ndjson: JSON texts one a line (jsonlines.org, github.com/ndjson/ndjson-spec), from a byte stream
 * in any split: \n or \r\n ends a line, lines of white space are skipped, the last line may lack
 * its end.
 *
 * Pure. Whether a line is JSON is for its reader to find out.
 */
#ifndef AIGW_WIRE_NDJSON_H
#define AIGW_WIRE_NDJSON_H

#include "base/bytes.h"

/* One line, without its \n; beyond: ERR_LIMIT, following ends. */
#define NDJSON_LINE_BYTES_MAX (4u << 20)

/* Zero-initialised is ready. */
struct ndjson {
	struct buf line;
	bool given; /* `line` was given out and is no longer needed */
	bool over_limit;
};

void ndjson_done(struct ndjson *n);

/* Consumes from the front of *in until one line is complete: OK and the line in *ret_line (call
 * again with what is left), ERR_MORE when *in is used up, ERR_LIMIT (from then on always),
 * ERR_NOMEM (may be called again with what is left of *in). The line is a view into what *in was,
 * or into the parser, valid until the next call. */
MUST_USE enum err ndjson_next(struct ndjson *n, struct bytes *in, struct bytes *ret_line);

/* The stream has ended: a last line that had no end. OK, or ERR_END when there is none. */
MUST_USE enum err ndjson_end(struct ndjson *n, struct bytes *ret_line);

#endif
