/* SPDX-License-Identifier: MIT
 *
 * section_limits: the object {"requests_per_minute": 600, "usd_per_month": 500, ...} that any scope
 * may have, and one limit alone, as text.
 */
#ifndef AIGW_POLICY_SECTION_LIMITS_H
#define AIGW_POLICY_SECTION_LIMITS_H

#include "policy/reader.h"

#define LIMIT_NUMBER_MAX UINT64_C(1000000000000000)
#define LIMIT_USD_MAX    10000000

/* Into a struct limit_values. Money becomes whole picodollars. */
reader_fn section_limits_read;

/* "usd_per_month" and "12.50": one more limit, or another value of one that is given. ERR_MISSING:
 * no limit has that name; ERR_BAD: the amount is none that it can have; *to is as it was then. */
MUST_USE enum err section_limits_put(struct limit_values *to, struct bytes name,
				     struct bytes amount);

/* Is that a value (money: in picodollars) that a policy could give? */
bool section_limits_fits(enum limit_kind kind, uint64_t value);

#endif
