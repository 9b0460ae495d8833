/* SPDX-License-Identifier: MIT */
#include "drain/feed.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "drain/feed_part.h"

#define READ_ITEMS_MAX    256 /* in one turn */
#define READ_AGAIN_MS     1000
#define READ_AGAIN_MS_MIN 50
#define QUEUE_BATCHES     3 /* of events that wait for a line, and no less than: */
#define QUEUE_EVENTS_MIN  1024
#define TURN_MS_MAX       1000
#define STOP_WAIT_MS      2000
#define RESTART_MS_MAX    30000
#define PULSE_MARGIN      2

/* ---- lines ---- */

/* FNV-1a: events of one process go one way. */
static struct feed_way *way_of(struct feed *f, struct bytes process)
{
	uint64_t hash = UINT64_C(0xCBF29CE484222325);

	for (size_t i = 0; i < process.len; i++)
		hash = (hash ^ process.at[i]) * UINT64_C(0x100000001B3);
	return &f->ways[hash % f->way_count];
}

static void put(struct feed *f, struct feed_way *way, struct line_event *event, uint64_t now_ns)
{
	event->queued_ns = now_ns;
	f->queued++;
	f->queue_bytes += event->bytes;
	line_put(&way->line, event);
}

static bool is_full(const struct feed *f)
{
	return f->stuck || f->queue_bytes >= f->queue_bytes_max || f->queued >= f->queue_events_max;
}

/* ---- reading ---- */

static bool wants(const struct feed *f, const struct source_item *item)
{
	const struct drain_filter *filter = &f->config->filter;

	if (item->kind == SOURCE_SEGMENT)
		return true;
	/* That something of the log cannot be read concerns whoever gets it, whatever he filters.
	 */
	if (item->kind != SOURCE_ENTRY)
		return !filter->kinds || filter->kinds & UINT64_C(1) << REC_NOTICE;
	return event_passes(filter, item->entry);
}

/* ERR_NOMEM: the same item again, later. */
static enum err take_item(struct feed *f, struct source *source, struct source_item *item,
			  struct line_event **ret_event)
{
	bool has = false, left_out = false;

	if (f->wants_payloads && item->kind == SOURCE_ENTRY) {
		enum err e = source_load_bodies(source, item, f->config->event_bytes_max);
		if (e == ERR_NOMEM)
			return e;
		has = e == OK;
		left_out = e != OK;
	}
	return event_make(&f->maker, item, has, left_out, ret_event);
}

static void read_later(struct feed *f, uint64_t now_ns)
{
	uint64_t ms = f->config->batch_wait_ms;

	if (ms > READ_AGAIN_MS)
		ms = READ_AGAIN_MS;
	if (ms < READ_AGAIN_MS_MIN)
		ms = READ_AGAIN_MS_MIN;
	f->read_again_ns = now_ns + ms * FEED_MS;
}

static void tell_reading(struct feed *f)
{
	struct buf text = {0};

	if (f->read_err && !buf_put_str(&text, "the log cannot be read: ") &&
	    !buf_put_str(&text, err_text(f->read_err)))
		status_text(f->status.problem, buf_view(&text));
	buf_done(&text);
}

/* One item. ERR_MORE: nothing now. */
static enum err read_one(struct feed *f, uint64_t now_ns, uint64_t wall_ns)
{
	struct line_event *event = NULL;
	enum err e = OK;

	if (!f->pending)
		e = source_next(f->source, wall_ns, &f->pending);
	if (e)
		return e;
	if (!wants(f, f->pending)) {
		(void)source_ack(f->source, f->pending->ticket);
		f->status.filtered++;
		f->acked = true;
		f->pending = NULL;
		return OK;
	}
	e = take_item(f, f->source, f->pending, &event);
	if (e)
		return e;
	put(f, way_of(f, f->pending->process), event, now_ns);
	f->pending = NULL;
	return OK;
}

/* ---- replays ---- */

static enum err open_letter(struct feed *f, const struct dead_letter *letter,
			    struct line_event **ret_event)
{
	struct source_options options = {.directory = f->o->directory,
					 .identity_count = f->o->identity_count,
					 .identities = f->o->identities,
					 .with_bodies = f->wants_payloads};
	struct source_item *item = NULL;
	struct source *source = NULL;
	struct buf cursor = {0};
	enum err e = dead_cursor(letter, &cursor);

	if (!e)
		e = source_open(&options, buf_view(&cursor), &source);
	if (!e)
		e = source_next(source, sys_now_ns(), &item);
	if (!e)
		e = take_item(f, source, item, ret_event);
	source_close(source);
	buf_done(&cursor);
	return e;
}

static void replay_one(struct feed *f, const struct dead_letter *letter, uint64_t now_ns)
{
	struct line_event *event = NULL;
	enum err e = open_letter(f, letter, &event);

	if (e) {
		struct buf text = {0};
		if (!buf_put_str(&text, "a dead letter cannot be read again: ") &&
		    !buf_put_str(&text, letter->id) && !buf_put_str(&text, ": ") &&
		    !buf_put_str(&text, err_text(e)))
			status_text(f->status.failure, buf_view(&text));
		f->status.failure_ns = sys_now_ns();
		buf_done(&text);
		return; /* the letter stays */
	}
	event->ticket = 0;
	event->is_replay = true;
	f->replaying++;
	put(f, way_of(f, event->event.process), event, now_ns);
}

static void read_replays(struct feed *f, uint64_t now_ns)
{
	struct dead_letter letter;

	while (f->replay_rest.len && !is_full(f) && feed_next_replay(f, &letter) == OK)
		replay_one(f, &letter, now_ns);
}

/* ---- signs of life ---- */

static uint64_t oldest_s(const struct feed *f)
{
	return status_age_s(&f->status, sys_now_ns());
}

static void pulse(struct feed *f, uint64_t now_ns)
{
	struct event_pulse p = {.host = f->o->host,
				.time_ns = sys_now_ns(),
				.delivered = f->status.delivered,
				.oldest_s = oldest_s(f)};
	struct line_event *event = NULL;

	if (!f->config->heartbeat_s || f->pulse_queued || now_ns < f->pulse_ns)
		return;
	f->pulse_ns = now_ns + (uint64_t)f->config->heartbeat_s * FEED_SECOND;
	if (event_make_pulse(&f->maker, &p, &event))
		return; /* the next one */
	event->ready_ns = p.time_ns;
	f->pulse_queued = true;
	put(f, &f->ways[0], event, now_ns);
}

static void fill(struct feed *f, uint64_t now_ns)
{
	uint64_t wall_ns = sys_now_ns();
	enum err e = OK;

	if (f->ending)
		return;
	pulse(f, now_ns);
	read_replays(f, now_ns);
	if (f->caught_up && now_ns < f->read_again_ns)
		return;
	f->caught_up = false;
	for (int i = 0; !e && i < READ_ITEMS_MAX && !is_full(f); i++)
		e = read_one(f, now_ns, wall_ns);
	if (e) {
		f->caught_up = true;
		read_later(f, now_ns);
	}
	f->read_err = e == ERR_MORE ? OK : e;
}

/* ---- answers ---- */

static void on_end(void *context, struct line_event *event, enum line_end how)
{
	struct feed *f = context;

	f->queued--;
	f->queue_bytes -= event->bytes;
	if (event->event.is_heartbeat) {
		f->pulse_queued = false;
		f->status.heartbeats += how == LINE_DELIVERED;
	} else if (event->is_replay) {
		f->replaying--;
		f->status.delivered += how == LINE_DELIVERED;
		if (how == LINE_DELIVERED &&
		    (buf_put(&f->revived, event->event.id) || buf_put_u8(&f->revived, '\0')))
			buf_reset(&f->revived); /* it is sent again at the next replay */
	} else if (how == LINE_DEAD) {
		feed_bury(f, event, BYTES_NONE);
		return;
	} else {
		f->status.delivered++;
		f->status.bytes += event->bytes;
		(void)source_ack(f->source, event->ticket);
		f->acked = true;
	}
	free(event);
}

static void note_answer(struct feed *f, const struct sink_answer *a)
{
	uint64_t now_ns = sys_now_ns();

	status_text(f->status.answer, bytes_str(a->text));
	if (a->result == SINK_DELIVERED) {
		f->status.success_ns = now_ns;
		f->status.failing_since_ns = 0;
		f->status.wrong = false;
		return;
	}
	status_text(f->status.failure, bytes_str(a->text));
	f->status.failure_ns = now_ns;
	f->status.wrong = a->result == SINK_WRONG;
	if (!f->status.failing_since_ns && a->result != SINK_PARTLY)
		f->status.failing_since_ns = now_ns;
}

static uint64_t chance(void)
{
	uint64_t n = 0;

	if (sys_random(&n, sizeof n))
		n = sys_monotonic_ns();
	return n;
}

static void take_answer(struct feed *f, struct feed_way *way, const struct sink_answer *a,
			uint64_t now_ns)
{
	struct line_tally t;

	note_answer(f, a);
	t = line_answer(&way->line, &f->rules, a, now_ns, chance(), on_end, f);
	f->status.batches += t.again == 0;
	f->status.retries += t.again != 0;
	f->status.refused += t.refused;
	/* Who refuses has not taken it. */
	if (a->result != SINK_REFUSED)
		f->status.duplicates += t.again - t.refused + t.dead;
	feed_save_now(f);
}

/* ---- senders ---- */

static void plan_restart(struct feed *f, struct feed_way *way, uint64_t now_ns)
{
	struct line_rules rules = f->rules;

	if (rules.retry_max_ms > RESTART_MS_MAX)
		rules.retry_max_ms = RESTART_MS_MAX;
	way->failures++;
	way->restart_ns = now_ns + line_pause_ms(&rules, way->failures, 0, chance()) * FEED_MS;
}

static void step_way(struct feed *f, struct feed_way *way, uint64_t now_ns)
{
	bool starting = way->lane.state == LANE_STARTING;
	enum err e = lane_step(&way->lane, now_ns);

	if (e == ERR_MORE)
		return;
	if (e) {
		f->status.restarts += e != ERR_ACCESS;
		plan_restart(f, way, now_ns);
		if (way->line.under_way)
			take_answer(f, way, &way->lane.answer, now_ns);
		else
			note_answer(f, &way->lane.answer);
		return;
	}
	if (starting) {
		f->status.wrong = false;
		return;
	}
	way->failures = 0;
	take_answer(f, way, &way->lane.answer, now_ns);
}

static enum err put_batch(struct buf *message, const struct line *l, size_t count)
{
	const struct line_event *event = l->first;
	enum err e = batch_begin(message);

	for (size_t i = 0; !e && i < count; i++, event = event->next)
		e = batch_put(message, &event->event);
	if (!e)
		batch_end(message);
	return e;
}

static void send_batch(struct feed *f, struct feed_way *way, uint64_t now_ns)
{
	size_t count = line_take(&way->line, &f->rules);
	struct buf message = {0};
	enum err e = put_batch(&message, &way->line, count);

	if (!e)
		e = lane_send(&way->lane, &message, count, &f->lane_options, now_ns);
	buf_done(&message);
	if (e) {
		struct sink_answer a = {.result = SINK_RETRY};
		sink_answer(&a, SINK_RETRY, err_text(e), BYTES_NONE);
		take_answer(f, way, &a, now_ns);
	}
}

static bool is_due(const struct feed *f, const struct feed_way *way, uint64_t now_ns)
{
	bool flushing = is_full(f);

	return way->lane.state == LANE_IDLE && line_due(&way->line, &f->rules, flushing) <= now_ns;
}

static void serve_ways(struct feed *f, uint64_t now_ns)
{
	for (size_t i = 0; i < f->way_count; i++) {
		struct feed_way *way = &f->ways[i];
		step_way(f, way, now_ns);
		if (f->ending)
			continue;
		/* The first one starts at once: what is wrong with a sink shows without an event.
		 */
		if (way->lane.state == LANE_DOWN && (way->line.count || i == 0) &&
		    now_ns >= way->restart_ns && lane_start(&way->lane, &f->lane_options, now_ns))
			plan_restart(f, way, now_ns);
		if (is_due(f, way, now_ns))
			send_batch(f, way, now_ns);
	}
}

/* ---- how it is ---- */

static void count_ways(struct feed *f)
{
	f->status.lanes_down = f->status.under_way = 0;
	for (size_t i = 0; i < f->way_count; i++) {
		const struct feed_way *way = &f->ways[i];
		f->status.under_way += way->line.under_way;
		f->status.lanes_down += way->lane.state == LANE_DOWN &&
					(way->failures || way->line.count);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* The event that waits longest; of what was not read yet, its segment's beginning. */
static uint64_t find_oldest(const struct feed *f)
{
	struct source_state state;
	uint64_t oldest = 0;

	for (size_t i = 0; i < f->way_count; i++) {
		const struct line_event *e = f->ways[i].line.first;
		for (size_t n = 0; e && n < READ_ITEMS_MAX; n++, e = e->next)
			if (!e->event.is_heartbeat && !e->is_replay)
				oldest = earlier(oldest, e->ready_ns);
	}
	source_tell(f->source, &state);
	return state.behind_bytes ? earlier(oldest, state.behind_since_ns) : oldest;
}

static void look_around(struct feed *f, uint64_t now_ns)
{
	struct source_state state;

	if (now_ns - f->looked_ns < FEED_SECOND)
		return;
	f->looked_ns = now_ns;
	source_tell(f->source, &state);
	f->status.damaged = state.damaged + state.unopened + state.unreadable;
	f->status.queued = f->queued;
	f->status.oldest_ns = find_oldest(f);
	count_ways(f);
	f->status.problem[0] = '\0';
	tell_reading(f);
	feed_bury_stuck(f);
	feed_save(f, now_ns);
	if (!f->ending)
		feed_look_for_replay(f);
	feed_say(f, now_ns, false);
}

/* ---- the loop ---- */

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When something is to be done though nothing comes. */
static uint64_t next_turn(const struct feed *f, uint64_t now_ns)
{
	uint64_t next_ns = min(now_ns + (uint64_t)TURN_MS_MAX * FEED_MS,
			       f->looked_ns + FEED_SECOND);

	if (!f->ending && !is_full(f))
		next_ns = f->caught_up ? min(next_ns, f->read_again_ns) : now_ns;
	for (size_t i = 0; i < f->way_count; i++) {
		const struct feed_way *way = &f->ways[i];
		next_ns = min(next_ns, lane_deadline(&way->lane));
		if (!f->ending && way->lane.state == LANE_IDLE)
			next_ns = min(next_ns, line_due(&way->line, &f->rules, is_full(f)));
		if (!f->ending && way->lane.state == LANE_DOWN && way->line.count)
			next_ns = min(next_ns, way->restart_ns);
	}
	return next_ns;
}

static void wait(struct feed *f)
{
	struct pollfd fds[DRAIN_CONCURRENCY_MAX + 1] = {
		{.fd = f->ending ? -1 : f->o->signal_fd, .events = POLLIN}};
	uint64_t now_ns = sys_monotonic_ns(), next_ns = next_turn(f, now_ns);
	int ms = next_ns <= now_ns ? 0 : (int)((next_ns - now_ns + FEED_MS - 1) / FEED_MS);

	for (size_t i = 0; i < f->way_count; i++) {
		short events = lane_events(&f->ways[i].lane);
		fds[i + 1] = (struct pollfd){.fd = events ? f->ways[i].lane.fd : -1,
					     .events = events};
	}
	(void)poll(fds, f->way_count + 1, ms);
	if (fds[0].revents) {
		f->ending = true;
		f->end_ns = sys_monotonic_ns() + (uint64_t)FEED_END_MS * FEED_MS;
	}
}

static bool is_over(const struct feed *f)
{
	if (!f->ending)
		return false;
	for (size_t i = 0; i < f->way_count; i++)
		if (f->ways[i].line.under_way)
			return sys_monotonic_ns() >= f->end_ns;
	return true;
}

static void run(struct feed *f)
{
	while (!is_over(f)) {
		uint64_t now_ns = sys_monotonic_ns();
		fill(f, now_ns);
		serve_ways(f, now_ns);
		/* What was only left out moves the cursor too. */
		if (!f->queued)
			feed_save_now(f);
		look_around(f, now_ns);
		wait(f);
	}
}

static size_t clamp(size_t n, size_t low, size_t high)
{
	return n < low ? low : n > high ? high : n;
}

static void configure(struct feed *f, const struct feed_options *o, int policy_fd)
{
	const struct drain *d = o->config;

	f->o = o;
	f->config = f->maker.config = d;
	f->rules = (struct line_rules){.batch_events = d->batch_events,
				       .batch_bytes = d->batch_bytes,
				       .batch_wait_ms = d->batch_wait_ms,
				       .retry_first_ms = d->retry_first_ms,
				       .retry_max_ms = d->retry_max_ms,
				       .dead_letter_after = d->dead_letter_after};
	f->lane_options = (struct lane_options){.program = o->program,
						.name = f->name,
						.policy_fd = policy_fd,
						.timeout_ms = d->timeout_ms,
						.environment = o->environment};
	f->way_count = clamp(d->concurrency, 1, DRAIN_CONCURRENCY_MAX);
	f->wants_payloads = o->identity_count && event_wants_payloads(d);
	f->queue_bytes_max = clamp((size_t)d->batch_bytes * QUEUE_BATCHES * f->way_count,
				   FEED_QUEUE_BYTES_MIN, FEED_QUEUE_BYTES_MAX);
	f->queue_events_max = clamp((size_t)d->batch_events * QUEUE_BATCHES * f->way_count,
				    QUEUE_EVENTS_MIN, BATCH_EVENTS_MAX);
	f->status = (struct drain_status){.pid = (uint64_t)sys_getpid(),
					  .started_ns = sys_now_ns(),
					  .required = d->required,
					  .max_lag_s = d->max_lag_s,
					  .lanes = f->way_count};
	status_text(f->status.problem, BYTES(""));
}

static void name_status(struct feed *f)
{
	struct bytes type = bytes_str(drain_type_name(f->config->type));

	memcpy(f->status.sink, f->config->name.at, f->config->name.len);
	memcpy(f->status.type, type.at,
	       type.len < STATUS_TYPE_MAX ? type.len : STATUS_TYPE_MAX - 1);
}

static void end(struct feed *f)
{
	uint64_t now_ns = sys_monotonic_ns();

	for (size_t i = 0; i < f->way_count; i++) {
		lane_stop(&f->ways[i].lane, STOP_WAIT_MS);
		lane_done(&f->ways[i].lane);
		line_done(&f->ways[i].line);
	}
	if (f->source) {
		feed_save(f, now_ns);
		status_text(f->status.problem, BYTES("it was stopped"));
		f->status.queued = f->status.under_way = 0;
		feed_say(f, now_ns, true);
	}
	while (f->stuck) {
		struct line_event *event = f->stuck;
		f->stuck = event->next;
		free(event);
	}
	source_close(f->source);
	event_maker_done(&f->maker);
	feed_files_close(f);
}

enum err feed_run(const struct feed_options *o)
{
	struct feed *f = calloc(1, sizeof *f);
	int policy_fd = -1;
	enum err e = f ? lane_policy_file(o->policy_text, &policy_fd) : ERR_NOMEM;

	if (e)
		goto out;
	configure(f, o, policy_fd);
	e = feed_files_open(f);
	if (!e) {
		name_status(f);
		e = feed_files_load(f);
	}
	if (!e) {
		if (o->on_ready)
			o->on_ready();
		feed_say(f, sys_monotonic_ns(), true);
		run(f);
	}
	end(f);
out:
	if (policy_fd >= 0)
		close(policy_fd);
	free(f);
	return e;
}

/* ---- one heartbeat ---- */

static void wait_for_lane(const struct lane *l)
{
	struct pollfd fd = {.fd = l->fd, .events = lane_events(l)};

	(void)poll(&fd, 1, TURN_MS_MAX);
}

static enum err finish_step(struct lane *l)
{
	enum err e;

	while ((e = lane_step(l, sys_monotonic_ns())) == ERR_MORE)
		wait_for_lane(l);
	return e;
}

static enum err test_lane(struct feed *f, struct lane *l)
{
	struct event_pulse p = {.host = f->o->host, .time_ns = sys_now_ns()};
	struct line_event *event = NULL;
	struct buf message = {0};
	enum err e = event_make_pulse(&f->maker, &p, &event);

	if (!e)
		e = lane_start(l, &f->lane_options, sys_monotonic_ns());
	if (!e && finish_step(l) == OK) {
		e = batch_begin(&message);
		if (!e)
			e = batch_put(&message, &event->event);
		if (!e) {
			batch_end(&message);
			e = lane_send(l, &message, 1, &f->lane_options, sys_monotonic_ns());
		}
		if (!e)
			(void)!finish_step(l);
	}
	buf_done(&message);
	free(event);
	return e;
}

enum err feed_test(const struct feed_options *o, char ret_answer[], size_t cap, bool *ret_delivered)
{
	struct feed *f = calloc(1, sizeof *f);
	struct lane lane = {.state = LANE_DOWN};
	int policy_fd = -1;
	enum err e = f ? lane_policy_file(o->policy_text, &policy_fd) : ERR_NOMEM;

	if (e)
		goto out;
	configure(f, o, policy_fd);
	if (o->config->name.len >= sizeof f->name) {
		e = ERR_USAGE;
		goto out;
	}
	memcpy(f->name, o->config->name.at, o->config->name.len);
	e = test_lane(f, &lane);
	if (!e) {
		size_t len = strnlen(lane.answer.text, sizeof lane.answer.text);
		len = len < cap ? len : cap - 1;
		memcpy(ret_answer, lane.answer.text, len);
		ret_answer[len] = '\0';
		*ret_delivered = lane.answer.result == SINK_DELIVERED;
	}
	lane_stop(&lane, STOP_WAIT_MS);
	lane_done(&lane);
	event_maker_done(&f->maker);
out:
	if (policy_fd >= 0)
		close(policy_fd);
	free(f);
	return e;
}
