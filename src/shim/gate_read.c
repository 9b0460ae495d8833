/* SPDX-License-Identifier: MIT */
#include "shim/gate_state.h"

#include <string.h>

#include "shim/quota.h"

/* Bytes of an answer that was changed. */
static size_t serve_clean(struct gate *g, uint8_t *out, size_t cap, bool peek)
{
	struct bytes left = bytes_slice(bytes_from(buf_view(&g->clean), g->clean_served), 0, cap);

	if (left.len)
		memcpy(out, left.at, left.len);
	if (peek)
		return left.len;
	g->clean_served += left.len;
	if (g->clean_served < g->clean.len)
		return left.len;
	g->clean_served = 0;
	buf_reset(&g->clean);
	if (g->drop.mode == DROP_OFF && !g->cut) {
		buf_done(&g->clean);
		usage_drop_done(&g->drop);
		__atomic_store_n(&g->changing, false, __ATOMIC_RELEASE);
	}
	return left.len;
}

static bool has_something_to_serve(struct gate *g)
{
	return __atomic_load_n(&g->refused, __ATOMIC_ACQUIRE) || gate_is_changing(g);
}

enum gate_serving gate_serve(struct gate *g, uint8_t *out, size_t cap, bool peek, size_t *ret_len)
{
	enum gate_serving serving = GATE_NOTHING;
	struct bytes left;

	if (!has_something_to_serve(g) || !gate_enter(g))
		return GATE_NOTHING;
	left = bytes_slice(bytes_from(gate_refusal(g), g->served), 0, cap);
	if (g->clean_served < g->clean.len) {
		*ret_len = serve_clean(g, out, cap, peek);
		serving = GATE_SERVED;
	} else if (g->cut) {
		*ret_len = 0;
		serving = GATE_END;
	} else if (g->refused && !exchange_awaited(g->exchange)) {
		serving = left.len ? GATE_SERVED : GATE_END;
		if (left.len)
			memcpy(out, left.at, left.len);
		if (!peek)
			g->served += left.len;
		*ret_len = left.len;
	}
	lock_drop(&g->lock);
	return serving;
}

size_t gate_pending(struct gate *g)
{
	size_t pending = 0;

	if (!has_something_to_serve(g) || !gate_enter(g))
		return 0;
	pending = g->clean.len - g->clean_served;
	if (!pending && g->refused && !exchange_awaited(g->exchange))
		pending = gate_refusal(g).len - g->served;
	lock_drop(&g->lock);
	return pending;
}

bool gate_is_changing(struct gate *g)
{
	return __atomic_load_n(&g->changing, __ATOMIC_ACQUIRE);
}

size_t gate_read(struct gate *g, uint8_t *data, size_t len, size_t cap)
{
	if (!gate_enter(g))
		return len;
	exchange_feed_answer(g->exchange, bytes_of(data, len), sys_monotonic_ns());
	gate_wake_if_due(g);
	if (g->changing) {
		g->cut = g->cut || usage_drop_feed(&g->drop, bytes_of(data, len), &g->clean);
		len = serve_clean(g, data, cap, false);
	}
	lock_drop(&g->lock);
	return len;
}

void gate_read_as_is(struct gate *g, struct bytes data)
{
	if (!gate_enter(g))
		return;
	exchange_feed_answer(g->exchange, data, sys_monotonic_ns());
	gate_wake_if_due(g);
	/* What is held would have to come before: it cannot, so there is an end. */
	if (g->changing) {
		g->cut = g->drop.event.len || g->clean_served < g->clean.len;
		g->drop.mode = DROP_OFF;
	}
	lock_drop(&g->lock);
}

bool gate_ended(struct gate *g)
{
	bool waits;

	if (!gate_enter(g))
		return false;
	if (exchange_awaited(g->exchange))
		exchange_end(g->exchange, OUTCOME_ABORTED_BY_PROVIDER, sys_monotonic_ns());
	gate_wake_if_due(g);
	if (g->changing)
		g->cut = usage_drop_end(&g->drop, &g->clean) || g->cut;
	waits = g->clean_served < g->clean.len;
	lock_drop(&g->lock);
	return waits;
}

void gate_on_part(void *context, struct exchange *x)
{
	gate_log_part(context);
}

void gate_on_answer(void *context, struct exchange *x, enum outcome outcome)
{
	struct gate *g = context;
	const struct following *f = exchange_following(x);
	const struct sent *sent = exchange_oldest(x);
	struct asked asked;
	bool known = sent && asked_take(&g->asked, sent->id, &asked);

	/* A stream that runs until close says by its last event whether it was whole. */
	if (outcome == OUTCOME_COMPLETE && f->is_stream && !f->answer.terminated && !f->has_end &&
	    f->cut_by_close)
		outcome = OUTCOME_ABORTED_BY_PROVIDER;
	if (sent) {
		const struct quota_answer used = {sent->id, g->rules, f, known ? &asked : NULL,
						  outcome};
		quota_settle(&g->tickets, &used);
	}
	gate_log_answer(g, known ? &asked : NULL, outcome);
}
