/* SPDX-License-Identifier: MIT
 *
 * multipart: the parts of a multipart/form-data body (RFC 7578, RFC 2046 5.1), read so strictly
 * that no server can find other parts in it: no preamble, no epilogue, CRLF line ends only.
 *
 * Pure, no allocation; views into the text.
 */
#ifndef AIGW_WIRE_MULTIPART_H
#define AIGW_WIRE_MULTIPART_H

#include "base/bytes.h"

#define MULTIPART_PARTS_MAX    1024
#define MULTIPART_HEAD_MAX     (16u << 10) /* bytes of one part's header */
#define MULTIPART_BOUNDARY_MAX 70          /* RFC 2046 5.1.1 */

struct multipart {
	struct bytes text, boundary;
	size_t at; /* where reading goes on; after an error: where it went wrong */
	size_t parts;
	bool ended;
};

struct multipart_part {
	struct bytes name; /* of the field, as written between the quotes, escapes left in */
	bool is_file;      /* it has a file name */
	bool is_encoded;   /* it has a Content-Transfer-Encoding: its bytes mean others */
	struct bytes content;
	size_t start; /* offset of the content in the text */
};

/* The boundary of a Content-Type field's value. OK; ERR_MISSING: it is not multipart/form-data;
 * ERR_BAD: it is, without one valid boundary. */
MUST_USE enum err multipart_boundary(struct bytes content_type, struct bytes *ret_boundary);

void multipart_init(struct multipart *m, struct bytes text, struct bytes boundary);

/* The next part. OK; ERR_END after the last; ERR_BAD; ERR_LIMIT. */
MUST_USE enum err multipart_next(struct multipart *m, struct multipart_part *ret_part);

#endif
