/* SPDX-License-Identifier: MIT */
#include "drain/batch.h"

#include <stdlib.h>
#include <string.h>

#include "policy/phrase.h"

#define BATCH_MAGIC  0x31424741u /* "AGB1" */
#define ANSWER_MAGIC 0x31414741u /* "AGA1" */

#define TEXTS        10
#define EVENT_FIXED  (8 + 1 + 1 + 2)
#define ANSWER_FIXED (BATCH_HEAD_BYTES + 1 + 3 + 4 + 4 + 4)

enum { FLAG_HEARTBEAT = 1, FLAG_REFUSAL = 2, FLAGS_ALL = 3 };

/* The order of the texts in an event. */
static void texts_of(struct sink_event *event, struct bytes *texts[static TEXTS])
{
	struct bytes *const all[TEXTS] = {
		&event->id,          &event->process,  &event->host,  &event->environment,
		&event->application, &event->provider, &event->model, &event->json,
		&event->otlp,        &event->path};

	memcpy(texts, all, sizeof all);
}

static void store_u32(uint8_t *at, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

static enum err put_head(struct buf *out, uint32_t magic)
{
	enum err e;

	buf_reset(out);
	e = buf_reserve(out, BATCH_HEAD_BYTES);
	if (!e)
		e = buf_put_u32(out, magic);
	return e ? e : buf_put_u32(out, 0);
}

enum err batch_begin(struct buf *out)
{
	return put_head(out, BATCH_MAGIC);
}

static enum err put_event(struct buf *out, const struct sink_event *event, uint32_t bytes)
{
	struct sink_event copy = *event;
	struct bytes *texts[TEXTS];
	enum err e = buf_put_u32(out, bytes);

	texts_of(&copy, texts);
	if (!e)
		e = buf_put_u64(out, event->time_ns);
	if (!e)
		e = buf_put_u8(out, (uint8_t)event->kind);
	if (!e)
		e = buf_put_u8(out, (event->is_heartbeat ? FLAG_HEARTBEAT : 0) |
					    (event->is_refusal ? FLAG_REFUSAL : 0));
	if (!e)
		e = buf_put_u16(out, 0);
	for (unsigned i = 0; !e && i < TEXTS; i++) {
		e = buf_put_u32(out, (uint32_t)texts[i]->len);
		if (!e)
			e = buf_put(out, *texts[i]);
	}
	return e;
}

enum err batch_put(struct buf *out, const struct sink_event *event)
{
	struct sink_event copy = *event;
	struct bytes *texts[TEXTS];
	size_t bytes = EVENT_FIXED, before = out->len;
	enum err e;

	texts_of(&copy, texts);
	for (unsigned i = 0; i < TEXTS; i++) {
		if (texts[i]->len > BATCH_MESSAGE_MAX)
			return ERR_LIMIT;
		bytes += 4 + texts[i]->len;
	}
	if (out->len > BATCH_MESSAGE_MAX || bytes + 4 > BATCH_MESSAGE_MAX - out->len)
		return ERR_LIMIT;
	e = buf_reserve(out, bytes + 4);
	if (!e)
		e = put_event(out, event, (uint32_t)bytes);
	if (e)
		out->len = before;
	return e;
}

void batch_end(struct buf *out)
{
	store_u32(out->at + 4, (uint32_t)out->len);
}

enum err batch_length(const uint8_t head[BATCH_HEAD_BYTES], size_t *ret_bytes)
{
	struct cursor c = cursor_over(bytes_of(head, BATCH_HEAD_BYTES));
	uint32_t magic = cursor_u32(&c), bytes = cursor_u32(&c);
	bool is_answer = magic == ANSWER_MAGIC;

	if (!is_answer && magic != BATCH_MAGIC)
		return ERR_BAD;
	if (bytes < (is_answer ? ANSWER_FIXED : BATCH_HEAD_BYTES))
		return ERR_BAD;
	if (bytes > (is_answer ? BATCH_ANSWER_MAX : BATCH_MESSAGE_MAX))
		return ERR_LIMIT;
	*ret_bytes = bytes;
	return OK;
}

/* A cursor behind the head of exactly this message. */
static enum err begin(struct bytes message, uint32_t magic, struct cursor *ret_cursor)
{
	struct cursor c = cursor_over(message);
	size_t bytes = 0;
	enum err e = message.len < BATCH_HEAD_BYTES ? ERR_BAD : batch_length(message.at, &bytes);

	if (e)
		return e;
	if (bytes != message.len || cursor_u32(&c) != magic)
		return ERR_BAD;
	(void)cursor_u32(&c);
	*ret_cursor = c;
	return OK;
}

static enum err count_events(struct cursor c, size_t *ret_count)
{
	size_t count = 0;

	for (; cursor_left(&c); count++) {
		if (count == BATCH_EVENTS_MAX)
			return ERR_LIMIT;
		(void)cursor_take(&c, cursor_u32(&c));
		if (c.bad)
			return ERR_BAD;
	}
	*ret_count = count;
	return count ? OK : ERR_BAD;
}

static enum err parse_event(struct bytes text, struct sink_event *event)
{
	struct cursor c = cursor_over(text);
	struct bytes *texts[TEXTS];
	uint8_t flags;

	texts_of(event, texts);
	event->time_ns = cursor_u64(&c);
	event->kind = (enum record_kind)cursor_u8(&c);
	flags = cursor_u8(&c);
	event->is_heartbeat = flags & FLAG_HEARTBEAT;
	event->is_refusal = flags & FLAG_REFUSAL;
	if (cursor_u16(&c) || flags & ~FLAGS_ALL)
		return ERR_BAD;
	for (unsigned i = 0; i < TEXTS; i++)
		*texts[i] = cursor_take(&c, cursor_u32(&c));
	return c.bad || cursor_left(&c) ? ERR_BAD : OK;
}

enum err batch_parse(struct bytes message, struct sink_event **ret_events, size_t *ret_count)
{
	struct sink_event *events;
	struct cursor c;
	size_t count = 0;
	enum err e = begin(message, BATCH_MAGIC, &c);

	if (!e)
		e = count_events(c, &count);
	if (e)
		return e;
	events = calloc(count, sizeof *events);
	if (!events)
		return ERR_NOMEM;
	for (size_t i = 0; !e && i < count; i++)
		e = parse_event(cursor_take(&c, cursor_u32(&c)), &events[i]);
	if (e) {
		free(events);
		return e;
	}
	*ret_events = events;
	*ret_count = count;
	return OK;
}

/* ---- answers ---- */

enum err batch_put_answer(struct buf *out, const struct sink_answer *answer, size_t count)
{
	size_t text_len = strnlen(answer->text, sizeof answer->text);
	bool partly = answer->result == SINK_PARTLY;
	enum err e;

	if (count > BATCH_EVENTS_MAX)
		return ERR_LIMIT;
	e = put_head(out, ANSWER_MAGIC);
	if (!e)
		e = buf_put_u32(out, (uint8_t)answer->result); /* and three zeros */
	if (!e)
		e = buf_put_u32(out, answer->retry_after_ms);
	if (!e)
		e = buf_put_u32(out, (uint32_t)count);
	if (!e)
		e = buf_put_u32(out, (uint32_t)text_len);
	if (!e)
		e = buf_put(out, bytes_of(answer->text, text_len));
	if (!e && partly)
		e = buf_put(out, bytes_of(answer->results, count));
	if (!e)
		batch_end(out);
	return e;
}

static bool is_result(uint32_t result)
{
	return result <= SINK_WRONG;
}

static enum err parse_results(struct cursor *c, size_t count, struct sink_answer *answer)
{
	struct bytes each;

	if (answer->result != SINK_PARTLY) {
		memset(answer->results, answer->result, count);
		return OK;
	}
	each = cursor_take(c, count);
	for (size_t i = 0; i < each.len; i++) {
		if (!is_result(each.at[i]) || each.at[i] == SINK_PARTLY)
			return ERR_BAD;
		answer->results[i] = each.at[i];
	}
	return c->bad ? ERR_BAD : OK;
}

enum err batch_parse_answer(struct bytes message, size_t count, struct sink_answer *ret_answer)
{
	struct sink_answer answer = {.results = ret_answer->results};
	struct bytes text;
	struct cursor c;
	uint32_t result;
	enum err e = begin(message, ANSWER_MAGIC, &c);

	if (e)
		return e;
	result = cursor_u32(&c);
	answer.retry_after_ms = cursor_u32(&c);
	if (!is_result(result) || cursor_u32(&c) != count)
		return ERR_BAD;
	text = cursor_take(&c, cursor_u32(&c));
	if (c.bad || text.len >= SINK_ANSWER_MAX)
		return ERR_BAD;
	/* Through sink_answer's way: it may say what a stranger said. */
	sink_answer(&answer, (enum sink_result)result, "", text);
	e = parse_results(&c, count, &answer);
	if (!e && cursor_left(&c))
		e = ERR_BAD;
	if (!e)
		*ret_answer = answer;
	return e;
}
