/* SPDX-License-Identifier: MIT
 *
 * note: what the daemon tells its administrator, a line each on standard error, with the priority
 * in front that the journal understands (sd-daemon(3)).
 */
#ifndef AIGW_DAEMON_NOTE_H
#define AIGW_DAEMON_NOTE_H

#include <stdbool.h>

#include "base/err.h"

enum note_priority { NOTE_ALARM = 1, NOTE_WRONG = 3, NOTE_WARN = 4, NOTE_INFO = 6 };

/* With `priorities` false (a terminal) the numbers are left out. */
void note_init(bool priorities);

/* The texts one behind the other. Control characters become '?'. */
#define note(priority, ...) note_texts(priority, __VA_ARGS__, (const char *)0)
void note_texts(enum note_priority priority, const char *text, ...) __attribute__((sentinel));
/* The same with the text of an error behind it. */
void note_error(enum note_priority priority, enum err e, const char *text, const char *more);

#endif
