/* SPDX-License-Identifier: MIT
 *
 * message: an event as one syslog message (RFC 5424). Pure.
 *
 *     <14>1 2026-11-24T00:12:03.123456Z ward-3 aigw 4711 exchange
 *     [aigw@32473 id="01K..." ...] BOM{"id":"01K...","type":"exchange",...}        (one line)
 *
 * PRI: the facility, and how grave it is: err for a gap, a damage or a delay, warning for a
 * refusal, debug for a heartbeat, info for all else. PROCID is what keeps its order
 * (sink_event.process), MSGID the kind of record. MSG is the event's JSON with a byte order mark in
 * front, as RFC 5424 6.4 asks for UTF-8; JSON that is not UTF-8 goes without one.
 *
 * 32473 is the enterprise number that RFC 5612 sets aside for examples. This project has none of
 * its own, and a receiver must not take these parameters for those of somebody who has.
 */
#ifndef AIGW_DRAIN_SYSLOG_MESSAGE_H
#define AIGW_DRAIN_SYSLOG_MESSAGE_H

#include "drain/sink.h"

#define MESSAGE_SD_ID        "aigw@32473"
#define MESSAGE_HOST_MAX     255 /* RFC 5424 6.2.4 to 6.2.7 */
#define MESSAGE_APP_NAME_MAX 48
#define MESSAGE_PROCID_MAX   128
#define MESSAGE_MSGID_MAX    32
#define MESSAGE_VALUE_MAX    128 /* bytes of a value of structured data, before it is escaped */
#define MESSAGE_SCALAR_MAX   256 /* bytes of what is kept when an event has to be short */
#define MESSAGE_FACILITY_MAX 23

enum message_severity { SEVERITY_ERROR = 3, SEVERITY_WARNING, SEVERITY_INFO = 6, SEVERITY_DEBUG };

struct message_style {
	uint32_t facility;     /* at most MESSAGE_FACILITY_MAX */
	struct bytes app_name; /* empty: "aigw" */
	size_t bytes_max;      /* of a whole message; 0: any length */
};

enum message_severity message_severity(const struct sink_event *event);

/* Appends the message. One that would be longer than bytes_max is never cut: it goes without
 * payloads (the JSON's `request` and `response`), else with short members only, else with the id
 * alone, and says so: shortened="payload", "members" or "json" in the structured data, and
 * "payload_omitted":true, "members_omitted":true in the JSON. ERR_LIMIT: not even that fits;
 * ERR_NOMEM. *out is as before then. */
MUST_USE enum err message_put(struct buf *out, const struct message_style *style,
			      const struct sink_event *event);

#endif
