/* SPDX-License-Identifier: MIT
 *
 * Loki: streams of few labels (each combination of values is a stream of its own, so nothing that
 * has many values is one), and in each the times in nanoseconds with the lines. Loki drops a line
 * that it has at that time in that stream, so a second delivery leaves no trace.
 */
#include <stdlib.h>

#include "drain/http/event_text.h"
#include "drain/http/preset.h"

#define LABEL_BYTES_MAX 2048 /* max_label_value_length */

static struct bytes label(struct bytes value)
{
	size_t len = value.len < LABEL_BYTES_MAX ? value.len : LABEL_BYTES_MAX;

	/* not within a character */
	while (len < value.len && len && (value.at[len] & 0xc0) == 0x80)
		len--;
	return bytes_slice(value, 0, len);
}

static bool is_same_stream(const struct sink_event *a, const struct sink_event *b)
{
	return bytes_equal(a->host, b->host) && bytes_equal(a->environment, b->environment) &&
	       bytes_equal(a->provider, b->provider) &&
	       bytes_equal(bytes_str(event_kind(a)), bytes_str(event_kind(b)));
}

static enum err put_labels(struct buf *out, struct bytes job, const struct sink_event *event)
{
	if (buf_put_str(out, "{\"stream\":{\"job\":") ||
	    buf_put_json_string(out, label(job.len ? job : BYTES("aigw"))) ||
	    buf_put_str(out, ",\"type\":\"") || buf_put_str(out, event_kind(event)) ||
	    buf_put_str(out, "\"") || preset_put_text(out, "host", label(event->host)) ||
	    preset_put_text(out, "environment", label(event->environment)) ||
	    preset_put_text(out, "provider", label(event->provider)) ||
	    buf_put_str(out, "},\"values\":["))
		return ERR_NOMEM;
	return OK;
}

static enum err put_value(struct buf *out, const struct sink_event *event)
{
	if (buf_put_str(out, "[\"") || buf_put_decimal(out, event->time_ns) ||
	    buf_put_str(out, "\",") || buf_put_json_string(out, event->json) ||
	    buf_put_str(out, "]"))
		return ERR_NOMEM;
	return OK;
}

/* All events of the first one's stream from there on. */
static enum err put_stream(struct buf *out, const struct preset_request *request, size_t first,
			   bool *is_put)
{
	const struct sink_event *events = request->events;

	if (put_labels(out, request->index, &events[first]))
		return ERR_NOMEM;
	for (size_t i = first; i < request->count; i++) {
		if (is_put[i] || !is_same_stream(&events[first], &events[i]))
			continue;
		if (buf_put_str(out, i > first ? "," : "") || put_value(out, &events[i]))
			return ERR_NOMEM;
		is_put[i] = true;
	}
	return buf_put_str(out, "]}");
}

enum err preset_put_loki(struct buf *out, const struct preset_request *request)
{
	bool *is_put = calloc(request->count ? request->count : 1, sizeof *is_put);
	enum err e = is_put ? buf_put_str(out, "{\"streams\":[") : ERR_NOMEM;

	for (size_t i = 0; i < request->count && !e; i++) {
		if (is_put[i])
			continue;
		e = buf_put_str(out, i ? "," : "");
		if (!e)
			e = put_stream(out, request, i, is_put);
	}
	free(is_put);
	return e ? e : buf_put_str(out, "]}");
}
