/* SPDX-License-Identifier: MIT
 *
 * address: where a syslog sink's `to` leads: tls://HOST[:PORT], tcp://HOST[:PORT],
 * udp://HOST[:PORT], unix:///PATH. Pure.
 */
#ifndef AIGW_DRAIN_SYSLOG_ADDRESS_H
#define AIGW_DRAIN_SYSLOG_ADDRESS_H

#include "base/bytes.h"

#define ADDRESS_HOST_MAX 253 /* RFC 1035, without the last dot */
#define ADDRESS_PATH_MAX 107 /* sun_path, with its NUL */

enum syslog_transport { SYSLOG_TLS, SYSLOG_TCP, SYSLOG_UDP, SYSLOG_UNIX };

struct syslog_address {
	enum syslog_transport transport;
	bool is_ip;                      /* the host is an address: no server name is sent */
	char host[ADDRESS_HOST_MAX + 1]; /* an IPv6 address without its brackets; unix: empty */
	char port[6];                    /* decimal; RFC 5425: 6514, RFC 6587: 601, RFC 5426: 514 */
	char path[ADDRESS_PATH_MAX + 1]; /* unix only */
};

/* ERR_BAD: *ret_problem (a constant) says what is wrong. */
MUST_USE enum err syslog_address_parse(struct bytes to, struct syslog_address *ret_address,
				       const char **ret_problem);

#endif
