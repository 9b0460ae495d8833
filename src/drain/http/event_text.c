/* SPDX-License-Identifier: MIT */
#include "drain/http/event_text.h"

#include "wire/json.h"

#define SECONDS_PER_DAY 86400
#define CIVIL_EPOCH     719468 /* days from 0000-03-01 to 1970-01-01 */

/* With zeros in front. */
static enum err put_digits(struct buf *out, uint64_t n, unsigned digits)
{
	char text[20];

	for (unsigned i = digits; i-- > 0; n /= 10)
		text[i] = (char)('0' + n % 10);
	return buf_put(out, bytes_of(text, digits));
}

enum err event_put_time(struct buf *out, uint64_t time_ns)
{
	uint64_t s = time_ns / 1000000000, z = s / SECONDS_PER_DAY + CIVIL_EPOCH;
	uint64_t era = z / 146097, doe = z - era * 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	uint64_t month = mp < 10 ? mp + 3 : mp - 9;

	if (put_digits(out, yoe + era * 400 + (month <= 2), 4) || buf_put_str(out, "-") ||
	    put_digits(out, month, 2) || buf_put_str(out, "-") ||
	    put_digits(out, doy - (153 * mp + 2) / 5 + 1, 2) || buf_put_str(out, "T") ||
	    put_digits(out, s / 3600 % 24, 2) || buf_put_str(out, ":") ||
	    put_digits(out, s / 60 % 60, 2) || buf_put_str(out, ":") ||
	    put_digits(out, s % 60, 2) || buf_put_str(out, ".") ||
	    put_digits(out, time_ns / 1000 % 1000000, 6) || buf_put_str(out, "Z"))
		return ERR_NOMEM;
	return OK;
}

static bool is_object(struct bytes json)
{
	return json.len >= 2 && json.at[0] == '{' && json.at[json.len - 1] == '}';
}

enum err event_put_with(struct buf *out, const struct buf *members, struct bytes json)
{
	if (buf_put_str(out, "{") || buf_put(out, buf_view(members)))
		return ERR_NOMEM;
	if (!is_object(json)) {
		if (buf_put_str(out, ",\"event\":") ||
		    (json.len ? buf_put_json_string(out, json) : buf_put_str(out, "null")) ||
		    buf_put_str(out, "}"))
			return ERR_NOMEM;
		return OK;
	}
	if (bytes_trim(bytes_slice(json, 1, json.len - 2)).len && buf_put_str(out, ","))
		return ERR_NOMEM;
	return buf_put(out, bytes_from(json, 1));
}

const char *event_kind(const struct sink_event *event)
{
	const char *name = record_kind_name(event->kind);

	if (event->is_heartbeat)
		return "heartbeat";
	if (event->kind == REC_REQUEST)
		return "exchange";
	return name ? name : "record";
}

enum err event_put_message(struct buf *out, const struct sink_event *event)
{
	struct buf text = {0};
	enum err e = ERR_NOMEM;

	if (buf_put_str(&text, event_kind(event)) ||
	    (event->provider.len &&
	     (buf_put_str(&text, " with ") || buf_put(&text, event->provider))) ||
	    (event->model.len && (buf_put_str(&text, " ") || buf_put(&text, event->model))) ||
	    (event->is_refusal && buf_put_str(&text, ", refused")))
		goto out;
	e = buf_put_json_string(out, buf_view(&text));
out:
	buf_done(&text);
	return e;
}

/* -- the event without what was said ---------------------------------------------------------- */

/* A scan of an object's members, one level at a time. */
struct members {
	struct json j;
	struct json_token key;
};

static enum err begin_members(struct members *m, struct bytes object)
{
	struct json_token token;
	enum err e;

	json_init(&m->j, object, JSON_STRICT);
	e = json_next(&m->j, &token);
	return e ? e : token.kind == JSON_OBJECT ? OK : ERR_BAD;
}

/* The next member's key (in m->key) and its value with all its bytes. ERR_END: no more. */
static enum err next_member(struct members *m, struct json_token *ret_value, struct bytes *ret_raw)
{
	size_t end = 0;
	enum err e = json_next(&m->j, &m->key);

	if (e)
		return e;
	if (m->key.kind != JSON_KEY)
		return ERR_END;
	e = json_next(&m->j, ret_value);
	if (!e)
		e = json_skip(&m->j, ret_value, &end);
	if (!e)
		*ret_raw = bytes_slice(m->j.text, ret_value->start, end - ret_value->start);
	return e;
}

static enum err put_member(struct buf *out, bool *any, const struct members *m, struct bytes raw)
{
	if (*any && buf_put_str(out, ","))
		return ERR_NOMEM;
	*any = true;
	if (buf_put(out, bytes_slice(m->j.text, m->key.start, m->key.end - m->key.start)) ||
	    buf_put_str(out, ":") || buf_put(out, raw))
		return ERR_NOMEM;
	return OK;
}

/* Of a "request" or "response": its numbers, which are lengths. */
static enum err put_lengths(struct buf *out, struct bytes object)
{
	struct members m;
	struct json_token value;
	struct bytes raw;
	bool any = false;
	enum err e = begin_members(&m, object);

	if (!e)
		e = buf_put_str(out, "{");
	while (!e && !(e = next_member(&m, &value, &raw)))
		if (value.kind == JSON_NUMBER)
			e = put_member(out, &any, &m, raw);
	return e == ERR_END ? buf_put_str(out, "}") : e;
}

static bool is_message(const struct members *m, const struct json_token *value)
{
	return value->kind == JSON_OBJECT && (json_token_is(&m->key, BYTES("request")) ||
					      json_token_is(&m->key, BYTES("response")));
}

static enum err put_end(struct buf *out, bool any, bool is_omitted)
{
	if (is_omitted &&
	    (buf_put_str(out, any ? "," : "") || buf_put_str(out, "\"payload_omitted\":true")))
		return ERR_NOMEM;
	return buf_put_str(out, "}");
}

static enum err put_stripped(struct buf *out, struct bytes json, bool is_omitted)
{
	struct members m;
	struct json_token value;
	struct bytes raw;
	struct buf lengths = {0};
	bool any = false;
	enum err e = begin_members(&m, json);

	if (!e)
		e = buf_put_str(out, "{");
	while (!e && !(e = next_member(&m, &value, &raw))) {
		if (json_token_is(&m.key, BYTES("payload_omitted"))) {
			is_omitted = true; /* said once, at the end */
			continue;
		}
		if (is_message(&m, &value)) {
			buf_reset(&lengths);
			e = put_lengths(&lengths, raw);
			raw = buf_view(&lengths);
		}
		if (!e)
			e = put_member(out, &any, &m, raw);
	}
	buf_done(&lengths);
	return e == ERR_END ? put_end(out, any, is_omitted) : e;
}

enum err event_put_stripped(struct buf *out, struct bytes json, bool is_omitted)
{
	size_t before = out->len;
	enum err e = put_stripped(out, json, is_omitted);

	if (e)
		out->len = before;
	return e == OK || e == ERR_NOMEM ? e : ERR_BAD;
}

/* -- single values ------------------------------------------------------------------------------
 */

static void note_part(struct event_part *parts, size_t count, const char *group,
		      const struct members *m, const struct json_token *value, struct bytes raw)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes_compare(bytes_str(parts[i].group), bytes_str(group)) ||
		    !json_token_is(&m->key, bytes_str(parts[i].name)))
			continue;
		parts[i].found = true;
		parts[i].raw = raw;
		parts[i].is_string = value->kind == JSON_STRING;
		parts[i].is_number = value->kind == JSON_NUMBER;
	}
}

static enum err find_in_group(struct bytes object, struct event_part *parts, size_t count,
			      const char *group)
{
	struct members m;
	struct json_token value;
	struct bytes raw;
	enum err e = begin_members(&m, object);

	while (!e && !(e = next_member(&m, &value, &raw)))
		note_part(parts, count, group, &m, &value, raw);
	return e == ERR_END ? OK : e;
}

enum err event_find_parts(struct bytes json, struct event_part *parts, size_t count)
{
	struct members m;
	struct json_token value;
	struct bytes raw;
	enum err e = begin_members(&m, json);

	for (size_t i = 0; i < count; i++)
		parts[i].found = false;
	while (!e && !(e = next_member(&m, &value, &raw))) {
		note_part(parts, count, "", &m, &value, raw);
		for (size_t i = 0; i < count && value.kind == JSON_OBJECT; i++) {
			if (!parts[i].group[0] || !json_token_is(&m.key, bytes_str(parts[i].group)))
				continue;
			e = find_in_group(raw, parts, count, parts[i].group);
			break; /* all of that group are found */
		}
	}
	return e == ERR_END ? OK : ERR_BAD;
}

enum err event_put_unquoted(struct buf *out, const struct event_part *part)
{
	struct json j;
	struct json_token token;

	if (!part->found || !part->is_string)
		return ERR_MISSING;
	json_init(&j, part->raw, JSON_STRICT);
	if (json_next(&j, &token))
		return ERR_MISSING;
	return json_put_unescaped(out, &token);
}

bool event_part_u64(const struct event_part *part, uint64_t *ret_value)
{
	struct json j;
	struct json_token token;

	if (!part->found || !part->is_number)
		return false;
	json_init(&j, part->raw, JSON_STRICT);
	return json_next(&j, &token) == OK && json_number_u64(&token, ret_value) == OK;
}
