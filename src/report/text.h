/* SPDX-License-Identifier: MIT
 *
 * text: writing a long text without asking after each piece. What fails is kept: buf->failed says
 * it at the end, and nothing more can be put into that buffer until it is reset. JSON objects, and
 * the codings they need. Pure.
 */
#ifndef AIGW_REPORT_TEXT_H
#define AIGW_REPORT_TEXT_H

#include "base/bytes.h"

/* As buf_put and its kind. */
void text_put(struct buf *out, struct bytes data);
void text_put_u8(struct buf *out, uint8_t v);
void text_put_str(struct buf *out, const char *nul_terminated);
void text_put_decimal(struct buf *out, uint64_t v);
void text_put_hex(struct buf *out, struct bytes data);
void text_put_json_string(struct buf *out, struct bytes text);
/* Keeps what another function answered, unless something failed before. */
void text_keep(struct buf *out, enum err e);

/* RFC 4648 4, with padding. */
void text_put_base64(struct buf *out, struct bytes data);
/* "2026-11-24T00:12:03.123456Z" */
void text_put_time_utc(struct buf *out, uint64_t time_ns);

/* One object being written on one line: the commas are its business. */
struct json_object {
	struct buf *out;
	bool any;
};

struct json_object object_begin(struct buf *out);         /* puts { */
void object_key(struct json_object *o, struct bytes key); /* the caller puts the value */
void object_text(struct json_object *o, const char *key, struct bytes text);
void object_number(struct json_object *o, const char *key, uint64_t n);
void object_bool(struct json_object *o, const char *key, bool b);
void object_raw(struct json_object *o, const char *key, const char *json);
void object_end(struct json_object *o); /* puts } */

#endif
