/* SPDX-License-Identifier: MIT
 *
 * keeper: the log that the daemon writes: the only writer of its directory, sealed to the policy's
 * recipients, as durable as the policy asks for, append-only where the file system can hold it to
 * that. Follows the policy file: a broken new version leaves the last good one in force.
 */
#ifndef AIGW_DAEMON_KEEPER_H
#define AIGW_DAEMON_KEEPER_H

#include "audit/segment.h"
#include "daemon/checkpoint.h"
#include "policy/load.h"

struct keeper_options {
	const char *directory; /* NULL: the policy's, else COLLECT_DIRECTORY */
	const char *policy;    /* the file */
};

struct keeper {
	const char *policy_path;
	char directory[PATH_MAX_BYTES];
	int lock_fd;
	struct file_version version;
	char digest[72]; /* "sha256:..." */
	size_t recipient_count;
	struct recipient recipients[POLICY_RECIPIENTS_MAX];
	struct segment_config config;
	struct segment_writer writer;
	char host[65], boot_id[37];
	struct buf start;
	bool append_only; /* the file system takes the flag */
	bool synced;
	uint8_t marked_id[16]; /* the segment that was seen last */
	uint64_t gap_count, gap_since_ns;
	struct checkpoint_writer checkpoints;
	bool sync_failed;        /* since the last commit: nothing of it counts */
	bool begun;              /* everything fits together: the log may be written */
	uint64_t unsigned_count; /* records since the last checkpoint */
};

/* Takes the directory (made 0700 when missing) and the policy. What is wrong is said (note).
 * ERR_STATE: another collector writes there; ERR_ACCESS, ERR_IO, ERR_BAD (the policy), ERR_MISSING.
 */
MUST_USE enum err keeper_open(struct keeper *k, const struct keeper_options *options);

/* Appends a record. It counts as kept once keeper_commit returned OK too. Errors of
 * segment_append; what is lost is told by a gap record later. */
MUST_USE enum err keeper_append(struct keeper *k, enum record_kind kind, uint64_t now_ns,
				struct bytes record);
/* All that was appended since the last call is as durable as the policy asks for. ERR_IO: none of
 * it is; `count` records are then told of as lost. */
MUST_USE enum err keeper_commit(struct keeper *k, uint64_t now_ns, uint64_t count);

/* About once a second: looks at the policy, signs what is new (or, once a minute, that nothing is).
 */
void keeper_tick(struct keeper *k, uint64_t now_ns);

/* The clean end. */
void keeper_close(struct keeper *k);

#endif
