/* SPDX-License-Identifier: MIT */
#include "drain/event.h"

#include <stdlib.h>
#include <string.h>

#include "policy/pattern.h"
#include "report/entry_json.h"
#include "report/otlp.h"
#include "report/text.h"
#include "wire/json.h"

#define CHOOSE_DEPTH_MAX 16 /* deeper objects come whole or not at all */

/* ---- the filter ---- */

static bool any(const struct patterns *p, struct bytes text)
{
	for (size_t i = 0; i < p->count; i++)
		if (bytes_match(p->at[i], text, true))
			return true;
	return !p->given;
}

static bool model_passes(const struct patterns *p, const struct log_entry *entry)
{
	char provider[PROVIDER_NAME_BYTES_MAX + 1], storage[PATTERN_BYTES_MAX];
	struct bytes name, told = entry_text(entry, F_PROVIDER);

	if (!p->given)
		return true;
	if (told.len >= sizeof provider)
		return false;
	if (told.len)
		memcpy(provider, told.at, told.len);
	provider[told.len] = '\0';
	if (pattern_canonical_name(provider, entry_text(entry, F_REQUEST_MODEL), storage, &name) ||
	    !name.len)
		return false;
	return any(p, name);
}

bool event_passes(const struct drain_filter *f, const struct log_entry *entry)
{
	if (f->kinds && !(f->kinds & UINT64_C(1) << (unsigned)entry->kind))
		return false;
	return any(&f->providers, entry_text(entry, F_PROVIDER)) &&
	       model_passes(&f->models, entry) && any(&f->actions, entry_text(entry, F_ACTION)) &&
	       any(&f->environments, entry_text(entry, F_ENVIRONMENT)) &&
	       any(&f->applications, entry_text(entry, F_APPLICATION));
}

/* ---- fields ---- */

static bool has_wildcard(struct bytes text)
{
	return bytes_find_byte(text, '*') != SIZE_MAX || bytes_find_byte(text, '?') != SIZE_MAX;
}

bool event_wants_payloads(const struct drain *config)
{
	if (config->fields != DRAIN_CHOSEN)
		return config->fields == DRAIN_FULL;
	for (size_t i = 0; i < config->chosen_count; i++) {
		struct bytes rest = config->chosen[i], first = bytes_cut(&rest, '.');
		if (has_wildcard(first) || bytes_equal(first, BYTES("request")) ||
		    bytes_equal(first, BYTES("response")))
			return true;
	}
	return false;
}

static bool is_chosen(struct bytes path, const struct bytes *chosen, size_t count)
{
	static const char *const always[] = {"event_id", "id", "type", "time"};

	for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
		if (bytes_equal(path, bytes_str(always[i])))
			return true;
	for (size_t i = 0; i < count; i++)
		if (bytes_match(chosen[i], path, false))
			return true;
	return false;
}

struct choosing {
	struct bytes json;
	struct json scan;
	const struct bytes *chosen;
	size_t count;
	struct buf *out;
	struct buf path;
	/* of each open object: where it and the path began, whether something is in it */
	size_t out_at[CHOOSE_DEPTH_MAX], path_at[CHOOSE_DEPTH_MAX];
	bool any[CHOOSE_DEPTH_MAX];
	unsigned depth;
};

static enum err put_name(struct choosing *c, const struct json_token *key)
{
	enum err e = c->any[c->depth] ? buf_put_u8(c->out, ',') : OK;

	c->any[c->depth] = true;
	if (!e)
		e = buf_put(c->out, bytes_slice(c->json, key->start, key->end - key->start));
	return e ? e : buf_put_u8(c->out, ':');
}

/* The path of a member, behind that of its object. */
static enum err set_path(struct choosing *c, const struct json_token *key)
{
	enum err e;

	c->path.len = c->path_at[c->depth];
	e = c->path.len ? buf_put_u8(&c->path, '.') : OK;
	return e ? e : json_put_unescaped(&c->path, key);
}

static enum err open_object(struct choosing *c, const struct json_token *key)
{
	size_t before = c->out->len;
	bool any = c->any[c->depth];
	enum err e = put_name(c, key);

	c->any[c->depth] = any; /* counts when something was put into it */
	c->depth++;
	c->out_at[c->depth] = before;
	c->path_at[c->depth] = c->path.len;
	c->any[c->depth] = false;
	return e ? e : buf_put_u8(c->out, '{');
}

static enum err close_object(struct choosing *c)
{
	bool any = c->any[c->depth];

	if (!any)
		c->out->len = c->out_at[c->depth];
	c->depth--;
	c->any[c->depth] |= any;
	return any ? buf_put_u8(c->out, '}') : OK;
}

static enum err choose_member(struct choosing *c, const struct json_token *key)
{
	struct json_token value;
	size_t end = 0;
	enum err e = set_path(c, key);

	if (!e)
		e = json_next(&c->scan, &value);
	if (e)
		return e;
	bool chosen = is_chosen(buf_view(&c->path), c->chosen, c->count);
	if (!chosen && value.kind == JSON_OBJECT && c->depth + 1 < CHOOSE_DEPTH_MAX)
		return open_object(c, key);
	e = json_skip(&c->scan, &value, &end);
	if (!e && chosen)
		e = put_name(c, key);
	if (!e && chosen)
		e = buf_put(c->out, bytes_slice(c->json, value.start, end - value.start));
	return e;
}

enum err event_choose(struct buf *out, struct bytes json, const struct bytes *chosen,
		      size_t chosen_count)
{
	struct choosing c = {.json = json, .chosen = chosen, .count = chosen_count, .out = out};
	struct json_token token;
	enum err e;

	json_init(&c.scan, json, JSON_STRICT);
	e = json_next(&c.scan, &token);
	if (!e && token.kind != JSON_OBJECT)
		e = ERR_BAD;
	if (!e)
		e = buf_put_u8(out, '{');
	for (bool open = true; !e && open;) {
		e = json_next(&c.scan, &token);
		if (!e && token.kind == JSON_KEY) {
			e = choose_member(&c, &token);
		} else if (!e && c.depth) {
			e = close_object(&c);
		} else if (!e) {
			e = buf_put_u8(out, '}');
			open = false;
		}
	}
	buf_done(&c.path);
	return e == ERR_END || e == ERR_LIMIT ? ERR_BAD : e;
}

/* ---- making one ---- */

/* {"event_id":"...", and the entry's own members behind it. */
static void put_json(struct buf *out, struct bytes id, const struct log_entry *entry, bool payloads,
		     bool omitted)
{
	size_t at;

	buf_reset(out);
	text_put_str(out, "{\"event_id\":");
	text_put_json_string(out, id);
	at = out->len;
	put_entry_json(out, entry, payloads);
	if (out->failed)
		return;
	out->at[at] = ','; /* was the entry's { */
	if (omitted) {
		out->len--;
		text_put_str(out, ",\"payload_omitted\":true}");
	}
}

static void put_all(struct event_maker *m, struct bytes id, const struct log_entry *entry,
		    bool payloads, bool omitted)
{
	put_json(&m->json, id, entry, payloads, omitted);
	buf_reset(&m->otlp);
	if (m->config->type == DRAIN_OTLP)
		put_entry_otlp(&m->otlp, entry, payloads);
}

static size_t size_of(const struct event_maker *m)
{
	return m->json.len > m->otlp.len ? m->json.len : m->otlp.len;
}

static struct bytes model_of(const struct log_entry *entry)
{
	struct bytes asked = entry_text(entry, F_REQUEST_MODEL);

	return asked.len ? asked : entry_text(entry, F_RESPONSE_MODEL);
}

static enum err finish(struct event_maker *m, struct sink_event *event, struct line_event **ret)
{
	struct line_event *made;

	if (m->json.failed || m->otlp.failed)
		return m->json.failed ? m->json.failed : m->otlp.failed;
	event->json = buf_view(&m->json);
	event->otlp = buf_view(&m->otlp);
	if (m->config->fields == DRAIN_CHOSEN && m->config->type != DRAIN_OTLP) {
		buf_reset(&m->chosen);
		enum err e = event_choose(&m->chosen, event->json, m->config->chosen,
					  m->config->chosen_count);
		if (e)
			return e;
		event->json = buf_view(&m->chosen);
	}
	made = line_event_new(event);
	if (!made)
		return ERR_NOMEM;
	*ret = made;
	return OK;
}

static void put_manifest(struct buf *out, const struct source_item *item)
{
	struct bytes path = bytes_str(item->path), day = path;
	size_t slashes = 0;

	/* DAY/NAME.aigw: where it lies on this host is nobody's business. */
	for (size_t i = path.len; i-- > 0 && slashes < 2;)
		if (path.at[i] == '/' && ++slashes == 2)
			day = bytes_from(path, i + 1);
	buf_reset(out);
	struct json_object o = object_begin(out);
	object_text(&o, "event_id", item->id);
	object_text(&o, "type", BYTES("segment"));
	object_text(&o, "file", day);
	object_key(&o, BYTES("segment"));
	text_put_u8(out, '"');
	text_put_hex(out, bytes_of(item->segment_id, sizeof item->segment_id));
	text_put_u8(out, '"');
	object_key(&o, BYTES("time"));
	text_put_u8(out, '"');
	text_put_time_utc(out, item->time_ns);
	text_put_u8(out, '"');
	object_number(&o, "bytes", item->bytes);
	object_number(&o, "records", item->records);
	object_bool(&o, "ended", item->ended);
	object_key(&o, BYTES("blake2b_256"));
	text_put_u8(out, '"');
	text_put_hex(out, bytes_of(item->digest, sizeof item->digest));
	text_put_u8(out, '"');
	object_end(&o);
}

static void describe(struct sink_event *event, const struct log_entry *entry)
{
	event->kind = entry->kind;
	event->is_refusal = bytes_equal(entry_text(entry, F_ACTION), BYTES("refuse"));
	event->host = entry_text(entry, F_HOST);
	event->environment = entry_text(entry, F_ENVIRONMENT);
	event->application = entry_text(entry, F_APPLICATION);
	event->provider = entry_text(entry, F_PROVIDER);
	event->model = model_of(entry);
}

/* An exchange begins long before it can be told. */
static uint64_t ready_at(const struct source_item *item)
{
	uint64_t us = 0;

	if (item->entry && entry_find_u64(item->entry, F_TOTAL_US, &us))
		us = 0;
	return us < UINT64_MAX / 2000 ? item->time_ns + us * 1000 : item->time_ns;
}

enum err event_make(struct event_maker *m, const struct source_item *item, bool has_payloads,
		    bool left_out, struct line_event **ret_event)
{
	struct sink_event event = {.id = item->id,
				   .process = item->process,
				   .time_ns = item->time_ns,
				   .kind = REC_NOTICE};
	struct line_event *made = NULL;
	enum err e;

	if (item->entry) {
		describe(&event, item->entry);
		put_all(m, item->id, item->entry, has_payloads, left_out);
		if (has_payloads && size_of(m) > m->config->event_bytes_max)
			put_all(m, item->id, item->entry, false, true);
	} else {
		put_manifest(&m->json, item);
		buf_reset(&m->otlp);
		event.path = bytes_str(item->path);
	}
	e = finish(m, &event, &made);
	if (e)
		return e;
	made->ticket = item->ticket;
	memcpy(made->segment_id, item->segment_id, sizeof made->segment_id);
	made->sequence = item->sequence;
	made->offset = item->offset;
	made->ready_ns = ready_at(item);
	*ret_event = made;
	return OK;
}

/* ---- signs of life ---- */

static enum err put_pulse_fields(struct buf *fields, const struct event_pulse *p)
{
	struct buf text = {0};
	enum err e = record_put_if(fields, F_HOST, p->host);

	if (!e)
		e = record_put(fields, F_CODE, BYTES("drain_heartbeat"));
	if (!e)
		e = buf_put_str(&text, "events delivered so far: ");
	if (!e)
		e = buf_put_decimal(&text, p->delivered);
	if (!e)
		e = buf_put_str(&text, "; oldest that waits, seconds: ");
	if (!e)
		e = buf_put_decimal(&text, p->oldest_s);
	if (!e)
		e = record_put(fields, F_REASON, buf_view(&text));
	buf_done(&text);
	return e;
}

static void put_pulse_json(struct buf *out, const struct event_maker *m, struct bytes id,
			   const struct event_pulse *p)
{
	buf_reset(out);
	struct json_object o = object_begin(out);
	object_text(&o, "event_id", id);
	object_text(&o, "type", BYTES("heartbeat"));
	object_key(&o, BYTES("time"));
	text_put_u8(out, '"');
	text_put_time_utc(out, p->time_ns);
	text_put_u8(out, '"');
	if (p->host.len)
		object_text(&o, "host", p->host);
	object_text(&o, "sink", m->config->name);
	object_number(&o, "delivered", p->delivered);
	object_number(&o, "oldest_undelivered_seconds", p->oldest_s);
	object_end(&o);
}

enum err event_make_pulse(struct event_maker *m, const struct event_pulse *p,
			  struct line_event **ret_event)
{
	struct log_process process = {.gone = true};
	struct log_entry entry = {
		.kind = REC_NOTICE, .time_ns = p->time_ns, .process = &process, .answered = true};
	struct sink_event event = {.time_ns = p->time_ns, .kind = REC_NOTICE, .is_heartbeat = true};
	struct buf id = {0};
	enum err e = put_pulse_fields(&entry.fields, p);

	if (!e)
		e = buf_put_str(&id, "heartbeat-");
	if (!e)
		e = buf_put(&id, m->config->name);
	if (!e)
		e = buf_put_u8(&id, '-');
	if (!e)
		e = buf_put_decimal(&id, p->time_ns);
	if (!e) {
		event.id = event.process = buf_view(&id);
		describe(&event, &entry);
		put_all(m, event.id, &entry, false, false);
		put_pulse_json(&m->json, m, event.id, p);
		e = finish(m, &event, ret_event);
	}
	buf_done(&id);
	buf_done(&entry.fields);
	return e;
}

void event_maker_done(struct event_maker *m)
{
	buf_done(&m->json);
	buf_done(&m->chosen);
	buf_done(&m->otlp);
}
