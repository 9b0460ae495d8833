/* SPDX-License-Identifier: MIT */
#include "llm/conversation.h"

#include <stdlib.h>
#include <string.h>

#include "wire/json.h"
#include "wire/sse.h"

enum err conversation_new(const struct dialect *dialect, const struct websocket_extensions *agreed,
			  conversation_keep *keep, void *context,
			  struct conversation **ret_conversation)
{
	struct conversation *c = calloc(1, sizeof *c);

	if (!c)
		return ERR_NOMEM;
	c->dialect = dialect;
	c->keep = keep;
	c->context = context;
	websocket_init(&c->sides[SPEAKER_PROGRAM], true, agreed);
	websocket_init(&c->sides[SPEAKER_PROVIDER], false, agreed);
	if (!agreed) {
		c->unread[SPEAKER_PROGRAM] = c->unread[SPEAKER_PROVIDER] = true;
		c->problem = "the two sides agreed on a WebSocket extension that cannot be read";
	}
	*ret_conversation = c;
	return OK;
}

void conversation_free(struct conversation *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SPEAKER_COUNT; i++)
		websocket_done(&c->sides[i]);
	free(c);
}

/* The first reason counts. */
static void note(struct conversation *c, const char *problem)
{
	if (!c->problem)
		c->problem = problem;
}

/* ---- reading messages ---- */

static void add_usage(struct usage *sum, const struct usage *more)
{
	for (size_t i = 0; i < USAGE_COUNT; i++) {
		if (more->presence[i] == PRESENT) {
			bool full = more->tokens[i] > UINT64_MAX - sum->tokens[i];
			sum->tokens[i] = full ? UINT64_MAX : sum->tokens[i] + more->tokens[i];
		}
		if (more->presence[i] > sum->presence[i])
			sum->presence[i] = more->presence[i];
	}
}

static void take_text(char *into, const char *from, size_t size)
{
	if (from[0])
		memcpy(into, from, size);
}

/* One message's answer joins the others: usage adds up, because each response of a connection is
 * counted (and billed) by itself; of names the last one counts. Tool calls are one list, which each
 * goes on with. */
static void add_answer(struct answer *sum, const struct answer *more)
{
	add_usage(&sum->usage, &more->usage);
	sum->has_usage = sum->has_usage || more->has_usage;
	sum->terminated = sum->terminated || more->terminated;
	sum->failed = sum->failed || more->failed;
	take_text(sum->model, more->model, sizeof sum->model);
	take_text(sum->id, more->id, sizeof sum->id);
	take_text(sum->finish_reason, more->finish_reason, sizeof sum->finish_reason);
	take_text(sum->service_tier, more->service_tier, sizeof sum->service_tier);
	sum->tools_cut = more->tools_cut;
	sum->tool_index = more->tool_index;
	sum->tool_state = more->tool_state;
}

/* A string in a JSON text, escapes resolved, or empty; `room` is where it is put together. */
static struct bytes string_at(struct bytes json, const char *pointer, struct buf *room)
{
	struct json_token value;

	buf_reset(room);
	if (json_find(json, pointer, &value, NULL) || value.kind != JSON_STRING ||
	    value.raw.len > room->max || json_put_unescaped(room, &value))
		return BYTES_NONE;
	return buf_view(room);
}

static void read_provider(struct conversation *c, struct bytes text)
{
	uint8_t name[64];
	struct buf room = {.at = name, .cap = sizeof name, .max = sizeof name};
	struct sse_event event = {.data = text};
	struct answer answer = {.tool_calls = c->answer.tool_calls,
				.tools_cut = c->answer.tools_cut,
				.tool_index = c->answer.tool_index,
				.tool_state = c->answer.tool_state};

	if (!c->dialect)
		return;
	event.name = string_at(text, "/type", &room);
	if (c->dialect->read_event(&event, &answer, NULL)) {
		note(c, "no memory to read a message");
		return;
	}
	add_answer(&c->answer, &answer);
	c->turns += answer.has_usage;
}

/* Where it is not in the address, the model is named in a message: Gemini's setup, the
 * response.create of OpenAI's responses. */
static void read_program(struct conversation *c, struct bytes text)
{
	static const char places[][16] = {"/setup/model", "/model", "/response/model",
					  "/session/model"};
	struct buf room = {
		.at = (uint8_t *)c->model, .cap = MODEL_BYTES_MAX, .max = MODEL_BYTES_MAX};

	for (size_t i = 0; !c->model_len && i < sizeof places / sizeof places[0]; i++)
		c->model_len = string_at(text, places[i], &room).len;
}

/* ---- following ---- */

static void keep(struct conversation *c, enum speaker speaker, struct bytes text)
{
	if (text.len >= CONVERSATION_TEXT_BYTES_MAX - c->text_bytes) {
		c->text_bytes = CONVERSATION_TEXT_BYTES_MAX - 1; /* from now on nothing fits */
		note(c, "more was said than is recorded of one connection");
		return;
	}
	c->text_bytes += text.len + 1;
	if (!c->keep(c->context, speaker, text) || !c->keep(c->context, speaker, BYTES("\n")))
		note(c, "no memory to record a message");
}

/* Gemini writes its JSON into binary messages. */
static void take_message(struct conversation *c, enum speaker speaker,
			 const struct websocket_message *m)
{
	c->messages[speaker]++;
	if (m->kind == WEBSOCKET_BINARY && !bytes_is_utf8(m->data)) {
		note(c, "a message that is no text was not recorded");
		return;
	}
	keep(c, speaker, m->data);
	if (speaker == SPEAKER_PROVIDER)
		read_provider(c, m->data);
	else
		read_program(c, m->data);
}

static void take_close(struct conversation *c, enum speaker speaker,
		       const struct websocket_message *m)
{
	if (!conversation_has_closed(c)) {
		c->closed_by = speaker;
		c->close_code = m->close_code;
	}
	c->has_closed[speaker] = true;
}

void conversation_feed(struct conversation *c, enum speaker speaker, struct bytes in)
{
	struct websocket_message m;
	enum err e = OK;

	c->bytes[speaker] += in.len;
	if (c->unread[speaker])
		return;
	while (!(e = websocket_next(&c->sides[speaker], &in, &m))) {
		if (m.kind == WEBSOCKET_CLOSE)
			take_close(c, speaker, &m);
		else if (m.kind == WEBSOCKET_TEXT || m.kind == WEBSOCKET_BINARY)
			take_message(c, speaker, &m);
	}
	if (e == ERR_MORE)
		return;
	c->unread[speaker] = true;
	note(c, e == ERR_LIMIT   ? "a WebSocket message is longer than is read"
		: e == ERR_NOMEM ? "no memory to follow the WebSocket connection any further"
				 : "the WebSocket frames cannot be decoded");
}

bool conversation_has_closed(const struct conversation *c)
{
	return c->has_closed[SPEAKER_PROGRAM] || c->has_closed[SPEAKER_PROVIDER];
}

bool conversation_is_over(const struct conversation *c)
{
	return c->has_closed[SPEAKER_PROGRAM] && c->has_closed[SPEAKER_PROVIDER];
}

bool conversation_is_complete(const struct conversation *c)
{
	return conversation_has_closed(c) && (c->close_code == WEBSOCKET_CLOSE_NORMAL ||
					      c->close_code == WEBSOCKET_CLOSE_GOING_AWAY ||
					      c->close_code == WEBSOCKET_CLOSE_NONE);
}
