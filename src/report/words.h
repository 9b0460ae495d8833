/* SPDX-License-Identifier: MIT
 *
 * words: what stands inside recorded payloads: header lines, the body without its content coding,
 * and the assistant's words put together from an answer or its stream.
 */
#ifndef AIGW_REPORT_WORDS_H
#define AIGW_REPORT_WORDS_H

#include "report/entry.h"

/* The next "name: value" of recorded header lines, cut off *rest. False at the end. */
bool words_next_header(struct bytes *rest, struct bytes *ret_name, struct bytes *ret_value);
/* The first value of that header (any case); empty when there is none. */
struct bytes words_header(struct bytes lines, struct bytes name);

/* Appends `body` with the content coding of its headers taken off. False when it cannot be (an
 * unknown coding, or cut short): then *ret_body holds what could be had. */
bool words_decode(struct bytes headers, struct bytes body, struct buf *ret_body);

/* Appends the assistant's words of the entry's response body; none is fine. */
void words_assemble(const struct log_entry *entry, struct buf *ret_text);

#endif
