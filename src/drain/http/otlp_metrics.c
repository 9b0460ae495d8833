/* SPDX-License-Identifier: MIT */
#include "drain/http/otlp_metrics.h"

#include <stdlib.h>
#include <string.h>

#include "drain/http/otlp_body.h"
#include "wire/json.h"

#define US_PER_S          1000000
#define HTTP_ERROR        400
#define ATTRIBUTE_MAX     256 /* bytes of one value: models' names are strangers' words */
#define TEMPORALITY_DELTA "1" /* metrics.proto, AggregationTemporality */

static const struct {
	const char *name, *unit, *description;
	uint64_t bounds[METRICS_BOUNDS]; /* tokens, microseconds */
	const char *explicit_bounds;
} metrics[METRICS] = {
	[METRIC_TOKENS] = {"gen_ai.client.token.usage",
			   "{token}",
			   "Number of input and output tokens used.",
			   {1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304,
			    16777216, 67108864},
			   "1,4,16,64,256,1024,4096,16384,65536,262144,1048576,4194304,16777216,"
			   "67108864"},
	[METRIC_DURATION] = {"gen_ai.client.operation.duration",
			     "s",
			     "GenAI operation duration.",
			     {10000, 20000, 40000, 80000, 160000, 320000, 640000, 1280000, 2560000,
			      5120000, 10240000, 20480000, 40960000, 81920000},
			     "0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.28,2.56,5.12,10.24,20.48,40.96,"
			     "81.92"},
};

/* What is read of a log record's attributes. */
enum {
	A_OPERATION,
	A_PROVIDER,
	A_REQUEST_MODEL,
	A_RESPONSE_MODEL,
	A_SERVER,
	A_DIMENSIONS, /* those above are the metrics' own attributes too */
	A_INPUT = A_DIMENSIONS,
	A_OUTPUT,
	A_TOTAL_US,
	A_STATUS,
	A_OUTCOME,
	ATTRIBUTES
};

static const char *const names[ATTRIBUTES] = {
	[A_OPERATION] = "gen_ai.operation.name",
	[A_PROVIDER] = "gen_ai.provider.name",
	[A_REQUEST_MODEL] = "gen_ai.request.model",
	[A_RESPONSE_MODEL] = "gen_ai.response.model",
	[A_SERVER] = "server.address",
	[A_INPUT] = "gen_ai.usage.input_tokens",
	[A_OUTPUT] = "gen_ai.usage.output_tokens",
	[A_TOTAL_US] = "aigw.timing.total_us",
	[A_STATUS] = "http.response.status_code",
	[A_OUTCOME] = "aigw.outcome",
};

struct attributes {
	struct bytes value[ATTRIBUTES]; /* a string's without quotes, escapes as they are */
};

/* -- reading a log record ------------------------------------------------------------------------
 */

static void note_attribute(struct bytes object, struct attributes *a)
{
	struct json_token key, token;
	struct bytes value;

	if (json_find(object, "/key", &key, NULL) || key.kind != JSON_STRING ||
	    (json_find(object, "/value/stringValue", &token, NULL) &&
	     json_find(object, "/value/intValue", &token, NULL)))
		return;
	value = token.raw;
	if (value.len > ATTRIBUTE_MAX)
		return;
	for (size_t i = 0; i < ATTRIBUTES; i++)
		if (json_token_is(&key, bytes_str(names[i])))
			a->value[i] = value;
}

/* Of the first record. */
static enum err read_attributes(struct bytes message, struct attributes *ret)
{
	struct otlp_parts parts;
	struct bytes list;
	struct json j;
	struct json_token token;
	size_t end;

	memset(ret, 0, sizeof *ret);
	if (otlp_find_parts(message, &parts) ||
	    json_find(parts.records, "/attributes", &token, &list) || token.kind != JSON_ARRAY)
		return ERR_BAD;
	json_init(&j, list, JSON_STRICT);
	if (json_next(&j, &token))
		return ERR_BAD;
	while (json_next(&j, &token) == OK && token.kind == JSON_OBJECT) {
		if (json_skip(&j, &token, &end))
			return ERR_BAD;
		note_attribute(bytes_slice(list, token.start, end - token.start), ret);
	}
	return OK;
}

/* -- series --------------------------------------------------------------------------------------
 */

static enum err put_pair(struct buf *out, const char *name, struct bytes escaped)
{
	if (!escaped.len)
		return OK;
	if (buf_put_str(out, out->len ? ",{\"key\":\"" : "{\"key\":\"") || buf_put_str(out, name) ||
	    buf_put_str(out, "\",\"value\":{\"stringValue\":\"") || buf_put(out, escaped) ||
	    buf_put_str(out, "\"}}"))
		return ERR_NOMEM;
	return OK;
}

static struct metrics_series *find_series(const struct metrics *m, enum metric metric,
					  struct bytes host, struct bytes attributes)
{
	for (size_t i = 0; i < m->count; i++) {
		struct metrics_series *s = &m->series[i];
		if (s->metric == metric && bytes_equal(buf_view(&s->attributes), attributes) &&
		    bytes_equal(buf_view(&s->host), host))
			return s;
	}
	return NULL;
}

static struct metrics_series *new_series(struct metrics *m, enum metric metric, struct bytes host,
					 struct bytes attributes)
{
	struct metrics_series s = {.metric = metric, .min = UINT64_MAX, .first_ns = UINT64_MAX};

	if (m->count == m->room) {
		size_t room = m->room ? m->room * 2 : 16;
		struct metrics_series *more = realloc(m->series, room * sizeof *more);
		if (!more)
			return NULL;
		m->series = more;
		m->room = room;
	}
	if (buf_put(&s.host, host) || buf_put(&s.attributes, attributes)) {
		buf_done(&s.host);
		buf_done(&s.attributes);
		return NULL;
	}
	m->series[m->count] = s;
	return &m->series[m->count++];
}

/* Beyond the limit there is one more series for each metric (the SDKs' "cardinality limits"). */
static struct metrics_series *series_of(struct metrics *m, enum metric metric, struct bytes host,
					struct bytes attributes)
{
	static const char overflow[] =
		"{\"key\":\"otel.metric.overflow\",\"value\":{\"boolValue\":true}}";
	struct metrics_series *s = find_series(m, metric, host, attributes);

	if (s || m->count < METRICS_SERIES_MAX)
		return s ? s : new_series(m, metric, host, attributes);
	s = find_series(m, metric, BYTES_NONE, bytes_str(overflow));
	return s ? s : new_series(m, metric, BYTES_NONE, bytes_str(overflow));
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* A bound is the largest value of its bucket. */
static void count_value(struct metrics_series *s, uint64_t value, uint64_t time_ns)
{
	size_t bucket = 0;

	while (bucket < METRICS_BOUNDS && value > metrics[s->metric].bounds[bucket])
		bucket++;
	s->buckets[bucket]++;
	s->count++;
	s->sum = add_capped(s->sum, value);
	s->min = value < s->min ? value : s->min;
	s->max = value > s->max ? value : s->max;
	s->first_ns = time_ns < s->first_ns ? time_ns : s->first_ns;
	s->last_ns = time_ns > s->last_ns ? time_ns : s->last_ns;
}

static enum err add_value(struct metrics *m, const struct sink_event *event, enum metric metric,
			  struct bytes attributes, uint64_t value)
{
	struct metrics_series *s = series_of(m, metric, event->host, attributes);

	if (!s)
		return ERR_NOMEM;
	count_value(s, value, event->time_ns);
	return OK;
}

/* -- one event -----------------------------------------------------------------------------------
 */

static enum err put_dimensions(struct buf *out, const struct attributes *a)
{
	for (size_t i = 0; i < A_DIMENSIONS; i++)
		if (put_pair(out, names[i], a->value[i]))
			return ERR_NOMEM;
	return OK;
}

static enum err add_tokens(struct metrics *m, const struct sink_event *event,
			   const struct attributes *a, unsigned which, const char *type)
{
	struct buf attributes = {0};
	uint64_t tokens;
	enum err e = OK;

	if (bytes_parse_u64(a->value[which], INT64_MAX, &tokens))
		return OK;
	if (put_dimensions(&attributes, a) ||
	    put_pair(&attributes, "gen_ai.token.type", bytes_str(type)))
		e = ERR_NOMEM;
	if (!e)
		e = add_value(m, event, METRIC_TOKENS, buf_view(&attributes), tokens);
	buf_done(&attributes);
	return e;
}

/* error.type: the status, or how the exchange ended when it did not end well. */
static struct bytes error_of(const struct attributes *a)
{
	uint64_t status = 0;

	if (bytes_parse_u64(a->value[A_STATUS], 999, &status) == OK && status >= HTTP_ERROR)
		return a->value[A_STATUS];
	return bytes_equal(a->value[A_OUTCOME], BYTES("complete")) ? BYTES_NONE
								   : a->value[A_OUTCOME];
}

static enum err add_duration(struct metrics *m, const struct sink_event *event,
			     const struct attributes *a)
{
	struct buf attributes = {0};
	uint64_t us;
	enum err e = OK;

	if (bytes_parse_u64(a->value[A_TOTAL_US], INT64_MAX, &us))
		return OK;
	if (put_dimensions(&attributes, a) || put_pair(&attributes, "error.type", error_of(a)))
		e = ERR_NOMEM;
	if (!e)
		e = add_value(m, event, METRIC_DURATION, buf_view(&attributes), us);
	buf_done(&attributes);
	return e;
}

enum err metrics_add(struct metrics *m, const struct sink_event *event)
{
	struct attributes a;
	enum err e;

	if (event->kind != REC_REQUEST || event->is_heartbeat || event->is_refusal ||
	    read_attributes(event->otlp, &a))
		return OK;
	e = add_tokens(m, event, &a, A_INPUT, "input");
	if (!e)
		e = add_tokens(m, event, &a, A_OUTPUT, "output");
	return e ? e : add_duration(m, event, &a);
}

/* -- the request ---------------------------------------------------------------------------------
 */

/* Microseconds as seconds. */
static enum err put_value(struct buf *out, enum metric metric, uint64_t value)
{
	char digits[8] = ".";

	if (metric == METRIC_TOKENS)
		return buf_put_decimal(out, value);
	for (uint64_t i = 6, rest = value % US_PER_S; i > 0; i--, rest /= 10)
		digits[i] = (char)('0' + rest % 10);
	if (buf_put_decimal(out, value / US_PER_S) || buf_put_str(out, digits))
		return ERR_NOMEM;
	return OK;
}

static enum err put_point(struct buf *out, const struct metrics_series *s)
{
	uint64_t end = s->last_ns > s->first_ns ? s->last_ns : s->first_ns + 1;

	if (buf_put_str(out, "{\"attributes\":[") || buf_put(out, buf_view(&s->attributes)) ||
	    buf_put_str(out, "],\"startTimeUnixNano\":\"") || buf_put_decimal(out, s->first_ns) ||
	    buf_put_str(out, "\",\"timeUnixNano\":\"") || buf_put_decimal(out, end) ||
	    buf_put_str(out, "\",\"count\":\"") || buf_put_decimal(out, s->count) ||
	    buf_put_str(out, "\",\"sum\":") || put_value(out, s->metric, s->sum) ||
	    buf_put_str(out, ",\"bucketCounts\":["))
		return ERR_NOMEM;
	for (size_t i = 0; i <= METRICS_BOUNDS; i++)
		if (buf_put_str(out, i ? ",\"" : "\"") || buf_put_decimal(out, s->buckets[i]) ||
		    buf_put_str(out, "\""))
			return ERR_NOMEM;
	if (buf_put_str(out, "],\"explicitBounds\":[") ||
	    buf_put_str(out, metrics[s->metric].explicit_bounds) ||
	    buf_put_str(out, "],\"min\":") || put_value(out, s->metric, s->min) ||
	    buf_put_str(out, ",\"max\":") || put_value(out, s->metric, s->max) ||
	    buf_put_str(out, "}"))
		return ERR_NOMEM;
	return OK;
}

static bool is_of(const struct metrics_series *s, enum metric metric, const struct buf *host)
{
	return s->metric == metric && bytes_equal(buf_view(&s->host), buf_view(host));
}

/* Nothing when the host has no series of it. */
static enum err put_metric(struct buf *out, const struct metrics *m, enum metric metric,
			   const struct buf *host, bool *any_metric)
{
	bool any = false;

	for (size_t i = 0; i < m->count; i++) {
		if (!is_of(&m->series[i], metric, host))
			continue;
		if (any ? buf_put_str(out, ",")
			: buf_put_str(out, *any_metric ? ",{\"name\":\"" : "{\"name\":\"") ||
				    buf_put_str(out, metrics[metric].name) ||
				    buf_put_str(out, "\",\"description\":\"") ||
				    buf_put_str(out, metrics[metric].description) ||
				    buf_put_str(out, "\",\"unit\":\"") ||
				    buf_put_str(out, metrics[metric].unit) ||
				    buf_put_str(out, "\",\"histogram\":{"
						     "\"aggregationTemporality\":" TEMPORALITY_DELTA
						     ",\"dataPoints\":["))
			return ERR_NOMEM;
		any = *any_metric = true;
		if (put_point(out, &m->series[i]))
			return ERR_NOMEM;
	}
	return any ? buf_put_str(out, "]}}") : OK;
}

static enum err put_resource(struct buf *out, const struct metrics *m, const struct buf *host)
{
	bool any = false;

	if (buf_put_str(out, "{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":"
			     "{\"stringValue\":\"aigw\"}}"))
		return ERR_NOMEM;
	if (host->len && (buf_put_str(out, ",{\"key\":\"host.name\",\"value\":{\"stringValue\":") ||
			  buf_put_json_string(out, buf_view(host)) || buf_put_str(out, "}}")))
		return ERR_NOMEM;
	if (buf_put_str(
		    out,
		    "]},\"scopeMetrics\":[{\"scope\":{\"name\":\"aigw\",\"version\":\"" AIGW_VERSION
		    "\"},\"metrics\":["))
		return ERR_NOMEM;
	for (unsigned metric = 0; metric < METRICS; metric++)
		if (put_metric(out, m, (enum metric)metric, host, &any))
			return ERR_NOMEM;
	return buf_put_str(out, "]}]}");
}

static bool is_first_of_host(const struct metrics *m, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (bytes_equal(buf_view(&m->series[i].host), buf_view(&m->series[at].host)))
			return false;
	return true;
}

enum err metrics_put(struct buf *out, const struct metrics *m)
{
	enum err e = buf_put_str(out, "{\"resourceMetrics\":[");

	for (size_t i = 0; i < m->count && !e; i++) {
		if (!is_first_of_host(m, i))
			continue;
		e = buf_put_str(out, i ? "," : "");
		if (!e)
			e = put_resource(out, m, &m->series[i].host);
	}
	return e ? e : buf_put_str(out, "]}");
}

void metrics_clear(struct metrics *m)
{
	for (size_t i = 0; i < m->count; i++) {
		buf_done(&m->series[i].host);
		buf_done(&m->series[i].attributes);
	}
	free(m->series);
	*m = (struct metrics){0};
}
