/* SPDX-License-Identifier: MIT
 *
 * meter: what one scope has used of its limits, and the arithmetic over it: may this call go,
 * what does it take, what does it give back. Pure: the time is a parameter, nothing is read or
 * written.
 *
 * A rate of N a minute is kept as one time, the "theoretical arrival time" of the generic cell rate
 * algorithm (ITU-T I.371): each unit moves it on by a Nth of a minute, and it may be a minute ahead
 * of now. So a program that was quiet may send N at once, and over any time t no more than N*t + N.
 * A call that takes more than a whole minute's worth goes when nothing is used, and what it takes
 * beyond is waited for afterwards, an hour at most.
 *
 * A budget is a sum for the calendar day or month (UTC). A call that would pass it is refused.
 *
 * A meter comes from a file that anybody of this user may have written: any bytes are fine here.
 * What is wrong in them (a time far ahead, a window that is not this one) counts as nothing.
 */
#ifndef AIGW_LIMITS_METER_H
#define AIGW_LIMITS_METER_H

#include "limits/limit.h"

#define METER_BYTES 256

#define METER_MINUTE_NS UINT64_C(60000000000)
#define METER_DEBT_NS   (60 * METER_MINUTE_NS) /* how far ahead a rate's time can be */
#define METER_BUDGETS   (LIMIT_USD_PER_MONTH - LIMIT_TOKENS_PER_DAY + 1)
#define METER_IDLE_DAYS 63 /* unused for this long, both windows have passed: it may go */

/* As in the file, in the byte order of all processors that we run on. */
struct meter {
	char name[LIMITS_NAME_BYTES_MAX]; /* NUL-padded; empty: nobody's */
	uint64_t touched_ns;              /* wall clock, of the last charge */
	uint64_t arrival_ns[2];           /* requests, tokens: wall clock */
	uint64_t spent[METER_BUDGETS];    /* in the order of the kinds */
	uint32_t day, month;              /* that `spent` is of: since 1970, year * 12 + month */
	uint32_t running;                 /* requests under way */
	uint32_t told;         /* bits: three per budget, of the alerts that were given */
	uint64_t recounted_ns; /* when `running` was last counted */
	uint8_t spare[88];
	uint64_t check; /* over all above, see meter_seal */
};
_Static_assert(sizeof(struct meter) == METER_BYTES, "the file's layout");

/* Puts the check value in. A record without the right one is torn, of another version or noise. */
void meter_seal(struct meter *a);
bool meter_is_sealed(const struct meter *a);
void meter_open(struct meter *a, const char *name); /* a new one; the name is cut to fit */

/* Days since 1970 and months (year * 12 + month from 0) of a wall clock time, UTC. */
uint32_t meter_day(uint64_t now_ns);
uint32_t meter_month(uint64_t now_ns);

/* Windows that have passed begin anew. A clock that is one window behind the meter's (two
 * processes at midnight) leaves it as it is. To be called before all below. */
void meter_roll(struct meter *a, uint64_t now_ns);

struct meter_refusal {
	enum limit_kind kind;
	uint64_t limit, used, wanted; /* used: of a rate, what has not flowed back yet */
	uint64_t resets_ns; /* wall clock: when the call could go, or the window ends; 0: not known
			     */
};

/* Does `a` hold for longer than `b`? A limit of 0 holds for ever. */
bool meter_holds_longer(const struct meter_refusal *a, const struct meter_refusal *b);

/* True: the call may go. Else *ret_refusal is the limit that holds for longest. A limit of 0
 * refuses every call, also one that needs nothing of it. */
bool meter_allows(const struct meter *a, const struct limit_values *v,
		  const struct limits_amounts *wanted, uint64_t now_ns,
		  struct meter_refusal *ret_refusal);

/* Takes what the call is expected to use; `running` is the store's business. */
void meter_charge(struct meter *a, const struct limit_values *v,
		  const struct limits_amounts *wanted, uint64_t now_ns);

/* The windows that a charge went to. */
struct meter_windows {
	uint32_t day, month;
};

/* Replaces what was taken by what was used. Of a window that has passed since nothing is changed,
 * nor when both are the same: so it does no harm that a process settles what its child has settled.
 * All of a refund counts, whenever it comes: a rate's program may then send up to a minute's worth
 * more in one go than it would have with exact estimates, but never more over time. */
void meter_settle(struct meter *a, const struct limit_values *v, const struct limits_amounts *taken,
		  const struct limits_amounts *used, struct meter_windows windows, uint64_t now_ns);

/* Does meter_settle change anything, or may an alert be due? */
bool meter_has_to_settle(const struct limit_values *v, const struct limits_amounts *taken,
			 const struct limits_amounts *used);

/* The next alert that is due and was not given in this window: of the budgets, the highest of 50,
 * 80 and 100 % that is reached (lower ones count as given with it). 0: none. *ret_kind says which
 * budget. */
unsigned meter_next_alert(struct meter *a, const struct limit_values *v, enum limit_kind *ret_kind);
/* A budget refused a call: 100 % counts as reached. True: that was not told in this window. */
bool meter_tell_refusal(struct meter *a, enum limit_kind kind);

/* What is used of a limit now, in its unit (a rate: rounded up). */
uint64_t meter_used(const struct meter *a, const struct limit_values *v, enum limit_kind kind,
		    uint64_t now_ns);
/* When a limit begins anew: a budget's window ends, a rate has flowed back in full. 0: does not. */
uint64_t meter_resets_ns(const struct meter *a, enum limit_kind kind, uint64_t now_ns);

#endif
