/* SPDX-License-Identifier: MIT
 *
 * otlp_metrics: the GenAI client metrics of OpenTelemetry (semantic conventions v1.41.1,
 * gen_ai.client.token.usage and gen_ai.client.operation.duration) out of exchanges' OTLP messages,
 * as histograms of delta temporality. Pure.
 */
#ifndef AIGW_DRAIN_HTTP_OTLP_METRICS_H
#define AIGW_DRAIN_HTTP_OTLP_METRICS_H

#include "drain/sink.h"

#define METRICS_SERIES_MAX 1000 /* combinations of attributes; others are counted as one */
#define METRICS_BOUNDS     14   /* of both metrics */

enum metric { METRIC_TOKENS, METRIC_DURATION, METRICS };

struct metrics_series {
	enum metric metric;
	struct buf host,
		attributes; /* a resource's host.name; attributes as JSON, without brackets */
	uint64_t count, sum, min, max; /* tokens, or microseconds */
	uint64_t buckets[METRICS_BOUNDS + 1];
	uint64_t first_ns, last_ns;
};

struct metrics { /* zeroed is empty */
	struct metrics_series *series;
	size_t count, room;
};

/* Counts one event; those that are no exchange, or were never sent to a provider, are passed over.
 * ERR_NOMEM: it is not counted, or only in part. */
MUST_USE enum err metrics_add(struct metrics *m, const struct sink_event *event);
/* An ExportMetricsServiceRequest of what was counted. */
MUST_USE enum err metrics_put(struct buf *out, const struct metrics *m);
void metrics_clear(struct metrics *m);

#endif
