/* SPDX-License-Identifier: MIT
 *
 * rewrap: segments and the ledger of a log made readable for recipients who were added later, by
 * notes beside them (audit/note). Neither is changed.
 */
#ifndef AIGW_TOOL_REWRAP_H
#define AIGW_TOOL_REWRAP_H

#include "setup.h"

struct rewrap {
	const struct keyring *keys; /* that open what is there */
	size_t to_count;            /* at most POLICY_RECIPIENTS_MAX */
	const struct recipient *to;
	/* segments, or epochs of the ledger: they can read it now, could before, the keys do not
	 * open it, it went wrong (which is said) */
	uint64_t done, had, closed, failed;
};

/* One segment; *run counts. */
void rewrap_segment(const char *path, struct rewrap *run);
/* All epochs of the log's ledger; *run counts. A log without a ledger has none. */
void rewrap_ledger(const char *directory, struct rewrap *run);

#endif
