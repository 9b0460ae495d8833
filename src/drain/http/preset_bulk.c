/* SPDX-License-Identifier: MIT
 *
 * Elasticsearch and OpenSearch: the bulk API. `create` with the event's id makes a second delivery
 * of an event a conflict, which is as good as delivered.
 */
#include "drain/http/event_text.h"
#include "drain/http/preset.h"
#include "wire/json.h"

#define CONFLICT 409

enum err preset_put_bulk(struct buf *out, const struct preset_request *request)
{
	struct buf members = {0};
	enum err e = OK;

	for (size_t i = 0; i < request->count && !e; i++) {
		const struct sink_event *event = &request->events[i];
		buf_reset(&members);
		e = ERR_NOMEM;
		/* Data streams want @timestamp. */
		if (buf_put_str(out, "{\"create\":{\"_index\":") ||
		    buf_put_json_string(out, request->index) || buf_put_str(out, ",\"_id\":") ||
		    buf_put_json_string(out, event->id) || buf_put_str(out, "}}\n") ||
		    buf_put_str(&members, "\"@timestamp\":\"") ||
		    event_put_time(&members, event->time_ns) || buf_put_u8(&members, '"') ||
		    event_put_with(out, &members, event->json) || buf_put_u8(out, '\n'))
			break;
		e = OK;
	}
	buf_done(&members);
	return e;
}

static uint8_t result_of_item(uint64_t status)
{
	if (status == CONFLICT)
		return SINK_DELIVERED;
	/* 401, 403, 404: of the index, not of the event. Nobody is served by laying events aside.
	 */
	enum sink_result r = sink_result_of_status(status > 999 ? 0 : (unsigned)status);
	return r == SINK_WRONG ? SINK_RETRY : (uint8_t)r;
}

/* {"create":{"status":201}}, {"create":{"status":400,"error":{"type":"..."}}} */
static uint8_t read_item(struct bytes item, struct bytes *ret_type)
{
	struct json_token token;
	uint64_t status;

	if (json_find(item, "/create/status", &token, NULL) || json_number_u64(&token, &status))
		return SINK_RETRY;
	uint8_t result = result_of_item(status);
	if (result != SINK_DELIVERED && json_find(item, "/create/error/type", &token, NULL) == OK &&
	    token.kind == JSON_STRING && (!ret_type->len || result == SINK_REFUSED))
		*ret_type = token.raw;
	return result;
}

bool preset_read_bulk(const struct preset_request *request, unsigned status, struct bytes body,
		      struct preset_verdict *verdict)
{
	struct json j;
	struct json_token token;
	struct bytes items, type = BYTES_NONE;
	size_t at = 0, end = 0;

	if (status / 100 != 2)
		return false;
	for (size_t i = 0; i < request->count; i++)
		verdict->results[i] = SINK_RETRY; /* what is not said to be there */
	verdict->text = "the answer is not one of the bulk API";
	if (json_find(body, "/items", &token, &items) == OK && token.kind == JSON_ARRAY) {
		verdict->text = "";
		json_init(&j, items, JSON_STRICT);
		if (json_next(&j, &token))
			goto out;
		while (at < request->count && json_next(&j, &token) == OK &&
		       token.kind == JSON_OBJECT && json_skip(&j, &token, &end) == OK)
			verdict->results[at++] = read_item(
				bytes_slice(items, token.start, end - token.start), &type);
		if (at < request->count)
			verdict->text = "the answer leaves events out";
	}
	if (type.len)
		verdict->text = "for some: ";
	verdict->detail = type;
out:
	preset_sum_up(verdict, request->count);
	return true;
}
