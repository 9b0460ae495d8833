/* SPDX-License-Identifier: MIT
 *
 * head: what is wanted of an answer's head (RFC 9110): one field, and how long the receiver wants
 * to be left alone. Pure.
 */
#ifndef AIGW_DRAIN_HTTP_HEAD_H
#define AIGW_DRAIN_HTTP_HEAD_H

#include "base/bytes.h"

/* The value of the last field of that name (case does not count) in the lines of a head, without
 * white space around it; the status line is passed over. ERR_MISSING. */
MUST_USE enum err head_find(struct bytes head, struct bytes name, struct bytes *ret_value);

#define HEAD_RETRY_AFTER_MAX_MS (24u * 3600 * 1000) /* a longer wish counts as this */

/* Retry-After (RFC 9110 10.2.3): seconds, or a date in one of the three forms of HTTP (5.6.7), as
 * milliseconds from now_s, seconds since 1970. 0: none, past, or neither of the two. */
uint32_t head_retry_after_ms(struct bytes head, uint64_t now_s);

#endif
