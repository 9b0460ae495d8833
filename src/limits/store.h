/* SPDX-License-Identifier: MIT
 *
 * store: what all processes of a user have used of their limits together, in one file of fixed size
 * below the state directory: meters (limits/meter) and, for limits on what is under way, who
 * holds how much. No daemon. System calls through base/sys; nothing is allocated, errno is not
 * touched.
 *
 * Why it is read and written, and not mapped: whoever shortens a mapped file, or a full disk under
 * a sparse one, kills every program that touches it (SIGBUS), and a preloaded library may neither
 * catch that signal nor die of it. Here a short read is zeros, which are an empty meter, and a
 * failed write is an error.
 *
 * Each call takes a record lock (fcntl) on the file's first byte, and reads and writes whole
 * records. The descriptor is kept for LIMITS_KEEP_NS, high up and close-on-exec, and looked at
 * before each use: the program may have closed it and have a file of its own there. The lock
 * belongs to the process: a fork does not inherit it, and the end of its holder, by kill -9 too,
 * ends it. It is not waited for longer than LIMITS_WAIT_NS (its holder may have been stopped): then
 * the limits cannot be kept, and the caller decides. Threads of one process must take turns: the
 * lock does not hold between them.
 *
 * A process that is killed at any point leaves whole records: each is written by one call and lies
 * within a page. What it had taken and not settled stays taken: that is what was in flight. What it
 * held of concurrent_requests is found to be nobody's when the limit is next met (within a second).
 *
 * The file is checked when it is opened: a regular file of the effective user's, with one name, and
 * writable by nobody else. Its content can be anything: a record counts when its check value is
 * right, every number in it is bounded, and what is not right is an empty record. Shortened or
 * deleted, it begins anew. It is not synced to the disk: a power cut may lose the last seconds.
 *
 * Limits: the clocks of the processes have to agree (they do on one host). Processes in different
 * PID namespaces cannot see whether the other lives: what those hold counts for an hour.
 */
#ifndef AIGW_LIMITS_STORE_H
#define AIGW_LIMITS_STORE_H

#include "limits/meter.h"

#define LIMITS_FILE_NAME   "limits"
#define LIMITS_WAIT_NS     UINT64_C(2000000000)
#define LIMITS_KEEP_NS     UINT64_C(1000000000)
#define LIMITS_RECOUNT_NS  UINT64_C(1000000000)
#define LIMITS_STRANGER_NS UINT64_C(3600000000000)
#define LIMITS_METERS_MAX                                                                          \
	2048                    /* scopes and keys with limits, of all that were used lately       \
				 */
#define LIMITS_HOLDERS_MAX 2048 /* pairs of a process and a scope with concurrent_requests */
#define LIMITS_FILE_BYTES  (LIMITS_METERS_MAX * METER_BYTES + LIMITS_HOLDERS_MAX * 64)

/* A process, so that a later one with its number is not taken for it. */
struct limits_process {
	uint32_t pid;
	uint32_t space; /* its PID namespace */
	uint64_t start; /* clock ticks after boot */
};

/* This one. Reads /proc: to be kept, and asked anew after fork. */
void limits_process_self(struct limits_process *ret_process);

/* A descriptor that is kept from one call to the next: zero-initialised, one per process (a forked
 * child may go on with its copy), for one thread at a time. All of it is the store's business. */
struct limits_kept {
	int fd_plus_one;
	uint64_t device, inode, since_ns, directory_hash;
};

/* What a call has taken: needed to settle it. A plain value. */
struct limits_ticket {
	size_t count;
	struct limits_scope scopes[LIMITS_SCOPES_MAX];
	struct meter_windows windows[LIMITS_SCOPES_MAX];
	struct limits_amounts taken;
	struct limits_process who;
};

struct limits_refusal {
	size_t scope; /* index */
	struct meter_refusal at;
	bool alert; /* the first refusal by this budget in its window: an alert of 100 % is due */
	bool observed; /* by a scope that only observes: all was taken */
};

/* Takes `wanted` from every scope, or from none. Scopes without any limit are passed over. OK: only
 * when ret_refusal->observed is set, the rest of it is, too. ERR_LIMIT: *ret_refusal is the limit
 * that holds for longest. All else means that the limits
 * cannot be kept, and nothing was taken: ERR_ACCESS, ERR_IO (also: the lock is not to be had),
 * ERR_FULL (no record is free, or no space), ERR_USAGE (too many scopes), ERR_LIMIT never. */
MUST_USE enum err limits_take(struct limits_kept *kept, const char *directory,
			      const struct limits_process *me, const struct limits_scope *scopes,
			      size_t count, const struct limits_amounts *wanted, uint64_t now_ns,
			      struct limits_ticket *ret_ticket, struct limits_refusal *ret_refusal);

/* A budget that has come to 50, 80 or 100 %. Each is told once per window. */
struct limits_alert {
	size_t scope; /* of the ticket */
	enum limit_kind kind;
	unsigned percent;
	uint64_t used, limit, resets_ns;
};
#define LIMITS_ALERTS_MAX (LIMITS_SCOPES_MAX * METER_BUDGETS)

/* `me`, a forked child, goes on with what its parent took: what is held of concurrent_requests is
 * held by it from now on, whoever of the two ends first, and the ticket is its own to settle. The
 * parent may settle its copy, too: then it holds nothing any more. On failure the ticket is as it
 * was. */
MUST_USE enum err limits_adopt(struct limits_kept *kept, const char *directory,
			       const struct limits_process *me, uint64_t now_ns,
			       struct limits_ticket *ticket);

/* Puts what was used in place of what was taken, and ends what was under way. `used` all 0: all is
 * given back. To be called once per ticket. On failure what was taken stays taken. Where nothing
 * changes, no file is touched. */
MUST_USE enum err limits_settle(struct limits_kept *kept, const char *directory,
				const struct limits_ticket *ticket,
				const struct limits_amounts *used, uint64_t now_ns,
				struct limits_alert ret_alerts[LIMITS_ALERTS_MAX],
				size_t *ret_alert_count);

/* What a scope has used, for people: windows are current, `running` counts processes that live.
 * Changes nothing. ERR_MISSING: nothing yet; ERR_ACCESS, ERR_IO. */
MUST_USE enum err limits_read(const char *directory, const char *name, uint64_t now_ns,
			      struct meter *ret_meter);

#endif
