/* SPDX-License-Identifier: MIT
 *
 * s3_client: one bucket as its sink sees it: where it is, who we are there, and one signed request.
 * Credentials that are refused are read again, and when they are others now, the request is sent
 * once more.
 */
#ifndef AIGW_DRAIN_HTTP_S3_CLIENT_H
#define AIGW_DRAIN_HTTP_S3_CLIENT_H

#include "drain/http/explain.h"
#include "drain/http/http.h"
#include "drain/http/secret.h"

#define S3_EXTRA_HEADERS_MAX 8

struct s3_client {
	const struct drain *config;
	struct http *http;
	struct secret key;         /* "ID:SECRET" */
	struct buf base, root;     /* "https://BUCKET.HOST", "/" or "/BUCKET/" */
	struct buf host;           /* and port, unless it is the scheme's: the header Host */
	struct http_answer answer; /* to the last request */
	struct buf url, path, date, payload, authorization;
};

/* On failure *answer says why; nothing is to be closed. */
MUST_USE enum err s3_client_open(struct s3_client *c, const struct drain *config,
				 struct sink_answer *answer);
void s3_client_close(struct s3_client *c);

struct s3_call {
	const char *method;
	struct bytes key;   /* of the object, percent-encoded */
	struct bytes query; /* may be empty */
	struct bytes body;
	size_t header_count; /* at most S3_EXTRA_HEADERS_MAX, without those of the signature */
	const struct drain_pair *headers;
	uint64_t until_ns;
};

/* Sets *answer's result and text. True: an answer came, of whatever status; it stands in c->answer.
 */
bool s3_client_send(struct s3_client *c, const struct s3_call *call, struct sink_answer *answer);

#endif
