/* SPDX-License-Identifier: MIT
 *
 * section_applications: the object "applications": which program is in which environment, by what
 * the kernel says of it, and rules of its own.
 */
#ifndef AIGW_POLICY_SECTION_APPLICATIONS_H
#define AIGW_POLICY_SECTION_APPLICATIONS_H

#include "policy/reader.h"

/* Into r->policy, whose environments are read already. */
reader_fn section_applications_read;

/* The name of an environment that exists; into a struct bytes. */
reader_fn section_applications_environment;

#endif
