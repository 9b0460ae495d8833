/* SPDX-License-Identifier: MIT */
#include "drain/http/otlp_body.h"

#include "wire/json.h"

static enum err find_object(struct bytes text, const char *pointer, struct bytes *ret_raw)
{
	struct json_token token;

	if (json_find(text, pointer, &token, ret_raw) || token.kind != JSON_OBJECT)
		return ERR_BAD;
	return OK;
}

/* An array of exactly one object, or, with `many`, of at least one: what stands in it. */
static enum err find_array(struct bytes text, const char *pointer, bool many,
			   struct bytes *ret_inside)
{
	struct json j;
	struct json_token token;
	struct bytes raw;
	size_t count = 0, end;

	if (json_find(text, pointer, &token, &raw) || token.kind != JSON_ARRAY)
		return ERR_BAD;
	json_init(&j, raw, JSON_STRICT);
	if (json_next(&j, &token))
		return ERR_BAD;
	for (; !json_next(&j, &token) && token.kind != JSON_ARRAY_END; count++)
		if (token.kind != JSON_OBJECT || json_skip(&j, &token, &end))
			return ERR_BAD;
	if (count == 0 || (count > 1 && !many))
		return ERR_BAD;
	*ret_inside = bytes_slice(raw, 1, raw.len - 2);
	return OK;
}

enum err otlp_find_parts(struct bytes message, struct otlp_parts *ret_parts)
{
	struct bytes resource_logs, scope_logs;

	if (json_check(message, NULL, NULL) ||
	    find_array(message, "/resourceLogs", false, &resource_logs) ||
	    find_object(resource_logs, "/resource", &ret_parts->resource) ||
	    find_array(resource_logs, "/scopeLogs", false, &scope_logs) ||
	    find_object(scope_logs, "/scope", &ret_parts->scope) ||
	    find_array(scope_logs, "/logRecords", true, &ret_parts->records))
		return ERR_BAD;
	return OK;
}

static enum err put_group(struct buf *out, const struct otlp_parts *p)
{
	if (buf_put_str(out, "{\"resource\":") || buf_put(out, p->resource) ||
	    buf_put_str(out, ",\"scopeLogs\":[{\"scope\":") || buf_put(out, p->scope) ||
	    buf_put_str(out, ",\"logRecords\":["))
		return ERR_NOMEM;
	return OK;
}

enum err otlp_put_logs(struct buf *out, const struct sink_event *events, size_t count,
		       size_t *ret_bad)
{
	struct otlp_parts now = {0}, last = {0};
	enum err e = buf_put_str(out, "{\"resourceLogs\":[");

	for (size_t i = 0; i < count && !e; i++) {
		if (otlp_find_parts(events[i].otlp, &now)) {
			*ret_bad = i;
			return ERR_BAD;
		}
		bool is_same = i && bytes_equal(now.resource, last.resource) &&
			       bytes_equal(now.scope, last.scope);
		if (is_same)
			e = buf_put_str(out, ",");
		else if (i)
			e = buf_put_str(out, "]}]},");
		if (!e && !is_same)
			e = put_group(out, &now);
		if (!e)
			e = buf_put(out, now.records);
		last = now;
	}
	if (!e)
		e = buf_put_str(out, count ? "]}]}]}" : "]}");
	return e;
}

/* 64-bit numbers are strings in JSON, or, from some receivers, numbers. */
static uint64_t number_at(struct bytes text, const char *pointer)
{
	struct json_token token;
	uint64_t n = 0;

	if (json_find(text, pointer, &token, NULL))
		return 0;
	if (token.kind == JSON_STRING ? bytes_parse_u64(token.raw, INT64_MAX, &n) != OK
				      : json_number_u64(&token, &n) != OK)
		return 0;
	return n;
}

uint64_t otlp_rejected(struct bytes answer, struct bytes *ret_why)
{
	struct json_token token;
	uint64_t n = number_at(answer, "/partialSuccess/rejectedLogRecords");

	if (!n)
		n = number_at(answer, "/partialSuccess/rejectedDataPoints");
	*ret_why = BYTES_NONE;
	if (json_find(answer, "/partialSuccess/errorMessage", &token, NULL) == OK &&
	    token.kind == JSON_STRING)
		*ret_why = token.raw;
	return n;
}
