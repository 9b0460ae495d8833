/* SPDX-License-Identifier: MIT
 *
 * parameters: what libpq is told of the server, from a sink's configuration: its connection string,
 * the password's file, and what must hold whatever the string says: elsewhere than on this host the
 * server shows a certificate, which is checked. Reads files, does not connect.
 */
#ifndef AIGW_DRAIN_POSTGRES_PARAMETERS_H
#define AIGW_DRAIN_POSTGRES_PARAMETERS_H

#include "drain/sink.h"

#define PARAMETERS_MAX 64

struct parameters {
	size_t count;
	/* as PQconnectStartParams takes them: NULL behind the last; the memory is ours */
	char *keywords[PARAMETERS_MAX + 1], *values[PARAMETERS_MAX + 1];
};

/* *ret_parameters is the caller's (parameters_done). On failure *answer says why: ERR_USAGE (the
 * string), ERR_NOMEM, or what sink_read_file says. */
MUST_USE enum err parameters_init(struct parameters *ret_parameters, const struct drain *config,
				  struct sink_answer *answer);
void parameters_done(struct parameters *p); /* wipes; fine on {0} */

#endif
