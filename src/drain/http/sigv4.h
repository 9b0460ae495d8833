/* SPDX-License-Identifier: MIT
 *
 * sigv4: AWS Signature Version 4 of a request, as a value for the header Authorization. Source:
 * "Authenticating Requests: Using the Authorization Header", Amazon S3 API reference. Pure.
 */
#ifndef AIGW_DRAIN_HTTP_SIGV4_H
#define AIGW_DRAIN_HTTP_SIGV4_H

#include "drain/config.h"

#define SIGV4_HEADERS_MAX    24
#define SIGV4_PARAMETERS_MAX 16

/* Whose request it is: a secret, wiped by whoever has it. */
struct sigv4_key {
	struct bytes id, secret, region, service;
};

struct sigv4_request {
	struct bytes method;
	struct bytes path;  /* as it is sent, percent-encoded; begins with '/' */
	struct bytes query; /* likewise, without '?'; parameters in any order */
	/* All of them are signed; each name once, and Host among them, X-Amz-Date too. */
	size_t header_count;
	const struct drain_pair *headers;
	struct bytes payload_sha256; /* in hex, or "UNSIGNED-PAYLOAD" */
};

/* "20150830T123600Z" of seconds since 1970: for X-Amz-Date. */
MUST_USE enum err sigv4_put_time(struct buf *out, uint64_t time_s);

/* Appends "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...". ERR_LIMIT: more
 * headers or parameters than the constants say; ERR_NOMEM. */
MUST_USE enum err sigv4_put_authorization(struct buf *out, const struct sigv4_key *key,
					  const struct sigv4_request *request, uint64_t time_s);

/* Appends a text with everything but letters, digits and "-._~" percent-encoded, and slashes too
 * unless they are kept. */
MUST_USE enum err sigv4_put_encoded(struct buf *out, struct bytes text, bool keeps_slashes);

#endif
