/* SPDX-License-Identifier: MIT
 *
 * modules: where the modules of sinks are. What is loaded from there, and how: drain/sink.h.
 */
#ifndef AIGW_DRAIN_MODULES_H
#define AIGW_DRAIN_MODULES_H

#include "base/bytes.h"

#define MODULES_PATH_MAX 4096

/* The directory for a program with that absolute path; pure. false: the path is none, or too long.
 */
bool modules_directory(struct bytes exe, char ret_directory[MODULES_PATH_MAX]);

#endif
