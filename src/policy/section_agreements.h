/* SPDX-License-Identifier: MIT
 *
 * section_agreements: what is agreed with a provider: the members "baa", "no_training" and
 * "zero_retention" of its entry.
 */
#ifndef AIGW_POLICY_SECTION_AGREEMENTS_H
#define AIGW_POLICY_SECTION_AGREEMENTS_H

#include "policy/reader.h"

/* Into a struct agreement: "not-needed", or an object with dates; the second one also true and
 * false. */
reader_fn section_agreements_baa, section_agreements_other;

/* Days since 1970-01-01 of "2027-01-31". ERR_BAD: no date of that form. Pure. */
MUST_USE enum err section_agreements_day(struct bytes text, int32_t *ret_day);

#endif
