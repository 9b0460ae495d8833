/* SPDX-License-Identifier: MIT */
#include "report/otlp.h"

#include <string.h>

#include "llm/price.h"
#include "report/text.h"

#define SEVERITY_INFO 9 /* logs.proto, SeverityNumber */
#define SEVERITY_WARN 13

/* Names that differ from the field's path; `resource`: says who, not what. */
static const struct otel_name {
	enum field field;
	const char *name;
	bool resource;
} names[] = {
	{F_HOST, "host.name", true},
	{F_BOOT_ID, "aigw.boot_id", true},
	{F_PID, "process.pid", true},
	{F_PPID, "process.parent_pid", true},
	{F_UID, "process.user.id", true},
	{F_USER, "process.owner", true},
	{F_LOGIN_UID, "aigw.process.login_uid", true},
	{F_EXE, "process.executable.path", true},
	{F_EXE_SHA256, "aigw.process.executable.sha256", true},
	{F_CMDLINE, "process.command_args", true},
	{F_CGROUP, "process.linux.cgroup", true},
	{F_AIGW_VERSION, "aigw.version", true},
	{F_ENVIRONMENT, "deployment.environment.name", false},
	{F_APPLICATION, "aigw.application", false},
	{F_SERVER_NAME, "server.address", false},
	{F_PEER, "aigw.connection.peer", false},
	{F_TLS, "aigw.connection.tls", false},
	{F_CIPHER, "tls.cipher", false},
	{F_METHOD, "http.request.method", false},
	{F_PATH, "url.path", false},
	{F_STATUS, "http.response.status_code", false},
	{F_REQUEST_BODY_BYTES, "http.request.body.size", false},
	{F_RESPONSE_BODY_BYTES, "http.response.body.size", false},
	{F_PROVIDER_NAME, "gen_ai.provider.name", false},
	{F_OPERATION, "gen_ai.operation.name", false},
	{F_REQUEST_MODEL, "gen_ai.request.model", false},
	{F_RESPONSE_MODEL, "gen_ai.response.model", false},
	{F_RESPONSE_ID, "gen_ai.response.id", false},
	{F_FINISH_REASON, "gen_ai.response.finish_reasons", false},
	{F_USAGE_INPUT_TOKENS, "gen_ai.usage.input_tokens", false},
	{F_USAGE_OUTPUT_TOKENS, "gen_ai.usage.output_tokens", false},
	{F_USAGE_CACHE_READ, "gen_ai.usage.cache_read.input_tokens", false},
	{F_USAGE_CACHE_CREATION, "gen_ai.usage.cache_creation.input_tokens", false},
	{F_USAGE_REASONING, "gen_ai.usage.reasoning.output_tokens", false},
};

static const struct otel_name *find_name(enum field f)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].field == f)
			return &names[i];
	return NULL;
}

static bool is_payload(enum field f)
{
	return f == F_REQUEST_HEADERS || f == F_RESPONSE_HEADERS || f == F_REQUEST_BODY ||
	       f == F_RESPONSE_BODY;
}

/* AnyValue (common.proto) */
static void put_text(struct buf *out, struct bytes text)
{
	bool utf8 = bytes_is_utf8(text);

	text_put_str(out, utf8 ? "{\"stringValue\":" : "{\"bytesValue\":\"");
	if (utf8) {
		text_put_json_string(out, text);
	} else {
		text_put_base64(out, text);
		text_put_u8(out, '"');
	}
	text_put_u8(out, '}');
}

static void put_list(struct buf *out, struct bytes list)
{
	bool any = false;

	text_put_str(out, "{\"arrayValue\":{\"values\":[");
	while (list.len) {
		if (any)
			text_put_u8(out, ',');
		any = true;
		put_text(out, bytes_cut(&list, 0));
	}
	text_put_str(out, "]}}");
}

static void put_number(struct buf *out, enum field f, bool boolean, struct bytes value)
{
	struct cursor c = cursor_over(value);
	uint64_t n = value.len == 8 ? cursor_u64(&c) : cursor_u8(&c);

	if (f == F_COST) {
		text_put_str(out, "{\"doubleValue\":");
		text_keep(out, price_put_usd(out, n));
		text_put_u8(out, '}');
		return;
	}
	if (boolean) {
		text_put_str(out, n ? "{\"boolValue\":true}" : "{\"boolValue\":false}");
		return;
	}
	/* The mapping knows signed numbers only. */
	text_put_str(out, "{\"intValue\":\"");
	text_put_decimal(out, n > INT64_MAX ? INT64_MAX : n);
	text_put_str(out, "\"}");
}

static void put_attribute(struct buf *out, bool *any, const char *prefix, const char *name,
			  const struct field_info *info, struct bytes value)
{
	if (*any)
		text_put_u8(out, ',');
	*any = true;
	text_put_str(out, "{\"key\":\"");
	text_put_str(out, prefix);
	text_put_str(out, name);
	text_put_str(out, "\",\"value\":");
	if (info->type == FIELD_U64 || info->type == FIELD_BOOL)
		put_number(out, (enum field)info->number, info->type == FIELD_BOOL, value);
	else if (info->type == FIELD_LIST || info->number == F_FINISH_REASON)
		put_list(out, value);
	else
		put_text(out, value);
	text_put_u8(out, '}');
}

/* What the kernel says of a process that nobody logged in for. */
static bool is_no_login(enum field f, struct bytes value)
{
	struct cursor c = cursor_over(value);

	return f == F_LOGIN_UID && value.len == 8 && cursor_u64(&c) >= UINT32_MAX;
}

static void put_attributes(struct buf *out, const struct log_entry *entry, bool resource)
{
	static const unsigned numbers[] = {
#define FIELD(number, name, type, path) number,
#include "audit/record.def"
#undef FIELD
	};
	bool any = false;
	struct bytes value;

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		enum field f = (enum field)numbers[i];
		const struct otel_name *name = find_name(f);
		const struct field_info *info = record_field_info(numbers[i]);
		if (!info || is_payload(f) || (name && name->resource) != resource ||
		    f == F_USAGE_NULLS || entry_find(entry, f, &value) || is_no_login(f, value))
			continue;
		put_attribute(out, &any, name ? "" : "aigw.", name ? name->name : info->path, info,
			      value);
	}
	if (resource) {
		text_put_str(out, any ? "," : "");
		text_put_str(out, "{\"key\":\"service.name\",\"value\":{\"stringValue\":"
				  "\"aigw\"}}");
	}
}

static void put_member(struct buf *out, bool *any, const char *name, struct bytes text)
{
	text_put_str(out, *any ? ",{\"key\":\"" : "{\"key\":\"");
	*any = true;
	text_put_str(out, name);
	text_put_str(out, "\",\"value\":");
	put_text(out, text);
	text_put_u8(out, '}');
}

static void put_payloads(struct buf *out, const struct log_entry *entry)
{
	struct bytes value;
	bool any = false;

	text_put_str(out, ",\"body\":{\"kvlistValue\":{\"values\":[");
	if (entry_find(entry, F_REQUEST_HEADERS, &value) == OK)
		put_member(out, &any, "request.headers", value);
	if (entry->has_request_body)
		put_member(out, &any, "request.body", buf_view(&entry->request_body));
	if (entry_find(entry, F_RESPONSE_HEADERS, &value) == OK)
		put_member(out, &any, "response.headers", value);
	if (entry->has_response_body)
		put_member(out, &any, "response.body", buf_view(&entry->response_body));
	text_put_str(out, "]}}");
}

void put_entry_otlp(struct buf *out, const struct log_entry *entry, bool payloads)
{
	bool exchange = entry->kind == REC_REQUEST;
	bool refused = bytes_equal(entry_text(entry, F_ACTION), BYTES("refuse")) ||
		       entry->kind == REC_REFUSED_CONNECTION || entry->kind == REC_GAP ||
		       entry->kind == REC_NOTICE || entry->kind == REC_LIMIT;
	const char *kind = record_kind_name(entry->kind);

	text_put_str(out, "{\"resourceLogs\":[{\"resource\":{\"attributes\":[");
	put_attributes(out, entry, true);
	text_put_str(out,
		     "]},\"scopeLogs\":[{\"scope\":{\"name\":\"aigw\",\"version\":\"" AIGW_VERSION
		     "\"},\"logRecords\":[{\"timeUnixNano\":\"");
	text_put_decimal(out, entry->time_ns);
	text_put_str(out, "\",\"observedTimeUnixNano\":\"");
	text_put_decimal(out, entry->time_ns);
	text_put_str(out, "\",\"severityNumber\":");
	text_put_decimal(out, refused ? SEVERITY_WARN : SEVERITY_INFO);
	text_put_str(out, refused ? ",\"severityText\":\"WARN\",\"eventName\":\""
				  : ",\"severityText\":\"INFO\",\"eventName\":\"");
	text_put_str(out, exchange ? "gen_ai.client.inference.operation.details" : "aigw.");
	text_put_str(out, exchange ? "" : kind ? kind : "unknown");
	text_put_str(out, "\",\"attributes\":[");
	put_attributes(out, entry, false);
	if (entry->id[0]) {
		text_put_str(out, out->at[out->len - 1] == '[' ? "" : ",");
		text_put_str(out, "{\"key\":\"aigw.id\",\"value\":");
		put_text(out, bytes_str(entry->id));
		text_put_u8(out, '}');
	}
	text_put_u8(out, ']');
	if (exchange && payloads)
		put_payloads(out, entry);
	text_put_str(out, "}]}]}]}");
}
