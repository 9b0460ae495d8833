/* SPDX-License-Identifier: MIT
 *
 * control: the request fields by which a provider can be told what to do with the data, with the
 * values that are known to be accepted. Anything else may be refused as an unknown field, or mean
 * something else. A field is proof of what was asked, never of what was done.
 *
 * Pure, constant data. Source: providers.md 4.8 and "Agreements", state of autumn 2026.
 */
#ifndef AIGW_LLM_CONTROL_H
#define AIGW_LLM_CONTROL_H

#include "llm/catalogue.h"

#define CONTROL_DEPTH_MAX 3 /* members on the way to a field */

struct control {
	char provider[16]; /* its name in the catalogue */
	char path[48];     /* "store", "provider.zdr": members from the outermost in */
	char values[24];   /* JSON texts, one a line */
	char safe[8];      /* the one that keeps least; one of values */
	char endpoint[48]; /* what the request's path ends with; one a line */
};

/* The controls one after the other; NULL at the end. */
const struct control *control_at(size_t i);

/* The one of that provider (of its own hosts or the policy's) with that path; NULL: none. */
const struct control *control_find(struct bytes provider, struct bytes path);

/* True when the request is one that takes the field. `path` without query. */
bool control_applies(const struct control *c, const struct provider *provider, struct bytes method,
		     struct bytes path);

/* True when the provider has some field that such a request takes. */
bool control_exists(const struct provider *provider, struct bytes method, struct bytes path);

/* True when the JSON text is one of the control's values. */
bool control_takes(const struct control *c, struct bytes value);

#endif
