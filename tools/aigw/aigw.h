/* SPDX-License-Identifier: MIT
 *
 * aigw: the tool people type. One file per command (cmd_<name>.c), the table of them in aigw.c.
 * Every command parses its own options and returns the exit status.
 */
#ifndef AIGW_TOOL_AIGW_H
#define AIGW_TOOL_AIGW_H

#include "base/err.h"

/* As err.def says; `aigw verify` has the verdict's own, `aigw run` the program's. */
enum exit_status {
	EXIT_FINE = 0,
	EXIT_FINDING = 1,
	EXIT_USAGE = 2,
	EXIT_SYSTEM = 3,
};

/* argv[0] is the command's name. */
int cmd_init(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_tail(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_grep(int argc, char **argv);
int cmd_evidence(int argc, char **argv);
int cmd_usage(int argc, char **argv);
int cmd_limits(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_providers(int argc, char **argv);
int cmd_audit_key(int argc, char **argv);
int cmd_key(int argc, char **argv);
int cmd_retain(int argc, char **argv);
int cmd_hold(int argc, char **argv);
int cmd_drain(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

#endif
