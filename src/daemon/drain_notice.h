/* SPDX-License-Identifier: MIT
 *
 * drain_notice: what the drains put into the log themselves: that a sink has fallen behind, and
 * that it has caught up. Through the collector where the policy says so, else in a segment of its
 * own, sealed for whom the policy names.
 */
#ifndef AIGW_DAEMON_DRAIN_NOTICE_H
#define AIGW_DAEMON_DRAIN_NOTICE_H

#include "daemon/drain_setup.h"

/* A notice record with that text. Errors are those of collector_append and segment_append. */
MUST_USE enum err drain_notice_put(const struct drain_setup *s, struct bytes text);

#endif
