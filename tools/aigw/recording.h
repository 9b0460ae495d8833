/* SPDX-License-Identifier: MIT
 *
 * recording: what the tool itself puts into the log: who read a collector's log, and what was done
 * to the log by hand (keys, holds, retention, policy). With a collector it is sent there, and the
 * kernel says who did it; else it goes into a segment of the tool's own.
 */
#ifndef AIGW_TOOL_RECORDING_H
#define AIGW_TOOL_RECORDING_H

#include "audit/record.h"
#include "policy/load.h"

/* The command and its words, as typed; borrowed for good. For the records to come. */
void recording_begin(int argc, char **argv);

/* That this command reads the log in `directory`, when that is a collector's: the policy's, or one
 * that a collector has written. It stands in the log before anything is shown. Where it cannot,
 * that is said on stderr and no more: who has the secret key can read without this tool. */
void recording_access(const struct places *places, const char *directory);

/* That something was done to this user's log. What was done stands when this fails, which is said
 * on stderr. */
void recording_put(const struct places *places, enum record_kind kind, struct bytes record);

#endif
