/* SPDX-License-Identifier: MIT
 *
 * Events in a row, each with a few members of the receiver's own: as they are, Datadog, Splunk,
 * Sumo Logic, Mezmo, Better Stack.
 */
#include "drain/http/event_text.h"
#include "drain/http/preset.h"
#include "wire/json.h"

#define NS_PER_MS 1000000

static enum err put_ms(struct buf *out, const char *name, uint64_t time_ns)
{
	if (buf_put_str(out, name) || buf_put_decimal(out, time_ns / NS_PER_MS))
		return ERR_NOMEM;
	return OK;
}

enum err preset_put_lines(struct buf *out, const struct preset_request *request)
{
	for (size_t i = 0; i < request->count; i++)
		if (buf_put(out, request->events[i].json) || buf_put_u8(out, '\n'))
			return ERR_NOMEM;
	return OK;
}

enum err preset_put_plain(struct buf *out, const struct preset_request *request)
{
	if (request->format == DRAIN_NDJSON)
		return preset_put_lines(out, request);
	if (buf_put_u8(out, '['))
		return ERR_NOMEM;
	for (size_t i = 0; i < request->count; i++)
		if (buf_put_str(out, i ? "," : "") || buf_put(out, request->events[i].json))
			return ERR_NOMEM;
	return buf_put_u8(out, ']');
}

/* -- Datadog ---------------------------------------------------------------------------------- */

/* A tag of a list whose commas are its own (https://docs.datadoghq.com/getting_started/tagging/).
 */
static enum err put_tag(struct buf *tags, const char *name, struct bytes value)
{
	if (!value.len)
		return OK;
	if (buf_put_str(tags, tags->len ? "," : "") || buf_put_str(tags, name))
		return ERR_NOMEM;
	for (size_t i = 0; i < value.len; i++)
		if (buf_put_u8(tags, value.at[i] == ',' || value.at[i] == ' ' ? '_' : value.at[i]))
			return ERR_NOMEM;
	return OK;
}

static enum err put_datadog_item(struct buf *out, const struct sink_event *event)
{
	struct buf tags = {0};
	enum err e = ERR_NOMEM;

	if (put_tag(&tags, "env:", event->environment) ||
	    put_tag(&tags, "provider:", event->provider) ||
	    put_tag(&tags, "model:", event->model) ||
	    buf_put_str(out, "{\"ddsource\":\"aigw\",\"service\":") ||
	    buf_put_json_string(out, event->application.len ? event->application : BYTES("aigw")) ||
	    preset_put_text(out, "hostname", event->host) ||
	    preset_put_text(out, "ddtags", buf_view(&tags)) ||
	    buf_put_str(out, event->is_refusal ? ",\"status\":\"warn\"" : ",\"status\":\"info\"") ||
	    put_ms(out, ",\"timestamp\":", event->time_ns) || buf_put_str(out, ",\"message\":") ||
	    event_put_message(out, event) || buf_put_str(out, ",\"aigw\":") ||
	    buf_put(out, event->json) || buf_put_u8(out, '}'))
		goto out;
	e = OK;
out:
	buf_done(&tags);
	return e;
}

enum err preset_put_datadog(struct buf *out, const struct preset_request *request)
{
	if (buf_put_u8(out, '['))
		return ERR_NOMEM;
	for (size_t i = 0; i < request->count; i++)
		if (buf_put_str(out, i ? "," : "") || put_datadog_item(out, &request->events[i]))
			return ERR_NOMEM;
	return buf_put_u8(out, ']');
}

/* -- Splunk ----------------------------------------------------------------------------------- */

static enum err put_splunk_time(struct buf *out, uint64_t time_ns)
{
	uint64_t ms = time_ns / NS_PER_MS % 1000;

	if (buf_put_str(out, "{\"time\":") || buf_put_decimal(out, time_ns / 1000000000) ||
	    buf_put_str(out, ms < 10    ? ".00"
			     : ms < 100 ? ".0"
					: ".") ||
	    buf_put_decimal(out, ms))
		return ERR_NOMEM;
	return OK;
}

/* Objects one behind the other; "fields" are what can be searched for without reading events. */
enum err preset_put_splunk(struct buf *out, const struct preset_request *request)
{
	for (size_t i = 0; i < request->count; i++) {
		const struct sink_event *event = &request->events[i];
		if (put_splunk_time(out, event->time_ns) ||
		    preset_put_text(out, "host", event->host) ||
		    buf_put_str(out, ",\"source\":\"aigw\",\"sourcetype\":\"aigw:json\"") ||
		    preset_put_text(out, "index", request->index) ||
		    buf_put_str(out, ",\"event\":") || buf_put(out, event->json) ||
		    buf_put_str(out, ",\"fields\":{\"id\":") ||
		    buf_put_json_string(out, event->id) ||
		    preset_put_text(out, "environment", event->environment) ||
		    preset_put_text(out, "application", event->application) ||
		    preset_put_text(out, "provider", event->provider) ||
		    preset_put_text(out, "model", event->model) || buf_put_str(out, "}}\n"))
			return ERR_NOMEM;
	}
	return OK;
}

/* "Possible error codes" of the HTTP Event Collector
 * (https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/
 * troubleshoot-http-event-collector): those of status 400 that are no event's fault. */
static bool is_splunk_setting(uint64_t code)
{
	return code == 7 /* incorrect index */ || code == 10 /* channel missing */ ||
	       code == 11 /* channel invalid */ || code == 14 /* ack is disabled */;
}

bool preset_read_splunk(const struct preset_request *request, unsigned status, struct bytes body,
			struct preset_verdict *verdict)
{
	struct json_token token;
	uint64_t code, number;

	if (status != 400 || json_find(body, "/code", &token, NULL) ||
	    json_number_u64(&token, &code))
		return false;
	if (is_splunk_setting(code)) {
		verdict->result = SINK_WRONG;
		return true;
	}
	if (json_find(body, "/invalid-event-number", &token, NULL) ||
	    json_number_u64(&token, &number) || number >= request->count)
		return false;
	/* It is not said what became of the others: they are sent again. */
	for (size_t i = 0; i < request->count; i++)
		verdict->results[i] = i == number ? SINK_REFUSED : SINK_RETRY;
	preset_sum_up(verdict, request->count);
	return true;
}

/* -- Mezmo, Better Stack ---------------------------------------------------------------------- */

static enum err put_mezmo_line(struct buf *out, const struct sink_event *event)
{
	if (put_ms(out, "{\"timestamp\":", event->time_ns) || buf_put_str(out, ",\"line\":") ||
	    event_put_message(out, event) ||
	    preset_put_text(out, "app",
			    event->application.len ? event->application : BYTES("aigw")) ||
	    buf_put_str(out, event->is_refusal ? ",\"level\":\"WARN\"" : ",\"level\":\"INFO\"") ||
	    preset_put_text(out, "env", event->environment) || buf_put_str(out, ",\"meta\":") ||
	    buf_put(out, event->json) || buf_put_u8(out, '}'))
		return ERR_NOMEM;
	return OK;
}

enum err preset_put_mezmo(struct buf *out, const struct preset_request *request)
{
	if (buf_put_str(out, "{\"lines\":["))
		return ERR_NOMEM;
	for (size_t i = 0; i < request->count; i++)
		if (buf_put_str(out, i ? "," : "") || put_mezmo_line(out, &request->events[i]))
			return ERR_NOMEM;
	return buf_put_str(out, "]}");
}

enum err preset_put_betterstack(struct buf *out, const struct preset_request *request)
{
	struct buf members = {0};
	enum err e = OK;

	for (size_t i = 0; i < request->count && !e; i++) {
		const struct sink_event *event = &request->events[i];
		buf_reset(&members);
		e = ERR_NOMEM;
		if (buf_put_str(&members, "\"dt\":\"") ||
		    event_put_time(&members, event->time_ns) ||
		    buf_put_str(&members, "\",\"level\":") ||
		    buf_put_str(&members, event->is_refusal ? "\"warn\"" : "\"info\"") ||
		    buf_put_str(&members, ",\"message\":") || event_put_message(&members, event) ||
		    event_put_with(out, &members, event->json) || buf_put_u8(out, '\n'))
			break;
		e = OK;
	}
	buf_done(&members);
	return e;
}
