/* SPDX-License-Identifier: MIT
 *
 * host: the host entries a policy may give a provider: "llm.ward.example", "*.models.example",
 * "10.0.0.7", "[::1]", each with or without ":port". Pure.
 */
#ifndef AIGW_POLICY_HOST_H
#define AIGW_POLICY_HOST_H

#include "base/bytes.h"

#define HOST_NAME_BYTES_MAX  253 /* RFC 1035 2.3.4, as text */
#define HOST_LABEL_BYTES_MAX 63

/* Cuts an entry into the host (a view; any case) and the port (0: any). ERR_BAD, then
 * *ret_problem says what is wrong with it, as a constant string that completes "..., but ". */
MUST_USE enum err host_parse(struct bytes entry, struct bytes *ret_name, uint16_t *ret_port,
			     const char **ret_problem);

#endif
