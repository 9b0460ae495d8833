/* SPDX-License-Identifier: MIT
 *
 * otlp_body: OTLP/HTTP for logs in JSON: one request of many messages, and what is answered to it
 * (https://opentelemetry.io/docs/specs/otlp/#otlphttp). Pure.
 */
#ifndef AIGW_DRAIN_HTTP_OTLP_BODY_H
#define AIGW_DRAIN_HTTP_OTLP_BODY_H

#include "drain/sink.h"

/* The parts of a message of one resource, one scope and its records, as report/otlp makes it:
 * views.
 */
struct otlp_parts {
	struct bytes resource, scope; /* objects */
	struct bytes records;         /* without the brackets, never empty */
};

/* ERR_BAD: it is another message. */
MUST_USE enum err otlp_find_parts(struct bytes message, struct otlp_parts *ret_parts);

/* An ExportLogsServiceRequest of all the messages, in their order; neighbours of the same resource
 * and scope share them. ERR_BAD: one is no such message, *ret_bad says which. */
MUST_USE enum err otlp_put_logs(struct buf *out, const struct sink_event *events, size_t count,
				size_t *ret_bad);

/* What a 200 says: how many of the records (or data points) were rejected, and why, if it says so:
 * a view, escapes and all. 0: none. */
uint64_t otlp_rejected(struct bytes answer, struct bytes *ret_why);

#endif
