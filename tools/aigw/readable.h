/* SPDX-License-Identifier: MIT
 *
 * readable: one log entry in full, for people (aigw show).
 */
#ifndef AIGW_TOOL_READABLE_H
#define AIGW_TOOL_READABLE_H

#include "log.h"

void readable_print(const struct log_entry *entry);

#endif
