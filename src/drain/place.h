/* SPDX-License-Identifier: MIT
 *
 * place: which log is drained and where what is known of the sinks is kept: of one user, his; with
 * a collector, the host's. Daemon, tool and retention ask here, so that they mean the same.
 */
#ifndef AIGW_DRAIN_PLACE_H
#define AIGW_DRAIN_PLACE_H

#include "policy/load.h"

#define PLACE_HOST_STATE "/var/lib/aigw" /* of a host's services */
#define PLACE_SINKS      "sinks"         /* below the state directory, 0700 */

/* The audit directory: `given` when not NULL, else the policy's, else the usual one.
 * NUL-terminated. ERR_LIMIT. */
MUST_USE enum err place_audit(const struct places *places, const struct policy *policy,
			      const char *given, char ret_path[PATH_MAX_BYTES]);
/* The directory of the sinks' files (NAME.cursor, NAME.acked, ...), below `given` or the state
 * directory that goes with that log. */
MUST_USE enum err place_sinks(const struct places *places, const struct policy *policy,
			      const char *given, char ret_path[PATH_MAX_BYTES]);
/* DIRECTORY/NAME and a suffix. */
MUST_USE enum err place_file(const char *directory, struct bytes name, const char *suffix,
			     char ret_path[PATH_MAX_BYTES]);

#endif
