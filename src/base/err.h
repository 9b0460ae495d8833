/* SPDX-License-Identifier: MIT
 *
 * err: the one list of things that can go wrong, shared by every floor.
 *
 * Functions that can fail return `MUST_USE enum err`; the value is zero (OK) on success. Nothing
 * here prints: an error is reported once, at a roof. Thread-safe, no state.
 */
#ifndef AIGW_BASE_ERR_H
#define AIGW_BASE_ERR_H

#define MUST_USE __attribute__((warn_unused_result))

enum err {
#define ERR(name, status, text) name,
#include "base/err.def"
#undef ERR
	ERR_COUNT
};

/* The text of an error for people; a constant string, never NULL. */
const char *err_text(enum err e);

/* The name of an error as in the source ("ERR_BAD"); a constant string, never NULL. */
const char *err_name(enum err e);

/* The exit status a tool ends with on this error: 0, 1 (a finding), 2 (usage) or 3 (system). */
int err_exit_status(enum err e);

/* The error for an errno value (ENOENT: ERR_MISSING, EACCES/EPERM: ERR_ACCESS, ENOSPC/EDQUOT:
 * ERR_FULL, ENOMEM: ERR_NOMEM, all else: ERR_IO). `errno_value` may be negative (-errno). */
enum err err_from_errno(long errno_value);

#endif
