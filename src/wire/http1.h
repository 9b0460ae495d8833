/* SPDX-License-Identifier: MIT
 *
 * http1: HTTP/1.1 messages (RFC 9112) from bytes in any split, with llhttp behind this one door.
 * A request is kept whole, byte for byte as it came, with offsets into it, because it is decided
 * on before it may leave. A response is only followed: it is never kept here, since its reader gets
 * the bytes at once.
 *
 * Pure: no I/O, no clock. Memory: the request owns its bytes until reset/done.
 * Not here: what headers mean to a model provider, content codings (wire/coding).
 */
#ifndef AIGW_WIRE_HTTP1_H
#define AIGW_WIRE_HTTP1_H

#include "base/bytes.h"

#define HTTP1_FIELDS_MAX     256          /* header lines of one request */
#define HTTP1_HEAD_BYTES_MAX (128u << 10) /* head of a request or a response */
#define HTTP1_IDLE_BYTES_MAX (8u << 10)   /* memory kept between two requests */

struct http1_span {
	uint32_t at, len;
};

struct http1_field {
	struct http1_span name, value;
};

/* Opaque room for llhttp's parser; its size is checked at compile time in http1.c. */
struct http1_parser {
	uint64_t room[16];
};

struct http1_request {
	struct buf raw;     /* head and body as the program wrote them */
	struct buf decoded; /* the body without its chunked coding; unused otherwise */
	size_t head_bytes;  /* 0 until the head is complete; then where the body starts in raw */
	bool complete, chunked, has_length, expects_continue, keep_alive, upgrade;
	uint64_t content_length; /* when has_length */
	struct http1_span target;
	size_t field_count;
	struct http1_field fields[HTTP1_FIELDS_MAX];
	const char *method;  /* constant string: "POST"; NULL until the head is complete */
	const char *problem; /* after an error: what is wrong, for people; constant */
	/* private */
	struct http1_parser parser;
	size_t body_max;
	size_t fed; /* bytes of raw that llhttp has seen before the current piece */
	const uint8_t *piece;
	enum err stopped;
};

/* `body_max`: a longer body (decoded) is ERR_LIMIT. */
void http1_request_init(struct http1_request *r, size_t body_max);
void http1_request_done(struct http1_request *r);
/* For the next request of the connection. */
void http1_request_reset(struct http1_request *r);

/* Takes bytes up to the end of this request. OK: the request is complete, bytes from *ret_used on
 * belong to the next one. ERR_MORE: all taken. ERR_BAD (malformed, with r->problem), ERR_AMBIGUOUS
 * (two lengths, Content-Length with Transfer-Encoding, two Host fields), ERR_LIMIT, ERR_NOMEM; the
 * request is unusable then, *ret_used counts what was taken into raw. */
MUST_USE enum err http1_request_feed(struct http1_request *r, struct bytes in, size_t *ret_used);

/* Views into the request, valid until it is fed, reset or done. */
struct bytes http1_request_target(const struct http1_request *r);
struct bytes http1_request_body(const struct http1_request *r);
struct bytes http1_field_name(const struct http1_request *r, size_t i);
struct bytes http1_field_value(const struct http1_request *r, size_t i);
/* The first field of that name (any case); false when there is none. */
bool http1_request_find(const struct http1_request *r, struct bytes name, struct bytes *ret_value);

struct http1_response;

/* What following a response tells, in order, for each response: head, body pieces, end. An interim
 * response (1xx) gives a head and an end with its own status. Any return but OK stops following. */
struct http1_listener {
	enum err (*on_head)(void *context, const struct http1_response *r);
	enum err (*on_body)(void *context, struct bytes piece);
	enum err (*on_end)(void *context, const struct http1_response *r);
	/* Asked when a head is complete: does this response have no body whatever its fields say
	 * (the request was HEAD)? */
	bool (*is_bodiless)(void *context);
	void *context;
};

struct http1_response {
	int status;
	struct buf head;  /* "name: value\r\n" lines, as received but for folding and padding */
	bool upgraded;    /* 101: what follows is not HTTP */
	bool until_close; /* the body ends with the connection */
	bool in_message;  /* between the first byte and the end of a response */
	bool broken;      /* not HTTP/1.1 as we know it: following has ended */
	struct http1_parser parser;
	struct http1_listener listener;
	enum err stopped;
	size_t unread_bytes; /* of the last piece, at its end, when broken or upgraded: not followed
			      */
};

void http1_response_init(struct http1_response *r, const struct http1_listener *listener);
void http1_response_done(struct http1_response *r);
/* Follows bytes. OK, or the error that ended following (also r->broken). */
MUST_USE enum err http1_response_feed(struct http1_response *r, struct bytes in);
/* The connection ended: a body that runs until close is complete (on_end is called, OK); ERR_MORE
 * when a response was cut off; OK when none was under way. */
MUST_USE enum err http1_response_eof(struct http1_response *r);

/* The first field of that name in "name: value\r\n" lines; false when there is none. */
bool http1_head_find(struct bytes head, struct bytes name, struct bytes *ret_value);
/* Walks such lines from the front of *rest; false at the end. */
bool http1_head_next(struct bytes *rest, struct bytes *ret_name, struct bytes *ret_value);

#endif
