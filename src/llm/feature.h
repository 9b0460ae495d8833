/* SPDX-License-Identifier: MIT
 *
 * feature: what a request uses besides the model: tools and who runs them, state that the provider
 * keeps, files and images, and the limit it sets for the answer. Read from the JSON body, over all
 * dialects at once: their names do not collide.
 *
 * It errs on the side of seeing too much: a member that stands twice counts each time, a tool whose
 * kind is not known is "other_tools". What is passed over is what a program may choose freely:
 * arguments of functions, their results as JSON, schemas.
 *
 * Pure, no allocation. Sources: providers.md 4.2, and "Agreements".
 */
#ifndef AIGW_LLM_FEATURE_H
#define AIGW_LLM_FEATURE_H

#include "base/bytes.h"

enum feature {
#define FEATURE(name, text) FEATURE_##name,
#include "llm/feature.def"
#undef FEATURE
	FEATURE_COUNT
};

#define FEATURE_BIT(f) ((uint64_t)1 << (f))

const char *feature_name(enum feature f);
/* By its name in policies or in the catalogue, which says providers' own words, too
 * ("web_search_preview", "mcp_servers", "google_search"). FEATURE_COUNT: not known. */
enum feature feature_find(struct bytes name);

struct features {
	uint64_t bits;       /* FEATURE_BIT of each */
	bool has_max_tokens; /* the request limits the answer */
	uint64_t max_tokens; /* the greatest limit it names */
};

/* Reads a body; one that is no JSON object has none. */
void features_read(struct bytes body, struct features *ret_features);

#endif
