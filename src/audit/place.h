/* SPDX-License-Identifier: MIT
 *
 * place: where a segment stands and which process it belongs to: the name of its file, the private
 * directories on the way there, the start time that tells a process from a later one of its number.
 * System calls through base/sys; no memory is allocated.
 */
#ifndef AIGW_AUDIT_PLACE_H
#define AIGW_AUDIT_PLACE_H

#include "audit/segment.h"

#define PLACE_HOST_MAX 64

/* The length of a host name as far as it is used; 0 for NULL. */
size_t place_host_length(const char *host);

/* Makes DIRECTORY and DIRECTORY/DAY (0700, where missing) and puts "DIRECTORY/DAY/HOST-PID-ID.aigw"
 * into ret_path, with room for ".new" behind it; DAY/… starts at *ret_below. `day` counts from
 * 1970. On failure ret_path holds anything. ERR_ACCESS: also a directory that is not ours or that
 * others may write to. ERR_LIMIT: too long. ERR_IO. */
MUST_USE enum err place_make(const char *directory, const char *host, uint64_t pid, uint64_t day,
			     const uint8_t segment_id[16], char ret_path[SEGMENT_PATH_MAX],
			     size_t *ret_below);

/* "2026-11-24" of a count of days since 1970, with its NUL, and back. ERR_BAD: no such day. */
#define PLACE_DAY_CHARS 10
void place_put_day(uint64_t day, char ret_text[PLACE_DAY_CHARS + 1]);
MUST_USE enum err place_parse_day(struct bytes text, uint64_t *ret_day);

#endif
