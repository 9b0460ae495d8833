/* SPDX-License-Identifier: MIT */
#include "drain/http/delivery.h"

#include <string.h>

void delivery_begin(struct delivery *d, struct sink_answer *answer, size_t count)
{
	*d = (struct delivery){.count = count, .answer = answer};
	memset(answer->results, SINK_RETRY, count);
	answer->result = SINK_DELIVERED; /* the worst so far: whose text is told */
	answer->retry_after_ms = 0;
	answer->text[0] = 0;
}

/* How much people want to hear of it. */
static unsigned weight(enum sink_result result)
{
	switch (result) {
	case SINK_DELIVERED:
		return 0;
	case SINK_PARTLY:
		return 1;
	case SINK_REFUSED:
		return 2;
	case SINK_RETRY:
		return 3;
	case SINK_WRONG:
		return 4;
	}
	return 3;
}

static void tell(struct delivery *d, const struct sink_answer *said)
{
	struct sink_answer *a = d->answer;

	if (a->text[0] && weight(said->result) <= weight(a->result))
		return;
	a->result = said->result;
	memcpy(a->text, said->text, sizeof a->text);
	if (said->retry_after_ms > a->retry_after_ms)
		a->retry_after_ms = said->retry_after_ms;
}

void delivery_note(struct delivery *d, size_t count, const struct sink_answer *said)
{
	bool is_over = said->result == SINK_DELIVERED || said->result == SINK_REFUSED;

	tell(d, said);
	if (!is_over) {
		d->is_stopped = true;
		return;
	}
	memset(d->answer->results + d->done, said->result, count);
	d->done += count;
}

void delivery_note_each(struct delivery *d, size_t count, const uint8_t *results,
			const struct sink_answer *said)
{
	tell(d, said);
	for (size_t i = 0; i < count; i++) {
		bool is_over = results[i] == SINK_DELIVERED || results[i] == SINK_REFUSED;
		d->answer->results[d->done + i] = is_over ? results[i] : SINK_RETRY;
		d->is_stopped = d->is_stopped || !is_over;
	}
	d->done += count;
}

void delivery_end(struct delivery *d)
{
	struct sink_answer *a = d->answer;

	for (size_t i = 1; i < d->count; i++) {
		if (a->results[i] != a->results[0]) {
			a->result = SINK_PARTLY;
			return;
		}
	}
	if (d->count && !(a->results[0] == SINK_RETRY && a->result == SINK_WRONG))
		a->result = (enum sink_result)a->results[0];
}
