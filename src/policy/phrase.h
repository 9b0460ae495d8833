/* SPDX-License-Identifier: MIT
 *
 * phrase: a sentence for people, built in storage of fixed size without allocation and without
 * stdio. What comes from outside (a model name, a key of a file) is made harmless on its way in:
 * control characters and bytes that are not UTF-8 become '?', so that a reason may be printed on
 * a terminal. A phrase that does not fit is cut at a character boundary and ends in "...".
 */
#ifndef AIGW_POLICY_PHRASE_H
#define AIGW_POLICY_PHRASE_H

#include "base/bytes.h"

#define PHRASE_QUOTE_MAX 64 /* bytes of a quoted value that are shown */

struct phrase {
	char *at;
	size_t cap, len;
	bool cut;
};

/* Starts an empty phrase in `storage`; cap > 4. The storage is a NUL-terminated string from now on
 * and after every call. */
void phrase_init(struct phrase *p, char *storage, size_t cap);

void phrase_put(struct phrase *p, const char *text);
void phrase_put_bytes(struct phrase *p, struct bytes text);
/* In double quotes, cut after PHRASE_QUOTE_MAX bytes. */
void phrase_put_quoted(struct phrase *p, struct bytes text);
void phrase_put_decimal(struct phrase *p, uint64_t value);

#endif
