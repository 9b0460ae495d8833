/* SPDX-License-Identifier: MIT
 *
 * narrow: from an id, or its beginning, to the record that is meant and the days it can stand in.
 */
#ifndef AIGW_TOOL_NARROW_H
#define AIGW_TOOL_NARROW_H

#include "reading.h"

/* The filter for records whose id begins with `prefix` (upper case; borrowed). */
void narrow_to_prefix(struct log_filter *filter, const char *prefix);

/* Which record `word` means ("last", an id or its beginning): its id in ret_id. The log of the
 * reading holds it; with its payloads when `word` is a whole id. 0, or the exit status after saying
 * what is wrong. */
int narrow_find_id(struct reading *r, const char *command, const char *word,
		   char ret_id[ULID_CHARS + 1]);

#endif
