/* SPDX-License-Identifier: MIT
 *
 * preset: what a receiver of the https sink wants: where a request goes, how it says who we are,
 * how large it may be, its body, and how the answer is read. One table, and a file for each form
 * that is more than events in a row. Pure.
 *
 * Each is made from the receiver's published format; the source stands beside it.
 */
#ifndef AIGW_DRAIN_HTTP_PRESET_H
#define AIGW_DRAIN_HTTP_PRESET_H

#include "drain/sink.h"

/* How the token of `token_file` is shown. */
enum preset_auth {
	AUTH_BEARER, /* Authorization: Bearer TOKEN; with `user`: Basic */
	AUTH_HEADER, /* the preset's own header, with its prefix; with `user`: Basic */
	AUTH_BASIC,  /* always Basic: USER:TOKEN, or what the file has when no user is given */
	AUTH_PATH,   /* the last part of the URL's path */
};

/* One request: events that go together. */
struct preset_request {
	const struct sink_event *events;
	size_t count;
	enum drain_format format; /* without a preset */
	struct bytes index;       /* config's */
};

/* What an answer says of each event. */
struct preset_verdict {
	enum sink_result result; /* SINK_PARTLY: see results */
	uint8_t *results;        /* room for the request's count */
	const char *text;        /* of ours, "" for none */
	struct bytes detail;     /* of the answer: a view, or empty */
};

struct preset {
	enum drain_preset id;
	const char *path;  /* taken when the URL has none; NULL: none */
	const char *query; /* always, in front of what the URL has; NULL: none */
	const char *content_type;
	enum preset_auth auth;
	const char *auth_name, *auth_prefix; /* AUTH_HEADER */
	bool needs_index;
	bool one_host; /* the events of a request have the same host, which the query names */
	/* Of one request, before it is packed; 0: no limit but the batch's. */
	size_t events_max, request_bytes_max;
	size_t event_bytes_max; /* of one event's JSON; larger: without payloads */
	MUST_USE enum err (*put)(struct buf *out, const struct preset_request *request);
	/* NULL, or false: the status says it all. `verdict` is set to the status' meaning before.
	 */
	bool (*read)(const struct preset_request *request, unsigned status, struct bytes body,
		     struct preset_verdict *verdict);
};

/* Never NULL for an id that config.h has. */
const struct preset *preset_find(enum drain_preset id);

/* How many of these events, at least 1, go into one request: by number, host and estimated size. */
size_t preset_take(const struct preset *preset, const struct sink_event *events, size_t count);

/* The files of the forms. */
MUST_USE enum err preset_put_plain(struct buf *out, const struct preset_request *request);
MUST_USE enum err preset_put_datadog(struct buf *out, const struct preset_request *request);
MUST_USE enum err preset_put_splunk(struct buf *out, const struct preset_request *request);
bool preset_read_splunk(const struct preset_request *request, unsigned status, struct bytes body,
			struct preset_verdict *verdict);
MUST_USE enum err preset_put_lines(struct buf *out, const struct preset_request *request);
MUST_USE enum err preset_put_mezmo(struct buf *out, const struct preset_request *request);
MUST_USE enum err preset_put_betterstack(struct buf *out, const struct preset_request *request);
MUST_USE enum err preset_put_bulk(struct buf *out, const struct preset_request *request);
bool preset_read_bulk(const struct preset_request *request, unsigned status, struct bytes body,
		      struct preset_verdict *verdict);
MUST_USE enum err preset_put_loki(struct buf *out, const struct preset_request *request);
MUST_USE enum err preset_put_langfuse(struct buf *out, const struct preset_request *request);
bool preset_read_langfuse(const struct preset_request *request, unsigned status, struct bytes body,
			  struct preset_verdict *verdict);

/* ",\"name\":\"text\"", or nothing for an empty text. */
MUST_USE enum err preset_put_text(struct buf *out, const char *name, struct bytes text);

/* Sets the verdict's result from its results: what all have, or SINK_PARTLY. */
void preset_sum_up(struct preset_verdict *verdict, size_t count);

#endif
