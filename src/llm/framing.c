/* SPDX-License-Identifier: MIT */
#include "llm/framing.h"

#include <string.h>

enum framing_kind framing_of(struct bytes content_type)
{
	static const struct {
		char type[36]; /* no pointer: it would have to be relocated in each process */
		enum framing_kind kind;
	} types[] = {
		{"application/json", FRAMING_JSON},
		{"text/event-stream", FRAMING_SSE},
		{"application/x-ndjson", FRAMING_NDJSON},
		{"application/ndjson", FRAMING_NDJSON},
		{"application/jsonl", FRAMING_NDJSON},
		{"application/stream+json", FRAMING_NDJSON},
		{"application/vnd.amazon.eventstream", FRAMING_EVENTSTREAM},
	};
	struct bytes type = bytes_trim(bytes_cut(&content_type, ';'));

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (bytes_equal_nocase(type, bytes_str(types[i].type)))
			return types[i].kind;
	return FRAMING_NONE;
}

void framing_init(struct framing *f, enum framing_kind kind)
{
	memset(f, 0, sizeof *f);
	f->kind = kind;
}

void framing_done(struct framing *f)
{
	switch (f->kind) {
	case FRAMING_SSE:
		sse_done(&f->sse);
		break;
	case FRAMING_NDJSON:
		ndjson_done(&f->ndjson);
		break;
	case FRAMING_JSON_ARRAY:
		json_array_done(&f->array);
		break;
	case FRAMING_EVENTSTREAM:
		eventstream_done(&f->eventstream);
		break;
	default:
		break;
	}
	framing_init(f, FRAMING_NONE);
}

bool framing_settle(struct framing *f, struct bytes text)
{
	if (f->kind != FRAMING_JSON)
		return true;
	for (size_t i = 0; i < text.len; i++) {
		if (bytes_find_byte(BYTES(" \t\r\n"), text.at[i]) != SIZE_MAX)
			continue;
		f->kind = text.at[i] == '[' ? FRAMING_JSON_ARRAY : FRAMING_WHOLE;
		return true;
	}
	return false;
}

bool framing_is_stream(const struct framing *f)
{
	return f->kind >= FRAMING_JSON_ARRAY;
}

/* A message of Bedrock's: an event, an exception that the service models, or an error that it does
 * not. */
static enum err next_message(struct eventstream *s, struct bytes *in,
			     struct framing_event *ret_event)
{
	struct eventstream_message m;
	enum err e = eventstream_next(s, in, &m);
	struct bytes kind;

	if (e)
		return e;
	kind = eventstream_find(&m, BYTES(":message-type"));
	ret_event->failed = bytes_equal(kind, BYTES("exception")) ||
			    bytes_equal(kind, BYTES("error"));
	ret_event->event.name = eventstream_find(&m, ret_event->failed ? BYTES(":exception-type")
								       : BYTES(":event-type"));
	ret_event->event.data = m.payload;
	return OK;
}

enum err framing_next(struct framing *f, struct bytes *in, struct framing_event *ret_event)
{
	memset(ret_event, 0, sizeof *ret_event);
	switch (f->kind) {
	case FRAMING_SSE:
		return sse_next(&f->sse, in, &ret_event->event);
	case FRAMING_NDJSON:
		return ndjson_next(&f->ndjson, in, &ret_event->event.data);
	case FRAMING_JSON_ARRAY:
		return json_array_next(&f->array, in, &ret_event->event.data);
	case FRAMING_EVENTSTREAM:
		return next_message(&f->eventstream, in, ret_event);
	default:
		return ERR_STATE;
	}
}

enum err framing_end(struct framing *f, struct framing_event *ret_event)
{
	memset(ret_event, 0, sizeof *ret_event);
	switch (f->kind) {
	case FRAMING_NDJSON:
		return ndjson_end(&f->ndjson, &ret_event->event.data);
	case FRAMING_JSON_ARRAY:
		return json_array_has_ended(&f->array) ? ERR_END : ERR_MORE;
	case FRAMING_EVENTSTREAM:
		return eventstream_is_between(&f->eventstream) ? ERR_END : ERR_MORE;
	default:
		return ERR_END;
	}
}

bool framing_has_ended(const struct framing *f)
{
	return f->kind == FRAMING_JSON_ARRAY && json_array_has_ended(&f->array);
}

const char *framing_problem(const struct framing *f, enum err e)
{
	if (e == ERR_NOMEM)
		return "no memory to follow the answer's stream any further";
	if (e == ERR_LIMIT)
		return "an event of the answer's stream is longer than is read";
	switch (f->kind) {
	case FRAMING_EVENTSTREAM:
		return "a message of the answer's event stream has a wrong checksum, or is "
		       "malformed";
	case FRAMING_JSON_ARRAY:
		return "the answer's JSON array is malformed";
	default:
		return "the answer's stream is malformed";
	}
}
