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

static void set_digits(char *at, unsigned value, unsigned digits)
{
	for (; digits; value /= 10)
		at[--digits] = (char)('0' + value % 10);
}

static enum err put_time(struct buf *out, uint64_t time_ns)
{
	char text[] = "0000-00-00T00:00:00.000000Z";
	time_t seconds = (time_t)(time_ns / NS_PER_S);
	struct tm tm = {0};

	if (time_ns == 0 || !gmtime_r(&seconds, &tm))
		return buf_put_str(out, "-");
	set_digits(text, (unsigned)tm.tm_year + 1900, 4);
	set_digits(text + 5, (unsigned)tm.tm_mon + 1, 2);
	set_digits(text + 8, (unsigned)tm.tm_mday, 2);
	set_digits(text + 11, (unsigned)tm.tm_hour, 2);
	set_digits(text + 14, (unsigned)tm.tm_min, 2);
	set_digits(text + 17, (unsigned)tm.tm_sec, 2);
	set_digits(text + 20, (unsigned)(time_ns % NS_PER_S / NS_PER_US), 6);
	return buf_put_str(out, text);
}

/* A space, and a field of the header: printable ASCII without spaces, cut; "-" when there is none.
 */
static enum err put_field(struct buf *out, struct bytes text, size_t max)
{
	enum err e = buf_put_u8(out, ' ');

	if (!e && text.len == 0)
		return buf_put_u8(out, '-');
	text = bytes_slice(text, 0, max);
	if (!e)
		e = buf_put(out, text);
	for (size_t i = 0; i < text.len && !e; i++) {
		uint8_t *c = &out->at[out->len - text.len + i];
		if (*c <= ' ' || *c >= 0x7f)
			*c = '_';
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
	size_t n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	if (c < 0x80)
		return 1;
	return n <= text.len && bytes_is_utf8(bytes_slice(text, 0, n)) ? n : 0;
}

static bool is_plain(uint8_t c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != ']';
}

static enum err put_character(struct buf *out, struct bytes character)
{
	enum err e = OK;

	if (character.len == 0)
		return buf_put_str(out, "\xef\xbf\xbd");
	if (character.at[0] < ' ' || character.at[0] == 0x7f)
		return buf_put_u8(out, '?');
	if (character.at[0] < 0x7f)
		e = buf_put_u8(out, '\\');
	return e ? e : buf_put(out, character);
}

/* RFC 5424 6.3.3: quotes, backslashes and closing brackets are escaped. Control characters become
 * '?', what is no UTF-8 U+FFFD; characters stay whole. */
static enum err put_value(struct buf *out, struct bytes text)
{
	size_t at = 0;
	enum err e = OK;

	while (at < text.len && at < MESSAGE_VALUE_MAX && !e) {
		size_t run = 0;
		while (at + run < text.len && at + run < MESSAGE_VALUE_MAX &&
		       is_plain(text.at[at + run]))
			run++;
		e = buf_put(out, bytes_slice(text, at, run));
		at += run;
		if (e || at >= text.len)
			break;
		size_t n = character_bytes(bytes_from(text, at));
		if (at + (n ? n : 1) > MESSAGE_VALUE_MAX)
			break;
		e = put_character(out, bytes_slice(text, at, n));
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

	while (!is_utf8 && bytes_starts(json, BYTES(BYTE_ORDER))) /* a mark that is not true */
		json = bytes_from(json, sizeof BYTE_ORDER - 1);
	if (e)
		return e;
	return extent == SAY_ALL ? buf_put(out, json) : put_shortened(out, json, extent);
}

/* A line end would end the message where messages are lines (a unix stream); JSON has none, and
 * what comes here as JSON and is none must not make a message of its own. */
static void clean_lines(struct buf *out, size_t from)
{
	static const uint8_t ends[] = {'\n', '\r', 0};

	for (size_t i = 0; i < sizeof ends; i++) {
		struct bytes rest = bytes_from(buf_view(out), from);
		size_t at;
		while ((at = bytes_find_byte(rest, ends[i])) != SIZE_MAX) {
			rest = bytes_from(rest, at + 1);
			out->at[out->len - rest.len - 1] = ' ';
		}
	}
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
