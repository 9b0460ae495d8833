/* SPDX-License-Identifier: MIT
 *
 * Langfuse: a trace for each event, and in it, for an exchange, a generation with its usage and
 * cost. All ids follow from the event's, so that what is sent twice is one. Envelopes are answered
 * one by one (207).
 */
#include "drain/http/event_text.h"
#include "drain/http/preset.h"
#include "wire/json.h"

#define ENVIRONMENT_CHARS_MAX 40
#define STRANGERS_MAX         100 /* ids in an answer that were never sent: then it is nonsense */
#define TRACE_SUFFIX          "-trace"
#define GENERATION_SUFFIX     "-generation"

enum {
	P_OPERATION,
	P_REQUEST_MODEL,
	P_RESPONSE_MODEL,
	P_INPUT,
	P_OUTPUT,
	P_CACHE_READ,
	P_CACHE_CREATION,
	P_REASONING,
	P_COST,
	P_TOTAL_US,
	P_FIRST_BYTE_US,
	P_REASON,
	P_STATUS,
	P_USER,
	P_REQUEST_BODY,
	P_RESPONSE_BODY,
	P_RESPONSE_TEXT,
	PARTS
};

static const struct event_part wanted[PARTS] = {
	[P_OPERATION] = {.group = "gen_ai", .name = "operation.name"},
	[P_REQUEST_MODEL] = {.group = "gen_ai", .name = "request.model"},
	[P_RESPONSE_MODEL] = {.group = "gen_ai", .name = "response.model"},
	[P_INPUT] = {.group = "gen_ai", .name = "usage.input_tokens"},
	[P_OUTPUT] = {.group = "gen_ai", .name = "usage.output_tokens"},
	[P_CACHE_READ] = {.group = "gen_ai", .name = "usage.cache_read.input_tokens"},
	[P_CACHE_CREATION] = {.group = "gen_ai", .name = "usage.cache_creation.input_tokens"},
	[P_REASONING] = {.group = "gen_ai", .name = "usage.reasoning.output_tokens"},
	[P_COST] = {.group = "cost", .name = "usd"},
	[P_TOTAL_US] = {.group = "timing", .name = "total_us"},
	[P_FIRST_BYTE_US] = {.group = "timing", .name = "first_byte_us"},
	[P_REASON] = {.group = "decision", .name = "reason"},
	[P_STATUS] = {.group = "http", .name = "status"},
	[P_USER] = {.group = "process", .name = "user"},
	[P_REQUEST_BODY] = {.group = "request", .name = "body"},
	[P_RESPONSE_BODY] = {.group = "response", .name = "body"},
	[P_RESPONSE_TEXT] = {.group = "response", .name = "text"},
};

/* One event on its way into a request. */
struct item {
	struct buf *out;
	const struct sink_event *event;
	struct event_part part[PARTS];
	struct buf time, environment; /* texts without quotes */
};

static enum err put_id(struct item *i, const char *name, const char *suffix)
{
	struct buf id = {0};
	enum err e = ERR_NOMEM;

	if (buf_put(&id, i->event->id) == OK && buf_put_str(&id, suffix) == OK &&
	    buf_put_str(i->out, name) == OK)
		e = buf_put_json_string(i->out, buf_view(&id));
	buf_done(&id);
	return e;
}

/* A member that is the same JSON value as in the event. */
static enum err put_part(struct item *i, const char *name, unsigned part)
{
	if (!i->part[part].found || bytes_equal(i->part[part].raw, BYTES("null")))
		return OK;
	if (buf_put_str(i->out, name) || buf_put(i->out, i->part[part].raw))
		return ERR_NOMEM;
	return OK;
}

/* Letters, digits, '-' and '_', not beginning with "langfuse"
 * (https://langfuse.com/docs/observability/features/environments). */
static enum err make_environment(struct item *i)
{
	struct bytes name = bytes_slice(i->event->environment, 0, ENVIRONMENT_CHARS_MAX);

	if (bytes_starts(name, BYTES("langfuse")))
		return OK;
	for (size_t k = 0; k < name.len; k++) {
		uint8_t c = name.at[k];
		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c + 32);
		bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
		if (buf_put_u8(&i->environment, fine ? c : '-'))
			return ERR_NOMEM;
	}
	return OK;
}

static enum err put_time_after(struct item *i, const char *name, unsigned part)
{
	uint64_t us;

	if (!event_part_u64(&i->part[part], &us) || us > UINT64_MAX / 2000)
		return OK;
	if (buf_put_str(i->out, name) || event_put_time(i->out, i->event->time_ns + us * 1000) ||
	    buf_put_str(i->out, "\""))
		return ERR_NOMEM;
	return OK;
}

/* What a body says: as JSON when it is some, so that it can be searched. */
static enum err put_said(struct item *i, const char *name, unsigned part)
{
	struct buf text = {0};
	enum err e = event_put_unquoted(&text, &i->part[part]);

	if (e == OK && text.len && json_check(buf_view(&text), NULL, NULL) == OK) {
		e = buf_put_str(i->out, name);
		if (!e)
			e = buf_put(i->out, buf_view(&text));
	} else if (e != ERR_NOMEM) {
		e = put_part(i, name, part);
	}
	buf_done(&text);
	return e;
}

/* -- usage: the parts are disjoint, as their prices are ---------------------------------------- */

static enum err put_count(struct buf *out, const char *name, uint64_t n)
{
	if (n == 0)
		return OK;
	if (buf_put_str(out, name) || buf_put_decimal(out, n))
		return ERR_NOMEM;
	return OK;
}

static uint64_t part_or_0(const struct item *i, unsigned part, uint64_t max)
{
	uint64_t n;

	if (!event_part_u64(&i->part[part], &n))
		return 0;
	return n < max ? n : max;
}

static enum err put_usage(struct item *i)
{
	uint64_t input = 0, output = 0;
	bool has_input = event_part_u64(&i->part[P_INPUT], &input);
	bool has_output = event_part_u64(&i->part[P_OUTPUT], &output);

	if ((!has_input && !has_output) || input > INT64_MAX / 2 || output > INT64_MAX / 2)
		return OK;
	uint64_t read = part_or_0(i, P_CACHE_READ, input);
	uint64_t written = part_or_0(i, P_CACHE_CREATION, input - read);
	uint64_t reasoning = part_or_0(i, P_REASONING, output);
	if (buf_put_str(i->out, ",\"usageDetails\":{\"input\":") ||
	    buf_put_decimal(i->out, input - read - written) ||
	    put_count(i->out, ",\"input_cached_tokens\":", read) ||
	    put_count(i->out, ",\"input_cache_creation\":", written) ||
	    buf_put_str(i->out, ",\"output\":") || buf_put_decimal(i->out, output - reasoning) ||
	    put_count(i->out, ",\"output_reasoning_tokens\":", reasoning) ||
	    buf_put_str(i->out, ",\"total\":") || buf_put_decimal(i->out, input + output) ||
	    buf_put_str(i->out, "}"))
		return ERR_NOMEM;
	if (i->part[P_COST].is_number &&
	    (put_part(i, ",\"costDetails\":{\"total\":", P_COST) || buf_put_str(i->out, "}")))
		return ERR_NOMEM;
	return OK;
}

/* -- envelopes ----------------------------------------------------------------------------------
 */

static enum err put_envelope(struct item *i, const char *type, const char *suffix)
{
	if (put_id(i, "{\"id\":", suffix) || buf_put_str(i->out, ",\"type\":\"") ||
	    buf_put_str(i->out, type) || buf_put_str(i->out, "\",\"timestamp\":\"") ||
	    buf_put(i->out, buf_view(&i->time)) || buf_put_str(i->out, "\",\"body\":{"))
		return ERR_NOMEM;
	return OK;
}

/* "chat gpt-5", as OpenTelemetry names a span; "aigw gap". */
static enum err put_name(struct item *i)
{
	struct buf name = {0};
	enum err e;

	if (i->event->kind == REC_REQUEST && !i->event->is_heartbeat) {
		e = event_put_unquoted(&name, &i->part[P_OPERATION]);
		if (e == ERR_MISSING)
			e = buf_put_str(&name, "exchange");
		if (!e && i->event->model.len)
			e = buf_put_str(&name, " ");
		if (!e)
			e = buf_put(&name, i->event->model);
	} else {
		e = buf_put_str(&name, "aigw ");
		if (!e)
			e = buf_put_str(&name, event_kind(i->event));
	}
	if (!e)
		e = preset_put_text(i->out, "name", buf_view(&name));
	buf_done(&name);
	return e;
}

static enum err put_trace(struct item *i)
{
	struct buf metadata = {0};
	enum err e = event_put_stripped(&metadata, i->event->json, false);

	if (!e)
		e = put_envelope(i, "trace-create", TRACE_SUFFIX);
	if (!e && (put_id(i, "\"id\":", "") || buf_put_str(i->out, ",\"timestamp\":\"") ||
		   buf_put(i->out, buf_view(&i->time)) || buf_put_str(i->out, "\"") ||
		   put_name(i) || put_part(i, ",\"userId\":", P_USER) ||
		   preset_put_text(i->out, "environment", buf_view(&i->environment)) ||
		   buf_put_str(i->out, ",\"metadata\":") || buf_put(i->out, buf_view(&metadata)) ||
		   buf_put_str(i->out, "}}")))
		e = ERR_NOMEM;
	buf_done(&metadata);
	return e;
}

static enum err put_outcome(struct item *i)
{
	uint64_t status = part_or_0(i, P_STATUS, 999);
	const char *level = i->event->is_refusal ? "WARNING" : status >= 400 ? "ERROR" : "DEFAULT";

	if (preset_put_text(i->out, "level", bytes_str(level)))
		return ERR_NOMEM;
	return i->event->is_refusal ? put_part(i, ",\"statusMessage\":", P_REASON) : OK;
}

static enum err put_generation(struct item *i)
{
	bool is_answered = i->part[P_RESPONSE_MODEL].found;
	bool has_text = i->part[P_RESPONSE_TEXT].is_string;

	if (put_envelope(i, "generation-create", GENERATION_SUFFIX) ||
	    put_id(i, "\"id\":", GENERATION_SUFFIX) || put_id(i, ",\"traceId\":", "") ||
	    put_name(i) || buf_put_str(i->out, ",\"startTime\":\"") ||
	    buf_put(i->out, buf_view(&i->time)) || buf_put_str(i->out, "\"") ||
	    put_time_after(i, ",\"completionStartTime\":\"", P_FIRST_BYTE_US) ||
	    put_time_after(i, ",\"endTime\":\"", P_TOTAL_US) ||
	    put_part(i, ",\"model\":", is_answered ? P_RESPONSE_MODEL : P_REQUEST_MODEL) ||
	    put_usage(i) || put_outcome(i) ||
	    preset_put_text(i->out, "environment", buf_view(&i->environment)) ||
	    put_said(i, ",\"input\":", P_REQUEST_BODY) ||
	    put_said(i, ",\"output\":", has_text ? P_RESPONSE_TEXT : P_RESPONSE_BODY) ||
	    buf_put_str(i->out, "}}"))
		return ERR_NOMEM;
	return OK;
}

static bool has_generation(const struct sink_event *event)
{
	return event->kind == REC_REQUEST && !event->is_heartbeat;
}

static enum err put_item(struct buf *out, const struct sink_event *event)
{
	struct item i = {.out = out, .event = event};
	enum err e;

	for (unsigned p = 0; p < PARTS; p++)
		i.part[p] = wanted[p];
	e = event_find_parts(event->json, i.part, PARTS);
	if (!e)
		e = event_put_time(&i.time, event->time_ns);
	if (!e)
		e = make_environment(&i);
	if (!e)
		e = put_trace(&i);
	if (!e && has_generation(event)) {
		e = buf_put_str(out, ",");
		if (!e)
			e = put_generation(&i);
	}
	buf_done(&i.time);
	buf_done(&i.environment);
	return e;
}

enum err preset_put_langfuse(struct buf *out, const struct preset_request *request)
{
	enum err e = buf_put_str(out, "{\"batch\":[");

	for (size_t i = 0; i < request->count && !e; i++) {
		e = buf_put_str(out, i ? "," : "");
		if (!e)
			e = put_item(out, &request->events[i]);
	}
	return e ? e : buf_put_str(out, "]}");
}

/* -- the answer ---------------------------------------------------------------------------------
 */

/* What was said of an event's envelopes, in its place of the results until the end. */
enum { SAID_TRACE = 1, SAID_GENERATION = 2, SAID_REFUSED = 4, SAID_LATER = 8 };

struct answers {
	const struct preset_request *request;
	uint8_t *said;
	size_t at; /* they come in the order of the request, or nearly */
	size_t strangers;
	struct bytes message;
};

/* The event of an envelope's id; which envelope in *ret_bit. False: none of ours. */
static bool find_event(struct answers *a, struct bytes id, uint8_t *ret_bit)
{
	size_t count = a->request->count;
	bool is_trace = bytes_ends(id, BYTES(TRACE_SUFFIX));

	if (!is_trace && !bytes_ends(id, BYTES(GENERATION_SUFFIX)))
		return false;
	id.len -= is_trace ? sizeof TRACE_SUFFIX - 1 : sizeof GENERATION_SUFFIX - 1;
	if (a->strangers == STRANGERS_MAX)
		return false;
	for (size_t tried = 0; tried < count; tried++, a->at = (a->at + 1) % count) {
		if (bytes_equal(a->request->events[a->at].id, id)) {
			*ret_bit = is_trace ? SAID_TRACE : SAID_GENERATION;
			return true;
		}
	}
	a->strangers++;
	return false;
}

static void note_answer(struct answers *a, struct bytes item, bool is_error)
{
	struct event_part part[] = {{.group = "", .name = "id"},
				    {.group = "", .name = "status"},
				    {.group = "", .name = "message"}};
	struct buf id = {0};
	uint64_t status = 0;
	uint8_t bit;

	if (event_find_parts(item, part, 3) == OK && event_put_unquoted(&id, &part[0]) == OK &&
	    find_event(a, buf_view(&id), &bit)) {
		(void)event_part_u64(&part[1], &status);
		enum sink_result r = sink_result_of_status(status > 999 ? 0 : (unsigned)status);
		if (!is_error && r == SINK_DELIVERED)
			a->said[a->at] |= bit;
		else
			a->said[a->at] |= r == SINK_REFUSED ? SAID_REFUSED : SAID_LATER;
		if (is_error && part[2].is_string && part[2].raw.len > 2)
			a->message = bytes_slice(part[2].raw, 1, part[2].raw.len - 2);
	}
	buf_done(&id);
}

static void note_all(struct answers *a, struct bytes body, const char *list, bool is_error)
{
	struct json j;
	struct json_token token;
	struct bytes items;
	size_t end;

	if (json_find(body, list, &token, &items) || token.kind != JSON_ARRAY)
		return;
	json_init(&j, items, JSON_STRICT);
	if (json_next(&j, &token))
		return;
	while (json_next(&j, &token) == OK && token.kind == JSON_OBJECT &&
	       json_skip(&j, &token, &end) == OK)
		note_answer(a, bytes_slice(items, token.start, end - token.start), is_error);
}

static uint8_t result_of(const struct sink_event *event, uint8_t said)
{
	uint8_t all = has_generation(event) ? SAID_TRACE | SAID_GENERATION : SAID_TRACE;

	if (said & SAID_REFUSED)
		return SINK_REFUSED;
	return (said & all) == all && !(said & SAID_LATER) ? SINK_DELIVERED : SINK_RETRY;
}

bool preset_read_langfuse(const struct preset_request *request, unsigned status, struct bytes body,
			  struct preset_verdict *verdict)
{
	struct answers a = {.request = request, .said = verdict->results};

	if (status / 100 != 2)
		return false;
	for (size_t i = 0; i < request->count; i++)
		a.said[i] = 0;
	note_all(&a, body, "/successes", false);
	note_all(&a, body, "/errors", true);
	for (size_t i = 0; i < request->count; i++)
		a.said[i] = result_of(&request->events[i], a.said[i]);
	preset_sum_up(verdict, request->count);
	if (a.message.len) {
		verdict->text = "for some: ";
		verdict->detail = a.message;
	} else if (verdict->result != SINK_DELIVERED) {
		verdict->text = "the answer leaves events out";
	}
	return true;
}
