/* SPDX-License-Identifier: MIT
 *
 * journal: this process's way into the audit log: one segment writer behind one lock, closed at a
 * clean end, given up (never touched again) in the child after fork. Thread-safe.
 */
#ifndef AIGW_SHIM_JOURNAL_H
#define AIGW_SHIM_JOURNAL_H

#include "audit/record.h"
#include "shim/rules.h"
#include "shim/self.h"

/* The facts about this process, for the decision. Borrowed until the next fork. */
const struct self *journal_self(const struct rules *r);

/* Appends a record; behind it, what became due: a policy change, a gap. `made`: what putting the
 * record together came to (no memory is a loss, too). OK: it counts as written. Otherwise the loss
 * is counted, and a `gap` record tells of it when one can be written again. */
MUST_USE enum err journal_append(struct rules *r, enum record_kind kind, enum err made,
				 struct bytes record);

/* "the audit log in DIRECTORY cannot be written", or what else a failed append means: appended. */
MUST_USE enum err journal_put_trouble(const struct rules *r, struct buf *text);

/* Time for what an append left for later: to be called when the program waits anyway. Does at most
 * `bytes_max` bytes' worth (about 1.7 us per KB); true: there is more. */
bool journal_settle(size_t bytes_max);

/* The clean end of the process: the segment's `end` record, and before it a `gap` if one is due. */
void journal_close(void);

void journal_before_fork(void);
void journal_after_fork(void);
void journal_in_child(void);

#endif
