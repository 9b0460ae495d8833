/* SPDX-License-Identifier: MIT
 *
 * section_limits: the object {"requests_per_minute": 600, "usd_per_month": 500, ...} that any scope
 * may have.
 */
#ifndef AIGW_POLICY_SECTION_LIMITS_H
#define AIGW_POLICY_SECTION_LIMITS_H

#include "policy/reader.h"

#define LIMIT_NUMBER_MAX UINT64_C(1000000000000000)
#define LIMIT_USD_MAX    10000000

/* Into a struct limit_values. Money becomes whole picodollars. */
reader_fn section_limits_read;

#endif
