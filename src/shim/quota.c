/* SPDX-License-Identifier: MIT */
#include "shim/quota.h"

#include <string.h>

#include "audit/place.h"
#include "audit/record.h"
#include "base/sys.h"
#include "limits/store.h"
#include "llm/estimate.h"
#include "policy/phrase.h"
#include "policy/pricing.h"
#include "shim/journal.h"

#define SECOND_NS        UINT64_C(1000000000)
#define DAY_SECONDS      86400
#define FORK_WAIT_NS     100000000u
#define AMOUNT_BYTES_MAX 40

/* What is remembered of a call under way. */
struct ticket {
	char id[ULID_CHARS];
	char directory[PATH_MAX_BYTES]; /* the rules may be others by the end */
	struct limits_ticket limits;
	struct estimate estimate;
	bool adopted; /* taken by this process's parent, which may settle its copy, too */
};

/* The threads of a process take turns: a record lock is the process's. */
static struct lock lock;
static __thread bool fork_locked __attribute__((tls_model("initial-exec")));
static struct limits_process me;
static struct limits_kept kept;

static const struct limits_process *myself(void)
{
	if (me.pid != (uint32_t)sys_process())
		limits_process_self(&me);
	return &me;
}

/* ---- which limits hold ---- */

static size_t scopes_of(const struct decision *d, struct limits_scope scopes[LIMITS_SCOPES_MAX])
{
	_Static_assert(LIMITED_MAX <= LIMITS_SCOPES_MAX, "room for all");
	struct phrase p;

	for (size_t i = 0; i < d->limited_count; i++) {
		struct limits_scope *s = &scopes[i];
		memset(s, 0, sizeof *s);
		phrase_init(&p, s->name, sizeof s->name);
		phrase_put_bytes(&p, d->limited[i].where);
		s->values = *d->limited[i].values;
		s->observed = d->limited[i].observed;
	}
	return d->limited_count;
}

static bool all_observed(const struct limits_scope *scopes, size_t count)
{
	bool all = true;

	for (size_t i = 0; i < count; i++)
		all = all && scopes[i].observed;
	return all;
}

/* ---- what a call takes ---- */

static uint64_t assumed(uint64_t input, uint64_t output)
{
	return input * QUOTA_ASSUMED_INPUT + output * QUOTA_ASSUMED_OUTPUT;
}

static uint64_t price_of(const struct policy *policy, const struct pricing_call *call,
			 uint64_t input, uint64_t output)
{
	struct pricing pricing;

	if (!pricing_is_billed(call->operation))
		return 0;
	return pricing_of(policy, call, NULL, &pricing) == OK ? pricing.picousd
							      : assumed(input, output);
}

static struct limits_amounts amounts_of(const struct quota_call *q, struct estimate *ret_estimate)
{
	struct answer answer;
	struct estimate *e = ret_estimate;
	struct pricing_call call = {.provider = q->provider->name,
				    .asked = bytes_of(q->call->model, q->call->model_len),
				    .answer = &answer,
				    .operation = q->call->operation};

	estimate_call(q->call->operation, q->body, e);
	memset(&answer, 0, sizeof answer);
	answer.has_usage = true;
	answer.usage.presence[USAGE_INPUT] = answer.usage.presence[USAGE_OUTPUT] = PRESENT;
	answer.usage.tokens[USAGE_INPUT] = e->input_tokens;
	answer.usage.tokens[USAGE_OUTPUT] = e->output_tokens;
	return (struct limits_amounts){
		1, e->input_tokens + e->output_tokens,
		e->input_tokens + e->output_tokens
			? price_of(q->rules->policy, &call, e->input_tokens, e->output_tokens)
			: 0};
}

/* ---- saying so ---- */

static void put_amount(struct phrase *p, enum limit_kind kind, uint64_t amount)
{
	struct buf text = {0};

	if (!limit_is_money(kind))
		phrase_put_decimal(p, amount);
	else if (price_put_usd(&text, amount) == OK)
		phrase_put_bytes(p, buf_view(&text));
	buf_done(&text);
}

static const char *unit_of(enum limit_kind kind)
{
	switch (kind) {
	case LIMIT_REQUESTS_PER_MINUTE:
		return " requests of this minute";
	case LIMIT_CONCURRENT_REQUESTS:
		return " requests under way";
	case LIMIT_USD_PER_DAY:
	case LIMIT_USD_PER_MONTH:
		return " US dollars";
	case LIMIT_TOKENS_PER_MINUTE:
		return " tokens of this minute";
	default:
		return " tokens";
	}
}

static void put_rule(struct phrase *p, const char *scope, enum limit_kind kind)
{
	phrase_put(p, scope);
	phrase_put(p, ".limits.");
	phrase_put(p, limit_name(kind));
}

/* "2026-12-01 00:00 UTC": windows end at midnight. */
static void put_midnight(struct phrase *p, uint64_t at_ns)
{
	char day[PLACE_DAY_CHARS + 1];

	place_put_day(at_ns / SECOND_NS / DAY_SECONDS, day);
	phrase_put(p, day);
	phrase_put(p, " 00:00 UTC");
}

static void put_reset(struct phrase *p, const struct meter_refusal *r, uint64_t wait_s)
{
	if (limit_shape(r->kind) == LIMIT_HELD) {
		phrase_put(p, "; try again when one of them has ended");
	} else if (limit_shape(r->kind) == LIMIT_BUDGET) {
		phrase_put(p, "; it begins anew ");
		put_midnight(p, r->resets_ns);
	} else {
		phrase_put(p, "; try again in ");
		phrase_put_decimal(p, wait_s);
		phrase_put(p, " s");
	}
}

static void put_reason(struct decision *d, const char *scope, const struct meter_refusal *r,
		       uint64_t wait_s)
{
	struct phrase p;

	phrase_init(&p, d->reason, sizeof d->reason);
	phrase_put(&p, "the limit ");
	put_rule(&p, scope, r->kind);
	if (!r->limit) {
		phrase_put(&p, " is 0: nothing is allowed");
	} else {
		phrase_put(&p, " is met: ");
		put_amount(&p, r->kind, r->used);
		phrase_put(&p, " of ");
		put_amount(&p, r->kind, r->limit);
		phrase_put(&p, unit_of(r->kind));
		phrase_put(&p, limit_shape(r->kind) == LIMIT_HELD ? "" : " are used");
		if (r->kind != LIMIT_REQUESTS_PER_MINUTE && limit_shape(r->kind) != LIMIT_HELD) {
			phrase_put(&p, ", and this request may take ");
			put_amount(&p, r->kind, r->wanted);
		}
		put_reset(&p, r, wait_s);
	}
	phrase_put(&p, ", or have the limit changed");
}

/* How long to wait, at least a second; 0: for nothing. */
static uint64_t wait_of(const struct meter_refusal *r, uint64_t now_ns)
{
	if (!r->limit)
		return 0;
	if (limit_shape(r->kind) == LIMIT_HELD || r->resets_ns <= now_ns)
		return 1;
	return (r->resets_ns - now_ns + SECOND_NS - 1) / SECOND_NS;
}

static void set_refusal(struct decision *d, int status, const char *code)
{
	d->action = ACTION_REFUSE;
	d->observed = false; /* what was, is not told any more: this is */
	d->status = status;
	d->code = code;
	if (d->receipt != RECEIPT_NONE)
		d->receipt = RECEIPT_REFUSED;
}

static void refuse(struct decision *d, const char *scope, const struct meter_refusal *r,
		   uint64_t wait_s)
{
	struct phrase p;

	set_refusal(d, 429,
		    limit_shape(r->kind) == LIMIT_BUDGET ? "insufficient_quota"
							 : "rate_limit_exceeded");
	phrase_init(&p, d->rule, sizeof d->rule);
	put_rule(&p, scope, r->kind);
	put_reason(d, scope, r, wait_s);
}

static void refuse_unkept(struct decision *d, const char *scope, const char *directory, enum err e)
{
	struct phrase p;

	set_refusal(d, 503, "limits_not_kept");
	phrase_init(&p, d->rule, sizeof d->rule);
	phrase_put(&p, scope);
	phrase_put(&p, ".limits");
	phrase_init(&p, d->reason, sizeof d->reason);
	phrase_put(&p, "what was used of the limits cannot be kept in ");
	phrase_put(&p, directory);
	phrase_put(&p, "/" LIMITS_FILE_NAME " (");
	phrase_put(&p, err_text(e));
	phrase_put(&p, "), and the policy says audit.on_failure: refuse; make it writable");
}

void quota_put_unkept(struct decision *d, enum err e)
{
	struct phrase p = {d->reason, sizeof d->reason, strlen(d->reason), false};

	phrase_put(&p, "; what it uses of the limits could not be kept (");
	phrase_put(&p, err_text(e));
	phrase_put(&p, "), and audit.on_failure is allow");
}

/* ---- alerts ---- */

static void record_alert(struct rules *rules, const char *scope, const struct limits_alert *a)
{
	char rule[RULE_BYTES_MAX], reason[REASON_BYTES_MAX];
	char used[AMOUNT_BYTES_MAX], limit[AMOUNT_BYTES_MAX], resets[PLACE_DAY_CHARS + 1];
	struct buf record = {0};
	struct phrase p;
	bool made;

	phrase_init(&p, rule, sizeof rule);
	put_rule(&p, scope, a->kind);
	phrase_init(&p, reason, sizeof reason);
	put_amount(&p, a->kind, a->used);
	phrase_put(&p, " of ");
	put_amount(&p, a->kind, a->limit);
	phrase_put(&p, unit_of(a->kind));
	phrase_put(&p, " are used; it begins anew ");
	put_midnight(&p, a->resets_ns);
	phrase_init(&p, used, sizeof used);
	put_amount(&p, a->kind, a->used);
	phrase_init(&p, limit, sizeof limit);
	put_amount(&p, a->kind, a->limit);
	place_put_day(a->resets_ns / SECOND_NS / DAY_SECONDS, resets);
	made = !record_put(&record, F_RULE, bytes_str(rule)) &&
	       !record_put(&record, F_REASON, bytes_str(reason)) &&
	       !record_put_u64(&record, F_LIMIT_PERCENT, a->percent) &&
	       !record_put(&record, F_LIMIT_USED, bytes_str(used)) &&
	       !record_put(&record, F_LIMIT_VALUE, bytes_str(limit)) &&
	       !record_put(&record, F_LIMIT_RESETS, bytes_str(resets));
	(void)!journal_append(rules, REC_LIMIT, made ? OK : ERR_NOMEM, buf_view(&record));
	buf_done(&record);
}

/* ---- taking ---- */

static enum err remember(struct buf *tickets, const struct ticket *t)
{
	return buf_put(tickets, bytes_of(t, sizeof *t));
}

static enum err take(const struct limits_scope *scopes, size_t count,
		     const struct limits_amounts *wanted, uint64_t now_ns, struct ticket *t,
		     struct limits_refusal *ret_refusal)
{
	enum err e;

	if (!lock_take(&lock))
		return ERR_STATE;
	e = limits_take(&kept, t->directory, myself(), scopes, count, wanted, now_ns, &t->limits,
			ret_refusal);
	lock_drop(&lock);
	return e;
}

static void alert_of(struct rules *rules, const struct limits_scope *scope,
		     const struct limits_refusal *r)
{
	const struct limits_alert alert = {r->scope,   r->at.kind,  100,
					   r->at.used, r->at.limit, r->at.resets_ns};

	if (r->alert)
		record_alert(rules, scope->name, &alert);
}

/* The call goes, and its decision says which limit it would not have gone by. */
static void observe(struct rules *rules, const struct limits_scope *scope,
		    const struct limits_refusal *r, uint64_t now_ns, struct decision *d)
{
	struct decision found = {.code = ""};

	refuse(&found, scope->name, &r->at, wait_of(&r->at, now_ns));
	decide_observe(d, &found);
	alert_of(rules, scope, r);
}

enum err quota_take(struct buf *tickets, const struct quota_call *q, struct decision *d,
		    uint64_t *ret_retry_after_s)
{
	struct limits_scope scopes[LIMITS_SCOPES_MAX];
	size_t count = scopes_of(d, scopes);
	uint64_t now_ns = sys_now_ns();
	struct limits_refusal refusal = {0};
	struct limits_amounts wanted;
	struct ticket t;
	enum err e;

	*ret_retry_after_s = 0;
	if (!count)
		return OK;
	memset(&t, 0, sizeof t);
	memcpy(t.id, q->id, sizeof t.id);
	memcpy(t.directory, q->rules->places.state, sizeof t.directory);
	wanted = amounts_of(q, &t.estimate);
	e = buf_reserve(tickets, sizeof t);
	if (!e)
		e = take(scopes, count, &wanted, now_ns, &t, &refusal);
	if (!e && refusal.observed)
		observe(q->rules, &scopes[refusal.scope], &refusal, now_ns, d);
	if (!e)
		return remember(tickets, &t);
	if (e != ERR_LIMIT && all_observed(scopes, count)) {
		quota_put_unkept(d, e);
		return OK;
	}
	if (e != ERR_LIMIT) {
		refuse_unkept(d, scopes[0].name, t.directory, e);
		return e;
	}
	const struct limits_scope *scope = &scopes[refusal.scope];
	*ret_retry_after_s = wait_of(&refusal.at, now_ns);
	refuse(d, scope->name, &refusal.at, *ret_retry_after_s);
	alert_of(q->rules, scope, &refusal);
	return ERR_LIMIT;
}

/* ---- settling ---- */

static bool take_out(struct buf *tickets, const char *id, struct ticket *ret_ticket)
{
	for (size_t at = 0; at + sizeof *ret_ticket <= tickets->len; at += sizeof *ret_ticket) {
		if (memcmp(tickets->at + at, id, ULID_CHARS) != 0)
			continue;
		memcpy(ret_ticket, tickets->at + at, sizeof *ret_ticket);
		size_t behind = at + sizeof *ret_ticket;
		memmove(tickets->at + at, tickets->at + behind, tickets->len - behind);
		tickets->len -= sizeof *ret_ticket;
		return true;
	}
	return false;
}

/* Who took settles, or who carries on: a copy that a forked child does not use is the parent's. */
static void settle(struct rules *rules, const struct ticket *t, const struct limits_amounts *used)
{
	struct limits_alert alerts[LIMITS_ALERTS_MAX];
	size_t count = 0;

	if (t->limits.who.pid != (uint32_t)sys_process() || !lock_take(&lock))
		return;
	(void)!limits_settle(&kept, t->directory, &t->limits, used, sys_now_ns(), alerts, &count);
	lock_drop(&lock);
	for (size_t i = 0; rules && i < count; i++)
		record_alert(rules, t->limits.scopes[alerts[i].scope].name, &alerts[i]);
}

static uint64_t more_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool is_final(const struct quota_answer *a)
{
	const struct following *f = a->following;

	return f->conversation ||
	       (a->outcome == OUTCOME_COMPLETE && !f->answer.failed &&
		(!f->is_stream || f->answer.terminated || f->answer.finish_reason[0]));
}

static struct limits_amounts used_of(const struct quota_answer *a, const struct ticket *t)
{
	const struct following *f = a->following;
	const struct usage *u = &f->answer.usage;
	struct limits_amounts used = t->limits.taken;
	uint64_t input = u->presence[USAGE_INPUT] == PRESENT ? u->tokens[USAGE_INPUT] : 0;
	uint64_t output = u->presence[USAGE_OUTPUT] == PRESENT ? u->tokens[USAGE_OUTPUT] : 0;

	if (input > LIMITS_AMOUNT_MAX || output > LIMITS_AMOUNT_MAX)
		return used; /* no count */
	if (!f->answer.has_usage || (!input && !output)) {
		if (f->has_head && f->status >= 400)
			used.tokens = used.picousd = 0;
		return used;
	}
	if (!a->asked)
		return used;
	const struct pricing_call call = {a->asked->provider, bytes_str(a->asked->model),
					  &f->answer, a->asked->operation};
	uint64_t picousd = price_of(a->rules ? a->rules->policy : NULL, &call,
				    input < ESTIMATE_TOKENS_MAX ? input : ESTIMATE_TOKENS_MAX,
				    output < ESTIMATE_TOKENS_MAX ? output : ESTIMATE_TOKENS_MAX);
	if (is_final(a))
		return (struct limits_amounts){used.requests, input + output, picousd};
	used.tokens = more_of(used.tokens, input + output);
	used.picousd = more_of(used.picousd, picousd);
	return used;
}

void quota_adopt(struct buf *tickets)
{
	struct ticket t;

	for (size_t at = 0; at + sizeof t <= tickets->len; at += sizeof t) {
		memcpy(&t, tickets->at + at, sizeof t);
		if (t.limits.who.pid == (uint32_t)sys_process() || !lock_take(&lock))
			continue;
		t.adopted = true;
		if (limits_adopt(&kept, t.directory, myself(), sys_now_ns(), &t.limits) == OK)
			memcpy(tickets->at + at, &t, sizeof t);
		lock_drop(&lock);
	}
}

void quota_settle(struct buf *tickets, const struct quota_answer *a)
{
	struct ticket t;

	if (!tickets->len || !take_out(tickets, a->id, &t))
		return;
	const struct limits_amounts used = used_of(a, &t);
	settle(a->rules, &t, &used);
}

void quota_give_back(struct buf *tickets, const char *id)
{
	const struct limits_amounts nothing = {0, 0, 0};
	struct ticket t;

	/* Only who took gives back: not both. */
	if (tickets->len && take_out(tickets, id, &t))
		settle(NULL, &t, t.adopted ? &t.limits.taken : &nothing);
}

void quota_done(struct buf *tickets)
{
	struct ticket t;

	while (tickets->len >= sizeof t) {
		memcpy(&t, tickets->at, sizeof t);
		quota_give_back(tickets, t.id);
	}
	buf_done(tickets);
}

/* ---- fork ---- */

void quota_before_fork(void)
{
	fork_locked = lock_take_within(&lock, FORK_WAIT_NS);
}

void quota_after_fork(void)
{
	if (fork_locked)
		lock_drop(&lock);
}

void quota_in_child(void)
{
	lock_reset(&lock);
}
