/* SPDX-License-Identifier: MIT */
#include "drain/syslog/message.h"

#include <time.h>

#include "wire/json.h"

#define NS_PER_S    1000000000u
#define NS_PER_US   1000u
#define PRI_STEP    8
#define LAST_SECOND 253402300799u /* of the year 9999: RFC 3339 knows four digits */
#define BYTE_ORDER  "\xef\xbb\xbf"

/* How much of an event is said; each step is shorter than the one before. */
enum extent { SAY_ALL, SAY_NO_PAYLOAD, SAY_SHORT_MEMBERS, SAY_ID, EXTENTS };

static const char *const shortened[EXTENTS] = {NULL, "payload", "members", "json"};

/* The same in the JSON, as whoever makes events says it of those that are too large for a sink. */
#define PAYLOAD_OMITTED "payload_omitted"
#define MEMBERS_OMITTED "members_omitted"

enum message_severity message_severity(const struct sink_event *event)
{
	struct json_token t;

	if (event->is_heartbeat)
		return SEVERITY_DEBUG;
	if (event->is_refusal || event->kind == REC_REFUSED_CONNECTION)
		return SEVERITY_WARNING;
	if (event->kind == REC_GAP)
		return SEVERITY_ERROR;
	if (event->kind != REC_NOTICE)
		return SEVERITY_INFO;
	/* a notice is of a delay or a damage, or that an agreement ends soon */
	return json_find(event->json, "/agreement", &t, NULL) == OK ? SEVERITY_WARNING
								    : SEVERITY_ERROR;
}

/* ---- header ---- */

static enum err put_digits(struct buf *out, unsigned value, unsigned digits)
{
	unsigned divisor = 1;
	enum err e = OK;

	for (unsigned i = 1; i < digits; i++)
		divisor *= 10;
	for (; divisor && !e; divisor /= 10)
		e = buf_put_u8(out, (uint8_t)('0' + value / divisor % 10));
	return e;
}

static enum err put_time(struct buf *out, uint64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / NS_PER_S);
	unsigned us = (unsigned)(time_ns % NS_PER_S / NS_PER_US);
	struct tm tm = {0};
	enum err e;

	if (time_ns == 0 || time_ns / NS_PER_S > LAST_SECOND || !gmtime_r(&seconds, &tm))
		return buf_put_str(out, "-");
	if (!(e = put_digits(out, (unsigned)tm.tm_year + 1900, 4)) && !(e = buf_put_u8(out, '-')) &&
	    !(e = put_digits(out, (unsigned)tm.tm_mon + 1, 2)) && !(e = buf_put_u8(out, '-')) &&
	    !(e = put_digits(out, (unsigned)tm.tm_mday, 2)) && !(e = buf_put_u8(out, 'T')) &&
	    !(e = put_digits(out, (unsigned)tm.tm_hour, 2)) && !(e = buf_put_u8(out, ':')) &&
	    !(e = put_digits(out, (unsigned)tm.tm_min, 2)) && !(e = buf_put_u8(out, ':')) &&
	    !(e = put_digits(out, (unsigned)tm.tm_sec, 2)) && !(e = buf_put_u8(out, '.')) &&
	    !(e = put_digits(out, us, 6)))
		e = buf_put_u8(out, 'Z');
	return e;
}

/* A space, and a field of the header: printable ASCII without spaces, cut; "-" when there is none.
 */
static enum err put_field(struct buf *out, struct bytes text, size_t max)
{
	enum err e = buf_put_u8(out, ' ');

	if (!e && text.len == 0)
		return buf_put_u8(out, '-');
	text = bytes_slice(text, 0, max);
	for (size_t i = 0; i < text.len && !e; i++) {
		uint8_t c = text.at[i];
		e = buf_put_u8(out, c > ' ' && c < 0x7f ? c : '_');
	}
	return e;
}

static struct bytes message_id(const struct sink_event *event)
{
	if (event->is_heartbeat)
		return BYTES("heartbeat");
	return event->kind == REC_REQUEST ? BYTES("exchange")
					  : bytes_str(record_kind_name(event->kind));
}

static enum err put_header(struct buf *out, const struct message_style *style,
			   const struct sink_event *event)
{
	struct bytes app_name = style->app_name.len ? style->app_name : BYTES("aigw");
	uint32_t pri = style->facility * PRI_STEP + message_severity(event);
	enum err e;

	if (!(e = buf_put_u8(out, '<')) && !(e = buf_put_decimal(out, pri)) &&
	    !(e = buf_put_str(out, ">1 ")) && !(e = put_time(out, event->time_ns)) &&
	    !(e = put_field(out, event->host, MESSAGE_HOST_MAX)) &&
	    !(e = put_field(out, app_name, MESSAGE_APP_NAME_MAX)) &&
	    !(e = put_field(out, event->process, MESSAGE_PROCID_MAX)))
		e = put_field(out, message_id(event), MESSAGE_MSGID_MAX);
	return e;
}

/* ---- structured data ---- */

/* How many bytes the character at the front takes; 0: that is no UTF-8. */
static size_t character_bytes(struct bytes text)
{
	uint8_t c = text.at[0];
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	return n <= text.len && bytes_is_utf8(bytes_slice(text, 0, n)) ? n : 0;
}

/* RFC 5424 6.3.3: quotes, backslashes and closing brackets are escaped. Control characters become
 * '?', what is no UTF-8 U+FFFD; characters stay whole. */
static enum err put_value(struct buf *out, struct bytes text)
{
	size_t at = 0;
	enum err e = OK;

	while (at < text.len && !e) {
		size_t n = character_bytes(bytes_from(text, at));
		uint8_t c = text.at[at];
		if (at + (n ? n : 1) > MESSAGE_VALUE_MAX)
			break;
		if (n == 0)
			e = buf_put_str(out, "\xef\xbf\xbd");
		else if (c < ' ' || c == 0x7f)
			e = buf_put_u8(out, '?');
		else if (c == '"' || c == '\\' || c == ']')
			e = buf_put_u8(out, '\\');
		if (!e && n && c >= ' ' && c != 0x7f)
			e = buf_put(out, bytes_slice(text, at, n));
		at += n ? n : 1;
	}
	return e;
}

static enum err put_parameter(struct buf *out, const char *name, struct bytes value)
{
	enum err e = OK;

	if (value.len && !(e = buf_put_u8(out, ' ')) && !(e = buf_put_str(out, name)) &&
	    !(e = buf_put_str(out, "=\"")) && !(e = put_value(out, value)))
		e = buf_put_u8(out, '"');
	return e;
}

static enum err put_structured_data(struct buf *out, const struct sink_event *event,
				    enum extent extent)
{
	const struct {
		const char *name;
		struct bytes value;
	} more[] = {
		{"environment", event->environment},
		{"application", event->application},
		{"provider", event->provider},
		{"model", event->model},
		{"refused", event->is_refusal ? BYTES("true") : BYTES_NONE},
	};
	enum err e;

	if (!(e = buf_put_str(out, " [" MESSAGE_SD_ID)))
		e = put_parameter(out, "id", event->id);
	for (size_t i = 0; i < sizeof more / sizeof more[0] && !e && extent < SAY_ID; i++)
		e = put_parameter(out, more[i].name, more[i].value);
	if (!e)
		e = put_parameter(out, "shortened", bytes_str(shortened[extent]));
	return e ? e : buf_put_u8(out, ']');
}

/* ---- MSG ---- */

static bool is_payload(const struct json_token *key)
{
	return json_token_is(key, BYTES("request")) || json_token_is(key, BYTES("response")) ||
	       json_token_is(key, BYTES(PAYLOAD_OMITTED)); /* said anew */
}

static bool is_kept(const struct json_token *key, const struct json_token *value, size_t bytes,
		    enum extent extent)
{
	if (is_payload(key))
		return false;
	return extent == SAY_NO_PAYLOAD ||
	       (value->kind != JSON_OBJECT && value->kind != JSON_ARRAY &&
		bytes <= MESSAGE_SCALAR_MAX);
}

/* Appends those members of the object that are kept, each with a comma behind it. ERR_END: the text
 * is at its end; ERR_BAD: no object. */
static enum err put_members(struct buf *out, struct bytes json, enum extent extent)
{
	struct json_token key, value;
	struct json j;
	size_t end;
	enum err e;

	json_init(&j, json, JSON_STRICT);
	if ((e = json_next(&j, &key)) || key.kind != JSON_OBJECT)
		return e == ERR_LIMIT ? e : ERR_BAD;
	while (!(e = json_next(&j, &key)) && key.kind == JSON_KEY) {
		if ((e = json_next(&j, &value)) || (e = json_skip(&j, &value, &end)))
			return e;
		if (!is_kept(&key, &value, end - key.start, extent))
			continue;
		if ((e = buf_put(out, bytes_slice(json, key.start, end - key.start))) ||
		    (e = buf_put_u8(out, ',')))
			return e;
	}
	return e ? e : json_next(&j, &key);
}

static enum err put_shortened(struct buf *out, struct bytes json, enum extent extent)
{
	enum err e = buf_put_u8(out, '{');

	if (e || (e = put_members(out, json, extent)) != ERR_END)
		return e == OK ? ERR_BAD : e;
	return buf_put_str(out, extent == SAY_NO_PAYLOAD ? "\"" PAYLOAD_OMITTED "\":true}"
							 : "\"" PAYLOAD_OMITTED
							   "\":true,\"" MEMBERS_OMITTED "\":true}");
}

static enum err put_text(struct buf *out, struct bytes json, enum extent extent)
{
	bool is_utf8 = bytes_is_utf8(json);
	enum err e = buf_put_str(out, is_utf8 ? " " BYTE_ORDER : " ");

	if (!is_utf8 && bytes_starts(json, BYTES(BYTE_ORDER))) /* a mark that is not true */
		json = bytes_from(json, sizeof BYTE_ORDER - 1);
	if (e)
		return e;
	return extent == SAY_ALL ? buf_put(out, json) : put_shortened(out, json, extent);
}

/* A line end would end the message where messages are lines (a unix stream); JSON has none, and
 * what comes here as JSON and is none must not make a message of its own. */
static void clean_lines(struct buf *out, size_t from)
{
	for (size_t i = from; i < out->len; i++)
		if (out->at[i] == '\n' || out->at[i] == '\r' || out->at[i] == 0)
			out->at[i] = ' ';
}

static enum err put_extent(struct buf *out, const struct message_style *style,
			   const struct sink_event *event, enum extent extent)
{
	enum err e;

	if ((e = put_header(out, style, event)) || (e = put_structured_data(out, event, extent)))
		return e;
	return extent == SAY_ID || event->json.len == 0 ? OK : put_text(out, event->json, extent);
}

enum err message_put(struct buf *out, const struct message_style *style,
		     const struct sink_event *event)
{
	size_t start = out->len;

	for (int extent = SAY_ALL; extent < EXTENTS; extent++) {
		/* what is too long anyhow is not copied first */
		if (extent == SAY_ALL && style->bytes_max && event->json.len > style->bytes_max)
			continue;
		enum err e = put_extent(out, style, event, (enum extent)extent);
		if (!e && (style->bytes_max == 0 || out->len - start <= style->bytes_max)) {
			clean_lines(out, start);
			return OK;
		}
		out->len = start;
		if (e == ERR_NOMEM || (e == ERR_LIMIT && extent == SAY_ALL))
			return e;
	}
	return ERR_LIMIT;
}
