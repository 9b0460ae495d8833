/* SPDX-License-Identifier: MIT
 *
 * limit_print: limits as people and programs read them.
 */
#ifndef AIGW_TOOL_LIMIT_PRINT_H
#define AIGW_TOOL_LIMIT_PRINT_H

#include "limits/limit.h"

/* Dollars, or a count; `grouped`: 1,234,567, for people. */
void put_limit_amount(struct buf *out, enum limit_kind kind, uint64_t amount, bool grouped);
/* "tokens_per_day 1,000,000, usd_per_month 50", or "no limits of its own". */
void put_limits(struct buf *out, const struct limit_values *limits);

#endif
