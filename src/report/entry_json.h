/* SPDX-License-Identifier: MIT
 *
 * entry_json: a log entry as the JSON object that `aigw show --json` and `aigw log --json` print.
 * The shape is part of the contract: docs/man/aigw-show.1.
 */
#ifndef AIGW_REPORT_ENTRY_JSON_H
#define AIGW_REPORT_ENTRY_JSON_H

#include "report/entry.h"

/* Appends one object on one line, without a line break behind it. `payloads`: with request and
 * response, headers and bodies. */
void put_entry_json(struct buf *out, const struct log_entry *entry, bool payloads);

#endif
