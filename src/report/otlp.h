/* SPDX-License-Identifier: MIT
 *
 * otlp: one log entry as OTLP logs in JSON (opentelemetry-proto, LogsData, proto3 JSON mapping with
 * ids and 64-bit integers as strings), one message a line as the OpenTelemetry file exporter writes
 * it. Attribute names are those of the semantic conventions v1.41.1 where there is one (gen_ai.*,
 * server.*, http.*, url.*, process.*, host.*), else "aigw." and the field's path.
 */
#ifndef AIGW_REPORT_OTLP_H
#define AIGW_REPORT_OTLP_H

#include "report/entry.h"

/* Appends the message without a line end. `payloads`: headers and bodies as the body of the log
 * record, when the entry holds them. */
void put_entry_otlp(struct buf *out, const struct log_entry *entry, bool payloads);

#endif
