/* SPDX-License-Identifier: MIT */
#include "drain/line.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000u

/* ---- events ---- */

struct text {
	size_t offset; /* of its view in struct sink_event */
};

static const struct text texts[] = {
	{offsetof(struct sink_event, id)},          {offsetof(struct sink_event, process)},
	{offsetof(struct sink_event, host)},        {offsetof(struct sink_event, environment)},
	{offsetof(struct sink_event, application)}, {offsetof(struct sink_event, provider)},
	{offsetof(struct sink_event, model)},       {offsetof(struct sink_event, json)},
	{offsetof(struct sink_event, otlp)},        {offsetof(struct sink_event, path)},
};

#define TEXTS (sizeof texts / sizeof texts[0])

static struct bytes *text_of(struct sink_event *event, size_t i)
{
	return (struct bytes *)(void *)((uint8_t *)event + texts[i].offset);
}

struct line_event *line_event_new(const struct sink_event *event)
{
	struct sink_event copy = *event;
	struct line_event *e;
	size_t bytes = 0, at = 0;

	for (size_t i = 0; i < TEXTS; i++) {
		size_t len = text_of(&copy, i)->len;
		if (len > SIZE_MAX / 2 - bytes)
			return NULL;
		bytes += len;
	}
	e = malloc(sizeof *e + bytes);
	if (!e)
		return NULL;
	*e = (struct line_event){.event = copy, .bytes = bytes};
	for (size_t i = 0; i < TEXTS; i++) {
		struct bytes *view = text_of(&e->event, i);
		if (view->len)
			memcpy(e->memory + at, view->at, view->len);
		view->at = e->memory + at;
		at += view->len;
	}
	return e;
}

/* ---- when ---- */

uint64_t line_pause_ms(const struct line_rules *rules, uint32_t failures, uint32_t retry_after_ms,
		       uint64_t chance)
{
	uint64_t bound = rules->retry_first_ms, pause;

	while (failures > 1 && bound < rules->retry_max_ms) {
		bound *= 2;
		failures--;
	}
	if (bound > rules->retry_max_ms)
		bound = rules->retry_max_ms;
	pause = chance % (bound + 1);
	if (retry_after_ms > LINE_RETRY_AFTER_MAX_MS)
		retry_after_ms = LINE_RETRY_AFTER_MAX_MS;
	return pause > retry_after_ms ? pause : retry_after_ms;
}

static size_t events_max(const struct line *l, const struct line_rules *rules)
{
	return l->limit && l->limit < rules->batch_events ? l->limit : rules->batch_events;
}

uint64_t line_due(const struct line *l, const struct line_rules *rules, bool flushing)
{
	uint64_t due_ns;

	if (!l->count || l->under_way)
		return UINT64_MAX;
	/* What was tried already has waited; a full batch does not. */
	if (flushing || l->first->tried || l->count >= events_max(l, rules) ||
	    l->bytes >= rules->batch_bytes)
		due_ns = 0;
	else
		due_ns = l->first->queued_ns + (uint64_t)rules->batch_wait_ms * NS_PER_MS;
	return due_ns > l->pause_until_ns ? due_ns : l->pause_until_ns;
}

/* ---- the line ---- */

void line_put(struct line *l, struct line_event *event)
{
	event->next = NULL;
	if (l->last)
		l->last->next = event;
	else
		l->first = event;
	l->last = event;
	l->count++;
	l->bytes += event->bytes;
}

size_t line_take(struct line *l, const struct line_rules *rules)
{
	size_t max = events_max(l, rules), count = 0, bytes = 0;

	for (struct line_event *e = l->first; e && count < max; e = e->next) {
		if (count && e->bytes > rules->batch_bytes - bytes)
			break;
		e->tried = true;
		count++;
		bytes += e->bytes;
		if (bytes >= rules->batch_bytes)
			break;
	}
	l->under_way = count;
	return count;
}

/* ---- after an answer ---- */

struct judging {
	struct line *line;
	const struct line_rules *rules;
	const struct sink_answer *answer;
	size_t count;
	bool alone; /* a refusal means this event and no other */
	struct line_tally tally;
};

static enum sink_result result_of(const struct judging *j, size_t i)
{
	if (j->answer->result == SINK_PARTLY && j->answer->results &&
	    j->answer->results[i] < SINK_PARTLY)
		return (enum sink_result)j->answer->results[i];
	return j->answer->result == SINK_PARTLY ? SINK_RETRY : j->answer->result;
}

/* True: the event leaves the line. */
static bool judge(struct judging *j, struct line_event *e, size_t i, enum line_end *ret_how)
{
	enum sink_result result = result_of(j, i);

	if (result == SINK_DELIVERED) {
		*ret_how = LINE_DELIVERED;
		j->tally.delivered++;
		return true;
	}
	if (result == SINK_REFUSED && j->alone) {
		j->tally.refused++;
		e->refusals++;
		if (j->rules->dead_letter_after && e->refusals >= j->rules->dead_letter_after) {
			*ret_how = LINE_DEAD;
			j->tally.dead++;
			return true;
		}
	}
	j->tally.again++;
	return false;
}

static void set_limit(struct line *l, const struct line_rules *rules, size_t limit)
{
	l->limit = limit >= rules->batch_events ? 0 : limit;
}

/* How large the next batch may be, and when it goes. */
static void plan(struct judging *j, uint64_t now_ns, uint64_t chance)
{
	struct line *l = j->line;
	bool halve = j->answer->result == SINK_REFUSED && !j->alone;

	j->tally.progressed = j->tally.delivered || j->tally.dead;
	if (j->tally.progressed)
		l->failures = 0;
	if (halve) {
		set_limit(l, j->rules, j->count / 2);
		l->pause_until_ns = now_ns;
		return;
	}
	if (!j->tally.again) {
		set_limit(l, j->rules, l->limit * 2);
		l->pause_until_ns = 0;
		return;
	}
	l->failures++;
	l->pause_until_ns = now_ns + line_pause_ms(j->rules, l->failures, j->answer->retry_after_ms,
						   chance) *
					     NS_PER_MS;
}

struct line_tally line_answer(struct line *l, const struct line_rules *rules,
			      const struct sink_answer *answer, uint64_t now_ns, uint64_t chance,
			      void (*on_end)(void *context, struct line_event *event,
					     enum line_end how),
			      void *context)
{
	struct judging j = {.line = l, .rules = rules, .answer = answer, .count = l->under_way};
	struct line_event **at = &l->first, *stays = NULL;

	j.alone = j.count == 1 || answer->result == SINK_PARTLY;
	for (size_t i = 0; i < j.count; i++) {
		struct line_event *e = *at;
		enum line_end how;
		if (!judge(&j, e, i, &how)) {
			stays = e;
			at = &e->next;
			continue;
		}
		*at = e->next;
		if (l->last == e)
			l->last = stays;
		l->count--;
		l->bytes -= e->bytes;
		on_end(context, e, how);
	}
	l->under_way = 0;
	plan(&j, now_ns, chance);
	return j.tally;
}

void line_done(struct line *l)
{
	while (l->first) {
		struct line_event *e = l->first;
		l->first = e->next;
		free(e);
	}
	*l = (struct line){0};
}
