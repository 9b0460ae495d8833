/* SPDX-License-Identifier: MIT
 *
 * section_providers: the object "providers": more hosts for a provider of the catalogue, and
 * providers of one's own.
 */
#ifndef AIGW_POLICY_SECTION_PROVIDERS_H
#define AIGW_POLICY_SECTION_PROVIDERS_H

#include "policy/reader.h"

/* Into r->policy. */
reader_fn section_providers_read;

/* The next of all known providers, the policy's first; NULL behind the last. */
const struct provider *section_providers_at(const struct policy *p, size_t i);

#endif
