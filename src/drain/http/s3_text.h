/* SPDX-License-Identifier: MIT
 *
 * s3_text: the texts of S3's interface: keys of objects, dates, the few elements of XML that are
 * read and written, what an error means. Pure.
 */
#ifndef AIGW_DRAIN_HTTP_S3_TEXT_H
#define AIGW_DRAIN_HTTP_S3_TEXT_H

#include "drain/sink.h"

#define S3_TOKEN_BYTES_MAX 1024 /* of an upload's id, of an ETag */

/* Appends "PREFIX/HOST/" as it stands in a URL. Slashes at the prefix's ends do not count; a host
 * that cannot be the name of a folder is "unknown", and has no slash. ERR_BAD: a prefix with an
 * empty part, "." or "..": libraries and servers disagree about them. ERR_NOMEM. */
MUST_USE enum err s3_put_folder(struct buf *out, struct bytes prefix, struct bytes host);

/* Appends "DAY/NAME" of ".../DAY/NAME.aigw"; without a day in the path, that of the time. ERR_BAD:
 * no name; ERR_NOMEM. */
MUST_USE enum err s3_put_name(struct buf *out, struct bytes path, uint64_t time_ns);

/* "2026-11-30T06:35:01Z" of seconds since 1970. */
MUST_USE enum err s3_put_instant(struct buf *out, uint64_t time_s);
MUST_USE enum err s3_put_base64(struct buf *out, struct bytes data);

/* The text of the first element of that name without attributes. ERR_MISSING. */
MUST_USE enum err s3_find_element(struct bytes xml, const char *name, struct bytes *ret_text);

/* Appends "<Part>...</Part>" for the list that completes an upload. ERR_BAD: the ETag is none that
 * can be written down; ERR_NOMEM. */
MUST_USE enum err s3_put_part(struct buf *out, size_t number, struct bytes etag,
			      struct bytes checksum);

/* An upload's id, as a value in a query. ERR_BAD: none that can be used; ERR_NOMEM. */
MUST_USE enum err s3_put_upload_id(struct buf *out, struct bytes id);

/* By status and, in an error's body, its code. An object is never refused for what it says:
 * whatever is not for later is the configuration's fault. An error may also come with status 200.
 */
enum sink_result s3_result_of(unsigned status, struct bytes body);

#endif
