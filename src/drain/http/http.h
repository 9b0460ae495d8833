/* SPDX-License-Identifier: MIT
 *
 * http: the only door to libcurl. One request at a time, its answer in memory, within limits:
 *
 * - https, and plain http only to this host itself; certificates and names are always checked;
 * - redirects are not followed, no proxy is used (not those of the environment either), no cookies,
 *   no content codings, no other protocols;
 * - the time is limited in all, for connecting, and where nothing moves; so are head and body of an
 *   answer;
 * - a connection is kept for the next request.
 *
 * Not synchronised. A sink has its own.
 */
#ifndef AIGW_DRAIN_HTTP_HTTP_H
#define AIGW_DRAIN_HTTP_HTTP_H

#include "drain/sink.h"

#define HTTP_URL_BYTES_MAX    8192
#define HTTP_HEAD_BYTES_MAX   (64u << 10) /* of an answer, interim ones included */
#define HTTP_ANSWER_BYTES_MAX (4u << 20)
#define HTTP_CONNECT_MAX_MS   10000
#define HTTP_SLOW_S           30 /* for so long, on average less than... */
#define HTTP_SLOW_BYTES_PER_S 16 /* ...that moves: given up */

struct http;

/* `tls`: its files are read now, once. On failure *answer says why (SINK_WRONG). ERR_NOMEM,
 * ERR_UNSUPPORTED (libcurl cannot do what is needed), errors of sink_read_file. */
MUST_USE enum err http_open(const struct drain_tls *tls, struct sink_answer *answer,
			    struct http **ret_http);
void http_close(struct http *h); /* NULL is fine */

/* Whether a URL is one that http_send takes, and its parts: `host` with its port, for people;
 * `path` as it is in the URL, "" or "/" when there is none. Both are appended. ERR_BAD: *ret_why (a
 * text of ours) says why not; ERR_NOMEM. */
MUST_USE enum err http_check_url(struct bytes url, struct buf *ret_host, struct buf *ret_path,
				 const char **ret_why);

/* A header's name (RFC 9110 5.1) and value that may be sent: nothing that ends a line, no name that
 * is this file's or libcurl's business (Host, Content-Length, Transfer-Encoding, ...). */
bool http_is_header(struct bytes name, struct bytes value);

struct http_request {
	const char *method; /* "POST", "PUT"; "GET", "HEAD", "DELETE" without a body */
	struct bytes url;
	size_t header_count;
	const struct drain_pair *headers; /* all of http_is_header, or the request is not sent */
	struct bytes body;
	uint64_t until_ns; /* monotonic clock: the end of it all */
};

struct http_answer { /* zeroed before its first use; http_answer_done at the end */
	unsigned status;
	struct buf head; /* the last one's lines, without the status line */
	struct buf body;
	bool is_cut; /* the body was longer than HTTP_ANSWER_BYTES_MAX */
};

void http_answer_done(struct http_answer *a);

/* True: an answer is there, whatever its status. False: none, or not all of it; then *ret_result is
 * SINK_RETRY or, when only the configuration can help, SINK_WRONG, and *ret_why a text of libcurl
 * or ours that is valid until the next call. */
bool http_send(struct http *h, const struct http_request *request, struct http_answer *answer,
	       enum sink_result *ret_result, const char **ret_why);

#endif
