/* SPDX-License-Identifier: MIT
 *
 * print: what all commands share in showing things to people and to machines: text that cannot
 * command a terminal, colour, times, indented JSON, aligned columns.
 *
 * What stands in a log was written by strangers (model names, headers, command lines), so
 * everything of it goes to a person through print_text or print_block.
 */
#ifndef AIGW_TOOL_PRINT_H
#define AIGW_TOOL_PRINT_H

#include <stdio.h>

#include "report/text.h"

/* Ends the tool with status 3 and a message when `e` is not OK: for memory, where a tool has
 * nothing better to do. */
void need(enum err e);
void *need_memory(size_t bytes); /* zeroed */

/* "aigw: ..." on stderr; print_problem returns the status of `e` for the caller to return. */
void print_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
int print_problem(enum err e, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum colour { PLAIN, DIM, BOLD, RED, GREEN, YELLOW, CYAN };

/* The escape sequence that begins a colour (PLAIN ends it) on `out`; "" when `out` is not a
 * terminal, TERM is dumb or NO_COLOR is set and not empty (no-color.org). */
const char *colour(FILE *out, enum colour c);
/* Columns of the terminal behind `out`; 0 when there is none. */
size_t print_width(FILE *out);

/* Appends `text` for people: control characters (C0, DEL, C1), bidirectional controls and bytes
 * that are not UTF-8 become \n, \t, \xNN, \u{NNNN}. One line. */
void put_visible(struct buf *out, struct bytes text);
/* As put_visible, but a line break stays one and a tab stays one; each line begins with `indent`.
 */
void put_visible_block(struct buf *out, struct bytes text, const char *indent);
void print_text(FILE *out, struct bytes text);
void print_block(FILE *out, struct bytes text, const char *indent);

/* Appends JSON indented by two spaces a level, numbers and strings byte for byte as they are.
 * ERR_BAD: not JSON; *out is unchanged. */
MUST_USE enum err put_pretty_json(struct buf *out, struct bytes json);

/* Local: "2026-11-24 01:12:03"; with `date` false "01:12:03". */
void put_time_local(struct buf *out, uint64_t time_ns, bool date);
/* "212 us", "388.1 ms", "2.41 s" */
void put_duration(struct buf *out, uint64_t us);
/* 1,234,567 */
void put_grouped(struct buf *out, uint64_t n);

/* A time as people give it: "90s", "30m", "1h", "7d", "2w" (that long before now_ns), or a date or
 * date and time "2026-11-24", "2026-11-24T15:04", "2026-11-24T15:04:05" in local time, with a final
 * Z in UTC. ERR_BAD: none of these. */
MUST_USE enum err parse_time(const char *text, uint64_t now_ns, uint64_t *ret_time_ns);

/* Writes the buffer to stdout and empties it; ends the tool where something of it is missing. */
void print_buf(struct buf *b);

/* Characters that a terminal shows for UTF-8 text without wide characters. */
size_t text_columns(struct bytes text);
/* Appends `text` cut to `columns` with a final ... character, or filled up with spaces. A negative
 * number fills on the left. */
void put_cell(struct buf *out, struct bytes text, int columns);

#endif
