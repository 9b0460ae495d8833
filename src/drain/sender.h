/* SPDX-License-Identifier: MIT
 *
 * sender: the process that talks to a sink (`aigwd --drain-sender NAME`, started by drain/lane):
 * batch in, answer out, until the socket ends or its parent does. It has no key of the log, no
 * descriptors but its own, and after its sink is open no capabilities.
 */
#ifndef AIGW_DRAIN_SENDER_H
#define AIGW_DRAIN_SENDER_H

#include "drain/sink.h"

/* Until the feeder is done. `credentials`: $CREDENTIALS_DIRECTORY, or empty. ERR_USAGE: not started
 * by a feeder; ERR_MISSING: the policy has no such sink; ERR_BAD, ERR_IO. What is wrong with the
 * sink itself is told to the feeder. */
MUST_USE enum err sender_run(const char *name, struct bytes credentials);

#endif
