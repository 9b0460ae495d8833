/* SPDX-License-Identifier: MIT */
#include "limits/meter.h"

#include <string.h>

#define SECOND_NS    UINT64_C(1000000000)
#define DAY_NS       (86400 * SECOND_NS)
#define CHECK_SEED   UINT64_C(0x61696777206c7631) /* "aigw lv1": another layout needs another */
#define CHECK_FACTOR UINT64_C(0x9e3779b97f4a7c15)

__extension__ typedef unsigned __int128 wide;

/* ---- the record ---- */

static uint64_t checksum(const struct meter *a)
{
	uint64_t words[METER_BYTES / 8], sum = CHECK_SEED;

	memcpy(words, a, sizeof words);
	for (size_t i = 0; i + 1 < sizeof words / sizeof words[0]; i++) {
		sum = (sum ^ words[i]) * CHECK_FACTOR;
		sum ^= sum >> 29;
	}
	return sum;
}

void meter_seal(struct meter *a)
{
	a->check = checksum(a);
}

bool meter_is_sealed(const struct meter *a)
{
	return a->name[0] && a->name[sizeof a->name - 1] == '\0' && a->check == checksum(a);
}

void meter_open(struct meter *a, const char *name)
{
	memset(a, 0, sizeof *a);
	for (size_t i = 0; i + 1 < sizeof a->name && name[i]; i++)
		a->name[i] = name[i];
}

/* ---- the calendar ---- */

uint32_t meter_day(uint64_t now_ns)
{
	return (uint32_t)(now_ns / DAY_NS);
}

/* Source: the proleptic Gregorian calendar, counted in eras of 400 years that begin on 1 March. */
uint32_t meter_month(uint64_t now_ns)
{
	uint64_t z = now_ns / DAY_NS + 719468, era = z / 146097, of_era = z % 146097;
	uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint64_t m = (5 * of_year + 2) / 153, month = m < 10 ? m + 2 : m - 10;

	return (uint32_t)((year + era * 400 + (month <= 1)) * 12 + month);
}

/* The first day of a month, in days since 1970. */
static uint64_t first_day(uint32_t index)
{
	uint64_t year = index / 12, month = index % 12;
	uint64_t y = month <= 1 ? year - 1 : year, era = y / 400, of_era = y % 400;
	uint64_t of_year = (153 * (month > 1 ? month - 2 : month + 10) + 2) / 5;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_same_or_next(uint32_t window, uint32_t now)
{
	return window == now || window == now + 1;
}

/* Where the amount of a kind is: inside, whatever kind it is. */
static size_t rate_place(enum limit_kind kind)
{
	return kind == LIMIT_TOKENS_PER_MINUTE;
}

static size_t budget_place(enum limit_kind kind)
{
	size_t place = (size_t)kind - LIMIT_TOKENS_PER_DAY;

	return place < METER_BUDGETS ? place : 0;
}

#define TOLD_BITS 3u
#define TOLD_MASK ((1u << TOLD_BITS) - 1)

static unsigned told_shift(enum limit_kind kind)
{
	return (unsigned)(kind - LIMIT_TOKENS_PER_DAY) * TOLD_BITS;
}

static void begin_window(struct meter *a, bool monthly)
{
	for (int kind = LIMIT_TOKENS_PER_DAY; kind <= LIMIT_USD_PER_MONTH; kind++) {
		if (limit_is_monthly((enum limit_kind)kind) != monthly)
			continue;
		a->spent[budget_place((enum limit_kind)kind)] = 0;
		a->told &= ~(TOLD_MASK << told_shift((enum limit_kind)kind));
	}
}

void meter_roll(struct meter *a, uint64_t now_ns)
{
	if (!is_same_or_next(a->day, meter_day(now_ns))) {
		a->day = meter_day(now_ns);
		begin_window(a, false);
	}
	if (!is_same_or_next(a->month, meter_month(now_ns))) {
		a->month = meter_month(now_ns);
		begin_window(a, true);
	}
}

/* ---- amounts ---- */

static uint64_t capped(uint64_t amount)
{
	return amount < LIMITS_AMOUNT_MAX ? amount : LIMITS_AMOUNT_MAX;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
	return a < UINT64_MAX - b ? a + b : UINT64_MAX;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t amount_for(enum limit_kind kind, const struct limits_amounts *amounts)
{
	switch (kind) {
	case LIMIT_REQUESTS_PER_MINUTE:
		return capped(amounts->requests);
	case LIMIT_USD_PER_DAY:
	case LIMIT_USD_PER_MONTH:
		return capped(amounts->picousd);
	case LIMIT_CONCURRENT_REQUESTS:
		return 1;
	default:
		return capped(amounts->tokens);
	}
}

/* How far a rate's time moves for so much, an hour at most. */
static uint64_t time_of(uint64_t amount, uint64_t per_minute)
{
	wide ns = per_minute ? (wide)amount * METER_MINUTE_NS / per_minute : METER_DEBT_NS;

	return ns < METER_DEBT_NS ? (uint64_t)ns : METER_DEBT_NS;
}

static uint64_t arrival(const struct meter *a, enum limit_kind kind, uint64_t now_ns)
{
	uint64_t at = a->arrival_ns[rate_place(kind)], last = plus(now_ns, METER_DEBT_NS);

	return at < now_ns ? now_ns : at < last ? at : last;
}

static uint64_t amount_of(uint64_t ns, uint64_t per_minute)
{
	wide amount = ((wide)ns * per_minute + METER_MINUTE_NS - 1) / METER_MINUTE_NS;

	return (uint64_t)(amount < LIMITS_AMOUNT_MAX ? amount : LIMITS_AMOUNT_MAX);
}

uint64_t meter_used(const struct meter *a, const struct limit_values *v, enum limit_kind kind,
		    uint64_t now_ns)
{
	switch (limit_shape(kind)) {
	case LIMIT_RATE:
		return amount_of(arrival(a, kind, now_ns) - now_ns, v->value[kind]);
	case LIMIT_BUDGET:
		return a->spent[budget_place(kind)];
	default:
		return a->running;
	}
}

uint64_t meter_resets_ns(const struct meter *a, enum limit_kind kind, uint64_t now_ns)
{
	switch (limit_shape(kind)) {
	case LIMIT_RATE:
		return arrival(a, kind, now_ns);
	case LIMIT_BUDGET:
		return limit_is_monthly(kind) ? first_day(a->month + 1) * DAY_NS
					      : ((uint64_t)a->day + 1) * DAY_NS;
	default:
		return 0;
	}
}

/* ---- taking ---- */

static bool fits(const struct meter *a, const struct limit_values *v, enum limit_kind kind,
		 const struct limits_amounts *wanted, uint64_t now_ns, struct meter_refusal *r)
{
	uint64_t limit = v->value[kind], amount = amount_for(kind, wanted), used, ns, at;

	r->kind = kind;
	r->limit = limit;
	r->wanted = amount;
	r->used = used = meter_used(a, v, kind, now_ns);
	r->resets_ns = meter_resets_ns(a, kind, now_ns);
	if (limit == 0) /* nothing at all, not even what needs nothing of it */
		return false;
	if (limit_shape(kind) != LIMIT_RATE)
		return amount == 0 || (used <= limit && amount <= limit - used);
	if (amount == 0)
		return true;
	ns = time_of(amount, limit);
	if (ns > METER_MINUTE_NS)
		ns = METER_MINUTE_NS; /* a whole minute's worth has to be free */
	at = plus(arrival(a, kind, now_ns), ns);
	r->resets_ns = minus(at, METER_MINUTE_NS);
	return at <= plus(now_ns, METER_MINUTE_NS);
}

bool meter_holds_longer(const struct meter_refusal *a, const struct meter_refusal *b)
{
	if (!a->limit != !b->limit)
		return !a->limit;
	return a->resets_ns > b->resets_ns;
}

bool meter_allows(const struct meter *a, const struct limit_values *v,
		  const struct limits_amounts *wanted, uint64_t now_ns,
		  struct meter_refusal *ret_refusal)
{
	struct meter_refusal r;
	bool allowed = true;

	for (int kind = 0; kind < LIMIT_COUNT; kind++) {
		if (!limit_given(v, (enum limit_kind)kind) ||
		    fits(a, v, (enum limit_kind)kind, wanted, now_ns, &r))
			continue;
		if (allowed || meter_holds_longer(&r, ret_refusal))
			*ret_refusal = r;
		allowed = false;
	}
	return allowed;
}

static void move_arrival(struct meter *a, const struct limit_values *v, enum limit_kind kind,
			 uint64_t amount, uint64_t now_ns)
{
	if (limit_given(v, kind))
		a->arrival_ns[rate_place(kind)] = plus(arrival(a, kind, now_ns),
						       time_of(amount, v->value[kind]));
}

void meter_charge(struct meter *a, const struct limit_values *v,
		  const struct limits_amounts *wanted, uint64_t now_ns)
{
	a->touched_ns = now_ns;
	move_arrival(a, v, LIMIT_REQUESTS_PER_MINUTE, capped(wanted->requests), now_ns);
	move_arrival(a, v, LIMIT_TOKENS_PER_MINUTE, capped(wanted->tokens), now_ns);
	for (int kind = LIMIT_TOKENS_PER_DAY; kind <= LIMIT_USD_PER_MONTH; kind++) {
		uint64_t *spent = &a->spent[budget_place(kind)];
		*spent = plus(*spent, amount_for((enum limit_kind)kind, wanted));
	}
}

/* ---- settling ---- */

static void settle_rate(struct meter *a, const struct limit_values *v, enum limit_kind kind,
			uint64_t taken, uint64_t used, uint64_t now_ns)
{
	if (!limit_given(v, kind) || taken == used)
		return;
	if (used > taken)
		move_arrival(a, v, kind, used - taken, now_ns);
	else
		a->arrival_ns[rate_place(kind)] = minus(a->arrival_ns[rate_place(kind)],
							time_of(taken, v->value[kind]) -
								time_of(used, v->value[kind]));
}

void meter_settle(struct meter *a, const struct limit_values *v, const struct limits_amounts *taken,
		  const struct limits_amounts *used, struct meter_windows windows, uint64_t now_ns)
{
	settle_rate(a, v, LIMIT_REQUESTS_PER_MINUTE, capped(taken->requests),
		    capped(used->requests), now_ns);
	settle_rate(a, v, LIMIT_TOKENS_PER_MINUTE, capped(taken->tokens), capped(used->tokens),
		    now_ns);
	for (int kind = LIMIT_TOKENS_PER_DAY; kind <= LIMIT_USD_PER_MONTH; kind++) {
		uint64_t *spent = &a->spent[budget_place(kind)];
		if (limit_is_monthly((enum limit_kind)kind) ? a->month != windows.month
							    : a->day != windows.day)
			continue;
		uint64_t before = amount_for((enum limit_kind)kind, taken);
		uint64_t after = amount_for((enum limit_kind)kind, used);
		*spent = after < before ? plus(minus(*spent, before), after)
					: plus(*spent, after - before);
	}
}

bool meter_has_to_settle(const struct limit_values *v, const struct limits_amounts *taken,
			 const struct limits_amounts *used)
{
	for (int kind = LIMIT_TOKENS_PER_DAY; kind <= LIMIT_USD_PER_MONTH; kind++)
		if (limit_given(v, (enum limit_kind)kind))
			return true;
	return (limit_given(v, LIMIT_REQUESTS_PER_MINUTE) && taken->requests != used->requests) ||
	       (limit_given(v, LIMIT_TOKENS_PER_MINUTE) && taken->tokens != used->tokens);
}

/* ---- alerts ---- */

static const unsigned percents[TOLD_BITS] = {50, 80, 100};

static bool reached(uint64_t used, uint64_t limit, unsigned percent)
{
	return (wide)used * 100 >= (wide)limit * percent;
}

unsigned meter_next_alert(struct meter *a, const struct limit_values *v, enum limit_kind *ret_kind)
{
	for (int kind = LIMIT_TOKENS_PER_DAY; kind <= LIMIT_USD_PER_MONTH; kind++) {
		unsigned shift = told_shift((enum limit_kind)kind);
		uint64_t used = a->spent[budget_place(kind)];
		if (!limit_given(v, (enum limit_kind)kind) || !v->value[kind])
			continue;
		for (unsigned i = TOLD_BITS; i-- > 0;) {
			uint32_t all = ((2u << i) - 1) << shift;
			if (!reached(used, v->value[kind], percents[i]))
				continue;
			if (a->told >> (shift + i) & 1)
				break;
			a->told |= all;
			*ret_kind = (enum limit_kind)kind;
			return percents[i];
		}
	}
	return 0;
}

bool meter_tell_refusal(struct meter *a, enum limit_kind kind)
{
	uint32_t all;

	if (limit_shape(kind) != LIMIT_BUDGET)
		return false;
	all = TOLD_MASK << told_shift(kind);
	if ((a->told & all) == all)
		return false;
	a->told |= all;
	return true;
}
