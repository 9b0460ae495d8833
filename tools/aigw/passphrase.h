/* SPDX-License-Identifier: MIT
 *
 * passphrase: asks for one on the terminal without showing it, or reads it from a file: the one
 * named, or the one that AIGW_PASSPHRASE_FILE names. In a file it is the first line.
 */
#ifndef AIGW_TOOL_PASSPHRASE_H
#define AIGW_TOOL_PASSPHRASE_H

#include "base/bytes.h"

/* A file is named, or there is a terminal (/dev/tty). */
bool passphrase_is_to_be_had(const char *file);

/* Appends the passphrase. `file` NULL: AIGW_PASSPHRASE_FILE, else the terminal, with the prompt.
 * Says what is wrong; an exit status. */
int passphrase_get(const char *file, const char *prompt, struct buf *ret_passphrase);

/* The same for a new one: the terminal is asked twice, and what is shorter than
 * PASSPHRASE_CHARS_MIN is refused. */
#define PASSPHRASE_CHARS_MIN 8
int passphrase_get_new(const char *file, struct buf *ret_passphrase);

/* One line from the terminal, not shown; at most `cap` bytes, without a NUL. False: none. */
bool passphrase_ask(const char *prompt, char *ret_at, size_t cap, size_t *ret_len);

/* Asks a question that is answered "yes" on the terminal; without one the answer is no. */
bool passphrase_confirm(const char *question);

#endif
