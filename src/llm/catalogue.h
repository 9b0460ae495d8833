/* SPDX-License-Identifier: MIT
 *
 * catalogue: the providers we know by host name. The built-in table is made from
 * policy/providers.json at build time (tools/dev/make-catalogue); the policy adds its own entries
 * in the same shape.
 *
 * Pure, constant data.
 */
#ifndef AIGW_LLM_CATALOGUE_H
#define AIGW_LLM_CATALOGUE_H

#include "llm/dialect.h"

/* "api.openai.com", "*.openai.azure.com" (`*` is one or more labels), "10.0.0.7", "[::1]". */
struct provider_host {
	const char *name; /* lower case, without port */
	uint16_t port;    /* 0: any port */
};

struct provider {
	const char *name;      /* the policy's and catalogue's id: "openai" */
	const char *otel_name; /* gen_ai.provider.name */
	const struct dialect *dialect;
	const struct provider_host *hosts;
	size_t host_count;
	bool plaintext; /* spoken to without TLS */
};

extern const struct provider catalogue[];
extern const size_t catalogue_count;

/* The built-in entry of that name; NULL when there is none. */
const struct provider *catalogue_find(struct bytes name);

/* True when `host` (any case, a final dot ignored) and `port` (0: not known yet, matches any)
 * belong to this provider. */
bool provider_has_host(const struct provider *p, struct bytes host, uint16_t port);

#endif
