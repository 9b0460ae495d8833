/* SPDX-License-Identifier: MIT
 *
 * drain: the keeper of the drains (aigwd --drain): a feeder for each sink of the policy, started
 * again when it ends; reload, health, metrics. It has no key itself: each feeder reads the
 * auditor's, when its sink needs one.
 */
#ifndef AIGW_DAEMON_DRAIN_H
#define AIGW_DAEMON_DRAIN_H

#include "daemon/drain_setup.h"

#define DRAIN_END_NS 20000000000u /* feeders get so long at the end */

/* Until SIGTERM or SIGINT, which are blocked by the caller. What is wrong is said (note). */
MUST_USE enum err drain_run(const struct drain_options *options);

/* Says on standard output which sinks are not well. OK; ERR_BAD: one is not. */
MUST_USE enum err drain_check(const struct drain_options *options);

/* Sends one heartbeat through that sink's sender and says what it answered. ERR_BAD: not
 * delivered; ERR_USAGE: no such sink. */
MUST_USE enum err drain_test(const struct drain_options *options, const char *sink);

#endif
