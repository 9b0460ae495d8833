/* SPDX-License-Identifier: MIT
 *
 * pattern: model names as the policy sees them ("provider/model") and the patterns over them.
 *
 * A pattern is matched against the whole name; `*` is any run of bytes, a '/' too, `?` any one
 * byte. Names and patterns are lower case here: pattern_canonical_name and the policy's parser see
 * to it. Pure, no allocation.
 */
#ifndef AIGW_POLICY_PATTERN_H
#define AIGW_POLICY_PATTERN_H

#include "llm/catalogue.h"

#define PROVIDER_NAME_BYTES_MAX 63
#define PATTERN_BYTES_MAX       (PROVIDER_NAME_BYTES_MAX + 1 + MODEL_BYTES_MAX)

/* "provider/model" of a call, for matching only (the log keeps what the program wrote): lower
 * case, without white space at the ends, without the prefixes "models/" and "<provider>/" that
 * APIs accept in front of a model (providers.md 4.4). In `storage`; the view is empty when the
 * call names no model. ERR_LIMIT: it does not fit, which no valid provider and call can cause. */
MUST_USE enum err pattern_canonical_name(const char *provider, struct bytes model,
					 char storage[static PATTERN_BYTES_MAX],
					 struct bytes *ret_name);

/* True when the pattern matches the whole canonical name. */
bool pattern_matches(struct bytes pattern, struct bytes name);

/* True when the pattern matches every model of the provider, whatever its name. */
bool pattern_covers(struct bytes pattern, const char *provider);

/* True when some model name of the provider exists that the pattern matches. */
bool pattern_can_match(struct bytes pattern, const char *provider);

#endif
