/* SPDX-License-Identifier: MIT
 *
 * coding: takes the content coding off an HTTP body as it arrives (RFC 9110 8.4.1: gzip, deflate;
 * RFC 7932: br; RFC 8878: zstd). The only door to zlib, libbrotlidec and libzstd.
 *
 * Pure apart from memory, which all three libraries get from malloc. Not synchronised: one thread
 * at a time per decoder. Not here: encoding, transfer codings, lists of several codings.
 */
#ifndef AIGW_WIRE_CODING_H
#define AIGW_WIRE_CODING_H

#include "base/bytes.h"

#define CODING_OUTPUT_BYTES_MAX (64u << 20) /* what one body may decode to; beyond: ERR_LIMIT */

/* A decompression bomb gives ERR_LIMIT: at no time may there be more output than this many times
 * the input read so far, plus the allowance. */
#define CODING_RATIO_MAX       1000u
#define CODING_ALLOWANCE_BYTES (1u << 20)

#define CODING_ZSTD_WINDOW_LOG_MAX 23 /* 8 MiB, RFC 9659 section 3; beyond: ERR_LIMIT */

enum coding {
	CODING_IDENTITY,
	CODING_GZIP,
	CODING_DEFLATE, /* with the zlib wrapper (as specified) or without (as some servers send it)
			 */
	CODING_BR,
	CODING_ZSTD,
	CODING_RAW_DEFLATE, /* of WebSocket messages (RFC 7692): no header names it */
	CODING_UNKNOWN,
};

/* The coding that a Content-Encoding value names; an empty value is CODING_IDENTITY. A list of
 * several codings is CODING_UNKNOWN, and so is whatever cannot be decoded here. */
enum coding coding_parse(struct bytes header_value);

struct coding_decoder;

/* OK: the caller frees *ret_decoder with coding_free. ERR_UNSUPPORTED (CODING_UNKNOWN), ERR_NOMEM.
 */
MUST_USE enum err coding_new(enum coding coding, struct coding_decoder **ret_decoder);

/* NULL is fine. Wipes the output that passed through; the windows that the libraries keep of a body
 * go back to malloc as they are. */
void coding_free(struct coding_decoder *d);

/* Appends to *out all that `in` decodes to: what the sender flushed is there at once. ERR_BAD
 * (corrupt, or bytes after the end; further gzip members and zstd frames are no such bytes),
 * ERR_LIMIT (CODING_OUTPUT_BYTES_MAX, CODING_RATIO_MAX, the zstd window, out->max), ERR_NOMEM.
 * After an error *out has what was decoded before it, and every further call gives that error. */
MUST_USE enum err coding_feed(struct coding_decoder *d, struct bytes in, struct buf *out);

/* CODING_RAW_DEFLATE only: what was fed was one whole message; the next one begins, and the limits
 * count from its start. `keep_window`: it may refer to what earlier ones said (context takeover).
 * OK, ERR_BAD (the message is truncated), or the error that coding_feed gave. */
MUST_USE enum err coding_next_message(struct coding_decoder *d, bool keep_window);

/* To be asked when the body has ended. OK: so has its coding, or the body was empty. ERR_BAD: it is
 * truncated. After an error in coding_feed: that error. */
MUST_USE enum err coding_check_end(const struct coding_decoder *d);

#endif
