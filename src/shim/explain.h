/* SPDX-License-Identifier: MIT
 *
 * explain: tells the person at the terminal why something was refused: one line on standard error,
 * only when AIGW_EXPLAIN=1 asks for it, because programs hide what they are told (some try again
 * for ever without a word). Thread-safe, keeps errno, allocates nothing.
 */
#ifndef AIGW_SHIM_EXPLAIN_H
#define AIGW_SHIM_EXPLAIN_H

#include "base/bytes.h"

/* Says that something for the server `name` (may be empty) was refused by `rule`, and `reason`,
 * which says what to do. Once per process, name and rule. */
void explain_refusal(struct bytes name, const char *rule, const char *reason);

/* Says what this process cannot be governed in, when it starts. */
void explain_limit(const char *what);

#endif
