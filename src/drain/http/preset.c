/* SPDX-License-Identifier: MIT */
#include "drain/http/preset.h"

#define MB 1000000u

/* What a form puts around an event; its JSON may be escaped once more. The request that was made is
 * measured, this only saves making it twice. */
#define EVENT_OVERHEAD 512

static const struct preset presets[] = {
	{.id = PRESET_NONE, .auth = AUTH_BEARER, .put = preset_put_plain},
	/* https://docs.datadoghq.com/api/latest/logs/#send-logs: 5 MB and 1000 logs a request, 1 MB
	 * a log (more is cut off there, so it goes without payloads) */
	{.id = PRESET_DATADOG,
	 .path = "/api/v2/logs",
	 .content_type = "application/json",
	 .auth = AUTH_HEADER,
	 .auth_name = "DD-API-KEY",
	 .auth_prefix = "",
	 .events_max = 1000,
	 .request_bytes_max = 5 * MB,
	 .event_bytes_max = 1 * MB - 2048, /* our members in front count */
	 .put = preset_put_datadog},
	/* https://help.splunk.com/splunk-enterprise/get-data-in/collect-http-event-data/
	 * format-events-for-http-event-collector; 1 MB is the limit of Splunk Cloud, Enterprise
	 * takes more */
	{.id = PRESET_SPLUNK,
	 .path = "/services/collector/event",
	 .content_type = "application/json",
	 .auth = AUTH_HEADER,
	 .auth_name = "Authorization",
	 .auth_prefix = "Splunk ",
	 .request_bytes_max = 1 * MB,
	 .event_bytes_max = 1 * MB - 2048,
	 .put = preset_put_splunk,
	 .read = preset_read_splunk},
	/* https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk; 10 MB is what
	 * the smallest hosted clusters take (http.max_content_length is 100 MB) */
	{.id = PRESET_ELASTICSEARCH,
	 .path = "/_bulk",
	 .query = "filter_path=errors,items.*.status,items.*.error.type",
	 .content_type = "application/x-ndjson",
	 .auth = AUTH_HEADER,
	 .auth_name = "Authorization",
	 .auth_prefix = "ApiKey ",
	 .needs_index = true,
	 .events_max = 5000,
	 .request_bytes_max = 10 * MB,
	 .event_bytes_max = 10 * MB - 2048,
	 .put = preset_put_bulk,
	 .read = preset_read_bulk},
	/* https://docs.opensearch.org/latest/api-reference/document-apis/bulk/ */
	{.id = PRESET_OPENSEARCH,
	 .path = "/_bulk",
	 .query = "filter_path=errors,items.*.status,items.*.error.type",
	 .content_type = "application/x-ndjson",
	 .auth = AUTH_BEARER,
	 .needs_index = true,
	 .events_max = 5000,
	 .request_bytes_max = 10 * MB,
	 .event_bytes_max = 10 * MB - 2048,
	 .put = preset_put_bulk,
	 .read = preset_read_bulk},
	/* https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs; max_line_size
	 * is 256 KiB, a message between its parts 4 MiB */
	{.id = PRESET_LOKI,
	 .path = "/loki/api/v1/push",
	 .content_type = "application/json",
	 .auth = AUTH_BEARER,
	 .events_max = 10000,
	 .request_bytes_max = 4 * MB,
	 .event_bytes_max = 256 * 1024,
	 .put = preset_put_loki},
	/* https://www.sumologic.com/help/docs/send-data/hosted-collectors/http-source/logs-metrics/:
	 * 1 MB a request before it is packed; longer messages are cut into pieces of 64 KB there */
	{.id = PRESET_SUMOLOGIC,
	 .content_type = "application/x-ndjson",
	 .auth = AUTH_PATH,
	 .request_bytes_max = 1 * MB,
	 .event_bytes_max = 1 * MB - 2048,
	 .put = preset_put_lines},
	/* https://docs.mezmo.com/log-analysis-api/ref#ingest: 10 MB a request */
	{.id = PRESET_MEZMO,
	 .path = "/logs/ingest",
	 .content_type = "application/json",
	 .auth = AUTH_HEADER,
	 .auth_name = "apikey",
	 .auth_prefix = "",
	 .one_host = true,
	 .request_bytes_max = 10 * MB,
	 .event_bytes_max = 10 * MB - 2048,
	 .put = preset_put_mezmo},
	/* https://betterstack.com/docs/logs/ingesting-data/http/logs/: 10 MiB a request, packed,
	 * and a record */
	{.id = PRESET_BETTERSTACK,
	 .path = "/",
	 .content_type = "application/x-ndjson",
	 .auth = AUTH_BEARER,
	 .request_bytes_max = 10 * MB,
	 .event_bytes_max = 10 * MB - 2048,
	 .put = preset_put_betterstack},
	/* https://api.reference.langfuse.com/#tag/ingestion: 3.5 MB a request */
	{.id = PRESET_LANGFUSE,
	 .path = "/api/public/ingestion",
	 .content_type = "application/json",
	 .auth = AUTH_BASIC,
	 .request_bytes_max = 3500000,
	 .event_bytes_max = 3500000 - 4096,
	 .put = preset_put_langfuse,
	 .read = preset_read_langfuse},
};

const struct preset *preset_find(enum drain_preset id)
{
	for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
		if (presets[i].id == id)
			return &presets[i];
	return &presets[0];
}

size_t preset_take(const struct preset *preset, const struct sink_event *events, size_t count)
{
	size_t bytes = events[0].json.len + EVENT_OVERHEAD, taken = 1;

	while (taken < count) {
		const struct sink_event *next = &events[taken];
		bytes += next->json.len + EVENT_OVERHEAD;
		if ((preset->events_max && taken == preset->events_max) ||
		    (preset->request_bytes_max && bytes > preset->request_bytes_max) ||
		    (preset->one_host && !bytes_equal(next->host, events[0].host)))
			break;
		taken++;
	}
	return taken;
}

enum err preset_put_text(struct buf *out, const char *name, struct bytes text)
{
	if (text.len && (buf_put_str(out, ",\"") || buf_put_str(out, name) ||
			 buf_put_str(out, "\":") || buf_put_json_string(out, text)))
		return ERR_NOMEM;
	return OK;
}

void preset_sum_up(struct preset_verdict *verdict, size_t count)
{
	verdict->result = count ? (enum sink_result)verdict->results[0] : SINK_DELIVERED;
	for (size_t i = 1; i < count; i++)
		if (verdict->results[i] != verdict->results[0])
			verdict->result = SINK_PARTLY;
}
