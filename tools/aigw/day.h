/* SPDX-License-Identifier: MIT
 *
 * day: the UTC days by which an audit directory is divided: "2026-11-24". As text they sort as they
 * follow each other.
 */
#ifndef AIGW_TOOL_DAY_H
#define AIGW_TOOL_DAY_H

#include "audit/verify.h"

#define DAY_CHARS SEGMENT_DAY_CHARS

/* The day directory a segment stands in, "" when it stands in none. */
void day_of_path(const char *path, char ret_day[DAY_CHARS + 1]);
void day_of_time(uint64_t time_ns, char ret_day[DAY_CHARS + 1]);

#endif
