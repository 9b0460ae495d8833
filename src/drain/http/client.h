/* SPDX-License-Identifier: MIT
 *
 * client: one receiver as the sinks see it: its address, who we are there, and one POST: packed,
 * signed, sent, and its answer told. Credentials that are refused are read again, and when they are
 * others now, the request is sent once more.
 */
#ifndef AIGW_DRAIN_HTTP_CLIENT_H
#define AIGW_DRAIN_HTTP_CLIENT_H

#include "drain/http/explain.h"
#include "drain/http/http.h"
#include "drain/http/preset.h"
#include "drain/http/secret.h"

#define CLIENT_KEY_CHARS 33 /* of an Idempotency-Key, with its NUL */

struct client {
	const struct drain *config;
	const struct preset *preset;
	bool gzip;
	struct http *http;
	struct buf host; /* and port, for people */
	bool has_path;   /* the URL has one */
	struct secret token, hmac;
	struct http_answer answer; /* to the last post */
	struct buf url, packed, authorization, signature;
};

/* `preset`: how to say who we are. On failure *answer says why; nothing is to be closed. */
MUST_USE enum err client_open(struct client *c, const struct drain *config,
			      const struct preset *preset, bool gzip, struct sink_answer *answer);
void client_close(struct client *c);

struct client_post {
	const char *path;         /* behind the URL's own; NULL: none */
	const char *default_path; /* when the URL has none; NULL: none */
	const char *query;        /* NULL: none */
	struct bytes more_query;  /* behind it; may be empty */
	const char *content_type;
	struct bytes body;
	const char *key; /* for Idempotency-Key; NULL: none */
	uint64_t until_ns;
};

/* Sets *answer's result, retry_after_ms and text (not results). True: an answer came, and stands in
 * c->answer. */
bool client_send(struct client *c, const struct client_post *post, struct sink_answer *answer);

/* The same for the same events in the same order, and for no others. */
void client_make_key(const struct sink_event *events, size_t count, char ret_key[CLIENT_KEY_CHARS]);

/* For texts about this receiver; views into `c`. */
struct explain client_explain(const struct client *c);

/* Appends a text with everything but letters, digits and "-._~" percent-encoded (RFC 3986 2.3). */
MUST_USE enum err client_put_encoded(struct buf *out, struct bytes text);

#endif
