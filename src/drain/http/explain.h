/* SPDX-License-Identifier: MIT
 *
 * explain: an HTTP answer as a sink's answer: what its status means, when to come again, and a line
 * for people in which nothing secret stands. Pure.
 */
#ifndef AIGW_DRAIN_HTTP_EXPLAIN_H
#define AIGW_DRAIN_HTTP_EXPLAIN_H

#include "drain/sink.h"

#define EXPLAIN_SECRETS_MAX 4

/* Who answered, and what must not be told. */
struct explain {
	struct bytes host;
	size_t secret_count;
	struct bytes secrets[EXPLAIN_SECRETS_MAX];
};

#define EXPLAIN_EXCERPT_MAX 200 /* bytes of what the other side said */

/* Sets result, retry_after_ms and text. `result` is that of the status, or what more is known. */
void explain_answer(const struct explain *x, unsigned status, struct bytes head, struct bytes body,
		    uint64_t now_s, struct sink_answer *answer);

/* As sink_result_of_status; also what servers say with a status of the 400s of the connection
 * instead of the request: a client certificate is missing, plain HTTP was spoken to TLS, a bill was
 * not paid. */
enum sink_result explain_result(unsigned status, struct bytes body);

/* "HOST: TEXT DETAIL" with the secrets masked. */
void explain_text(const struct explain *x, enum sink_result result, const char *text,
		  struct bytes detail, struct sink_answer *answer);

#endif
