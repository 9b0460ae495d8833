/* SPDX-License-Identifier: MIT
 *
 * checkpoint: the collector's signed statements about its log, appended to one file; the keys
 * behind them, of which each is erased once it has certified the next. Format and reading:
 * audit/checkpoint.
 */
#ifndef AIGW_DAEMON_CHECKPOINT_H
#define AIGW_DAEMON_CHECKPOINT_H

#include "audit/checkpoint.h"
#include "audit/segment.h"

#define CHECKPOINT_EVOLVE_NS UINT64_C(10000000000) /* of activity: then the key's time is over */
#define CHECKPOINT_IDLE_NS   UINT64_C(60000000000) /* a sign of life when nothing happens */

struct checkpoint_writer {
	char directory[SEGMENT_PATH_MAX];
	int fd, state_fd; /* -1: not open */
	struct format_checkpoint_state state;
	struct format_checkpoint last;
	bool has_last;
	uint64_t torn_bytes; /* behind the last one */
	uint64_t made_ns, evolved_ns;
	bool failing; /* said once */
};

/* Takes up the checkpoints of a directory, or begins them where there is no log yet. ERR_SEAL: log,
 * checkpoints and keys do not fit together: something was lost or put back, and nothing was
 * touched (the reason is said). ERR_IO, ERR_FULL, ERR_ACCESS. */
MUST_USE enum err checkpoint_open(struct checkpoint_writer *w, const char *directory,
				  uint64_t now_ns);

/* Signs what the log is now. The segment's bytes and the ledger are on the disk already. `kept`:
 * records since the last one. ERR_...: it is not there, and is tried again next time. */
MUST_USE enum err checkpoint_make(struct checkpoint_writer *w, enum format_checkpoint_kind kind,
				  const struct segment_tip *tip, uint64_t kept, uint64_t now_ns);

void checkpoint_close(struct checkpoint_writer *w);

#endif
