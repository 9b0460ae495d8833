/* SPDX-License-Identifier: MIT
 *
 * section_prices: the policy's `prices`: by "provider/model" or a pattern of it. Needs the policy's
 * providers to have been read.
 */
#ifndef AIGW_POLICY_SECTION_PRICES_H
#define AIGW_POLICY_SECTION_PRICES_H

#include "policy/reader.h"

/* Into the policy itself. */
reader_fn section_prices_read;

#endif
