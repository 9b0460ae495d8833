/* SPDX-License-Identifier: MIT
 *
 * ledger_walk: the entries of a ledger one after the other, read in windows, from any place on; to
 * be taken up again when the ledger has grown. Nothing is verified beyond checksums and numbers
 * (`aigw verify` is who judges). System calls through base/sys.
 */
#ifndef AIGW_DRAIN_LEDGER_WALK_H
#define AIGW_DRAIN_LEDGER_WALK_H

#include "audit/ledger.h"

/* Behind an entry, or at the beginning (zeros). */
struct ledger_place {
	uint64_t entries;              /* one more than the number of the last entry */
	uint64_t offset;               /* its end */
	uint8_t mac[FORMAT_MAC_BYTES]; /* its MAC; tells whether this is still the same ledger */
};

struct ledger_walk {
	struct ledger_place place; /* behind the entry that was given last */
	uint64_t entries_max; /* what the writers' state says; later numbers are not believed */
	int fd;
	uint64_t base; /* offset of the window */
	struct buf window;
};

/* Opens DIRECTORY/ledger at a place. ERR_MISSING, ERR_ACCESS, ERR_IO. ERR_STATE: another ledger
 * stands there than the place was taken from; the walk begins at its beginning. */
MUST_USE enum err ledger_walk_open(const char *directory, const struct ledger_place *from,
				   struct ledger_walk *ret_walk);
/* The next entry that this version knows; its path is good until the next call. ERR_END: none for
 * now; what is torn at the end is looked at again by the next walk. ERR_NOMEM, ERR_IO. */
MUST_USE enum err ledger_walk_next(struct ledger_walk *w, struct ledger_entry *ret_entry,
				   uint64_t *ret_number);
void ledger_walk_close(struct ledger_walk *w); /* also of a failed open */

#endif
