/* SPDX-License-Identifier: MIT
 *
 * notice: records of what somebody should see to before it becomes a refusal: an agreement that
 * ends soon. Thread-safe.
 */
#ifndef AIGW_SHIM_NOTICE_H
#define AIGW_SHIM_NOTICE_H

#include "policy/decide.h"
#include "shim/rules.h"

/* Writes a record of d->ending, if there is one, once a day for each agreement: of all processes of
 * a user, the first one tells (notices below the state directory remembers; where it
 * cannot be written each process tells). A record that cannot be written is a gap like any other.
 */
void notice_ending(struct rules *r, const struct provider *provider, const struct decision *d,
		   int64_t now_s);

void notice_in_child(void);

#endif
