/* SPDX-License-Identifier: MIT */
#include "limits/store.h"

#include <string.h>

#include "base/sys.h"
#include "limits/holders.h"
#include "limits/meters.h"
#include "limits/store_file.h"

/* ---- taking ---- */

/* The meters of one call, as they were and as they will be. */
struct work {
	int fd;
	struct meters meters;
	size_t count;
	const struct limits_scope *scopes;
	struct meter before[LIMITS_SCOPES_MAX], after[LIMITS_SCOPES_MAX];
	struct meters_place places[LIMITS_SCOPES_MAX];
};

static bool is_held(const struct limits_scope *s)
{
	return limit_given(&s->values, LIMIT_CONCURRENT_REQUESTS);
}

/* Before a limit on what is under way refuses, what dead processes held is taken off. */
static enum err recount_if_met(struct work *w, size_t i, uint64_t now_ns)
{
	struct meter *a = &w->after[i];

	if (!is_held(&w->scopes[i]) || !a->running ||
	    a->running < w->scopes[i].values.value[LIMIT_CONCURRENT_REQUESTS] ||
	    (now_ns >= a->recounted_ns && now_ns - a->recounted_ns < LIMITS_RECOUNT_NS))
		return OK;
	a->recounted_ns = now_ns;
	enum err e = holders_count(w->fd, bytes_str(a->name), now_ns, true, &a->running);
	return e ? e : meters_put(&w->meters, a, w->places[i].at);
}

static enum err load(struct work *w, uint64_t now_ns)
{
	for (size_t i = 0; i < w->count; i++) {
		struct meter *a = &w->after[i];
		enum err e = meters_find(&w->meters, w->scopes[i].name, now_ns, a, &w->places[i]);
		if (e)
			return e;
		if (!w->places[i].found && !w->places[i].has_free)
			return ERR_FULL;
		meter_roll(a, now_ns);
		if (w->places[i].found)
			e = recount_if_met(w, i, now_ns);
		if (e)
			return e;
		if (!w->places[i].found)
			a->touched_ns = now_ns; /* else it is free, and the next one goes there */
		w->before[i] = *a;
		if (!w->places[i].found)
			e = meters_put(&w->meters, &w->before[i], w->places[i].at);
		if (e)
			return e;
	}
	return OK;
}

static enum err refuse_if_met(struct work *w, const struct limits_amounts *wanted, uint64_t now_ns,
			      struct limits_refusal *ret_refusal)
{
	struct meter_refusal r;
	bool refused = false;

	ret_refusal->observed = false;
	for (size_t i = 0; i < w->count; i++) {
		bool observed = w->scopes[i].observed;
		if (meter_allows(&w->after[i], &w->scopes[i].values, wanted, now_ns, &r))
			continue;
		if (refused && observed && !ret_refusal->observed)
			continue;
		if (!refused || observed != ret_refusal->observed ||
		    meter_holds_longer(&r, &ret_refusal->at))
			*ret_refusal = (struct limits_refusal){i, r, false, observed};
		refused = true;
	}
	if (!refused)
		return OK;
	struct meter *a = &w->after[ret_refusal->scope];
	ret_refusal->alert = meter_tell_refusal(a, ret_refusal->at.kind);
	if (ret_refusal->alert)
		(void)!meters_put(&w->meters, a, w->places[ret_refusal->scope].at);
	return ret_refusal->observed ? OK : ERR_LIMIT;
}

/* Who holds is written before what is held: what a killed process leaves is never too little. */
static enum err charge(struct work *w, const struct limits_process *me,
		       const struct limits_amounts *wanted, uint64_t now_ns)
{
	size_t held = 0, written = 0;
	enum err e = OK;
	bool had;

	for (; held < w->count; held++) {
		if (is_held(&w->scopes[held]))
			e = holders_add(w->fd, bytes_str(w->after[held].name), me, now_ns);
		if (e)
			break;
	}
	for (; written < w->count && !e; written++) {
		struct meter *a = &w->after[written];
		meter_charge(a, &w->scopes[written].values, wanted, now_ns);
		if (is_held(&w->scopes[written]))
			a->running = a->running < UINT32_MAX ? a->running + 1 : UINT32_MAX;
		e = meters_put(&w->meters, a, w->places[written].at);
	}
	if (!e)
		e = meters_flush(&w->meters);
	if (!e)
		return OK;
	/* All or none. */
	while (written > 0) {
		written--;
		(void)!meters_put(&w->meters, &w->before[written], w->places[written].at);
	}
	(void)!meters_flush(&w->meters);
	while (held > 0) {
		held--;
		if (is_held(&w->scopes[held]))
			(void)!holders_remove(w->fd, bytes_str(w->after[held].name), me, now_ns,
					      &had);
	}
	return e;
}

static void put_ticket(const struct work *w, const struct limits_process *me,
		       const struct limits_amounts *wanted, struct limits_ticket *t)
{
	t->count = w->count;
	t->taken = *wanted;
	t->who = *me;
	for (size_t i = 0; i < w->count; i++) {
		t->scopes[i] = w->scopes[i];
		t->windows[i] = (struct meter_windows){w->after[i].day, w->after[i].month};
	}
}

/* Of the scopes that were given, those without limits too. */
static size_t place_among(const struct limits_scope *scopes, size_t count, const char *name)
{
	size_t i = 0;

	while (i + 1 < count && strcmp(scopes[i].name, name) != 0)
		i++;
	return i;
}

enum err limits_take(struct limits_kept *kept, const char *directory,
		     const struct limits_process *me, const struct limits_scope *scopes,
		     size_t count, const struct limits_amounts *wanted, uint64_t now_ns,
		     struct limits_ticket *ret_ticket, struct limits_refusal *ret_refusal)
{
	struct limits_scope with[LIMITS_SCOPES_MAX];
	struct work w = {.fd = -1, .scopes = with};
	enum err e;

	if (count > LIMITS_SCOPES_MAX)
		return ERR_USAGE;
	for (size_t i = 0; i < count; i++)
		if (scopes[i].values.given)
			with[w.count++] = scopes[i];
	ret_refusal->observed = false;
	if (!w.count) {
		put_ticket(&w, me, wanted, ret_ticket);
		return OK;
	}
	e = store_file_open(kept, directory, &w.fd);
	if (e)
		return e;
	meters_init(&w.meters, w.fd);
	e = load(&w, now_ns);
	if (!e)
		e = refuse_if_met(&w, wanted, now_ns, ret_refusal);
	if (e == ERR_LIMIT || (!e && ret_refusal->observed))
		ret_refusal->scope = place_among(scopes, count, with[ret_refusal->scope].name);
	if (!e)
		e = charge(&w, me, wanted, now_ns);
	else if (e == ERR_LIMIT)
		(void)!meters_flush(&w.meters); /* what was told and counted anew */
	store_file_finish(kept, w.fd);
	if (!e)
		put_ticket(&w, me, wanted, ret_ticket);
	return e;
}

/* ---- carried on by a child ---- */

/* When the taker is dead, what it held may have been taken off already. */
static enum err hand_over(struct meters *m, const char *name, const struct limits_process *from,
			  const struct limits_process *to, uint64_t now_ns)
{
	struct meter a;
	struct meters_place place;
	bool had = false;
	enum err e = holders_add(m->fd, bytes_str(name), to, now_ns);

	if (!e)
		e = holders_remove(m->fd, bytes_str(name), from, now_ns, &had);
	if (e || had)
		return e;
	e = meters_find(m, name, now_ns, &a, &place);
	if (e || !place.found || a.running == UINT32_MAX)
		return e;
	a.running++;
	return meters_put(m, &a, place.at);
}

enum err limits_adopt(struct limits_kept *kept, const char *directory,
		      const struct limits_process *me, uint64_t now_ns,
		      struct limits_ticket *ticket)
{
	struct meters m;
	bool held = false;
	enum err e = OK;
	int fd = -1;

	for (size_t i = 0; i < ticket->count && i < LIMITS_SCOPES_MAX; i++)
		held = held || is_held(&ticket->scopes[i]);
	if (!held) {
		ticket->who = *me;
		return OK;
	}
	e = store_file_open(kept, directory, &fd);
	if (e)
		return e;
	meters_init(&m, fd);
	for (size_t i = 0; i < ticket->count && i < LIMITS_SCOPES_MAX && !e; i++)
		if (is_held(&ticket->scopes[i]))
			e = hand_over(&m, ticket->scopes[i].name, &ticket->who, me, now_ns);
	if (!e)
		e = meters_flush(&m);
	store_file_finish(kept, fd);
	if (!e)
		ticket->who = *me;
	return e;
}

/* ---- settling ---- */

static enum err settle_one(struct meters *m, const struct limits_ticket *t, size_t i,
			   const struct limits_amounts *used, uint64_t now_ns,
			   struct limits_alert *alerts, size_t *alert_count)
{
	const struct limits_scope *s = &t->scopes[i];
	struct meter a;
	struct meters_place place;
	enum limit_kind kind;
	enum err e = OK;
	bool held = false;
	unsigned percent;

	/* What was taken off as a dead process's, or went to a child, is not under way twice. */
	if (is_held(s))
		e = holders_remove(m->fd, bytes_str(s->name), &t->who, now_ns, &held);
	if (e)
		return e;
	e = meters_find(m, s->name, now_ns, &a, &place);
	if (e || !place.found)
		return e;
	meter_roll(&a, now_ns);
	meter_settle(&a, &s->values, &t->taken, used, t->windows[i], now_ns);
	if (held && a.running)
		a.running--;
	while ((percent = meter_next_alert(&a, &s->values, &kind)) &&
	       *alert_count < LIMITS_ALERTS_MAX)
		alerts[(*alert_count)++] = (struct limits_alert){
			i,
			kind,
			percent,
			meter_used(&a, &s->values, kind, now_ns),
			s->values.value[kind],
			meter_resets_ns(&a, kind, now_ns)};
	return meters_put(m, &a, place.at);
}

static bool has_to_settle(const struct limits_ticket *t, size_t i,
			  const struct limits_amounts *used)
{
	return is_held(&t->scopes[i]) || meter_has_to_settle(&t->scopes[i].values, &t->taken, used);
}

enum err limits_settle(struct limits_kept *kept, const char *directory,
		       const struct limits_ticket *ticket, const struct limits_amounts *used,
		       uint64_t now_ns, struct limits_alert ret_alerts[LIMITS_ALERTS_MAX],
		       size_t *ret_alert_count)
{
	size_t count = ticket->count < LIMITS_SCOPES_MAX ? ticket->count : LIMITS_SCOPES_MAX;
	enum err e, first = OK;
	struct meters m;
	bool any = false;
	int fd = -1;

	*ret_alert_count = 0;
	for (size_t i = 0; i < count; i++)
		any = any || has_to_settle(ticket, i, used);
	if (!any)
		return OK;
	e = store_file_open(kept, directory, &fd);
	if (e)
		return e;
	meters_init(&m, fd);
	for (size_t i = 0; i < count; i++) {
		e = has_to_settle(ticket, i, used)
			    ? settle_one(&m, ticket, i, used, now_ns, ret_alerts, ret_alert_count)
			    : OK;
		if (!first)
			first = e;
	}
	e = meters_flush(&m);
	if (!first)
		first = e;
	store_file_finish(kept, fd);
	return first;
}

/* ---- reading ---- */

enum err limits_read(const char *directory, const char *name, uint64_t now_ns,
		     struct meter *ret_meter)
{
	struct meters_place place;
	struct meters m;
	struct meter a;
	int fd = -1;
	enum err e = store_file_open_to_read(directory, &fd);

	if (e)
		return e;
	meters_init(&m, fd);
	e = meters_find(&m, name, now_ns, &a, &place);
	if (!e && !place.found)
		e = ERR_MISSING;
	if (!e)
		e = holders_count(fd, bytes_str(name), now_ns, false, &a.running);
	sys_close(fd);
	if (e)
		return e;
	meter_roll(&a, now_ns);
	*ret_meter = a;
	return OK;
}
